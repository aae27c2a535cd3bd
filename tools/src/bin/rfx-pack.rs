//! `rfx-pack`: a data set as others publish it, turned once into memory-mapped shards with checksums.
#![forbid(unsafe_code)]

use clap::Parser;
use rfx_tools::{exit, pack};

fn main() -> std::process::ExitCode {
    exit::run(|| pack::run(pack::Cli::parse()))
}
