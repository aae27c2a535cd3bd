//! What a label corruption really did: rows, rates, matrix, digest.

use serde::Serialize;

use super::{super::MATRIX_CLASSES, LabelRule, LabelSpec, LabelTable};
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

/// How it is decided which labels are corrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Selection {
    /// None is.
    None,
    /// Each sample for itself, with a probability: the number is about what is expected.
    Bernoulli,
    /// The number is fixed: over the split, or of each class where the noise depends on it.
    Exact,
    /// By a file.
    Given,
    /// By the sequence of a published program.
    Published,
}

impl Selection {
    /// In words: `Bernoulli`, `exact count`.
    pub const fn name(self) -> &'static str {
        match self {
            Selection::None => "nothing",
            Selection::Bernoulli => "Bernoulli, each sample for itself",
            Selection::Exact => "exact count",
            Selection::Given => "a file",
            Selection::Published => "a published program",
        }
    }
}

/// Summary of the labels of one split or subset in one epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelReport {
    /// The split.
    pub split: String,
    /// The label corruption applied to it, as text.
    pub labels: String,
    /// Splits whose labels this corruption changes.
    pub affected: Vec<String>,
    /// How it was decided which labels are corrupted.
    pub selection: Selection,
    /// The seed of the corruption.
    pub corruption_seed: u64,
    /// The epoch.
    pub epoch: u32,
    /// Samples counted.
    pub samples: u64,
    /// Number of classes.
    pub classes: usize,
    /// The rate that was asked for: the probability that a label is redrawn (of matrices, which have no one rate, that
    /// it is changed).
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
    /// What is easily taken for something else about this noise (`CORRUPTION.md`).
    pub notes: Vec<String>,
}

impl LabelReport {
    /// `rows` gives, beside a sample's labels, the probability that it ends up with another one.
    pub(crate) fn new(
        head: ReportHead<'_>,
        table: &LabelTable,
        rows: impl Iterator<Item = (LabelRow, f64)>,
    ) -> Self {
        let classes = head.classes;
        let mut hasher = Hasher::new("rfx v1 label-digest");
        let mut matrix = if classes <= MATRIX_CLASSES { vec![vec![0; classes]; classes] } else { Vec::new() };
        let (mut samples, mut redrawn, mut changed, mut expected) = (0, 0, 0, 0.0);
        for (row, change) in rows {
            hasher.i64(row.id).i64(row.old).i64(row.new).bytes(&[row.rule as u8]);
            if let Some(counts) = matrix.get_mut(row.old as usize) {
                counts[row.new as usize] += 1;
            }
            samples += 1;
            redrawn += u64::from(row.rule != LabelRule::Untouched);
            changed += u64::from(row.old != row.new);
            expected += change;
        }
        let share = |count: f64| if samples == 0 { 0.0 } else { count / samples as f64 };
        let expected_changed = table.common_change().unwrap_or(share(expected));
        let probability = |p| Threshold::from_probability(p).map_or(p, Threshold::probability);
        let nominal_rate = match (head.labels, table.poisoned()) {
            (LabelSpec::Clean {}, poisoned) => poisoned.unwrap_or(0.0),
            (LabelSpec::Uniform { p, .. } | LabelSpec::PairFlip { p, .. }, _)
            | (LabelSpec::Asymmetric { p, .. } | LabelSpec::Zhang2017 { p }, _) => probability(*p),
            (LabelSpec::File { amount, .. }, _) => probability(*amount),
            (LabelSpec::InstanceDependent { rate, .. }, _) => probability(*rate),
            (LabelSpec::Matrix { .. }, _) => expected_changed,
        };
        LabelReport {
            split: head.split.into(),
            labels: match table.poisoned() {
                Some(_) => format!("{} + {}", head.labels, head.inputs),
                None => head.labels.to_string(),
            },
            affected: head.affected,
            selection: table.selection(),
            corruption_seed: head.corruption_seed,
            epoch: head.epoch,
            samples,
            classes,
            nominal_rate,
            expected_changed,
            redrawn,
            changed,
            realised_changed: share(changed as f64),
            matrix,
            digest: hasher.finish(),
            notes: table.notes().to_vec(),
        }
    }
}

/// What a report says that is not counted.
pub(crate) struct ReportHead<'a> {
    pub split: &'a str,
    pub labels: &'a LabelSpec,
    pub inputs: String,
    pub affected: Vec<String>,
    pub corruption_seed: u64,
    pub epoch: u32,
    pub classes: usize,
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Samples, no_images},
        *,
    };

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
        let three = ["a", "b", "c"].map(crate::dataset::Class::named);
        let samples = Samples { ids: &[0], labels: &[0], classes: &three, images: no_images() };
        let table = LabelTable::resolve(&spec, 1, &samples, None).unwrap();
        let report = |classes| {
            let head = ReportHead {
                split: "train",
                labels: &spec,
                inputs: String::new(),
                affected: vec!["train".into()],
                corruption_seed: 1,
                epoch: 4,
                classes,
            };
            LabelReport::new(head, &table, rows.iter().map(|&row| (row, 0.5)))
        };
        let few = report(3);
        assert_eq!((few.samples, few.redrawn, few.changed), (4, 3, 2));
        assert_eq!((few.nominal_rate, few.expected_changed, few.realised_changed), (0.75, 0.5, 0.5));
        assert_eq!(few.matrix, [[0, 0, 1], [1, 1, 0], [0, 0, 1]]);
        let many = report(1 << 20);
        assert!(many.matrix.is_empty() && many.digest == few.digest);
    }
}
