//! The one error type of the library, and what kind of failure it is.

use crate::{
    corrupt::SpecError, dtype::UnknownName, ledger::LedgerError, pack::PackError, pipeline::PipelineError,
    recipe::RecipeError, shard::FormatError, source::SourceError,
};

/// Anything that can go wrong in this crate. Every variant keeps the fields of its cause; none is only a sentence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A data set in somebody else's format could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A data set could not be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A shard or an index breaks the rules of `FORMAT.md`.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A corruption or subset that is unknown, contradictory or out of range.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A loader spec that does not fit its data set.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The pipeline stopped.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// A ledger cannot be written, or not be believed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A word that names nothing.
    #[error(transparent)]
    Name(#[from] UnknownName),
}

/// What kind of failure an error is, so that programs can react without reading text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Wrong usage or bad input: trying again will not help.
    Input,
    /// The work ran and found something that does not match.
    Mismatch,
    /// The environment failed (disk full, permission, I/O): trying again may help.
    Environment,
    /// Stopped on request.
    Interrupted,
    /// A broken promise inside rfx: a bug.
    Internal,
}

impl ErrorKind {
    /// The exit code of a program that fails this way.
    pub const fn exit_code(self) -> i32 {
        match self {
            ErrorKind::Mismatch => 1,
            ErrorKind::Input => 2,
            ErrorKind::Environment => 3,
            ErrorKind::Internal => 101,
            ErrorKind::Interrupted => 130,
        }
    }
}

impl Error {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::Source(e) => e.kind(),
            Error::Pack(e) => e.kind(),
            Error::Format(e) => e.kind(),
            Error::Spec(_) | Error::Recipe(_) | Error::Name(_) => ErrorKind::Input,
            Error::Pipeline(e) => e.kind(),
            Error::Ledger(e) => e.kind(),
        }
    }
}

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
