//! Why a file could not be downloaded.

use std::path::PathBuf;

use rfx_loader::ErrorKind;

use crate::exit::CliError;

/// A download that failed. What had come is kept beside the file's place, as `NAME.part`, unless it is known to be wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The network, or the server for a while, failed again and again.
    #[error("{url}: {reason}, {tries} times without a byte more; check the connection, or give another server with --mirror; the same command goes on after the {have} of {bytes} bytes in {}", part.display())]
    Network {
        /// What was asked for.
        url: String,
        /// What happened last.
        reason: String,
        /// How often it was tried since the last byte came.
        tries: u32,
        /// Bytes that are there.
        have: u64,
        /// Bytes of the whole file.
        bytes: u64,
        /// Where they are.
        part: PathBuf,
    },
    /// The server does not give the file.
    #[error(
        "{url}: expected the file, found HTTP status {status}; it may have moved: give another server with --mirror, or get the file by other means"
    )]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// The server's file is of another length than the published one.
    #[error(
        "{url}: length: expected {expected} bytes, found {found}; the server has another file: give another one with --mirror"
    )]
    Length {
        /// What was asked for.
        url: String,
        /// Bytes of the published file.
        expected: u64,
        /// What the server has.
        found: String,
    },
    /// The server's file has other bytes than the published one.
    #[error(
        "{url}: SHA-256: expected {expected}, found {found}; the server has another file, which was deleted: give another server with --mirror"
    )]
    Checksum {
        /// What was asked for.
        url: String,
        /// Of the published file.
        expected: String,
        /// Of what came.
        found: String,
    },
    /// A file of that name is there, and is not the published one.
    #[error("{}: SHA-256: expected {expected}, found {found}; it is not the published file and is not overwritten: move it away, or give another folder", path.display())]
    Present {
        /// The file.
        path: PathBuf,
        /// Of the published file.
        expected: String,
        /// Of the file that is there.
        found: String,
    },
    /// Another process writes the same file.
    #[error("{}: another process is downloading it; wait for that one, then run the same command", part.display())]
    Busy {
        /// The unfinished file.
        part: PathBuf,
    },
    /// Stopped on request.
    #[error("{}: stopped after {have} of {bytes} bytes; the same command goes on from there", part.display())]
    Interrupted {
        /// The unfinished file.
        part: PathBuf,
        /// Bytes that are there.
        have: u64,
        /// Bytes of the whole file.
        bytes: u64,
    },
    /// The system refused.
    #[error(transparent)]
    File(#[from] CliError),
}

impl DownloadError {
    /// Whether this is bad input, the environment or a request to stop.
    pub fn kind(&self) -> ErrorKind {
        match self {
            DownloadError::Present { .. } => ErrorKind::Input,
            DownloadError::Interrupted { .. } => ErrorKind::Interrupted,
            DownloadError::File(error) => error.kind(),
            _ => ErrorKind::Environment,
        }
    }
}
