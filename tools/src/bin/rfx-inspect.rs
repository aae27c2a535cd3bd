//! `rfx-inspect`: what is in a data set, whether it is sound, and what a corruption does to it.
#![forbid(unsafe_code)]

use clap::Parser;
use rfx_tools::{exit, inspect};

fn main() -> std::process::ExitCode {
    exit::run(|| inspect::run(inspect::Cli::parse()))
}
