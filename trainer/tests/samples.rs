//! Per-sample records: that they are what was evaluated, and the same whatever happens on the way.

mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rfx_loader::{Partition, npy::Header};
use rfx_trainer::{
    config::{ConfigError, Options, RunConfig},
    error::TrainError,
    feed::Feed,
    folder::Outcome,
    signal::Interrupt,
    train::{End, Run},
};
use support::StopAfter;

/// Labels and images that are drawn anew, a subset, dropout: what is recorded is of each epoch as it was.
fn everything(data: &Path) -> RunConfig {
    let options = Options {
        corruption: Some(
            "labels=uniform:p=0.6,resample=0.5 inputs=gaussian:amount=0.3,resample=1".parse().unwrap(),
        ),
        subset: Some("100:balanced".parse().unwrap()),
        epochs: Some(5),
        lr: Some(0.05),
        dropout: Some(0.2),
        per_sample: Some(true),
        ..support::options(data)
    };
    options.resolve().unwrap()
}

fn finish(mut run: Run) -> Outcome {
    match run.train(&Interrupt::default(), &mut ()).unwrap() {
        End::Finished(outcome) => outcome,
        other => panic!("{other:?}"),
    }
}

/// Trains until after the step `(epoch, step)`.
fn stop(mut run: Run, (epoch, step): (u32, u64)) {
    let interrupt = Interrupt::default();
    let end = run.train(&interrupt, &mut StopAfter(&interrupt, epoch, step)).unwrap();
    assert!(matches!(end, End::Interrupted(_)), "{end:?}");
}

/// Every file of the records, by name.
fn records(out: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = support::names(&out.join("samples")).into_iter().map(|name| format!("samples/{name}"));
    let names = names.chain(["samples.csv".to_owned()]);
    names.map(|name| (name.clone(), fs::read(out.join(name)).unwrap())).collect()
}

/// The shape of an array, and its elements as bytes.
fn array(out: &Path, name: &str) -> (Vec<u64>, Vec<u8>) {
    let file = fs::read(out.join(format!("samples/{name}.npy"))).unwrap();
    let header = Header::parse(&file).unwrap();
    assert_eq!(header.data_bytes(), Some(file.len() as u64 - header.start), "{name}");
    (header.shape, file[header.start as usize..].to_vec())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|word| f32::from_le_bytes(word.try_into().unwrap())).collect()
}

/// `samples.csv` without its head, a list per row.
fn table(out: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(out.join("samples.csv")).unwrap();
    let (head, rows) = text.split_once('\n').unwrap();
    assert_eq!(head, "id,clean_label,label,rule,corrupted,first_learnt,forgotten,correct_last,loss_last");
    rows.lines().map(|row| row.split(',').map(str::to_owned).collect()).collect()
}

#[test]
fn records_are_what_was_evaluated() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let config = everything(&data);
    finish(Run::begin(config.clone(), &out).unwrap());
    let (correct, loss) = (array(&out, "correct"), array(&out, "loss"));
    assert_eq!((&correct.0, &loss.0), (&vec![5, 100], &vec![5, 100]));
    // Each epoch's line of metrics.jsonl is the mean of its row.
    let metrics = support::timeless_metrics(&out);
    for (epoch, line) in metrics.iter().enumerate() {
        let row = &correct.1[100 * epoch..100 * (epoch + 1)];
        let right = row.iter().filter(|&&right| right == 1).count();
        assert_eq!(right as f64 / 100.0, line.train.accuracy, "epoch {}", line.epoch);
        assert!(row.iter().all(|&right| right <= 1));
        let losses = floats(&loss.1[400 * epoch..400 * (epoch + 1)]);
        let mean = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / 100.0;
        assert!((mean - line.train.loss).abs() < 1e-9, "epoch {}: {mean}", line.epoch);
    }
    // Ids, labels and rules are those of the batches, and the counts follow from the columns of the matrix.
    let recipe = Feed::open(&config).unwrap().train_evaluation;
    let batch = recipe.batch(4, 0, Partition::WHOLE).unwrap();
    let rows = table(&out);
    assert_eq!((batch.len(), rows.len()), (100, 100));
    let mut forgotten = 0;
    for (i, row) in rows.iter().enumerate() {
        let column: Vec<u8> = (0..5).map(|epoch| correct.1[100 * epoch + i]).collect();
        let touched = batch.labels()[i] != batch.clean_labels()[i] || batch.input_rules()[i] != 0;
        let first = column.iter().position(|&right| right == 1).map_or(0, |epoch| epoch + 1);
        let events = (1..5).filter(|&epoch| column[epoch - 1] == 1 && column[epoch] == 0).count();
        let integers = [batch.ids()[i], batch.clean_labels()[i], batch.labels()[i], batch.rules()[i].into()];
        let expected: Vec<String> = (integers.map(|n| n.to_string()).into_iter())
            .chain([usize::from(touched), first, events, column[4].into()].map(|n| n.to_string()))
            .collect();
        assert_eq!(row[..8], expected, "row {i}");
        assert_eq!(row[8].parse::<f32>().unwrap(), floats(&loss.1)[400 + i], "row {i}");
        forgotten += events;
    }
    // That the test would notice: the noise is redrawn, so that half of what was right is wrong by chance.
    assert!(forgotten > 20, "{forgotten}");
    let of_corruption = |column: usize| rows.iter().filter(|row| row[column] == "1").count();
    assert!((20..90).contains(&of_corruption(4)) && metrics.len() == 5);
}

