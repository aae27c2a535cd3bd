//! The command line of `rfx-pack`.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use rfx_loader::{
    pack::{PackError, PackOptions, PackOrder, PackReport, pack},
    source::{Cifar10, Cifar100, Generated, Mnist, Source},
};
use serde::Serialize;

use crate::{
    download::{self, Published},
    exit::Outcome,
    interrupt,
    progress::{Progress, Unit},
    report,
    sources::{NpyArgs, PublishedArgs},
};

/// Turns a data set, once, into memory-mapped shards with checksums.
#[derive(Parser, Debug)]
#[command(name = "rfx-pack", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rfx-pack cifar10 cifar-10-binary.tar.gz --out packed/cifar10
  rfx-pack cifar100 --download --out packed/cifar100
  rfx-pack generated --out packed/generated

The data set is the same, byte for byte, for any --jobs. A pack that was stopped goes on when the same \
command is run again; a folder that holds anything else is refused.
Exit codes: 0 done, 2 wrong usage or bad input, 3 the environment failed (disk full, network), 130 interrupted.";

#[derive(Subcommand, Debug)]
enum Command {
    /// CIFAR-10, binary or Python version: 50,000 train and 10,000 test images of 3 x 32 x 32
    #[command(after_help = CIFAR10_EXAMPLES)]
    Cifar10(FromFiles),
    /// CIFAR-100, binary or Python version: fine labels; coarse ones as column and as superclasses
    #[command(after_help = CIFAR100_EXAMPLES)]
    Cifar100(FromFiles),
    /// MNIST in IDX files, gzipped or not: 60,000 train and 10,000 test images of 1 x 28 x 28
    #[command(after_help = MNIST_EXAMPLES)]
    Mnist(FromFiles),
    /// Fashion-MNIST in IDX files: as MNIST, whose files have the same names; only you can tell which they are
    #[command(after_help = FASHION_EXAMPLES)]
    FashionMnist(FromFiles),
    /// Arrays of images and labels that NumPy saved
    #[command(after_help = NPY_EXAMPLES)]
    Npy(FromArrays),
    /// The embedded, procedurally generated set: 10 classes of 3 x 32 x 32, for when no data are at hand
    #[command(after_help = GENERATED_EXAMPLES)]
    Generated(Output),
}

const CIFAR10_EXAMPLES: &str = "\
Examples:
  rfx-pack cifar10 cifar-10-binary.tar.gz --out packed/cifar10
  rfx-pack cifar10 cifar-10-batches-py --out packed/cifar10 --pack-order shuffled:7 --shard-size 64
  rfx-pack cifar10 --download --out packed/cifar10 --json -q

Of the Python version nothing is executed: its files are read by a parser of their own.";

const CIFAR100_EXAMPLES: &str = "\
Examples:
  rfx-pack cifar100 cifar-100-binary.tar.gz --out packed/cifar100
  rfx-pack cifar100 cifar-100-python --out packed/cifar100
  rfx-pack cifar100 --download --out packed/cifar100";

const MNIST_EXAMPLES: &str = "\
Examples:
  rfx-pack mnist mnist/ --out packed/mnist
  rfx-pack mnist --download --out packed/mnist
  rfx-pack mnist mnist/ --out packed/mnist --jobs 2 --json";

const FASHION_EXAMPLES: &str = "\
Examples:
  rfx-pack fashion-mnist fashion/ --out packed/fashion-mnist
  rfx-pack fashion-mnist fashion/ --download --out packed/fashion-mnist";

const NPY_EXAMPLES: &str = "\
Examples:
  rfx-pack npy --images train_x.npy --labels train_y.npy --out packed/mine
  rfx-pack npy --images x.npy --labels y.npy --layout nchw --classes names.txt --out packed/mine";

const GENERATED_EXAMPLES: &str = "\
Examples:
  rfx-pack generated --out packed/generated
  rfx-pack generated --out packed/generated --shard-size 16 --json";

#[derive(Args, Debug)]
struct FromFiles {
    #[command(flatten)]
    source: PublishedArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Args, Debug)]
struct FromArrays {
    #[command(flatten)]
    source: NpyArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Args, Debug)]
