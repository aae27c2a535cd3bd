//! A run that is interrupted and goes on ends with the same bits as one that was not.

mod support;

use std::{fs, path::Path};

use rfx_loader::Position;
use rfx_trainer::{
    checkpoint::{Checkpoint, RunState},
    config::{ConfigError, Options, RunConfig},
    error::TrainError,
    feed::{Against, Feed},
    folder::RunFolder,
    model::ModelName,
    signal::Interrupt,
    train::{End, Run},
    weight_decay::WeightDecay,
};
use support::StopAfter;

/// Everything that a resumed run could get wrong at once: dropout, batch statistics, momentum, random crops, flips, turns,
/// labels and images drawn anew each epoch, a short last batch.
fn everything(data: &Path) -> Options {
    Options {
        model: Some(ModelName::Inception),
        corruption: Some(
            "labels=uniform:p=0.5,resample=0.5 inputs=gaussian:amount=0.3,resample=1".parse().unwrap(),
        ),
        crop: Some("random:28".parse().unwrap()),
        flip: Some(true),
        rotate: Some(25),
        subset: Some("100:balanced".parse().unwrap()),
        dropout: Some(0.3),
        weight_decay: Some(WeightDecay::Coefficient(1e-3)),
        lr: Some(0.02),
        loader_threads: Some(2),
        ..support::options(data)
    }
}

fn run(config: RunConfig, out: &Path) -> RunState {
    Run::begin(config, out).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    timeless(out)
}

fn timeless(out: &Path) -> RunState {
    let mut state = Checkpoint::read(&out.join("checkpoint.safetensors")).unwrap().state;
    (state.epoch_seconds, state.epoch_wait_seconds) = (0.0, 0.0);
    state
}

/// The tensors' bytes: all that follows the header.
fn tensors(out: &Path) -> Vec<u8> {
    let bytes = fs::read(out.join("checkpoint.safetensors")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].to_vec()
}

#[test]
fn interrupted_anywhere_a_run_ends_with_the_same_bits() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::small(&data);
    let config = everything(&data).resolve().unwrap();
    let whole = tmp.path().join("whole");
    let expected = run(config.clone(), &whole);
    // After the first step, in the middle, before an epoch's evaluation, before the last step, before the last evaluation.
    for stops in [&[(0, 0)][..], &[(0, 2)], &[(0, 1), (1, 2)], &[(0, 3), (1, 3)]] {
        let out = tmp.path().join(format!("{stops:?}"));
        let mut next = Run::begin(config.clone(), &out).unwrap();
        for &(epoch, step) in stops {
            let interrupt = Interrupt::default();
            let end = next.train(&interrupt, &mut StopAfter(&interrupt, epoch, step)).unwrap();
            let at = if step == 3 {
                Position { epoch: epoch + 1, step: 0 }
            } else {
                Position { epoch, step: step + 1 }
            };
            assert_eq!(end, End::Interrupted(at));
            // An evaluation that was interrupted is not half there, and counts as not begun.
            assert_eq!(support::timeless_metrics(&out).len(), epoch as usize);
            assert_eq!(timeless(&out).epoch, epoch);
            drop(next);
            next = Run::resume(config.clone(), &out, &mut ()).unwrap();
        }
        assert!(matches!(next.train(&Interrupt::default(), &mut ()).unwrap(), End::Finished(_)));
        assert_eq!(timeless(&out), expected, "{stops:?}");
        assert!(tensors(&out) == tensors(&whole), "{stops:?}: weights, statistics or momentum differ");
        assert_eq!(support::timeless_metrics(&out), support::timeless_metrics(&whole), "{stops:?}");
    }
}

