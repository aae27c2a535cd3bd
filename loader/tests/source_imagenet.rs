//! ILSVRC-2012 in small: as a tree, in archives, and with everything that can be wrong with them.
#![cfg(feature = "jpeg")]

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{fs, io::Write, path::Path};

use rfx_loader::{
    ErrorKind,
    dataset::Class,
    decode::{Fit, Resize, conformance::CASES},
    digest::Digest,
    source::{ImageOptions, Images, Source, SourceError, parsers},
};
use samples::{options, pack_to};

/// WordNet id, id of the devkit, words. Ids are not in the order of WordNet ids, as in the real kit.
const SYNSETS: [(&str, u32, &str); 4] = [
    ("n01440764", 3, "tench, Tinca tinca"),
    ("n02012849", 1, "crane"),
    ("n02119789", 4, "kit fox, Vulpes macrotis"),
    ("n03126707", 2, "crane"),
];

/// Class index of each validation image.
const TRUTH: [usize; 6] = [2, 0, 3, 1, 1, 2];

fn case(name: &str) -> &'static [u8] {
    CASES.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no {name}")).bytes
}

/// The files of a class: of ImageNet's oddities each one.
fn train_files(class: usize) -> Vec<(String, &'static [u8])> {
    let wnid = SYNSETS[class].0;
    let names = match class {
        0 => vec!["rgb420.jpg", "cmyk.jpg", "rgb.png"], // one PNG is called .JPEG
        1 => vec!["grey.jpg", "rgb422.jpg"],            // turned by EXIF
        _ => vec!["progressive.jpg"],
    };
    let file = |(i, name): (usize, &str)| (format!("{wnid}_{}.JPEG", 10 * i + 9), case(name));
    names.into_iter().enumerate().map(file).collect()
}

fn val_name(rank: usize) -> String {
    format!("ILSVRC2012_val_{:08}.JPEG", rank + 1)
}

fn val_bytes(rank: usize) -> &'static [u8] {
    case(["rgb420.jpg", "grey.jpg", "progressive.jpg"][rank % 3])
}

