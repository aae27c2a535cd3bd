//! Class-conditional noise in integers: how often a class is left, and for which others. Pair flips, asymmetric flips
//! and matrices all become this.

use crate::{
    digest::Hasher,
    order::{Feistel, rounded_share},
    rng::Threshold,
};

/// The rows of a transition matrix.
pub(super) struct Conditional {
    /// For each class, the event that a label of it is changed.
    leave: Vec<Threshold>,
    /// Where each class's targets begin, and where the last one's end.
    first: Vec<u32>,
    targets: Vec<Target>,
}

/// A class that another one may become.
#[derive(Clone, Copy)]
struct Target {
    /// The word is below this, and not below that of the target before; of the last one it is 2^32.
    upto: u64,
    class: u32,
}

impl Conditional {
    /// Each class y has one target, or none, and is left for it with probability `rate`.
    pub fn one_target(rate: Threshold, target_of: &[Option<u32>]) -> Self {
        let mut rows = Conditional::empty(target_of.len());
        for &target in target_of {
            let one = target.map(|class| Target { upto: 1 << 32, class });
            rows.push(if one.is_some() { rate } else { Threshold::NEVER }, one);
        }
        rows
    }

    /// From the rows of T, K numbers each, of which `amount` is done.
    ///
    /// With `off` the sum of a row without its diagonal, added in the order of classes, class y is left with
    /// probability `amount * (off / (off + T[y][y]))`, and class k is reached below
    /// `floor(2^32 * (sum of the first of these up to k / off) + 0.5)`.
    pub fn matrix(rows: &[f64], classes: usize, amount: f64) -> Self {
        let mut conditional = Conditional::empty(classes);
        for (y, row) in rows.chunks_exact(classes).enumerate() {
            let others = || row.iter().enumerate().filter(|(k, _)| *k != y);
            let off = others().fold(0.0, |sum, (_, p)| sum + p);
            let rate = amount * (off / (off + row[y]));
            let leave = Threshold::from_probability(rate).unwrap_or(Threshold::NEVER); // 0 to 1, or 0 / 0
            let (mut sum, mut before) = (0.0, 0);
            let mut targets = Vec::new();
            for (k, p) in others().filter(|_| leave != Threshold::NEVER) {
                sum += p;
                let upto = libm::floor(4_294_967_296.0 * (sum / off) + 0.5) as u64;
                if upto > before {
                    targets.push(Target { upto, class: k as u32 });
                    before = upto;
                }
            }
            conditional.push(leave, targets);
        }
        conditional
    }

    fn empty(classes: usize) -> Self {
        let mut first = Vec::with_capacity(classes + 1);
        first.push(0);
        Conditional { leave: Vec::with_capacity(classes), first, targets: Vec::new() }
    }

    fn push(&mut self, leave: Threshold, targets: impl IntoIterator<Item = Target>) {
        self.leave.push(leave);
        self.targets.extend(targets);
        self.first.push(self.targets.len() as u32); // at most 2,048^2, or one per class
    }

    fn targets(&self, y: usize) -> &[Target] {
        &self.targets[self.first[y] as usize..self.first[y + 1] as usize]
    }

    pub fn leave(&self, y: usize) -> Threshold {
        self.leave[y]
    }

    /// What a changed label of class `old` becomes.
    #[inline]
    pub fn class(&self, old: i64, word: u32) -> u32 {
        let targets = self.targets(old as usize);
        let at = targets.partition_point(|t| t.upto <= u64::from(word));
        targets.get(at).map_or(old as u32, |t| t.class) // a class without targets is never left
    }

    /// Classes whose most likely label is another one, with that one.
    pub fn majorities_lost(&self) -> Vec<(usize, u32)> {
        let lost = |y: usize| {
            let leave = self.leave[y].probability();
            let mut before = 0;
            let shares = self.targets(y).iter().map(|t| {
                let share = (t.upto - before) as f64 / 4_294_967_296.0;
                before = t.upto;
                (leave * share, t.class)
            });
            let (share, class) = shares.max_by(|a, b| a.0.total_cmp(&b.0))?;
            (share >= 1.0 - leave).then_some((y, class))
        };
        (0..self.leave.len()).filter_map(lost).collect()
    }

    /// Classes that are left at all.
    pub fn touched(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.leave.len()).filter(|&y| !self.targets(y).is_empty())
    }

    /// Of each class y the first `round(p_y n_y)` that the permutation of `labels/exact` comes across.
    pub fn exact_choice(&self, seed: u64, labels: &[i64]) -> Vec<bool> {
        let mut left = vec![0; self.leave.len()];
        labels.iter().for_each(|&y| left[y as usize] += 1);
        for (quota, &leave) in left.iter_mut().zip(&self.leave) {
            *quota = rounded_share(leave, *quota);
        }
        let mut chosen = vec![false; labels.len()];
        let order = Feistel::keyed("labels/exact", seed, 0, labels.len() as u64);
        for rank in (0..labels.len() as u64).map(|p| order.at(p) as usize) {
            let quota = &mut left[labels[rank] as usize];
            chosen[rank] = *quota > 0;
            *quota = quota.saturating_sub(1);
        }
        chosen
    }

    pub fn hash_into(&self, exact: bool, resample: Threshold, hasher: &mut Hasher) {
        hasher.u32(2).u32(exact.into()).u64(resample.raw()).u32(self.leave.len() as u32);
        for (y, leave) in self.leave.iter().enumerate() {
            hasher.u64(leave.raw()).u32(self.targets(y).len() as u32);
            for target in self.targets(y) {
                hasher.u32(target.class).u64(target.upto);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_integers_that_cover_every_word() {
        let rows = [0.5, 0.25, 0.25, 0.0, 1.0, 0.0, 0.1, 0.3, 0.6];
        let c = Conditional::matrix(&rows, 3, 1.0);
        assert_eq!((0..3).map(|y| c.leave(y).raw()).collect::<Vec<_>>(), [1 << 31, 0, 1_717_986_918]);
        assert_eq!([0, u32::MAX / 2, u32::MAX / 2 + 1, u32::MAX].map(|w| c.class(0, w)), [1, 1, 2, 2]);
        assert_eq!([0, u32::MAX].map(|w| c.class(1, w)), [1, 1]);
        // 0.1 / 0.4 of the words are a quarter.
        assert_eq!([(1 << 30) - 1, 1 << 30].map(|w| c.class(2, w)), [0, 1]);
        assert_eq!(c.touched().collect::<Vec<_>>(), [0, 2]);
        let half = Conditional::matrix(&rows, 3, 0.5);
        assert_eq!(half.leave(0).raw(), 1 << 30);
        assert_eq!(half.class(0, 0), 1);
    }

    #[test]
    fn a_lost_majority_is_told_from_a_kept_one() {
        let flip = |p| {
            let rate = Threshold::from_probability(p).unwrap();
            Conditional::one_target(rate, &[Some(1), Some(2), None]).majorities_lost()
        };
        assert!(flip(0.0).is_empty() && flip(0.499).is_empty());
        assert_eq!(flip(0.5), [(0, 1), (1, 2)]);
        // Six tenths are left, but for two classes: the true one is still the likeliest.
        let rows = [0.4, 0.3, 0.3, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        assert!(Conditional::matrix(&rows, 3, 1.0).majorities_lost().is_empty());
    }
}
