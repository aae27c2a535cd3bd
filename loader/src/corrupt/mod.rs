//! Corruption: a pure function of a sample, its id, the epoch and the corruption seed.
//!
//! [`CorruptionSpec`] says what is asked for. `label` and `input` resolve it, once per loader, into tables and
//! keys that act on one sample at a time; they see no files, threads or ranks. Source: Zhang et al. 2017, sec. 2.1
//! (arXiv:1611.03530).

mod error;
pub(crate) mod input;
pub(crate) mod label;
mod permute;
mod report;
mod spec;
mod text;

pub use error::SpecError;
pub use input::InputRule;
pub use label::LabelRule;
pub use report::{LabelReport, LabelRow, MATRIX_CLASSES};
pub use spec::{CorruptionSpec, InputSpec, LabelSpec, PermuteUnit, TestInputs, TestLabels};
