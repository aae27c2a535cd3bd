//! Label noise, resolved for one split: a table from rank of id to label.
//!
//! Domain `labels`, stream = id: word 0 decides (`w0 < T`), word 1 is the class, word 2 says whether the sample is
//! one of those redrawn every epoch. So whatever is corrupted at p is corrupted, with the same class, at any p' > p.

use serde::Serialize;

use super::{LabelSpec, SpecError};
use crate::{
    order::Feistel,
    rng::{Key, Threshold, mulshift},
};

/// What a label corruption did to one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum LabelRule {
    /// The label was left alone.
    Untouched = 0,
    /// The label was redrawn, once and for all; it may have come out the same.
    Redrawn = 1,
    /// The label was redrawn for this epoch.
    Resampled = 2,
}

/// The label corruption of one split. Costs 8 bytes per sample where labels are corrupted, nothing where not.
pub(crate) struct LabelTable {
    entries: Option<Vec<Entry>>,
    draw: ClassDraw,
    resample: Key,
}

#[derive(Clone, Copy)]
struct Entry {
    new: u32,
    rule: LabelRule,
    resampled: bool,
}

/// A class from a word: uniform over all classes, or over all but the true one.
#[derive(Clone, Copy)]
struct ClassDraw {
    classes: u32,
    exclude_true: bool,
}

impl ClassDraw {
    fn class(self, word: u32, old: i64) -> u32 {
        if self.exclude_true {
            let class = mulshift(word, self.classes - 1);
            class + u32::from(i64::from(class) >= old)
        } else {
            mulshift(word, self.classes)
        }
    }
}

impl LabelTable {
    /// Draws the labels of a whole split, whose ids and labels are given in id order.
    ///
    /// # Errors
    /// [`SpecError::Contradiction`] if the true class of a one-class set is to be excluded.
    pub fn resolve(
        spec: &LabelSpec,
        seed: u64,
        ids: &[i64],
        labels: &[i64],
        classes: usize,
    ) -> Result<Self, SpecError> {
        let draw = ClassDraw { classes: classes as u32, exclude_true: false };
        let resample_key = Key::derive("labels/resample", seed);
        let LabelSpec::Uniform { p, exclude_true, exact, resample } = *spec else {
            return Ok(LabelTable { entries: None, draw, resample: resample_key });
        };
        if exclude_true && classes < 2 {
            return Err(SpecError::Contradiction {
                reason: "exclude-true needs a second class, and the data set has one".into(),
                help: "leave exclude-true out".into(),
            });
        }
        let draw = ClassDraw { exclude_true, ..draw };
        let threshold = |p| Threshold::from_probability(p).unwrap_or(Threshold::NEVER); // validated with the spec
        let (corrupted, redrawn) = (threshold(p), threshold(resample));
        let chosen = exact.then(|| exact_choice(corrupted, seed, ids.len()));
        let key = Key::derive("labels", seed);
        let entries = ids.iter().zip(labels).enumerate().map(|(rank, (&id, &old))| {
            let [decide, class, redraw] = key.first(id as u64, 0);
            let hit = chosen.as_ref().map_or_else(|| corrupted.hits(decide), |c| c[rank]);
            if hit {
                let resampled = redrawn.hits(redraw);
                Entry { new: draw.class(class, old), rule: LabelRule::Redrawn, resampled }
            } else {
                Entry { new: old as u32, rule: LabelRule::Untouched, resampled: false }
            }
        });
        Ok(LabelTable { entries: Some(entries.collect()), draw, resample: resample_key })
    }

    /// The label of the sample at `rank` of the split in `epoch`, and what was done.
    #[inline]
    pub fn at(&self, rank: usize, id: i64, old: i64, epoch: u32) -> (i64, LabelRule) {
        match self.entries.as_ref().map(|entries| entries[rank]) {
            None => (old, LabelRule::Untouched),
            Some(entry) if entry.resampled && epoch > 0 => {
                let [word] = self.resample.first(id as u64, epoch);
                (i64::from(self.draw.class(word, old)), LabelRule::Resampled)
            }
            Some(entry) => (i64::from(entry.new), entry.rule),
        }
    }
}

