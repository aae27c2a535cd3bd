//! `rfx-train theory`: the paper's sections 4 and 5 as experiments.

use std::path::PathBuf;

use clap::Subcommand;
use rfx_loader::CorruptionSpec;

use super::{Ended, print};
use crate::{
    device::DeviceName,
    error::Result,
    signal::Interrupt,
    theory::{
        Experiment, FeatureName, KernelName, KernelSettings, RESULT, kept, min_norm, rademacher, theorem1,
    },
};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train theory theorem1 --data cifar10 --out theory/theorem1
  rfx-train theory min-norm --data mnist --samples 10000 --out theory/mnist
  rfx-train theory rademacher --data mnist --samples 10000 --out theory/rademacher

Each writes result.json into --out. There is nothing to go on with after Ctrl-C: it ends at once.")]
pub(super) struct Args {
    #[command(subcommand)]
    experiment: Which,
}

#[derive(Debug, Subcommand)]
enum Which {
    /// Fit any labels of n images with 2n + d weights (Theorem 1, Corollary 1).
    Theorem1(Theorem1Args),
    /// Interpolate with least norm in closed form, by kernels (Table 3).
    MinNorm(MinNormArgs),
    /// Empirical Rademacher complexity of a kernel's functions of bounded norm (eq. 1).
    Rademacher(RademacherArgs),
}

