//! What kernels see of an image: a bank of features, in blocks, so that a hundred thousand of them need not be in memory
//! at once.

use std::{fmt, str::FromStr};

use rfx_loader::dtype::UnknownName;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::watch::Watch;
use crate::error::Result;

/// Images whose features are made at a time. On the CPU so few that the responses of 256 filters (6 MB) stay in the cache
/// and in the allocator: with 256 images, whose 190 MB go back to the system after each operation, random patches take
/// three times as long. A card wants many.
pub(super) const fn strip(on_cpu: bool) -> usize {
    if on_cpu { 8 } else { 256 }
}

/// A kind of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureName {
    /// Pixels / 255.
    Pixels,
    /// Energies of Gabor filters, pooled.
    Gabor,
    /// Responses to random patches of the training images, pooled: Coates & Ng's network with random filters.
    RandomPatches,
}

impl FeatureName {
    /// All of them.
    pub const ALL: [FeatureName; 3] = [FeatureName::Pixels, FeatureName::Gabor, FeatureName::RandomPatches];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            FeatureName::Pixels => "pixels",
            FeatureName::Gabor => "gabor",
            FeatureName::RandomPatches => "random-patches",
        }
    }
}

impl fmt::Display for FeatureName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FeatureName {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|features| features.name() == text).ok_or_else(|| UnknownName {
            field: "features",
            found: text.into(),
            expected: "pixels, gabor, random-patches",
        })
    }
}

/// Features of images.
pub(super) trait Bank {
    /// Number of blocks.
    fn blocks(&self) -> usize;

    /// Features of each block, but for the last one, which may have fewer.
    fn width(&self) -> usize;

    /// Features in all.
    fn dimensions(&self) -> usize;

    /// In words: what decides their values.
    fn describe(&self) -> String;

    /// The features of a block, of any float kind, `[strip, width]`, of images `[strip, c, h, w]` in f32, 0..=255.
    ///
    /// # Errors
    /// libtorch's own.
    fn of_strip(&self, block: usize, images: &Tensor) -> Result<Tensor>;

    /// The features of `block`, f64 `[n, width]` on `device`, of all `images`, u8 `[n, c, h, w]` on the CPU.
    ///
    /// # Errors
    /// libtorch's own; an interrupt.
    fn of(&self, block: usize, images: &Tensor, device: Device, watch: &mut Watch<'_>) -> Result<Tensor> {
        let n = images.size().first().copied().unwrap_or(0);
        let columns = self.width().min(self.dimensions() - block * self.width()) as i64;
        let features = Tensor::f_zeros([n, columns], (Kind::Double, device))?;
        let strip = strip(device == Device::Cpu);
        for start in (0..n).step_by(strip) {
            watch.step(|| {
                format!("features: block {} of {}, image {start} of {n}", block + 1, self.blocks())
            })?;
            let length = (strip as i64).min(n - start);
            let strip = images.f_narrow(0, start, length)?.f_to(device)?.f_to_kind(Kind::Float)?;
            features.f_narrow(0, start, length)?.f_copy_(&self.of_strip(block, &strip)?)?;
        }
        Ok(features)
    }
}

/// Pixels / 255 of images of `values` values.
pub(super) struct Pixels {
    pub values: usize,
}

impl Bank for Pixels {
    fn blocks(&self) -> usize {
        1
    }

    fn width(&self) -> usize {
        self.values
    }

    fn dimensions(&self) -> usize {
        self.values
    }

    fn describe(&self) -> String {
        "pixels / 255".into()
    }

    fn of_strip(&self, _: usize, images: &Tensor) -> Result<Tensor> {
        Ok(images.f_flatten(1, -1)?.f_to_kind(Kind::Double)?.f_div_scalar(255.0)?)
    }
}