struct Output {
    /// Folder to write: new, empty, or one that the same command has begun
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// How records are stored: raw is the images' bytes as they are
    #[arg(long, value_enum, default_value_t = Codec::Raw)]
    codec: Codec,
    /// Order of the samples on disk: source, shuffled or shuffled:SEED; ids and batches do not depend on it
    #[arg(long, value_name = "ORDER", default_value_t = PackOrder::Source)]
    pack_order: PackOrder,
    /// About how large a shard should be
    #[arg(long, value_name = "MIB", default_value_t = PackOptions::DEFAULT_SHARD_BYTES >> 20,
          value_parser = clap::value_parser!(u64).range(1..=65_536))]
    shard_size: u64,
    /// Print the result as JSON (schema rfx.pack/1)
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Codec {
    Raw, // no doc comment: clap would spread every help text over twice the lines for it
}

/// Runs the command.
///
/// # Errors
/// Whatever stops the pack; the same command goes on from there, or says why it cannot.
pub fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let cancel = interrupt::flag()?;
    let published = |args: &FromFiles, set: &Published| args.source.path(set, args.output.quiet, &cancel);
    match cli.command {
        Command::Cifar10(args) => {
            let path = published(&args, &download::CIFAR10)?;
            run_source(|| Ok(Cifar10::open(path)?), &args.output, &cancel)
        }
        Command::Cifar100(args) => {
            let path = published(&args, &download::CIFAR100)?;
            run_source(|| Ok(Cifar100::open(path)?), &args.output, &cancel)
        }
        Command::Mnist(args) => {
            let path = published(&args, &download::MNIST)?;
            run_source(|| Ok(Mnist::open(path)?), &args.output, &cancel)
        }
        Command::FashionMnist(args) => {
            let path = published(&args, &download::FASHION_MNIST)?;
            run_source(|| Ok(Mnist::open_fashion(path)?), &args.output, &cancel)
        }
        Command::Npy(args) => run_source(|| Ok(args.source.open()?), &args.output, &cancel),
        Command::Generated(output) => run_source(|| Ok(Generated::new()), &output, &cancel),
    }
}

/// The JSON result.
#[derive(Serialize)]
struct Summary<'a> {
    source: &'a str,
    generated: bool,
    splits: Vec<Split<'a>>,
    #[serde(flatten)]
    report: &'a PackReport,
}

#[derive(Serialize)]
struct Split<'a> {
    name: &'a str,
    samples: usize,
}

fn run_source<S: Source>(
    open: impl FnOnce() -> anyhow::Result<S>,
    output: &Output,
    cancel: &AtomicBool,
) -> anyhow::Result<Outcome> {
    let source = open()?;
    if cancel.load(Ordering::Relaxed) {
        return Err(PackError::Interrupted { path: output.out.clone() }.into());
    }
    let Codec::Raw = output.codec;
    let mut options =
        PackOptions { shard_bytes: output.shard_size << 20, order: output.pack_order, ..Default::default() };
    if let Some(jobs) = output.jobs {
        options.jobs = usize::from(jobs);
    }
    let progress = Progress::new("packing", Unit::Samples, output.quiet, cancel);
    let packed = pack(&source, &output.out, &options, &progress, cancel);
    progress.finish();
    let packed = packed?;
    for warning in &packed.warnings {
        report::tell(&format!("warning: {warning}\n"));
    }
    if packed.already_complete {
        let there = output.out.display();
        report::tell(&format!(
            "{there} was packed with the same plan before: nothing was written; rfx-inspect verify checks its bytes\n"
        ));
    } else if packed.resumed_shards > 0 {
        let shards = report::plural(packed.resumed_shards as u64, "finished shard");
        report::tell(&format!("went on from {shards} of an earlier run\n"));
    }
    let splits = source.splits().iter().map(|s| Split { name: &s.name, samples: s.samples }).collect();
    let generated = !source.generator().is_empty();
    let result = Summary { source: source.kind(), generated, splits, report: &packed };
    report::print(&if output.json { report::document("rfx.pack/1", &result)? } else { result.text() })?;
    Ok(Outcome::Done)
}

impl Summary<'_> {
    fn text(&self) -> String {
        let splits: Vec<_> =
            self.splits.iter().map(|s| format!("{} {}", s.name, report::count(s.samples as u64))).collect();
        let source = if self.generated { " (generated data)" } else { "" };
        format!(
            "source   {}{source}\nsamples  {} ({})\nbytes    {} ({}) in {}\ncontent  {}\npack     {}\n",
            self.source,
            report::count(self.report.samples),
            splits.join(", "),
            report::count(self.report.bytes),
            report::bytes(self.report.bytes),
            report::plural(self.report.shards as u64, "shard"),
            self.report.content,
            self.report.pack,
        )
    }
}
