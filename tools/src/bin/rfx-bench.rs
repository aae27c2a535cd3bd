//! `rfx-bench`: whether the loader keeps up on this machine.
#![forbid(unsafe_code)]

use clap::Parser;
use rfx_tools::{bench, exit};

fn main() -> std::process::ExitCode {
    exit::run(|| bench::run(bench::Cli::parse()))
}
