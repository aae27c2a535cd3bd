//! `rfx-train` as its users meet it.

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rfx_trainer::{checkpoint::Checkpoint, folder::RunFolder, metrics::Score};
use support::{fails_with, rfx_train, succeeds, text};

#[test]
fn every_command_has_help_with_examples() {
    let general = succeeds(&rfx_train(["--help"]));
    assert!(general.contains("Exit codes:") && general.contains("Examples:"), "{general}");
    for command in ["run", "eval", "demo", "reproduce", "sweep", "theory", "report"] {
        assert!(general.contains(command), "{general}");
        let help = succeeds(&rfx_train([command, "--help"]));
        assert!(help.contains("Usage:") && help.contains("Examples:\n  rfx-train"), "{help}");
    }
    let help = succeeds(&rfx_train(["run", "--help"]));
    assert!(help.contains("`corruption`")); // the one key that is no flag's name
    assert!(rfx_trainer::model::ModelName::ALL.iter().all(|name| {
        help.contains(&name.to_string())
            || name.to_string().starts_with("wrn-28-") && help.contains("wrn-28-K")
    }));
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words.matches("not the paper's network").count(), 2, "{help}");
}

/// Wherever a quarter of an Inception is named, it is said what it is not.
#[test]
fn the_quarter_inceptions_never_pass_for_the_papers() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::tiny(&data);
    for (model, title) in [
        ("inception-w4", "Inception w4 (not the paper's network)"),
        ("inception-w4-no-bn", "Inception w4 w/o BatchNorm (not the paper's network)"),
    ] {
        let out = tmp.path().join(model);
        let says = |text: &str| assert!(text.contains(title), "{text}");
        let output = rfx_train([
            "run",
            "--model",
            model,
            "--lr",
            "0.01",
            "--epochs",
            "1",
            "--data",
            text(&data),
            "--out",
            text(&out),
        ]);
        says(&succeeds(&output));
        says(&String::from_utf8_lossy(&output.stderr));
        says(&succeeds(&rfx_train(["eval", text(&out)])));
        says(&fs::read_to_string(out.join("run.json")).unwrap());
        says(&rfx_trainer::report::table(&[out]).unwrap().replace('\n', " "));
    }
}

/// A configuration file, `--set` and flags together; then `eval` finds what the run had measured.
#[test]
fn run_takes_files_sets_and_flags_and_eval_agrees() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out, file) = (tmp.path().join("data"), tmp.path().join("run"), tmp.path().join("run.toml"));
    support::small(&data);
    fs::write(
        &file,
        format!(
            "data = {:?}\nepochs = 9\nbatch = 16\nlr = 0.5\n[corruption.labels]\nkind = 'uniform'\np = 0.5\n",
            data
        ),
    )
    .unwrap();
    let args = ["run", "--config", text(&file), "--set", "lr=0.01", "--set", "epochs=3", "--epochs", "2"];
    let output =
        support::command().args(args).args(["--json", "--quiet", "--out", text(&out)]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let document: serde_json::Value = serde_json::from_str(&succeeds(&output)).unwrap();
    let config = &document["manifest"]["config"];
    assert_eq!((&config["lr"], &config["epochs"], &config["batch"]), (&0.01.into(), &2.into(), &16.into()));
    assert_eq!(document["manifest"]["applied"]["train_labels"], "uniform:p=0.5");
    let last = support::timeless_metrics(&out).pop().unwrap();
    assert!(last.train.corrupted_loss.is_some() && last.train.clean_loss.is_some());
    let evaluated: serde_json::Value =
        serde_json::from_str(&succeeds(&rfx_train(["eval", text(&out), "--json"]))).unwrap();
    for (part, measured) in [("train", last.train), ("test", last.test)] {
        let found: Score = serde_json::from_value(evaluated[part].clone()).unwrap();
        assert_eq!(found, measured, "{part}");
    }
    let error = fails_with(2, &rfx_train(["eval", text(&out), "--best"]));
    assert!(error.contains("best.safetensors") && error.contains("--patience"), "{error}");
    let words = succeeds(&rfx_train(["eval", text(&out)]));
    assert!(words.contains("after 2 epochs") && words.contains("corrupted"), "{words}");
    // A run from a machine with a card is evaluated on one without, unless the card is asked for.
    let (folder, absent) = (RunFolder::at(&out), "cuda:63".parse().unwrap());
    let mut manifest = folder.read_manifest().unwrap();
    manifest.config.device = absent;
    folder.write_manifest(&manifest).unwrap();
    assert_eq!(succeeds(&rfx_train(["eval", text(&out)])), words);
    let error = fails_with(3, &rfx_train(["eval", text(&out), "--device", "cuda:63"]));
    assert!(error.to_lowercase().contains("cuda"), "{error}");
    // Moved data are found again with --data, and no others are taken for them.
    let moved = tmp.path().join("moved");
    fs::rename(&data, &moved).unwrap();
    let error = fails_with(2, &rfx_train(["eval", text(&out)]));
    assert!(error.contains(text(&data)), "{error}");
    succeeds(&rfx_train(["eval", text(&out), "--data", text(&moved)]));
    support::tiny(&data);
    let error = fails_with(2, &rfx_train(["eval", text(&out)]));
    assert!(error.contains("data set"), "{error}");
}

