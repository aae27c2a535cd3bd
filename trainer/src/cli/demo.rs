//! `rfx-train demo`: the paper's question in a few minutes.

use std::path::{Path, PathBuf};

use rfx_loader::{CorruptionSpec, Dataset, Subset, dataset::Verify};

use super::{Ended, print, progress::Progress};
use crate::{
    config::Options,
    demo::{SAMPLES, settings},
    error::{Result, TrainError},
    folder::RunFolder,
    report,
    signal::Interrupt,
    train::{End, Run},
};

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
    /// Epochs at most [default: 60]
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads of libtorch [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Go on with the demo in --out, which must have been begun with the same data, seed and --full
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
        let own = Options {
            seed: Some(args.seed),
            epochs: args.epochs,
            subset: Some(subset.clone()),
            threads: args.threads,
            ..Options::default()
        };
        let config = own.over(settings(&args.data, corruption)).resolve()?;
        let mut progress = Progress::new(name, args.quiet);
        // A variant that is done is resumed like any other: that compares its settings and data, and trains nothing.
        let mut run = if args.resume && is_begun(&out)? {
            Run::resume(config, &out, &mut progress)?
        } else {
            Run::begin(config, &out)?
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

fn is_begun(out: &Path) -> Result<bool> {
    match RunFolder::at(out).read_manifest() {
        Ok(_) => Ok(true),
        Err(TrainError::NoRun { .. }) => Ok(false),
        Err(damaged) => Err(damaged),
    }
}