#[test]
fn interrupted_anywhere_the_records_are_the_same_bits() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::small(&data);
    let config = everything(&data);
    let whole = tmp.path().join("whole");
    finish(Run::begin(config.clone(), &whole).unwrap());
    let expected = records(&whole);
    // After the first step, in the middle, before an evaluation, twice, before the last evaluation. An epoch has 4 steps.
    for stops in [&[(0, 0)][..], &[(1, 2)], &[(2, 3)], &[(0, 3), (3, 1)], &[(4, 3)]] {
        let out = tmp.path().join(format!("{stops:?}"));
        let mut run = Run::begin(config.clone(), &out).unwrap();
        for &at in stops {
            stop(run, at);
            // NumPy reads the epochs there are, whenever it looks.
            assert_eq!(array(&out, "correct").0, [u64::from(at.0), 100]);
            assert!(!out.join("samples.csv").exists());
            run = Run::resume(config.clone(), &out, &mut ()).unwrap();
        }
        finish(run);
        assert!(records(&out) == expected, "{stops:?}");
    }
    // A run that ended is given more epochs, and is then as if it had had them from the beginning.
    let short = tmp.path().join("short");
    finish(Run::begin(RunConfig { epochs: 2, ..config.clone() }, &short).unwrap());
    assert!(records(&short) != expected);
    stop(Run::resume(config.clone(), &short, &mut ()).unwrap(), (3, 0));
    assert!(!short.join("samples.csv").exists() && !short.join("samples/forgotten.npy").exists());
    finish(Run::resume(config.clone(), &short, &mut ()).unwrap());
    assert!(records(&short) == expected);
    // One that is over stays as it is.
    finish(Run::resume(config, &short, &mut ()).unwrap());
    assert!(records(&short) == expected);
}

/// Killed, not stopped: rows that were written after the checkpoint, the last of them in part, and what was left of a file
/// that was being written.
#[test]
fn rows_written_after_the_checkpoint_are_written_again() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let config = everything(&data);
    finish(Run::begin(config.clone(), &out).unwrap());
    let whole = records(&out);
    let early = tmp.path().join("early");
    stop(Run::begin(config.clone(), &early).unwrap(), (2, 1));
    fs::copy(early.join("checkpoint.safetensors"), out.join("checkpoint.safetensors")).unwrap();
    for (name, cut) in [("correct", 30), ("loss", 250)] {
        let path = out.join(format!("samples/{name}.npy"));
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
    }
    let leftover = out.join("samples/.forgotten.npy.4711-0.tmp");
    fs::write(&leftover, "half").unwrap();
    finish(Run::resume(config.clone(), &out, &mut ()).unwrap());
    assert!(!leftover.exists() && records(&out) == whole);
    // Rows that the checkpoint counts on, and that are not there.
    let path = out.join("samples/correct.npy");
    for (bytes, part) in [(&whole["samples/correct.npy"][..128 + 499], "4 rows"), (&[][..], "0 rows")] {
        fs::write(&path, bytes).unwrap();
        let mut run = Run::resume(config.clone(), &out, &mut ()).unwrap();
        let error = run.train(&Interrupt::default(), &mut ()).unwrap_err();
        assert!(matches!(&error, TrainError::RunFile { path: p, .. } if *p == path), "{error}");
        assert!(error.to_string().contains(part) && error.to_string().contains("epoch 5"), "{error}");
    }
}

#[test]
fn samples_that_are_all_learnt_are_recorded_as_that() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let options = Options {
        corruption: Some("random-labels".parse().unwrap()),
        epochs: Some(200),
        until_loss: Some(0.05),
        lr: Some(0.05),
        lr_decay: Some(1.0),
        per_sample: Some(true),
        ..support::options(&data)
    };
    let outcome = finish(Run::begin(options.resolve().unwrap(), &out).unwrap());
    assert_eq!(outcome.fitted, Some(outcome.epochs), "not fitted: {outcome:?}");
    let (shape, correct) = array(&out, "correct");
    assert_eq!(shape, [u64::from(outcome.epochs), 40]);
    assert_eq!(correct[correct.len() - 40..], [1; 40]);
    assert_eq!(array(&out, "correct_last").1, [1; 40]);
    assert!(floats(&array(&out, "loss_last").1).iter().all(|&loss| loss < 1.0));
    for row in table(&out) {
        let first: u32 = row[5].parse().unwrap();
        assert!((1..=outcome.epochs).contains(&first), "{row:?}");
        assert_eq!(row[4] == "1", row[1] != row[2], "{row:?}");
    }
}

