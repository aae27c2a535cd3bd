//! MNIST: what is read, in which spellings, and what is refused.

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{fs, io::Write, path::Path};

use rfx_loader::{
    ErrorKind,
    dataset::{Dataset, Verify},
    shard::Decoder,
    source::{Mnist, Source},
};
use samples::{options, pack_to, tree};

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn images(n: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [2051, n, 28, 28] {
        out.extend(word.to_be_bytes());
    }
    out.extend((0..n * 784).map(|i| (i * 7 + i / 784) as u8));
    out
}

fn labels(n: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [2049, n] {
        out.extend(word.to_be_bytes());
    }
    out.extend((0..n).map(|i| (i % 10) as u8));
    out
}

fn small_mnist(dir: &Path, name: impl Fn(&str) -> String, encode: impl Fn(&[u8]) -> Vec<u8>) {
    fs::create_dir_all(dir).unwrap();
    for (prefix, n) in [("train", 12), ("t10k", 5)] {
        fs::write(dir.join(name(&format!("{prefix}-images-idx3-ubyte"))), encode(&images(n))).unwrap();
        fs::write(dir.join(name(&format!("{prefix}-labels-idx1-ubyte"))), encode(&labels(n))).unwrap();
    }
}

#[test]
fn gzipped_and_raw_in_every_spelling_give_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let raw = |b: &[u8]| b.to_vec();
    small_mnist(&tmp.path().join("a"), |n| n.into(), raw);
    small_mnist(&tmp.path().join("b"), |n| format!("{n}.gz"), gz);
    small_mnist(&tmp.path().join("c"), |n| n.replace("-idx", ".idx"), raw);
    small_mnist(&tmp.path().join("d/MNIST/raw"), |n| format!("{}.gz", n.replace("-idx", ".idx")), gz);
    let outputs: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| {
            let out = tmp.path().join(format!("out-{name}"));
            pack_to(&Mnist::open(tmp.path().join(name)).unwrap(), &out, &options(2, 1 << 27)).unwrap();
            tree(&out)
        })
        .collect();
    assert!(outputs.iter().all(|o| *o == outputs[0]));
}

#[test]
fn real_mnist_round_trips() {
    let Some(dir) = support::real_data("mnist", "real_mnist_round_trips") else { return };
    let tmp = tempfile::tempdir().unwrap();
    let source = Mnist::open(&dir).unwrap();
    let report = pack_to(&source, &tmp.path().join("out"), &options(2, 1 << 27)).unwrap();
    assert!(report.warnings.iter().any(|w| w.contains("clipped")), "{:?}", report.warnings);
    let dataset = Dataset::open(tmp.path().join("out"), Verify::Once).unwrap();
    assert_eq!((dataset.shape().unwrap().to_string().as_str(), dataset.classes().len()), ("1x28x28", 10));
    let mut image = vec![0; 784];
    for (number, (name, samples)) in [("train", 60_000), ("test", 10_000)].into_iter().enumerate() {
        let split = dataset.split(name).unwrap();
        assert_eq!(split.len(), samples);
        for i in (0..samples).step_by(7) {
            source.read(number, i, &mut image).unwrap();
            assert_eq!(split.record(i, &mut Decoder::new()).unwrap(), image);
            assert_eq!(split.labels()[i], source.label(number, i).unwrap());
        }
    }
    let train = dataset.split("train").unwrap();
    assert_eq!(train.labels()[..8], [5, 0, 4, 1, 9, 2, 1, 3], "the official first labels");
    assert!(dataset.gaussian().is_ok());
}

/// The error of a set after `damage`, raw and gzipped; checks that it names `file` and is bad input.
fn refused(file: &str, damage: impl Fn(&mut Vec<u8>)) -> String {
    let mut text = String::new();
    for zip in [false, true] {
        let tmp = tempfile::tempdir().unwrap();
        let name = |n: &str| if zip { format!("{n}.gz") } else { n.into() };
        small_mnist(tmp.path(), name, |b| if zip { gz(b) } else { b.to_vec() });
        let path = tmp.path().join(name(file));
        let mut bytes = if file.contains("images") { images(12) } else { labels(12) };
        damage(&mut bytes);
        fs::write(&path, if zip { gz(&bytes) } else { bytes }).unwrap();
        let error = Mnist::open(tmp.path()).expect_err(file);
        text = error.to_string();
        assert!(text.contains(file), "{text}");
        assert_eq!(error.kind(), ErrorKind::Input, "{text}");
    }
    text
}

