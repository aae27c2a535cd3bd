//! A small source of numbers for tests: every record different, in either layout.
#![allow(dead_code)]

use std::{path::Path, sync::atomic::AtomicBool};

use rfx_loader::{
    Dataset, ImageShape, Layout,
    dataset::{Class, Verify},
    pack::{PackOptions, PackOrder, pack},
    rng::Key,
    source::{Source, SourceError, SourceFile, SourceSplit},
};

/// `train` and `test` splits of pseudo-random images, classes 0..10 in turn, and a column `third` of the class by threes.
pub struct Synthetic {
    shape: ImageShape,
    layout: Layout,
    classes: Vec<Class>,
    columns: Vec<String>,
    splits: Vec<SourceSplit>,
}

impl Synthetic {
    pub fn new(train: usize, test: usize, shape: [usize; 3], layout: Layout) -> Self {
        let split = |name: &str, samples| SourceSplit { name: name.into(), samples };
        Synthetic {
            shape: ImageShape::try_from(shape).unwrap(),
            layout,
            classes: (0..10).map(|c| Class::named(format!("class {c}"))).collect(),
            columns: vec!["third".into()],
            splits: vec![split("train", train), split("test", test)],
        }
    }

    /// The image `[channels, height, width]` behind record `index` of `split`, whatever the layout.
    pub fn planar(&self, split: usize, index: usize) -> Vec<u8> {
        let mut words = Key::derive("synthetic", split as u64).words(index as u64, 0);
        (0..self.shape.values()).map(|_| words.next_u32() as u8).collect()
    }
}

impl Source for Synthetic {
    fn kind(&self) -> &str {
        "synthetic"
    }
    fn generator(&self) -> &str {
        ""
    }
    fn shape(&self) -> ImageShape {
        self.shape
    }
    fn layout(&self) -> Layout {
        self.layout
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
    fn columns(&self) -> &[String] {
        &self.columns
    }
    fn column(&self, _: usize, split: usize, index: usize) -> Result<i64, SourceError> {
        Ok(self.label(split, index)? / 3)
    }
    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError> {
        Ok(((index * 3 + split) % 10) as i64)
    }
    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let planar = self.planar(split, index);
        let (positions, channels) = (self.shape.positions(), self.shape.channels);
        for (k, value) in planar.into_iter().enumerate() {
            let (c, position) = (k / positions, k % positions);
            out[if self.layout == Layout::Nchw { k } else { position * channels + c }] = value;
        }
        Ok(())
    }
}

/// Packs `source` into `dir` with shards of about `shard_bytes`, and opens it.
pub fn packed(source: &dyn Source, dir: &Path, shard_bytes: u64, order: PackOrder) -> Dataset {
    packed_as(source, dir, PackOptions { jobs: 2, shard_bytes, order, ..Default::default() })
}

/// Packs `source` into `dir` so, and opens it.
pub fn packed_as(source: &dyn Source, dir: &Path, options: PackOptions) -> Dataset {
    pack(source, dir, &options, &(), &AtomicBool::new(false)).unwrap();
    Dataset::open(dir, Verify::Once).unwrap()
}
