//! What the numbers show, in sentences. Nothing is said that a number of these runs does not say.

use super::{
    forgetting::Part,
    run::{Fit, Run, reference, relative},
    text,
};
use crate::model::ModelName;

/// Runs that get a sentence each; a report of a whole sweep has a table for the others.
const SENTENCES: usize = 4;

/// The paragraph on top of the report.
pub(super) fn finding(runs: &[Run]) -> Vec<String> {
    let random = runs.iter().filter(|run| run.is_random_labels());
    let plain = runs.iter().filter(|run| run.is_true_labels());
    let mut told: Vec<&Run> = random.chain(plain).collect();
    if told.is_empty() {
        told = runs.iter().collect();
    }
    let mut sentences: Vec<String> = told.iter().take(SENTENCES).map(|run| one(run)).collect();
    sentences.extend(ratios(runs));
    if runs.len() > told.len().min(SENTENCES) {
        let fitted = runs.iter().filter(|run| matches!(run.fit(), Fit::After(_))).count();
        sentences.push(match fitted == runs.len() {
            true => format!("All {fitted} runs fitted their training set."),
            false => format!("Of all {} runs, {fitted} fitted their training set.", runs.len()),
        });
    }
    sentences
}

fn one(run: &Run) -> String {
    let label = &run.label;
    let Some(last) = run.last() else { return format!("With {label}, no epoch was finished.") };
    let state = match run.fit() {
        Fit::After(epoch) if epoch == last.epoch => {
            format!("train loss fell below {} after {}", run.threshold(), text::epochs(epoch))
        }
        Fit::After(epoch) => format!(
            "train loss fell below {} after {}; at the end, after {}",
            run.threshold(),
            text::epochs(epoch),
            last.epoch
        ),
        Fit::Diverged(epoch) => {
            return format!("With {label}, training diverged: the loss of epoch {epoch} is not a number.");
        }
        Fit::NotIn(epoch) => {
            format!(
                "train loss did not fall below {} in {} (it is {})",
                run.threshold(),
                text::epochs(epoch),
                text::loss(last.train.loss)
            )
        }
        Fit::NoEpochs => return format!("With {label}, no epoch was finished."),
    };
    format!(
        "With {label}, {state}: the network then gave {} % of its {} training samples the label it was shown, and \
         {} % of the test samples their true one (guessing: {}).",
        text::percent(last.train.accuracy),
        text::thousands(last.train.samples),
        text::percent(last.test.accuracy),
        text::short_percent(run.chance())
    )
}

/// How long random labels took beside true ones, where both fitted and nothing else differs.
fn ratios(runs: &[Run]) -> Vec<String> {
    let sentence = |run: &Run| {
        let ratio = relative(runs, run)?;
        Some(format!(
            "{} took {ratio:.2} times as many epochs to fit as true labels.",
            text::capital(&run.label)
        ))
    };
    runs.iter().filter(|run| run.is_random_labels()).filter_map(sentence).take(SENTENCES).collect()
}

/// How often the samples of a run were forgotten, clean ones against corrupted ones: a sentence per run that recorded it.
pub(super) fn forgetting(runs: &[Run]) -> Vec<String> {
    let part = |part: &Part, whose: &str| {
        let (forgotten, never) = (part.share(part.forgotten())?, part.share(part.never_learnt)?);
        Some(format!(
            "{} % of {whose} were forgotten at least once ({:.2} times on average over all of them) and {} % never learnt",
            text::percent(forgotten),
            part.mean_events()?,
            text::percent(never)
        ))
    };
    let sentence = |run: &Run| {
        let recorded = run.forgetting.as_ref()?;
        let corrupted = part(&recorded.corrupted, "the corrupted samples");
        let clean = part(&recorded.clean, "the clean ones").filter(|_| corrupted.is_some());
        let parts = match corrupted {
            Some(corrupted) => corrupted + &clean.map(|clean| format!(", {clean}")).unwrap_or_default(),
            None => part(&recorded.clean, "the samples")?,
        };
        Some(format!("With {}, {parts}.", run.label))
    };
    runs.iter().filter_map(sentence).take(SENTENCES).collect()
}

/// Whether any network is an MLP.
pub(super) fn has_mlp(runs: &[Run]) -> bool {
    runs.iter().any(is_mlp)
}

/// Whether this network is an MLP.
pub(super) fn is_mlp(run: &Run) -> bool {
    matches!(run.manifest.config.model, ModelName::Mlp1x512 | ModelName::Mlp3x512)
}

/// What these runs show of an MLP on noise images beside real ones: one sentence per run on noise that can be compared.
pub(super) fn noise(runs: &[Run]) -> Vec<String> {
    let sentence = |run: &Run| {
        let (Fit::After(noise), Fit::After(real)) = (run.fit(), reference(runs, run)?.fit()) else {
            return None;
        };
        let order = match noise.cmp(&real) {
            std::cmp::Ordering::Less => "sooner than",
            std::cmp::Ordering::Equal => "at the same epoch as",
            std::cmp::Ordering::Greater => "later than",
        };
        Some(format!(
            "Here {} were fitted after {}, {order} true labels on the images as they are ({real}).",
            run.label,
            text::epochs(noise)
        ))
    };
    runs.iter().filter(|run| run.is_noise_images() && is_mlp(run)).filter_map(sentence).collect()
}
