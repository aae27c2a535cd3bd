//! A tree with a folder per class: what is read, in which order, and what is refused.
#![cfg(feature = "jpeg")]

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{fs, path::Path, sync::atomic::AtomicBool};

use rfx_loader::{
    ErrorKind, ImageShape,
    dataset::{Dataset, Verify},
    decode::{Colour, DecodeError, DecodeOptions, Fit, Resize, Resizer, conformance::CASES, decode},
    pack::{PackOptions, PackOrder, pack},
    shard::Decoder,
    source::{ImageOptions, Images, OnBad, OpenProgress, Source, SourceError},
};
use samples::{pack_to, tree};

fn case(name: &str) -> &'static [u8] {
    CASES.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no {name}")).bytes
}

fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn open(root: &Path) -> Result<Images, SourceError> {
    Images::folder(root, &ImageOptions::default(), &())
}

fn skipping() -> ImageOptions {
    ImageOptions { on_bad: OnBad::Skip, ..ImageOptions::default() }
}

fn fitted(size: usize) -> ImageOptions {
    let fit = Fit { resize: Some(Resize::Exact { height: size, width: size }), crop: None };
    ImageOptions { fit, ..ImageOptions::default() }
}

fn read(source: &Images, split: usize, index: usize) -> Vec<u8> {
    let mut out = vec![0; source.shape().values()];
    source.read(split, index, &mut out).unwrap();
    out
}

fn names(source: &Images, root: &Path, split: usize) -> Vec<String> {
    let n = source.splits()[split].samples;
    let name = |i| source.path(split, i).unwrap().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
    (0..n).map(name).collect()
}

#[track_caller]
fn refused(result: Result<Images, SourceError>, parts: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn classes_and_files_are_in_bytewise_order_whatever_their_kind() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path();
    // Bytewise: capitals before small letters, `10` before `9`, a folder's files by their whole path.
    for name in
        ["b/x.jpg", "B/x.jpg", "a/10.png", "a/9.gif", "a/sub/1.bmp", "a/sub.webp", "a b/misnamed.txt", "ä/1"]
    {
        put(root, name, case("rgb.png"));
    }
    put(root, "README.md", b"not looked at");
    put(root, ".hidden/x.png", b"not looked at");
    put(root, "a/.DS_Store", b"not looked at");
    let source = open(root).unwrap();
    let classes: Vec<_> = source.classes().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(classes, ["B", "a", "a b", "b", "ä"]);
    let expected =
        ["B/x.jpg", "a/10.png", "a/9.gif", "a/sub.webp", "a/sub/1.bmp", "a b/misnamed.txt", "b/x.jpg", "ä/1"];
    assert_eq!(names(&source, root, 0), expected);
    let labels: Vec<_> = (0..8).map(|i| source.label(0, i).unwrap()).collect();
    assert_eq!(labels, [0, 1, 1, 1, 1, 2, 3, 4]);
    assert_eq!((source.kind(), source.splits()[0].name.as_str()), ("folder", "train"));
    assert_eq!(source.shape(), ImageShape::new(3, 37, 45).unwrap());
    let expected = decode(case("rgb.png"), &DecodeOptions::default()).unwrap().values;
    assert!((0..8).all(|i| read(&source, 0, i) == expected));
    assert!(source.label(0, 8).is_err() && source.label(1, 0).is_err() && source.path(2, 0).is_err());
}

