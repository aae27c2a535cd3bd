//! `rfx-train demo`: the paper's question in a few minutes.

use std::path::PathBuf;

use rfx_loader::{CorruptionSpec, Dataset, Subset, dataset::Verify};

use super::{Ended, print, progress::Progress};
use crate::{
    config::Options,
    error::{Result, TrainError},
    folder::RunFolder,
    model::ModelName,
    report,
    signal::Interrupt,
    train::{End, Run},
};

/// Training samples without `--full`.
const SAMPLES: usize = 10_000;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train demo --data cifar10 --out demo-out
  rfx-train demo --data cifar10 --full --out demo-full
  rfx-train demo --data cifar10 --out demo-out --resume

Trains MLP 1x512 on true labels, partially corrupted labels (0.5), random labels, shuffled pixels, random pixels and
Gaussian images, each until the train loss (evaluation mode, end of epoch) is below 0.05 or for 60 epochs, at learning
rate 0.02 x 0.95 per epoch. That rate is the demo's own: at the paper's 0.01 random labels are not quite fitted after
60 epochs of 10,000 samples.")]
pub(super) struct Args {
    /// Packed data set (made by rfx-pack)
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder to write, which must be new or empty (but for --resume)
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Train on the whole split instead of a class-balanced subset of 10,000
    #[arg(long)]
    full: bool,
    /// Epochs at most
    #[arg(long, default_value_t = 60, value_name = "N")]
    epochs: u32,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads of libtorch [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Skip variants that are done, go on with the one that is not
    #[arg(long)]
    resume: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn demo(args: Args, interrupt: &Interrupt) -> Result<Ended> {
    let taken = std::fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some());
    if taken && !args.resume {
        return Err(TrainError::Exists { path: args.out });
    }
    let dataset = Dataset::open(&args.data, Verify::Once).map_err(rfx_loader::Error::from)?;
    let samples = dataset.split("train").map_err(rfx_loader::Error::from)?.len();
    let subset = if args.full || samples <= SAMPLES {
        Subset::All
    } else {
        Subset::Balanced { count: SAMPLES, seed: 0 }
    };
    drop(dataset);
    let mut runs = Vec::new();
    for (name, corruption) in CorruptionSpec::paper_variants() {
        let out = args.out.join("runs").join(name.replace(':', "-"));
        runs.push(out.clone());
        let folder = RunFolder::at(&out);
        let begun = args.resume && folder.read_manifest().is_ok();
        if begun && folder.read_manifest()?.outcome.is_some() {
            continue;
        }
        let options = Options {
            data: Some(args.data.clone()),
            model: Some(ModelName::Mlp1x512),
            corruption: Some(corruption),
            seed: Some(args.seed),
            epochs: Some(args.epochs),
            until_loss: Some(0.05),
            subset: Some(subset.clone()),
            lr: Some(0.02),
            threads: args.threads,
            ..Options::default()
        };
        let mut progress = Progress::new(name, args.quiet);
        let mut run = if begun {
            Run::resume(options.resolve()?, &out, &mut progress)?
        } else {
            Run::begin(options.resolve()?, &out)?
        };
        let end = run.train(interrupt, &mut progress);
        progress.finish();
        if let End::Interrupted(_) = end? {
            return Ok(Ended::Interrupted("interrupted; add --resume to the same command to go on".into()));
        }
    }
    let paths = report::write(&runs, &args.out.join("report"))?;
    print::result(&format!("{}\nreport: {}\n", report::table(&runs)?, paths.html.display()))?;
    Ok(Ended::Done)
}