fn tar(files: &[(String, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn train_tar() -> Vec<u8> {
    // The outer archive is not in the order of the classes.
    let inner: Vec<(String, Vec<u8>)> =
        [2, 0, 3, 1].map(|c| (format!("{}.tar", SYNSETS[c].0), tar(&train_files(c)))).to_vec();
    tar(&inner.iter().map(|(n, b)| (n.clone(), b.as_slice())).collect::<Vec<_>>())
}

fn val_tar() -> Vec<u8> {
    // Nor is the validation archive in the order of its names.
    tar(&[3, 0, 5, 1, 4, 2].map(|r| (val_name(r), val_bytes(r))))
}

fn truth_text(classes: &[usize]) -> String {
    classes.iter().map(|&c| format!("{}\n", SYNSETS[c].1)).collect()
}

fn element(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut out = [kind.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat();
    out.extend_from_slice(data);
    if kind != 15 {
        out.resize(out.len().next_multiple_of(8), 0);
    }
    out
}

fn matrix(class: u8, sides: [u32; 2], name: &str, rest: &[u8]) -> Vec<u8> {
    let flags = element(6, &[class, 0, 0, 0, 0, 0, 0, 0]);
    let sides = element(5, &sides.map(u32::to_le_bytes).concat());
    element(14, &[flags, sides, element(1, name.as_bytes()), rest.to_vec()].concat())
}

fn number(value: u32) -> Vec<u8> {
    // As MATLAB stores a small whole double: in one byte, in a small element.
    matrix(6, [1, 1], "", &[2, 0, 1, 0, value as u8, 0, 0, 0])
}

fn text(value: &str) -> Vec<u8> {
    let units: Vec<u8> = value.encode_utf16().flat_map(u16::to_le_bytes).collect();
    matrix(4, [1, value.len() as u32], "", &element(4, &units))
}

/// A `meta.mat`; `row` may spoil a row.
fn meta_mat(compressed: bool, row: impl Fn(usize, &mut (String, u32))) -> Vec<u8> {
    let fields = ["ILSVRC2012_ID", "WNID", "words", "gloss", "num_children"];
    let names: Vec<u8> = fields.iter().flat_map(|f| f.bytes().chain(std::iter::repeat(0)).take(32)).collect();
    let mut rest = [5, 0, 4, 0, 32, 0, 0, 0].to_vec();
    rest.extend(element(1, &names));
    for (i, (wnid, id, words)) in SYNSETS.iter().enumerate() {
        let mut values = ((*wnid).to_owned(), *id);
        row(i, &mut values);
        rest.extend([number(values.1), text(&values.0), text(words), text("a gloss"), number(0)].concat());
    }
    rest.extend([number(5), text("n00001740"), text("entity"), text(""), number(4)].concat());
    let synsets = matrix(2, [5, 1], "synsets", &rest);
    let mut out = b"MATLAB 5.0 MAT-file".to_vec();
    out.resize(124, b' ');
    out.extend([0, 1, b'I', b'M']);
    if compressed {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&synsets).unwrap();
        out.extend(element(15, &encoder.finish().unwrap()));
    } else {
        out.extend(synsets);
    }
    out
}

fn devkit_tar(meta: &[u8], truth: &str) -> Vec<u8> {
    let data = "ILSVRC2012_devkit_t12/data";
    let bytes = tar(&[
        (format!("{data}/meta.mat"), meta),
        (format!("{data}/ILSVRC2012_validation_ground_truth.txt"), truth.as_bytes()),
    ]);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

const TRAIN: &str = "ILSVRC2012_img_train.tar";
const VAL: &str = "ILSVRC2012_img_val.tar";
const DEVKIT: &str = "ILSVRC2012_devkit_t12.tar.gz";

fn put(root: &Path, name: &str, bytes: &[u8]) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn put_archives(root: &Path) {
    put(root, TRAIN, &train_tar());
    put(root, VAL, &val_tar());
    put(root, DEVKIT, &devkit_tar(&meta_mat(true, |_, _| {}), &truth_text(&TRUTH)));
}

fn put_train_tree(root: &Path) {
    for (class, (wnid, ..)) in SYNSETS.iter().enumerate() {
        for (name, bytes) in train_files(class) {
            put(root, &format!("train/{wnid}/{name}"), bytes);
        }
    }
}

fn put_val(root: &Path, folder_of: impl Fn(usize) -> String) {
    for rank in 0..TRUTH.len() {
        put(root, &format!("val/{}{}", folder_of(rank), val_name(rank)), val_bytes(rank));
    }
}

fn unverified() -> ImageOptions {
    let fit = Fit { resize: Some(Resize::Shorter(24)), crop: Some(20) };
    ImageOptions { fit, verify_archive: false, ..ImageOptions::default() }
}

fn open(root: &Path) -> Result<Images, SourceError> {
    Images::imagenet_any_count(root, &unverified(), &())
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
fn archives_and_trees_give_the_same_data_set() {
    let tmp = tempfile::tempdir().unwrap();
    let at = |name: &str| tmp.path().join(name);
    put_archives(&at("archives"));
    let kit = devkit_tar(&meta_mat(false, |_, _| {}), &truth_text(&TRUTH));
    put(&at("flat"), DEVKIT, &kit);
    put_train_tree(&at("flat"));
    put_val(&at("flat"), |_| String::new());
    put_train_tree(&at("folders"));
    put_val(&at("folders"), |rank| format!("{}/", SYNSETS[TRUTH[rank]].0));
    let data = "ILSVRC2012_devkit_t12/data";
    put(&at("folders"), &format!("{data}/meta.mat"), &meta_mat(false, |_, _| {}));
    let truth = truth_text(&TRUTH).replace('\n', "\r\n");
    put(&at("folders"), &format!("{data}/ILSVRC2012_validation_ground_truth.txt"), truth.as_bytes());

    let mut contents = Vec::new();
    for name in ["archives", "flat", "folders"] {
        let source = open(&at(name)).unwrap();
        let splits: Vec<_> = source.splits().iter().map(|s| (s.name.as_str(), s.samples)).collect();
        assert_eq!(splits, [("train", 7), ("val", 6)], "{name}");
        let val: Vec<_> = (0..6).map(|i| source.label(1, i).unwrap() as usize).collect();
        assert_eq!(val, TRUTH, "{name}");
        let train: Vec<_> = (0..7).map(|i| source.label(0, i).unwrap()).collect();
        assert_eq!(train, [0, 0, 0, 1, 1, 2, 3], "{name}");
        // Bytewise: 19 comes before 29, and both before 9.
        let path = source.path(0, 0).unwrap();
        assert!(path.ends_with("n01440764_19.JPEG"), "{}", path.display());
        let kinds = &source.report().kinds;
        assert_eq!((kinds["png rgb"], kinds["jpeg cmyk"], kinds["jpeg grey"]), (1, 1, 3), "{name}");
        assert_eq!(source.report().turned, 1);
        assert_eq!(source.files()[0].name, "train");
        let out = at(&format!("out-{name}"));
        let report = pack_to(&source, &out, &options(2, 4000)).unwrap();
        contents.push((report.content, source.files()[..2].to_vec()));
    }
    assert!(contents.iter().all(|c| *c == contents[0]));
}

#[test]
fn the_class_index_is_the_rank_of_the_wordnet_id() {
    let tmp = tempfile::tempdir().unwrap();
    put_archives(tmp.path());
    let source = open(tmp.path()).unwrap();
    let class = |name: &str, id: &str| Class { name: name.into(), id: Some(id.into()), superclass: None };
    let expected = [
        class("tench, Tinca tinca", "n01440764"),
        class("crane (n02012849)", "n02012849"), // two classes have that word
        class("kit fox, Vulpes macrotis", "n02119789"),
        class("crane (n03126707)", "n03126707"),
    ];
    assert_eq!(source.classes(), expected);
    // Without a devkit a tree has the ids for names.
    let tmp = tempfile::tempdir().unwrap();
    put_train_tree(tmp.path());
    let source = open(tmp.path()).unwrap();
    assert_eq!(source.classes()[3], class("n03126707", "n03126707"));
    assert_eq!((source.splits().len(), source.files().len()), (1, 1));
}

#[test]
fn labels_that_cannot_be_trusted_are_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let with = |meta: &[u8], truth: &str, parts: &[&str]| {
        put_archives(tmp.path());
        put(tmp.path(), DEVKIT, &devkit_tar(meta, truth));
        refused(open(tmp.path()), parts);
    };
    let (meta, truth) = (meta_mat(true, |_, _| {}), truth_text(&TRUTH));
    with(&meta, &truth_text(&TRUTH[..5]), &["validation images", "5, one for each line", "found 6"]);
    with(&meta, &format!("{truth}1\n"), &["7, one for each line"]);
    with(&meta, &truth.replacen('4', "5", 1), &["record 0", "1 to 4", "found 5"]);
    with(&meta, &truth.replacen('4', "0", 1), &["1 to 4", "found 0"]);
    for line in ["-1", "", " 4", "4 4", "+4", "4.0", "99999999999"] {
        with(
            &meta,
            &truth.replacen('4', line, 1),
            &["ILSVRC2012_validation_ground_truth.txt", "line at byte 0"],
        );
    }
    let twice = meta_mat(true, |i, row| {
        if i == 1 {
            row.1 = 3
        }
    });
    with(&twice, &truth, &["meta.mat", "ILSVRC2012_ID", "each once", "found 3"]);
    let outside = meta_mat(true, |i, row| {
        if i == 1 {
            row.1 = 200
        }
    });
    with(&outside, &truth, &["ILSVRC2012_ID", "1 to 4"]);
    let name = meta_mat(true, |i, row| {
        if i == 1 {
            row.0 = "../../etc".into()
        }
    });
    with(&name, &truth, &["WNID", "n and 8 digits"]);
    let other = meta_mat(true, |i, row| {
        if i == 3 {
            row.0 = "n09999999".into()
        }
    });
    with(&other, &truth, &["class of the devkit", "n03126707"]);
    with(b"short", &truth, &["meta.mat", "128 bytes"]);

    // The folders say something else than the ground truth: sorted by another numbering.
    let tmp = tempfile::tempdir().unwrap();
    put_train_tree(tmp.path());
    put_val(tmp.path(), |rank| format!("{}/", SYNSETS[(TRUTH[rank] + 1) % 4].0));
    assert!(open(tmp.path()).is_ok()); // nothing to compare with
    put(tmp.path(), DEVKIT, &devkit_tar(&meta, &truth));
    refused(open(tmp.path()), &["val_00000001", "by the ground truth", "another numbering"]);
}

#[test]
fn missing_parts_are_named() {
    let tmp = tempfile::tempdir().unwrap();
    assert!(matches!(open(tmp.path()), Err(SourceError::NotFound { .. })));
    put(tmp.path(), TRAIN, &train_tar());
    put(tmp.path(), VAL, &val_tar());
    refused(open(tmp.path()), &["labels", "ILSVRC2012_devkit_t12.tar.gz", "get the devkit"]);
    put_archives(tmp.path());
    put(tmp.path(), VAL, &tar(&[0, 1, 2, 4, 5, 5].map(|r| (val_name(r), val_bytes(r)))));
    refused(open(tmp.path()), &["expected ILSVRC2012_val_00000004.JPEG", "ILSVRC2012_val_00000005.JPEG"]);
    put_archives(tmp.path());
    // The whole set has a thousand classes, and nothing less is taken for it.
    refused(
        Images::imagenet(tmp.path(), &unverified(), &()),
        &["classes", "expected 1000, found 4", "rfx-pack folder"],
    );
}

#[test]
fn wrong_checksums_are_refused_unless_told_otherwise() {
    let tmp = tempfile::tempdir().unwrap();
    put_archives(tmp.path());
    let options = ImageOptions { verify_archive: true, ..unverified() };
    let result = Images::imagenet_any_count(tmp.path(), &options, &());
    refused(result, &[TRAIN, "MD5", "1d675b47d978889d74fa0da5fadfb00e", "--no-verify-archive"]);
    fs::remove_file(tmp.path().join(TRAIN)).unwrap();
    put_train_tree(tmp.path());
    let result = Images::imagenet_any_count(tmp.path(), &options, &());
    refused(result, &[VAL, "29b22e2961454d5413ddabcf34fc5622"]);
    fs::remove_file(tmp.path().join(VAL)).unwrap();
    let result = Images::imagenet_any_count(tmp.path(), &options, &());
    refused(result, &[DEVKIT, "fa75699e90414af021442c21a62c3abf"]);
}

#[test]
fn hostile_archives_are_refused_by_name_and_byte() {
    let tmp = tempfile::tempdir().unwrap();
    let with = |train: &[u8], parts: &[&str]| {
        put(tmp.path(), TRAIN, train);
        refused(open(tmp.path()), parts);
    };
    let small = tar(&train_files(3));
    let outer = |name: &str, inner: &[u8]| tar(&[(name.into(), inner)]);
    with(&outer("n0144076.tar", &small), &["member", "nXXXXXXXX.tar", "n0144076.tar"]);
    with(&outer("sub/n01440764.tar", &small), &["nXXXXXXXX.tar"]);
    with(&outer("n01440764.tar", &tar(&[("x/a.JPEG".into(), case("grey.jpg"))])), &["without folders"]);
    let twice = tar(&[("a.JPEG".into(), case("grey.jpg")), ("a.JPEG".into(), case("grey.jpg"))]);
    with(&outer("n01440764.tar", &twice), &["n01440764.tar/a.JPEG", "each name once"]);
    with(&outer("n01440764.tar", &[1; 700]), &[TRAIN, "checksum", "byte 512"]);
    let whole = train_tar();
    with(&whole[..whole.len() / 2 + 100], &[TRAIN, "what is left of the archive"]);
    // An inner archive cannot reach outside of its member.
    let mut long = small.clone();
    let mut header = tar::Header::new_ustar();
    header.set_path("n03126707_9.JPEG").unwrap();
    header.set_size(1 << 20);
    header.set_mode(0o644);
    header.set_cksum();
    long[..512].copy_from_slice(header.as_bytes());
    let both = tar(&[("n01440764.tar".into(), &long), ("n03126707.tar".into(), &vec![0; 2 << 20])]);
    with(&both, &["size at byte 512", "what is left"]);
}

#[test]
fn a_member_that_changes_between_the_passes_is_an_error_and_others_are_read() {
    let tmp = tempfile::tempdir().unwrap();
    put_archives(tmp.path());
    let source = open(tmp.path()).unwrap();
    let mut bytes = fs::read(tmp.path().join(TRAIN)).unwrap();
    let grey = case("grey.jpg");
    let at = bytes.windows(grey.len()).position(|w| w == grey).unwrap();
    bytes[at + grey.len() / 2] ^= 1;
    // In place: the source has the archive open.
    use std::os::unix::fs::FileExt;
    let file = fs::File::options().write(true).open(tmp.path().join(TRAIN)).unwrap();
    file.write_all_at(&bytes, 0).unwrap();
    let mut out = vec![0; source.shape().values()];
    let results: Vec<_> = (0..7).map(|i| source.read(0, i, &mut out)).collect();
    assert_eq!(results.iter().filter(|r| r.is_err()).count(), 1);
    let error = results.into_iter().find_map(Result::err).unwrap();
    assert!(matches!(error, SourceError::Changed { .. }), "{error}");
    assert!(error.to_string().contains("n02012849.tar/n02012849_"), "{error}");
}

#[test]
fn matlab_files_of_another_writer_are_read_and_damage_is_an_error() {
    let folder = support::workspace().join("loader/tests/images");
    for name in ["meta-compressed.mat", "meta-plain.mat"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        let rows = parsers::synsets(&bytes).unwrap();
        let found: Vec<_> = rows.iter().map(|r| (r.id, r.wnid.as_str(), r.children)).collect();
        let expected = [(1, "n02119789", 0), (2, "n01440764", 0), (3, "n03126707", 0), (4, "n00001740", 3)];
        assert_eq!(found, expected, "{name}");
        assert_eq!(rows[0].words, "kit fox, Vulpes macrotis");
        let digest = |rows: &Vec<parsers::Synset>| Digest::of(format!("{rows:?}").as_bytes());
        for length in 0..bytes.len() {
            if let Ok(cut) = parsers::synsets(&bytes[..length]) {
                assert_eq!(digest(&cut), digest(&rows), "{name} cut to {length}"); // padding alone was missing
            }
        }
        for at in 0..bytes.len() {
            for bit in [0, 3, 7] {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                let _ = parsers::synsets(&changed); // whatever it says, it says so without a panic
            }
        }
    }
    let ours = meta_mat(true, |_, _| {});
    assert_eq!(parsers::synsets(&ours).unwrap(), parsers::synsets(&meta_mat(false, |_, _| {})).unwrap());
    assert_eq!(parsers::synsets(&ours).unwrap().len(), 5);
}

#[test]
fn matlab_bombs_are_refused() {
    let header = &meta_mat(false, |_, _| {})[..128];
    let with = |element: Vec<u8>| parsers::synsets(&[header, &element].concat()).unwrap_err().to_string();
    // A hundred megabytes of zeros in a hundred kilobytes.
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..100 {
        encoder.write_all(&vec![0; 1 << 20]).unwrap();
    }
    assert!(with(element(15, &encoder.finish().unwrap())).contains("when decompressed"));
    assert!(with([15u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat()).contains("what is left"));
    assert!(with(matrix(2, [u32::MAX, 1], "synsets", &[])).contains("whole numbers"));
    assert!(with(matrix(2, [i32::MAX as u32; 2], "synsets", &[])).contains("at most 65536"));
    assert!(with(matrix(2, [1000, 1], "synsets", &[])).contains("the end"));
    assert!(with(matrix(6, [1, 1], "synsets", &[])).contains("structures"));
    assert!(with(Vec::new()).contains("a variable `synsets`"));
    assert!(with(vec![14, 0, 255, 0, 0, 0, 0, 0]).contains("at most 4 bytes"));
}
