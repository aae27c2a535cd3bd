//! A run as the report sees it: what its folder holds, and whether it fitted.

use std::path::PathBuf;

use rfx_loader::corrupt::LabelSpec;

use super::{
    forgetting::{self, Forgetting},
    label, settings,
};
use crate::{
    checkpoint::Best,
    error::{Result, TrainError},
    folder::{RunFolder, RunManifest},
    metrics::EpochMetrics,
};

/// The train loss below which a run counts as fitted where it was not told one: the rule that the paper's "time to
/// overfit" in Fig. 1b follows for the Inception network (it is read off the figure, the text gives none).
const FIT_LOSS: f64 = 0.05;

/// A run's folder, read.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What it is called: its corruption, and what tells it from others of the same.
    pub label: String,
    /// The last part of its folder's path.
    pub folder: String,
    /// What was run.
    pub manifest: RunManifest,
    /// What was measured, by epoch.
    pub metrics: Vec<EpochMetrics>,
    /// How often samples were forgotten, if the run recorded it and has ended.
    pub forgetting: Option<Forgetting>,
}

/// Whether the train loss came below the threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// After this many epochs.
    After(u32),
    /// Not in as many as there are.
    NotIn(u32),
    /// Never, and from this epoch on the loss was not a number.
    Diverged(u32),
    /// There is no finished epoch.
    NoEpochs,
}

impl Run {
    /// The line of the last finished epoch.
    pub fn last(&self) -> Option<&EpochMetrics> {
        self.metrics.last()
    }

    /// Finished epochs.
    pub fn epochs(&self) -> u32 {
        self.last().map_or(0, |m| m.epoch)
    }

    /// The train loss that counts as fitted.
    pub fn threshold(&self) -> f64 {
        self.manifest.config.until_loss.unwrap_or(FIT_LOSS)
    }

    /// Whether and when it fitted.
    pub fn fit(&self) -> Fit {
        let fitted = self.metrics.iter().find(|m| m.train.loss < self.threshold());
        let broken = self.metrics.iter().find(|m| !m.train.loss.is_finite());
        match (fitted, broken, self.last()) {
            (Some(m), _, _) => Fit::After(m.epoch),
            (None, Some(m), _) => Fit::Diverged(m.epoch),
            (None, None, Some(m)) => Fit::NotIn(m.epoch),
            (None, None, None) => Fit::NoEpochs,
        }
    }

    /// Whether it ran to its end: a run that was interrupted, or goes on, has no outcome for its last epoch.
    pub fn finished(&self) -> bool {
        self.manifest.outcome.as_ref().is_some_and(|outcome| outcome.epochs == self.epochs())
    }

    /// The best test accuracy of any epoch, and the first epoch that had it.
    pub fn best(&self) -> Option<Best> {
        let best = |best: Option<Best>, m: &EpochMetrics| match best {
            Some(best) if m.test.accuracy <= best.test_accuracy => Some(best),
            _ => Some(Best { epoch: m.epoch, test_accuracy: m.test.accuracy }),
        };
        self.metrics.iter().fold(None, best)
    }

    /// Whether it ended because a better epoch had been waited for in vain.
    pub fn stopped_early(&self) -> bool {
        self.finished() && self.manifest.outcome.as_ref().is_some_and(|outcome| outcome.stopped_early)
    }

    /// Train less test accuracy at the last epoch.
    pub fn gap(&self) -> Option<f64> {
        self.last().map(|m| m.train.accuracy - m.test.accuracy)
    }

    /// Mean over its epochs, evaluation included.
    pub fn seconds_per_epoch(&self) -> Option<f64> {
        let sum: f64 = self.metrics.iter().map(|m| m.seconds).sum();
        self.last().map(|_| sum / self.metrics.len() as f64)
    }

    /// Accuracy of guessing.
    pub fn chance(&self) -> f64 {
        1.0 / self.manifest.data.classes.max(1) as f64
    }

    /// Whether nothing is corrupted.
    pub fn is_true_labels(&self) -> bool {
        self.manifest.applied.train_labels == "clean" && self.manifest.applied.train_inputs == "clean"
    }

    /// Whether labels, and only labels, are corrupted: then "corrupted samples" are those with a changed label.
    pub fn has_noisy_labels_only(&self) -> bool {
        self.manifest.applied.train_labels != "clean" && self.manifest.applied.train_inputs == "clean"
    }

