//! Early stopping: when a run ends, whose weights it keeps, and that an interrupt changes neither.

mod support;

use std::{fs, path::Path};

use rfx_trainer::{
    checkpoint::{Checkpoint, RunState},
    config::{ConfigError, Options, RunConfig},
    error::TrainError,
    folder::{Outcome, RunFolder},
    metrics::EpochMetrics,
    signal::Interrupt,
    stopping::Monitor,
    train::{End, Observer, Run},
};

/// Raises the interrupt after a given step, or after a given epoch.
struct StopAfter<'a>(&'a Interrupt, (u32, Option<u64>));

impl Observer for StopAfter<'_> {
    fn stepped(&mut self, epoch: u32, step: u64, _steps: u64) {
        if (epoch, Some(step)) == self.1 {
            self.0.raise();
        }
    }
    fn finished_epoch(&mut self, metrics: &EpochMetrics) {
        if (metrics.epoch, None) == self.1 {
            self.0.raise();
        }
    }
}

/// Noise that is only memorised: test accuracy wavers about chance, and the best of it comes early.
fn config(data: &Path, patience: u32) -> RunConfig {
    let options = Options { epochs: Some(40), patience: Some(patience), ..support::options(data) };
    Options { checkpoint_every: Some(100), dropout: Some(0.3), ..options }.resolve().unwrap()
}

fn finish(mut run: Run) -> Outcome {
    match run.train(&Interrupt::default(), &mut ()).unwrap() {
        End::Finished(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

/// A checkpoint without what a clock wrote: its state, and its tensors' bytes.
fn timeless(path: &Path) -> (RunState, Vec<u8>) {
    let mut state = Checkpoint::read(path).unwrap().state;
    (state.epoch_seconds, state.epoch_wait_seconds) = (0.0, 0.0);
    let bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (state, bytes[8 + header..].to_vec())
}

fn both(out: &Path) -> [(RunState, Vec<u8>); 2] {
    let folder = RunFolder::at(out);
    [timeless(&folder.checkpoint()), timeless(&folder.best())]
}

#[test]
fn a_run_ends_when_patience_is_over_and_keeps_the_best_weights() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let outcome = finish(Run::begin(config(&data, 3), &out).unwrap());
    let metrics = support::timeless_metrics(&out);
    let (best, kept) = (outcome.best.unwrap(), outcome.kept.unwrap());
    assert!(outcome.stopped_early && outcome.epochs < 40, "{outcome:?}");
    assert_eq!((outcome.epochs, metrics.len()), (kept.epoch + 3, kept.epoch as usize + 3));
    // The first of the highest, by every definition.
    let highest = metrics.iter().map(|m| m.test.accuracy).fold(0.0, f64::max);
    let first = metrics.iter().find(|m| m.test.accuracy == highest).unwrap().epoch;
    assert_eq!((kept.epoch, kept.value, best.epoch, best.test_accuracy), (first, highest, first, highest));
    assert_eq!(RunFolder::at(&out).read_manifest().unwrap().outcome, Some(outcome));
    let [(last, _), (kept_state, _)] = both(&out);
    assert_eq!((kept_state.epoch, last.epoch), (first, first + 3));
    assert_eq!(last.kept, Some(kept));
    // `eval` finds in the kept weights what was measured, and other numbers in the last.
    let text = support::succeeds(&support::rfx_train(["eval", support::text(&out), "--best", "--json"]));
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (found["epoch"].as_u64(), found["test"]["accuracy"].as_f64()),
        (Some(first.into()), Some(highest))
    );
    assert_eq!(found["train"]["loss"].as_f64(), Some(metrics[first as usize - 1].train.loss));
    let text = support::succeeds(&support::rfx_train(["eval", support::text(&out), "--json"]));
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["train"]["loss"].as_f64(), Some(metrics.last().unwrap().train.loss));
}