#[derive(Debug, clap::Args)]
struct OutputArgs {
    /// Folder to write result.json into, which must be new or empty (but for --resume)
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where the result of the same settings and data is in --out already, give that
    #[arg(long)]
    resume: bool,
    /// Stop when standard input ends: for programs that start experiments, and may die
    #[arg(long)]
    stop_with_stdin: bool,
    /// Print result.json to stdout
    #[arg(long)]
    json: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train theory theorem1 --data cifar10 --out theory/theorem1
  rfx-train theory theorem1 --data cifar10 --samples 1000,10000,50000 --seed 2 --out theory/growing
  rfx-train theory theorem1 --data mnist --corrupt true-labels --out theory/true

Images x (pixels / 255) are projected on a random vector a; c(x) = sum_j w_j max(<a,x> - b_j, 0) goes
through (<a,x>, class number) of every image. In f64 on one thread. Of images with the same
projection the first is kept. Corollary 1's networks of depth 2, 3 and 5 are built for the first
1,000 images.")]
struct Theorem1Args {
    /// Packed data set (made by rfx-pack)
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Numbers of training images, a fit each [default: all]
    #[arg(long, value_name = "N,..", value_delimiter = ',')]
    samples: Vec<usize>,
    /// Seed of the projection and, unless the corruption has its own, of the labels
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Corruption of the labels
    #[arg(long = "corrupt", value_name = "SPEC", default_value = "random-labels")]
    corruption: CorruptionSpec,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
struct KernelArgs {
    /// Packed data set (made by rfx-pack)
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Training samples, the same ones as --subset N of `run` [default: all]
    #[arg(long, value_name = "N")]
    samples: Option<usize>,
    /// What the kernel sees: pixels (/ 255), gabor, random-patches
    #[arg(long, value_name = "NAME", default_value_t = FeatureName::Pixels)]
    features: FeatureName,
    /// gaussian, or linear in standardised features [default: linear with random-patches, else gaussian]
    #[arg(long, value_name = "NAME")]
    kernel: Option<KernelName>,
    /// Of the Gaussian kernel exp(-gamma |x - x'|^2) [default: see below]
    #[arg(long)]
    gamma: Option<f64>,
    /// Filters of random-patches, 8 features each; the paper's network had 32,000
    #[arg(long, value_name = "N", default_value_t = 1000)]
    filters: usize,
    /// Seed of random patches, of random signs and, unless it has its own, of the corruption
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Corruption
    #[arg(long = "corrupt", value_name = "SPEC", default_value = "true-labels")]
    corruption: CorruptionSpec,
    /// cpu or cuda:N
    #[arg(long, default_value_t = DeviceName::Cpu)]
    device: DeviceName,
    /// Threads of libtorch [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=1024))]
    threads: Option<i32>,
    /// Bytes of memory that may be used [default: what is available]
    #[arg(long, value_name = "BYTES")]
    memory: Option<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train theory min-norm --data mnist --samples 10000 --out theory/mnist
  rfx-train theory min-norm --data mnist --features gabor --device cuda:0 --out theory/gabor
  rfx-train theory min-norm --data cifar10 --features random-patches --filters 4000 --ridge 0.01 --out theory/patches
  rfx-train theory min-norm --data mnist --samples 10000 --corrupt random-labels --out theory/random
  rfx-train theory min-norm --data cifar10 --samples 5000 --held-out 5000 --gamma 0.01 --out theory/search

K alpha = Y for one-hot Y, by a Cholesky factor in tiles, f64: 4 n^2 bytes (14.7 GB for MNIST's
60,000 images) and n^3/3 operations. If that does not fit nothing is begun, and the most --samples
that would are named. gamma is by default 0.02 for MNIST's pixels (the authors' code) and 0.01 for
CIFAR-10's (ours: the paper gives none), else 2 over the mean squared distance of samples.")]
struct MinNormArgs {
    #[command(flatten)]
    kernel: KernelArgs,
    /// Added to the diagonal of K, whose elements are 1 or near it: l2 regularisation; 0 interpolates
    #[arg(long, value_name = "L", default_value_t = 0.0)]
    ridge: f64,
    /// Measure on N training samples that are not fitted instead of the test split, to choose gamma and ridge
    #[arg(long, value_name = "N")]
    held_out: Option<usize>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train theory rademacher --data mnist --samples 10000 --out theory/rademacher
  rfx-train theory rademacher --data cifar10 --features random-patches --norm 390 --out theory/patches

For functions of norm at most B of the kernel's space: the mean of (B/n) sqrt(s^T K s) over random
signs s, and its bounds (B/n) sqrt(tr K / 2) and (B/n) sqrt(tr K). The default gamma is min-norm's.")]
struct RademacherArgs {
    #[command(flatten)]
    kernel: KernelArgs,
    /// B, the largest norm
    #[arg(long, value_name = "B", default_value_t = 1.0)]
    norm: f64,
    /// Random sign vectors
    #[arg(long, value_name = "N", default_value_t = 1000)]
    draws: usize,
}

pub(super) fn theory(args: Args) -> Result<Ended> {
    match args.experiment {
        Which::Theorem1(Theorem1Args { data, samples, seed, corruption, output }) => {
            let settings = theorem1::Settings { data, samples, seed, corruption };
            run(&settings, &output, describe_theorem1)
        }
        Which::MinNorm(MinNormArgs { kernel, ridge, held_out }) => {
            let (corruption, output, kernel) = kernel.split();
            let settings = min_norm::Settings { kernel, corruption, ridge, held_out };
            run(&settings, &output, |report| describe_min_norm(report, held_out.is_some()))
        }
        Which::Rademacher(RademacherArgs { kernel, norm, draws }) => {
            let (corruption, output, kernel) = kernel.split();
            run(&rademacher::Settings { kernel, corruption, norm, draws }, &output, describe_rademacher)
        }
    }
}

impl KernelArgs {
    /// Settings, and sets libtorch's threads.
    fn split(self) -> (CorruptionSpec, OutputArgs, KernelSettings) {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        tch::set_num_threads(self.threads.unwrap_or(i32::try_from(cores).unwrap_or(1)));
        let KernelArgs { data, samples, features, kernel, gamma, filters, seed, device, memory, .. } = self;
        let settings =
            KernelSettings { data, samples, seed, features, kernel, gamma, filters, device, memory };
        (self.corruption, self.output, settings)
    }
}

fn run<E: Experiment>(
    settings: &E,
    output: &OutputArgs,
    describe: impl Fn(&E::Report) -> String,
) -> Result<Ended> {
    let mut note = |line: &str| {
        if !output.quiet {
            print::note(line);
        }
    };
    let interrupt = Interrupt::default();
    if output.stop_with_stdin {
        interrupt.raise_when_stdin_ends();
    }
    let document = kept(settings, &output.out, output.resume, &interrupt, &mut note)?;
    if output.json {
        let path = output.out.join(RESULT);
        let text = std::fs::read_to_string(&path).map_err(|source| crate::TrainError::Io {
            path,
            action: "read",
            source,
        })?;
        print::result(&text)?;
    } else {
        print::result(&format!("{}: {}", output.out.display(), describe(&document.report)))?;
    }
    Ok(Ended::Done)
}

fn describe_theorem1(report: &theorem1::Report) -> String {
    let mut text = format!(
        "networks of 2n + d weights\n{:>8} {:>9} {:>10} {:>9} {:>8} {:>12} {:>9} {:>10} {:>8}\n",
        "n", "left out", "weights", "max error", "exact", "min diagonal", "max |w|", "unit-wise", "seconds"
    );
    for fit in &report.fits {
        text.push_str(&format!(
            "{:>8} {:>9} {:>10} {:>9.1e} {:>7.3}% {:>12.1e} {:>9.1e} {:>10.1e} {:>8.2}\n",
            fit.samples,
            fit.left_out,
            fit.weights,
            fit.max_error,
            100.0 * fit.exact_share,
            fit.smallest_diagonal,
            fit.largest_weight,
            fit.dense_max_error,
            fit.seconds
        ));
    }
    for deep in &report.deep {
        let width = deep.widths.iter().max().copied().unwrap_or(0);
        text.push_str(&format!(
            "n = {}, depth {}: width {width}, {} weights, max error {:.1e}\n",
            deep.samples, deep.depth, deep.weights, deep.max_error
        ));
    }
    text
}

fn describe_min_norm(report: &min_norm::Report, held_out: bool) -> String {
    let seconds = report.seconds;
    let gamma = report.kernel.gamma.map(|gamma| format!(", gamma {gamma:.4}")).unwrap_or_default();
    format!(
        "{} kernel{gamma} of {}\nn = {}, train error {:.2}%, {} error {:.2}% of {}, norm {:.1}, residual {:.1e}, \
         diagonal {:.1e} to {:.1e}\n{} bytes; seconds: read {:.1}, kernel {:.1}, factor {:.1}, solve {:.1}, predict {:.1}\n",
        report.kernel.kernel,
        report.kernel.features,
        report.samples,
        100.0 * report.train_error,
        if held_out { "held-out" } else { "test" },
        100.0 * report.test_error,
        report.test_samples,
        report.norm,
        report.residual,
        report.diagonal[0],
        report.diagonal[1],
        report.bytes,
        seconds.read,
        seconds.kernel,
        seconds.factor,
        seconds.solve,
        seconds.predict
    )
}

fn describe_rademacher(report: &rademacher::Report) -> String {
    format!(
        "{} kernel of {}\nn = {}, norm {}: complexity {:.5} +- {:.5}, between {:.5} and {:.5}, {:.1} s\n",
        report.kernel.kernel,
        report.kernel.features,
        report.samples,
        report.norm,
        report.complexity,
        report.standard_error,
        report.lower_bound,
        report.upper_bound,
        report.seconds
    )
}
