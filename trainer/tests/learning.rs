//! The paper's finding on the generated set, with the demo's own settings; and that the convolutional networks fit
//! random labels too.

mod support;

use rfx_trainer::{
    config::Options,
    demo::{SAMPLES, settings},
    folder::Outcome,
    metrics::EpochMetrics,
    model::ModelName,
    signal::Interrupt,
    train::{End, Run},
};

fn demo(corruption: &str, dir: &std::path::Path) -> (Outcome, EpochMetrics) {
    let options = settings(&dir.join("data"), corruption.parse().unwrap());
    let out = dir.join(corruption);
    let mut run = Run::begin(options.resolve().unwrap(), &out).unwrap();
    assert_eq!(run.manifest().samples, [SAMPLES as u64, 2_000]);
    let End::Finished(outcome) = run.train(&Interrupt::default(), &mut ()).unwrap() else { unreachable!() };
    (outcome, support::timeless_metrics(&out).pop().unwrap())
}

#[test]
fn random_labels_are_learnt_by_heart_and_true_ones_carry_over() {
    let tmp = tempfile::tempdir().unwrap();
    support::generated(&tmp.path().join("data"));
    let (true_labels, t) = demo("true-labels", tmp.path());
    let (random_labels, r) = demo("random-labels", tmp.path());
    assert!((0.70..=0.95).contains(&t.test.accuracy), "true labels: {t:?}");
    assert!(r.train.accuracy >= 0.99, "random labels: {r:?}");
    // Chance is 10%; 2,000 Bernoulli draws are off by 2.7 points or more once in 20,000 times.
    assert!((r.test.accuracy - 0.1).abs() < 0.027, "random labels: {r:?}");
    // 90% of random labels differ from the true ones, and those are fitted too.
    assert!(r.train.corrupted_accuracy.unwrap() >= 0.99, "{r:?}");
    let (t, r) = (true_labels.fitted.unwrap(), random_labels.fitted.unwrap());
    assert!(r > t, "random labels fit after {r} epochs, true labels after {t}");
}

/// Two hundred images of noise with random labels, by heart: what a network cannot do whose layers are wired wrongly. The
/// images are cut to 16 x 16 for speed.
#[test]
fn convolutional_networks_learn_random_labels_by_heart() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::small(&data);
    for (model, lr) in [(ModelName::AlexNet, 0.01), (ModelName::InceptionW4, 0.1)] {
        let out = tmp.path().join(model.to_string());
        let options = Options {
            model: Some(model),
            corruption: Some("random-labels".parse().unwrap()),
            crop: Some("center:16".parse().unwrap()),
            lr: Some(lr),
            lr_decay: Some(1.0),
            epochs: Some(100),
            until_loss: Some(0.05),
            ..support::options(&data)
        };
        let mut run = Run::begin(options.resolve().unwrap(), &out).unwrap();
        let End::Finished(outcome) = run.train(&Interrupt::default(), &mut ()).unwrap() else {
            unreachable!()
        };
        let last = support::timeless_metrics(&out).pop().unwrap();
        assert!(outcome.fitted.is_some() && last.train.accuracy >= 0.99, "{model}: {last:?}");
        println!("{model}: fitted after {} epochs", last.epoch);
    }
}
