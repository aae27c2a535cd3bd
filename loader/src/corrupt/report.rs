//! What a label corruption really did: rows, rates, matrix, digest.

use serde::Serialize;

use super::{LabelRule, LabelSpec};
use crate::{
    digest::{Digest, Hasher},
    rng::Threshold,
};

/// One sample's label before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LabelRow {
    /// The sample's id.
    pub id: i64,
    /// The clean label.
    pub old: i64,
    /// The label a network is trained on.
    pub new: i64,
    /// What was done.
    pub rule: LabelRule,
}

/// Most classes whose transition matrix is counted: 32 MiB. (A data set may have 2^20 classes.)
pub const MATRIX_CLASSES: usize = 2048;

/// Summary of the labels of one split or subset in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelReport {
    /// The split.
    pub split: String,
    /// The label corruption applied to it, as text.
    pub labels: String,
    /// The seed of the corruption.
    pub corruption_seed: u64,
    /// The epoch.
    pub epoch: u32,
    /// Samples counted.
    pub samples: u64,
    /// Number of classes.
    pub classes: usize,
    /// Probability that a label is redrawn, as asked for.
    pub nominal_rate: f64,
    /// Expected fraction of labels that end up different.
    pub expected_changed: f64,
    /// Labels redrawn.
    pub redrawn: u64,
    /// Labels that ended up different.
    pub changed: u64,
    /// `changed / samples`.
    pub realised_changed: f64,
    /// `matrix[old][new]`: samples with that clean label and that label after corruption. Empty for more than
    /// [`MATRIX_CLASSES`] classes.
    pub matrix: Vec<Vec<u64>>,
    /// BLAKE3 over (id, old, new, rule) of every sample in id order (`RANDOM.md`).
    pub digest: Digest,
}

impl LabelReport {
    pub(crate) fn new(
        split: &str,
        spec: &LabelSpec,
        corruption_seed: u64,
        epoch: u32,
        classes: usize,
        rows: impl Iterator<Item = LabelRow>,
    ) -> Self {
        let mut hasher = Hasher::new("rfx v1 label-digest");
        let mut matrix = if classes <= MATRIX_CLASSES { vec![vec![0; classes]; classes] } else { Vec::new() };
        let (mut samples, mut redrawn, mut changed) = (0, 0, 0);
        for row in rows {
            hasher.i64(row.id).i64(row.old).i64(row.new).bytes(&[row.rule as u8]);
            if let Some(counts) = matrix.get_mut(row.old as usize) {
                counts[row.new as usize] += 1;
            }
            samples += 1;
            redrawn += u64::from(row.rule != LabelRule::Untouched);
            changed += u64::from(row.old != row.new);
        }
        let (nominal_rate, expected_changed) = match *spec {
            LabelSpec::Clean {} => (0.0, 0.0),
            LabelSpec::Uniform { p, exclude_true, .. } => {
                let p = Threshold::from_probability(p).map_or(p, Threshold::probability);
                let differs = if exclude_true { 1.0 } else { (classes as f64 - 1.0) / classes as f64 };
                (p, p * differs)
            }
        };
        LabelReport {
            split: split.into(),
            labels: spec.to_string(),
            corruption_seed,
            epoch,
            samples,
            classes,
            nominal_rate,
            expected_changed,
            redrawn,
            changed,
            realised_changed: if samples == 0 { 0.0 } else { changed as f64 / samples as f64 },
            matrix,
            digest: hasher.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_matrix_are_counted_and_a_million_classes_need_no_matrix() {
        let row = |id, old, new, rule| LabelRow { id, old, new, rule };
        let rows = [
            row(0, 1, 1, LabelRule::Untouched),
            row(1, 1, 0, LabelRule::Redrawn),
            row(2, 2, 2, LabelRule::Redrawn),
            row(3, 0, 2, LabelRule::Resampled),
        ];
        let spec = LabelSpec::Uniform { p: 0.75, exclude_true: false, exact: false, resample: 0.5 };
        let report = |classes| LabelReport::new("train", &spec, 1, 4, classes, rows.iter().copied());
        let few = report(3);
        assert_eq!((few.samples, few.redrawn, few.changed), (4, 3, 2));
        assert_eq!((few.nominal_rate, few.expected_changed, few.realised_changed), (0.75, 0.5, 0.5));
        assert_eq!(few.matrix, [[0, 0, 1], [1, 1, 0], [0, 0, 1]]);
        let many = report(1 << 20);
        assert!(many.matrix.is_empty() && many.digest == few.digest);
    }
}
