//! Which samples a consumer really took, written down as it takes them, and the proof that these were each sample once.
//!
//! A *ledger* is a file of one rank: a line for every batch that its loader handed out ([`LoaderBuilder::ledger`]). A
//! process that goes on with the same file appends to it, so that a file tells of several processes, one after another.
//! The processes that began at one position with one world size are a *run*; a restart is another run. [`audit`] puts the
//! runs together, leaves out what a restart took back, and counts how often each sample of each epoch was taken.
//!
//! A batch is written down by where it lies (epoch, step, slice) and a hash of its ids, not by the ids: which these must
//! have been, the audit derives again from data set, spec and seed, and a batch that held others is found by its hash. So
//! a line has some 80 bytes whatever the batch; it costs the consumer one `write`, under 1 us. A line that was written
//! outlives a kill, but not a power cut. Nothing here defends against people who forge ledgers.
//!
//! [`LoaderBuilder::ledger`]: crate::LoaderBuilder::ledger

mod audit;
mod entry;
mod error;
mod read;
mod report;
mod runs;
mod writer;

pub use audit::audit;
pub use error::LedgerError;
pub use report::{EpochReport, LedgerReport, Place, RunReport, Tally, Torn};

pub(crate) use writer::Ledger;
