//! What runs share and in what they differ, apart from the corruption.

use super::{run::Run, text};
use crate::config::RunConfig;

/// One setting of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    /// What it is.
    pub key: &'static str,
    /// Its value, as text.
    pub value: String,
    /// Whether runs that differ in it can still be put side by side as if only the corruption differed.
    pub harmless: bool,
}

/// A setting in which runs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// What it is.
    pub key: &'static str,
    /// The values, in order of first appearance, each with the labels of its runs in one string; those of the largest
    /// group are "all others". Ids are cut to their first 12 digits.
    pub values: Vec<(String, String)>,
}

/// The settings of `run`, always the same keys in the same order.
pub(super) fn settings(run: &Run) -> Vec<Setting> {
    let (manifest, config) = (&run.manifest, &run.manifest.config);
    let mut out = Vec::new();
    let mut push = |key, value: String, harmless| out.push(Setting { key, value, harmless });
    let [channels, height, width] = manifest.data.shape;
    let [train, test] = manifest.samples;
    push("data set", manifest.data.kind.clone(), false);
    push("generated", manifest.data.generated.to_string(), false);
    push("content id", manifest.data.content.to_string(), false);
    push("pack id", manifest.data.pack.to_string(), true);
    push("classes", manifest.data.classes.to_string(), false);
    push("stored image", format!("{channels} x {height} x {width}"), false);
    push("model", config.model.title(), false);
    push("parameters", text::thousands(manifest.parameters as u64), false);
    push("training samples", text::thousands(train), false);
    push("subset", config.subset.to_string(), false);
    if let Some(column) = &config.label_column {
        push("labels from column", column.clone(), false);
    }
    push("test samples", text::thousands(test), false);
    push("test subset", config.test_subset.to_string(), false);
    push("batch", config.batch.to_string(), false);
    push("crop", config.crop.map_or("default".into(), |crop| crop.to_string()), false);
    push("flip", config.flip.to_string(), false);
    push("rotation", format!("up to {} degrees", config.rotate), false);
    push("normalisation", config.normalise.name().into(), false);
    push("optimiser", format!("SGD, momentum {}", config.momentum), false);
    push("learning rate", format!("{} x {} per epoch", config.lr, config.lr_decay), false);
    push("weight decay", config.weight_decay.to_string(), false);
    push("dropout", config.dropout.to_string(), false);
    push("train loss that counts as fitted", format!("below {}", run.threshold()), false);
    push("stops when fitted", config.until_loss.is_some().to_string(), false);
    push("epochs at most", config.epochs.to_string(), true);
    push("early stopping", early_stopping(config), true);
    push("seed", config.seed.to_string(), true);
    push("corruption seed", manifest.corruption_seed.to_string(), true);
    push("device", config.device.to_string(), true);
    push("threads", config.threads.to_string(), true);
    push("rfx", manifest.rfx.clone(), true);
    push("libtorch", manifest.libtorch.clone(), true);
    out
}

fn early_stopping(config: &RunConfig) -> String {
    config.early_stopping().map_or("none".into(), |rule| {
        let epochs = text::epochs(rule.patience);
        match rule.min_delta {
            0.0 => format!("after {epochs} without better {}", rule.monitor),
            delta => format!("after {epochs} without {} better by more than {delta}", rule.monitor),
        }
    })
}

/// Whether nothing but the corruption, and what is harmless, tells `a` from `b`.
pub(super) fn comparable(a: &Run, b: &Run) -> bool {
    settings(a).into_iter().zip(settings(b)).all(|(a, b)| a.harmless || a == b)
}

/// The settings that all runs share.
pub(super) fn shared(runs: &[Run]) -> Vec<Setting> {
    let Some((first, rest)) = runs.split_first() else { return Vec::new() };
    let rest: Vec<_> = rest.iter().map(settings).collect();
    settings(first).into_iter().filter(|setting| rest.iter().all(|other| other.contains(setting))).collect()
}

/// The settings in which runs differ.
pub(super) fn differences(runs: &[Run]) -> Vec<Difference> {
    let all: Vec<_> = runs.iter().map(|run| (&run.label, settings(run))).collect();
    let keys = all.first().map_or(Vec::new(), |(_, settings)| settings.iter().map(|s| s.key).collect());
    let difference = |(place, key): (usize, &'static str)| {
        let mut values: Vec<(String, Vec<String>)> = Vec::new();
        for (label, settings) in &all {
            let Some(Setting { value, .. }) = settings.get(place) else { continue };
            match values.iter_mut().find(|(known, _)| known == value) {
                Some((_, labels)) => labels.push((*label).clone()),
                None => values.push((value.clone(), vec![(*label).clone()])),
            }
        }
        (values.len() > 1).then(|| Difference { key, values: told(values) })
    };
    keys.into_iter().enumerate().filter_map(difference).collect()
}

/// Names the runs of each value, as shortly as that can be done.
fn told(values: Vec<(String, Vec<String>)>) -> Vec<(String, String)> {
    let largest = values.iter().map(|(_, labels)| labels.len()).max().unwrap_or(0);
    let others = values.iter().position(|(_, labels)| labels.len() == largest && largest > 1);
    let tell = |(place, (value, labels)): (usize, (String, Vec<String>))| {
        let value = if text::is_digest(&value) { value.chars().take(12).collect() } else { value };
        (value, if Some(place) == others { "all others".into() } else { labels.join("; ") })
    };
    values.into_iter().enumerate().map(tell).collect()
}

/// The setting in one line, as far as all runs share it: for the head of figures and tables.
pub(super) fn headline(runs: &[Run]) -> String {
    let shared = shared(runs);
    let value = |key: &str| shared.iter().find(|s| s.key == key).map(|s| s.value.clone());
    let part = |key: &str, unit: &str| {
        value(key).map_or(format!("various {key}s"), |value| format!("{value}{unit}"))
    };
    // Two sets of one kind may still be different data.
    let data = match value("content id") {
        Some(_) => part("data set", ""),
        None => "various data sets".into(),
    };
    let mut parts = vec![
        data,
        part("model", ""),
        value("training samples").map_or("various sizes".into(), |n| format!("n = {n}")),
    ];
    // Its own title says so, but labels in figures are cut.
    let has_quarter = runs.iter().any(|run| run.manifest.config.model.is_a_quarter());
    if has_quarter && value("model").is_none() {
        parts.push("Inception w4: not the paper's network".into());
    }
    parts.join(", ")
}
