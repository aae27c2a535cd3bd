//! `rfx-pack` on the generated set: the result, reruns, interruptions, full disks.

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use program::{INSPECT, PACK, Ran, contents, finish, generated, run};

fn pack(options: &str, out: &Path) -> Ran {
    run(PACK, &format!("generated {options} --out"), &[&out])
}

#[test]
fn the_result_is_on_stdout_for_people_and_programs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let text = pack("", &out).ended(0);
    let info = run(INSPECT, "info --json", &[&out]).ended(0).json();
    let (content, id) = (info["content"].as_str().unwrap(), info["pack"].as_str().unwrap());
    assert!(text.out.contains("generated data") && text.out.contains(content) && text.out.contains(id));
    assert!(!text.err.contains("error"), "{}", text.err);

    let json = pack("--json -q", &folder.path().join("b")).ended(0);
    let json = json.json();
    assert_eq!(json["schema"], "rfx.pack/1");
    assert_eq!((json["content"].as_str(), json["pack"].as_str()), (Some(content), Some(id)));
    let splits = json["splits"].as_array().unwrap();
    let samples: u64 = splits.iter().map(|s| s["samples"].as_u64().unwrap()).sum();
    assert_eq!(json["samples"].as_u64(), Some(samples));
    let on_disk: usize = contents(&out).iter().filter(|f| f.0 != "dataset.json").map(|f| f.1.len()).sum();
    assert_eq!(json["bytes"].as_u64(), Some(on_disk as u64));
    assert_eq!(json["generated"], true);
}

#[test]
fn jobs_do_not_change_a_byte_and_pack_order_changes_no_id() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    pack("--jobs 1 --shard-size 4 -q", &at("one")).ended(0);
    pack("--jobs 7 --shard-size 4 -q", &at("seven")).ended(0);
    assert!(contents(&at("one")) == contents(&at("seven")));
    pack("--pack-order shuffled:3 -q", &at("shuffled")).ended(0);
    let info = |path: &Path| run(INSPECT, "info --json", &[&path]).ended(0).json();
    let (a, b, c) = (info(&at("one")), info(&at("shuffled")), info(generated("pack")));
    assert!(a["content"] == b["content"] && b["content"] == c["content"]);
    assert!(a["pack"] != b["pack"] && b["pack"] != c["pack"] && a["pack"] != c["pack"]);
    assert_eq!(a["plan"]["order"], "source");
    assert_eq!(b["plan"]["order"], "shuffled:3");
    // Whatever the shards, a batch is the same.
    let batch = |from: &Path, name: &str| {
        let out = at(name);
        run(INSPECT, "batch --corrupt random-pixels --seed 3 --epoch 2 --step 5 --out", &[&out, &from])
            .ended(0);
        std::fs::read(out).unwrap()
    };
    assert!(batch(&at("one"), "a.st") == batch(&at("shuffled"), "b.st"));
}

#[test]
fn a_finished_pack_is_left_alone_and_another_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    pack("-q", &out).ended(0);
    let before = contents(&out);
    let again = pack("--json -q", &out).ended(0);
    assert_eq!(again.json()["already_complete"], true);
    assert!(again.err.contains("nothing was written"), "{}", again.err);
    assert!(before == contents(&out));
    pack("--pack-order shuffled -q", &out).refused(2, &["dataset.json", "plan", "help: "]);
    assert!(before == contents(&out));
}

/// Starts a pack of many small shards and waits until it has written some of them.
fn begun(out: &Path) -> Child {
    let mut command = Command::new(PACK);
    command.args(["generated", "--shard-size", "1", "--jobs", "1", "--out"]).arg(out);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let shards = || std::fs::read_dir(out).map_or(0, |d| d.flatten().filter(is_shard).count());
    while shards() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "the pack does not begin");
        sleep(Duration::from_millis(1));
    }
    child
}

fn is_shard(entry: &std::fs::DirEntry) -> bool {
    entry.path().extension().is_some_and(|e| e == "safetensors")
}

fn rerun_equals_an_undisturbed_pack(folder: &Path, out: &Path) {
    assert!(!out.join("dataset.json").exists(), "the pack was over before it could be stopped");
    run(INSPECT, "info", &[&out]).refused(2, &["unfinished pack", "run the same rfx-pack command again"]);
    let rerun = pack("--shard-size 1 --jobs 1 --json", out).ended(0);
    assert!(rerun.json()["resumed_shards"].as_u64().unwrap() >= 2, "{rerun:?}");
    assert!(rerun.err.contains("of an earlier run"), "{}", rerun.err);
    let fresh = folder.join("fresh");
    pack("--shard-size 1 -q", &fresh).ended(0);
    assert!(contents(out) == contents(&fresh));
    run(INSPECT, "verify -q", &[&out]).ended(0);
}

#[test]
fn ctrl_c_ends_cleanly_and_the_same_command_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let child = begun(&out);
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("run the same command again"), "{err}");
    rerun_equals_an_undisturbed_pack(folder.path(), &out);
}

#[test]
fn a_killed_pack_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("a");
    let mut child = begun(&out);
    child.kill().unwrap();
    child.wait().unwrap();
    rerun_equals_an_undisturbed_pack(folder.path(), &out);
}

#[test]
fn a_full_disk_is_told_and_the_pack_goes_on_when_there_is_space() {
    let folder = tempfile::tempdir().unwrap();
    // A file system of 8 MiB in a user namespace of its own; the pack needs about 40.
    let script = r#"
        mount -t tmpfs -o size=8m none "$2" || exit 77
        "$1" generated --shard-size 2 -q --out "$2/packed"; code=$?
        test -e "$2/packed/dataset.json" && exit 78
        mount -o remount,size=80m none "$2" || exit 77
        "$1" generated --shard-size 2 -q --json --out "$2/packed" || exit 79
        exit $code"#;
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh", PACK]).arg(folder.path());
    let ran = match command.output() {
        Ok(output) if output.status.code() != Some(77) && !output.stderr.starts_with(b"unshare") => {
            finish(command)
        }
        _ => {
            return support::skip(
                "userns",
                "a_full_disk_is_told",
                "no user namespace to mount a small disk in",
            );
        }
    };
    let ran = ran.ended(3);
    assert!(
        ran.err.contains("No space left on device") && ran.err.contains("help: free space"),
        "{}",
        ran.err
    );
    assert!(ran.json()["resumed_shards"].as_u64().unwrap() >= 1, "{}", ran.out);
}
