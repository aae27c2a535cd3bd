//! `rfx-train demo`: its report, and how it goes on.

mod support;

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use rfx_trainer::folder::RunFolder;
use support::{fails_with, rfx_train, succeeds, text};

const VARIANTS: [&str; 6] = [
    "true-labels",
    "partially-corrupted-0.5",
    "random-labels",
    "shuffled-pixels",
    "random-pixels",
    "gaussian",
];

/// Epochs of each variant in `out`.
fn epochs(out: &Path) -> Vec<u32> {
    let outcome = |name| RunFolder::at(&out.join("runs").join(name)).read_manifest().unwrap().outcome;
    VARIANTS.iter().map(|name| outcome(name).map_or(0, |outcome| outcome.epochs)).collect()
}

#[test]
fn a_demo_ends_with_a_report_and_goes_on_with_the_same_settings_only() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("demo"));
    support::small(&data);
    let demo = |args: &[&str]| {
        let base = ["demo", "--quiet", "--threads", "1", "--out", text(&out)];
        support::command().args(base).args(args).output().unwrap()
    };
    let table = succeeds(&demo(&["--data", text(&data), "--epochs", "1"]));
    for words in ["true labels", "random labels", "gaussian", "not in 1", "index.html"] {
        assert!(table.to_lowercase().contains(words), "{words}: {table}");
    }
    assert_eq!(epochs(&out), [1; 6]);
    assert!(fs::read_to_string(out.join("report/index.html")).unwrap().contains("</html>"));

    let checkpoint = || fs::read(out.join("runs/true-labels/checkpoint.safetensors")).unwrap();
    let before = checkpoint();
    let again = ["--resume", "--data", text(&data)];
    let seed = fails_with(2, &demo(&[&again[..], &["--seed", "2"]].concat()));
    assert!(seed.contains("seed is 2 now and was 1"), "{seed}");
    let other = tmp.path().join("other");
    support::generated(&other);
    let content = fails_with(2, &demo(&["--resume", "--data", text(&other)]));
    assert!(content.contains("data set"), "{content}");
    assert!(checkpoint() == before);

    // More epochs are no other demo; what was finished is trained on.
    succeeds(&demo(&[&again[..], &["--epochs", "2"]].concat()));
    assert_eq!(epochs(&out), [2; 6]);
    succeeds(&demo(&[&again[..], &["--epochs", "2"]].concat()));

    // A damaged run is no new one.
    fs::write(out.join("runs/gaussian/run.json"), "{").unwrap();
    let damaged = fails_with(2, &demo(&again));
    assert!(damaged.contains("gaussian/run.json"), "{damaged}");
}

fn wait_for(path: &Path, child: &mut Child) {
    let started = Instant::now();
    while !path.exists() {
        assert!(started.elapsed() < Duration::from_secs(60), "no {} after a minute", path.display());
        assert!(child.try_wait().unwrap().is_none(), "the demo ended before {}", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_interrupted_demo_goes_on() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out) = (tmp.path().join("data"), tmp.path().join("demo"));
    support::small(&data);
    let args = ["demo", "--data", text(&data), "--out", text(&out), "--epochs", "3", "--threads", "1"];
    let mut child =
        support::command().args(args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&out.join("runs/partially-corrupted-0.5/run.json"), &mut child);
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    let error = fails_with(130, &child.wait_with_output().unwrap());
    assert!(error.contains("add --resume to the same command"), "{error}");
    assert!(!out.join("report").exists());
    let error = fails_with(2, &rfx_train(args));
    assert!(error.contains("something here already") && error.contains("--resume"), "{error}");
    succeeds(&support::command().args(args).args(["--resume", "--quiet"]).output().unwrap());
    assert!(epochs(&out).iter().all(|e| (1..=3).contains(e)) && out.join("report/index.html").exists());
}
