//! Means and deviations from exact integer sums, so that no order of summation matters.

use super::{Affine, View};

/// Sum of an image's values and of their squares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub sum: u64,
    pub squares: u64,
}

/// Values of which the squares' sum fits u32, which vectorises twice as wide as u64.
const BLOCK: usize = 1 << 16;

/// One value after another.
pub(super) fn sums(view: View<'_>) -> Sums {
    let mut sums = Sums::default();
    for (plane, row) in view.positions() {
        view.row(plane, row).chunks(BLOCK).for_each(|block| sums.add(block));
    }
    sums
}

impl Sums {
    /// Adds at most 2^16 values.
    #[inline(always)] // into kernels
    pub fn add(&mut self, values: &[u8]) {
        let (mut sum, mut squares) = (0u32, 0u32);
        for &x in values {
            let x = u32::from(x);
            sum += x;
            squares += x * x;
        }
        self.sum += u64::from(sum);
        self.squares += u64::from(squares);
    }
}

/// Whitening of one image of N values: m = f32(S / N), a = f32(1 / max(sqrt(N Q - S^2) / N, 255 / sqrt(N))), with
/// S = sum x and Q = sum x^2 exact integers and the rest in f64.
pub(super) fn image_affine(count: usize, Sums { sum, squares }: Sums) -> Affine {
    let n = count as u64;
    let deviation = scatter(n, sum, squares).sqrt() / n as f64;
    let floor = 255.0 / (n as f64).sqrt();
    Affine { mean: (sum as f64 / n as f64) as f32, scale: (1.0 / deviation.max(floor)) as f32 }
}

/// Normalisation of one channel by the train split's sums: m = f32(S / n), a = f32(1 / (sqrt(n Q - S^2) / n)), or
/// a = 1 where all values are equal.
pub(crate) fn channel_affine(count: u64, sum: u64, squares: u64) -> Affine {
    let deviation = scatter(count, sum, squares).sqrt() / count as f64;
    let scale = if deviation > 0.0 { (1.0 / deviation) as f32 } else { 1.0 };
    Affine { mean: (sum as f64 / count as f64) as f32, scale }
}

/// n Q - S^2, exact in u128, rounded once to f64.
fn scatter(n: u64, sum: u64, squares: u64) -> f64 {
    (u128::from(n) * u128::from(squares)).saturating_sub(u128::from(sum) * u128::from(sum)) as f64
}
