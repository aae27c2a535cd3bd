//! Kernels between images, and the settings that experiments on them share.

use std::{fmt, path::PathBuf, str::FromStr};

use rfx_loader::{ImageShape, dtype::UnknownName};
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{
    FeatureName, TILE, Tiles,
    features::{Bank, Pixels, strip},
    gabor::{self, Gabor},
    gaussian::Gaussian,
    linear::Linear,
    patches::{self, Patches},
    watch::Watch,
};
use crate::{config::ConfigError, device::DeviceName, error::Result};

/// A kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelName {
    /// `exp(-gamma |x - x'|^2)` of features x.
    Gaussian,
    /// `(1 + <x, x'>) / (D + 1)` of D features, each with the mean 0 and variance 1 over the training samples.
    Linear,
}

impl fmt::Display for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KernelName::Gaussian => "gaussian",
            KernelName::Linear => "linear",
        })
    }
}

impl FromStr for KernelName {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "gaussian" => Ok(KernelName::Gaussian),
            "linear" => Ok(KernelName::Linear),
            _ => Err(UnknownName { field: "kernel", found: text.into(), expected: "gaussian, linear" }),
        }
    }
}

/// Which samples, and which kernel of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KernelSettings {
    /// Folder of the packed data set.
    #[serde(skip)]
    pub data: PathBuf,
    /// Number of training samples, the first of the keyed permutation; none: the whole split.
    pub samples: Option<usize>,
    /// Seed of the random patches and, unless it has its own, of a corruption.
    pub seed: u64,
    /// What the kernel sees of an image.
    pub features: FeatureName,
    /// The kernel; none: linear of random patches, else Gaussian.
    pub kernel: Option<KernelName>,
    /// The Gaussian kernel's gamma; none: [`default_gamma`].
    pub gamma: Option<f64>,
    /// Filters of the random patches.
    pub filters: usize,
    /// Where it is computed.
    #[serde(skip, default = "cpu")]
    pub device: DeviceName,
    /// Bytes of memory to use at most; none: what the system says is available.
    #[serde(skip)]
    pub memory: Option<u64>,
}

const fn cpu() -> DeviceName {
    DeviceName::Cpu
}

impl KernelSettings {
    /// The defaults, of the data set in the folder `data`.
    pub fn new(data: impl Into<PathBuf>) -> KernelSettings {
        KernelSettings {
            data: data.into(),
            samples: None,
            seed: 1,
            features: FeatureName::Pixels,
            kernel: None,
            gamma: None,
            filters: 1000,
            device: DeviceName::Cpu,
            memory: None,
        }
    }

    /// The kernel chosen.
    pub fn kernel(&self) -> KernelName {
        self.kernel.unwrap_or(match self.features {
            FeatureName::RandomPatches => KernelName::Linear,
            _ => KernelName::Gaussian,
        })
    }

