//! `rfx-pack materialise`: a corrupted copy of a data set, in the same format.

use std::sync::atomic::AtomicBool;

use clap::Args;
use rfx_loader::{CorruptionSpec, LoaderSpec, corrupt::InputSpec, source::Materialised};

use super::output::Output;
use crate::{
    args::{CORRUPTIONS, DatasetArg, GeometryArgs},
    exit::Outcome,
    report,
};

const EXAMPLES: &str = "\
Examples:
  rfx-pack materialise packed/cifar10 --corrupt random-labels --seed 1 --out packed/cifar10-random
  rfx-pack materialise packed/cifar10 --corrupt gaussian --seed 1 --crop 28 --out packed/noise --codec zstd

The copy, read with true-labels, gives the images and labels that the original gives with SPEC. Its labels \
before the corruption are the column clean_label. Its index tells the original's id, SPEC, seeds and epoch.";

/// For `--help`.
pub(super) fn examples() -> String {
    format!("{EXAMPLES}\n\n{CORRUPTIONS}")
}

#[derive(Args, Debug)]
pub(super) struct MaterialiseArgs {
    #[command(flatten)]
    dataset: DatasetArg,
    /// Corruption; `true-labels` for none
    #[arg(long, value_name = "SPEC")]
    corrupt: CorruptionSpec,
    /// Seed of augmentation, and of the corruption unless SPEC has a seed of its own
    #[arg(long, value_name = "S")]
    seed: u64,
    /// Epoch, from 0; it matters where something is redrawn or cropped at random in every epoch
    #[arg(long, value_name = "E", default_value_t = 0)]
    epoch: u32,
    #[command(flatten)]
    geometry: GeometryArgs,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: &MaterialiseArgs, cancel: &AtomicBool) -> anyhow::Result<Outcome> {
    let dataset = args.dataset.open()?;
    let spec = LoaderSpec::new("").corruption(args.corrupt.clone());
    let spec = args.geometry.apply(spec);
    let outcome =
        args.output.pack(|| Ok(Materialised::open(&dataset, &spec, args.seed, args.epoch)?), cancel)?;
    if args.corrupt.inputs != InputSpec::default() {
        report::tell(
            "note: noise was drawn with the original's moments; the copy's index has the moments of its own images, \
             which scaling by channel and further noise will use\n",
        );
    }
    Ok(outcome)
}
