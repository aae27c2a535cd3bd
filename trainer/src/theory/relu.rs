//! The network of Theorem 1: one hidden layer of n rectified units through n points (Zhang et al. 2017, sec. 4, app. C).
//!
//! `c(z) = sum_j w_j max(z - b_j, 0)`, where `z = <a, x>` is a projection of the image. With `b_1 < z_1 < b_2 < z_2 < ...`
//! the matrix `A_ij = max(z_i - b_j, 0)` is lower triangular with a positive diagonal, so `A w = y` has one solution.
//!
//! The thresholds are `b_i = z_{i-1}`, `b_1 = z_1 - 1`: the paper asks for `b_i < z_i` and this makes `z_i - b_i`, the
//! smallest of which is A's smallest eigenvalue, as large as it can be. `c` is then the polygon through the points, so the
//! weights are differences of its slopes, O(n), where forward substitution takes O(n^2) and loses digits: with thresholds
//! in the middle, errors at n = 50,000 are ten thousand times as large.

use std::ops::Range;

/// A network of one hidden layer through given points.
#[derive(Clone, Debug)]
pub struct Interpolant {
    thresholds: Vec<f64>,
    weights: Vec<f64>,
    smallest_diagonal: f64,
}

impl Interpolant {
    /// The network through `(z[i], y[i])`; `None` unless `z` is finite, strictly ascending, not empty and as long as `y`.
    pub fn through(z: &[f64], y: &[f64]) -> Option<Interpolant> {
        let ascending = z.windows(2).all(|pair| pair[0] < pair[1]) && z.iter().all(|z| z.is_finite());
        let (&first, true) = (z.first()?, ascending && z.len() == y.len()) else { return None };
        let thresholds: Vec<f64> =
            std::iter::once(first - 1.0).chain(z.iter().copied()).take(z.len()).collect();
        let heights = std::iter::once(0.0).chain(y.iter().copied());
        let (mut weights, mut slope, mut smallest) = (Vec::with_capacity(z.len()), 0.0, f64::INFINITY);
        for (((&z, &b), &y), before) in z.iter().zip(&thresholds).zip(y).zip(heights) {
            let next = (y - before) / (z - b);
            weights.push(next - slope);
            slope = next;
            smallest = smallest.min(z - b);
        }
        Some(Interpolant { thresholds, weights, smallest_diagonal: smallest })
    }

    /// The thresholds b, ascending.
    pub fn thresholds(&self) -> &[f64] {
        &self.thresholds
    }

    /// The weights w.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// `min_i (z_i - b_i)`: the smallest eigenvalue of A.
    pub fn smallest_diagonal(&self) -> f64 {
        self.smallest_diagonal
    }

    /// The largest weight by magnitude.
    pub fn largest_weight(&self) -> f64 {
        self.weights.iter().fold(0.0, |largest, w| w.abs().max(largest))
    }

    /// The weights and thresholds of these units.
    pub(super) fn units(&self, range: Range<usize>) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.weights[range.clone()].iter().copied().zip(self.thresholds[range].iter().copied())
    }

    /// The output at `z`, unit by unit: O(n). This is the network as it stands; large weights of both signs cancel here.
    pub fn at(&self, z: f64) -> f64 {
        self.units(0..self.weights.len()).map(|(w, b)| w * (z - b).max(0.0)).sum()
    }

    /// The outputs at `z`, ascending: O(n + points). The same sum by parts: with `S_j = w_1 + ... + w_j` the output grows
    /// by `S_j` times the way between neighbouring thresholds, so no large numbers cancel but in the slopes.
    pub fn at_sorted(&self, z: &[f64]) -> Vec<f64> {
        let mut units = self.units(0..self.weights.len()).peekable();
        let (mut value, mut slope, mut at) = (0.0, 0.0, f64::NEG_INFINITY);
        let mut walk = |to: f64| {
            while let Some((w, b)) = units.next_if(|(_, b)| *b < to) {
                value += if slope == 0.0 { 0.0 } else { slope * (b - at) };
                (slope, at) = (slope + w, b);
            }
            value += if slope == 0.0 { 0.0 } else { slope * (to - at) };
            at = to;
            value
        };
        z.iter().map(|&z| walk(z)).collect()
    }
}

#[cfg(test)]
mod tests {
    use rfx_loader::rng::Key;

    use super::{super::draws::normals, *};

    fn points(n: usize) -> (Vec<f64>, Vec<f64>) {
        let mut z = normals(&mut Key::derive("relu", 1).words(0, 0), n);
        z.sort_by(f64::total_cmp);
        let mut words = Key::derive("relu", 2).words(0, 0);
        (z, (0..n).map(|_| f64::from(words.next_u32() % 10)).collect())
    }

    /// Forward substitution on the triangular matrix, as in the proof.
    #[test]
    fn the_weights_are_those_of_forward_substitution() {
        let (z, y) = points(60);
        let network = Interpolant::through(&z, &y).unwrap();
        let mut w = vec![0.0; z.len()];
        for i in 0..z.len() {
            let a = |j: usize| (z[i] - network.thresholds()[j]).max(0.0);
            w[i] = (y[i] - (0..i).map(|j| a(j) * w[j]).sum::<f64>()) / a(i);
            assert!((i + 1..z.len()).all(|j| a(j) == 0.0), "A is lower triangular");
        }
        for (fast, slow) in network.weights().iter().zip(&w) {
            assert!((fast - slow).abs() <= 1e-9 * network.largest_weight(), "{fast} {slow}");
        }
    }

    #[test]
    fn both_evaluations_agree_at_and_between_the_points_and_outside() {
        let (z, y) = points(500);
        let network = Interpolant::through(&z, &y).unwrap();
        for (out, y) in network.at_sorted(&z).iter().zip(&y) {
            assert!((out - y).abs() < 1e-9, "{out} {y}");
        }
        let mut others = normals(&mut Key::derive("relu", 3).words(0, 0), 700);
        others.extend([z[0] - 5.0, z[0] - 1.0, z[0] - 0.5, z[499] + 0.1]);
        others.sort_by(f64::total_cmp);
        let scale = network.largest_weight();
        for (out, &z) in network.at_sorted(&others).iter().zip(&others) {
            assert!((out - network.at(z)).abs() < 1e-13 * scale, "{out} {}", network.at(z));
        }
        assert_eq!(network.at(z[0] - 1.5), 0.0);
    }

    #[test]
    fn points_without_an_order_are_refused() {
        for z in [&[1.0, 1.0][..], &[2.0, 1.0], &[0.0, f64::NAN], &[0.0, f64::INFINITY], &[]] {
            assert!(Interpolant::through(z, &vec![1.0; z.len()]).is_none(), "{z:?}");
        }
        assert!(Interpolant::through(&[1.0, 2.0], &[1.0]).is_none());
        let one = Interpolant::through(&[3.0], &[7.0]).unwrap();
        assert_eq!((one.at(3.0), one.smallest_diagonal(), one.weights()), (7.0, 1.0, &[7.0][..]));
    }
}
