//! What runs are called.

use rfx_loader::CorruptionSpec;

use super::{run::Run, settings::settings};

/// Longest label that figures show whole.
const FIGURE_WIDTH: usize = 23;

/// A label per run, no two alike: the corruption, then the settings that tell runs of the same corruption apart.
pub(super) fn labels(runs: &[Run]) -> Vec<String> {
    let names: Vec<String> = runs.iter().map(|run| corruption(&run.manifest.config.corruption)).collect();
    let mut labels: Vec<String> = Vec::new();
    for (run, name) in runs.iter().zip(&names) {
        let alike: Vec<&Run> =
            runs.iter().zip(&names).filter(|(_, other)| *other == name).map(|(run, _)| run).collect();
        let mut label = name.clone();
        for facet in facets(run, &alike) {
            label.push_str(", ");
            label.push_str(&facet);
        }
        labels.push(label);
    }
    // The same run given twice has nothing to tell it apart but its place.
    let number = |(i, label): (usize, &String)| match labels.iter().filter(|other| *other == label).count() {
        1 => label.clone(),
        _ => format!("{label}, run {}", i + 1),
    };
    labels.iter().enumerate().map(number).collect()
}

/// The settings of `run` that differ among `alike`; ids and versions are too long to read.
fn facets(run: &Run, alike: &[&Run]) -> Vec<String> {
    let others: Vec<_> = alike.iter().map(|other| settings(other)).collect();
    let differs = |place: usize, value: &str| {
        others.iter().any(|other| other.get(place).is_some_and(|setting| setting.value != value))
    };
    let short = |key: &str, value: &str| match key {
        "content id" => Some(format!("data {}", value.get(..8).unwrap_or(value))),
        "data set" | "model" => Some(value.to_owned()),
        "training samples" => Some(format!("n = {value}")),
        "test samples" => Some(format!("{value} test samples")),
        "learning rate" => Some(format!("lr {}", value.replace(" per epoch", ""))),
        "optimiser" | "crop" | "batch" | "weight decay" | "dropout" | "seed" | "normalisation" => {
            Some(if key == "optimiser" { value.to_owned() } else { format!("{key} {value}") })
        }
        "rotation" => Some(format!("rotation {value}")),
        "flip" => Some(if value == "true" { "flip" } else { "no flip" }.to_owned()),
        // The run's seed is the corruption's, unless that has its own.
        "corruption seed" if !differs_in(run, alike) => Some(format!("corruption seed {value}")),
        _ => None,
    };
    settings(run)
        .iter()
        .enumerate()
        .filter(|(place, setting)| differs(*place, &setting.value))
        .filter_map(|(_, setting)| short(setting.key, &setting.value))
        .collect()
}

/// Whether the runs' own seeds differ.
fn differs_in(run: &Run, alike: &[&Run]) -> bool {
    alike.iter().any(|other| other.manifest.config.seed != run.manifest.config.seed)
}

/// The paper's words for its variants, the text form for others. The seed is a setting, not a variant.
fn corruption(spec: &CorruptionSpec) -> String {
    let text = CorruptionSpec { seed: None, ..spec.clone() }.to_string();
    match text.as_str() {
        "true-labels" => "true labels".into(),
        "random-labels" => "random labels".into(),
        "shuffled-pixels" => "shuffled pixels".into(),
        "random-pixels" => "random pixels".into(),
        "gaussian" => "Gaussian images".into(),
        other => match other.strip_prefix("partially-corrupted:") {
            Some(p) if !p.contains(' ') => format!("partially corrupted {p}"),
            _ => text,
        },
    }
}

/// The label for a figure: whole where it fits, else numbered, so that two labels cut alike stay apart.
pub(super) fn in_figure(run: &Run, place: usize) -> String {
    if run.label.chars().count() <= FIGURE_WIDTH {
        return run.label.clone();
    }
    let number = format!("{}: ", place + 1);
    let room = FIGURE_WIDTH.saturating_sub(number.len() + 1);
    format!("{number}{}…", run.label.chars().take(room).collect::<String>().trim_end_matches([',', ' ', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_papers_words() {
        let name = |spec: &str| corruption(&spec.parse().unwrap());
        assert_eq!(name("gaussian seed=3"), "Gaussian images");
        assert_eq!(name("partially-corrupted:0.5"), "partially corrupted 0.5");
        assert_eq!(
            name("partially-corrupted:0.5 test-labels=same"),
            "partially-corrupted:0.5 test-labels=same"
        );
        assert_eq!(name("random-pixels:positions"), "random-pixels:positions");
    }
}
