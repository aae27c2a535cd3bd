//! `rfx-pack` on the generated set: the result, and the same command again.

mod program;

use std::{path::Path, process::Command};

use program::{INSPECT, PACK, Ran, contents, finish, flip, generated, run};

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
    for jobs in ["4", "7"] {
        pack(&format!("--jobs {jobs} --shard-size 4 -q"), &at(jobs)).ended(0);
        assert!(contents(&at("one")) == contents(&at(jobs)), "{jobs}");
    }
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
    let said = "packed with the same plan before: nothing was written; rfx-inspect verify checks its bytes";
    assert!(again.err.contains(said), "{}", again.err);
    assert!(before == contents(&out));
    pack("--pack-order shuffled -q", &out).refused(2, &["dataset.json", "plan", "help: "]);
    assert!(before == contents(&out));
    flip(&out.join("dataset.json"), 100);
    let parts =
        ["dataset.json", "caused by", "BLAKE3 of the index", "help: delete the output folder and pack again"];
    pack("-q", &out).refused(2, &parts);
}

#[test]
fn a_system_that_gives_no_more_threads_makes_a_pack_slower_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    // Threads with stacks of 8 GiB, in 4 GiB of address space: none can be started.
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"ulimit -v 4194304; exec "$@""#, "sh", PACK])
        .env("RUST_MIN_STACK", (8u64 << 30).to_string());
    command.args(["generated", "--shard-size", "4", "--jobs", "4", "-q", "--out"]).arg(&out);
    finish(command).ended(0);
    run(INSPECT, "verify -q", &[&out]).ended(0);
}