#[test]
fn without_the_option_there_are_no_files_and_it_cannot_be_changed_on_the_way() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::tiny(&data);
    let config = support::options(&data).resolve().unwrap();
    let recording = RunConfig { per_sample: true, ..config.clone() };
    let (without, with) = (tmp.path().join("without"), tmp.path().join("with"));
    finish(Run::begin(config.clone(), &without).unwrap());
    finish(Run::begin(recording.clone(), &with).unwrap());
    let checkpoint = |out: &Path| {
        let bytes = fs::read(out.join("checkpoint.safetensors")).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        bytes[8 + header..].to_vec()
    };
    // Recording changes nothing else.
    assert!(checkpoint(&with) == checkpoint(&without));
    assert_eq!(support::timeless_metrics(&with), support::timeless_metrics(&without));
    let extra: Vec<String> =
        (support::names(&with).into_iter()).filter(|name| !support::names(&without).contains(name)).collect();
    assert_eq!(extra, ["samples", "samples.csv"]);
    for (config, out) in [(recording, without), (config, with)] {
        let error = Run::resume(config, &out, &mut ()).map(drop).unwrap_err();
        let expected = matches!(&error, TrainError::Config(ConfigError::Changed { key: "per-sample", .. }));
        assert!(expected, "{error}");
    }
}

/// The arrays as NumPy sees them: dtypes, shapes, and that they agree with the table.
#[test]
fn numpy_reads_the_records() {
    let Some(python) = support::python("numpy_reads_the_records") else { return };
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let args = ["run", "--quiet", "--corrupt", "partially-corrupted:0.5", "--lr", "0.05", "--epochs", "6"];
    let paths = ["--per-sample", "--data", support::text(&data), "--out", support::text(&out)];
    support::succeeds(&support::command().args(args).args(paths).output().unwrap());
    let script = "
import csv, sys, numpy as np
run = sys.argv[1]
load = lambda name: np.load(f'{run}/samples/{name}.npy', mmap_mode='r')
with open(f'{run}/samples.csv') as file:
    head, *rows = csv.reader(file)
dtypes = dict(zip(head, ['<i8', '<i8', '<i8', '|u1', '|b1', '<u4', '<u4', '|b1', '<f4']))
for i, (name, dtype) in enumerate(dtypes.items()):
    column = load(name)
    assert column.dtype == np.dtype(dtype) and column.shape == (200,), (name, column.dtype, column.shape)
    text = np.array([float(row[i]) for row in rows])
    assert (text.astype(np.float32) == column.astype(np.float32)).all(), name
correct, loss = load('correct'), load('loss')
assert (correct.dtype, loss.dtype) == (np.uint8, np.float32) and correct.shape == loss.shape == (6, 200)
right = correct.astype(int)
assert ((right[:-1] - right[1:] == 1).sum(0) == load('forgotten')).all()
assert (np.where(right.any(0), right.argmax(0) + 1, 0) == load('first_learnt')).all()
assert (right[-1] == load('correct_last')).all() and (loss[-1] == load('loss_last')).all()
assert (np.diff(load('id')) > 0).all()
changed = load('clean_label') != load('label')
assert (changed == load('corrupted')).all() and 50 < changed.sum() < 130
print(int(load('forgotten').sum()))
";
    let output = Command::new(python).args(["-c", script]).arg(&out).output().unwrap();
    support::succeeds(&output);
}

#[test]
fn a_report_shows_what_was_recorded() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::small(&data);
    let mut runs: Vec<PathBuf> = Vec::new();
    for corruption in ["true-labels", "random-labels"] {
        let out = tmp.path().join(corruption);
        let options = Options {
            corruption: Some(corruption.parse().unwrap()),
            epochs: Some(6),
            lr: Some(0.05),
            per_sample: Some(true),
            ..support::options(&data)
        };
        finish(Run::begin(options.resolve().unwrap(), &out).unwrap());
        runs.push(out);
    }
    let paths = rfx_trainer::report::write(&runs, &tmp.path().join("report")).unwrap();
    let page = fs::read_to_string(&paths.html).unwrap();
    for run in &runs {
        let rows = table(run);
        let share = |wanted: &dyn Fn(&Vec<String>) -> bool, corrupted: &str| {
            let of: Vec<_> = rows.iter().filter(|row| row[4] == corrupted).collect();
            100.0 * of.iter().filter(|row| wanted(row)).count() as f64 / of.len() as f64
        };
        let forgotten = share(&|row| row[6] != "0", "0");
        let never = share(&|row| row[5] == "0", "0");
        assert!(page.contains(&format!("{forgotten:.2} % of the ")), "{forgotten}");
        assert!(page.contains(&format!("{never:.2} % never learnt")), "{never}");
    }
    assert!(page.contains("--per-sample true") && page.contains("id=\"forgetting\""));
    assert!(paths.figures.iter().any(|path| path.ends_with("forgetting.png")));
}