#[test]
fn splits_are_folders_where_train_holds_folders() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path();
    for name in ["train/cat/1", "train/dog/1", "train/dog/2", "test/dog/1", "val/cat/1", "val/dog/1"] {
        put(root, name, case("rgb.bmp"));
    }
    put(root, "train/labels.csv", b"not looked at");
    let source = open(root).unwrap();
    let splits: Vec<_> = source.splits().iter().map(|s| (s.name.as_str(), s.samples)).collect();
    assert_eq!(splits, [("train", 3), ("val", 2), ("test", 1)]);
    assert_eq!(source.label(2, 0).unwrap(), 1);
    let files: Vec<_> = source.files().iter().map(|f| (f.name.as_str(), f.bytes)).collect();
    let bytes = case("rgb.bmp").len() as u64;
    assert_eq!(files, [("train", 3 * bytes), ("val", 2 * bytes), ("test", bytes)]);

    // A class may be called train.
    let tmp = tempfile::tempdir().unwrap();
    for name in ["train/1.png", "train/more/2.png", "bus/1.png"] {
        put(tmp.path(), name, case("rgb.png"));
    }
    let source = open(tmp.path()).unwrap();
    let classes: Vec<_> = source.classes().iter().map(|c| c.name.as_str()).collect();
    assert_eq!(classes, ["bus", "train"]);
    assert_eq!(source.splits()[0].samples, 3);
}

#[test]
fn trees_that_are_none_are_refused_by_name() {
    let sound = case("rgb.png");
    let with = |files: &[&str], parts: &[&str]| {
        let tmp = tempfile::tempdir().unwrap();
        files.iter().for_each(|name| put(tmp.path(), name, sound));
        refused(open(tmp.path()), parts);
    };
    with(&[], &["classes", "a folder per class"]);
    with(&["a/1", "stray.png"], &["stray.png", "folder of its class"]);
    with(&["train/a/1", "train/b/1", "tset/a/1"], &["tset", "val and test"]);
    with(&["train/a/1", "val/b/1"], &["val/b", "a class of split train"]);
    let tmp = tempfile::tempdir().unwrap();
    put(tmp.path(), "a/1", sound);
    fs::create_dir(tmp.path().join("b")).unwrap();
    refused(open(tmp.path()), &["/b:", "at least one image in each class"]);
    let file = tmp.path().join("a/1");
    assert!(matches!(open(&file), Err(SourceError::Io { .. })));
    assert!(matches!(open(&tmp.path().join("nothing")), Err(SourceError::Io { action: "open", .. })));
    let deep = format!("a/{}/1", ["x"; 17].join("/"));
    put(tmp.path(), &deep, sound);
    refused(open(tmp.path()), &["16 folders deep"]);
}

#[test]
fn links_stay_inside_the_tree_unless_told_otherwise() {
    use std::os::unix::fs::symlink;
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "secret.png", case("rgb.png"));
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path();
    put(root, "a/1.png", case("rgb.png"));
    put(root, "b/1.png", case("rgb.png"));
    symlink("1.png", root.join("a/2.png")).unwrap();
    symlink("../b", root.join("a/b")).unwrap();
    assert_eq!(names(&open(root).unwrap(), root, 0), ["a/1.png", "a/2.png", "a/b/1.png", "b/1.png"]);

    symlink(outside.path().join("secret.png"), root.join("b/out.png")).unwrap();
    refused(open(root), &["b/out.png", "link", "inside the tree", "--follow-links"]);
    let follow = ImageOptions { follow_links: true, ..ImageOptions::default() };
    assert_eq!(Images::folder(root, &follow, &()).unwrap().splits()[0].samples, 6);
    fs::remove_file(root.join("b/out.png")).unwrap();
    symlink(outside.path(), root.join("c")).unwrap();
    refused(open(root), &["/c:", "inside the tree"]);
    fs::remove_file(root.join("c")).unwrap();

    symlink("..", root.join("b/up")).unwrap();
    refused(open(root), &["up", "circle"]);
    fs::remove_file(root.join("b/up")).unwrap();
    symlink("self", root.join("b/self")).unwrap();
    assert!(matches!(open(root), Err(SourceError::Io { .. })));
    fs::remove_file(root.join("b/self")).unwrap();
    symlink("nowhere", root.join("b/dangling")).unwrap();
    let error = open(root).unwrap_err().to_string();
    assert!(error.contains("dangling"), "{error}");
}

