//! The programs on a data set of JPEG records: packing, looking, verifying, batches, measuring.
#![cfg(feature = "jpeg")]

mod program;

use std::{
    fs,
    path::{Path, PathBuf},
};

use program::{BENCH, INSPECT, PACK, run};
use rfx_loader::decode::conformance::CASES;

/// The conformance set as a tree of two classes, `cut` files of which end early.
fn tree(root: &Path, cut: usize) -> PathBuf {
    let tree = root.join(format!("tree-{cut}"));
    for (i, case) in CASES.iter().enumerate() {
        let folder = tree.join(if i % 2 == 0 { "even" } else { "odd" });
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{i:02}.img")), case.bytes).unwrap();
    }
    let jpeg = CASES.iter().find(|c| c.name == "rgb420.jpg").unwrap().bytes;
    let scan = jpeg.windows(2).position(|w| w == [0xff, 0xda]).unwrap();
    for i in 0..cut {
        fs::write(tree.join(format!("odd/cut-{i}.jpg")), &jpeg[..(2 * scan + jpeg.len()) / 3]).unwrap();
    }
    tree
}

#[test]
fn jpeg_records_are_packed_shown_verified_and_measured() {
    let tmp = tempfile::tempdir().unwrap();
    let (tree, out) = (tree(tmp.path(), 0), tmp.path().join("set"));
    let ran = run(PACK, "folder --codec jpeg --stats -q --out", &[&out, &tree]).ended(0);
    assert!(ran.out.contains("records  ") && ran.out.contains(" copied, "), "{}", ran.out);
    let json = run(PACK, "folder --codec jpeg --stats -q --json --out", &[&out, &tree]).ended(0).json();
    let (copied, encoded) = (&json["images"]["copied"], &json["images"]["encoded"]);
    assert_eq!(copied.as_u64().unwrap() + encoded.as_u64().unwrap(), CASES.len() as u64);
    let info = run(INSPECT, "info", &[&out]).ended(0).out;
    assert!(info.contains("3 channels, sizes of their own") && info.contains("stored jpeg"), "{info}");
    run(INSPECT, "verify -q", &[&out]).ended(0);
    let sheet = tmp.path().join("sheet.png");
    let geometry = "--corrupt random-pixels --seed 1 --crop center-resized:16";
    run(INSPECT, &format!("sheet {geometry} --out"), &[&sheet, &out]).ended(0);
    let batch = tmp.path().join("batch.safetensors");
    run(INSPECT, &format!("batch {geometry} --normalise channel --out"), &[&batch, &out]).ended(0);
    let bench = "--crop random-resized:16 --flip --decode fast --threads 1 --epochs 1";
    let text = run(BENCH, bench, &[&out]).ended(0).out;
    assert!(text.contains("libjpeg-turbo decodes") && text.contains("decode fast"), "{text}");
    let row = &run(BENCH, &format!("{bench} --json"), &[&out]).ended(0).json()["rows"][0];
    assert!(row["decoded_images_per_s"].as_f64().unwrap() > 0.0 && row["of_decoding"].is_number());
    // A copy of one shape, for what needs one.
    let copy = tmp.path().join("copy");
    let options = "materialise --corrupt true-labels --seed 1 --crop center-resized:16 -q --out";
    run(PACK, options, &[&copy, &out]).ended(0);
    let info = run(INSPECT, "info --json", &[&copy]).ended(0).json();
    assert_eq!(info["element"]["shape"], serde_json::json!([3, 16, 16]));
}

#[test]
fn what_cannot_be_had_of_jpeg_records_is_refused_with_what_can() {
    let tmp = tempfile::tempdir().unwrap();
    let (tree, out) = (tree(tmp.path(), 0), tmp.path().join("set"));
    run(PACK, "folder --codec jpeg -q --out", &[&out, &tree]).ended(0);
    let spec = "--corrupt true-labels --seed 1";
    let batch = tmp.path().join("b");
    run(INSPECT, &format!("batch {spec} --out"), &[&batch, &out]).refused(2, &["center-resized:S"]);
    run(INSPECT, &format!("batch {spec} --crop random-resized:9 --normalise channel --out"), &[&batch, &out])
        .refused(2, &["--stats"]);
    let gaussian = "--corrupt gaussian --seed 1 --crop random-resized:9";
    run(INSPECT, &format!("batch {gaussian} --out"), &[&batch, &out]).refused(2, &["--stats"]);
    run(INSPECT, "audit -q", &[&out]).refused(2, &["one shape for all"]);
    run(PACK, "folder --quality 80 --resize 8 --crop 8 -q --out", &[&tmp.path().join("x"), &tree])
        .refused(2, &["--codec jpeg"]);
    run(PACK, "generated --codec jpeg -q --out", &[&tmp.path().join("x")])
        .refused(2, &["folder or imagenet"]);
}

#[test]
fn a_record_that_cannot_be_decoded_is_named_and_replaced_if_asked_for() {
    let tmp = tempfile::tempdir().unwrap();
    let (tree, out) = (tree(tmp.path(), 1), tmp.path().join("set"));
    run(PACK, "folder --codec jpeg -q --out", &[&out, &tree]).ended(0);
    run(INSPECT, "verify -q", &[&out]).ended(0); // the file is what was packed
    let batch = |name: &str, rule: &str| {
        let spec = format!("batch --corrupt true-labels --seed 1 --crop center-resized:16 {rule} --out");
        run(INSPECT, &spec, &[&tmp.path().join(name), &out])
    };
    batch("fail", "").refused(1, &["--on-bad-record"]);
    for rule in ["blank", "substitute"] {
        let err = batch(rule, &format!("--on-bad-record {rule}")).ended(0).err;
        assert!(err.contains("replaced: ") && err.contains("image: jpeg data"), "{err}");
    }
    let skipped = tmp.path().join("skipped");
    let err = run(PACK, "folder --codec jpeg --on-bad skip -q --out", &[&skipped, &tree]).ended(0).err;
    assert!(err.contains("skipped train/odd/cut-0.jpg"), "{err}");
}
