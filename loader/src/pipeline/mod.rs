//! Threads that make batches ahead of their consumer, in order, in a bounded ring of slots.
//!
//! Workers claim chunks of samples with one atomic; the last chunk of a batch to finish publishes it; the consumer
//! takes batches in order and gives slots back by dropping them. No locks are taken on the way; a worker waits for
//! a free slot, the consumer for the next batch, both by spinning briefly and then parking. A stalled worker delays
//! the batch it works on and so the consumer, but never another worker, until slots run out. Without threads the
//! consumer is the only worker, and makes a batch when it asks for one.

mod error;
mod free;
mod loader;
mod ring;
mod sleep;
mod state;
mod waits;
#[allow(unsafe_code)] // asks slots for rows; the ring's protocol makes them its own
mod worker;

pub use error::{PipelineError, StateError};
pub use loader::{Loader, LoaderBuilder, LoaderStats, Position};
pub(crate) use ring::Ring;
pub use state::State;
pub use waits::{WaitQuantiles, Waits};
