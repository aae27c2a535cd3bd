//! The command that makes a run again.

use crate::report::run::Run;

/// `rfx-train run` in pieces, an option with its value each, with every option that
/// decides the numbers, so that changed defaults do not change them.
pub(crate) fn command(run: &Run) -> Vec<String> {
    let config = &run.manifest.config;
    let mut pieces = vec!["rfx-train run".to_owned()];
    let mut option = |name: &str, value: String| pieces.push(format!("--{name} {}", quote(&value)));
    option("data", config.data.display().to_string());
    option("model", config.model.to_string());
    option("corrupt", config.corruption.to_string());
    option("seed", config.seed.to_string());
    option("epochs", config.epochs.to_string());
    if let Some(loss) = config.until_loss {
        option("until-loss", loss.to_string());
    }
    if let Some(rule) = config.early_stopping() {
        option("patience", rule.patience.to_string());
        option("monitor", rule.monitor.to_string());
        option("min-delta", rule.min_delta.to_string());
    }
    option("subset", config.subset.to_string());
    if let Some(column) = &config.label_column {
        option("label-column", column.clone());
    }
    option("test-subset", config.test_subset.to_string());
    option("batch", config.batch.to_string());
    if let Some(crop) = config.crop {
        option("crop", crop.to_string());
    }
    option("flip", config.flip.to_string());
    option("rotate", config.rotate.to_string());
    option("normalise", config.normalise.name().to_owned());
    option("lr", config.lr.to_string());
    option("lr-decay", config.lr_decay.to_string());
    option("momentum", config.momentum.to_string());
    option("weight-decay", config.weight_decay.to_string());
    option("dropout", config.dropout.to_string());
    if config.per_sample {
        option("per-sample", "true".to_owned());
    }
    option("device", config.device.to_string());
    option("threads", config.threads.to_string());
    option("out", format!("runs/{}", run.folder));
    pieces
}

/// `word` as a shell reads it back.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quote("10000:balanced"), "10000:balanced");
        assert_eq!(quote("random-labels seed=3"), "'random-labels seed=3'");
        assert_eq!(quote("it's; rm"), "'it'\\''s; rm'");
        assert_eq!(quote(""), "''");
    }
}
