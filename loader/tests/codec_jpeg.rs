//! Data sets of JPEG records: what is copied, what is encoded anew, and that the files say what they are.
#![cfg(feature = "jpeg")]

mod samples;

use std::{collections::BTreeMap, fs, path::Path, sync::atomic::AtomicBool};

use rfx_loader::{
    Dataset, ElementShape, Split,
    dataset::Verify,
    decode::{Colour, DecodeOptions, Fit, Resize, conformance::CASES, decode, probe},
    pack::{PackCodec, PackOptions, PackOrder, Part, merge, pack, pack_part},
    shard::{Codec, Decoder},
    source::{EncodeOptions, ImageOptions, Images, Source},
};
use samples::{edit_index, overwrite, reseal_shard, shard_path};
use serde_json::json;
use turbojpeg::{Compressor, Image, PixelFormat};
use xxhash_rust::xxh3::xxh3_64;

fn jpeg(height: usize, width: usize, seed: usize) -> Vec<u8> {
    let pixels: Vec<u8> =
        (0..height * width * 3).map(|i| ((i / 3 % width + seed * 40) % 256) as u8).collect();
    let image = Image { pixels: &pixels[..], width, pitch: 3 * width, height, format: PixelFormat::RGB };
    Compressor::new().unwrap().compress_to_vec(image).unwrap()
}

/// `jpeg` with an EXIF block of this orientation.
fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let tiff = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation][..], &[0; 6]].concat();
    let length = (tiff.len() + 8) as u16;
    [&jpeg[..2], &[0xff, 0xe1], &length.to_be_bytes(), b"Exif\0\0", &tiff, &jpeg[2..]].concat()
}

fn case(name: &str) -> Vec<u8> {
    CASES.iter().find(|c| c.name == name).unwrap().bytes.to_vec()
}

/// A tree of two classes and two splits: JPEGs of many sizes, a grey, an inked and a turned one, and a PNG named .jpg.
fn tree() -> (tempfile::TempDir, BTreeMap<&'static str, Vec<u8>>) {
    let files = BTreeMap::from([
        ("train/a/0.jpg", jpeg(40, 60, 0)),
        ("train/a/1.jpg", jpeg(33, 20, 1)),
        ("train/a/cmyk.jpg", case("cmyk.jpg")),
        ("train/a/png.jpg", case("rgb.png")),
        ("train/b/0.jpg", oriented(&jpeg(16, 48, 2), 6)),
        ("train/b/1.jpg", oriented(&jpeg(17, 31, 3), 1)),
        ("train/b/grey.jpg", case("grey.jpg")),
        ("val/a/0.jpg", jpeg(64, 64, 4)),
        ("val/b/0.jpg", jpeg(9, 130, 5)),
    ]);
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in &files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    (folder, files)
}

fn options() -> ImageOptions {
    ImageOptions { encode: Some(EncodeOptions::default()), jobs: 2, ..ImageOptions::default() }
}

fn packed(
    tree: &Path,
    images: &ImageOptions,
    pack_options: &PackOptions,
) -> (tempfile::TempDir, Dataset, Images) {
    let source = Images::folder(tree, images, &()).unwrap();
    let out = tempfile::tempdir().unwrap();
    pack(&source, &out.path().join("set"), pack_options, &(), &AtomicBool::new(false)).unwrap();
    let dataset = Dataset::open(out.path().join("set"), Verify::Always).unwrap();
    let report = dataset.verify(&()).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
    (out, dataset, source)
}

fn records(split: &Split) -> Vec<(Vec<u8>, [usize; 3])> {
    let mut decoder = Decoder::new();
    let one = |i| (split.record(i, &mut decoder).unwrap().to_vec(), split.encoded_shape(i).unwrap().unwrap());
    (0..split.len()).map(one).collect()
}