    /// # Errors
    /// [`ConfigError::Value`].
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let refuse = |key, found: String, expected| Err(ConfigError::Value { key, found, expected });
        match (self.gamma, self.filters) {
            (Some(gamma), _) if !(gamma.is_finite() && gamma > 0.0) => {
                refuse("gamma", gamma.to_string(), "a number above 0")
            }
            (Some(gamma), _) if self.kernel() == KernelName::Linear => {
                refuse("gamma", gamma.to_string(), "none: the linear kernel has no width")
            }
            (_, filters) if !(1..=1_000_000).contains(&filters) => {
                refuse("filters", filters.to_string(), "1 to 1000000")
            }
            _ => Ok(()),
        }
    }

    /// Bytes that images, features and the work on them take, without a matrix: `n` training samples of `shape`, and
    /// `columns` vectors over them.
    pub(super) fn bytes(&self, shape: ImageShape, n: usize, test: usize, columns: usize) -> u64 {
        let values = shape.values();
        let strip = strip(self.device == DeviceName::Cpu) as u64;
        let (dimensions, width, making) = match self.features {
            FeatureName::Pixels => (values, values, 12 * strip * values as u64),
            FeatureName::Gabor => {
                let dimensions = gabor::dimensions(shape);
                (dimensions, dimensions, strip * gabor::scratch_bytes(shape))
            }
            FeatureName::RandomPatches => {
                let [dimensions, width] = patches::dimensions(self.filters);
                let [drawing, making] = patches::scratch_bytes(shape, self.filters);
                (dimensions, width, drawing.max(strip * making))
            }
        };
        let product = |of: &[usize]| of.iter().map(|&factor| factor as u64).product::<u64>();
        let features = match self.kernel() {
            KernelName::Gaussian => product(&[8, n + TILE.min(test), dimensions]),
            KernelName::Linear => product(&[8, n + test, width]) + product(&[8, dimensions, columns]),
        };
        let tile = TILE.min(n.max(test));
        let images = product(&[2, n + test, values]);
        images + features + making + product(&[8, 4, tile, tile]) + product(&[8, 4, n + test, columns])
    }

    /// The kernel of `images`, u8 `[n, c, h, w]` on the CPU, training samples of a data set of this `kind`.
    ///
    /// # Errors
    /// libtorch's own; [`TheoryError::Small`](super::TheoryError::Small); an interrupt.
    pub(super) fn open(
        &self,
        kind: &str,
        images: Tensor,
        shape: ImageShape,
        watch: &mut Watch<'_>,
    ) -> Result<Box<dyn Kernel>> {
        let device = self.device.prepare()?;
        let bank: Box<dyn Bank> = match self.features {
            FeatureName::Pixels => Box::new(Pixels { values: shape.values() }),
            FeatureName::Gabor => Box::new(Gabor::new(shape, device)?),
            FeatureName::RandomPatches => {
                Box::new(Patches::new(&images, shape, self.filters, self.seed, device)?)
            }
        };
        Ok(match self.kernel() {
            KernelName::Linear => Box::new(Linear::new(bank, images, device)),
            KernelName::Gaussian => {
                let gamma = self.gamma.or(default_gamma(kind, self.features));
                Box::new(Gaussian::new(bank, &images, gamma, device, watch)?)
            }
        })
    }
}

/// The Gaussian kernel's gamma for a kind of data set; `None` where it is 2 over the mean squared distance of
/// training samples, which is 0.019 on MNIST's pixels.
///
/// MNIST's pixels: 0.02, of the authors' published code (pluskid/fitting-random-labels). The paper gives none for CIFAR-10;
/// 0.01 is the best for its pixels on 5,000 training samples held out from 5,000 others (`--samples 5000 --held-out 5000`,
/// no test image):
///
/// | gamma | 0.001 | 0.003 | 0.005 | 0.01 | 0.02 | 0.04 |
/// |---|---|---|---|---|---|---|
/// | error, % | 64.24 | 59.44 | 57.38 | 55.34 | 57.24 | 62.36 |
///
/// MNIST's Gabor energies so measured: 1.12% at 2 over the mean squared distance (0.0087), 1.14% at 0.01, 1.66% at 0.03.
pub fn default_gamma(kind: &str, features: FeatureName) -> Option<f64> {
    match (kind, features) {
        ("mnist", FeatureName::Pixels) => Some(0.02),
        ("cifar10", FeatureName::Pixels) => Some(0.01),
        _ => None,
    }
}

/// What a report says about a kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelReport {
    /// The features in words.
    pub features: String,
    /// Number of features.
    pub dimensions: usize,
    /// The kernel.
    pub kernel: KernelName,
    /// The Gaussian kernel's gamma.
    pub gamma: Option<f64>,
}

/// A kernel of n training samples. Scores and vectors are f64, on the kernel's device.
pub(super) trait Kernel {
    /// What it is.
    fn report(&self) -> KernelReport;

    /// K, `[n, n]`, in tiles of `tile`. O(n^2 D).
    ///
    /// # Errors
    /// libtorch's own; an interrupt.
    fn gram(&self, tile: usize, watch: &mut Watch<'_>) -> Result<Tiles>;

    /// `s^T K s` for each column s of `vectors`, `[n, m]`: `[m]`; and the trace of K. Needs no memory for K.
    ///
    /// # Errors
    /// libtorch's own; an interrupt.
    fn quadratic(&self, vectors: &Tensor, watch: &mut Watch<'_>) -> Result<(Tensor, f64)>;

    /// `K alpha`, `[n, classes]`, and the same for the images of `test`, u8 `[m, c, h, w]`: `[m, classes]`.
    ///
    /// # Errors
    /// libtorch's own; an interrupt.
    fn scores(&self, alpha: &Tensor, test: &Tensor, watch: &mut Watch<'_>) -> Result<[Tensor; 2]>;
}