#[test]
fn odd_names_and_things_that_are_no_files_are_refused() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let tmp = tempfile::tempdir().unwrap();
    put(tmp.path(), "a/1.png", case("rgb.png"));
    let bad = tmp.path().join("a").join(OsStr::from_bytes(b"caf\xe9.png"));
    fs::write(&bad, case("rgb.png")).unwrap();
    refused(open(tmp.path()), &["/a:", "UTF-8", "caf", "rename it"]);
    fs::remove_file(bad).unwrap();
    let socket = tmp.path().join("a/socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    refused(open(tmp.path()), &["socket", "a file or folder"]);
}

/// Each of these is refused by name, or left out and listed, alone among good files.
fn bad_files() -> Vec<(&'static str, Vec<u8>)> {
    let jpeg = case("rgb420.jpg");
    let mut twelve_bits = jpeg.to_vec();
    let frame = twelve_bits.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    twelve_bits[frame + 4] = 12;
    let mut bomb = jpeg.to_vec();
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    vec![
        ("empty.jpg", Vec::new()),
        ("page.jpg", b"<!DOCTYPE html><html>404</html>".to_vec()),
        ("cut.jpg", jpeg[..jpeg.len() / 2].to_vec()),
        ("cut.png", case("rgb.png")[..900].to_vec()),
        ("12-bit.jpg", twelve_bits),
        ("bomb.jpg", bomb),
        ("notes.txt", b"taken in May".to_vec()),
    ]
}

#[test]
fn bad_files_fail_by_name_or_are_skipped_and_listed() {
    for (name, bytes) in bad_files() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path();
        put(root, "a/good.png", case("rgb.png"));
        put(root, &format!("a/{name}"), &bytes);
        // Either when it is opened, or, where the header is sound, when it is read.
        let error = match open(root) {
            Err(error) => error,
            Ok(source) => {
                let results = (0..2).map(|i| source.read(0, i, &mut vec![0; source.shape().values()]));
                results.filter_map(Result::err).next().expect("an error")
            }
        };
        let text = error.to_string();
        assert!(text.contains(&format!("a/{name}: ")) && text.contains("--on-bad skip"), "{text}");

        let source = Images::folder(root, &skipping(), &()).unwrap();
        assert_eq!(names(&source, root, 0), ["a/good.png"], "{name}");
        let bad = &source.report().bad;
        assert_eq!((bad.len(), bad[0].name.as_str()), (1, format!("train/a/{name}").as_str()));
        let parameter = source.parameters().iter().find(|p| p.name == format!("skipped train/a/{name}"));
        assert_eq!(parameter.unwrap().value, bad[0].reason);
    }
}

#[test]
fn all_bad_files_are_counted_and_none_left_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    for (name, bytes) in bad_files() {
        put(tmp.path(), &format!("a/{name}"), &bytes);
    }
    // Those whose header says so.
    refused(open(tmp.path()), &["a/12-bit.jpg", "more files", "rfx-pack check"]);
    refused(Images::folder(tmp.path(), &skipping(), &()), &["at least one image"]);
    put(tmp.path(), "b/good.bmp", case("rgb.bmp"));
    let report = Images::inspect_folder(tmp.path(), &ImageOptions::default(), &()).unwrap();
    assert_eq!((report.files, report.bad.len()), (8, 7));
    assert_eq!(report.kinds.into_iter().collect::<Vec<_>>(), [("bmp rgb".to_owned(), 1)]);
    assert_eq!(report.sizes.into_iter().collect::<Vec<_>>(), [("45x37".to_owned(), 1)]);
    let source = Images::folder(tmp.path(), &skipping(), &());
    // A class of which nothing is left stays a class.
    assert_eq!(source.unwrap().classes().len(), 2);
}

