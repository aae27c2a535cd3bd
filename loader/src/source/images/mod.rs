//! Image files as a source: a tree with a folder per class ([`Images::folder`]), or ILSVRC-2012 as a tree or in its
//! official archives ([`Images::imagenet`]).
//!
//! Opening reads every file once, on several threads: its digest, kind and size, so that a pack fails before it has
//! written anything where a file is no image. Reading decodes, turns, resizes and crops it (the rules are those of
//! [`decode`](crate::decode)), after comparing the file with the digest: a file that was changed meanwhile is an error, and
//! never another image. Where records shall be JPEG files ([`EncodeOptions`]), those that need no change are handed over as they
//! are, undecoded. Files are read whole, one per thread; nothing is ever unpacked to disk.
//!
//! In memory: about 150 bytes per file.

mod assemble;
mod devkit;
mod encoded;
mod folder;
mod imagenet;
mod matlab;
mod options;
mod place;
mod report;
mod survey;
mod tar_index;
mod tree;

#[doc(hidden)] // for fuzzing: parsers of bytes that nobody can be trusted to have written
pub mod parsers {
    pub use super::{
        devkit::ground_truth,
        matlab::{MatlabError, Synset, synsets},
        tar_index::{Member, TarError, index},
    };
}

use std::{cell::RefCell, path::PathBuf};

pub use options::{EncodeOptions, ImageOptions, OnBad, OpenProgress};
pub use report::{BadFile, ImageReport};

use self::{
    place::{Entry, Places},
    survey::Surveyed,
};
use super::{Source, SourceError, SourceFile, SourceSplit};
use crate::{
    ElementShape, ImageShape, Layout,
    dataset::{Class, Parameter},
    decode::{DecodeError, Pixels, Resizer, decode},
};

/// A set of image files.
#[derive(Debug)]
pub struct Images {
    kind: &'static str,
    options: ImageOptions,
    parameters: Vec<Parameter>,
    places: Places,
    classes: Vec<Class>,
    splits: Vec<SourceSplit>,
    /// Number of each split's first entry.
    starts: Vec<usize>,
    /// In id order.
    entries: Vec<(Entry, Surveyed)>,
    listed: Vec<SourceFile>,
    /// Of every image, or of the first where they are encoded.
    shape: ImageShape,
    report: ImageReport,
}

impl Images {
    /// What was found when the source was opened: kinds, sizes, and what was left out.
    pub fn report(&self) -> &ImageReport {
        &self.report
    }

    /// The file that sample `index` of split number `split` is made of; in an archive, its path goes on with the
    /// member's name.
    ///
    /// # Errors
    /// [`SourceError::NoSample`].
    pub fn path(&self, split: usize, index: usize) -> Result<PathBuf, SourceError> {
        Ok(self.places.path(&self.entry(split, index)?.0))
    }

    /// Those of split number `split`.
    fn entries_of(&self, split: usize) -> &[(Entry, Surveyed)] {
        self.splits.get(split).map_or(&[], |s| &self.entries[self.starts[split]..][..s.samples])
    }

    fn bad(&self, entry: &Entry, source: DecodeError) -> SourceError {
        SourceError::Image { path: self.places.path(entry), more: 0, source }
    }

    fn entry(&self, split: usize, index: usize) -> Result<&(Entry, Surveyed), SourceError> {
        let there = self.splits.get(split).filter(|s| index < s.samples);
        let there = there.map(|_| &self.entries[self.starts[split] + index]);
        there.ok_or_else(|| SourceError::NoSample { kind: self.kind.into(), split, index })
    }
}

impl Source for Images {
    fn kind(&self) -> &str {
        self.kind
    }

    fn generator(&self) -> &str {
        ""
    }

    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn element(&self) -> ElementShape {
        match self.options.encode {
            None => ElementShape::Fixed(self.shape),
            Some(_) => ElementShape::Encoded { channels: self.shape.channels },
        }
    }

    fn encoded_bytes(&self, split: usize) -> u64 {
        encoded::expected_bytes(&self.options, self.entries_of(split))
    }

    fn takes_moments(&self) -> bool {
        self.options.encode.is_none_or(|encode| encode.moments)
    }

    fn layout(&self) -> Layout {
        Layout::Nhwc // as decoders make them
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

    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError> {
        Ok(self.entry(split, index)?.0.class as i64)
    }

    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let (entry, surveyed) = self.entry(split, index)?;
        let bytes = self.places.read_again(entry, &surveyed.digest, surveyed.bytes)?;
        let pixels = self.options.pixels(&bytes).map_err(|source| self.bad(entry, source))?;
        // The bytes are those whose header was read when the source was opened, so the size is the one found then.
        out.copy_from_slice(&pixels.values);
        Ok(())
    }

    fn read_encoded(&self, split: usize, index: usize, out: &mut Vec<u8>) -> Result<(), SourceError> {
        let (entry, surveyed) = self.entry(split, index)?;
        let bytes = self.places.read_again(entry, &surveyed.digest, surveyed.bytes)?;
        *out = encoded::record(&self.options, bytes, surveyed).map_err(|source| self.bad(entry, source))?;
        Ok(())
    }
}

impl ImageOptions {
    /// The pixels of the file `bytes`, resized and cropped.
    fn pixels(&self, bytes: &[u8]) -> Result<Pixels, DecodeError> {
        thread_local! {
            // Its buffers are as large as a photograph and are worth keeping.
            static RESIZER: RefCell<Resizer> = RefCell::default();
        }
        let pixels = decode(bytes, &self.decode())?;
        RESIZER.with_borrow_mut(|resizer| self.fit.apply(pixels, resizer))
    }
}