#[test]
fn interrupted_anywhere_a_run_stops_at_the_same_epoch_with_the_same_bits() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, whole) = (tmp.path().join("data"), tmp.path().join("whole"));
    support::small(&data);
    let config = config(&data, 3);
    let outcome = finish(Run::begin(config.clone(), &whole).unwrap());
    let kept = outcome.kept.unwrap().epoch;
    // Before the kept epoch's evaluation, after it, in the middle of the waiting, and before the last evaluation.
    let last = config_steps(&whole) - 1;
    for stops in [
        vec![(kept - 1, Some(last))],
        vec![(kept, None)],
        vec![(kept - 1, Some(0)), (kept, Some(1)), (kept + 1, None)],
        vec![(kept + 2, Some(last))],
    ] {
        let out = tmp.path().join(format!("{stops:?}"));
        let mut run = Run::begin(config.clone(), &out).unwrap();
        for &stop in &stops {
            let interrupt = Interrupt::default();
            let end = run.train(&interrupt, &mut StopAfter(&interrupt, stop)).unwrap();
            assert!(matches!(end, End::Interrupted(_)), "{stop:?}: {end:?}");
            drop(run);
            run = Run::resume(config.clone(), &out, &mut ()).unwrap();
        }
        assert_eq!(finish(run), outcome, "{stops:?}");
        assert!(both(&out) == both(&whole), "{stops:?}: a checkpoint differs");
        assert_eq!(support::timeless_metrics(&out), support::timeless_metrics(&whole), "{stops:?}");
    }
}

fn config_steps(out: &Path) -> u64 {
    RunFolder::at(out).read_manifest().unwrap().steps_per_epoch
}

/// Killed after the checkpoint of a best epoch and before its copy.
#[test]
fn a_best_checkpoint_that_was_not_written_is_written_by_the_resumed_run() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let config = config(&data, 3);
    let interrupt = Interrupt::default();
    // The first epoch is the best so far, whatever it is.
    let mut run = Run::begin(config.clone(), &out).unwrap();
    run.train(&interrupt, &mut StopAfter(&interrupt, (1, None))).unwrap();
    drop(run);
    let best = RunFolder::at(&out).best();
    let expected = timeless(&best);
    fs::remove_file(&best).unwrap();
    Run::resume(config, &out, &mut ()).unwrap();
    assert!(timeless(&best) == expected && expected.0.epoch == 1);
}

#[test]
fn what_counts_as_better_may_not_change_and_patience_may() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let config = config(&data, 2);
    let outcome = finish(Run::begin(config.clone(), &out).unwrap());
    type Change = fn(&mut RunConfig);
    let changes: [(&str, Change); 2] =
        [("monitor", |c| c.monitor = Monitor::TestLoss), ("min-delta", |c| c.min_delta = 0.5)];
    for (name, change) in changes {
        let mut changed = config.clone();
        change(&mut changed);
        let error = Run::resume(changed, &out, &mut ()).map(drop).unwrap_err();
        assert!(
            matches!(&error, TrainError::Config(ConfigError::Changed { key, .. }) if *key == name),
            "{error}"
        );
    }
    // The same patience is over already; a larger one goes on waiting for the same epoch.
    assert_eq!(finish(Run::resume(config.clone(), &out, &mut ()).unwrap()), outcome);
    let longer = RunConfig { patience: Some(4), epochs: outcome.epochs + 1, ..config.clone() };
    let more = finish(Run::resume(longer, &out, &mut ()).unwrap());
    assert_eq!(more.epochs, outcome.epochs + 1);
    assert!(more.kept == outcome.kept || more.kept.unwrap().epoch == more.epochs, "{more:?}");
    // Without patience it goes on to its last epoch, and keeps nothing; with it again, it counts from there.
    let epochs = more.epochs + 2;
    let without = RunConfig { patience: None, epochs, ..config.clone() };
    let end = finish(Run::resume(without, &out, &mut ()).unwrap());
    assert_eq!((end.epochs, end.kept, end.stopped_early), (epochs, None, false));
    let again = RunConfig { patience: Some(1), monitor: Monitor::TestLoss, epochs: epochs + 1, ..config };
    let end = finish(Run::resume(again, &out, &mut ()).unwrap());
    assert_eq!((end.epochs, end.kept.map(|kept| kept.epoch)), (epochs + 1, Some(epochs + 1)));
    assert_eq!(Checkpoint::read(&RunFolder::at(&out).best()).unwrap().state.epoch, epochs + 1);
}

#[test]
fn the_program_says_that_it_stopped_and_what_it_kept() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let (data, out) = (support::text(&data), support::text(&out));
    let args = ["run", "--quiet", "--data", data, "--out", out, "--patience", "1", "--min-delta", "1"];
    // No accuracy is better than another by more than 1.
    let line = support::succeeds(&support::rfx_train(args));
    assert!(
        line.contains("2 epochs") && line.contains("epoch 1 in best.safetensors, stopped early"),
        "{line}"
    );
    let text = support::succeeds(&support::rfx_train(["run", "--quiet", "--resume", "--json", "--out", out]));
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["outcome"]["stopped_early"], true);
    assert_eq!(document["outcome"]["kept"]["epoch"], 1);
    assert_eq!(document["manifest"]["config"]["patience"], 1);
}
