//! Why a data set could not be packed.

use std::{io, path::PathBuf};

use crate::{
    ErrorKind,
    digest::Digest,
    shard::{FormatError, at_byte},
    source::SourceError,
};

/// A pack that failed. Nothing half-made is left behind as if whole: the output has no `dataset.json`, unless a data
/// set was there before, which is left as it was.
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
    #[error("{}: cannot {action}{}: {source}; {}", path.display(), space(*needed, source), advice(source))]
    Environment {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// Bytes the file needs in all; 0 where that is not known.
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
    /// The output folder holds another part of the same pack, or all of it.
    #[error("{}: part: expected {expected} (this command), found {found} (what is there); give every part a folder of its own", path.display())]
    OtherPart {
        /// `plan.json`.
        path: PathBuf,
        /// What this command packs.
        expected: String,
        /// What is packed there.
        found: String,
    },
    /// Parts that do not make one data set.
    #[error("{}: {what}: expected {expected}, found {found}; {hint}", path.display())]
    Merge {
        /// The part's folder or file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        hint: &'static str,
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

/// Whether the system says that more room would help.
fn is_space(source: &io::Error) -> bool {
    use io::ErrorKind as K;
    matches!(source.kind(), K::StorageFull | K::QuotaExceeded | K::FileTooLarge)
}

fn space(needed: u64, source: &io::Error) -> String {
    if needed > 0 && is_space(source) { format!(" ({needed} bytes needed)") } else { String::new() }
}

fn advice(source: &io::Error) -> &'static str {
    use io::ErrorKind as K;
    match source.kind() {
        K::NotADirectory => "choose another output folder",
        K::PermissionDenied | K::ReadOnlyFilesystem => {
            "make the folder writable or choose another one, then run the same command again to go on"
        }
        _ if is_space(source) => "free space, then run the same command again to go on",
        _ => "check the folder and its disk, then run the same command again to go on",
    }
}

/// Makes a [`PackError::Environment`]; `needed` is the length of the file in bytes, 0 where that is not known.
pub(super) fn environment(
    path: &std::path::Path,
    action: &'static str,
    needed: u64,
) -> impl FnOnce(io::Error) -> PackError {
    let path = path.to_path_buf();
    move |source| PackError::Environment { path, action, needed, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_and_bytes_fit_the_failure() {
        use io::ErrorKind as K;
        let text = |kind: K| environment("out/a".as_ref(), "write", 4096)(kind.into()).to_string();
        for kind in [K::StorageFull, K::QuotaExceeded, K::FileTooLarge] {
            assert!(text(kind).starts_with("out/a: cannot write (4096 bytes needed): "), "{}", text(kind));
            assert!(text(kind).contains("; free space"), "{}", text(kind));
        }
        for (kind, help) in [
            (K::PermissionDenied, "; make the folder writable"),
            (K::ReadOnlyFilesystem, "; make the folder writable"),
            (K::NotADirectory, "; choose another output folder"),
            (K::Other, "; check the folder and its disk"),
        ] {
            assert!(text(kind).contains(help) && !text(kind).contains("needed"), "{}", text(kind));
        }
    }
}