#[test]
fn upright_jpegs_are_copied_and_everything_else_is_encoded_anew() {
    let (tree, files) = tree();
    let (_out, dataset, source) = packed(tree.path(), &options(), &PackOptions::default());
    assert_eq!((source.report().copied, source.report().encoded), (Some(7), Some(2)));
    assert_eq!(dataset.element_shape(), ElementShape::Encoded { channels: 3 });
    assert_eq!((dataset.index().version, dataset.index().element.codec), (3, Codec::Jpeg));
    let error = dataset.shape().unwrap_err().to_string();
    assert!(error.contains("expected one shape for all"), "{error}");
    let train = records(&dataset.split("train").unwrap());
    let val = records(&dataset.split("val").unwrap());
    for ((name, file), (record, shape)) in files.iter().zip(train.iter().chain(&val)) {
        let found = probe(record).unwrap();
        assert_eq!([found.height, found.width, found.channels], *shape, "{name}");
        let changed = ["train/a/png.jpg", "train/b/0.jpg"].contains(name);
        assert_eq!(record != file, changed, "{name}");
        if changed {
            // Upright, of the right size, and close to what was in the file.
            let (as_file, as_record) =
                [file, record].map(|b| decode(b, &DecodeOptions::default()).unwrap()).into();
            assert_eq!((as_file.width, as_file.height), (as_record.width, as_record.height), "{name}");
        }
    }
    assert_eq!(train[4].1, [48, 16, 3]);
}

#[test]
fn an_orientation_that_is_ignored_changes_no_byte() {
    let (tree, files) = tree();
    let ignore = ImageOptions { exif: false, ..options() };
    let (_out, dataset, source) = packed(tree.path(), &ignore, &PackOptions::default());
    assert_eq!((source.report().copied, source.report().encoded), (Some(8), Some(1)));
    assert_eq!(records(&dataset.split("train").unwrap())[4].0, files["train/b/0.jpg"]);
}

#[test]
fn a_resize_encodes_what_it_changes_and_copies_the_rest() {
    let (tree, files) = tree();
    let fit = Fit { resize: Some(Resize::LongerAtMost(48)), crop: None };
    let (_out, dataset, source) =
        packed(tree.path(), &ImageOptions { fit, ..options() }, &PackOptions::default());
    let train = records(&dataset.split("train").unwrap());
    assert_eq!((train[0].1, &train[1].0), ([32, 48, 3], &files["train/a/1.jpg"]));
    assert_eq!(train[5].0, files["train/b/1.jpg"]);
    let val = records(&dataset.split("val").unwrap());
    assert_eq!((val[0].1, val[1].1), ([48, 48, 3], [3, 48, 3]));
    assert!(source.report().encoded > Some(4));
    let worse = EncodeOptions { quality: 20, moments: false };
    let images = ImageOptions { fit, encode: Some(worse), ..options() };
    let (_out, other, _) = packed(tree.path(), &images, &PackOptions::default());
    assert_ne!(other.content(), dataset.content());
    assert!(records(&other.split("train").unwrap())[0].0.len() < train[0].0.len());
}

#[test]
fn samples_and_bytes_do_not_depend_on_jobs_parts_or_shards() {
    let (tree, _) = tree();
    let plain = PackOptions { jobs: 1, ..PackOptions::default() };
    let (out, dataset, source) = packed(tree.path(), &options(), &plain);
    let bytes = |folder: &Path| -> BTreeMap<String, Vec<u8>> {
        let entry = |e: std::io::Result<fs::DirEntry>| {
            let path = e.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap())
        };
        fs::read_dir(folder).unwrap().map(entry).collect()
    };
    let expected = bytes(&out.path().join("set"));
    let (again, ..) = packed(
        tree.path(),
        &ImageOptions { jobs: 1, ..options() },
        &PackOptions { jobs: 3, ..plain.clone() },
    );
    assert_eq!(bytes(&again.path().join("set")), expected);
    let folder = tempfile::tempdir().unwrap();
    let parts: Vec<_> = (0..2).map(|k| folder.path().join(format!("part-{k}"))).collect();
    for (k, part) in (0..).zip(&parts) {
        pack_part(&source, Part::new(k, 2).unwrap(), part, &plain, &(), &AtomicBool::new(false)).unwrap();
    }
    merge(&parts, &folder.path().join("set"), &(), &AtomicBool::new(false)).unwrap();
    assert_eq!(bytes(&folder.path().join("set")), expected);
    let small = PackOptions { shard_bytes: 2000, order: PackOrder::Shuffled { seed: 3 }, ..plain };
    let (_out, other, _) = packed(tree.path(), &options(), &small);
    assert!(other.index().splits[0].shards.len() > 1);
    assert_eq!(other.content(), dataset.content());
    for split in ["train", "val"] {
        let [a, b] = [&dataset, &other].map(|d| d.split(split).unwrap());
        assert_eq!(records(&a), records(&b));
    }
}