#[test]
fn sizes_that_differ_are_refused_with_both_names_and_fitted_when_asked() {
    let tmp = tempfile::tempdir().unwrap();
    put(tmp.path(), "a/1.png", case("rgb.png"));
    put(tmp.path(), "a/2.jpg", case("rgb422.jpg")); // to be turned: 37 x 45
    refused(open(tmp.path()), &["a/2.jpg", "37 x 45", "a/1.png", "45 x 37", "--resize 256 --crop 224"]);
    let ignoring = ImageOptions { exif: false, ..ImageOptions::default() };
    assert!(Images::folder(tmp.path(), &ignoring, &()).is_ok());

    let fit = Fit { resize: Some(Resize::Shorter(32)), crop: Some(24) };
    let options = ImageOptions { fit, ..ImageOptions::default() };
    let source = Images::folder(tmp.path(), &options, &()).unwrap();
    assert_eq!(source.shape(), ImageShape::new(3, 24, 24).unwrap());
    let pixels = decode(case("rgb422.jpg"), &DecodeOptions::default()).unwrap();
    assert_eq!(read(&source, 0, 1), fit.apply(pixels, &mut Resizer::new()).unwrap().values);
    // Too small for the crop: named, and no reason for the others to suffer.
    put(tmp.path(), "a/3.png", case("rgb.png"));
    let options = ImageOptions { fit: Fit { resize: None, crop: Some(40) }, ..ImageOptions::default() };
    refused(Images::folder(tmp.path(), &options, &()), &["a/1.png", "at least 40 x 40", "45 x 37"]);
}

#[test]
fn everything_that_decides_pixels_is_in_the_parameters_and_so_in_the_plan() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path().join("tree");
    put(&root, "a/1.png", case("rgb.png"));
    let parameters = |options: &ImageOptions| -> Vec<(String, String)> {
        let source = Images::folder(&root, options, &()).unwrap();
        source.parameters().iter().map(|p| (p.name.clone(), p.value.clone())).collect()
    };
    let plain = parameters(&ImageOptions::default());
    let names: Vec<_> = plain.iter().map(|(n, _)| n.as_str()).collect();
    assert_eq!(names, ["decoder", "colour", "exif"]);
    assert!(plain[0].1.starts_with("rfx-pixels/1 ") && plain[0].1.len() == 13 + 64, "{}", plain[0].1);
    let base = ImageOptions::default();
    let crop = |resize, crop| ImageOptions { fit: Fit { resize, crop }, ..base.clone() };
    let all = [
        base.clone(),
        ImageOptions { colour: Colour::Grey, ..base.clone() },
        ImageOptions { exif: false, ..base.clone() },
        crop(Some(Resize::Shorter(24)), None),
        crop(Some(Resize::Shorter(25)), Some(20)),
        crop(Some(Resize::Shorter(26)), Some(20)),
        crop(Some(Resize::Exact { height: 20, width: 20 }), None),
        crop(None, Some(20)),
    ];
    let mut plans = std::collections::BTreeSet::new();
    for (i, options) in all.iter().enumerate() {
        let source = Images::folder(&root, options, &()).unwrap();
        let out = tmp.path().join(i.to_string());
        plans.insert(pack_to(&source, &out, &samples::options(1, 1 << 20)).unwrap().plan);
        let index = Dataset::open(&out, Verify::Once).unwrap().index().source.clone();
        assert_eq!(index.parameters, source.parameters());
    }
    assert_eq!(plans.len(), all.len());
    // What does not decide pixels is in none.
    for same in [
        ImageOptions { jobs: 3, ..base.clone() },
        ImageOptions { follow_links: true, ..base.clone() },
        ImageOptions { verify_archive: false, ..base.clone() },
        ImageOptions { on_bad: OnBad::Skip, ..base.clone() },
    ] {
        assert_eq!(parameters(&same), plain);
    }
}

