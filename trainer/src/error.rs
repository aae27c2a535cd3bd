//! Anything that can stop a run.

use std::{io, path::PathBuf};

use rfx_loader::ErrorKind;
use tch::TchError;

use crate::{
    bridge::{BridgeError, first_line},
    checkpoint::CheckpointError,
    config::ConfigError,
    device::DeviceError,
    reproduce::GridError,
    shim::ShimError,
    theory::TheoryError,
};

/// Anything that can stop a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// Of the loader.
    #[error(transparent)]
    Loader(#[from] rfx_loader::Error),
    /// A configuration that makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A checkpoint that cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A device that cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Of libtorch, first line of the message.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] TchError),
    /// Of libtorch through the shim.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// Of turning batches into tensors.
    #[error(transparent)]
    Bridge(#[from] BridgeError),
    /// Of an experiment of the theory.
    #[error(transparent)]
    Theory(#[from] TheoryError),
    /// A file of the run's folder.
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A file of the run's folder that does not hold what it should.
    #[error("{}: {what}: {reason}; restore the file, or train again in another folder", path.display())]
    RunFile {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// There is a run already.
    #[error("{}: there is something here already: choose another --out, or add --resume to go on with that run", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// Not the data that a run was trained on.
    #[error("{}: data set {found} is not the run's, which was {expected}: give --data with that one, or start a new run", path.display())]
    OtherData {
        /// The data set's folder.
        path: PathBuf,
        /// Beginning of its id.
        found: String,
        /// Beginning of the id that the run was begun with.
        expected: String,
    },
    /// Another process trains in this folder.
    #[error("{}: another process is training this run: wait for it or stop it, or choose another --out", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// There is something where a report is to be written.
    #[error("{}: there is something here already: choose another --out, or add --replace to write over an older report", path.display())]
    Taken {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing to resume or evaluate.
    #[error("{}: no run here (no {file}): give the folder that `rfx-train run --out` wrote", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
        /// The file that is missing.
        file: &'static str,
    },
    /// A grid of runs that makes no sense.
    #[error(transparent)]
    Grid(#[from] GridError),
    /// Some runs of many failed; the others are done.
    #[error("{failed} of the runs failed, the first {first}: {why}; the same command tries them again")]
    RunsFailed {
        /// How many.
        failed: usize,
        /// Name of the first.
        first: String,
        /// The last line that it said.
        why: String,
    },
    /// Figures could not be made.
    #[error("report: {0}")]
    Report(String),
}

impl TrainError {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            TrainError::Loader(e) => e.kind(),
            TrainError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => ErrorKind::Input,
            TrainError::Io { .. }
            | TrainError::Device(DeviceError::Library { .. } | DeviceError::NoCard { .. }) => {
                ErrorKind::Environment
            }
            TrainError::RunsFailed { .. } => ErrorKind::Mismatch,
            TrainError::Checkpoint(e) => e.kind(),
            TrainError::Theory(e) => e.kind(),
            TrainError::Torch(_) | TrainError::Shim(_) | TrainError::Bridge(_) => ErrorKind::Environment,
            _ => ErrorKind::Input,
        }
    }
}

/// Result with [`TrainError`].
pub type Result<T, E = TrainError> = std::result::Result<T, E>;