/// An epoch's seconds are those before and after the interrupt.
#[test]
fn time_before_an_interrupt_counts() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let config = Options { epochs: Some(1), ..support::options(&data) }.resolve().unwrap();
    let interrupt = Interrupt::default();
    let mut run = Run::begin(config.clone(), &out).unwrap();
    run.train(&interrupt, &mut StopAfter(&interrupt, 0, 5)).unwrap();
    drop(run);
    let state = Checkpoint::read(&out.join("checkpoint.safetensors")).unwrap().state;
    assert!(state.epoch_seconds > 0.0 && state.epoch_wait_seconds > 0.0, "{state:?}");
    Run::resume(config, &out, &mut ()).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    let line = RunFolder::at(&out).read_metrics().unwrap().remove(0);
    assert!(line.seconds > state.epoch_seconds && line.loader_wait_seconds > state.epoch_wait_seconds);
}

/// `eval` of a checkpoint in the middle of an epoch says so, and measures against the labels of that epoch.
#[test]
fn a_checkpoint_inside_an_epoch_is_evaluated_as_that() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::small(&data);
    let corruption = "labels=uniform:p=1,resample=1".parse().unwrap();
    let config = Options { corruption: Some(corruption), ..support::options(&data) }.resolve().unwrap();
    for (stop, words) in [((1, 2), "after step 3 of 7 of epoch 2"), ((0, 6), "after step 7 of 7 of epoch 1")]
    {
        let out = tmp.path().join(stop.1.to_string());
        let interrupt = Interrupt::default();
        let mut run = Run::begin(config.clone(), &out).unwrap();
        run.train(&interrupt, &mut StopAfter(&interrupt, stop.0, stop.1)).unwrap();
        let text = support::succeeds(&support::rfx_train(["eval", support::text(&out)]));
        assert!(text.contains(words), "{text}");
        let feed = Feed::open(&config).unwrap();
        let (train, labels) = (&feed.train_evaluation, Against::Given);
        let score = |epoch| feed.evaluate(run.model(), train, epoch, labels, tch::Device::Cpu).unwrap();
        let line = |epoch| format!("train: 200 samples, loss {:.4},", score(epoch).loss);
        assert!(text.contains(&line(stop.0)) && line(stop.0) != line(stop.0 + 1), "{text}");
    }
}

/// Killed between a checkpoint and the next: the lines written since are written again, not twice.
#[test]
fn lines_written_after_the_checkpoint_are_written_again() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let config =
        Options { epochs: Some(3), checkpoint_every: Some(1), ..support::options(&data) }.resolve().unwrap();
    Run::begin(config.clone(), &out).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    let whole = support::timeless_metrics(&out);
    let early = tmp.path().join("early");
    let interrupt = Interrupt::default();
    Run::begin(config.clone(), &early).unwrap().train(&interrupt, &mut StopAfter(&interrupt, 0, 1)).unwrap();
    fs::copy(early.join("checkpoint.safetensors"), out.join("checkpoint.safetensors")).unwrap();
    // The last line was being written when the process died.
    let torn = fs::read_to_string(out.join("metrics.jsonl")).unwrap();
    fs::write(out.join("metrics.jsonl"), &torn[..torn.len() - 40]).unwrap();
    Run::resume(config, &out, &mut ()).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    assert_eq!(support::timeless_metrics(&out), whole);
}

/// Killed before the first checkpoint: it begins again.
#[test]
fn a_run_without_a_checkpoint_begins_again() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let config = support::options(&data).resolve().unwrap();
    drop(Run::begin(config.clone(), &out).unwrap());
    let other = tmp.path().join("other");
    support::small(&other);
    let moved = RunConfig { data: other, ..config.clone() };
    let error = Run::resume(moved, &out, &mut ()).map(drop).unwrap_err();
    assert!(matches!(error, TrainError::OtherData { .. }), "{error}");
    Run::resume(config.clone(), &out, &mut ()).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    let whole = tmp.path().join("whole");
    assert_eq!(timeless(&out), run(config, &whole));
    assert_eq!(tensors(&out), tensors(&whole));
}

/// Two processes on one folder would overwrite each other's checkpoints.
#[test]
fn a_folder_takes_one_run_at_a_time() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let config = support::options(&data).resolve().unwrap();
    let first = Run::begin(config.clone(), &out).unwrap();
    let leftover = out.join(".checkpoint.safetensors.4711-0.tmp");
    fs::write(&leftover, "half").unwrap();
    for second in [Run::resume(config.clone(), &out, &mut ()), Run::begin(config.clone(), &out)] {
        let error = second.map(drop).unwrap_err();
        assert!(
            matches!(error, TrainError::Busy { .. }) && error.to_string().contains("another process"),
            "{error}"
        );
    }
    assert!(leftover.exists()); // it could be the other's, which is just writing it
    drop(first);
    Run::resume(config, &out, &mut ()).unwrap();
    assert!(!leftover.exists());
}

