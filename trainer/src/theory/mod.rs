//! The paper's theory as experiments: finite-sample expressivity (Zhang et al. 2017, sec. 4 and app. C), linear models
//! and kernels (sec. 5, app. D), and Rademacher complexity (sec. 2.2, eq. 1; arXiv:1611.03530).
//!
//! | experiment | question | what runs it |
//! |---|---|---|
//! | [`theorem1`] | do 2n + d weights express any labels of n images, and at which depth and width? | plain f64 |
//! | [`min_norm`] | how well does the interpolating solution of least norm generalise? (Table 3) | libtorch in f64 |
//! | [`rademacher`] | how well do functions of bounded norm fit random signs? | libtorch in f64 |
//!
//! Each has `Settings`, `run`, and a `Report` of numbers. Nothing in a report but its seconds depends on when it was
//! made; other machines differ by rounding. [`kept`] runs an experiment once and keeps what came out in a folder.
//! Randomness is keyed, in domains of its own: `theory/projection`, `theory/patches`, `theory/signs`.

mod cholesky;
mod deep;
mod draws;
mod error;
mod features;
mod gabor;
mod gaussian;
mod kernel;
mod linear;
mod memory;
pub mod min_norm;
mod patches;
pub mod rademacher;
mod relu;
mod result;
mod samples;
pub mod theorem1;
mod watch;

pub use cholesky::{Factor, TILE, Tiles};
pub use deep::DeepNetwork;
pub use error::TheoryError;
pub use features::FeatureName;
pub use kernel::{KernelName, KernelReport, KernelSettings, default_gamma};
pub use memory::available;
pub use relu::Interpolant;
pub use result::{Document, Experiment, RESULT, SCHEMA, kept};
