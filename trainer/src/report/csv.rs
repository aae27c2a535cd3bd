//! The tables as CSV (RFC 4180, `\n`), for programs: numbers in the shortest form that reads back the same, `NaN` for
//! what is not a number, nothing for what is not there.

use super::run::{Fit, Run};
use crate::metrics::Score;

const SCORE: [&str; 7] =
    ["samples", "loss", "accuracy", "clean_loss", "clean_accuracy", "corrupted_loss", "corrupted_accuracy"];

/// A row per run and epoch, with everything of `metrics.jsonl`.
pub(super) fn results(runs: &[Run]) -> String {
    let mut head: Vec<String> = ["variant", "run", "epoch", "step", "lr"].map(str::to_owned).into();
    for score in ["running", "train", "test", "test_given"] {
        head.extend(SCORE.iter().map(|column| format!("{score}_{column}")));
    }
    head.extend(["seconds", "evaluation_seconds", "loader_wait_seconds"].map(str::to_owned));
    let mut out = line(&head);
    for run in runs {
        for m in &run.metrics {
            let mut cells = vec![run.label.clone(), run.folder.clone()];
            cells.extend([m.epoch.to_string(), m.step.to_string(), m.lr.to_string()]);
            for score in [Some(&m.running), Some(&m.train), Some(&m.test), m.test_given.as_ref()] {
                cells.extend(score_cells(score));
            }
            cells.extend([m.seconds, m.evaluation_seconds, m.loader_wait_seconds].map(|s| s.to_string()));
            out.push_str(&line(&cells));
        }
    }
    out
}

fn score_cells(score: Option<&Score>) -> [String; 7] {
    let Some(s) = score else { return Default::default() };
    let number = |x: Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
    [
        s.samples.to_string(),
        s.loss.to_string(),
        s.accuracy.to_string(),
        number(s.clean_loss),
        number(s.clean_accuracy),
        number(s.corrupted_loss),
        number(s.corrupted_accuracy),
    ]
}

/// A row per run.
pub(super) fn summary(runs: &[Run]) -> String {
    let mut out = String::new();
    for run in runs {
        let columns = columns(run);
        if out.is_empty() {
            out = line(&columns.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>());
        }
        out.push_str(&line(&columns.into_iter().map(|(_, cell)| cell).collect::<Vec<_>>()));
    }
    out
}

fn columns(run: &Run) -> Vec<(&'static str, String)> {
    let (manifest, config) = (&run.manifest, &run.manifest.config);
    let [train_samples, test_samples] = manifest.samples;
    let last = run.last();
    let number = |x: Option<f64>| x.map(|x| x.to_string()).unwrap_or_default();
    let given = last.and_then(|m| m.test_given.as_ref());
    let fitted = match run.fit() {
        Fit::After(epoch) => epoch.to_string(),
        _ => String::new(),
    };
    vec![
        ("variant", run.label.clone()),
        ("run", run.folder.clone()),
        ("corruption", config.corruption.to_string()),
        ("seed", config.seed.to_string()),
        ("corruption_seed", manifest.corruption_seed.to_string()),
        ("data", manifest.data.kind.clone()),
        ("generated", manifest.data.generated.to_string()),
        ("n", train_samples.to_string()),
        ("n_test", test_samples.to_string()),
        ("subset", config.subset.to_string()),
        ("test_subset", config.test_subset.to_string()),
        ("classes", manifest.data.classes.to_string()),
        ("model", config.model.to_string()),
        ("parameters", manifest.parameters.to_string()),
        ("lr", config.lr.to_string()),
        ("lr_decay", config.lr_decay.to_string()),
        ("epochs", run.epochs().to_string()),
        ("finished", run.finished().to_string()),
        ("status", run.fit().name().to_owned()),
        ("fit_loss", run.threshold().to_string()),
        ("fitted_epoch", fitted),
        ("train_loss", number(last.map(|m| m.train.loss))),
        ("train_accuracy", number(last.map(|m| m.train.accuracy))),
        ("test_loss", number(last.map(|m| m.test.loss))),
        ("test_accuracy", number(last.map(|m| m.test.accuracy))),
        ("test_given_loss", number(given.map(|s| s.loss))),
        ("test_given_accuracy", number(given.map(|s| s.accuracy))),
        ("best_test_accuracy", number(run.best().map(|best| best.test_accuracy))),
        ("best_epoch", run.best().map(|best| best.epoch.to_string()).unwrap_or_default()),
        ("stopped_early", run.stopped_early().to_string()),
        ("gap", number(run.gap())),
        ("nominal_rate", manifest.labels.nominal_rate.to_string()),
        ("expected_changed", manifest.labels.expected_changed.to_string()),
        ("realised_changed", manifest.labels.realised_changed.to_string()),
        ("seconds_per_epoch", number(run.seconds_per_epoch())),
        ("content_id", manifest.data.content.to_string()),
        ("pack_id", manifest.data.pack.to_string()),
        ("spec_digest", manifest.spec.to_string()),
        ("label_digest", manifest.labels.digest.to_string()),
        ("rfx", manifest.rfx.clone()),
        ("libtorch", manifest.libtorch.clone()),
    ]
}

fn line(cells: &[String]) -> String {
    let quoted = |cell: &String| match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    let mut line = cells.iter().map(quoted).collect::<Vec<_>>().join(",");
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_commas_quotes_and_lines_are_quoted() {
        let cells = ["a", "b,c", "d\"e", "f\ng", ""].map(str::to_owned);
        assert_eq!(line(&cells), "a,\"b,c\",\"d\"\"e\",\"f\ng\",\n");
    }
}
