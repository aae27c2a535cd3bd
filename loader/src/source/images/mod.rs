//! Image files as a source: a tree with a folder per class ([`Images::folder`]), or ILSVRC-2012 as a tree or in its
//! official archives ([`Images::imagenet`]).
//!
//! Opening reads every file once, on several threads: its digest, kind and size, so that a pack fails before it has
//! written anything where a file is no image. Reading decodes, turns, resizes and crops it (the rules are those of
//! [`decode`](crate::decode)), after comparing the file with the digest: a file that was changed meanwhile is an error, and
//! never another image. Files are read whole, one per thread; nothing is ever unpacked to disk.
//!
//! In memory: about 150 bytes per file.

mod assemble;
mod devkit;
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

pub use options::{ImageOptions, OnBad, OpenProgress};
pub use report::{BadFile, ImageReport};

use self::{
    place::{Entry, Places},
    survey::Surveyed,
};
use super::{Source, SourceError, SourceFile, SourceSplit};
use crate::{
    ImageShape, Layout,
    dataset::{Class, Parameter},
    decode::{DecodeError, Resizer, decode},
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
        thread_local! {
            // Its buffers are as large as a photograph and are worth keeping.
            static RESIZER: RefCell<Resizer> = RefCell::default();
        }
        let (entry, surveyed) = self.entry(split, index)?;
        let bytes = self.places.read_again(entry, &surveyed.digest, surveyed.bytes)?;
        let pixels = decode(&bytes, &self.options.decode())
            .and_then(|p| RESIZER.with_borrow_mut(|resizer| self.options.fit.apply(p, resizer)));
        let bad = |source: DecodeError| SourceError::Image { path: self.places.path(entry), more: 0, source };
        let pixels = pixels.map_err(bad)?;
        // The bytes are those whose header was read when the source was opened, so the size is the one found then.
        out.copy_from_slice(&pixels.values);
        Ok(())
    }
}
