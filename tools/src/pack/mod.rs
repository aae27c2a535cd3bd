//! The command line of `rfx-pack`: one command per source, and those that work on what was packed.
//!
//! A new source needs three things here: a variant of `Command`, its examples, and its line in [`run`].

mod images;
mod materialise;
mod merge;
mod output;
mod sources;
mod summary;

use clap::{Args, Parser, Subcommand};
use rfx_loader::source::{Cifar10, Cifar100, Generated, Mnist};

use self::{
    output::Output,
    sources::{NpyArgs, PublishedArgs},
};
use crate::{
    download::{self, Published},
    exit::Outcome,
    interrupt,
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
  rfx-pack mnist mnist/ --out packed/mnist --codec zstd
  rfx-pack cifar100 --download --out packed/cifar100
  rfx-pack folder pets/ --resize 256 --crop 224 --out packed/pets

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
    /// A tree of image files with a folder per class: JPEG, PNG, GIF, BMP, WebP
    #[command(after_help = images::FOLDER_EXAMPLES)]
    Folder(images::FolderArgs),
    /// ILSVRC-2012 (ImageNet's 1,000 classes), in its official archives or unpacked
    #[command(after_help = images::IMAGENET_EXAMPLES)]
    Imagenet(images::ImagenetArgs),
    /// Decode every image file of a tree, write nothing, and list kinds, sizes and bad files
    #[command(after_help = images::CHECK_EXAMPLES)]
    Check(images::CheckArgs),
    /// Join the parts that --part packed into the data set that one machine would have packed
    #[command(after_help = merge::EXAMPLES)]
    Merge(merge::MergeArgs),
    /// Write a corrupted copy of a packed data set, for programs that do not corrupt by themselves
    #[command(after_help = materialise::examples())]
    Materialise(materialise::MaterialiseArgs),
}

const CIFAR10_EXAMPLES: &str = "\
Examples:
  rfx-pack cifar10 cifar-10-batches-py --out packed/cifar10 --pack-order shuffled:7 --shard-size 64
  rfx-pack cifar10 cifar-10-binary.tar.gz --out parts/0 --part 0/4 --json -q
  rfx-pack cifar10 --download --out packed/cifar10

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
  rfx-pack mnist mnist/ --out packed/mnist --codec zstd --zstd-dictionary 16384 --json";

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

/// Runs the command.
///
/// # Errors
/// Whatever stops the pack; the same command goes on from there, or says why it cannot.
pub fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let cancel = &interrupt::flag()?;
    let published = |args: &FromFiles, set: &Published| args.source.path(set, args.output.quiet, cancel);
    match cli.command {
        Command::Cifar10(args) => {
            let path = published(&args, &download::CIFAR10)?;
            args.output.pack(|| Ok(Cifar10::open(path)?), cancel)
        }
        Command::Cifar100(args) => {
            let path = published(&args, &download::CIFAR100)?;
            args.output.pack(|| Ok(Cifar100::open(path)?), cancel)
        }
        Command::Mnist(args) => {
            let path = published(&args, &download::MNIST)?;
            args.output.pack(|| Ok(Mnist::open(path)?), cancel)
        }
        Command::FashionMnist(args) => {
            let path = published(&args, &download::FASHION_MNIST)?;
            args.output.pack(|| Ok(Mnist::open_fashion(path)?), cancel)
        }
        Command::Npy(args) => args.output.pack(|| Ok(args.source.open()?), cancel),
        Command::Generated(output) => output.pack(|| Ok(Generated::new()), cancel),
        Command::Folder(args) => images::folder(&args, cancel),
        Command::Imagenet(args) => images::imagenet(&args, cancel),
        Command::Check(args) => images::check(&args, cancel),
        Command::Merge(args) => merge::run(&args, cancel),
        Command::Materialise(args) => materialise::run(&args, cancel),
    }
}
