//! `rfx-inspect ledger` on what `rfx-bench --ledger` wrote, whole, torn and changed.

mod program;

use std::{fs, path::Path};

use program::{BENCH, INSPECT, Ran, generated, run, run_limited};

fn bench(options: &str, ledger: &Path) -> Ran {
    let options = format!("--epochs 1 --threads 1 --dtype u8 --batch 1000 {options} --ledger");
    run(BENCH, &options, &[&ledger, &generated("ledger")])
}

fn inspect(options: &str, ledgers: &Path) -> Ran {
    run(INSPECT, &format!("ledger {options} --data {}", generated("ledger").display()), &[&ledgers])
}

#[test]
fn a_run_is_sound_and_a_changed_ledger_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("rank-0.ledger");
    fs::write(folder.path().join("metrics.jsonl"), "{}").unwrap(); // no ledger, by its name
    bench("", &ledger).ended(0);
    let sound = fs::read_to_string(&ledger).unwrap();
    assert_eq!(sound.lines().count(), 1 + 2 * 10); // the epoch that warms up, and the one that is timed
    let text = inspect("", folder.path()).ended(0).out;
    for part in ["epoch 0   every sample once (10,000)\n", "epoch 1   every", "\nsound     2 epochs"] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let json = inspect("--json", &ledger).ended(0).json();
    assert_eq!((&json["schema"], &json["sound"]), (&"rfx.ledger/1".into(), &true.into()));
    assert_eq!(
        (json["epochs"][1]["once"].as_u64(), json["runs"][0]["world"].as_u64()),
        (Some(10_000), Some(1))
    );

    // Another row begins anew, as a restart without a checkpoint does, and is told apart from seeing samples twice.
    bench("", &ledger).ended(0);
    let text = inspect("", &ledger).ended(0).out;
    assert!(text.contains("20,000 from epoch 0, step 0 on replaced by a restart"), "{text}");
    assert!(text.contains("10,000 taken again after a restart"), "{text}");

    let lines: Vec<&str> = sound.lines().collect();
    fs::write(&ledger, [&lines[..3], &lines[2..5], &lines[6..]].concat().join("\n") + "\n").unwrap();
    let text = inspect("", &ledger).ended(1).out;
    for part in ["missing 1,000 samples", "step 4: 1,000 samples: id ", "doubled 1,000", "step 1: ", "wrong "]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let json = inspect("--json", &ledger).ended(1).json();
    assert_eq!(json["epochs"][0]["missing"]["places"][0]["step"], 4);

    fs::write(&ledger, &sound[..sound.len() - 30]).unwrap();
    let text = inspect("", &ledger).ended(0).out;
    assert!(text.contains("rank-0.ledger: line 21 was not finished"), "{text}");
    assert!(text.contains("epoch 1   unfinished: 9,000 samples of 9 steps of 10 once"), "{text}");
}

#[test]
fn what_is_no_ledger_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine");
    inspect("", folder.path()).refused(2, &["named *.ledger"]);
    inspect("", &mine).refused(2, &["mine", "cannot read"]);
    fs::write(&mine, "precious").unwrap();
    inspect("", &mine).refused(2, &["mine", "no ledger", "precious"]);
    bench("", &mine).refused(2, &["mine", "no ledger", "precious"]);
    assert_eq!(fs::read_to_string(&mine).unwrap(), "precious");
    run(INSPECT, "ledger", &[&mine]).refused(2, &["--data"]);
    // Of another seed: both are named.
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    bench("--seed 1", &one).ended(0);
    bench("--seed 2", &other).ended(0);
    let data = format!("ledger --data {}", generated("ledger").display());
    run(INSPECT, &data, &[&one, &other]).refused(2, &["other: line 1", "seed 2", "1", "help: "]);
}

/// A full disk ends the run where its ledger ends, so that no batch goes unrecorded; what was written is a ledger.
#[test]
fn a_full_disk_under_a_ledger_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("a.ledger");
    let options = "--epochs 100 --threads 1 --batch 100 --dtype u8 --ledger";
    let ran = run_limited(8, BENCH, options, &[&ledger, &generated("ledger")]);
    ran.refused(3, &["a.ledger", "cannot write", "help: "]);
    let text = inspect("", &ledger).ended(0).out;
    assert!(text.contains("was not finished") && text.contains("unfinished"), "{text}");
}
