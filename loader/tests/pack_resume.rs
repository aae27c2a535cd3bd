//! A pack stopped, killed, repeated or pointed at the wrong folder: it goes on, or refuses, and the bytes are the same.

#[path = "samples/mod.rs"]
mod samples;

use std::{
    fs,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use rfx_loader::{
    ErrorKind,
    dataset::{Class, Dataset, Verify},
    digest::Digest,
    pack::{PackError, PackOptions, PackOrder, PackProgress, pack},
    source::{SourceFile, SourceSplit},
};
use samples::{Small, options, overwrite, pack_to, tree};

const CHILD_DIR: &str = "RFX_TEST_PACK_DIR";
const KILL_AFTER: &str = "RFX_TEST_KILL_AFTER";

fn source(delay: Duration) -> Small {
    Small { delay, ..Small::new(400, 80) }
}

fn child_options() -> PackOptions {
    PackOptions { jobs: 2, shard_bytes: 2500, order: PackOrder::Shuffled { seed: 9 }, ..Default::default() }
}

/// Not a test of its own: the process that `killed_at_any_moment...` kills.
#[test]
#[ignore = "run by killed_at_any_moment_a_rerun_gives_the_same_bytes"]
fn child_packs() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let kill_after = std::env::var(KILL_AFTER).ok().map(|n| Arc::new(n.parse::<usize>().unwrap().into()));
    let source = Small { kill_after, ..source(Duration::from_micros(50)) };
    pack_to(&source, Path::new(&dir), &child_options()).unwrap();
}

/// A child that packs to `dir` and, if told so, kills itself in the middle of that read.
fn spawn(dir: &Path, kill_after: Option<usize>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_packs", "--ignored"]).env(CHILD_DIR, dir);
    if let Some(n) = kill_after {
        command.env(KILL_AFTER, n.to_string());
    }
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Whatever a killed pack left: an index only if everything is whole.
fn assert_whole_or_unfinished(dir: &Path) {
    if dir.join("dataset.json").exists() {
        assert!(Dataset::open(dir, Verify::Once).unwrap().verify(&()).unwrap().is_sound());
    }
}

#[test]
fn killed_at_any_moment_a_rerun_gives_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let whole = tmp.path().join("whole");
    pack_to(&source(Duration::ZERO), &whole, &child_options()).unwrap();
    let expected = tree(&whole);
    assert!(expected.len() > 8);
    let finish = |dir: &Path| {
        assert_whole_or_unfinished(dir);
        let report = pack_to(&source(Duration::ZERO), dir, &child_options()).unwrap();
        assert!(tree(dir) == expected, "{}", dir.display());
        report
    };

    // In the middle of a chosen read, and again in the middle of the run that goes on: sure to hit.
    for at in (0..480).step_by(24) {
        let dir = tmp.path().join(format!("read{at}"));
        for kill_after in [at, at * 3 / 4] {
            assert_eq!(spawn(&dir, Some(kill_after)).wait().unwrap().signal(), Some(9), "{at}");
            assert!(!dir.join("dataset.json").exists());
        }
        let report = finish(&dir);
        // Two jobs have at most two shards (of 56 or 57 rows) in the making.
        assert!(!report.already_complete && report.resumed_shards + 2 >= at / 57, "{at}: {report:?}");
    }
    // At any time at all: during writes, syncs and renames too.
    let started = Instant::now();
    assert!(spawn(&tmp.path().join("timing"), None).wait().unwrap().success());
    let full = started.elapsed();
    for cycle in 0..15 {
        let dir = tmp.path().join(format!("time{cycle}"));
        let mut child = spawn(&dir, None);
        std::thread::sleep(full.mul_f64(f64::from(cycle) / 14.0));
        child.kill().unwrap();
        child.wait().unwrap();
        finish(&dir);
    }
}

/// Cancels after so many samples.
struct CancelAfter(AtomicU64, AtomicBool);

