//! Data sets that were made wrong on purpose, every digest right: each rule of FORMAT.md refuses its breach, before
//! anything large is allocated and without a panic.

#[path = "samples/mod.rs"]
mod samples;

use std::{fs, path::Path};

use rfx_loader::{
    ErrorKind,
    dataset::{Dataset, Verify},
    shard::{Decoder, FormatError},
};
use samples::{Small, edit_index, options, overwrite, pack_to, reseal_shard, shard_path};
use serde_json::{Value, json};

const TRAIN: usize = 6;
const RECORD: usize = 20;

fn packed() -> tempfile::TempDir {
    let tmp = tempfile::tempdir().unwrap();
    pack_to(&Small::new(TRAIN, 3), tmp.path(), &options(1, 1 << 27)).unwrap();
    tmp
}

fn split(dir: &Path) -> Result<(), FormatError> {
    Dataset::open(dir, Verify::Once)?.split("train").map(|_| ())
}

/// Edits the train shard's bytes and makes every digest right again; returns the error.
fn shard_error(edit: impl FnOnce(&mut Vec<u8>)) -> String {
    let tmp = packed();
    let path = shard_path(tmp.path(), "train");
    let mut bytes = fs::read(&path).unwrap();
    edit(&mut bytes);
    overwrite(&path, &bytes);
    // The head is what lies before the data that the index promises.
    reseal_shard(tmp.path(), 0, 0, bytes.len().saturating_sub(TRAIN * RECORD));
    let error = split(tmp.path()).expect_err("a hostile shard");
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    let text = error.to_string();
    assert!(text.contains("train-00000-of-00001.safetensors") || text.contains("dataset.json"), "{text}");
    text
}

/// Replaces text in the header, keeping its length by its padding.
fn header_error(from: &str, to: &str) -> String {
    shard_error(|bytes| replace(bytes, from, to))
}

fn replace(bytes: &mut [u8], from: &str, to: &str) {
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json = String::from_utf8(bytes[8..8 + len].to_vec()).unwrap();
    assert!(json.contains(from), "{from}");
    let mut json = json.replacen(from, to, 1).trim_end().as_bytes().to_vec();
    json.resize(len, b' ');
    bytes[8..8 + len].copy_from_slice(&json);
}

#[test]
fn header_length_bombs_are_refused_before_anything_is_allocated() {
    for len in [u64::MAX, 1 << 63, 1 << 40, 100_000_001, 65_536 + 121] {
        let text = shard_error(|b| b[..8].copy_from_slice(&len.to_le_bytes()));
        assert!(text.contains("header length at byte 0"), "{text}");
    }
    for len in [0u64, 1, 2, 100] {
        assert!(shard_error(|b| b[..8].copy_from_slice(&len.to_le_bytes())).contains("header"));
    }
}

#[test]
fn shape_and_offset_bombs_are_refused() {
    let bombs = [
        ("\"shape\":[6,1,4,5]", "\"shape\":[18446744073709551615,1,4,5]"),
        ("\"shape\":[6,1,4,5]", "\"shape\":[6,4294967296,4294967296,4294967296]"),
        ("\"shape\":[6,1,4,5]", "\"shape\":[18446744073709551616,1,4,5]"),
        ("\"shape\":[6,1,4,5]", "\"shape\":[-6,1,4,5]"),
        ("\"shape\":[6,1,4,5]", "\"shape\":[]"),
        ("\"data_offsets\":[144,264]", "\"data_offsets\":[144,18446744073709551615]"),
        ("\"data_offsets\":[144,264]", "\"data_offsets\":[264,144]"),
    ];
    for (from, to) in bombs {
        let text = header_error(from, to);
        assert!(
            text.contains("shape") || text.contains("data_offsets") || text.contains("header at byte"),
            "{text}"
        );
    }
}

#[test]
fn overlaps_holes_and_wrong_orders_are_refused() {
    for to in ["[40,88]", "[56,104]", "[0,48]", "[48,95]"] {
        let text = header_error("\"data_offsets\":[48,96]", &format!("\"data_offsets\":{to}"));
        assert!(text.contains("id.data_offsets") && text.contains("[48, 96]"), "{text}");
    }
    let text = shard_error(|bytes| {
        replace(bytes, "\"label\":{", "\"LABEL\":{");
        replace(bytes, "\"id\":{", "\"label\":{");
        replace(bytes, "\"LABEL\":{", "\"id\":{");
    });
    assert!(text.contains("position"), "{text}");
}

