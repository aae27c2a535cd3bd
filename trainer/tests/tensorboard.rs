//! TensorBoard's own reader finds in a run's folder what `metrics.jsonl` says.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use rfx_trainer::{
    config::{Options, RunConfig},
    events,
    folder::RunFolder,
    signal::Interrupt,
    train::Run,
};
use support::StopAfter;

/// Step, value and time of each point, by tag.
type Scalars = BTreeMap<String, Vec<(i64, Option<f64>, f64)>>;

fn read(python: &Path, run: &Path) -> Scalars {
    let script = support::workspace().join("trainer/tests/python/tensorboard_scalars.py");
    let output = Command::new(python).arg(script).arg(run).output().unwrap();
    serde_json::from_str(&support::succeeds(&output)).unwrap()
}

/// Compares every point with the metrics, and returns the tags.
fn check(python: &Path, run: &Path) -> Vec<String> {
    let scalars = read(python, run);
    let metrics = RunFolder::at(run).read_metrics().unwrap();
    let lines: Vec<serde_json::Value> =
        metrics.iter().map(|line| serde_json::to_value(line).unwrap()).collect();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    for (tag, points) in &scalars {
        let steps: Vec<i64> = points.iter().map(|p| p.0).collect();
        assert_eq!(steps, metrics.iter().map(|m| m.step as i64).collect::<Vec<_>>(), "{tag}");
        for ((_, value, time), line) in points.iter().zip(&lines) {
            // `loss/train_clean` is `train.clean_loss` there, `seconds/evaluation` is `evaluation_seconds`.
            let recorded = match tag.split_once('/') {
                None => &line[tag.as_str()],
                Some(("seconds", "epoch")) => &line["seconds"],
                Some(("seconds", what)) => &line[format!("{what}_seconds")],
                Some((kind, name)) => match name.rsplit_once('_') {
                    Some((score, part)) if ["clean", "corrupted"].contains(&part) => {
                        &line[score][format!("{part}_{kind}")]
                    }
                    _ => &line[name][kind],
                },
            };
            let recorded = recorded.as_f64();
            assert_eq!(value.map(|v| v as f32), recorded.map(|v| v as f32), "{tag}");
            assert!((now - 3600.0..=now).contains(time), "{tag}: {time}, and it is {now}");
        }
    }
    scalars.into_keys().collect()
}

fn config(data: &Path, corruption: &str) -> RunConfig {
    let options = Options { epochs: Some(4), checkpoint_every: Some(2), ..support::options(data) };
    Options { corruption: Some(corruption.parse().unwrap()), ..options }.resolve().unwrap()
}

#[test]
fn tensorboard_reads_what_was_measured() {
    let Some(python) = support::tensorboard("tensorboard_reads_what_was_measured") else { return };
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::tiny(&data);
    let out = tmp.path().join("plain");
    Run::begin(config(&data, "true-labels"), &out).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    let tags = check(&python, &out);
    let plain = ["running", "train", "test"];
    let both = plain.iter().flat_map(|name| ["accuracy", "loss"].map(|kind| format!("{kind}/{name}")));
    for tag in
        both.chain(["lr", "seconds/epoch", "seconds/evaluation", "seconds/loader_wait"].map(str::to_owned))
    {
        assert!(tags.contains(&tag), "{tag} is not in {tags:?}");
    }
    // With corrupted labels, on both splits, there is more to tell.
    let out = tmp.path().join("corrupted");
    let corrupted = config(&data, "partially-corrupted:0.5 test-labels=same");
    Run::begin(corrupted, &out).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    let tags = check(&python, &out);
    for tag in
        ["loss/train_clean", "accuracy/train_corrupted", "loss/test_given", "accuracy/test_given_corrupted"]
    {
        assert!(tags.iter().any(|t| t == tag), "{tag} is not in {tags:?}");
    }
}

#[test]
fn a_resumed_run_has_every_step_once() {
    let test = "a_resumed_run_has_every_step_once";
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let config = config(&data, "random-labels");
    let interrupt = Interrupt::default();
    let mut run = Run::begin(config.clone(), &out).unwrap();
    run.train(&interrupt, &mut StopAfter(&interrupt, 2, 0)).unwrap();
    drop(run);
    let early = fs::read(out.join("checkpoint.safetensors")).unwrap();
    let resume = || Run::resume(config.clone(), &out, &mut ()).unwrap().train(&Interrupt::default(), &mut ());
    resume().unwrap();
    let events = out.join(events::NAME);
    let whole = fs::read(&events).unwrap();
    let python = support::tensorboard(test);
    let check_steps = || python.as_ref().map(|python| check(python, &out));
    check_steps();
    // As if killed after the last epoch: two epochs were written that the checkpoint does not know of.
    fs::write(out.join("checkpoint.safetensors"), &early).unwrap();
    resume().unwrap();
    check_steps();
    assert_eq!(fs::read(&events).unwrap().len(), whole.len());
    // In the middle of a record, and before there was a file.
    fs::write(out.join("checkpoint.safetensors"), &early).unwrap();
    fs::write(&events, &whole[..whole.len() - 3]).unwrap();
    resume().unwrap();
    check_steps();
    fs::remove_file(&events).unwrap();
    resume().unwrap();
    check_steps();
    assert_eq!(fs::read(&events).unwrap().len(), whole.len());
}
