//! What can stop an experiment, beside what can stop anything.

use std::path::PathBuf;

use rfx_loader::ErrorKind;

/// What can stop an experiment.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TheoryError {
    /// Not enough memory, seen before any of it was taken.
    #[error(
        "{samples} samples need {needed} bytes of memory on {device}, and {available} are available: {}",
        fits(.largest)
    )]
    Memory {
        /// Samples asked for.
        samples: usize,
        /// Bytes that they need.
        needed: u64,
        /// Bytes available.
        available: u64,
        /// The device whose memory it is.
        device: String,
        /// The most samples that would fit; 0 where none would.
        largest: usize,
    },
    /// A matrix that is singular to working precision.
    #[error(
        "the kernel matrix is not positive definite: pivot of row {row}{} is not above {floor:.1e}; identical images, or \
         more samples than features, make it singular: add --ridge (1e-8 is little), or take fewer --samples",
        of(.id)
    )]
    NotPositive {
        /// The row, in id order from 0.
        row: usize,
        /// The id of its sample, where that is known.
        id: Option<i64>,
        /// What a pivot must be above: n times the machine's epsilon times the largest diagonal element.
        floor: f64,
    },
    /// Stopped on request; nothing was written.
    #[error("interrupted: nothing was written")]
    Interrupted,
    /// A folder whose result is another experiment's.
    #[error(
        "{}: {key} is {found} now and was {expected} when the result was written: ask for the same, or choose another \
         --out",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// The setting that differs.
        key: String,
        /// Its value now.
        found: String,
        /// Its value in the file.
        expected: String,
    },
    /// A result that cannot be read.
    #[error("{}: {reason}; restore the file, or compute again in another folder", path.display())]
    Result {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Images that features cannot be taken of.
    #[error(
        "--features {features}: images are {height}x{width}, expected at least {least}x{least}: use --features pixels"
    )]
    Small {
        /// The features.
        features: &'static str,
        /// Rows of the images.
        height: usize,
        /// Columns of the images.
        width: usize,
        /// Least number of either.
        least: usize,
    },
    /// Projections that cannot be told apart, or samples that are none.
    #[error("{what}: {found}, expected {expected}")]
    Degenerate {
        /// What was computed.
        what: &'static str,
        /// What came out.
        found: String,
        /// What was expected, and what to do.
        expected: &'static str,
    },
}

fn fits(largest: &usize) -> String {
    match largest {
        0 => "no number of samples would fit; free memory, or use another --device".into(),
        n => format!("take --samples {n} or fewer, free memory, or use another --device"),
    }
}

fn of(id: &Option<i64>) -> String {
    id.map_or_else(String::new, |id| format!(" (sample id {id})"))
}

impl TheoryError {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            TheoryError::Memory { .. } => ErrorKind::Environment,
            TheoryError::Interrupted => ErrorKind::Interrupted,
            _ => ErrorKind::Input,
        }
    }
}
