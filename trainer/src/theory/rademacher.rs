//! Empirical Rademacher complexity of functions of bounded norm (Zhang et al. 2017, sec. 2.2, eq. 1).
//!
//! For the class `{x -> <w, phi(x)> : |w| <= B}` of a kernel's features the supremum in
//! `E_s sup_h (1/n) sum_i s_i h(x_i)` is reached by w along `sum_i s_i phi(x_i)`, so the complexity of n samples is
//! `(B/n) E sqrt(s^T K s)` over random signs s. It is averaged over drawn signs, and lies between
//! `(B/n) sqrt(tr K / 2)` (Khintchine's inequality) and `(B/n) sqrt(tr K)` (Jensen's).
//!
//! Networks have no such formula: there the paper argues that fitting random labels means a complexity near 1. With the
//! B of [`min_norm`](super::min_norm)'s solution of the same kernel this experiment says what that norm allows.
//!
//! O(n^2 D), or O(n D draws) for the linear kernel; no memory for K.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use rfx_loader::{CorruptionSpec, rng::Key};
use serde::{Deserialize, Serialize};
use tch::{Device, Tensor};

use super::{
    Experiment, KernelSettings,
    draws::signs,
    kernel::KernelReport,
    memory,
    samples::{self, Choice},
    watch::Watch,
};
use crate::{config::ConfigError, error::Result, folder::LabelManifest, signal::Interrupt};

/// What to measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    /// Samples and kernel.
    #[serde(flatten)]
    pub kernel: KernelSettings,
    /// The corruption of the images, if it has one; labels have no part in it.
    pub corruption: CorruptionSpec,
    /// B, the largest norm of a function.
    pub norm: f64,
    /// Number of random sign vectors.
    pub draws: usize,
}

impl Settings {
    /// The defaults, of the data set in the folder `data`: norm 1, 1,000 draws.
    pub fn new(data: impl Into<PathBuf>) -> Settings {
        let kernel = KernelSettings::new(data);
        Settings { kernel, corruption: CorruptionSpec::clean(), norm: 1.0, draws: 1000 }
    }
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Samples, n.
    pub samples: usize,
    /// B.
    pub norm: f64,
    /// Kernel and features.
    #[serde(flatten)]
    pub kernel: KernelReport,
    /// The mean of `(B/n) sqrt(s^T K s)` over the draws of s.
    pub complexity: f64,
    /// The standard error of that mean.
    pub standard_error: f64,
    /// `(B/n) sqrt(tr K / 2)`.
    pub lower_bound: f64,
    /// `(B/n) sqrt(tr K)`.
    pub upper_bound: f64,
    /// Number of draws.
    pub draws: usize,
    /// The labels of the samples, by their digest.
    pub labels: LabelManifest,
    /// Where it was computed.
    pub device: String,
    /// Seconds for all of it.
    pub seconds: f64,
}

impl Experiment for Settings {
    const NAME: &'static str = "rademacher";
    type Report = Report;

    fn data(&self) -> &Path {
        &self.kernel.data
    }

    fn run(&self, interrupt: &Interrupt, note: &mut dyn FnMut(&str)) -> Result<Report> {
        run(self, interrupt, note)
    }
}

/// Averages over random signs (domain `theory/signs`, the draw's number as its stream).
///
/// # Errors
/// As [`min_norm::run`](super::min_norm::run), but for singular kernels, which are no trouble here.
pub fn run(settings: &Settings, interrupt: &Interrupt, note: &mut dyn FnMut(&str)) -> Result<Report> {
    let Settings { kernel, corruption, norm, draws } = settings;
    kernel.validate()?;
    let refuse = |key, found: String, expected| ConfigError::Value { key, found, expected };
    if !(norm.is_finite() && *norm > 0.0) {
        return Err(refuse("norm", norm.to_string(), "a number above 0").into());
    }
    if !(2..=1_000_000).contains(draws) {
        return Err(refuse("draws", draws.to_string(), "2 to 1000000").into());
    }
    let begin = Instant::now();
    let mut watch = Watch::new(interrupt, note);
    let dataset = samples::open(&kernel.data)?;
    let all = samples::count(&dataset, "train")?;
    let n = kernel.samples.unwrap_or(all);
    let shape = dataset.shape().map_err(rfx_loader::Error::from)?;
    let device = kernel.device.prepare()?;
    let available = kernel.memory.or_else(|| memory::available(kernel.device));
    memory::check(n, |n| kernel.bytes(shape, n, 0, *draws), available, kernel.device)?;
    let choice = Choice::new(corruption, kernel.seed);
    let train = choice.read(&dataset, "train", samples::first(n, all), &mut watch)?;
    let space = kernel.open(&dataset.index().source.kind, train.tensor()?, shape, &mut watch)?;
    let (squares, trace) = space.quadratic(&sign_vectors(kernel.seed, *draws, n, device)?, &mut watch)?;
    let scale = norm / n as f64;
    let suprema = Vec::<f64>::try_from(squares.f_to(Device::Cpu)?)?;
    let suprema: Vec<f64> = suprema.iter().map(|square| scale * square.max(0.0).sqrt()).collect();
    let mean = suprema.iter().sum::<f64>() / suprema.len() as f64;
    let squared = suprema.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
    Ok(Report {
        samples: n,
        norm: *norm,
        kernel: space.report(),
        complexity: mean,
        standard_error: (squared / (suprema.len() - 1) as f64 / suprema.len() as f64).sqrt(),
        lower_bound: scale * (trace / 2.0).sqrt(),
        upper_bound: scale * trace.sqrt(),
        draws: *draws,
        labels: train.manifest,
        device: kernel.device.to_string(),
        seconds: begin.elapsed().as_secs_f64(),
    })
}

/// Random signs, `[n, draws]` f64.
fn sign_vectors(seed: u64, draws: usize, n: usize, device: Device) -> Result<Tensor> {
    let key = Key::derive("theory/signs", seed);
    let values: Vec<f64> = (0..draws as u64).flat_map(|draw| signs(&key, draw, n)).collect();
    Ok(Tensor::f_from_slice(&values)?.f_view([draws as i64, n as i64])?.f_tr()?.f_to(device)?)
}