#[test]
fn packing_gives_the_same_bytes_for_any_jobs_and_verifies() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path().join("tree");
    for (i, case) in CASES.iter().cycle().take(60).enumerate() {
        put(&root, &format!("{}/{i}", i % 3), case.bytes);
    }
    let mut trees = Vec::new();
    for jobs in [1, 2, 5] {
        let options = ImageOptions { jobs, ..fitted(20) };
        let source = Images::folder(&root, &options, &()).unwrap();
        let out = tmp.path().join(format!("out-{jobs}"));
        let order = PackOrder::Shuffled { seed: 0 };
        let options = PackOptions { jobs, shard_bytes: 9000, order, ..PackOptions::default() };
        let report = pack(&source, &out, &options, &(), &AtomicBool::new(false)).unwrap();
        assert!(report.shards > 5);
        trees.push(tree(&out));
    }
    assert!(trees.iter().all(|t| *t == trees[0]));
    let dataset = Dataset::open(tmp.path().join("out-1"), Verify::Always).unwrap();
    assert!(dataset.verify(&()).unwrap().findings.is_empty());
}

#[test]
fn a_file_that_changes_between_the_two_passes_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    put(tmp.path(), "a/1.png", case("rgb.png"));
    put(tmp.path(), "a/2.png", case("rgb.png"));
    let source = open(tmp.path()).unwrap();
    let mut out = vec![0; source.shape().values()];
    put(tmp.path(), "a/2.png", case("rgb.bmp")); // the same pixels, other bytes
    assert!(source.read(0, 0, &mut out).is_ok());
    let error = source.read(0, 1, &mut out).unwrap_err();
    assert!(matches!(error, SourceError::Changed { .. }), "{error}");
    fs::remove_file(tmp.path().join("a/2.png")).unwrap();
    assert!(matches!(source.read(0, 1, &mut out), Err(SourceError::Io { .. })));
}

#[test]
fn opening_stops_when_asked() {
    struct Stop;
    impl OpenProgress for Stop {
        fn cancelled(&self) -> bool {
            true
        }
    }
    let tmp = tempfile::tempdir().unwrap();
    put(tmp.path(), "a/1.png", case("rgb.png"));
    let error = Images::folder(tmp.path(), &ImageOptions::default(), &Stop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
}

#[test]
fn real_photographs_are_packed_resized_and_cropped() {
    let Some(root) = support::real_data("imagenet-sample", "real_photographs_are_packed_resized_and_cropped")
    else {
        return;
    };
    refused(open(&root), &["--resize 256 --crop 224", "n01440764_tench.JPEG"]);
    let fit = Fit { resize: Some(Resize::Shorter(64)), crop: Some(56) };
    let options = ImageOptions { fit, on_bad: OnBad::Skip, ..ImageOptions::default() };
    let source = Images::folder(&root, &options, &()).unwrap();
    let report = source.report();
    assert_eq!((report.files, report.bytes, report.bad.len()), (125, 14_076_739, 0));
    assert_eq!((report.kinds["jpeg rgb"], report.kinds["jpeg grey"]), (123, 2));
    assert_eq!((source.classes().len(), source.classes()[0].name.as_str()), (125, "n01440764"));
    let out = tempfile::tempdir().unwrap();
    pack_to(&source, out.path(), &samples::options(2, 1 << 19)).unwrap();
    let dataset = Dataset::open(out.path(), Verify::Always).unwrap();
    assert!(dataset.verify(&()).unwrap().findings.is_empty());
    let split = dataset.split("train").unwrap();
    for id in [0, 77, 124] {
        assert_eq!(split.record(id, &mut Decoder::new()).unwrap(), read(&source, 0, id));
    }
}

#[test]
fn decode_errors_keep_their_type() {
    let tmp = tempfile::tempdir().unwrap();
    put(tmp.path(), "a/1.png", b"");
    match open(tmp.path()) {
        Err(SourceError::Image { path, more: 0, source: DecodeError::Unknown { found } }) => {
            assert_eq!((path, found.as_str()), (tmp.path().join("a/1.png"), "an empty file"));
        }
        other => panic!("{other:?}"),
    }
}
