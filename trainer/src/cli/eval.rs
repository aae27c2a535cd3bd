//! `rfx-train eval`.

use std::path::PathBuf;

use rfx_loader::Subset;
use serde_json::json;

use super::{Ended, print};
use crate::{
    checkpoint::{Checkpoint, RunState},
    device::DeviceName,
    error::{Result, TrainError},
    feed::{Against, Feed},
    folder::RunFolder,
    metrics::Score,
    model::Model,
    sgd::Sgd,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train eval runs/random
  rfx-train eval runs/random --data /elsewhere/cifar10 --json
  rfx-train eval runs/stopped-early --best
  rfx-train eval runs/quarter --test-subset all

Evaluates the checkpoint, or with --best that of the epoch that early stopping kept, in evaluation mode over the whole
training set (with the labels it was trained on) and the test split, or the part of it that the run evaluated: against
its clean labels, and, with test-labels=same, against the corrupted ones too.")]
pub(super) struct Args {
    /// Folder of the run
    run: PathBuf,
    /// The best epoch's weights (best.safetensors, which a run with --patience keeps) instead of the last
    #[arg(long)]
    best: bool,
    /// Packed data set [default: the one it was trained on]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Part of the test split, such as all or 1000:balanced [default: that of the run]
    #[arg(long, value_name = "SUBSET")]
    test_subset: Option<Subset>,
    /// cpu or cuda:N, whatever the run was trained on [default: cpu]
    #[arg(long)]
    device: Option<DeviceName>,
    /// Threads of libtorch [default: those of the run]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print a JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn eval(args: Args) -> Result<Ended> {
    let folder = RunFolder::at(&args.run);
    let manifest = folder.read_manifest()?;
    let mut config = manifest.config;
    config.data = args.data.unwrap_or(config.data);
    config.test_subset = args.test_subset.unwrap_or(config.test_subset);
    config.threads = args.threads.unwrap_or(config.threads);
    let device = args.device.unwrap_or(DeviceName::Cpu).prepare()?;
    tch::set_num_threads(i32::try_from(config.threads).unwrap_or(1));
    let path = if args.best { folder.best() } else { folder.checkpoint() };
    if args.best && !path.exists() {
        let reason = "not there: only runs with --patience keep it".into();
        return Err(TrainError::RunFile { path, what: "best checkpoint", reason });
    }
    let checkpoint = Checkpoint::read(&path)?;
    manifest.data.check(&config.data)?;
    let feed = Feed::open(&config)?;
    checkpoint
        .state
        .loader
        .resume(&feed.train)
        .map(drop)
        .map_err(rfx_loader::pipeline::PipelineError::from)
        .map_err(rfx_loader::Error::from)?; // a checkpoint of another spec or seed is refused here
    let (shape, classes) = (feed.train.sample_shape(), feed.train.classes());
    let model = Model::build(config.model, shape, classes, 0.0, config.seed, device)?;
    let sgd = Sgd::new(&model.parameters, config.momentum, config.weight_decay);
    checkpoint.restore(&model, &sgd, device)?;
    let state = &checkpoint.state;
    let epoch = state.last_epoch();
    let train = feed.evaluate(&model, &feed.train_evaluation, epoch, Against::Given, device)?;
    let test = feed.evaluate(&model, &feed.test, epoch, Against::Clean, device)?;
    let test_given = match feed.has_corrupted_test_labels() {
        true => Some(feed.evaluate(&model, &feed.test, epoch, Against::Given, device)?),
        false => None,
    };
    let text = if args.json {
        let document = json!({
            "schema": "rfx.eval/1", "run": args.run, "epoch": state.epoch, "step": state.step,
            "train": train, "test": test, "test_given": test_given,
        });
        format!("{document:#}\n")
    } else {
        format!(
            "{}: {} after {}\n{}{}{}",
            args.run.display(),
            config.model.describe(shape),
            progress(state, feed.train.steps_per_epoch()),
            describe("train", &train),
            describe("test", &test),
            test_given.map(|score| describe("test against corrupted labels", &score)).unwrap_or_default()
        )
    };
    print::result(&text)?;
    Ok(Ended::Done)
}

fn progress(state: &RunState, steps: u64) -> String {
    match state.step - u64::from(state.epoch) * steps {
        0 => format!("{} epochs", state.epoch),
        step => format!("step {step} of {steps} of epoch {}", state.epoch + 1),
    }
}

fn describe(name: &str, score: &Score) -> String {
    let percent = |accuracy: f64| 100.0 * accuracy;
    let mut line = format!(
        "{name}: {} samples, loss {:.4}, accuracy {:.2}%",
        score.samples,
        score.loss,
        percent(score.accuracy)
    );
    for (part, accuracy) in [("clean", score.clean_accuracy), ("corrupted", score.corrupted_accuracy)] {
        if let Some(accuracy) = accuracy {
            line.push_str(&format!(", {part} {:.2}%", percent(accuracy)));
        }
    }
    line + "\n"
}