/// Test labels that are corrupted as well are a second thing to measure against, wherever there are numbers.
#[test]
fn corrupted_test_labels_are_scored_everywhere() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let corruption = "random-labels test-labels=same";
    let args = [
        "run",
        "--quiet",
        "--epochs",
        "1",
        "--corrupt",
        corruption,
        "--data",
        text(&data),
        "--out",
        text(&out),
    ];
    let line = succeeds(&rfx_train(args));
    assert!(line.contains("% against corrupted labels)"), "{line}");
    let measured = support::timeless_metrics(&out).pop().unwrap().test_given.unwrap();
    let evaluated: serde_json::Value =
        serde_json::from_str(&succeeds(&rfx_train(["eval", text(&out), "--json"]))).unwrap();
    assert_eq!(serde_json::from_value::<Score>(evaluated["test_given"].clone()).unwrap(), measured);
    let words = succeeds(&rfx_train(["eval", text(&out)]));
    assert!(words.contains("test against corrupted labels: 20 samples"), "{words}");
    let table = rfx_trainer::report::table(&[out]).unwrap();
    assert!(
        table.contains("corrupted test %") && table.contains(&format!("{:.2}", 100.0 * measured.accuracy)),
        "{table}"
    );
}

/// A part of the test split is what is evaluated at the end of each epoch, the whole is evaluated on demand, and parts
/// make up the whole.
#[test]
fn a_part_of_the_test_split_is_evaluated_and_recorded() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let part = "range:0..7";
    let args = ["run", "--quiet", "--test-subset", part, "--data", text(&data), "--out", text(&out)];
    succeeds(&support::command().args(args).args(["--epochs", "2"]).output().unwrap());
    let manifest = RunFolder::at(&out).read_manifest().unwrap();
    assert_eq!((manifest.samples, manifest.config.test_subset.to_string()), ([40, 7], part.to_owned()));
    let metrics = support::timeless_metrics(&out);
    assert!(metrics.iter().all(|m| m.test.samples == 7 && m.train.samples == 40));
    let score = |subset: &[&str]| -> Score {
        let command = support::command().args(["eval", text(&out), "--json"]).args(subset).output().unwrap();
        let evaluated: serde_json::Value = serde_json::from_str(&succeeds(&command)).unwrap();
        serde_json::from_value(evaluated["test"].clone()).unwrap()
    };
    assert_eq!(score(&[]), metrics[1].test);
    let (first, rest) = (metrics[1].test, score(&["--test-subset", "range:7..20"]));
    let whole = score(&["--test-subset", "all"]);
    let sum = |value: fn(&Score) -> f64| 7.0 * value(&first) + 13.0 * value(&rest);
    assert_eq!((whole.samples, (20.0 * whole.accuracy).round()), (20, sum(|s| s.accuracy).round()));
    assert!((20.0 * whole.loss - sum(|s| s.loss)).abs() < 1e-5, "{whole:?}");
    let page = tmp.path().join("report");
    succeeds(&rfx_train(["report", text(&out), "--out", text(&page)]));
    let page = fs::read_to_string(page.join("index.html")).unwrap();
    assert!(page.contains("--test-subset range:0..7") && page.contains("<dt>test subset</dt>"), "{page}");
}

