//! The command line of `rfx-pack`.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use rfx_loader::{
    pack::{PackError, PackOptions, PackOrder, PackReport, pack},
    source::{Cifar10, Generated, ImageReport, Mnist, Source},
};
use serde::Serialize;

use crate::{
    exit::Outcome,
    images::{self, CheckArgs, FolderArgs, ImagenetArgs},
    interrupt,
    progress::{Progress, Unit},
    report,
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
  rfx-pack folder pets/ --resize 256 --crop 224 --out packed/pets
  rfx-pack generated --out packed/generated

The data set is the same, byte for byte, for any --jobs. A pack that was stopped goes on when the same \
command is run again; a folder that holds anything else is refused.
Exit codes: 0 done, 2 wrong usage or bad input, 3 the environment failed (disk full), 130 interrupted.";

#[derive(Subcommand, Debug)]
enum Command {
    /// CIFAR-10 in its binary layout: 50,000 train and 10,000 test images of 3 x 32 x 32
    #[command(after_help = CIFAR10_EXAMPLES)]
    Cifar10(FromFiles),
    /// MNIST in IDX files, gzipped or not: 60,000 train and 10,000 test images of 1 x 28 x 28
    #[command(after_help = MNIST_EXAMPLES)]
    Mnist(FromFiles),
    /// The embedded, procedurally generated set: 10 classes of 3 x 32 x 32, for when no data are at hand
    #[command(after_help = GENERATED_EXAMPLES)]
    Generated(Output),
    /// A tree of image files with a folder per class: JPEG, PNG, GIF, BMP, WebP
    #[command(after_help = images::FOLDER_EXAMPLES)]
    Folder(FolderArgs),
    /// ILSVRC-2012 (ImageNet's 1,000 classes), in its official archives or unpacked
    #[command(after_help = images::IMAGENET_EXAMPLES)]
    Imagenet(ImagenetArgs),
    /// Decode every image file of a tree, write nothing, and list kinds, sizes and bad files
    #[command(after_help = images::CHECK_EXAMPLES)]
    Check(CheckArgs),
}

const CIFAR10_EXAMPLES: &str = "\
Examples:
  rfx-pack cifar10 cifar-10-binary.tar.gz --out packed/cifar10
  rfx-pack cifar10 cifar-10-batches-bin --out packed/cifar10 --pack-order shuffled:7 --shard-size 64
  rfx-pack cifar10 cifar-10-batches-bin --out packed/cifar10 --json -q";

const MNIST_EXAMPLES: &str = "\
Examples:
  rfx-pack mnist mnist/ --out packed/mnist
  rfx-pack mnist mnist/ --out packed/mnist --jobs 2 --json";

const GENERATED_EXAMPLES: &str = "\
Examples:
  rfx-pack generated --out packed/generated
  rfx-pack generated --out packed/generated --shard-size 16 --json";

#[derive(Args, Debug)]
struct FromFiles {
    /// Where the data set is: its folder, or the archive as published
    #[arg(value_name = "SRC")]
    source: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(Args, Debug)]
pub(crate) struct Output {
    /// Folder to write: new, empty, or one that the same command has begun
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
    /// How records are stored: raw is the images' bytes as they are
    #[arg(long, value_enum, default_value_t = Codec::Raw)]
    codec: Codec,
    /// Order of the samples on disk: source, shuffled or shuffled:SEED; ids and batches do not depend on it [default:
    /// source, for folder and imagenet shuffled]
    #[arg(long, value_name = "ORDER")]
    pack_order: Option<PackOrder>,
    /// About how large a shard should be
    #[arg(long, value_name = "MIB", default_value_t = PackOptions::DEFAULT_SHARD_BYTES >> 20,
          value_parser = clap::value_parser!(u64).range(1..=65_536))]
    shard_size: u64,
    /// Print the result as JSON (schema rfx.pack/1)
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub(crate) quiet: bool,
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
    match cli.command {
        Command::Cifar10(args) => run_plain(|| Ok(Cifar10::open(&args.source)?), &args.output, &cancel),
        Command::Mnist(args) => run_plain(|| Ok(Mnist::open(&args.source)?), &args.output, &cancel),
        Command::Generated(output) => run_plain(|| Ok(Generated::new()), &output, &cancel),
        Command::Folder(args) => images::folder(&args, &cancel),
        Command::Imagenet(args) => images::imagenet(&args, &cancel),
        Command::Check(args) => images::check(&args, &cancel),
    }
}

/// The JSON result.
#[derive(Serialize)]
struct Summary<'a> {
    source: &'a str,
    generated: bool,
    splits: Vec<Split<'a>>,
    /// Kinds, sizes and skipped files, where there are image files.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<&'a ImageReport>,
    #[serde(flatten)]
    report: &'a PackReport,
}

#[derive(Serialize)]
struct Split<'a> {
    name: &'a str,
    samples: usize,
}

/// A source that is stored in its own order.
fn run_plain<S: Source>(
    open: impl FnOnce() -> anyhow::Result<S>,
    output: &Output,
    cancel: &AtomicBool,
) -> anyhow::Result<Outcome> {
    run_source(open, output, PackOrder::Source, |_| None, cancel)
}

/// Packs what `open` opens, in the order asked for, else in `order`; `images` has more for the JSON.
pub(crate) fn run_source<S: Source>(
    open: impl FnOnce() -> anyhow::Result<S>,
    output: &Output,
    order: PackOrder,
    images: impl FnOnce(&S) -> Option<&ImageReport>,
    cancel: &AtomicBool,
) -> anyhow::Result<Outcome> {
    let source = open()?;
    if cancel.load(Ordering::Relaxed) {
        return Err(PackError::Interrupted { path: output.out.clone() }.into());
    }
    let Codec::Raw = output.codec;
    let order = output.pack_order.unwrap_or(order);
    let mut options = PackOptions { shard_bytes: output.shard_size << 20, order, ..Default::default() };
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
    let images = images(&source);
    let result = Summary { source: source.kind(), generated, splits, images, report: &packed };
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
