//! Data sets as others publish them: readers that hand [`pack`](crate::pack) one sample at a time.
//!
//! One foreign format per file. A source is opened completely checked as far as its format allows (lengths, counts,
//! labels), so that a pack fails before it has written anything; it trusts no length in a file and unpacks nothing
//! to disk.

mod archive;
mod bytes;
mod cifar;
mod error;
mod generated;
mod images;
mod materialised;
mod mnist;
mod names;
mod npy;
pub mod pickle;

pub use cifar::{Cifar, Cifar10, Cifar100};
pub use error::SourceError;
pub use generated::Generated;
#[doc(hidden)] // for fuzzing
pub use images::parsers;
pub use images::{BadFile, EncodeOptions, ImageOptions, ImageReport, Images, OnBad, OpenProgress};
pub use materialised::Materialised;
pub use mnist::Mnist;
pub use npy::{Npy, NpyFiles};

use crate::{
    ElementShape, ImageShape, Layout,
    dataset::{Class, Parameter},
    digest::Digest,
};

/// One file a source read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name within the source: no folder of this machine, no archive, no compression suffix.
    pub name: String,
    /// Its length in bytes, decompressed.
    pub bytes: u64,
    /// BLAKE3 of its bytes, decompressed.
    pub digest: Digest,
}

/// One split of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceSplit {
    /// Its name: 1 to 64 of `a-z`, `0-9`, `-` and `_`.
    pub name: String,
    /// Number of samples, at least 1.
    pub samples: usize,
}

/// Samples to be packed. Implement it to pack data of your own: every method must give the same answer every time,
/// from any thread.
pub trait Source: Send + Sync {
    /// What it is, in one word: `cifar10`, `mnist`, `npy`, `generated`, `materialised`.
    fn kind(&self) -> &str;

    /// Name and version of the generator that makes the images, empty for real data; part of the content id.
    fn generator(&self) -> &str;

    /// Shape of every image; of the first, where images are encoded and each has sides of its own.
    fn shape(&self) -> ImageShape;

    /// Shape of the images as a data set has it: one for all, or none where they are handed over encoded
    /// ([`Source::read_encoded`]).
    fn element(&self) -> ElementShape {
        ElementShape::Fixed(self.shape())
    }

    /// About how many bytes the encoded images of split number `split` take together; decides how many shards it gets, and
    /// so must not depend on the machine.
    fn encoded_bytes(&self, split: usize) -> u64 {
        let _ = split; // a source of images of one shape has none
        0
    }

    /// Whether moments are to be taken of encoded images, which costs decoding each.
    fn takes_moments(&self) -> bool {
        true
    }

    /// Order of the axes in a record.
    fn layout(&self) -> Layout;

    /// The classes, in label order; their names are all different.
    fn classes(&self) -> &[Class];

    /// The splits; ids are given split after split, in the order of each.
    fn splits(&self) -> &[SourceSplit];

    /// The files that were read, which the plan and the index list.
    fn files(&self) -> &[SourceFile];

    /// What else decided the samples (a resize, a decoder), by name, each name once: listed in the index, part of the
    /// plan. Nothing of the machine belongs here.
    fn parameters(&self) -> &[Parameter] {
        &[]
    }

    /// Names of the columns: further integers of each sample, such as CIFAR-100's `coarse_label`. Each is 1 to 64 of
    /// `a-z`, `0-9`, `_` and `-`, and none is a tensor of every shard ([`is_column_name`](crate::shard::is_column_name)).
    fn columns(&self) -> &[String] {
        &[]
    }

    /// Class of sample `index` of split number `split`.
    ///
    /// # Errors
    /// [`SourceError`] if it cannot be read.
    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError>;

    /// Value in column number `column` of sample `index` of split number `split`.
    ///
    /// # Errors
    /// [`SourceError`] if it cannot be read.
    fn column(&self, column: usize, split: usize, index: usize) -> Result<i64, SourceError> {
        let _ = column; // a source without columns has no sample with one
        Err(SourceError::NoSample { kind: self.kind().into(), split, index })
    }

    /// Writes the image of sample `index` of split number `split` to `out`, `shape().values()` bytes long.
    ///
    /// # Errors
    /// [`SourceError`] if it cannot be read.
    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError>;

    /// Puts the JPEG of sample `index` of split number `split` into `out`, in place of what is there.
    ///
    /// # Errors
    /// [`SourceError`] if it cannot be read, or the source's images are not encoded.
    fn read_encoded(&self, split: usize, index: usize, out: &mut Vec<u8>) -> Result<(), SourceError> {
        let _ = out; // a source of images of one shape has none
        Err(SourceError::NoSample { kind: self.kind().into(), split, index })
    }

    /// Whether everything is as it was when the source was opened. A pack asks when it has read all samples, and writes
    /// no index if not.
    ///
    /// # Errors
    /// [`SourceError::Changed`].
    fn unchanged(&self) -> Result<(), SourceError> {
        Ok(())
    }
}