#[test]
fn what_is_not_understood_is_refused_before_anything_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out, file) = (tmp.path().join("data"), tmp.path().join("run"), tmp.path().join("run.toml"));
    support::tiny(&data);
    fs::write(&file, "epochs = 2\nlearning-rate = 0.1\nlr-decai = 1\n").unwrap();
    let cases: [(&[&str], &[&str]); 17] = [
        (&["--epoch", "3"], &["--epoch", "--epochs"]),
        (&["--config", text(&file)], &["run.toml", "line 2", "learning-rate"]),
        (&["--set", "lr-decai=0.9"], &["--set lr-decai=0.9", "did you mean `lr-decay`?"]),
        (&["--set", "lr"], &["--set lr", "key=value"]),
        (&["--set", "lr=fast"], &["--set lr=fast", "expected f64"]),
        (&["--lr", "0"], &["lr=0", "above 0"]),
        (&["--epochs", "0"], &["epochs=0", "1 or more"]),
        (&["--dropout", "1"], &["dropout=1", "below 1"]),
        (&["--model", "mlp"], &["mlp", "mlp-1x512"]),
        (&["--model", "wrn-28-33"], &["wrn-28-33", "K from 1 to 32"]),
        (&["--patience", "0"], &["patience", "1 or more"]),
        (&["--monitor", "loss"], &["loss", "test-loss"]),
        (&["--weight-decay", "usual"], &["usual", "`default`"]),
        (&["--corrupt", "random-label"], &["random-label", "random-labels"]),
        (&["--corrupt", "labels=uniform:p=1.5"], &["1.5"]),
        (&["--test-subset", "21"], &["21 samples", "20"]),
        (&["--crop", "center:7"], &["7", "6"]), // images are 6 x 6
    ];
    for (args, words) in cases {
        let base = ["run", "--quiet", "--data", text(&data), "--out", text(&out)];
        let error = fails_with(2, &support::command().args(base).args(args).output().unwrap());
        assert!(words.iter().all(|w| error.contains(w)), "{args:?}: {error}");
        assert!(!out.exists(), "{args:?} left {}", out.display());
    }
    for path in ["missing", "run.toml"] {
        let path = tmp.path().join(path);
        let error = fails_with(2, &rfx_train(["run", "--data", text(&path), "--out", text(&out)]));
        assert!(error.contains(text(&path)), "{error}");
        assert!(!out.exists());
    }
    let error = fails_with(2, &rfx_train(["run", "--out", text(&out)]));
    assert!(error.contains("data is missing"), "{error}");
}

#[test]
fn existing_output_is_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    fs::create_dir(&out).unwrap();
    fs::write(out.join("thesis.tex"), "years of work").unwrap();
    for command in ["run", "demo"] {
        let error = fails_with(2, &rfx_train([command, "--data", text(&data), "--out", text(&out)]));
        assert!(error.contains(text(&out)) && error.contains("--resume"), "{error}");
    }
    let error = fails_with(2, &rfx_train(["run", "--resume", "--out", text(&out)]));
    assert!(error.contains("no run here (no run.json)"), "{error}");
    let error = fails_with(2, &rfx_train(["eval", text(&out)]));
    assert!(error.contains("no run here"), "{error}");
    let file = out.join("thesis.tex");
    fails_with(2, &rfx_train(["run", "--data", text(&data), "--out", text(&file)]));
    assert_eq!(support::names(&out), ["thesis.tex"]);
    assert_eq!(fs::read_to_string(file).unwrap(), "years of work");
}