#[test]
fn a_pack_that_was_stopped_keeps_its_finished_shards() {
    let (tree, _) = tree();
    let options_of = PackOptions { shard_bytes: 2000, ..PackOptions::default() };
    let (out, dataset, source) = packed(tree.path(), &options(), &options_of);
    let folder = out.path().join("set");
    let part = tempfile::tempdir().unwrap();
    let part = part.path().join("part");
    pack_part(&source, Part::new(0, 1).unwrap(), &part, &options_of, &(), &AtomicBool::new(false)).unwrap();
    fs::remove_file(part.join("part.json")).unwrap();
    let report =
        pack_part(&source, Part::new(0, 1).unwrap(), &part, &options_of, &(), &AtomicBool::new(false))
            .unwrap();
    assert_eq!(report.resumed_shards, report.shards);
    for shard in dataset.index().splits.iter().flat_map(|s| &s.shards) {
        assert_eq!(fs::read(folder.join(&shard.name)).unwrap(), fs::read(part.join(&shard.name)).unwrap());
    }
}

#[test]
fn moments_are_those_of_the_decoded_images_and_taken_only_if_asked_for() {
    let (tree, _) = tree();
    let (_out, without, _) = packed(tree.path(), &options(), &PackOptions::default());
    assert!(!without.moments().are_taken());
    let error = without.gaussian().unwrap_err().to_string();
    assert!(error.contains("--stats"), "{error}");
    for colour in [Colour::Rgb, Colour::Grey] {
        let encode = Some(EncodeOptions { moments: true, ..EncodeOptions::default() });
        let images = ImageOptions { encode, colour, ..options() };
        let (_out, dataset, _) = packed(tree.path(), &images, &PackOptions::default());
        let (mut count, mut sum) = (0, vec![0; colour.channels()]);
        for (record, _) in records(&dataset.split("train").unwrap()) {
            let pixels = decode(&record, &DecodeOptions { colour, exif: false }).unwrap();
            count += (pixels.width * pixels.height) as u64;
            for pixel in pixels.values.chunks_exact(colour.channels()) {
                sum.iter_mut().zip(pixel).for_each(|(s, &v)| *s += u64::from(v));
            }
        }
        assert_eq!((dataset.moments().count, &dataset.moments().sum), (count, &sum));
        dataset.gaussian().unwrap();
        assert_ne!(dataset.index().plan.digest, without.index().plan.digest);
        assert_eq!(dataset.content() == without.content(), colour == Colour::Rgb);
    }
}

#[test]
fn shards_are_safetensors_that_say_where_each_jpeg_is() {
    let (tree, files) = tree();
    let (out, dataset, _) = packed(tree.path(), &options(), &PackOptions::default());
    let shard = fs::read(out.path().join("set").join(&dataset.index().splits[1].shards[0].name)).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&shard).unwrap();
    let get = |name: &str| tensors.tensor(name).unwrap();
    let offsets: Vec<_> =
        get("offset").data().as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b)).collect();
    let shapes: Vec<_> =
        get("shape").data().as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b)).collect();
    assert_eq!((get("shape").dtype(), get("shape").shape()), (safetensors::Dtype::I32, &[2, 3][..]));
    assert_eq!(shapes, [64, 64, 3, 9, 130, 3]);
    for (i, name) in ["val/a/0.jpg", "val/b/0.jpg"].into_iter().enumerate() {
        let record = &get("data").data()[offsets[i] as usize..offsets[i + 1] as usize];
        assert_eq!(record, files[name]);
        assert_eq!(get("hash").data()[8 * i..][..8], xxh3_64(record).to_le_bytes());
    }
}

#[test]
fn a_changed_byte_of_a_record_is_found_when_it_is_read() {
    let (tree, _) = tree();
    let (out, dataset, _) = packed(tree.path(), &options(), &PackOptions::default());
    let path = out.path().join("set").join(&dataset.index().splits[1].shards[0].name);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    overwrite(&path, &bytes);
    drop(dataset);
    let dataset = Dataset::open(out.path().join("set"), Verify::Once).unwrap();
    let split = dataset.split("val").unwrap();
    let mut decoder = Decoder::new();
    split.record(0, &mut decoder).unwrap();
    let error = split.record(1, &mut decoder).unwrap_err().to_string();
    assert!(error.contains("record hash"), "{error}");
    assert!(!dataset.verify(&()).unwrap().is_sound());
}

