//! `rfx-pack merge`: one data set of the parts that several machines packed.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use clap::Args;
use rfx_loader::pack::merge;

use super::summary;
use crate::{
    exit::Outcome,
    progress::{Progress, Unit},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-pack merge parts/0 parts/1 parts/2 parts/3 --out packed/cifar10
  rfx-pack merge parts/0 parts/1 --out packed/mnist --json -q

The parts' commands must be the same but for --part, --out and --jobs. The result is, byte for byte, what \
the command without --part writes. Where the file system can, shards are linked and not copied, so the \
parts may be deleted afterwards.";

#[derive(Args, Debug)]
pub(super) struct MergeArgs {
    /// Folders that rfx-pack --part wrote: all of them, in any order
    #[arg(value_name = "PART", required = true)]
    parts: Vec<PathBuf>,
    /// Folder to write: new, empty, or one that the same command has begun
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print the result as JSON (schema rfx.pack/1)
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn run(args: &MergeArgs, cancel: &AtomicBool) -> anyhow::Result<Outcome> {
    let progress = Progress::new("merging", Unit::Samples, args.quiet, cancel);
    let merged = merge(&args.parts, &args.out, &progress, cancel);
    progress.finish();
    summary::tell(&args.out, &merged?, None, args.json)
}