#[test]
fn duplicate_unknown_and_missing_keys_are_refused() {
    let twice = "\"label\":{\"dtype\":\"I64\",\"shape\":[6],\"data_offsets\":[0,48]},";
    assert!(header_error("\"label\":{", &format!("{twice}\"label\":{{")).contains("appears twice"));
    assert!(header_error("\"format\":", "\"format\":\"x\",\"format\":").contains("appears twice"));
    assert!(header_error("\"dtype\":\"I64\"", "\"dtype\":\"I64\",\"dtype\":\"I64\"").contains("duplicate"));
    assert!(header_error("\"dtype\":\"I64\"", "\"dtype\":\"I64\",\"extra\":1").contains("unknown field"));
    assert!(header_error("\"dtype\":\"I64\",", "").contains("missing field"));
    assert!(header_error("\"hash\":{", "\"hush\":{").contains("tensor hash"));
    assert!(header_error("\"__metadata__\"", "\"metadata\"").contains("header"));
}

#[test]
fn wrong_dtypes_and_metadata_are_refused() {
    assert!(header_error("\"dtype\":\"I64\"", "\"dtype\":\"U64\"").contains("label.dtype"));
    assert!(header_error("\"dtype\":\"U8\"", "\"dtype\":\"F8_E5M2\"").contains("hash.dtype"));
    assert!(header_error("rfx-shard/1", "rfx-shard/9").contains("__metadata__.format"));
    assert!(header_error("\"split\":\"train\"", "\"split\":\"test\"").contains("__metadata__.split"));
    assert!(header_error("\"shards\":\"1\"", "\"shards\":\"2\"").contains("__metadata__.shards"));
    assert!(header_error("\"plan\":\"", "\"plan\":\"0").contains("__metadata__.plan"));
}

#[test]
fn garbage_in_place_of_a_shard_is_refused() {
    for n in [0, 1, 7, 8, 9, 300, 70_000] {
        shard_error(|bytes| *bytes = vec![b'{'; n]);
        shard_error(|bytes| *bytes = vec![0; n]);
        shard_error(|bytes| *bytes = vec![255; n]);
    }
    let deep = "[".repeat(50_000);
    shard_error(|bytes| {
        let at = 8 + deep.len();
        bytes[8..at].copy_from_slice(deep.as_bytes());
    });
}

