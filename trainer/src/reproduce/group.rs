//! Runs of one experiment, those that differ in the seed alone together.

use super::plan::{Kind, Part, Plan};
use crate::{
    config::RunConfig,
    error::Result,
    report::{Fit, Run, load},
};

/// Runs that differ in nothing but the seed.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// What they share; its seed is the first run's.
    pub config: RunConfig,
    /// Those that have a finished epoch.
    pub runs: Vec<Run>,
    /// How many were planned.
    pub planned: usize,
}

/// A mean over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Mean {
    /// The mean.
    pub mean: f64,
    /// The deviation with n - 1; none of one seed.
    pub sd: Option<f64>,
    /// Seeds.
    pub n: usize,
}

impl Mean {
    /// Of these values; none without any.
    pub fn of(values: &[f64]) -> Option<Mean> {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        (n > 0).then_some(Mean { mean, sd, n })
    }
}

impl Group {
    /// Of each run's last epoch.
    pub fn last(&self, value: impl Fn(&crate::metrics::EpochMetrics) -> Option<f64>) -> Option<Mean> {
        let values: Option<Vec<f64>> = self.runs.iter().map(|run| run.last().and_then(&value)).collect();
        values.and_then(|values| Mean::of(&values))
    }

    /// Train accuracy, 0..=1.
    pub fn train(&self) -> Option<Mean> {
        self.last(|m| Some(m.train.accuracy))
    }

    /// Accuracy on test samples against clean labels, 0..=1.
    pub fn test(&self) -> Option<Mean> {
        self.last(|m| Some(m.test.accuracy))
    }

    /// The same against the corrupted ones; where they are not corrupted, against the clean ones.
    pub fn test_given(&self) -> Option<Mean> {
        self.last(|m| Some(m.test_given.as_ref().unwrap_or(&m.test).accuracy))
    }

    /// Epochs to fit, if every run fitted.
    pub fn fit(&self) -> Option<Mean> {
        let epochs: Option<Vec<f64>> = self
            .runs
            .iter()
            .map(|run| match run.fit() {
                Fit::After(epochs) => Some(f64::from(epochs)),
                _ => None,
            })
            .collect();
        epochs.and_then(|epochs| Mean::of(&epochs))
    }

    /// Epochs to fit in words: a run that did not fit says so.
    pub fn fit_cell(&self) -> String {
        match self.fit() {
            Some(Mean { mean, sd: Some(sd), .. }) => format!("{mean:.1} ± {sd:.1}"),
            Some(Mean { mean, .. }) => format!("{mean}"),
            None => {
                let open: Vec<String> = self
                    .runs
                    .iter()
                    .filter(|run| !matches!(run.fit(), Fit::After(_)))
                    .map(|run| run.fit().cell(run.finished()))
                    .collect();
                match open.first() {
                    Some(first) if open.len() == self.runs.len() => first.clone(),
                    Some(first) => format!("{} of {} did not fit ({first})", open.len(), self.runs.len()),
                    None => "–".into(),
                }
            }
        }
    }

    /// Whether all planned runs ran to their end.
    pub fn is_complete(&self) -> bool {
        self.runs.len() == self.planned && self.runs.iter().all(Run::finished)
    }
}

/// The groups of a part, in the order of its grid.
///
/// # Errors
/// Those of reading the folders.
pub(super) fn groups(plan: &Plan, part: &Part) -> Result<Vec<Group>> {
    let mut groups: Vec<Group> = Vec::new();
    for task in part.tasks.iter().filter_map(|place| plan.tasks.get(*place)) {
        let Kind::Train(config) = &task.kind else { continue };
        let key = RunConfig { seed: 0, ..(**config).clone() };
        let place = match groups.iter().position(|group| RunConfig { seed: 0, ..group.config.clone() } == key)
        {
            Some(place) => place,
            None => {
                groups.push(Group { config: (**config).clone(), runs: Vec::new(), planned: 0 });
                groups.len() - 1
            }
        };
        let Some(group) = groups.get_mut(place) else { continue };
        group.planned += 1;
        if task.is_begun() {
            let runs = load(std::slice::from_ref(&task.folder))?;
            group.runs.extend(runs.into_iter().filter(|run| run.last().is_some()));
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_deviations() {
        assert_eq!(Mean::of(&[]), None);
        assert_eq!(Mean::of(&[2.0]), Some(Mean { mean: 2.0, sd: None, n: 1 }));
        assert_eq!(Mean::of(&[1.0, 2.0, 3.0]), Some(Mean { mean: 2.0, sd: Some(1.0), n: 3 }));
    }
}
