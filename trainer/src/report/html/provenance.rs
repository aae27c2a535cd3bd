//! What exactly was run, and how to run it again.

use super::command::command;
use crate::report::{
    run::Run,
    settings::{self, Setting},
    text::{self, escape},
};

/// What all runs share, once, then a part per run.
pub(super) fn section(runs: &[Run]) -> String {
    let shared = settings::shared(runs);
    let mut out = String::new();
    if runs.len() > 1 {
        out.push_str("<h3>The same in all runs</h3>");
        out.push_str(&rows(shared.iter().map(row)));
    }
    for run in runs {
        out.push_str(&format!("<h3>{}</h3>", escape(&text::capital(&run.label))));
        let own = settings::settings(run);
        let own = own.iter().filter(|setting| runs.len() == 1 || !shared.contains(setting)).map(row);
        out.push_str(&rows(own.chain(facts(run))));
        // Pieces that lines are not broken in: an option stays with its value.
        let pieces: Vec<String> =
            command(run).iter().map(|piece| format!("<span>{}</span>", escape(piece))).collect();
        out.push_str(&format!("<pre>{}</pre>", pieces.join(" ")));
    }
    out
}

fn row(setting: &Setting) -> (&'static str, String) {
    (setting.key, setting.value.clone())
}

/// What is measured or derived rather than chosen.
fn facts(run: &Run) -> Vec<(&'static str, String)> {
    let (manifest, labels) = (&run.manifest, &run.manifest.labels);
    let applied = &manifest.applied;
    let rates = [labels.nominal_rate, labels.expected_changed, labels.realised_changed].map(text::percent);
    let [nominal, expected, realised] = rates;
    let mut facts = vec![
        ("corruption", manifest.config.corruption.to_string()),
        ("applied to training", format!("labels {}, images {}", applied.train_labels, applied.train_inputs)),
        ("applied to test", format!("labels {}, images {}", applied.test_labels, applied.test_inputs)),
        (
            "labels changed",
            format!("{realised} % (asked for with probability {nominal} %, {expected} % expected to differ)"),
        ),
        ("spec digest", manifest.spec.to_string()),
        ("label digest", labels.digest.to_string()),
    ];
    let state = if run.finished() { "run ended" } else { "run not ended" };
    facts.push(("epochs", format!("{} finished, {state}", run.epochs())));
    if let Some(best) = run.best() {
        let accuracy = text::percent(best.test_accuracy);
        facts.push(("best test accuracy", format!("{accuracy} %, after epoch {}", best.epoch)));
    }
    if let Some(kept) = manifest.outcome.as_ref().and_then(|outcome| outcome.kept) {
        facts.push(("weights in best.safetensors", format!("of epoch {}", kept.epoch)));
    }
    facts
}

fn rows(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let row = |(key, value): (&str, String)| {
        let class = if text::is_digest(&value) { " class=\"digest\"" } else { "" };
        format!("<div><dt>{key}</dt><dd{class}>{}</dd></div>", escape(&value))
    };
    format!("<dl>{}</dl>", rows.into_iter().map(row).collect::<String>())
}
