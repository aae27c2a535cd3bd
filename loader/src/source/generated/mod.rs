//! `generated/1`: ten classes of 32 x 32 colour pictures made from integers alone, for runs without data at hand.
//!
//! Deterministic on every machine: words of [`rng`](crate::rng) keyed by `generated/1/...`, the sample's id as the
//! stream, and integer arithmetic. 10,000 training samples (ids 0..9,999) and 2,000 test samples, a class per
//! remainder of the id by 10. The version is part of the content id, so a change of one pixel needs a new version.
//!
//! It is made to show what the paper's experiment shows: a small network generalises on true labels, far above
//! chance and short of perfect, and can still fit random ones, only later. Nothing made from it is a result about
//! natural images, and everything made from it says "generated data".

mod draw;
mod shapes;

use self::draw::Painter;
use super::{Source, SourceFile, SourceSplit, error::SourceError};
use crate::{ImageShape, Layout, dataset::Class};

/// Name and version, part of the content id.
const GENERATOR: &str = "generated/1";

const TRAIN: usize = 10_000;
const TEST: usize = 2_000;
const SHAPE: ImageShape = ImageShape { channels: 3, height: draw::SIDE, width: draw::SIDE };

/// The generated data set.
pub struct Generated {
    classes: Vec<Class>,
    splits: [SourceSplit; 2],
    painter: Painter,
}

impl Generated {
    /// The data set; nothing is drawn before it is read.
    pub fn new() -> Self {
        let split = |name: &str, samples| SourceSplit { name: name.into(), samples };
        Generated {
            classes: shapes::Figure::ALL.iter().map(|f| Class::named(f.name())).collect(),
            splits: [split("train", TRAIN), split("test", TEST)],
            painter: Painter::new(),
        }
    }

    /// The id of a sample, which is also the stream it is drawn from.
    fn id(&self, split: usize, index: usize) -> Result<u64, SourceError> {
        match split {
            0 if index < TRAIN => Ok(index as u64),
            1 if index < TEST => Ok((TRAIN + index) as u64),
            _ => Err(SourceError::NoSample { kind: self.kind().into(), split, index }),
        }
    }
}

impl Default for Generated {
    fn default() -> Self {
        Generated::new()
    }
}

impl std::fmt::Debug for Generated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generated").field("generator", &GENERATOR).finish_non_exhaustive()
    }
}

impl Source for Generated {
    fn kind(&self) -> &str {
        "generated"
    }

    fn generator(&self) -> &str {
        GENERATOR
    }

    fn shape(&self) -> ImageShape {
        SHAPE
    }

    fn layout(&self) -> Layout {
        Layout::Nchw
    }

    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn splits(&self) -> &[SourceSplit] {
        &self.splits
    }

    fn files(&self) -> &[SourceFile] {
        &[]
    }

    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError> {
        Ok((self.id(split, index)? % shapes::Figure::ALL.len() as u64) as i64)
    }

    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let id = self.id(split, index)?;
        let figure = shapes::Figure::ALL[(id % shapes::Figure::ALL.len() as u64) as usize];
        self.painter.paint(figure, id, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn read_all() -> Vec<(i64, Vec<u8>)> {
        let source = Generated::new();
        let samples =
            source.splits().iter().enumerate().flat_map(|(s, split)| (0..split.samples).map(move |i| (s, i)));
        samples
            .map(|(split, index)| {
                let mut image = vec![0; SHAPE.values()];
                source.read(split, index, &mut image).unwrap();
                (source.label(split, index).unwrap(), image)
            })
            .collect()
    }

    #[test]
    fn no_two_images_are_equal_and_classes_are_balanced() {
        let all = read_all();
        assert_eq!(all.iter().map(|(_, image)| image).collect::<HashSet<_>>().len(), TRAIN + TEST);
        for (samples, each) in [(&all[..TRAIN], 1000), (&all[TRAIN..], 200)] {
            for class in 0..10 {
                assert_eq!(samples.iter().filter(|(l, _)| *l == class).count(), each);
            }
        }
        // Pinned: any change of a pixel is a new version of the generator, never a change of this one.
        let mut hasher = blake3::Hasher::new();
        for (label, image) in &all {
            hasher.update(&[*label as u8]);
            hasher.update(image);
        }
        assert_eq!(hasher.finalize().to_hex().as_str(), PINNED);
    }

    /// BLAKE3 of (label byte, image) over all ids in order.
    const PINNED: &str = "84541d297fb8c6054e8dd5f25065ae1b0303eeaef30813bbaa82a3583b49514f";

    #[test]
    fn samples_outside_the_set_are_refused() {
        let source = Generated::new();
        let mut out = vec![0; SHAPE.values()];
        assert!(source.read(0, TRAIN, &mut out).is_err());
        assert!(source.label(1, TEST).is_err());
        assert!(source.label(2, 0).is_err());
    }
}