/// Which of `n` ranks are among the first `round(p n)` of the keyed permutation.
fn exact_choice(share: Threshold, seed: u64, n: usize) -> Vec<bool> {
    let mut chosen = vec![false; n];
    let order = Feistel::keyed("labels/exact", seed, 0, n as u64);
    for position in 0..crate::order::rounded_share(share, n) as u64 {
        chosen[order.at(position) as usize] = true;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLASSES: usize = 10;
    const N: i64 = 50_000;

    fn resolve(text: &str, seed: u64) -> (Vec<i64>, Vec<i64>, LabelTable) {
        let ids: Vec<i64> = (0..N).collect();
        let labels: Vec<i64> = ids.iter().map(|i| (i * 7 + i / 10) % 10).collect();
        let spec: super::super::CorruptionSpec = text.parse().unwrap();
        let table = LabelTable::resolve(&spec.labels, seed, &ids, &labels, CLASSES).unwrap();
        (ids, labels, table)
    }

    fn drawn(text: &str, seed: u64, epoch: u32) -> Vec<(i64, i64, LabelRule)> {
        let (ids, labels, table) = resolve(text, seed);
        let at = |(&id, &old): (&i64, &i64)| {
            let (new, rule) = table.at(id as usize, id, old, epoch);
            (old, new, rule)
        };
        ids.iter().zip(&labels).map(at).collect()
    }

    /// The realised counts of every (old, new) pair against the nominal transition matrix: chi-square with 90
    /// degrees of freedom exceeds 137.2 once in 1,000 true samples; seeds are fixed, so the test never flickers.
    #[test]
    fn transition_matrix_fits_by_chi_square() {
        for (text, diagonal, off) in [
            ("labels=uniform:p=0.5", 0.55, 0.05),
            ("labels=uniform:p=1", 0.1, 0.1),
            ("labels=uniform:p=0.4,exclude-true", 0.6, 0.4 / 9.0),
            ("labels=uniform:p=0.25,exact", 0.775, 0.025),
            ("labels=uniform:p=0.5,resample=1", 0.55, 0.05),
        ] {
            for (seed, epoch) in [(1, 0), (2, 0), (1, 4)] {
                let mut counts = [[0f64; CLASSES]; CLASSES];
                for (old, new, _) in drawn(text, seed, epoch) {
                    counts[old as usize][new as usize] += 1.0;
                }
                let chi: f64 = (0..CLASSES * CLASSES)
                    .map(|i| {
                        let (old, new) = (i / CLASSES, i % CLASSES);
                        let row: f64 = counts[old].iter().sum();
                        let expected = row * if old == new { diagonal } else { off };
                        (counts[old][new] - expected).powi(2) / expected
                    })
                    .sum();
                assert!(chi < 137.2, "{text} seed {seed} epoch {epoch}: {chi}");
            }
        }
    }

    #[test]
    fn corruption_is_nested_in_p() {
        let low = drawn("labels=uniform:p=0.2", 3, 0);
        let high = drawn("labels=uniform:p=0.7", 3, 0);
        for (l, h) in low.iter().zip(&high) {
            assert!(l.2 == LabelRule::Untouched || (h.2 == LabelRule::Redrawn && l.1 == h.1));
        }
    }

    #[test]
    fn exact_count_is_exact_and_true_excluded_never_keeps_a_label() {
        for (p, expected) in [(0.0, 0), (0.25, 12_500), (0.333_33, 16_667), (1.0, 50_000)] {
            let rows = drawn(&format!("labels=uniform:p={p},exact"), 5, 0);
            assert_eq!(rows.iter().filter(|r| r.2 == LabelRule::Redrawn).count(), expected);
        }
        let rows = drawn("labels=uniform:p=1,exclude-true", 5, 0);
        assert!(rows.iter().all(|r| r.0 != r.1 && (0..10).contains(&r.1)));
    }

    #[test]
    fn resampling_touches_a_fixed_nested_set_and_changes_every_epoch() {
        let rows = |q: f64, epoch| drawn(&format!("labels=uniform:p=0.5,resample={q}"), 9, epoch);
        let fixed = drawn("labels=uniform:p=0.5", 9, 0);
        assert_eq!(rows(0.5, 0), fixed);
        let resampled = |rows: &[(i64, i64, LabelRule)]| -> Vec<usize> {
            rows.iter().enumerate().filter(|r| r.1.2 == LabelRule::Resampled).map(|r| r.0).collect()
        };
        let (one, two) = (rows(0.5, 1), rows(0.5, 2));
        assert_eq!(resampled(&one), resampled(&two));
        let share = resampled(&one).len() as f64 / resampled(&rows(1.0, 1)).len() as f64;
        assert!((share - 0.5).abs() < 0.02, "{share}");
        let small = resampled(&rows(0.2, 1));
        assert!(small.iter().all(|i| one[*i].2 == LabelRule::Resampled));
        let moved = resampled(&one).iter().filter(|&&i| one[i].1 != two[i].1).count();
        assert!(moved * 100 > resampled(&one).len() * 85);
        // Whether a sample is corrupted is static; so is what becomes of the others.
        for ((a, b), f) in one.iter().zip(&two).zip(&fixed) {
            assert_eq!(a.2 == LabelRule::Untouched, f.2 == LabelRule::Untouched);
            assert!(a.2 == LabelRule::Resampled || (a.1 == f.1 && b.1 == f.1));
        }
    }

    #[test]
    fn p_zero_is_identity_and_one_class_cannot_be_excluded() {
        assert!(drawn("labels=uniform:p=0", 1, 7).iter().all(|r| r.0 == r.1 && r.2 == LabelRule::Untouched));
        let spec: super::super::CorruptionSpec = "labels=uniform:p=1,exclude-true".parse().unwrap();
        assert!(LabelTable::resolve(&spec.labels, 1, &[0], &[0], 1).is_err());
    }
}
