//! Why a pipeline stops, or does not start.

use std::io;

use crate::{digest::Digest, error::ErrorKind};

/// A pipeline that could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The consumer asked for another batch while it holds every slot.
    #[error(
        "all {slots} slots are held: drop batches (and tensors made from them) before the next, or ask for more slots"
    )]
    AllSlotsHeld {
        /// Slots of the ring.
        slots: usize,
    },
    /// A worker panicked: a bug, reported instead of hanging.
    #[error("a loader thread panicked in epoch {epoch}, step {step}: {message}")]
    WorkerPanicked {
        /// Epoch of the batch it worked on.
        epoch: u32,
        /// Step of the batch it worked on.
        step: u64,
        /// The panic's message.
        message: String,
    },
    /// The operating system gave no thread.
    #[error("loader thread {index} could not be started: {source}")]
    Spawn {
        /// Which thread.
        index: usize,
        /// The system's error.
        source: io::Error,
    },
    /// A number of threads or slots that makes no sense.
    #[error("{field}={found}: expected {expected}")]
    Option {
        /// The option.
        field: &'static str,
        /// The value found.
        found: usize,
        /// The values accepted.
        expected: &'static str,
    },
    /// A place to start from that does not exist.
    #[error("start at epoch {epoch}, step {step}: an epoch has {steps} steps, and epochs end at {end}")]
    Start {
        /// The epoch asked for.
        epoch: u32,
        /// The step asked for.
        step: u64,
        /// Steps of an epoch.
        steps: u64,
        /// The epoch the loader stops before.
        end: u32,
    },
    /// A state that belongs to something else.
    #[error(transparent)]
    State(#[from] StateError),
}

impl PipelineError {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            PipelineError::WorkerPanicked { .. } => ErrorKind::Internal,
            PipelineError::Spawn { .. } => ErrorKind::Environment,
            _ => ErrorKind::Input,
        }
    }
}

/// A saved state that cannot be resumed here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Written by another version.
    #[error("loader state: version {found}, expected {expected}")]
    Version {
        /// The version found.
        found: u32,
        /// The version this library writes.
        expected: u32,
    },
    /// Of another data set.
    #[error("loader state: of data set {found}, this one is {expected}; open the data set it was saved with")]
    Content {
        /// The content id in the state.
        found: Digest,
        /// The content id of the data set opened.
        expected: Digest,
    },
    /// Of another loader spec.
    #[error(
        "loader state: of loader spec {found}, this one is {expected}; resume with the spec it was saved with"
    )]
    Spec {
        /// The digest in the state.
        found: Digest,
        /// The digest of the recipe.
        expected: Digest,
    },
    /// Of another seed.
    #[error("loader state: of seed {found}, this run has {expected}; resume with the seed it was saved with")]
    Seed {
        /// The seed in the state.
        found: u64,
        /// The seed of the recipe.
        expected: u64,
    },
    /// A position that is not the start of a batch.
    #[error("loader state: position {found} in samples: expected a multiple of {batch} below {samples}")]
    Position {
        /// The position in the state.
        found: u64,
        /// Samples of a global batch.
        batch: u64,
        /// Samples of an epoch.
        samples: u64,
    },
}
