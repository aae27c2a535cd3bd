//! Data sets that are truncated, flipped, oversized, empty, unreadable, of wrong counts or with labels out of range,
//! given to every command of `rfx-inspect`.
//!
//! What breaks a rule is bad input (exit code 2), what differs from what was packed a mismatch (1); `verify` finds
//! both (1). The error names file, field, expected and found, and no output file is left.

mod program;
#[path = "../../loader/tests/samples/mod.rs"]
mod samples;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use program::{INSPECT, Ran, names, run};
use samples::{Small, edit_index, options, overwrite, pack_to, reseal_shard, shard_path};

const TRAIN: usize = 12;
/// A record of [`Small`] is 20 bytes; the head fills one 64 KiB page, its columns at the end.
const HEAD: usize = 65_536;

/// What a command says of a damaged data set: its exit code, and what its message must hold.
struct Says<'a> {
    code: i32,
    parts: &'a [&'a str],
}

/// A small data set whose index and shards can be written to.
fn packed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("set");
    pack_to(&Small::new(TRAIN, 3), &dir, &options(1, 1 << 27)).unwrap();
    for name in names(&dir) {
        overwrite(&dir.join(&name), &fs::read(dir.join(&name)).unwrap());
    }
    folder
}

const READERS: [&str; 3] = [
    "labels --corrupt random-labels --seed 1",
    "batch --corrupt true-labels --seed 1",
    "sheet --corrupt true-labels --seed 1 --count 12",
];

fn inspect(command: &str, folder: &Path) -> Ran {
    run(INSPECT, command, &[&folder.join("set")])
}

/// Damages a data set and checks what `commands` say of it, and that none of them leaves an output.
#[track_caller]
fn refused(commands: &[&str], damage: impl Fn(&Path), says: Says<'_>) {
    let folder = packed();
    damage(&folder.path().join("set"));
    for command in commands {
        let out = folder.path().join("out");
        let out_flag =
            if READERS.contains(command) { format!(" --out {}", out.display()) } else { String::new() };
        inspect(&format!("{command}{out_flag}"), folder.path()).refused(says.code, says.parts);
        assert!(!out.exists() && names(folder.path()) == ["set"], "{:?}", names(folder.path()));
    }
}

/// Damages a data set and checks that `verify` finds it, in both its forms, with exit code 1.
#[track_caller]
fn found(damage: impl Fn(&Path), file: &str, parts: &[&str]) {
    let folder = packed();
    damage(&folder.path().join("set"));
    let text = inspect("verify -q", folder.path()).ended(1).out;
    let json = inspect("verify -q --json", folder.path()).ended(1).json();
    assert!(text.contains("damaged ") && text.contains(file), "{text}");
    assert_eq!((&json["sound"], &json["findings"][0]["file"]), (&false.into(), &file.into()));
    let message = json["findings"].to_string();
    for part in parts {
        assert!(text.contains(part) && message.contains(part), "no {part:?} in {text}{message}");
    }
}

fn index(dir: &Path) -> PathBuf {
    dir.join("dataset.json")
}

fn train(dir: &Path) -> PathBuf {
    shard_path(dir, "train")
}

fn set_len(path: &Path, bytes: u64) {
    File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    overwrite(path, &bytes);
}

/// Writes a label into a shard and makes every digest but the ids right again, as a careless writer would.
fn put_label(dir: &Path, row: usize, label: i64) {
    let mut bytes = fs::read(train(dir)).unwrap();
    let at = HEAD - 24 * TRAIN + 8 * row;
    bytes[at..at + 8].copy_from_slice(&label.to_le_bytes());
    overwrite(&train(dir), &bytes);
    reseal_shard(dir, 0, 0, HEAD);
}

const SHARD: &str = "train-00000-of-00001.safetensors";
const ALL: [&str; 4] = ["info", READERS[0], READERS[1], READERS[2]];