/// A finished run is given more epochs, and stopped: what it was given is in `run.json`, and it has no outcome.
#[test]
fn an_extended_run_that_is_stopped_stays_extended() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let config = support::options(&data).resolve().unwrap();
    Run::begin(config.clone(), &out).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    let longer = RunConfig { epochs: 4, ..config };
    let interrupt = Interrupt::default();
    let mut extended = Run::resume(longer, &out, &mut ()).unwrap();
    extended.train(&interrupt, &mut StopAfter(&interrupt, 2, 0)).unwrap();
    drop(extended);
    let saved = RunFolder::at(&out).read_manifest().unwrap();
    assert_eq!((saved.config.epochs, saved.outcome), (4, None));
    let end = Run::resume(saved.config, &out, &mut ()).unwrap().train(&Interrupt::default(), &mut ());
    assert!(matches!(end.unwrap(), End::Finished(outcome) if outcome.epochs == 4));
}

/// A run that stopped at its loss goes on to a smaller one, and one that went past a larger one does not.
#[test]
fn another_stopping_loss_counts_from_the_epochs_so_far() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let until =
        |loss| Options { epochs: Some(6), until_loss: loss, ..support::options(&data) }.resolve().unwrap();
    let finish = |mut run: Run| match run.train(&Interrupt::default(), &mut ()).unwrap() {
        End::Finished(outcome) => (outcome.epochs, outcome.fitted),
        other => panic!("{other:?}"),
    };
    assert_eq!(finish(Run::begin(until(Some(100.0)), &out).unwrap()), (1, Some(1)));
    assert_eq!(finish(Run::resume(until(Some(0.0)), &out, &mut ()).unwrap()), (6, None));
    let third = support::timeless_metrics(&out)[2].train.loss;
    let reached =
        support::timeless_metrics(&out).iter().position(|m| m.train.loss < third + 1e-9).unwrap() as u32 + 1;
    let longer = RunConfig { epochs: 9, ..until(Some(third + 1e-9)) };
    assert_eq!(finish(Run::resume(longer, &out, &mut ()).unwrap()), (6, Some(reached)));
    assert_eq!(
        finish(Run::resume(RunConfig { epochs: 7, ..until(None) }, &out, &mut ()).unwrap()),
        (7, None)
    );
}

#[test]
fn what_decides_the_weights_may_not_change_at_resume() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let config = support::options(&data).resolve().unwrap();
    Run::begin(config.clone(), &out).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    let before = fs::read(out.join("checkpoint.safetensors")).unwrap();
    type Change = fn(&mut RunConfig);
    let changes: [(&str, Change); 16] = [
        ("model", |c| c.model = ModelName::Mlp3x512),
        ("corruption", |c| c.corruption = "random-labels".parse().unwrap()),
        ("seed", |c| c.seed = 2),
        ("subset", |c| c.subset = "20".parse().unwrap()),
        ("test-subset", |c| c.test_subset = "10".parse().unwrap()),
        ("batch", |c| c.batch = 16),
        ("crop", |c| c.crop = Some("center:4".parse().unwrap())),
        ("flip", |c| c.flip = true),
        ("rotate", |c| c.rotate = 25),
        ("normalise", |c| c.normalise = "channel".parse().unwrap()),
        ("lr", |c| c.lr = 0.5),
        ("lr-decay", |c| c.lr_decay = 0.5),
        ("momentum", |c| c.momentum = 0.5),
        ("weight-decay", |c| c.weight_decay = 0.5),
        ("dropout", |c| c.dropout = 0.5),
        ("per-sample", |c| c.per_sample = true),
    ];
    for (key, change) in changes {
        let mut changed = config.clone();
        change(&mut changed);
        let error = Run::resume(changed, &out, &mut ()).map(drop).unwrap_err();
        assert!(
            matches!(&error, TrainError::Config(ConfigError::Changed { key: k, .. }) if *k == key),
            "{key}: {error}"
        );
        assert!(error.to_string().contains("when the run began"), "{error}");
    }
    // Other data under the same options.
    let other = tmp.path().join("other");
    support::small(&other);
    let moved = RunConfig { data: other, ..config };
    let error = Run::resume(moved, &out, &mut ()).map(drop).unwrap_err();
    assert!(
        matches!(error, TrainError::OtherData { .. }) && error.to_string().contains("data set"),
        "{error}"
    );
    assert_eq!(fs::read(out.join("checkpoint.safetensors")).unwrap(), before);
}