    /// Whether it is the paper's "random labels": each redrawn once among all classes, the images as they are.
    pub fn is_random_labels(&self) -> bool {
        let paper = LabelSpec::Uniform { p: 1.0, exclude_true: false, exact: false, resample: 0.0 };
        self.manifest.config.corruption.labels == paper && self.has_noisy_labels_only()
    }

    /// Whether every training image is noise: its pixels in an order of its own, or drawn from a Gaussian.
    pub fn is_noise_images(&self) -> bool {
        let applied = &self.manifest.applied;
        let noise =
            ["random-pixels", "random-pixels:positions", "gaussian"].contains(&applied.train_inputs.as_str());
        noise && applied.train_labels == "clean"
    }
}

impl Fit {
    /// For a table: `22`, `not in 60`.
    pub fn cell(self, finished: bool) -> String {
        match self {
            Fit::After(epoch) => epoch.to_string(),
            Fit::NotIn(epoch) if finished => format!("not in {epoch}"),
            Fit::NotIn(epoch) => format!("not in {epoch} so far"),
            Fit::Diverged(epoch) => format!("diverged in {epoch}"),
            Fit::NoEpochs => "no epoch yet".into(),
        }
    }

    /// For programs.
    pub fn name(self) -> &'static str {
        match self {
            Fit::After(_) => "fitted",
            Fit::NotIn(_) => "not-fitted",
            Fit::Diverged(_) => "diverged",
            Fit::NoEpochs => "no-epochs",
        }
    }
}

/// Reads the folders, in their order.
///
/// # Errors
/// [`TrainError::Report`] without any; those of [`RunFolder::read_manifest`] and [`RunFolder::read_metrics`];
/// [`TrainError::RunFile`] if `metrics.jsonl` is shorter than `run.json` says.
pub(crate) fn load(folders: &[PathBuf]) -> Result<Vec<Run>> {
    if folders.is_empty() {
        return Err(TrainError::Report(
            "no run given: give the folders that `rfx-train run --out` wrote".into(),
        ));
    }
    let mut runs = folders.iter().map(|path| read(path)).collect::<Result<Vec<Run>>>()?;
    for (run, label) in label::labels(&runs).into_iter().enumerate() {
        if let Some(run) = runs.get_mut(run) {
            run.label = label;
        }
    }
    Ok(runs)
}

fn read(path: &std::path::Path) -> Result<Run> {
    let folder = RunFolder::at(path);
    let manifest = folder.read_manifest()?;
    let metrics = folder.read_metrics()?;
    if let Some(outcome) = &manifest.outcome
        && metrics.len() < outcome.epochs as usize
    {
        return Err(TrainError::RunFile {
            path: folder.metrics(),
            what: "metrics",
            reason: format!(
                "{} lines, and the run finished {} epochs: it was cut",
                metrics.len(),
                outcome.epochs
            ),
        });
    }
    // `.` and `runs/..` have no last part of their own.
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "run".into());
    let recorded = manifest.outcome.as_ref().filter(|_| manifest.config.per_sample);
    let forgetting = match recorded {
        Some(outcome) => forgetting::read(&folder, outcome.epochs)?,
        None => None,
    };
    Ok(Run { label: String::new(), folder: name, manifest, metrics, forgetting })
}

/// The train losses that count as fitted, each once.
pub(crate) fn thresholds(runs: &[Run]) -> Vec<String> {
    let mut thresholds: Vec<f64> = runs.iter().map(Run::threshold).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    thresholds.iter().map(f64::to_string).collect()
}

/// Whether any run was on generated data: then every title says so.
pub(crate) fn any_generated(runs: &[Run]) -> bool {
    runs.iter().any(|run| run.manifest.data.generated)
}

/// The run on true labels that differs from `run` in the corruption only.
pub(crate) fn reference<'a>(runs: &'a [Run], run: &Run) -> Option<&'a Run> {
    runs.iter().find(|other| other.is_true_labels() && settings::comparable(other, run))
}

/// How many times as many epochs as with true labels it took to fit.
pub(crate) fn relative(runs: &[Run], run: &Run) -> Option<f64> {
    match (run.fit(), reference(runs, run)?.fit()) {
        (Fit::After(epochs), Fit::After(reference)) if reference > 0 => {
            Some(f64::from(epochs) / f64::from(reference))
        }
        _ => None,
    }
}