impl PackProgress for CancelAfter {
    fn packed(&self, samples: u64, _bytes: u64) {
        if self.0.fetch_sub(samples, Ordering::Relaxed) <= samples {
            self.1.store(true, Ordering::Relaxed);
        }
    }
}

#[test]
fn a_cancelled_pack_says_so_leaves_no_index_and_goes_on() {
    let tmp = tempfile::tempdir().unwrap();
    let (whole, dir) = (tmp.path().join("whole"), tmp.path().join("cancelled"));
    pack_to(&source(Duration::ZERO), &whole, &child_options()).unwrap();
    let watch = CancelAfter(AtomicU64::new(150), AtomicBool::new(false));
    let error = pack(&source(Duration::ZERO), &dir, &child_options(), &watch, &watch.1).unwrap_err();
    assert!(matches!(error, PackError::Interrupted { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(dir.join("plan.json").exists() && !dir.join("dataset.json").exists());
    let temps: Vec<_> = tree(&dir).into_keys().filter(|n| n.ends_with(".rfx-tmp")).collect();
    assert!(temps.is_empty(), "{temps:?}");
    let error = Dataset::open(&dir, Verify::Once).unwrap_err().to_string();
    assert!(error.contains("unfinished pack"), "{error}");
    let report = pack_to(&source(Duration::ZERO), &dir, &child_options()).unwrap();
    assert!(report.resumed_shards > 0 && !report.already_complete);
    assert!(tree(&dir) == tree(&whole));
}

#[test]
fn a_finished_pack_is_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let first = pack_to(&Small::new(10, 2), tmp.path(), &options(1, 1 << 27)).unwrap();
    let before = tree(tmp.path());
    // A run killed between its last two steps leaves the journal.
    fs::write(tmp.path().join("plan.json"), "{}").unwrap();
    fs::write(tmp.path().join(".plan.json.rfx-tmp"), "").unwrap();
    let again = pack_to(&Small::new(10, 2), tmp.path(), &options(3, 1 << 27)).unwrap();
    assert!(again.already_complete && again.content == first.content && again.pack == first.pack);
    assert!(tree(tmp.path()) == before);
}

fn unfinished(dir: &Path) {
    let cancel = AtomicBool::new(true);
    assert!(pack(&Small::new(10, 2), dir, &options(1, 1 << 27), &(), &cancel).is_err());
    assert!(dir.join("plan.json").exists());
}

#[test]
fn another_plan_is_refused_with_both_digests() {
    let tmp = tempfile::tempdir().unwrap();
    let (half, done) = (tmp.path().join("half"), tmp.path().join("done"));
    unfinished(&half);
    pack_to(&Small::new(10, 2), &done, &options(1, 1 << 27)).unwrap();
    let others: [(Small, PackOptions); 3] = [
        (Small::new(11, 2), options(1, 1 << 27)),
        (Small::new(10, 2), options(1, 100)),
        (Small::new(10, 2), PackOptions { order: PackOrder::Shuffled { seed: 1 }, ..options(1, 1 << 27) }),
    ];
    for dir in [&half, &done] {
        fs::write(dir.join(".plan.json.rfx-tmp"), "of another pack, perhaps at work").unwrap();
        let before = tree(dir);
        for (source, options) in &others {
            let error = pack_to(source, dir, options).unwrap_err();
            let PackError::OtherPlan { expected, found, .. } = &error else { panic!("{error}") };
            assert_ne!(expected, found);
            assert!(error.to_string().contains(&expected.to_string()));
            assert!(error.to_string().contains(&found.to_string()));
            assert_eq!(error.kind(), ErrorKind::Input);
        }
        assert!(tree(dir) == before, "a refused pack must touch nothing");
    }
}

#[test]
fn a_folder_that_is_not_ours_is_refused_untouched() {
    let tmp = tempfile::tempdir().unwrap();
    fs::write(tmp.path().join("thesis.tex"), "years of work").unwrap();
    let error = pack_to(&Small::new(10, 2), tmp.path(), &options(1, 1 << 27)).unwrap_err();
    assert!(
        matches!(error, PackError::NotEmpty { .. }) && error.to_string().contains("thesis.tex"),
        "{error}"
    );
    assert_eq!(tree(tmp.path()).len(), 1);
    let file = tmp.path().join("thesis.tex");
    let error = pack_to(&Small::new(10, 2), &file, &options(1, 1 << 27)).unwrap_err().to_string();
    assert!(error.contains("a file"), "{error}");
    // Not even beside an unfinished pack is a strange file tolerated.
    let half = tmp.path().join("half");
    unfinished(&half);
    fs::write(half.join("notes.txt"), "mine").unwrap();
    fs::write(half.join(".a.rfx-tmp"), "").unwrap();
    let before = tree(&half);
    let error = pack_to(&Small::new(10, 2), &half, &options(1, 1 << 27)).unwrap_err().to_string();
    assert!(error.contains("notes.txt"), "{error}");
    assert!(tree(&half) == before);
}

#[test]
fn leftovers_and_wrong_shards_of_an_earlier_run_are_replaced() {
    let tmp = tempfile::tempdir().unwrap();
    let (whole, dir) = (tmp.path().join("whole"), tmp.path().join("dir"));
    let small = Small::new(100, 10);
    pack_to(&small, &whole, &options(1, 2500)).unwrap();
    let expected = tree(&whole);
    let train: Vec<PathBuf> =
        expected.keys().filter(|n| n.starts_with("train")).map(|n| dir.join(n)).collect();
    assert!(train.len() >= 2);

    fs::create_dir(&dir).unwrap();
    fs::write(dir.join(".plan.json.rfx-tmp"), "half a pla").unwrap();
    assert!(pack(&small, &dir, &options(1, 2500), &(), &AtomicBool::new(true)).is_err());
    for (name, bytes) in &expected {
        if name != "dataset.json" {
            fs::write(dir.join(name), bytes).unwrap();
        }
    }
    // As after a power cut: one shard with a wrong byte in its data, one cut short, one half-written.
    let mut wrong = fs::read(&train[0]).unwrap();
    *wrong.last_mut().unwrap() ^= 1;
    overwrite(&train[0], &wrong);
    overwrite(&train[1], b"short");
    fs::write(dir.join(".train-00002-of-00003.safetensors.rfx-tmp"), "half").unwrap();
    let report = pack_to(&small, &dir, &options(1, 2500)).unwrap();
    assert_eq!(report.resumed_shards, report.shards - 2);
    assert!(tree(&dir) == expected);
}

#[test]
fn a_damaged_journal_or_output_is_refused_with_what_to_do() {
    let tmp = tempfile::tempdir().unwrap();
    let half = tmp.path().join("half");
    unfinished(&half);
    let journal = fs::read_to_string(half.join("plan.json")).unwrap();
    for bad in [
        "",
        "{",
        "[]",
        &journal.replace("\"samples\": 10", "\"samples\": 12"),
        &journal.replace("plan/2", "plan/3"),
    ] {
        fs::write(half.join("plan.json"), bad).unwrap();
        let error = pack_to(&Small::new(10, 2), &half, &options(1, 1 << 27)).unwrap_err();
        assert!(
            matches!(error, PackError::Journal { .. }) && error.to_string().contains("plan.json"),
            "{error}"
        );
        if bad.contains("plan/3") {
            let text = error.to_string();
            assert!(text.contains("plan.json: format: expected rfx-plan/2, found rfx-plan/3"), "{text}");
        }
    }
    let done = tmp.path().join("done");
    pack_to(&Small::new(10, 2), &done, &options(1, 1 << 27)).unwrap();
    let index = fs::read(done.join("dataset.json")).unwrap();
    let mut flipped = index.clone();
    let digit = flipped.iter().position(u8::is_ascii_digit).unwrap();
    flipped[digit + 100] ^= 1;
    for bad in [&flipped[..], &index[..700], b"", b"{}"] {
        fs::write(done.join("dataset.json"), bad).unwrap();
        let error = pack_to(&Small::new(10, 2), &done, &options(1, 1 << 27)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        let text = error.to_string();
        assert!(
            text.contains("dataset.json") && text.ends_with("; delete the output folder and pack again"),
            "{text}"
        );
    }
    fs::write(done.join("dataset.json"), index).unwrap();
    fs::remove_file(samples::shard_path(&done, "test")).unwrap();
    let error = pack_to(&Small::new(10, 2), &done, &options(1, 1 << 27)).unwrap_err().to_string();
    assert!(error.contains("test-00000-of-00001") && error.contains("delete the output folder"), "{error}");
}

#[test]
fn a_folder_another_pack_is_writing_to_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let held = fs::File::open(tmp.path()).unwrap();
    held.try_lock().unwrap();
    let error = pack_to(&Small::new(10, 2), tmp.path(), &options(1, 1 << 27)).unwrap_err();
    assert!(matches!(error, PackError::Busy { .. }), "{error}");
    held.unlock().unwrap(); // not just closed: a process that another test starts may hold a copy until its exec
    pack_to(&Small::new(10, 2), tmp.path(), &options(1, 1 << 27)).unwrap();
}

#[test]
fn labels_out_of_range_and_impossible_plans_are_refused_and_leave_no_index() {
    let tmp = tempfile::tempdir().unwrap();
    let refused = |name: &str, source: &Small, options: &PackOptions| {
        let dir = tmp.path().join(name);
        let error = pack_to(source, &dir, options).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        assert!(!dir.join("dataset.json").exists());
        error.to_string()
    };
    let normal = options(1, 1 << 27);
    let text = refused("label", &Small { label_offset: 100, ..Small::new(5, 2) }, &normal);
    assert!(text.contains("sample 0 of split train") && text.contains("0..3"), "{text}");
    assert!(refused("empty", &Small::new(0, 2), &normal).contains("samples of split train"));
    let mut twice = Small::new(5, 2);
    twice.splits[1].name = "train".into();
    assert!(refused("twice", &twice, &normal).contains("split name"));
    twice.splits[1].name = "../test".into();
    assert!(refused("path", &twice, &normal).contains("split name"));
    assert!(refused("classes", &Small { classes: vec![], ..Small::new(5, 2) }, &normal).contains("classes"));
    let many = (0..=1 << 20).map(|i: u32| Class::named(i.to_string())).collect();
    assert!(
        refused("2^20", &Small { classes: many, ..Small::new(5, 2) }, &normal).contains("at most 1048576")
    );
    let mut many = Small::new(5, 2);
    many.splits = (0..65).map(|i| SourceSplit { name: format!("s{i}"), samples: 1 }).collect();
    assert!(refused("65", &many, &normal).contains("splits: expected at most 64, found 65"));
    // A name that fits the plan's file, but not the index, which says more; and one that fits neither.
    for (bytes, what) in
        [((64 << 20) - 2500, "the index of this data set"), (64 << 20, "names of classes and files")]
    {
        let files = vec![SourceFile { name: "x".repeat(bytes), bytes: 1, digest: Digest::of(b"") }];
        let text = refused(what, &Small { files, ..Small::new(5, 2) }, &normal);
        assert!(text.contains(what) && text.contains("67108864"), "{text}");
    }
    assert!(refused("jobs", &Small::new(5, 2), &options(0, 1 << 27)).contains("jobs"));
    assert!(refused("bytes", &Small::new(5, 2), &options(1, 0)).contains("shard bytes"));
    assert!(refused("many", &Small::new(20_000, 2), &options(1, 1)).contains("16384"));
}
