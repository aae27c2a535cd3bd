//! Ctrl-C, SIGTERM, kill -9, and shards that shrink while they are read.
//!
//! No test here relies on timing: each watches the program until it is where it shall be stopped, and where the
//! program was over before that was seen, it is started anew.

mod program;

use std::{
    fs::File,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use program::{INSPECT, PACK, contents, copy, generated, names, run, send, wait_until_mapped};

/// Attempts to catch a program at work before the test gives up.
const ATTEMPTS: usize = 50;

const SHARD: &str = "train-00000-of-00001.safetensors";

fn start(program: &str, args: &[&str], path: &Path) -> Child {
    let mut command = Command::new(program);
    command.args(args).arg(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn shards(out: &Path) -> usize {
    names(out).iter().filter(|n| n.ends_with(".safetensors")).count()
}

/// Packs to `out` in many small shards, and does `stop` to the pack once it has written some of them.
fn stopped(out: &Path, stop: impl Fn(&mut Child)) -> Output {
    for _ in 0..ATTEMPTS {
        if out.exists() {
            std::fs::remove_dir_all(out).unwrap();
        }
        let mut child = start(PACK, &["generated", "--shard-size", "1", "--jobs", "1", "--out"], out);
        while shards(out) < 2 && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        if child.try_wait().unwrap().is_none() {
            stop(&mut child);
        }
        let output = child.wait_with_output().unwrap();
        // One that was killed between its last two steps is over as well: its index is in place.
        let over = output.status.success()
            || (output.status.signal().is_some() && out.join("dataset.json").exists());
        if !over {
            return output;
        }
    }
    panic!("the pack was over {ATTEMPTS} times before it could be stopped");
}

/// The pack in `out` is unfinished and says so; the same command goes on, to the bytes of an undisturbed pack.
fn same_command_goes_on(out: &Path, fresh: &Path) {
    assert!(!out.join("dataset.json").exists());
    run(INSPECT, "info", &[&out])
        .refused(2, &["an unfinished pack", "help: run the same rfx-pack command again"]);
    let again = run(PACK, "generated --shard-size 1 --jobs 4 --json --out", &[&out]).ended(0);
    assert!(again.json()["resumed_shards"].as_u64().unwrap() >= 2, "{again:?}");
    assert!(again.err.contains("of an earlier run"), "{}", again.err);
    assert!(contents(out) == contents(fresh));
}

#[test]
fn a_pack_that_is_interrupted_or_killed_goes_on_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let fresh = folder.path().join("fresh");
    run(PACK, "generated --shard-size 1 -q --out", &[&fresh]).ended(0);
    for signal in ["INT", "TERM"] {
        let out = folder.path().join(signal);
        let output = stopped(&out, |child| send(signal, child));
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains("error: ") && err.contains("stopped before the end"), "{err}");
        assert!(err.contains("help: run the same command again to go on"), "{err}");
        assert!(output.stdout.is_empty());
        assert!(!names(&out).iter().any(|n| n.ends_with(".rfx-tmp")), "{:?}", names(&out));
        same_command_goes_on(&out, &fresh);
    }
    let out = folder.path().join("KILL");
    let output = stopped(&out, |child| child.kill().unwrap());
    assert_eq!(output.status.signal(), Some(9));
    same_command_goes_on(&out, &fresh);
    run(INSPECT, "verify -q", &[&out]).ended(0);
}

#[test]
fn a_pack_to_a_folder_that_another_is_writing_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    std::fs::create_dir(&out).unwrap();
    let held = File::open(&out).unwrap();
    held.try_lock().unwrap(); // as a pack at work does
    run(PACK, "generated -q --out", &[&out]).refused(3, &["another at work", "help: wait for it"]);
    assert!(names(&out).is_empty());
}

#[test]
fn a_verification_that_is_interrupted_says_so() {
    for _ in 0..ATTEMPTS {
        let mut child = start(INSPECT, &["verify"], generated("interruptions"));
        if wait_until_mapped(&mut child, SHARD) {
            send("INT", &child);
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            continue;
        }
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(err.contains("stopped before the end") && err.contains("help: nothing was changed"), "{err}");
        assert!(output.stdout.is_empty(), "{output:?}");
        return;
    }
    panic!("the verification was over {ATTEMPTS} times before it could be stopped");
}

#[test]
fn an_output_that_is_interrupted_is_not_left() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // The whole train split in one batch, so that there is something to write for a while.
    let options = "batch --corrupt true-labels --seed 1 --batch 10000 --out";
    let args: Vec<&str> = options.split(' ').chain(out.to_str()).collect();
    for _ in 0..ATTEMPTS {
        let mut child = start(INSPECT, &args, generated("interruptions"));
        while names(folder.path()).is_empty() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        if child.try_wait().unwrap().is_none() {
            send("INT", &child);
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            std::fs::remove_file(&out).unwrap();
            continue;
        }
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert!(
            err.contains("out: stopped before the end") && err.contains("help: nothing was written"),
            "{err}"
        );
        assert!(names(folder.path()).is_empty() && output.stdout.is_empty(), "{:?}", names(folder.path()));
        return;
    }
    panic!("the output was written {ATTEMPTS} times before it could be stopped");
}

#[test]
fn a_command_with_nothing_to_clean_up_ends_at_once_with_130() {
    for _ in 0..ATTEMPTS {
        let mut child = start(
            INSPECT,
            &["labels", "--corrupt", "random-labels", "--seed", "1"],
            generated("interruptions"),
        );
        // Its rows do not fit the pipe, which nobody reads before the signal.
        if wait_until_mapped(&mut child, SHARD) {
            send("TERM", &child);
        }
        let output = child.wait_with_output().unwrap();
        if output.status.success() {
            continue;
        }
        assert_eq!(output.status.code(), Some(130), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        return;
    }
    panic!("the labels were written {ATTEMPTS} times before they could be stopped");
}

#[test]
fn a_shard_that_shrinks_while_it_is_read_is_an_error_and_not_a_silent_death() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("batch.safetensors");
    for attempt in 0..ATTEMPTS {
        let dir = folder.path().join(attempt.to_string());
        copy(generated("interruptions"), &dir);
        // The whole train split in one batch, so that there is something to read for a while.
        let options = ["batch", "--corrupt", "random-pixels", "--seed", "1", "--batch", "10000", "--out"];
        let mut args: Vec<&str> = options.to_vec();
        args.push(out.to_str().unwrap());
        let mut child = start(INSPECT, &args, &dir);
        if wait_until_mapped(&mut child, SHARD) {
            File::options().write(true).open(dir.join(SHARD)).unwrap().set_len(0).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        if output.status.success() {
            std::fs::remove_file(&out).unwrap();
            continue;
        }
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{:?} {err}", output.status);
        for part in
            [SHARD, "file shrank or failed while it was mapped", "expected 30982144 bytes, found 0", "help: "]
        {
            assert!(err.contains(part), "no {part:?} in {err}");
        }
        assert!(!out.exists() && output.stdout.is_empty());
        return;
    }
    panic!("the batch was made {ATTEMPTS} times before the shard could be cut");
}