/// Killed while it wrote its first file: the folder is as good as empty. Any other file is somebody's.
#[test]
fn a_leftover_of_a_killed_run_does_not_take_the_folder() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    fs::create_dir(&out).unwrap();
    fs::write(out.join(".run.json.4711-0.tmp"), "{").unwrap();
    fs::write(out.join("thesis.tmp"), "years of work").unwrap();
    let args = ["run", "--quiet", "--epochs", "1", "--data", text(&data), "--out", text(&out)];
    assert!(fails_with(2, &rfx_train(args)).contains("something here already"));
    fs::remove_file(out.join("thesis.tmp")).unwrap();
    succeeds(&rfx_train(args));
    assert_eq!(
        support::names(&out),
        ["checkpoint.safetensors", "events.out.tfevents.0.rfx", "metrics.jsonl", "run.json"]
    );
}

/// One byte of one image: the run stops with its name, and does not pass for one that ended.
#[test]
fn a_damaged_data_set_stops_the_run_and_says_where() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let shards = support::names(&data);
    let shard = shards.iter().find(|n| n.starts_with("train")).unwrap();
    let mut bytes = fs::read(data.join(shard)).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(data.join(shard), bytes).unwrap();
    let args = ["run", "--quiet", "--epochs", "2", "--data", text(&data), "--out", text(&out)];
    let error = fails_with(1, &rfx_train(args));
    assert!(error.contains(shard.as_str()) && error.contains("39"), "{error}"); // the last record
    assert!(RunFolder::at(&out).read_manifest().unwrap().outcome.is_none());
    assert!(!out.join("checkpoint.safetensors").exists());
}

#[test]
fn damaged_runs_are_refused_by_file() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    succeeds(&rfx_train(["run", "--quiet", "--epochs", "2", "--data", text(&data), "--out", text(&out)]));
    for (file, damage) in [
        ("checkpoint.safetensors", &|b: &mut Vec<u8>| b.truncate(b.len() / 2) as _),
        ("checkpoint.safetensors", &|b: &mut Vec<u8>| b.clear()),
        ("run.json", &|b: &mut Vec<u8>| b.truncate(100)),
        ("metrics.jsonl", &|b: &mut Vec<u8>| b.clear()),
    ] as [(&str, &dyn Fn(&mut Vec<u8>)); 4]
    {
        let path = out.join(file);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let args = ["run", "--quiet", "--resume", "--epochs", "3", "--out", text(&out)];
        let error = fails_with(2, &rfx_train(args));
        assert!(error.contains(text(&path)) && error.contains("train again"), "{error}");
        fs::write(&path, whole).unwrap();
    }
    // A folder in a file's place cannot be read.
    fs::remove_file(out.join("checkpoint.safetensors")).unwrap();
    fs::create_dir(out.join("checkpoint.safetensors")).unwrap();
    let error = fails_with(3, &rfx_train(["eval", text(&out)]));
    assert!(error.contains("checkpoint.safetensors: read"), "{error}");
}

#[test]
fn a_report_is_written_over_another_only_when_asked() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out, page) = (tmp.path().join("data"), tmp.path().join("run"), tmp.path().join("report"));
    support::tiny(&data);
    succeeds(&rfx_train(["run", "--quiet", "--epochs", "1", "--data", text(&data), "--out", text(&out)]));
    let printed = succeeds(&rfx_train(["report", text(&out), "--out", text(&page)]));
    assert_eq!(Path::new(printed.trim()), page.join("index.html"));
    assert!(page.join("fig1a.png").exists() && page.join("summary.csv").exists());
    fs::write(page.join("index.html"), "mine").unwrap();
    let error = fails_with(2, &rfx_train(["report", text(&out), "--out", text(&page)]));
    assert!(error.contains("--replace"), "{error}");
    assert_eq!(fs::read_to_string(page.join("index.html")).unwrap(), "mine");
    succeeds(&rfx_train(["report", text(&out), "--replace", "--out", text(&page)]));
    assert!(fs::read_to_string(page.join("index.html")).unwrap().contains("<html"));
    let error = fails_with(2, &rfx_train(["report", text(&data), "--replace", "--out", text(&page)]));
    assert!(error.contains("no run here"), "{error}");
}

