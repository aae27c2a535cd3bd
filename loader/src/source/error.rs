//! Why a data set in somebody else's format was refused.

use std::{io, path::PathBuf};

use crate::{ErrorKind, decode::DecodeError, shard::io_kind};

/// A source that could not be read, or breaks its format's rules.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}; check that the file exists, is readable and its disk is sound", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's own error.
        source: io::Error,
    },
    /// The path holds nothing this source reads.
    #[error("{}: expected {expected}, found {found}; {hint}", path.display())]
    NotFound {
        /// The path given.
        path: PathBuf,
        /// What was looked for.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        hint: String,
    },
    /// A value of the file that breaks a rule.
    #[error("{}: {field} at byte {offset}: expected {expected}, found {found}; the file is damaged or of another kind: get it again", path.display())]
    Field {
        /// The file (of an archive: archive, then the member's name).
        path: PathBuf,
        /// The field, for example `magic` or `length`.
        field: &'static str,
        /// Byte offset in the (decompressed) file.
        offset: u64,
        /// The rule.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A record that breaks a rule.
    #[error("{}: record {record}, {field} at byte {offset}: expected {expected}, found {found}; the file is damaged or of another kind: get it again", path.display())]
    Record {
        /// The file (of an archive: archive, then the member's name).
        path: PathBuf,
        /// The record's number in the file, from 0.
        record: usize,
        /// The field, for example `label`.
        field: &'static str,
        /// Byte offset in the (decompressed) file.
        offset: u64,
        /// The rule.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A compressed file that does not decompress, or is no archive.
    #[error("{}: {field} after {offset} bytes: {message}; the file is damaged or cut short: get it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// `gzip` or `tar`.
        field: &'static str,
        /// Decompressed bytes that were read before the fault.
        offset: u64,
        /// What the decoder said.
        message: String,
    },
    /// A pickle that asks for something of Python that no data set needs. Nothing of it was executed: rfx has nothing
    /// that could.
    #[error("{}: pickle at byte {offset}: expected numbers, texts, lists and NumPy arrays only, found a call for {module}.{name}, which was not made; this file is not the data set, and may be an attack: do not load it with Python", path.display())]
    PickleRefused {
        /// The file (of an archive: archive, then the member's name).
        path: PathBuf,
        /// Byte offset of the instruction.
        offset: u64,
        /// The module that was asked for.
        module: String,
        /// The name in it.
        name: String,
    },
    /// A file that was written to between being opened and the end of the pack.
    #[error("{}: changed while it was packed: expected the {expected} bytes that were opened, found {found}, written to since; leave the source alone, delete the output folder and pack again", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// Its length in bytes when it was opened.
        expected: u64,
        /// Its length now.
        found: u64,
    },
    /// A folder, file or archive of a set of images that is not as it should be.
    #[error("{}: {what}: expected {expected}, found {found}; {hint}", path.display())]
    Refused {
        /// The folder or file.
        path: PathBuf,
        /// Which part of it.
        what: &'static str,
        /// The rule.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// A file that makes no image.
    #[error("{}: {source}{}; get it again or remove it (rfx-pack check lists all such files), or leave such files out with --on-bad skip (ImageOptions::on_bad)", path.display(), others(*more))]
    Image {
        /// The file (of an archive: archive, then the member's name).
        path: PathBuf,
        /// How many more files make none.
        more: usize,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// Images of different sizes.
    #[error("{}: size: expected {expected} as {}, found {found}; images of one data set have one size: give them one with --resize 256 --crop 224 (ImageOptions::fit)", path.display(), first.display())]
    Sizes {
        /// The first image.
        first: PathBuf,
        /// Its size, width x height.
        expected: String,
        /// The first that differs.
        path: PathBuf,
        /// Its size.
        found: String,
    },
    /// A decoder that does not give the pixels it should.
    #[error(transparent)]
    Decoder(DecodeError),
    /// Stopped on request while the source was being opened.
    #[error("stopped while the source was being read; nothing was written")]
    Interrupted,
    /// A data set that samples are made from could not be read.
    #[error(transparent)]
    Loader(#[from] Box<crate::Error>),
    /// A split or sample that does not exist: a bug of the caller.
    #[error(
        "{kind}: split {split}, sample {index}: expected a sample of the source, found none; this is a bug of the calling program"
    )]
    NoSample {
        /// Kind of source.
        kind: String,
        /// Number of the split.
        split: usize,
        /// Number of the sample in the split.
        index: usize,
    },
}

impl From<crate::Error> for SourceError {
    fn from(error: crate::Error) -> Self {
        SourceError::Loader(Box::new(error))
    }
}

impl SourceError {
    /// Whether this is bad input, the environment or a bug.
    pub fn kind(&self) -> ErrorKind {
        match self {
            SourceError::Io { source, .. } => io_kind(source),
            SourceError::Changed { .. } => ErrorKind::Environment,
            SourceError::NoSample { .. } | SourceError::Decoder(_) => ErrorKind::Internal,
            SourceError::Interrupted => ErrorKind::Interrupted,
            SourceError::Loader(error) => error.kind(),
            _ => ErrorKind::Input,
        }
    }
}

fn others(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => " (and 1 more file)".into(),
        _ => format!(" (and {more} more files)"),
    }
}
