//! What a reader of corrupted labels should know, in sentences: the traps of each kind (`CORRUPTION.md` lists them).

use super::{super::options::shortened, Kind, LabelSpec, LabelTable, Samples};
use crate::rng::Threshold;

/// Most classes that a sentence names.
const NAMED: usize = 5;

pub(super) fn notes(spec: &LabelSpec, table: &LabelTable, samples: &Samples<'_>) -> Vec<String> {
    let k = samples.classes.len();
    let name = |y: usize| samples.classes.get(y).map_or("?".into(), |class| shortened(&class.name));
    let mut notes = Vec::new();
    let mut note = |text: String| notes.push(text);
    match &table.kind {
        Kind::Clean => {}
        Kind::Uniform(uniform) if uniform.rate == Threshold::NEVER => {}
        Kind::Uniform(uniform) if uniform.exclude_true => {
            // A true label is less likely than each other one.
            if uniform.rate.probability() * k as f64 > (k - 1) as f64 {
                note(format!(
                    "the true class is the least likely label (above p = {}/{k}): accuracy on true labels can fall \
                     below chance",
                    k - 1
                ));
            }
        }
        Kind::Uniform(uniform) => {
            note("the true class may be drawn too: the changed fraction is p (K - 1) / K, not p".into());
            if uniform.rate == Threshold::ALWAYS {
                note(
                    "at p = 1 labels say nothing about images: chance is the best that can be learned".into(),
                );
            }
        }
        Kind::Conditional(rows) => {
            let touched = rows.touched().count();
            if touched < k {
                let classes = few(rows.touched().map(name), touched);
                note(format!(
                    "only {touched} of {k} classes are touched ({classes}): the changed fraction of all labels is \
                     smaller than the rate"
                ));
            }
            let lost = rows.majorities_lost();
            if !lost.is_empty() {
                let pairs =
                    lost.iter().map(|&(y, target)| format!("{} as {}", name(y), name(target as usize)));
                note(format!(
                    "the wrong class is the majority, or as likely as the true one, for {} of {k} classes ({}): who \
                     learns these labels learns it",
                    lost.len(),
                    few(pairs, lost.len())
                ));
            }
        }
        Kind::File(_) => {}
        Kind::Instance(instance) => {
            note(format!(
                "flip rates are N({:.4}, 0.1) cut to 0..=1, with mean {:.6} over this split; the classes depend on \
                 pixels divided by 255, whatever the run's own scaling",
                instance.rate(),
                instance.mean_change()
            ));
        }
        Kind::Zhang2017(_) => {
            note(
                "drawn by NumPy's MT19937 under seed 12345, as published; the run's seed and `seed=` have no part in \
                 it, and the labels depend on the order of ids"
                    .into(),
            );
            note("the true class may be drawn too: the changed fraction is p (K - 1) / K, not p".into());
            note(
                "the authors' code corrupts its validation labels too; here that is test-labels=same".into(),
            );
        }
    }
    if matches!(spec, LabelSpec::Asymmetric { .. }) && samples.classes.iter().all(|c| c.superclass.is_some())
    {
        note("flips go to the next class of the same superclass, in the order of classes".into());
    }
    if let Some(poison) = &table.poison {
        note(format!(
            "samples with rule 3 have the trigger in their image and the label {} ({}), whatever the noise says; \
             accuracy on clean images and success of the attack are two numbers: measure them apart",
            poison.target,
            name(poison.target as usize)
        ));
    }
    notes
}

/// The first few of `count` words.
fn few(words: impl Iterator<Item = String>, count: usize) -> String {
    let mut words: Vec<String> = words.take(NAMED).collect();
    if count > NAMED {
        words.push("...".into());
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::{super::no_images, *};
    use crate::{corrupt::CorruptionSpec, dataset::Class};

    fn said(text: &str) -> String {
        let names =
            ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
        let classes = names.map(Class::named);
        let (ids, labels): (Vec<i64>, Vec<i64>) = (0..100).map(|i| (i, i % 10)).unzip();
        let samples = Samples { ids: &ids, labels: &labels, classes: &classes, images: no_images() };
        let spec: CorruptionSpec = text.parse().unwrap();
        let poison = super::super::Poison::of(&spec.inputs, 1, true);
        LabelTable::resolve(&spec.labels, 1, &samples, poison).unwrap().notes().join("\n")
    }

    #[test]
    fn every_trap_of_a_kind_is_named_and_nothing_else() {
        for (text, parts) in [
            ("true-labels", &[][..]),
            ("labels=uniform:p=0", &[]),
            ("labels=uniform:p=0.5", &["p (K - 1) / K, not p"]),
            ("random-labels", &["p (K - 1) / K, not p", "chance is the best"]),
            ("labels=uniform:p=0.9,exclude-true", &[]),
            ("labels=uniform:p=0.91,exclude-true", &["below chance"]),
            ("labels=pair-flip:p=0.45", &[]),
            ("labels=pair-flip:p=0.5", &["majority", "10 of 10 classes", "airplane as automobile"]),
            ("labels=asymmetric:p=0.4", &["only 5 of 10 classes are touched (bird, cat, deer, dog, truck)"]),
            ("labels=asymmetric:p=0.6", &["only 5 of 10", "majority", "5 of 10 classes (bird as airplane"]),
            ("labels=zhang2017:p=0.5", &["seed 12345", "not p", "test-labels=same"]),
            ("inputs=trigger:target=2,amount=0.1", &["the label 2 (bird)", "two numbers"]),
        ] {
            let said = said(text);
            assert_eq!(said.is_empty(), parts.is_empty(), "{text}: {said}");
            assert!(parts.iter().all(|part| said.contains(part)), "{text}: {said}");
        }
    }
}