#[test]
fn a_changed_configuration_is_refused_at_resume() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    succeeds(&rfx_train(["run", "--quiet", "--epochs", "1", "--data", text(&data), "--out", text(&out)]));
    let args =
        ["run", "--quiet", "--resume", "--out", text(&out), "--epochs", "2", "--corrupt", "random-labels"];
    let error = fails_with(2, &rfx_train(args));
    assert!(
        ["corruption is random-labels now and was true-labels", "new run"].iter().all(|w| error.contains(w)),
        "{error}"
    );
    assert_eq!(support::timeless_metrics(&out).len(), 1);
}

/// What was the default is no change when it is written out.
#[test]
fn the_default_crop_may_be_written_out_at_resume() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    succeeds(&rfx_train(["run", "--quiet", "--epochs", "1", "--data", text(&data), "--out", text(&out)]));
    let resume = |crop| {
        rfx_train(["run", "--quiet", "--resume", "--epochs", "2", "--out", text(&out), "--crop", crop])
    };
    let error = fails_with(2, &resume("random:28"));
    assert!(error.contains("crop is random:28 now and was center:28"), "{error}");
    succeeds(&resume("center:28"));
}

/// Starts a long run and waits until it has finished an epoch.
fn long_run(data: &Path, out: &Path) -> Child {
    let mut command = support::command();
    command.args(["run", "--epochs", "100000", "--checkpoint-every", "1", "--threads", "1"]);
    command.args(["--data", text(data), "--out", text(out)]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !out.join("checkpoint.safetensors").exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "no checkpoint after a minute");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

fn signal(child: &Child, name: &str) {
    let status = std::process::Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(status.unwrap().success());
}

#[test]
fn ctrl_c_writes_a_checkpoint_and_exits_with_130() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    for name in ["-INT", "-TERM"] {
        let child = long_run(&data, &out);
        signal(&child, name);
        let error = fails_with(130, &child.wait_with_output().unwrap());
        let (stopping, stopped) = error.split_once("interrupted after").unwrap();
        assert!(stopping.contains("stopping after this step"), "{error}");
        assert!(stopped.contains("go on with: rfx-train run --resume"), "{error}");
        let state = Checkpoint::read(&out.join("checkpoint.safetensors")).unwrap().state;
        assert!(state.step >= u64::from(state.epoch) * 2);
        let more = (state.epoch + 1).to_string();
        succeeds(&rfx_train(["run", "--resume", "--quiet", "--epochs", &more, "--out", text(&out)]));
        assert_eq!(support::timeless_metrics(&out).len() as u32, state.epoch + 1);
        fs::remove_dir_all(&out).unwrap();
    }
}

/// A run folder whose `run.json` blocks whoever reads it: a process that certainly is in the middle of something.
fn blocking_run(dir: &Path) -> std::path::PathBuf {
    let out = dir.join("blocking");
    fs::create_dir(&out).unwrap();
    let made = std::process::Command::new("mkfifo").arg(out.join("run.json")).status().unwrap();
    assert!(made.success());
    out
}

/// Starts `rfx-train`, waits until it reads `run.json` of `out`, and returns it with the writing end.
fn reading(args: &[&str], out: &Path) -> (Child, fs::File) {
    let child = support::command().args(args).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let writer = fs::OpenOptions::new().write(true).open(out.join("run.json")).unwrap();
    (child, writer)
}

#[test]
fn commands_without_a_checkpoint_end_at_the_first_signal() {
    let tmp = tempfile::tempdir().unwrap();
    let (out, page) = (blocking_run(tmp.path()), tmp.path().join("report"));
    for args in [&["eval", text(&out)][..], &["report", text(&out), "--out", text(&page)]] {
        let (child, writer) = reading(args, &out);
        signal(&child, "-INT");
        drop(writer);
        let status = child.wait_with_output().unwrap().status;
        assert_eq!(status.signal(), Some(2), "{args:?}: {status:?}");
    }
}

/// Exit code 130 says that there is a checkpoint: who does not wait for one does not get it.
#[test]
fn the_second_signal_kills() {
    let tmp = tempfile::tempdir().unwrap();
    let out = blocking_run(tmp.path());
    for (name, number) in [("-INT", 2), ("-TERM", 15)] {
        let (mut child, _writer) = reading(&["run", "--resume", "--out", text(&out)], &out);
        signal(&child, name);
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("stopping after this step"), "{line}");
        signal(&child, name);
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(number), "{status:?}");
    }
}