#[test]
fn a_sound_data_set_is_refused_by_no_command() {
    let folder = packed();
    for command in ["info", "verify -q"] {
        inspect(command, folder.path()).ended(0);
    }
    for (i, command) in READERS.iter().enumerate() {
        let out = folder.path().join(i.to_string());
        inspect(&format!("{command} --out {}", out.display()), folder.path()).ended(0);
        assert!(out.exists());
    }
}

#[test]
fn an_index_that_is_empty_or_truncated() {
    for keep in [0, 1, 700] {
        let cut = |dir: &Path| set_len(&index(dir), keep);
        refused(
            &ALL,
            cut,
            Says { code: 2, parts: &["dataset.json: index at byte", "EOF", "help: the file is damaged"] },
        );
        found(cut, "dataset.json", &["EOF"]);
    }
}

#[test]
fn an_index_with_a_flipped_bit() {
    // In the digits of the moments, where the text stays well-formed.
    let digit = |dir: &Path| {
        let text = fs::read_to_string(index(dir)).unwrap();
        let sum = text.find("\"sum\"").unwrap();
        flip(&index(dir), sum + text[sum..].find(char::is_numeric).unwrap());
    };
    refused(
        &ALL,
        digit,
        Says { code: 1, parts: &["dataset.json: BLAKE3 of the index: expected", ", found", "help: "] },
    );
    found(digit, "dataset.json", &["BLAKE3 of the index"]);
}

#[test]
fn an_index_that_is_oversized() {
    let grow = |dir: &Path| set_len(&index(dir), 1 << 40); // of which the file system holds nothing
    refused(
        &ALL,
        grow,
        Says {
            code: 2,
            parts: &[
                "dataset.json: file length",
                "expected at most 67108864 bytes",
                "found at least 67108865",
                "help: ",
            ],
        },
    );
    let append = |dir: &Path| {
        let more = [fs::read(index(dir)).unwrap(), b"{}".to_vec()].concat();
        overwrite(&index(dir), &more);
    };
    refused(
        &ALL,
        append,
        Says { code: 2, parts: &["dataset.json: index at byte", "trailing characters", "help: "] },
    );
    found(append, "dataset.json", &["trailing characters"]);
}

#[test]
fn an_index_with_an_unknown_key_or_of_another_version() {
    let surprise = |dir: &Path| edit_index(dir, |i| i["surprise"] = 1.into());
    refused(
        &ALL,
        surprise,
        Says {
            code: 2,
            parts: &["dataset.json: index at byte", "unknown field `surprise`, expected one of", "help: "],
        },
    );
    found(surprise, "dataset.json", &["unknown field `surprise`"]);
    let later = |dir: &Path| edit_index(dir, |i| i["version"] = 4.into());
    let parts = &[
        "dataset.json: version: expected 1, 2 or 3, found 4",
        "help: another version of rfx wrote it: read it",
    ];
    refused(&[&ALL[..], &["verify -q"]].concat(), later, Says { code: 2, parts });
}

#[test]
fn an_index_with_wrong_counts() {
    let split = |dir: &Path| edit_index(dir, |i| i["splits"][0]["samples"] = 13.into());
    refused(
        &ALL,
        split,
        Says {
            code: 2,
            parts: &[
                "dataset.json: splits.train.samples",
                "expected 13 samples in its shards, found 12",
                "help: ",
            ],
        },
    );
    found(split, "dataset.json", &["splits.train.samples"]);
    // Consistent in itself, but not with the shard.
    let both = |dir: &Path| {
        edit_index(dir, |i| {
            i["splits"][0]["samples"] = 11.into();
            i["splits"][0]["shards"][0]["samples"] = 11.into();
            i["moments"]["count"] = (11 * 20).into();
        });
        reseal_shard(dir, 0, 0, HEAD + 20);
    };
    refused(
        &READERS,
        both,
        Says { code: 2, parts: &[SHARD, "label.shape", "expected [11], found [12]", "help: "] },
    );
    found(both, SHARD, &["label.shape"]);
}

