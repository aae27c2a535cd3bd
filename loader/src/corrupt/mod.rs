//! Corruption: a pure function of a sample, its id, the epoch and the corruption seed.
//!
//! [`CorruptionSpec`] says what is asked for. `label` and `input` resolve it, once per loader, into tables and
//! keys that act on one sample at a time; they see no shards, threads or ranks. Files are read where the spec names
//! one, and images where the noise depends on them, both only then. Source: Zhang et al. 2017, sec. 2.1
//! (arXiv:1611.03530); the kinds beyond it name theirs. `CORRUPTION.md` beside this crate is the guide to them.

mod error;
pub(crate) mod input;
pub(crate) mod label;
mod named_file;
mod options;
mod poison;
mod spec;
mod text;

pub use error::SpecError;
pub use input::{At, Corner, InputRule, InputSpec, Pattern, PermuteUnit};
pub use label::{LabelReport, LabelRow, LabelRule, LabelSpec, Selection};
pub(crate) use poison::Poison;
pub(crate) use spec::TRAIN;
pub use spec::{CorruptionSpec, TestInputs, TestLabels};

/// Most classes whose transition matrix is counted, or read from a file: 32 MiB. (A data set may have 2^20 classes.)
pub const MATRIX_CLASSES: usize = 2048;
