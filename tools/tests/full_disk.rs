//! A disk that is full: exit code 3, a message that names the file and says what to do, nothing half-written left,
//! and a pack that goes on when there is space.

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::process::Command;

use program::{INSPECT, PACK, Ran, contents, generated, names, run, run_limited};

#[test]
fn a_pack_that_runs_out_of_space_is_told_and_goes_on_when_there_is_some() {
    let test = "a_pack_that_runs_out_of_space_is_told_and_goes_on_when_there_is_some";
    let folder = tempfile::tempdir().unwrap();
    // A file system of 8 MiB in a user namespace of its own; the pack needs about 40.
    let script = r#"
        mount -t tmpfs -o size=8m none "$2" || exit 77
        "$1" generated --shard-size 2 -q --out "$2/packed"; code=$?
        test -e "$2/packed/dataset.json" && exit 78
        ls -A "$2/packed" | grep -q rfx-tmp && exit 76
        mount -o remount,size=80m none "$2" || exit 77
        "$1" generated --shard-size 2 -q --json --out "$2/packed" || exit 79
        exit $code"#;
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script, "sh", PACK]).arg(folder.path());
    let ran = match command.output() {
        Ok(output) if output.status.code() != Some(77) && !output.stderr.starts_with(b"unshare") => {
            Ran::of(output).ended(3)
        }
        _ => return support::skip("mount", test, "no user namespace to mount a small disk in"),
    };
    for part in [".safetensors", "bytes needed", "No space left on device", "help: free space"] {
        assert!(ran.err.contains(part), "no {part:?} in {}", ran.err);
    }
    assert!(ran.json()["resumed_shards"].as_u64().unwrap() >= 1, "{}", ran.out);
}

#[test]
fn a_pack_whose_files_cannot_grow_leaves_no_shard_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    run_limited(1024, PACK, "generated --shard-size 2 -q --out", &[&out])
        .refused(3, &[".safetensors", "cannot write", "File too large", "help: free space"]);
    assert_eq!(names(&out), ["plan.json"]);
    run(PACK, "generated --shard-size 2 -q --out", &[&out]).ended(0);
    let fresh = folder.path().join("fresh");
    run(PACK, "generated --shard-size 2 -q --out", &[&fresh]).ended(0);
    assert!(contents(&out) == contents(&fresh));
}

#[test]
fn an_output_that_cannot_be_written_whole_is_not_left() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    for command in [
        "labels --corrupt random-labels --seed 1 --out",
        "labels --corrupt random-labels --seed 1 --format npy --out",
        "labels --corrupt random-labels --seed 1 --format json --out",
        "batch --corrupt gaussian --seed 1 --out",
        "sheet --corrupt gaussian --seed 1 --out",
    ] {
        run_limited(16, INSPECT, command, &[&out, &generated("full-disk")]).refused(
            3,
            &[
                "out: cannot write: File too large",
                "help: check that its folder exists, is writable and has space",
            ],
        );
        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }
}