#[test]
fn a_killed_run_goes_on_from_its_last_checkpoint() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let mut child = long_run(&data, &out);
    child.kill().unwrap();
    child.wait().unwrap();
    let state = Checkpoint::read(&out.join("checkpoint.safetensors")).unwrap().state;
    let more = (state.epoch + 2).to_string();
    succeeds(&rfx_train(["run", "--resume", "--quiet", "--epochs", &more, "--out", text(&out)]));
    let epochs: Vec<u32> = support::timeless_metrics(&out).iter().map(|m| m.epoch).collect();
    assert_eq!(epochs, (1..=state.epoch + 2).collect::<Vec<_>>());
}

/// The checkpoint does not fit: one error, and neither half a checkpoint nor a temporary file stays.
#[test]
fn a_full_disk_leaves_no_half_checkpoint() {
    let test = "a_full_disk_leaves_no_half_checkpoint";
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::tiny(&data);
    // A namespace of its own: the mount is gone with the process, whatever happens.
    let small_disk = |script: &str| {
        let script = format!(
            "mount -t tmpfs -o size=200k none '{}' || exit 99\n{script}",
            text(tmp.path()).to_owned() + "/disk"
        );
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).output().unwrap()
    };
    fs::create_dir(tmp.path().join("disk")).unwrap();
    if !small_disk("true").status.success() {
        return support::skip("mount", test, "cannot mount a small tmpfs in a namespace of its own");
    }
    let out = tmp.path().join("disk/run");
    let (program, data, out) = (env!("CARGO_BIN_EXE_rfx-train"), text(&data), text(&out));
    let output = small_disk(&format!(
        "'{program}' run --quiet --epochs 2 --data '{data}' --out '{out}'; code=$?; ls -A '{out}'; exit $code"
    ));
    let error = fails_with(3, &output);
    assert!(error.contains("checkpoint.safetensors: write") && error.contains("space"), "{error}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "events.out.tfevents.0.rfx\nmetrics.jsonl\nrun.json"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let mut command = support::command();
    command.args(["run", "--epochs", "2", "--json", "--data", text(&data), "--out", text(&out)]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(child.wait().unwrap().success() && !error.contains("panicked"), "{error}");
    assert!(RunFolder::at(&out).read_manifest().unwrap().outcome.is_some());
}

/// Where there is no card: an error of the environment that says what is missing, not a crash.
#[test]
fn a_missing_card_is_explained() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let args = ["run", "--device", "cuda:63", "--epochs", "1", "--data", text(&data), "--out", text(&out)];
    let error = fails_with(3, &rfx_train(args));
    assert!(error.contains("libtorch_cuda.so") || error.contains("nvidia-smi"), "{error}");
    assert!(!out.exists());
    let args = ["run", "--device", "gpu", "--data", text(&data), "--out", text(&out)];
    assert!(fails_with(2, &rfx_train(args)).contains("cpu or cuda:N"));
}

/// Somebody truncates a shard while it is mapped and being read: an error that names it, not SIGBUS.
#[test]
fn a_shard_that_shrinks_under_a_run_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::small(&data);
    let child = long_run(&data, &out);
    for shard in support::names(&data).iter().filter(|n| n.starts_with("train")) {
        fs::OpenOptions::new().write(true).open(data.join(shard)).unwrap().set_len(4096).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code == 1 || code == 3), "{:?}: {error}", output.status);
    assert!(error.contains("train-00") && error.contains("error:"), "{error}");
}

/// Inception v3 leaves nothing of a small image: it is said before anything is written.
#[test]
fn a_network_that_needs_larger_images_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("run"));
    support::tiny(&data);
    let output = rfx_train(["run", "--model", "inception-v3", "--data", text(&data), "--out", text(&out)]);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        error.contains("inception-v3 for images of 6 x 6: expected images of 75 x 75 or more"),
        "{error}"
    );
    assert!(!out.exists());
}
