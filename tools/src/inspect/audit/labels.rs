//! How well the train labels can be fitted at all: identical images with different labels cannot all be right.

use std::collections::HashMap;

use rfx_loader::{CorruptionSpec, Recipe};
use serde::Serialize;

use super::samples::Samples;
use crate::args::labels_only;

/// The highest accuracy on the first split that any function of the image reaches.
#[derive(Debug, Serialize)]
pub struct Ceiling {
    /// Split it is about.
    pub split: String,
    /// Corruption whose labels were judged; `true-labels` for the stored ones.
    pub corruption: String,
    /// Groups of identical images with more than one label.
    pub groups: u64,
    /// Samples that no function can get right, whichever it is: of each group all but its commonest label.
    pub lost: u64,
    /// `1 - lost / samples`.
    pub accuracy: f64,
}

impl Ceiling {
    /// Of the identical `groups` (indices into `samples`), with labels of epoch 0.
    pub fn of(
        samples: &Samples,
        groups: &[Vec<usize>],
        corruption: Option<(&CorruptionSpec, u64)>,
    ) -> anyhow::Result<Ceiling> {
        let recipe = samples.split(0);
        let split = recipe.spec().split.clone();
        let (labels, name): (Vec<i64>, String) = match corruption {
            None => (recipe.labels(0).map(|row| row.old).collect(), CorruptionSpec::clean().to_string()),
            Some((spec, seed)) => {
                let corrupted = Recipe::new(
                    samples.dataset(),
                    &labels_only(&split, spec, &Default::default(), None),
                    seed,
                )?;
                (corrupted.labels(0).map(|row| row.new).collect(), format!("{spec}, seed {seed}"))
            }
        };
        let (mut contradictory, mut lost) = (0, 0);
        for group in groups {
            let mut counts: HashMap<i64, u64> = HashMap::new();
            let members = group.iter().filter_map(|&index| {
                let (split, position) = samples.locate(index);
                (split == 0).then(|| labels[position])
            });
            members.for_each(|label| *counts.entry(label).or_default() += 1);
            if counts.len() > 1 {
                contradictory += 1;
                lost += counts.values().sum::<u64>() - counts.values().max().copied().unwrap_or(0);
            }
        }
        let accuracy = 1.0 - lost as f64 / labels.len() as f64;
        Ok(Ceiling { split, corruption: name, groups: contradictory, lost, accuracy })
    }
}
