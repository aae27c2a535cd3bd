//! A class from a word, uniform over all classes or over all but the true one (Zhang et al. 2017, sec. 2.1).

use crate::{
    digest::Hasher,
    rng::{Threshold, mulshift},
};

pub(super) struct Uniform {
    pub classes: u32,
    pub rate: Threshold,
    pub exclude_true: bool,
}

impl Uniform {
    /// The new class of a corrupted sample of class `old`.
    #[inline]
    pub fn class(&self, old: i64, word: u32) -> u32 {
        if self.exclude_true {
            let class = mulshift(word, self.classes - 1);
            class + u32::from(i64::from(class) >= old)
        } else {
            mulshift(word, self.classes)
        }
    }

    /// Probability that a label ends up different, the same for every sample.
    pub fn change(&self) -> f64 {
        let k = f64::from(self.classes);
        self.rate.probability() * if self.exclude_true { 1.0 } else { (k - 1.0) / k }
    }

    pub fn hash_into(&self, exact: bool, resample: Threshold, hasher: &mut Hasher) {
        hasher.u32(1).u64(self.rate.raw()).u32(self.exclude_true.into()).u32(exact.into());
        hasher.u64(resample.raw());
    }
}
