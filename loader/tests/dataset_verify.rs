//! A full verification finds what opening and reading do not look at, names it, and goes on.

#[path = "samples/mod.rs"]
mod samples;

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use rfx_loader::{
    dataset::{Dataset, Verify, VerifyProgress},
    shard::FormatError,
};
use samples::{Small, edit_index, options, overwrite, pack_to, reseal_shard, shard_path};
use serde_json::json;

const TRAIN: usize = 40;

fn packed() -> tempfile::TempDir {
    let tmp = tempfile::tempdir().unwrap();
    pack_to(&Small::new(TRAIN, 6), tmp.path(), &options(1, 1 << 27)).unwrap();
    tmp
}

fn findings(dir: &Path) -> Vec<String> {
    let report = Dataset::open(dir, Verify::Once).unwrap().verify(&()).unwrap();
    assert_eq!(report.is_sound(), report.findings.is_empty());
    report.findings.into_iter().map(|f| format!("{}: {}", f.file, f.message)).collect()
}

fn edit_shard(dir: &Path, split: &str, edit: impl FnOnce(&mut Vec<u8>)) {
    let path = shard_path(dir, split);
    let mut bytes = fs::read(&path).unwrap();
    edit(&mut bytes);
    overwrite(&path, &bytes);
}

#[track_caller]
fn assert_finds(findings: &[String], parts: &[&str]) {
    for part in parts {
        assert!(findings.iter().any(|f| f.contains(part)), "no `{part}` in {findings:#?}");
    }
    assert_eq!(findings.len(), parts.len(), "{findings:#?}");
}

#[test]
fn a_sound_data_set_has_no_findings() {
    assert_finds(&findings(packed().path()), &[]);
}

#[test]
fn a_changed_record_is_named_and_every_consequence_listed() {
    let tmp = packed();
    edit_shard(tmp.path(), "train", |b| *b.last_mut().unwrap() ^= 1);
    let parts = ["row 39 (id 39)", "BLAKE3 of the file", "content id", "moments", "gaussian"];
    assert_finds(&findings(tmp.path()), &parts);
}

#[test]
fn a_changed_head_a_missing_and_a_short_shard_are_findings_and_the_rest_is_still_checked() {
    let tmp = packed();
    edit_shard(tmp.path(), "train", |b| b[65_536 - 24 * TRAIN] ^= 1);
    edit_shard(tmp.path(), "test", |b| *b.last_mut().unwrap() ^= 1);
    assert_finds(&findings(tmp.path()), &["BLAKE3 of the head", "row 5 (id 45)", "the file", "content id"]);
    fs::remove_file(shard_path(tmp.path(), "train")).unwrap();
    assert_finds(&findings(tmp.path()), &["cannot open", "row 5 (id 45)", "the file", "content id"]);
    edit_shard(tmp.path(), "test", |b| b.truncate(70));
    assert_finds(&findings(tmp.path()), &["cannot open", "file length", "content id"]);
}

#[test]
fn a_label_changed_with_every_digest_but_the_ids_is_found() {
    let tmp = packed();
    edit_shard(tmp.path(), "train", |b| {
        let at = 65_536 - 24 * TRAIN;
        b[at] = if b[at] == 0 { 1 } else { 0 };
    });
    reseal_shard(tmp.path(), 0, 0, 65_536);
    assert_finds(&findings(tmp.path()), &["content id", "pack id"]);
}

#[test]
fn an_id_used_by_two_splits_is_found() {
    let tmp = packed();
    edit_shard(tmp.path(), "test", |b| {
        let at = b.len() - 6 * 20 - 24 * 6 + 8 * 6;
        b[at..at + 8].copy_from_slice(&3i64.to_le_bytes());
    });
    let head = fs::metadata(shard_path(tmp.path(), "test")).unwrap().len() as usize - 6 * 20;
    reseal_shard(tmp.path(), 1, 0, head);
    assert_finds(&findings(tmp.path()), &["3 twice", "content id", "pack id"]);
}

#[test]
fn changed_numbers_in_the_index_are_found() {
    let tmp = packed();
    edit_index(tmp.path(), |i| {
        i["moments"]["sum"][0] = (i["moments"]["sum"][0].as_u64().unwrap() + 1).into()
    });
    assert_finds(&findings(tmp.path()), &["moments"]);
    let tmp = packed();
    edit_index(tmp.path(), |i| {
        let t = &mut i["gaussian"]["channels"][0]["thresholds"];
        t[100] = t[102].clone();
        t[101] = t[102].clone();
    });
    assert_finds(&findings(tmp.path()), &["gaussian"]);
    let tmp = packed();
    edit_index(tmp.path(), |i| i["classes"][0]["name"] = "renamed".into());
    assert_finds(&findings(tmp.path()), &["plan digest", "content id"]);
    for member in ["id", "superclass"] {
        let tmp = packed();
        edit_index(tmp.path(), |i| i["classes"][0][member] = "another".into());
        assert_finds(&findings(tmp.path()), &["plan digest", "content id"]);
    }
    for (member, value) in [("kind", json!("other")), ("files", json!([]))] {
        let tmp = packed();
        edit_index(tmp.path(), |i| i["source"][member] = value);
        assert_finds(&findings(tmp.path()), &["source digest"]);
    }
    let tmp = packed();
    edit_index(tmp.path(), |i| i["source"]["digest"] = i["content"].clone());
    assert_finds(&findings(tmp.path()), &["source digest", "plan digest"]);
    let tmp = packed();
    edit_index(tmp.path(), |i| i["plan"]["order"] = "shuffled:1".into());
    assert_finds(&findings(tmp.path()), &["plan digest"]);
    // How another writer chooses is not known.
    edit_index(tmp.path(), |i| i["plan"]["writer"] = "another/1".into());
    assert_finds(&findings(tmp.path()), &[]);
    let tmp = packed();
    edit_index(tmp.path(), |i| i["pack"] = i["content"].clone());
    assert_finds(&findings(tmp.path()), &["pack id"]);
}

#[test]
fn many_findings_of_one_shard_are_counted_not_listed() {
    let tmp = packed();
    edit_shard(tmp.path(), "train", |b| b[65_536..].fill(9));
    let findings = findings(tmp.path());
    assert!(findings.iter().any(|f| f.contains("21 more findings")), "{findings:#?}");
    assert!(findings.len() < 27);
}

#[derive(Default)]
struct Watch {
    planned: AtomicU64,
    checked: AtomicU64,
    stop: AtomicBool,
}

impl VerifyProgress for Watch {
    fn planned(&self, bytes: u64) {
        self.planned.store(bytes, Ordering::Relaxed);
    }
    fn checked(&self, bytes: u64) {
        self.checked.fetch_add(bytes, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[test]
fn progress_adds_up_and_a_stop_is_an_interruption() {
    let tmp = packed();
    let dataset = Dataset::open(tmp.path(), Verify::Once).unwrap();
    let watch = Watch::default();
    let report = dataset.verify(&watch).unwrap();
    assert_eq!(watch.planned.load(Ordering::Relaxed), watch.checked.load(Ordering::Relaxed));
    assert_eq!((report.bytes, report.samples, report.shards), (dataset.index().bytes(), 46, 2));
    watch.stop.store(true, Ordering::Relaxed);
    assert!(matches!(dataset.verify(&watch), Err(FormatError::Interrupted { .. })));
}