const IMAGES: &str = "train-images-idx3-ubyte";
const LABELS: &str = "train-labels-idx1-ubyte";

#[test]
fn every_header_field_is_checked() {
    assert!(refused(IMAGES, |b| b[3] = 0).contains("magic at byte 0"));
    assert!(refused(LABELS, |b| b[3] = 3).contains("magic"));
    assert!(refused(IMAGES, |b| b[11] = 27).contains("rows at byte 8"));
    assert!(refused(IMAGES, |b| b[15] = 29).contains("columns at byte 12"));
    assert!(refused(IMAGES, |b| b[4..8].copy_from_slice(&[255; 4])).contains("count at byte 4"));
    assert!(refused(IMAGES, |b| b[4..8].copy_from_slice(&[0; 4])).contains("count at byte 4"));
}

#[test]
fn wrong_lengths_and_counts_are_refused() {
    for n in [0, 1, 15, 16, 17, 16 + 784 * 12 - 1] {
        assert!(refused(IMAGES, |b| b.truncate(n)).contains("length"), "{n}");
    }
    assert!(refused(IMAGES, |b| b.push(0)).contains("length"));
    assert!(refused(LABELS, |b| b.push(0)).contains("length"));
    // A file whole in itself, but of another count than its companion.
    assert!(refused(LABELS, |b| *b = labels(11)).contains("12 labels"));
}

#[test]
fn a_label_out_of_range_is_refused_with_record_and_byte() {
    let text = refused(LABELS, |b| b[8 + 4] = 10);
    assert!(text.contains("record 4") && text.contains("byte 12") && text.contains("found 10"), "{text}");
}

#[test]
fn damaged_gzip_and_missing_files_are_refused() {
    let tmp = tempfile::tempdir().unwrap();
    small_mnist(tmp.path(), |n| format!("{n}.gz"), gz);
    let path = tmp.path().join("t10k-images-idx3-ubyte.gz");
    let whole = fs::read(&path).unwrap();
    for n in 0..whole.len() {
        fs::write(&path, &whole[..n]).unwrap();
        let error = Mnist::open(tmp.path()).expect_err("cut").to_string();
        assert!(error.contains("t10k-images-idx3-ubyte.gz"), "{error}");
        // Of the checksum and length at the end, the last 8 bytes, all data come before.
        let decoded = if n + 8 >= whole.len() { "gzip after 3936 bytes" } else { "gzip after " };
        assert!(n < 10 || error.contains(decoded), "cut at {n}: {error}");
    }
    fs::remove_file(&path).unwrap();
    let error = Mnist::open(tmp.path()).expect_err("missing").to_string();
    assert!(error.contains("t10k-images-idx3-ubyte"), "{error}");
    let error = Mnist::open(tmp.path().join("nowhere")).expect_err("no folder").to_string();
    assert!(error.contains("nowhere"), "{error}");
    // A file that cannot be looked at is not called missing.
    std::os::unix::fs::symlink(path.file_name().unwrap(), &path).unwrap();
    let error = Mnist::open(tmp.path()).expect_err("a loop").to_string();
    assert!(error.contains("cannot look at: Too many levels of symbolic links"), "{error}");
}

#[test]
fn fashion_mnist_is_told_by_who_opens_it() {
    let tmp = tempfile::tempdir().unwrap();
    let raw = tmp.path().join("FashionMNIST/raw");
    small_mnist(&raw, |n| format!("{n}.gz"), gz);
    let fashion = Mnist::open_fashion(tmp.path()).unwrap();
    let digits = Mnist::open(&raw).unwrap();
    assert_eq!((fashion.kind(), digits.kind()), ("fashion-mnist", "mnist"));
    assert_eq!(fashion.files(), digits.files());
    let names = |source: &Mnist| source.classes().iter().map(|c| c.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&fashion)[..3], ["T-shirt/top", "Trouser", "Pullover"]);
    assert_eq!(names(&fashion)[9], "Ankle boot");
    assert_eq!(names(&digits)[9], "9");
    // The same samples, but not the same data set: the classes are other ones.
    let content = |source: &Mnist| {
        let out = tempfile::tempdir().unwrap();
        pack_to(source, out.path(), &options(1, 1 << 27)).unwrap().content
    };
    assert_ne!(content(&fashion), content(&digits));
}
