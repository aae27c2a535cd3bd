//! The labels of the paper's first author, bit for bit: pluskid/fitting-random-labels, `cifar10_data.py`.
//!
//! ```text
//! np.random.seed(12345)
//! mask = np.random.rand(len(labels)) <= corrupt_prob
//! rnd_labels = np.random.choice(n_classes, mask.sum())
//! labels[mask] = rnd_labels
//! ```
//!
//! Labels are in the order of the data set's files, which is that of ids. A sample's label so depends on all before it,
//! and a redrawn label may be the true one.

use super::mt19937::Mt19937;
use crate::digest::Hasher;

/// The seed in the published code.
pub(super) const SEED: u32 = 12_345;

pub(super) struct Zhang2017 {
    classes: u32,
    /// A sample of 53 bits is hit up to and with this: `sample / 2^53 <= p`.
    most: u64,
}

impl Zhang2017 {
    pub fn new(p: f64, classes: u32) -> Self {
        // A product with a power of two is exact, so this is the comparison that NumPy makes.
        Zhang2017 { classes, most: (p * 9_007_199_254_740_992.0).floor() as u64 }
    }

    /// For each of `n` samples its new class, or none.
    pub fn draw(&self, n: usize) -> Vec<Option<u32>> {
        let mut generator = Mt19937::new(SEED);
        let mask: Vec<bool> = (0..n).map(|_| generator.sample53() <= self.most).collect();
        mask.into_iter().map(|hit| hit.then(|| generator.below(self.classes))).collect()
    }

    pub fn classes(&self) -> u32 {
        self.classes
    }

    /// Probability that a label is redrawn.
    pub fn rate(&self) -> f64 {
        self.most as f64 / 9_007_199_254_740_992.0
    }

    pub fn hash_into(&self, hasher: &mut Hasher) {
        hasher.u32(5).u64(self.most);
    }
}