fn put(bytes: &mut [u8], column: usize, row: usize, value: i64) {
    let data = bytes.len() - TRAIN * RECORD;
    let start = data - 24 * TRAIN + 8 * TRAIN * column + 8 * row;
    bytes[start..start + 8].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn labels_out_of_range_and_ids_negative_or_twice_are_refused_with_their_byte() {
    for bad in [3, -1, i64::MIN, i64::MAX] {
        let text = shard_error(|bytes| put(bytes, 0, 2, bad));
        let offset = 65_536 - 24 * TRAIN + 16;
        assert!(
            text.contains(&format!("label[2] at byte {offset}")) && text.contains(&format!("found {bad}")),
            "{text}"
        );
    }
    let text = shard_error(|bytes| put(bytes, 1, 3, -5));
    assert!(text.contains("id[3]") && text.contains("-5"), "{text}");
    let text = shard_error(|bytes| put(bytes, 1, 5, 2));
    assert!(text.contains("id[5]") && text.contains("no other sample"), "{text}");
}

fn index_error(edit: impl FnOnce(&mut Value)) -> String {
    let tmp = packed();
    edit_index(tmp.path(), edit);
    let error = split(tmp.path()).expect_err("a hostile index");
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    // Only the parser knows where it was; no other message may make up an offset.
    let known = matches!(error, FormatError::Json { .. } | FormatError::Field { offset: Some(1..), .. });
    assert_eq!(error.to_string().contains("at byte"), known, "{error}");
    error.to_string()
}

#[test]
fn every_rule_of_the_index_refuses_its_breach() {
    let names =
        ["../train.safetensors", "/etc/passwd", "a/b", "", ".", "..", ".hidden", "dataset.json", "nul\0"];
    for name in names {
        assert!(
            index_error(|i| i["splits"][0]["shards"][0]["name"] = name.into()).contains("shards.name"),
            "{name}"
        );
    }
    let test_name = "test-00000-of-00001.safetensors";
    assert!(index_error(|i| i["splits"][0]["shards"][0]["name"] = test_name.into()).contains("each once"));
    assert!(index_error(|i| i["splits"][0]["samples"] = 7.into()).contains("splits.train.samples"));
    assert!(index_error(|i| i["splits"][0]["samples"] = 0.into()).contains("splits.train.samples"));
    assert!(index_error(|i| i["splits"][0]["samples"] = u64::MAX.into()).contains("samples"));
    assert!(index_error(|i| i["splits"][0]["shards"][0]["samples"] = 0.into()).contains("shards.bytes"));
    assert!(
        index_error(|i| i["splits"][0]["shards"][0]["samples"] = u64::MAX.into()).contains("shards.bytes")
    );
    assert!(index_error(|i| i["splits"][0]["shards"][0]["bytes"] = 10.into()).contains("shards.bytes"));
    assert!(
        index_error(|i| i["splits"][0]["shards"][0]["bytes"] = (1u64 << 62).into()).contains("file length")
    );
    assert!(index_error(|i| i["splits"][0]["shards"][0]["bytes"] = u64::MAX.into()).contains("shards.bytes"));
    let half =
        |i: &mut Value| (0..2).for_each(|s| i["splits"][s]["shards"][0]["bytes"] = (1u64 << 62).into());
    assert!(index_error(half).contains("splits.test.shards.bytes: expected less than 2^63"));
    assert!(index_error(|i| i["splits"][0]["shards"] = json!([])).contains("samples"));
    assert!(index_error(|i| i["splits"] = json!([])).contains("splits"));
    assert!(index_error(|i| i["splits"][1]["name"] = "train".into()).contains("each once"));
    assert!(index_error(|i| i["splits"][1]["name"] = "Test!".into()).contains("names of"));
    assert!(index_error(|i| i["classes"] = json!([])).contains("classes"));
    assert!(index_error(|i| i["classes"][1]["name"] = "a".into()).contains("every name once"));
    assert!(index_error(|i| i["element"]["shape"] = json!([1, 0, 5])).contains("shape"));
    assert!(index_error(|i| i["element"]["shape"] = json!([1u64 << 40, 1u64 << 40, 5])).contains("shape"));
    assert!(index_error(|i| i["element"]["layout"] = "chwn".into()).contains("index at byte"));
    assert!(index_error(|i| i["element"]["codec"] = "lz4".into()).contains("element.codec"));
    assert!(index_error(|i| i["element"]["dtype"] = "f32".into()).contains("element.dtype"));
    assert!(index_error(|i| i["moments"]["count"] = 1.into()).contains("moments.count"));
    assert!(index_error(|i| i["moments"]["sum"] = json!([])).contains("moments"));
    assert!(index_error(|i| i["moments"]["split"] = "val".into()).contains("moments.split"));
    let of_test = index_error(|i| {
        i["moments"]["split"] = "test".into();
        i["moments"]["count"] = (3 * RECORD).into();
    });
    assert!(of_test.contains("moments.split: expected train, found test"), "{of_test}");
    assert!(index_error(|i| i["gaussian"]["channels"] = json!([])).contains("gaussian"));
    assert!(
        index_error(|i| i["gaussian"]["channels"][0]["thresholds"][9] = 65_537.into()).contains("thresholds")
    );
    assert!(index_error(|i| i["content"] = "12".into()).contains("hexadecimal"));
    assert!(index_error(|i| i["surprise"] = 1.into()).contains("unknown field"));
    assert!(index_error(|i| i["splits"][0]["surprise"] = 1.into()).contains("unknown field"));
    assert!(index_error(|i| drop(i.as_object_mut().unwrap().remove("moments"))).contains("missing field"));
}

#[test]
fn other_formats_and_versions_are_called_that() {
    assert!(index_error(|i| i["format"] = "webdataset".into()).contains("format: expected rfx-dataset"));
    let text = index_error(|i| i["version"] = 4.into());
    assert!(
        text.contains("version: expected 1, 2 or 3, found 4") && text.contains("another version of rfx"),
        "{text}"
    );
    let text = index_error(|i| i["version"] = 2.into());
    assert!(text.contains("version: expected 1, for what is in the index, found 2"), "{text}");
    // Even a later version with another layout and no check digest.
    let tmp = packed();
    fs::write(tmp.path().join("dataset.json"), r#"{"format":"rfx-dataset","version":7,"new":[]}"#).unwrap();
    assert!(split(tmp.path()).unwrap_err().to_string().contains("found 7"));
    fs::write(tmp.path().join("dataset.json"), "").unwrap();
    assert!(split(tmp.path()).unwrap_err().to_string().contains("dataset.json"));
}

#[test]
fn what_is_no_data_set_or_no_file_is_refused() {
    let tmp = packed();
    let open = |path: &Path| Dataset::open(path, Verify::Once).map(|_| ()).unwrap_err().to_string();
    assert!(open(&tmp.path().join("nowhere")).contains("found nothing"));
    assert!(open(&shard_path(tmp.path(), "train")).contains("a file"));
    let empty = tempfile::tempdir().unwrap();
    assert!(open(empty.path()).contains("rfx-pack first"));
    fs::create_dir(empty.path().join("dataset.json")).unwrap();
    assert!(open(empty.path()).contains("not a regular file"));
    fs::remove_dir(empty.path().join("dataset.json")).unwrap();
    std::os::unix::fs::symlink("dataset.json", empty.path().join("dataset.json")).unwrap();
    let text = open(empty.path());
    assert!(text.contains("dataset.json: cannot look at: Too many levels of symbolic links"), "{text}");

    let dataset = Dataset::open(tmp.path(), Verify::Once).unwrap();
    let error = dataset.split("validation").unwrap_err().to_string();
    assert!(error.contains("validation") && error.contains("train, test"), "{error}");
    let shard = shard_path(tmp.path(), "train");
    fs::remove_file(&shard).unwrap();
    assert!(dataset.split("train").unwrap_err().to_string().contains("train-00000-of-00001"));
    fs::create_dir(&shard).unwrap();
    assert!(dataset.split("train").unwrap_err().to_string().contains("not a regular file"));
    assert!(dataset.split("test").is_ok(), "one bad split does not spoil another");
}

#[test]
fn columns_of_another_writer_are_carried_and_ignored() {
    let tmp = packed();
    let path = shard_path(tmp.path(), "train");
    let before = Dataset::open(tmp.path(), Verify::Once).unwrap().split("train").unwrap();
    let (labels, first) = (before.labels().to_vec(), before.record(3, &mut Decoder::new()).unwrap().to_vec());
    let bytes = fs::read(&path).unwrap();
    let len = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json = std::str::from_utf8(&bytes[8..8 + len]).unwrap().trim_end();
    // A box of four f32 per sample between `id` and `hash`, as a writer that follows FORMAT.md would put it.
    let column = TRAIN * 16;
    let json = json
        .replace(
            "\"hash\":",
            "\"box\":{\"dtype\":\"F32\",\"shape\":[6,4],\"data_offsets\":[96,192]},\"hash\":",
        )
        .replace("[96,144]", "[192,240]")
        .replace("[144,264]", "[240,360]");
    let head = (8 + json.len() + TRAIN * 24 + column).next_multiple_of(65_536);
    let mut json = json.into_bytes();
    json.resize(head - 8 - TRAIN * 24 - column, b' ');
    let columns = &bytes[8 + len..];
    let mut out = (json.len() as u64).to_le_bytes().to_vec();
    out.extend(json);
    out.extend(&columns[..TRAIN * 16]);
    out.extend(vec![0x3f; column]);
    out.extend(&columns[TRAIN * 16..]);
    overwrite(&path, &out);
    reseal_shard(tmp.path(), 0, 0, head);
    let dataset = Dataset::open(tmp.path(), Verify::Once).unwrap();
    let split = dataset.split("train").unwrap();
    assert_eq!((split.labels(), split.record(3, &mut Decoder::new()).unwrap()), (&labels[..], &first[..]));
    let findings = dataset.verify(&()).unwrap().findings;
    assert!(findings.len() == 1 && findings[0].message.contains("pack id"), "{findings:?}");
}