#[test]
fn every_rule_of_an_index_of_jpegs_refuses_its_breach() {
    let (tree, _) = tree();
    let (out, dataset, _) = packed(tree.path(), &options(), &PackOptions::default());
    let dir = out.path().join("set");
    let index = fs::read(dir.join("dataset.json")).unwrap();
    let tables = {
        let encode = Some(EncodeOptions { moments: true, ..EncodeOptions::default() });
        let (_out, with, _) =
            packed(tree.path(), &ImageOptions { encode, ..options() }, &PackOptions::default());
        serde_json::to_value(&with.index().gaussian).unwrap()
    };
    let samples = dataset.index().splits[0].samples;
    type Edit<'a> = &'a dyn Fn(&mut serde_json::Value);
    let edits: [(Edit<'_>, &str); 9] = [
        (&|i| i["element"]["shape"] = json!([3, 8, 8]), "element.shape"),
        (&|i| i["element"]["shape"] = json!([2, 0, 0]), "shape"),
        (&|i| i["element"]["layout"] = "nchw".into(), "element.layout"),
        (&|i| i["version"] = 2.into(), "version: expected 3"),
        (&|i| drop(i["splits"][0]["shards"][0].as_object_mut().unwrap().remove("data_bytes")), "data_bytes"),
        (&|i| i["splits"][0]["shards"][0]["data_bytes"] = (samples - 1).into(), "shards.bytes"),
        (&|i| i["moments"]["count"] = (samples - 1).into(), "moments.count"),
        (&|i| i["moments"]["count"] = u64::MAX.into(), "moments.count"),
        (&|i| i["gaussian"] = tables.clone(), "no tables where no moments"),
    ];
    for (edit, part) in edits {
        overwrite(&dir.join("dataset.json"), &index);
        edit_index(&dir, edit);
        let error = Dataset::open(&dir, Verify::Once).unwrap_err().to_string();
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn hostile_offsets_and_shapes_are_refused_when_the_split_is_opened() {
    let (tree, _) = tree();
    let (out, dataset, _) = packed(tree.path(), &options(), &PackOptions::default());
    let dir = out.path().join("set");
    let path = shard_path(&dir, "val");
    let sound = fs::read(&path).unwrap();
    let head = sound.len() - dataset.index().splits[1].shards[0].data_bytes.unwrap() as usize;
    // Two rows: labels, ids, three offsets, two shapes, two hashes, in this order, right before the data.
    let (offset, shape) = (head - 16 - 24 - 24, head - 16 - 24);
    let refused = |at: usize, bytes: &[u8]| {
        let mut changed = sound.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        overwrite(&path, &changed);
        reseal_shard(&dir, 1, 0, head);
        Dataset::open(&dir, Verify::Once).unwrap().split("val").map(|_| ()).unwrap_err().to_string()
    };
    for (row, value) in [(0, 1i64), (1, 0), (1, -1), (1, i64::MAX), (1, 1 << 29), (2, 0)] {
        let error = refused(offset + 8 * row, &value.to_le_bytes());
        assert!(error.contains(&format!("offset[{row}]")), "{error}");
    }
    for (number, value) in [(0, 0i32), (1, -5), (1, 65_536), (2, 0), (2, 2), (3, i32::MAX)] {
        let error = refused(shape + 4 * number, &value.to_le_bytes());
        assert!(error.contains(&format!("shape[{}]", number / 3)), "{error}");
    }
    // A shape that could be, but is not the JPEG's, is found by a verification.
    let mut changed = sound.clone();
    changed[shape] ^= 1;
    overwrite(&path, &changed);
    reseal_shard(&dir, 1, 0, head);
    let report = Dataset::open(&dir, Verify::Once).unwrap().verify(&()).unwrap();
    assert!(report.findings.iter().any(|f| f.message.contains("as in `shape`")), "{:?}", report.findings);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let (tree, _) = tree();
    let zstd =
        PackOptions { codec: PackCodec::Zstd { level: 3, dictionary_bytes: 0 }, ..PackOptions::default() };
    let source = Images::folder(tree.path(), &options(), &()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let refused = pack(&source, &out.path().join("set"), &zstd, &(), &AtomicBool::new(false)).unwrap_err();
    assert!(refused.to_string().contains("jpeg of encoded images"), "{refused}");
    for quality in [0, 101] {
        let encode = Some(EncodeOptions { quality, moments: false });
        let error = Images::folder(tree.path(), &ImageOptions { encode, ..options() }, &()).unwrap_err();
        assert!(error.to_string().contains("1 to 100"), "{error}");
    }
    // Of images of many sizes nothing else can be made.
    assert!(Images::folder(tree.path(), &ImageOptions { encode: None, ..options() }, &()).is_err());
    assert!(source.read_encoded(0, 99, &mut Vec::new()).is_err());
}
