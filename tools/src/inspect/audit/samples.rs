//! Every sample of a data set, read once: digest, thumbnails, label, and whether it could be read.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rfx_loader::{Dataset, ErrorKind, ImageShape, LoaderSpec, OrderKind, Partition, Recipe, digest::Digest};

use super::{
    ClassCount, Duplicate, SplitCount, Unreadable, interrupted,
    thumbnail::{Directions, Thumbnail},
};
use crate::progress::Progress;

/// All samples, split after split, in id order. Costs about 600 bytes a sample of three channels; images are read again where they are needed.
pub struct Samples {
    dataset: Dataset,
    shape: ImageShape,
    splits: Vec<Recipe>,
    /// First index of each split.
    starts: Vec<usize>,
    looks: Looks,
}

/// What was found of some samples in a row; a text says why one could not be read.
type Looks = Vec<Result<Look, String>>;

/// What is kept of one image.
struct Look {
    digest: Digest,
    plain: Thumbnail,
    mirrored: Thumbnail,
    flat: bool,
}

impl Samples {
    /// Reads every record, on all cores.
    pub fn read(dataset: &Dataset, progress: &Progress<'_>) -> anyhow::Result<Samples> {
        let shape = dataset.shape()?;
        let plain = |name: &str| {
            let spec = LoaderSpec::new(name).batch(1).order(OrderKind::Sequential);
            Recipe::new(dataset, &spec, 0)
        };
        let splits = dataset.split_names().map(plain).collect::<Result<Vec<_>, _>>()?;
        let mut starts = vec![0];
        starts.extend(splits.iter().scan(0, |sum, split| {
            *sum += split.samples();
            Some(*sum)
        }));
        let total = starts.pop().unwrap_or(0);
        let mut samples = Samples { dataset: dataset.clone(), shape, splits, starts, looks: Vec::new() };
        progress.plan(total as u64);
        let directions = Directions::new(shape.channels);
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        const CHUNK: usize = 256;
        // Relaxed: the counter only deals out numbers, the flag only ends early; joining publishes the results.
        let work = || -> anyhow::Result<Vec<(usize, Looks)>> {
            let mut done = Vec::new();
            loop {
                let start = next.fetch_add(1, Ordering::Relaxed) * CHUNK;
                if start >= total || stop.load(Ordering::Relaxed) {
                    return Ok(done);
                }
                if progress.is_cancelled() {
                    stop.store(true, Ordering::Relaxed);
                    return Err(interrupted().into());
                }
                let chunk = start..total.min(start + CHUNK);
                let count = chunk.len() as u64;
                let looks =
                    chunk.map(|index| samples.look(index, &directions)).collect::<anyhow::Result<_>>();
                let looks = looks.inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
                done.push((start, looks));
                progress.advance(count, 0);
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut chunks = std::thread::scope(|scope| -> anyhow::Result<Vec<_>> {
            let handles: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut chunks = work()?;
            for handle in handles {
                chunks.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(chunks)
        })?;
        chunks.sort_unstable_by_key(|(start, _)| *start);
        samples.looks = chunks.into_iter().flat_map(|(_, looks)| looks).collect();
        Ok(samples)
    }

    /// A damaged record is a finding; a disk that fails is an error.
    fn look(&self, index: usize, directions: &Directions) -> anyhow::Result<Result<Look, String>> {
        let shape = self.shape;
        match self.image(index) {
            Ok(image) => Ok(Ok(Look {
                digest: Digest::of(&image),
                plain: Thumbnail::of(&image, shape, false, directions),
                mirrored: Thumbnail::of(&image, shape, true, directions),
                flat: image.iter().all(|&v| v == image[0]),
            })),
            Err(error) if matches!(error.kind(), ErrorKind::Mismatch | ErrorKind::Input) => {
                Ok(Err(error.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Of every image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    pub fn len(&self) -> usize {
        self.looks.len()
    }

    pub fn is_readable(&self, index: usize) -> bool {
        self.looks[index].is_ok()
    }

    /// Thumbnails of a readable sample, as it is and in a mirror.
    pub fn thumbnails(&self, index: usize) -> (Thumbnail, Thumbnail) {
        let look = self.looks[index].as_ref().expect("only readable samples are asked for");
        (look.plain.clone(), look.mirrored.clone())
    }

    /// Number of the sample's split, and its place in it.
    pub fn locate(&self, index: usize) -> (usize, usize) {
        let split = self.starts.partition_point(|&start| start <= index) - 1;
        (split, index - self.starts[split])
    }

    /// Recipe of a split: everything, in id order.
    pub fn split(&self, number: usize) -> &Recipe {
        &self.splits[number]
    }

    /// The image, planar.
    pub fn image(&self, index: usize) -> rfx_loader::Result<Vec<u8>> {
        let (split, position) = self.locate(index);
        Ok(self.splits[split].batch(0, position as u64, Partition::WHOLE)?.input_bytes().to_vec())
    }

    /// Id and class of a sample.
    pub fn key(&self, index: usize) -> (i64, i64) {
        let (split, position) = self.locate(index);
        self.splits[split].stored(position)
    }

    pub fn class(&self, label: i64) -> &str {
        usize::try_from(label).ok().and_then(|c| self.dataset.classes().get(c)).map_or("?", |name| name)
    }

    /// Groups of identical images (of one BLAKE3 digest); groups and their members in index order.
    pub fn identical(&self) -> Vec<Vec<usize>> {
        let mut by_digest: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (index, look) in self.looks.iter().enumerate() {
            if let Ok(look) = look {
                by_digest.entry(look.digest).or_default().push(index);
            }
        }
        let mut groups: Vec<_> = by_digest.into_values().filter(|group| group.len() > 1).collect();
        groups.sort_unstable();
        groups
    }

    /// Two samples as a finding.
    pub fn pair(&self, indices: [usize; 2], correlation: f64, mirrored: bool) -> Duplicate {
        let keys = indices.map(|i| self.key(i));
        Duplicate {
            ids: keys.map(|(id, _)| id),
            splits: indices.map(|i| self.split(self.locate(i).0).spec().split.clone()),
            labels: keys.map(|(_, label)| self.class(label).to_owned()),
            correlation,
            mirrored,
            indices,
        }
    }

    pub fn class_counts(&self) -> Vec<ClassCount> {
        let mut counts: Vec<_> = (self.dataset.classes().iter())
            .map(|name| ClassCount { name: name.clone(), samples: vec![0; self.splits.len()] })
            .collect();
        for index in 0..self.len() {
            let (split, _) = self.locate(index);
            let (_, label) = self.key(index);
            if let Some(count) = usize::try_from(label).ok().and_then(|c| counts.get_mut(c)) {
                count.samples[split] += 1;
            }
        }
        counts
    }

    pub fn split_counts(&self) -> Vec<SplitCount> {
        let classes = self.class_counts();
        let count = |(number, recipe): (usize, &Recipe)| {
            let of = || classes.iter().map(|class| class.samples[number]);
            let (most, fewest) = (of().max().unwrap_or(0), of().min().unwrap_or(0));
            SplitCount {
                name: recipe.spec().split.clone(),
                samples: recipe.samples() as u64,
                imbalance: (fewest > 0).then(|| most as f64 / fewest as f64),
            }
        };
        self.splits.iter().enumerate().map(count).collect()
    }

    pub fn unreadable(&self) -> Vec<Unreadable> {
        let failed = |(index, look): (usize, &Result<Look, String>)| {
            let message = look.as_ref().err()?.clone();
            let split = self.split(self.locate(index).0).spec().split.clone();
            Some(Unreadable { split, id: self.key(index).0, message })
        };
        self.looks.iter().enumerate().filter_map(failed).collect()
    }

    /// Ids of images of one value.
    pub fn flat(&self) -> Vec<i64> {
        let is_flat = |index: &usize| self.looks[*index].as_ref().is_ok_and(|look| look.flat);
        (0..self.len()).filter(is_flat).map(|index| self.key(index).0).collect()
    }
}
