//! Ledgers that cannot be written, or not be believed.

use std::{io, path::PathBuf};

use crate::error::ErrorKind;

/// A ledger that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The system refused.
    #[error("{}: cannot {action} the ledger: {source}; check that its folder exists, is writable and has space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's own error.
        source: io::Error,
    },
    /// A file that is something else.
    #[error("{}: the file is no ledger: expected it to begin with `{expected}`, found `{found}`; give another path", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
        /// How every ledger begins.
        expected: &'static str,
        /// How this file does.
        found: String,
    },
    /// Another process writes to the file.
    #[error("{}: another process is writing this ledger; give each rank a file of its own", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A line that breaks the rules.
    #[error("{}: line {line}: {field}: expected {expected}, found {found}; the file was changed by something else", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The part of it that is wrong.
        field: &'static str,
        /// What should be there.
        expected: String,
        /// What is.
        found: String,
    },
    /// A ledger of another data set, spec or seed.
    #[error("{}: line {line}: a ledger of {field} {found}, but {expected} is what it is compared with; audit each by itself", path.display())]
    Identity {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What differs.
        field: &'static str,
        /// What it was compared with.
        expected: String,
        /// What the line says.
        found: String,
    },
    /// Nothing to audit.
    #[error("no ledger tells of any process; give the files that loaders wrote")]
    Nothing,
}

impl LedgerError {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            // A folder that is not there, or is a file: the caller's mistake.
            LedgerError::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                ErrorKind::Input
            }
            LedgerError::Io { .. } => ErrorKind::Environment,
            _ => ErrorKind::Input,
        }
    }
}
