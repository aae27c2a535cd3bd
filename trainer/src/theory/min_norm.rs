//! The interpolating solution of least norm, in closed form (Zhang et al. 2017, sec. 5 and Table 3).
//!
//! `K alpha = Y` for one-hot targets Y; an image's class is the one with the largest score `sum_i alpha_i k(x_i, x)`. Of all
//! functions of the kernel's space that fit the training set this is the one of least norm, and the one that gradient
//! descent from 0 converges to (eq. 3). With a ridge it is `(K + ridge I) alpha = Y`, l2 regularisation.
//!
//! | Table 3 | settings | test error |
//! |---|---|---|
//! | MNIST, no preprocessing | `pixels` (Gaussian kernel, gamma 0.02) | 1.2% |
//! | MNIST, Gabor wavelets | `gabor` | 0.6% |
//! | CIFAR-10, no preprocessing | `pixels` (Gaussian kernel) | 46% |
//! | CIFAR-10, random conv-net | `random-patches` (linear), 32,000 filters | 17%, with l2 15% |
//!
//! Costs n^3/3 operations and 4 n^2 bytes ([`Tiles`]), which is compared with the memory there is before
//! anything is read. `norm` in the report is `sqrt(tr(alpha^T K alpha))`, the norm in the kernel's space of all classes
//! together; the paper does not say which norm its 220 and 390 are.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use rfx_loader::{CorruptionSpec, Subset};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::{
    Experiment, KernelSettings, TILE, TheoryError, Tiles,
    kernel::KernelReport,
    memory,
    samples::{self, Choice},
    watch::Watch,
};
use crate::{TrainError, config::ConfigError, error::Result, folder::LabelManifest, signal::Interrupt};

/// What to solve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Samples and kernel.
    #[serde(flatten)]
    pub kernel: KernelSettings,
    /// The corruption: with random labels the norm tells how much harder they are to fit.
    pub corruption: CorruptionSpec,
    /// Added to K's diagonal; 0 interpolates.
    pub ridge: f64,
    /// Measure on so many training samples that are not fitted, in place of the test split: for choosing gamma and ridge.
    pub held_out: Option<usize>,
}

impl Settings {
    /// The defaults, of the data set in the folder `data`: true labels, interpolated.
    pub fn new(data: impl Into<PathBuf>) -> Settings {
        let kernel = KernelSettings::new(data);
        Settings { kernel, corruption: CorruptionSpec::clean(), ridge: 0.0, held_out: None }
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Training samples, n.
    pub samples: usize,
    /// Samples that `test_error` is measured on.
    pub test_samples: usize,
    /// Kernel and features.
    #[serde(flatten)]
    pub kernel: KernelReport,
    /// Share of training samples whose largest score is not the label's, corrupted where that was asked for.
    pub train_error: f64,
    /// Share of test samples (or of those held out) whose largest score is not the clean label's.
    pub test_error: f64,
    /// `sqrt(tr(alpha^T K alpha))`.
    pub norm: f64,
    /// `max |K alpha - Y|`: without a ridge what rounding left.
    pub residual: f64,
    /// Smallest and largest diagonal element of the Cholesky factor: the squared ratio bounds K's condition number from
    /// below.
    pub diagonal: [f64; 2],
    /// Bytes that were counted as needed.
    pub bytes: u64,
    /// The labels fitted.
    pub labels: LabelManifest,
    /// Where it was computed.
    pub device: String,
    /// How long that took.
    pub seconds: Seconds,
}

/// Seconds of each part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names say it
pub struct Seconds {
    pub read: f64,
    pub kernel: f64,
    pub factor: f64,
    pub solve: f64,
    pub predict: f64,
}

impl Experiment for Settings {
    const NAME: &'static str = "min-norm";
    type Report = Report;

    fn data(&self) -> &Path {
        &self.kernel.data
    }

