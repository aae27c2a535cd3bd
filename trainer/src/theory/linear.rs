//! The linear kernel `(1 + <x, x'>) / (D + 1)` of D standardised features, block by block.
//!
//! The 1 is a feature that is the same for all samples, a bias. Without it no labels could be fitted but by chance:
//! standardised features add up to 0 over the training samples, so K times a vector of ones would be 0.
//!
//! No more than one block of features is in memory at a time: K is a sum over blocks, and so are scores, which are
//! `(1, x) w / (D + 1)` with the weights `w = X^T alpha` (Zhang et al. 2017, sec. 5: the solution lies in the span of the samples).
//! Features are therefore made twice. K's mean diagonal is 1 as the Gaussian kernel's is, so that ridges and
//! norms are of one scale.

use tch::{Device, Kind, Tensor};

use super::{
    KernelName, Tiles,
    cholesky::rows,
    features::Bank,
    kernel::{Kernel, KernelReport},
    watch::Watch,
};
use crate::error::Result;

/// Least deviation of a feature: one that is the same for all samples stays 0 after its mean is taken.
const LEAST_DEVIATION: f64 = 1e-6;

pub(super) struct Linear {
    bank: Box<dyn Bank>,
    images: Tensor,
    device: Device,
}

/// What standardises a block: `[width]` each.
struct Moments {
    mean: Tensor,
    deviation: Tensor,
}

impl Moments {
    fn of(features: &Tensor) -> Result<Moments> {
        let mean = features.f_mean_dim([0i64].as_slice(), false, Kind::Double)?;
        let deviation = features.f_std_correction([0i64].as_slice(), 0.0, false)?;
        Ok(Moments { mean, deviation: deviation.f_clamp_min(LEAST_DEVIATION)? })
    }

    fn standardise(&self, features: &mut Tensor) -> Result<()> {
        let _ = features.f_subtract_(&self.mean)?;
        let _ = features.f_div_(&self.deviation)?;
        Ok(())
    }
}

impl Linear {
    /// Of `images`, u8 `[n, c, h, w]` on the CPU.
    pub fn new(bank: Box<dyn Bank>, images: Tensor, device: Device) -> Linear {
        Linear { bank, images, device }
    }

    fn block(&self, block: usize, watch: &mut Watch<'_>) -> Result<(Tensor, Moments)> {
        let mut features = self.bank.of(block, &self.images, self.device, watch)?;
        let moments = Moments::of(&features)?;
        moments.standardise(&mut features)?;
        Ok((features, moments))
    }

    /// D + 1, what products are divided by.
    fn scale(&self) -> f64 {
        self.bank.dimensions() as f64 + 1.0
    }

    fn len(&self) -> usize {
        self.images.size().first().map_or(0, |&n| n as usize)
    }
}

impl Kernel for Linear {
    fn report(&self) -> KernelReport {
        KernelReport {
            features: self.bank.describe() + ", standardised",
            dimensions: self.bank.dimensions(),
            kernel: KernelName::Linear,
            gamma: None,
        }
    }

    fn gram(&self, tile: usize, watch: &mut Watch<'_>) -> Result<Tiles> {
        let bias = 1.0 / self.scale();
        let mut tiles = Tiles::build(self.len(), tile, |r, c| {
            Ok(Tensor::f_full([r.len() as i64, c.len() as i64], bias, (Kind::Double, self.device))?)
        })?;
        for block in 0..self.bank.blocks() {
            let x = self.block(block, watch)?.0.f_div_scalar_(self.scale().sqrt())?;
            tiles.for_each(|r, c, tile| {
                watch.step(|| format!("kernel: block {} of {}", block + 1, self.bank.blocks()))?;
                let _ = tile.f_addmm_(&rows(&x, r)?, &rows(&x, c)?.f_tr()?)?;
                Ok(())
            })?;
        }
        Ok(tiles)
    }

    fn quadratic(&self, vectors: &Tensor, watch: &mut Watch<'_>) -> Result<(Tensor, f64)> {
        let mut sums = vectors.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?.f_square()?;
        let mut trace = self.len() as f64;
        for block in 0..self.bank.blocks() {
            let x = self.block(block, watch)?.0;
            let weights = x.f_tr()?.f_mm(vectors)?;
            let _ = sums.f_add_(&weights.f_square()?.f_sum_dim_intlist(
                [0i64].as_slice(),
                false,
                Kind::Double,
            )?)?;
            trace += x.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
        }
        Ok((sums.f_div_scalar_(self.scale())?, trace / self.scale()))
    }

    fn scores(&self, alpha: &Tensor, test: &Tensor, watch: &mut Watch<'_>) -> Result<[Tensor; 2]> {
        let bias =
            alpha.f_sum_dim_intlist([0i64].as_slice(), true, Kind::Double)?.f_div_scalar(self.scale())?;
        let copies = |n: i64| bias.f_repeat([n, 1]);
        let mut scores = [copies(self.len() as i64)?, copies(test.size()[0])?];
        for block in 0..self.bank.blocks() {
            let (x, moments) = self.block(block, watch)?;
            let weights = x.f_tr()?.f_mm(alpha)?.f_div_scalar_(self.scale())?;
            let _ = scores[0].f_addmm_(&x, &weights)?;
            drop(x); // the largest thing here, and the next one is as large
            let mut tested = self.bank.of(block, test, self.device, watch)?;
            moments.standardise(&mut tested)?;
            let _ = scores[1].f_addmm_(&tested, &weights)?;
        }
        Ok(scores)
    }
}
