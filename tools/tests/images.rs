//! `rfx-pack folder`, `imagenet` and `check` on files made here and on real photographs.
#![cfg(feature = "jpeg")]

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::{fs, path::Path};

use program::{INSPECT, PACK, contents, names, run};
use rfx_loader::decode::conformance::CASES;

/// Every kind of file, under names that say nothing, in two classes.
fn put_tree(root: &Path) {
    for (i, case) in CASES.iter().enumerate() {
        let folder = root.join(if i % 2 == 0 { "even" } else { "odd" });
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{i}.img")), case.bytes).unwrap();
    }
}

#[test]
fn a_tree_of_every_kind_is_packed_the_same_for_any_jobs() {
    let tmp = tempfile::tempdir().unwrap();
    let tree = tmp.path().join("tree");
    put_tree(&tree);
    let options = "--resize 32 --crop 24 -q --json --out";
    let mut folders = Vec::new();
    for jobs in ["1", "3"] {
        let out = tmp.path().join(jobs);
        let ran = run(PACK, &format!("folder --jobs {jobs} {options}"), &[&out, &tree]).ended(0);
        let json = ran.json();
        assert_eq!(json["source"], "folder");
        assert_eq!(json["images"]["files"], CASES.len());
        assert_eq!(json["images"]["kinds"]["jpeg cmyk"], json["images"]["kinds"]["jpeg cmyk"]);
        assert_eq!(json["images"]["bad"], serde_json::json!([]));
        folders.push(contents(&out));
    }
    assert!(folders[0] == folders[1]);
    let out = tmp.path().join("1");
    let info = run(INSPECT, "info --json", &[&out]).ended(0).json();
    assert_eq!(info["element"]["shape"], serde_json::json!([3, 24, 24]));
    run(INSPECT, "verify", &[&out]).ended(0);
    let index = fs::read_to_string(out.join("dataset.json")).unwrap();
    assert!(
        index.contains("\"shuffled:0\"") && index.contains("rfx-pixels/1") && index.contains("center:24")
    );
    // Another resize is another plan, and is not mixed with this one.
    run(PACK, "folder --resize 33 --crop 24 -q --out", &[&out, &tree]).refused(2, &["plan"]);
}

#[test]
fn bad_files_are_named_skipped_and_listed() {
    let tmp = tempfile::tempdir().unwrap();
    let tree = tmp.path().join("tree");
    put_tree(&tree);
    fs::write(tree.join("odd/cut.jpg"), &CASES[0].bytes[..CASES[0].bytes.len() / 2]).unwrap();
    fs::write(tree.join("odd/empty.png"), b"").unwrap();
    let out = tmp.path().join("out");
    let ran = run(PACK, "folder --resize 32 --crop 24 -q --out", &[&out, &tree]);
    ran.refused(2, &["odd/empty.png", "an empty file", "help: get it again", "--on-bad skip"]);
    assert!(names(&out).is_empty());

    let ran =
        run(PACK, "folder --resize 32 --crop 24 --on-bad skip -q --json --out", &[&out, &tree]).ended(0);
    assert!(ran.err.contains("skipped train/odd/cut.jpg: jpeg data: "), "{}", ran.err);
    assert!(ran.err.contains("skipped train/odd/empty.png: "), "{}", ran.err);
    let json = ran.json();
    assert_eq!(json["samples"], CASES.len());
    assert_eq!(json["images"]["bad"][0]["name"], "train/odd/cut.jpg");
    let index = fs::read_to_string(out.join("dataset.json")).unwrap();
    assert!(index.contains("\"skipped train/odd/cut.jpg\""), "{index}");

    let check = run(PACK, "check -q --json", &[&tree]).ended(1).json();
    assert_eq!(check["schema"], "rfx.images/1");
    assert_eq!(
        (check["files"].as_u64(), check["bad"].as_array().unwrap().len()),
        (Some(CASES.len() as u64 + 2), 2)
    );
    let text = run(PACK, "check -q", &[&tree]).ended(1).out;
    assert!(text.contains("train/odd/empty.png: first bytes: "), "{text}");
    assert!(text.contains("size ") && text.contains("37x45") && text.contains("jpeg cmyk"), "{text}");
}

#[test]
fn sizes_that_differ_are_told_with_a_way_out() {
    let tmp = tempfile::tempdir().unwrap();
    put_tree(&tmp.path().join("tree"));
    let out = tmp.path().join("out");
    let ran = run(PACK, "folder -q --out", &[&out, &tmp.path().join("tree")]);
    ran.refused(
        2,
        &["45 x 37", "37 x 45", "help: images of one data set have one size", "--resize 256 --crop 224"],
    );
    let wrong = run(PACK, "folder --resize 0 -q --out", &[&out, &tmp.path().join("tree")]);
    wrong.refused(2, &["S for the shorter side"]);
}

#[test]
fn a_part_of_imagenet_is_not_taken_for_the_whole() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("out");
    let ran = run(PACK, "imagenet --resize 32 --crop 32 -q --out", &[&out, &tmp.path()]);
    ran.refused(2, &["ILSVRC2012_img_train.tar", "neither"]);
    let class = tmp.path().join("train/n01440764");
    fs::create_dir_all(&class).unwrap();
    fs::write(class.join("n01440764_1.JPEG"), CASES[0].bytes).unwrap();
    let ran = run(PACK, "imagenet --resize 32 --crop 32 -q --out", &[&out, &tmp.path()]);
    ran.refused(2, &["expected 1000, found 1", "rfx-pack folder"]);
    run(PACK, "check --imagenet -q", &[&tmp.path()]).refused(2, &["expected 1000"]);
    // Where a part is what is wanted, one says so.
    let ran = run(PACK, "imagenet --partial --resize 32 --crop 32 -q --json --out", &[&out, &tmp.path()]);
    assert_eq!(ran.ended(0).json()["source"], "imagenet");
    run(INSPECT, "verify -q", &[&out]).ended(0);
}

#[test]
fn real_photographs_from_the_command_line() {
    let test = "real_photographs_from_the_command_line";
    let Some(source) = support::real_data("imagenet-sample", test) else { return };
    let check = run(PACK, "check -q", &[&source]).ended(0).out;
    assert!(check.starts_with("files    125 (13.4 MiB)\n"), "{check}");
    assert!(check.contains("123  jpeg rgb\n") && check.contains("2  jpeg grey\n"), "{check}");
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("out");
    run(PACK, "folder --resize 256 --crop 224 -q --out", &[&out, &source]).ended(0);
    run(INSPECT, "verify -q", &[&out]).ended(0);
    let sheet = tmp.path().join("sheet.png");
    run(INSPECT, "sheet --corrupt random-pixels --seed 1 --count 4 --out", &[&sheet, &out]).ended(0);
    // Its classes are no thousand, and it is not called train: not ImageNet as published.
    run(PACK, "imagenet -q --out", &[&tmp.path().join("other"), &source]).refused(2, &["neither"]);
}
