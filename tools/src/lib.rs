//! `rfx-pack`, `rfx-inspect` and `rfx-bench`: making data sets, looking at them, and seeing how fast they are read, on top
//! of `rfx-loader`, without libtorch.
//!
//! The programs are thin: their `main` hands a parsed command line to this library. What they share: results go to
//! stdout and everything else to stderr; `--json` prints one document that names its schema; no file is ever
//! overwritten, and a file appears whole or not at all; exit codes are those of [`exit`].
#![forbid(unsafe_code)]

pub mod args;
pub mod bench;
pub mod download;
pub mod exit;
mod host;
pub mod inspect;
pub mod interrupt;
pub mod output;
pub mod pack;
pub mod progress;
pub mod report;
