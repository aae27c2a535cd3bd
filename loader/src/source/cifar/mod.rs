//! CIFAR-10 and CIFAR-100 (Krizhevsky 2009): 50,000 training and 10,000 test images of 3 x 32 x 32, in the binary or
//! the Python version, as the published archive or unpacked. Both versions give the same data set.
//!
//! All labels are checked when the source is opened, in the same pass that digests the files. Unpacked files are then
//! read at offsets; those of an archive are held in memory (184 MB), and so are images of pickles that newer Pythons
//! wrote.
//!
//! CIFAR-100's label is the fine one. The coarse label is the column `coarse_label`, and the superclass of each class
//! is the coarse label that its records have.

mod binary;
mod find;
mod labels;
mod python;
mod set;

use std::path::Path;

use self::{
    find::{Found, Version, find},
    labels::Labels,
    set::{CIFAR10, CIFAR100, Names, Set},
};
use super::{Source, SourceFile, SourceSplit, bytes::Bytes, error::SourceError, names};
use crate::{ImageShape, Layout, dataset::Class};

const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };

/// Name of the column with coarse labels.
const COARSE: &str = "coarse_label";

/// CIFAR-10.
pub type Cifar10 = Cifar<10>;

/// CIFAR-100.
pub type Cifar100 = Cifar<100>;

/// The CIFAR data set of so many classes.
#[derive(Debug)]
pub struct Cifar<const CLASSES: usize> {
    set: &'static Set,
    /// Training files in official order, then the test file.
    batches: Vec<Batch>,
    /// First sample of each batch in its split.
    starts: Vec<usize>,
    listed: Vec<SourceFile>,
    splits: [SourceSplit; 2],
    classes: Vec<Class>,
    columns: Vec<String>,
}

/// The records of one file.
#[derive(Debug)]
struct Batch {
    bytes: Bytes,
    /// Byte of the first image.
    first: u64,
    /// Bytes from one image to the next.
    stride: u64,
    labels: Vec<u8>,
    /// Of every record, or empty where the set has none.
    coarse_labels: Vec<u8>,
}

impl Cifar<10> {
    /// Opens `path`: an archive, the folder with the batches, or a folder that holds either; of the binary or the
    /// Python version, told by the names of the files (binary where there are both). Each file must have the official
    /// 10,000 records; checksums are not compared with the official ones.
    ///
    /// # Errors
    /// [`SourceError`] naming file, record and byte if anything is missing, cut short, too long or out of range;
    /// [`SourceError::PickleRefused`] for a pickle that wants more than data.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Cifar::open_set(&CIFAR10, path.as_ref(), true)
    }

    /// As [`open`](Self::open), for cut-down copies: files may have any number of records from 1.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_any_count(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Cifar::open_set(&CIFAR10, path.as_ref(), false)
    }
}

impl Cifar<100> {
    /// Opens `path`, as [`Cifar10::open`] does, with 50,000 and 10,000 records.
    ///
    /// # Errors
    /// As [`Cifar10::open`]; also if two records of one class have different coarse labels.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Cifar::open_set(&CIFAR100, path.as_ref(), true)
    }

    /// As [`open`](Self::open), for cut-down copies: files may have any number of records from 1.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_any_count(path: impl AsRef<Path>) -> Result<Self, SourceError> {
        Cifar::open_set(&CIFAR100, path.as_ref(), false)
    }
}

impl<const CLASSES: usize> Cifar<CLASSES> {
    fn open_set(set: &'static Set, path: &Path, official: bool) -> Result<Self, SourceError> {
        let Found { version, data, names } = find(set, path)?;
        let files = set.files(version);
        let read = match version {
            Version::Binary => binary::batch,
            Version::Python => python::batch,
        };
        let mut rules = Labels::new(set);
        let (mut batches, mut starts, mut listed) = (Vec::new(), Vec::new(), Vec::new());
        let mut samples = [0; 2];
        for (number, file) in data.into_iter().enumerate() {
            let (name, bytes) = (files.data[number].to_owned(), file.len);
            let records = official.then(|| files.records(number));
            let (batch, digest) = read(set, file, records, &mut rules)?;
            listed.push(SourceFile { name, bytes, digest });
            let samples = &mut samples[files.split(number)];
            starts.push(*samples);
            *samples += batch.labels.len();
            batches.push(batch);
        }
        let [fine, coarse] = class_names(set, version, &names, &mut listed)?;
        let class = |(name, superclass): (String, Option<usize>)| Class {
            superclass: superclass.map(|s| coarse[s].clone()),
            ..Class::named(name)
        };
        let classes = fine.into_iter().zip(rules.superclasses()).map(class).collect();
        let split = |name: &str, samples| SourceSplit { name: name.into(), samples };
        let splits = [split("train", samples[0]), split("test", samples[1])];
        let columns = if set.has_superclasses() { vec![COARSE.into()] } else { Vec::new() };
        Ok(Cifar { set, batches, starts, listed, splits, classes, columns })
    }

    /// The batch of a sample, and the sample's number in it.
    fn locate(&self, split: usize, index: usize) -> Result<(&Batch, usize), SourceError> {
        if split > 1 || index >= self.splits[split].samples {
            return Err(SourceError::NoSample { kind: self.kind().into(), split, index });
        }
        let last = self.batches.len() - 1;
        let batch = if split == 1 { last } else { self.starts[..last].partition_point(|&s| s <= index) - 1 };
        Ok((&self.batches[batch], index - self.starts[batch]))
    }
}

impl<const CLASSES: usize> Source for Cifar<CLASSES> {
    fn kind(&self) -> &str {
        self.set.kind
    }

    fn generator(&self) -> &str {
        ""
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
        &self.listed
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError> {
        let (batch, record) = self.locate(split, index)?;
        Ok(i64::from(batch.labels[record]))
    }

    fn column(&self, column: usize, split: usize, index: usize) -> Result<i64, SourceError> {
        let (batch, record) = self.locate(split, index)?;
        match batch.coarse_labels.get(record) {
            Some(&label) if column == 0 => Ok(i64::from(label)),
            _ => Err(SourceError::NoSample { kind: self.kind().into(), split, index }),
        }
    }

    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let (batch, record) = self.locate(split, index)?;
        batch.bytes.read_at(batch.first + record as u64 * batch.stride, out)
    }

    fn unchanged(&self) -> Result<(), SourceError> {
        self.batches.iter().try_for_each(|b| b.bytes.unchanged())
    }
}

/// Names of classes and superclasses: the files' where there are any, else the official ones. Adds the files to
/// `listed`.
fn class_names(
    set: &Set,
    version: Version,
    files: &[Option<Bytes>],
    listed: &mut Vec<SourceFile>,
) -> Result<[Vec<String>; 2], SourceError> {
    let official = |names: &Names| names.all().map(String::from).collect::<Vec<_>>();
    let mut found = [official(&set.classes), official(&set.superclasses)];
    for (number, (file, &name)) in files.iter().zip(set.files(version).names).enumerate() {
        let Some(file) = file else { continue };
        let digest = match version {
            Version::Binary => {
                let (names, digest) = names::lines(file)?;
                found[number] = names;
                digest
            }
            Version::Python => {
                let (names, digest) = python::names(set, file)?;
                found = names;
                digest
            }
        };
        listed.push(file.listed(name, digest));
        for (names, expected) in found.iter().zip([&set.classes, &set.superclasses]) {
            names::check(&file.path, names, Some(expected.count()))?;
        }
    }
    Ok(found)
}
