//! The command line of `rfx-bench`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Parser;
use rfx_loader::{CorruptionSpec, LoaderSpec, Simd, Subset};

use super::{figure::Kind, gpus::GpuRate};
use crate::{
    args::{BatchFormArgs, CORRUPTIONS, DatasetArg, GeometryArgs},
    exit::CliError,
    output,
};

/// Measures how fast the loader makes batches on this machine, and what keeps it from more.
#[derive(Parser, Debug)]
#[command(name = "rfx-bench", version, after_help = format!("{EXAMPLES}\n\n{CORRUPTIONS}"))]
pub struct Cli {
    #[command(flatten)]
    pub(super) dataset: DatasetArg,
    /// Corruption
    #[arg(long, value_name = "SPEC", default_value = "true-labels")]
    corrupt: CorruptionSpec,
    /// Seed of order, augmentation and corruption
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub(super) seed: u64,
    /// Split
    #[arg(long, default_value = "train")]
    split: String,
    /// Part of the split: N, N:balanced, fraction:F, range:A..B, classes:0,3 or ids:5,17
    #[arg(long, default_value = "all")]
    subset: Subset,
    #[command(flatten)]
    geometry: GeometryArgs,
    #[command(flatten)]
    form: BatchFormArgs,
    /// Loader threads, a row for each number; 0: the consumer makes the batches [default: 1,2,4,... to all cores]
    #[arg(long, value_name = "N,N,..", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(..=1024))]
    threads: Vec<u16>,
    /// Batches that are being made, wait, or are held [default: as many as fit 8 MiB, 3 to 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=4096))]
    pub(super) slots: Option<u16>,
    /// Measure whole epochs of each row, after one that warms up, until so many seconds have passed [default: 3]
    #[arg(long, value_name = "S", value_parser = seconds, conflicts_with = "epochs")]
    seconds: Option<f64>,
    /// Measure so many epochs of each row instead
    #[arg(long, value_name = "E", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    epochs: Option<u32>,
    /// Keep images in memory, in bytes, from the first time they are made; for specs that change no image between epochs
    #[arg(long)]
    pub(super) cache_view: bool,
    /// Instructions to use: portable, avx2 or avx512; the bytes are the same [default: the most this processor has]
    #[arg(long, default_value_t, hide_default_value = true)]
    pub(super) simd: Simd,
    /// Also measure how long one thread takes for each stage of a batch
    #[arg(long)]
    pub(super) stages: bool,
    /// Also measure how fast batches are handed out that need not be made, and name the bottleneck
    #[arg(long)]
    pub(super) headspace: bool,
    /// Images a second that one GPU trains on, with a name if you like; says how many of them this host feeds
    #[arg(long = "gpu-rate", value_name = "[NAME=]R,..", value_delimiter = ',')]
    pub(super) gpu_rates: Vec<GpuRate>,
    /// Write down in this file which samples came in each row, for rfx-inspect ledger; appended to where it is there
    #[arg(long, value_name = "FILE")]
    pub(super) ledger: Option<PathBuf>,
    /// Print the result as JSON (schema rfx.bench/1)
    #[arg(long)]
    pub(super) json: bool,
    /// Draw images/s over threads to this file, .png or .svg, which must not exist
    #[arg(long, value_name = "FILE")]
    pub(super) figure: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  rfx-bench packed/cifar10
  rfx-bench packed/cifar10 --corrupt random-labels --crop 28 --threads 0,1,2 --headspace --stages
  rfx-bench packed/cifar10 --corrupt gaussian --cache-view
  rfx-bench packed/photos --crop random-resized:224 --flip --decode fast --epochs 1
  rfx-bench packed/imagenet --dtype u8 --gpu-rate resnet50-h100=3400,vit-b=1500
  rfx-bench packed/cifar10 --json --figure scaling.png

Nothing but the loader is timed: the consumer drops each batch unread. \"of copy\" is the mean of bytes read
and written in a second over those that memory copies of as many threads move. Of JPEG records the rate of
libjpeg-turbo decoding them whole stands below.
Exit codes: 0 done, 1 something does not match, 2 wrong usage or bad input, 3 the environment failed, \
130 interrupted.";

/// How long a row is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Length {
    /// Whole epochs until this time has passed.
    Time(Duration),
    /// So many epochs.
    Epochs(u32),
}

impl Length {
    /// A time for what is measured beside the epochs.
    pub fn time(self) -> Duration {
        match self {
            Length::Time(time) => time,
            Length::Epochs(_) => Duration::from_secs(1),
        }
    }
}

impl Cli {
    /// What the batches hold.
    pub(super) fn spec(&self) -> LoaderSpec {
        let spec = LoaderSpec::new(&self.split).corruption(self.corrupt.clone()).subset(self.subset.clone());
        self.form.apply(self.geometry.apply(spec))
    }

    /// The numbers of threads to measure, rising: those asked for, or powers of two up to `cores`, and `cores`.
    pub(super) fn thread_counts(&self, cores: usize) -> Vec<usize> {
        let mut counts: Vec<usize> = self.threads.iter().map(|&n| n.into()).collect();
        if counts.is_empty() {
            let most = cores.clamp(1, 1024); // a loader takes no more
            counts = std::iter::successors(Some(1), |n| Some(2 * n)).take_while(|&n| n < most).collect();
            counts.push(most);
        }
        counts.sort_unstable();
        counts.dedup();
        counts
    }

    pub(super) fn length(&self) -> Length {
        match self.epochs {
            Some(epochs) => Length::Epochs(epochs),
            None => Length::Time(Duration::from_secs_f64(self.seconds.unwrap_or(3.0))),
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let expected = "expected seconds above 0 and at most 86400";
    text.parse().ok().filter(|&s| s > 0.0 && s <= 86400.0).ok_or_else(|| expected.into())
}

/// What kind of picture `path` asks for, checked before anything is measured for it.
///
/// # Errors
/// [`CliError::Usage`] of another extension, [`CliError::Exists`], [`CliError::Io`] where there is no such folder.
pub(super) fn figure_kind(path: &Path) -> Result<Kind, CliError> {
    let kind = match path.extension().and_then(OsStr::to_str) {
        Some("png") => Kind::Png,
        Some("svg") => Kind::Svg,
        _ => {
            return Err(CliError::Usage {
                what: format!("--figure {}: a picture of unknown kind", path.display()),
                help: "let the name end in .png or .svg".into(),
            });
        }
    };
    output::refuse_existing(path)?;
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    match std::fs::read_dir(folder) {
        Ok(_) => Ok(kind),
        Err(source) => Err(CliError::Io { path: path.into(), action: "create", source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_double_up_to_all_cores_unless_they_are_told() {
        let counts = |args: &str, cores| {
            let args = format!("rfx-bench DIR {args}");
            Cli::try_parse_from(args.split_whitespace()).unwrap().thread_counts(cores)
        };
        assert_eq!(counts("", 1), [1]);
        assert_eq!(counts("", 2), [1, 2]);
        assert_eq!(counts("", 12), [1, 2, 4, 8, 12]);
        assert_eq!(counts("", 16), [1, 2, 4, 8, 16]);
        assert_eq!(counts("", 4096).last(), Some(&1024));
        assert_eq!(counts("--threads 4,0,1,4 --threads 3", 2), [0, 1, 3, 4]);
    }

    #[test]
    fn seconds_are_above_zero_and_finite() {
        for text in ["0", "-1", "nan", "inf", "1e9", "", "one"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert_eq!(seconds("0.25"), Ok(0.25));
    }
}
