//! `rfx-train run`.

use std::path::PathBuf;

use rfx_loader::Position;
use serde_json::json;

use super::{Ended, print, progress::Progress};
use crate::{
    config::Options,
    error::{Result, TrainError},
    folder::{Outcome, RunFolder},
    signal::Interrupt,
    train::{End, Run},
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train run --data cifar10 --corrupt random-labels --seed 1 --out runs/random
  rfx-train run --data cifar10 --model inception --corrupt partially-corrupted:0.5 --out runs/half
  rfx-train run --data cifar10 --model alexnet --weight-decay default --out runs/alexnet
  rfx-train run --data cifar10 --model resnet-18 --crop random:28 --flip --rotate 25 --out runs/resnet
  rfx-train run --data cifar10 --model wrn-28-10 --dropout 0.3 --device cuda:0 --out runs/wide
  rfx-train run --data cifar10 --model inception-w4 --subset 2000 --test-subset 1000 --out runs/w4
  rfx-train run --data cifar10 --patience 10 --min-delta 0.001 --out runs/early
  rfx-train run --config sweep.toml --set lr=0.02 --set corruption=gaussian --out runs/gaussian
  rfx-train run --resume --out runs/random

inception-w4 and inception-w4-no-bn are the small Inceptions at a quarter of their width, for
machines without a card: not the paper's networks. ResNets are torchvision's; for images with a
side below 64 (after the crop) they begin with a 3x3 convolution and no pool.

Ctrl-C writes a checkpoint and exits with 130; --resume goes on at the very step. The folder then
holds run.json (what was run), metrics.jsonl (a line an epoch), checkpoint.safetensors (weights by
PyTorch's names, and the rest), with --patience best.safetensors (the same of the best epoch), with
--per-sample samples.csv and samples/ (what happened to each training sample), with --ledger
rank-0.ledger (which samples each batch held), and a file for `tensorboard --logdir`.")]
pub(super) struct Args {
    #[command(flatten)]
    options: Options,
    /// TOML file of the options above, by their names without the leading dashes (`lr-decay = 0.95`); --corrupt is
    /// `corruption` there, its text or the table [corruption]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One option as key=value, by its name in the file and over it; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Folder of the run, which must be new or empty (but for --resume)
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Go on with the run in --out; options not given are those it was begun with
    #[arg(long)]
    resume: bool,
    /// Stop with a checkpoint, as after Ctrl-C, when standard input ends: for programs that start runs, and may die
    #[arg(long)]
    stop_with_stdin: bool,
    /// Print a JSON document about the run to stdout
    #[arg(long)]
    json: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn run(args: Args, interrupt: &Interrupt) -> Result<Ended> {
    let mut options = args.options.clone();
    for set in args.sets.iter().rev() {
        options = options.over(Options::from_set(set)?); // later ones win, and flags over all of them
    }
    if let Some(path) = &args.config {
        let text = std::fs::read_to_string(path).map_err(|source| TrainError::Io {
            path: path.clone(),
            action: "read",
            source,
        })?;
        options = options.over(Options::from_toml(&text, &path.display().to_string())?);
    }
    if args.resume {
        options = options.over(RunFolder::at(&args.out).read_manifest()?.config.into());
    }
    let config = options.resolve()?;
    if args.stop_with_stdin {
        interrupt.raise_when_stdin_ends();
    }
    let mut progress = Progress::new(config.corruption.to_string(), args.quiet);
    let mut run = match args.resume {
        true => Run::resume(config, &args.out, &mut progress)?,
        false => Run::begin(config, &args.out)?,
    };
    let end = run.train(interrupt, &mut progress);
    progress.finish();
    match end? {
        End::Interrupted(at) => {
            let out = args.out.display();
            Ok(Ended::Interrupted(format!(
                "{}; go on with: rfx-train run --resume --out {out}",
                interrupted(at)
            )))
        }
        End::Finished(outcome) => {
            let last = match progress.last() {
                Some(metrics) => Some(metrics.clone()),
                None => RunFolder::at(&args.out).read_metrics()?.pop(),
            };
            if args.json {
                let document = json!({
                    "schema": "rfx.train/1", "run": args.out, "outcome": outcome, "last": last,
                    "manifest": run.manifest(),
                });
                print::result(&format!("{document:#}\n"))?;
            } else if let Some(m) = last {
                print::result(&format!(
                    "{}: {}, {} epochs, train loss {:.4}, train accuracy {:.2}%, test accuracy {:.2}%{}{}\n",
                    args.out.display(),
                    run.manifest().network,
                    m.epoch,
                    m.train.loss,
                    100.0 * m.train.accuracy,
                    100.0 * m.test.accuracy,
                    m.test_given
                        .map(|given| format!(" ({:.2}% against corrupted labels)", 100.0 * given.accuracy))
                        .unwrap_or_default(),
                    ended(&outcome)
                ))?;
            }
            Ok(Ended::Done)
        }
    }
}

/// What else there is to say at the end: whether it fitted, and the best epoch.
fn ended(outcome: &Outcome) -> String {
    let mut text = String::new();
    if let Some(epoch) = outcome.fitted {
        text.push_str(&format!(", fitted after epoch {epoch}"));
    }
    if let Some(best) = outcome.best {
        let accuracy = 100.0 * best.test_accuracy;
        text.push_str(&format!(", best test accuracy {accuracy:.2}% after epoch {}", best.epoch));
    }
    if let Some(kept) = outcome.kept {
        text.push_str(&format!(", epoch {} in best.safetensors", kept.epoch));
    }
    if outcome.stopped_early {
        text.push_str(", stopped early");
    }
    text
}

fn interrupted(at: Position) -> String {
    match (at.epoch, at.step) {
        (0, 0) => "interrupted before the first step".into(),
        (epochs, 0) => format!("interrupted after epoch {epochs}"),
        (epochs, step) => format!("interrupted after step {step} of epoch {}", epochs + 1),
    }
}
