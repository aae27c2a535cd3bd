//! The Gaussian kernel `exp(-gamma |x - x'|^2)`, tile by tile, of features that are kept in memory.
//!
//! `|x - x'|^2 = |x|^2 + |x'|^2 - 2 <x, x'>`, so a tile is one product of matrices: 8 n D bytes for the features, no more
//! than three tiles beside them. In f64 the difference loses 10^-13 of the squares, which is far below what K's smallest
//! eigenvalues are.

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::{
    KernelName, TILE, Tiles,
    cholesky::{rows, spans},
    features::Bank,
    kernel::{Kernel, KernelReport},
    watch::Watch,
};
use crate::error::Result;

pub(super) struct Gaussian {
    bank: Box<dyn Bank>,
    gamma: f64,
    device: Device,
    points: Points,
}

/// Features `[n, D]` and their squared lengths times gamma, `[n]`.
struct Points {
    x: Tensor,
    squares: Tensor,
}

impl Points {
    fn new(x: Tensor, gamma: f64) -> Result<Points> {
        let squares = x.f_linalg_norm(2.0, [1i64].as_slice(), false, Kind::Double)?.f_square()?;
        Ok(Points { squares: squares.f_mul_scalar(gamma)?, x })
    }

    fn len(&self) -> usize {
        self.x.size().first().map_or(0, |&n| n as usize)
    }

    fn part(&self, range: &Range<usize>) -> Result<Points> {
        Ok(Points { x: rows(&self.x, range)?, squares: rows(&self.squares, range)? })
    }

    /// The kernel between these and others, `[n, m]`.
    fn kernel(&self, others: &Points, gamma: f64) -> Result<Tensor> {
        let mut k = self.x.f_mm(&others.x.f_tr()?)?.f_mul_scalar_(2.0 * gamma)?;
        let _ = k.f_subtract_(&self.squares.f_unsqueeze(1)?)?;
        let _ = k.f_subtract_(&others.squares.f_unsqueeze(0)?)?;
        Ok(k.f_clamp_max_(0.0)?.f_exp_()?) // rounding may leave a distance below 0
    }
}

impl Gaussian {
    /// Of `images`, u8 `[n, c, h, w]`; with no `gamma` 2 over the mean squared distance between two of them.
    ///
    /// # Errors
    /// libtorch's own; an interrupt.
    pub fn new(
        bank: Box<dyn Bank>,
        images: &Tensor,
        gamma: Option<f64>,
        device: Device,
        watch: &mut Watch<'_>,
    ) -> Result<Gaussian> {
        let x = all(&*bank, images, device, watch)?;
        let gamma = match gamma {
            Some(gamma) => gamma,
            None => 2.0 / mean_squared_distance(&x)?.max(f64::MIN_POSITIVE),
        };
        Ok(Gaussian { bank, gamma, device, points: Points::new(x, gamma)? })
    }
}

/// All blocks side by side, `[n, D]`.
fn all(bank: &dyn Bank, images: &Tensor, device: Device, watch: &mut Watch<'_>) -> Result<Tensor> {
    if bank.blocks() == 1 {
        return bank.of(0, images, device, watch);
    }
    let n = images.size().first().copied().unwrap_or(0);
    let x = Tensor::f_zeros([n, bank.dimensions() as i64], (Kind::Double, device))?;
    for block in 0..bank.blocks() {
        let part = bank.of(block, images, device, watch)?;
        x.f_narrow(1, (block * bank.width()) as i64, part.size()[1])?.f_copy_(&part)?;
    }
    Ok(x)
}

/// The mean of `|x - x'|^2` over all pairs, a sample with itself included: `2 (mean |x|^2 - |mean x|^2)`.
fn mean_squared_distance(x: &Tensor) -> Result<f64> {
    let n = x.size()[0] as f64;
    let squares = x.f_norm()?.f_double_value(&[])?.powi(2);
    let mean = x.f_mean_dim([0i64].as_slice(), false, Kind::Double)?;
    let mean = mean.f_square()?.f_sum(Kind::Double)?.f_double_value(&[])?;
    Ok(2.0 * (squares / n - mean))
}

impl Kernel for Gaussian {
    fn report(&self) -> KernelReport {
        KernelReport {
            features: self.bank.describe(),
            dimensions: self.bank.dimensions(),
            kernel: KernelName::Gaussian,
            gamma: Some(self.gamma),
        }
    }

    fn gram(&self, tile: usize, watch: &mut Watch<'_>) -> Result<Tiles> {
        let n = self.points.len();
        Tiles::build(n, tile, |r, c| {
            watch.step(|| format!("kernel: row {} of {n}", r.start))?;
            self.points.part(r)?.kernel(&self.points.part(c)?, self.gamma)
        })
    }

    fn quadratic(&self, vectors: &Tensor, watch: &mut Watch<'_>) -> Result<(Tensor, f64)> {
        let n = self.points.len();
        let mut sums = Tensor::f_zeros([vectors.size()[1]], (Kind::Double, self.device))?;
        for r in spans(n, TILE) {
            let row = self.points.part(&r)?;
            for c in spans(n, TILE).take_while(|c| c.start <= r.start) {
                watch.step(|| format!("kernel: row {} of {n}", r.start))?;
                let products = row.kernel(&self.points.part(&c)?, self.gamma)?.f_mm(&rows(vectors, &c)?)?;
                let part = products.f_mul(&rows(vectors, &r)?)?;
                let twice = if c.start == r.start { 1.0 } else { 2.0 }; // the tile above the diagonal is its mirror image
                let sum = part.f_sum_dim_intlist([0i64].as_slice(), false, Kind::Double)?;
                let _ = sums.f_add_(&sum.f_mul_scalar(twice)?)?;
            }
        }
        Ok((sums, n as f64)) // a point is at no distance from itself
    }

    fn scores(&self, alpha: &Tensor, test: &Tensor, watch: &mut Watch<'_>) -> Result<[Tensor; 2]> {
        let (n, m) = (self.points.len(), test.size().first().map_or(0, |&m| m as usize));
        let score = |points: &Points, watch: &mut Watch<'_>| -> Result<Tensor> {
            let mut sum =
                Tensor::f_zeros([points.len() as i64, alpha.size()[1]], (Kind::Double, self.device))?;
            for c in spans(n, TILE) {
                watch.step(|| format!("predictions: column {} of {n}", c.start))?;
                let k = points.kernel(&self.points.part(&c)?, self.gamma)?;
                let _ = sum.f_addmm_(&k, &rows(alpha, &c)?)?;
            }
            Ok(sum)
        };
        let train =
            spans(n, TILE).map(|r| score(&self.points.part(&r)?, watch)).collect::<Result<Vec<_>>>()?;
        let mut tested = Vec::new();
        for r in spans(m, TILE) {
            let x = all(&*self.bank, &rows(test, &r)?, self.device, watch)?;
            tested.push(score(&Points::new(x, self.gamma)?, watch)?);
        }
        Ok([Tensor::f_cat(&train, 0)?, Tensor::f_cat(&tested, 0)?])
    }
}
