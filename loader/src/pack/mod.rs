//! From a [`source`](crate::source) to a data set on disk, once.
//!
//! The plan is fixed before the first record is read; the same plan gives the same bytes for any number of jobs,
//! and a pack killed at any moment goes on where it was. Memory stays at 24 bytes per sample plus a buffer per job.
//! Nothing of the machine (time, host, path) is written.

mod error;
mod folder;
mod options;
mod plan;
mod run;
mod writer;

pub use error::PackError;
pub use options::{PackOptions, PackOrder, PackProgress, PackReport};
pub use plan::WRITER;
pub use run::pack;