/// Images kept in memory are the same images, before a stop and after; where they change from epoch to epoch there is
/// nothing to keep.
#[test]
fn kept_images_change_no_bit() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::small(&data);
    let config = Options {
        corruption: Some("gaussian".parse().unwrap()),
        crop: Some("center:28".parse().unwrap()),
        ..support::options(&data)
    };
    let config = RunConfig { epochs: 3, ..config.resolve().unwrap() };
    let (plain, kept) = (tmp.path().join("plain"), tmp.path().join("kept"));
    let expected = run(config.clone(), &plain);
    let keeping = RunConfig { cache_view: true, ..config };
    let interrupt = Interrupt::default();
    let mut begun = Run::begin(keeping.clone(), &kept).unwrap();
    begun.train(&interrupt, &mut StopAfter(&interrupt, 1, 2)).unwrap();
    drop(begun);
    Run::resume(keeping.clone(), &kept, &mut ()).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    assert_eq!(timeless(&kept), expected);
    assert!(tensors(&kept) == tensors(&plain));
    let moving = RunConfig { flip: true, ..keeping };
    let error = Run::begin(moving, &tmp.path().join("moving")).err().unwrap().to_string();
    assert!(error.contains("the crop, flip or rotation"), "{error}");
}

/// Stopped in the middle of an epoch, and killed in another so that the run goes back to a checkpoint: the ledger proves that
/// each sample was seen once per epoch, and says what was taken again.
#[test]
fn a_ledger_proves_that_each_sample_was_seen_once_across_restarts() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    let dataset = support::small(&data);
    let config = support::options(&data).resolve().unwrap();
    let config = RunConfig { ledger: true, epochs: 4, checkpoint_every: 1, ..config };
    let (out, interrupt) = (tmp.path().join("run"), Interrupt::default());
    let mut run = Run::begin(config.clone(), &out).unwrap();
    let saved = out.join("checkpoint.safetensors");
    run.train(&interrupt, &mut StopAfter(&interrupt, 1, 2)).unwrap();
    drop(run);
    let kept = fs::read(&saved).unwrap();
    let interrupt = Interrupt::default();
    let mut run = Run::resume(config.clone(), &out, &mut ()).unwrap();
    run.train(&interrupt, &mut StopAfter(&interrupt, 2, 1)).unwrap();
    drop(run);
    // As after a kill: what was done since that checkpoint is lost.
    fs::write(&saved, kept).unwrap();
    Run::resume(config.clone(), &out, &mut ()).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    let found = rfx_loader::ledger::audit(&dataset, &[out.join("rank-0.ledger")]).unwrap();
    assert!(found.sound, "{found:?}");
    assert_eq!((found.epochs.len(), found.runs.len()), (4, 3));
    assert!(found.epochs.iter().all(|epoch| epoch.finished && epoch.once == 200));
    assert_eq!([found.runs[0].replaced, found.runs[2].replaced], [0, 0]);
    assert_eq!(found.runs[1].replaced, found.runs[1].samples, "the second went for nothing");
    // A run is with a ledger or without.
    let without = RunConfig { ledger: false, epochs: 5, ..config };
    let error = Run::resume(without, &out, &mut ()).err().unwrap().to_string();
    assert!(error.contains("ledger is false now and was true"), "{error}");
}