#[test]
fn a_shard_that_is_empty_truncated_or_oversized() {
    assert_eq!(HEAD + 20 * TRAIN, 65_776);
    for length in [0, 65_775, 65_777, 1 << 40] {
        let change = |dir: &Path| set_len(&train(dir), length);
        let lengths = format!("expected 65776 bytes, found {length}");
        let parts = [SHARD, "file length", &lengths, "help: "];
        refused(&READERS, change, Says { code: 2, parts: &parts });
        found(change, SHARD, &parts[1..3]);
    }
}

#[test]
fn a_shard_with_a_flipped_bit() {
    let label = |dir: &Path| flip(&train(dir), HEAD - 24 * TRAIN);
    let parts =
        &[SHARD, "BLAKE3 of the head: expected", ", found", "help: the file was changed after packing"];
    refused(&READERS, label, Says { code: 1, parts });
    found(label, SHARD, &["BLAKE3 of the head"]);
    // Row 7 in the data: labels are read without it, images are not.
    let record = |dir: &Path| flip(&train(dir), HEAD + 7 * 20 + 3);
    let parts = &[SHARD, "row 7 (id 7) at byte 65676", "record hash: expected", ", found", "help: "];
    refused(&READERS[1..], record, Says { code: 1, parts });
    let always = READERS[1..].iter().map(|c| format!("{c} --verify always")).collect::<Vec<_>>();
    for command in &always {
        let folder = packed();
        record(&folder.path().join("set"));
        let out = format!(" --out {}", folder.path().join("out").display());
        inspect(&(command.clone() + &out), folder.path()).refused(1, parts);
        inspect(&(command.replace("always", "never") + &out), folder.path()).ended(0);
    }
    found(record, SHARD, &["row 7 (id 7) at byte 65676", "BLAKE3 of the file", "content id"]);
}

#[test]
fn a_shard_with_a_label_out_of_range() {
    let label = |dir: &Path| put_label(dir, 2, 3);
    refused(
        &READERS,
        label,
        Says {
            code: 2,
            parts: &[SHARD, "label[2] at byte 65264", "expected a class, 0..3", "found 3", "help: "],
        },
    );
    found(label, SHARD, &["label[2] at byte 65264", "content id"]);
}

#[test]
fn a_shard_that_is_missing_or_unreadable() {
    let remove = |dir: &Path| fs::remove_file(train(dir)).unwrap();
    refused(&READERS, remove, Says { code: 2, parts: &[SHARD, "cannot open: No such file", "help: "] });
    found(remove, SHARD, &["No such file"]);
    let folder = |dir: &Path| {
        fs::remove_file(train(dir)).unwrap();
        fs::create_dir(train(dir)).unwrap();
    };
    refused(&READERS, folder, Says { code: 2, parts: &[SHARD, "cannot open: not a regular file", "help: "] });
    found(folder, SHARD, &["not a regular file"]);
}

#[test]
fn what_is_no_data_set() {
    let folder = packed();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let out = folder.path().join("out");
    for command in ALL.iter().chain(&["verify -q"]) {
        let flag =
            if READERS.contains(command) { format!(" --out {}", out.display()) } else { String::new() };
        let refused = |path: &Path, parts: &[&str]| {
            run(INSPECT, &format!("{command}{flag}"), &[&path]).refused(2, parts)
        };
        refused(
            &folder.path().join("nowhere"),
            &["nowhere: not a data set", "found nothing", "help: give the folder"],
        );
        refused(&empty, &["empty: not a data set", "dataset.json", "help: make a data set with rfx-pack"]);
        let file = index(&folder.path().join("set"));
        refused(
            &file,
            &["dataset.json: not a data set", "found a file", "help: give the folder, not a file in it"],
        );
        refused(&file.join("x"), &["dataset.json/x: not a data set", "found nothing", "help: "]);
        fs::create_dir_all(empty.join("x/dataset.json")).unwrap();
        refused(&empty.join("x"), &["dataset.json: cannot open: not a regular file", "help: "]);
        fs::remove_dir_all(empty.join("x")).unwrap();
    }
    assert!(!out.exists());
}
