//! Why a data set could not be packed.

use std::{io, path::PathBuf};

use crate::{
    ErrorKind,
    digest::Digest,
    shard::{FormatError, at_byte},
    source::SourceError,
};

/// A pack that failed. Nothing half-made is left behind as if whole: the output has no `dataset.json`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The index of a data set in the way cannot be read, or is of another version.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The system refused while the output was being written.
    #[error("{}: cannot {action}{}: {source}; {}", path.display(), space(*needed), advice(*needed, source))]
    Environment {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// Bytes the file needs in all; 0 where the failure is not about space.
        needed: u64,
        /// The system's own error.
        source: io::Error,
    },
    /// The output folder holds something that is not ours.
    #[error("{}: expected an empty or new folder, found `{found}` in it; choose another output folder", path.display())]
    NotEmpty {
        /// The output folder.
        path: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// The output folder holds, in whole or in part, another pack.
    #[error("{}: plan: expected {expected} (this command), found {found} (what is there); choose another output folder, or delete this one", path.display())]
    OtherPlan {
        /// `dataset.json` or `plan.json`.
        path: PathBuf,
        /// Digest of this command's plan.
        expected: Digest,
        /// Digest of the plan that is there.
        found: Digest,
    },
    /// The journal of an unfinished pack cannot be read.
    #[error("{}: {field}{}: {message}; delete the output folder and pack again", path.display(), at_byte(*offset))]
    Journal {
        /// `plan.json`.
        path: PathBuf,
        /// Which part of it.
        field: &'static str,
        /// Byte offset, where one is known.
        offset: Option<u64>,
        /// What is wrong.
        message: String,
    },
    /// A shard of the finished data set in the way is missing or has another length.
    #[error("{}: length: expected {expected} bytes, found {found}; delete the output folder and pack again", path.display())]
    DamagedOutput {
        /// The shard.
        path: PathBuf,
        /// Its length by the index.
        expected: u64,
        /// Its length, or what the system said.
        found: String,
    },
    /// The index of the finished data set in the way breaks a rule.
    #[error("{}: expected the index of a finished pack, found a damaged one; delete the output folder and pack again", path.display())]
    DamagedIndex {
        /// `dataset.json`.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<FormatError>,
    },
    /// Another process packs to the same folder.
    #[error("{}: expected to be the only pack to this folder, found another at work; wait for it, or choose another output folder", path.display())]
    Busy {
        /// The output folder.
        path: PathBuf,
    },
    /// What the source or the options say cannot be packed.
    #[error("{what}: expected {expected}, found {found}; {hint}")]
    Plan {
        /// What is wrong.
        what: String,
        /// The rule.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// Stopped on request; the same command goes on from here.
    #[error("{}: stopped before the end; run the same command again to go on", path.display())]
    Interrupted {
        /// The output folder.
        path: PathBuf,
    },
}

impl PackError {
    /// Whether this is bad input, the environment, or a stop on request.
    pub fn kind(&self) -> ErrorKind {
        match self {
            PackError::Source(e) => e.kind(),
            PackError::Format(e) => e.kind(),
            // A path that leads through a file will not get better by waiting.
            PackError::Environment { source, .. } if source.kind() == io::ErrorKind::NotADirectory => {
                ErrorKind::Input
            }
            PackError::Environment { .. } | PackError::Busy { .. } => ErrorKind::Environment,
            PackError::Interrupted { .. } => ErrorKind::Interrupted,
            _ => ErrorKind::Input,
        }
    }
}

fn space(needed: u64) -> String {
    if needed == 0 { String::new() } else { format!(" ({needed} bytes needed)") }
}

/// What to do: space is only spoken of where it can be the reason.
fn advice(needed: u64, source: &io::Error) -> &'static str {
    if source.kind() == io::ErrorKind::NotADirectory {
        "choose another output folder"
    } else if needed == 0 {
        "check that the folder is writable and its disk sound, then run the same command again to go on"
    } else {
        "free space or repair the disk, then run the same command again to go on"
    }
}

/// Makes a [`PackError::Environment`]; `needed` in bytes, 0 where it is not about space.
pub(super) fn environment(
    path: &std::path::Path,
    action: &'static str,
    needed: u64,
) -> impl FnOnce(io::Error) -> PackError {
    let path = path.to_path_buf();
    move |source| PackError::Environment { path, action, needed, source }
}
