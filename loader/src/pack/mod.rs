//! From a [`source`](crate::source) to a data set on disk, once.
//!
//! The plan is fixed before the first record is read; the same plan gives the same bytes for any number of jobs,
//! and a pack killed at any moment goes on where it was. Memory stays at 24 bytes per sample plus a buffer per job.
//! Nothing of the machine (time, host, path) is written.

mod assemble;
mod encode;
mod error;
mod folder;
mod journal;
mod merge;
mod options;
mod part;
mod plan;
mod run;
mod writer;

pub use error::PackError;
pub use merge::merge;
pub use options::{PackCodec, PackOptions, PackOrder, PackProgress, PackReport};
pub use part::{Part, PartReport, pack_part};
pub use plan::WRITER;
pub use run::pack;