    fn run(&self, interrupt: &Interrupt, note: &mut dyn FnMut(&str)) -> Result<Report> {
        run(self, interrupt, note)
    }
}

/// Solves for the least norm and measures.
///
/// # Errors
/// [`ConfigError::Value`]; [`TheoryError::Memory`]; [`TheoryError::NotPositive`] with the sample whose row is a combination
/// of others; [`TheoryError::Interrupted`]; those of the loader, the device and libtorch.
pub fn run(settings: &Settings, interrupt: &Interrupt, note: &mut dyn FnMut(&str)) -> Result<Report> {
    let Settings { kernel, corruption, ridge, held_out } = settings;
    kernel.validate()?;
    if !(ridge.is_finite() && *ridge >= 0.0) {
        let (found, expected) = (ridge.to_string(), "a number of 0 or more");
        return Err(ConfigError::Value { key: "ridge", found, expected }.into());
    }
    let mut watch = Watch::new(interrupt, note);
    let dataset = samples::open(&kernel.data)?;
    let all = samples::count(&dataset, "train")?;
    let n = kernel.samples.unwrap_or(all);
    let test_count = match held_out {
        Some(count) => *count,
        None => samples::count(&dataset, "test")?,
    };
    let shape = dataset.shape().map_err(rfx_loader::Error::from)?;
    let classes = dataset.classes().len();
    let needed = |n| Tiles::bytes(n, TILE) + kernel.bytes(shape, n, test_count, classes);
    kernel.device.prepare()?; // a device that is not there is the first thing to hear of
    let available = kernel.memory.or_else(|| memory::available(kernel.device));
    let bytes = memory::check(n, needed, available, kernel.device)?;

    let mut seconds = Seconds::default();
    let mut lap = Laps::new();
    let choice = Choice::new(corruption, kernel.seed);
    let train = choice.read(&dataset, "train", samples::first(n, all), &mut watch)?;
    let test = match held_out {
        Some(count) => choice.read(&dataset, "train", choice.held_out(&dataset, n, *count)?, &mut watch)?,
        None => choice.read(&dataset, "test", Subset::All, &mut watch)?,
    };
    let space = kernel.open(&dataset.index().source.kind, train.tensor()?, shape, &mut watch)?;
    let device = kernel.device.prepare()?;
    let targets = one_hot(&train.labels, classes, device)?;
    seconds.read = lap.next();

    watch.say(&format!("kernel of {n} samples, {bytes} bytes"));
    let mut gram = space.gram(TILE, &mut watch)?;
    gram.add_to_diagonal(*ridge)?;
    seconds.kernel = lap.next();
    watch.say(&format!("kernel: {:.1} s; factor", seconds.kernel));
    let factor = gram.factorise_watched(&mut watch).map_err(|error| named(error, &train.ids))?;
    let diagonal = factor.diagonal_range()?;
    seconds.factor = lap.next();
    let alpha = factor.solve(&targets)?;
    drop(factor); // what is left needs its memory no more
    seconds.solve = lap.next();
    watch.say(&format!("factor: {:.1} s, solve: {:.1} s; predictions", seconds.factor, seconds.solve));
    let [fitted, tested] = space.scores(&alpha, &test.tensor()?, &mut watch)?;
    let residual = fitted.f_subtract(&targets)?.f_abs()?.f_max()?.f_double_value(&[])?;
    let norm = alpha.f_mul(&fitted)?.f_sum(Kind::Double)?.f_double_value(&[])?.max(0.0).sqrt();
    let (train_error, test_error) = (error(&fitted, &train.labels)?, error(&tested, &test.clean)?);
    seconds.predict = lap.next();
    Ok(Report {
        samples: n,
        test_samples: test.len(),
        kernel: space.report(),
        train_error,
        test_error,
        norm,
        residual,
        diagonal,
        bytes,
        labels: train.manifest,
        device: kernel.device.to_string(),
        seconds,
    })
}

/// The error of a factorisation, with the id of the sample behind the row.
fn named(error: TrainError, ids: &[i64]) -> TrainError {
    match error {
        TrainError::Theory(TheoryError::NotPositive { row, floor, .. }) => {
            TheoryError::NotPositive { row, id: ids.get(row).copied(), floor }.into()
        }
        other => other,
    }
}

/// `[n, classes]` f64.
fn one_hot(labels: &[i64], classes: usize, device: Device) -> Result<Tensor> {
    let hot = Tensor::f_from_slice(labels)?.f_one_hot(classes as i64)?;
    Ok(hot.f_to_kind(Kind::Double)?.f_to(device)?)
}

/// Share of rows of `scores` whose largest value is not at the label.
fn error(scores: &Tensor, labels: &[i64]) -> Result<f64> {
    let best = Vec::<i64>::try_from(scores.f_argmax(1, false)?.f_to(Device::Cpu)?)?;
    let wrong = best.iter().zip(labels).filter(|(best, label)| best != label).count();
    Ok(wrong as f64 / labels.len() as f64)
}

/// Time since the last time it was asked for.
struct Laps(Instant);

impl Laps {
    fn new() -> Laps {
        Laps(Instant::now())
    }

    fn next(&mut self) -> f64 {
        let seconds = self.0.elapsed().as_secs_f64();
        self.0 = Instant::now();
        seconds
    }
}
