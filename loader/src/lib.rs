//! rfx-loader: bytes on disk to corrupted batches in memory.
//!
//! [`pack`] turns a [`source`] into a data set of memory-mapped shards; a [`Recipe`] says what every batch of a run
//! holds; a [`Loader`] makes those batches with threads and hands them out in order.
//!
//! What it guarantees: a batch is a pure function of (data set content, [`LoaderSpec`], seed, epoch, step). It does
//! not depend on threads, ranks, prefetch depth, resume point, machine or shard size. What was corrupted is known
//! per sample, and can be derived again from the seed. `FORMAT.md` and `RANDOM.md` beside this crate are normative.
//!
//! What it costs: shards are mapped, so packed data are read from the page cache. In memory are 16 bytes per sample for
//! ids and labels, 8 more where labels are corrupted, a loader's batch slots, and two scratch images per thread.

pub mod digest;
pub mod dtype;
pub mod error;
pub mod npy;
pub mod rng;
pub mod shape;
#[allow(unsafe_code)] // a hint to the processor
pub mod simd;

pub mod dataset;
pub mod decode;
pub mod pack;
pub mod shard;
pub mod source;

mod file;
mod normal;

#[allow(unsafe_code)] // slots are written by many threads at once, each its own rows
pub mod batch;
pub mod corrupt;
pub mod geometry;
pub mod ledger;
#[allow(unsafe_code)] // calls code compiled for AVX2 where the processor has it
pub mod normalise;
pub mod order;
pub mod pipeline;
#[allow(unsafe_code)] // images that are kept while other threads read them
pub mod recipe;
pub mod spec;
mod sync;

#[cfg(test)]
extern crate self as rfx_loader; // so that unit tests can share tests/support
#[cfg(test)]
mod golden;
#[cfg(test)]
#[path = "../tests/support/synthetic.rs"]
mod synthetic;
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme; // so that the README's example is compiled and run
#[cfg(target_endian = "big")]
compile_error!(
    "rfx hands its little-endian batches to libraries as they are: big-endian machines are not supported"
);

pub use batch::Batch;
pub use corrupt::CorruptionSpec;
pub use dataset::{Dataset, Split};
pub use dtype::{Dtype, Layout};
pub use error::{Error, ErrorKind, Result};
pub use geometry::Crop;
pub use normalise::Normalise;
pub use order::{OrderKind, Partition, Subset};
pub use pipeline::{Loader, LoaderBuilder, Position, State};
pub use recipe::{OnBadRecord, Recipe};
pub use shape::{ElementShape, ImageShape};
pub use simd::Simd;
pub use spec::LoaderSpec;
