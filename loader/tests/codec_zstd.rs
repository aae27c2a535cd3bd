//! Compressed records: the same samples and ids as raw ones, the same bytes from any pack, and damage of any kind found.

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
    sync::atomic::AtomicBool,
};

use rfx_loader::{
    ErrorKind, ImageShape,
    dataset::{DICTIONARY_FILE, Dataset, Verify},
    digest::Digest,
    pack::{PackCodec, PackError, PackOptions, PackOrder, pack},
    shard::{Decoder, FormatError},
    source::{Cifar10, Mnist, Source},
};
use safetensors::SafeTensors;
use samples::{Small, compressed, edit_index, options, overwrite, pack_to, reseal_shard, shard_path, tree};

/// Images that compress: bands of few values.
fn banded(train: usize, test: usize) -> Small {
    Small { shape: ImageShape::new(3, 16, 16).unwrap(), banded: true, ..Small::new(train, test) }
}

fn read_all(dir: &Path, verify: Verify) -> Result<u64, FormatError> {
    let dataset = Dataset::open(dir, verify)?;
    let (mut decoder, mut sum) = (Decoder::new(), 0);
    for name in ["train", "test"] {
        let split = dataset.split(name)?;
        for position in 0..split.len() {
            sum += split.record(position, &mut decoder)?.iter().map(|&b| u64::from(b)).sum::<u64>();
        }
    }
    Ok(sum)
}

#[test]
fn records_and_content_id_are_those_of_a_raw_pack_and_the_files_are_smaller() {
    let tmp = tempfile::tempdir().unwrap();
    let source = banded(400, 60);
    let raw = pack_to(&source, &tmp.path().join("raw"), &options(1, 1 << 27)).unwrap();
    for (i, (level, dictionary_bytes)) in [(1, 0), (19, 0), (3, 2048)].into_iter().enumerate() {
        let dir = tmp.path().join(i.to_string());
        let codec = PackCodec::Zstd { level, dictionary_bytes };
        let order = PackOrder::Shuffled { seed: 1 };
        let report = pack_to(&source, &dir, &PackOptions { codec, order, ..options(2, 100_000) }).unwrap();
        assert_eq!(report.content, raw.content);
        let data = |dir: &Path| {
            let index = Dataset::open(dir, Verify::Once).unwrap().index().clone();
            index.splits.iter().flat_map(|s| &s.shards).filter_map(|s| s.data_bytes).sum::<u64>()
        };
        assert!(data(&dir) < 460 * 768 / 2, "{}", data(&dir));
        let dataset = Dataset::open(&dir, Verify::Always).unwrap();
        assert!(dataset.verify(&()).unwrap().is_sound());
        assert_eq!(dir.join(DICTIONARY_FILE).exists(), dictionary_bytes > 0);
        let mut decoder = Decoder::new();
        for (number, split) in source.splits().iter().enumerate() {
            let packed = dataset.split(&split.name).unwrap();
            packed.prefetch(split.samples - 1);
            for i in 0..split.samples {
                assert!(packed.record(i, &mut decoder).unwrap() == source.image(number, i), "{number} {i}");
            }
        }
    }
    // A dictionary helps records this small.
    let bytes = |name: &str| -> usize {
        tree(&tmp.path().join(name)).iter().filter(|f| f.0.ends_with("safetensors")).map(|f| f.1.len()).sum()
    };
    assert!(bytes("2") < bytes("0"));
}

#[test]
fn the_bytes_do_not_depend_on_jobs_or_on_being_stopped() {
    let tmp = tempfile::tempdir().unwrap();
    let source = banded(300, 40);
    for dictionary in [0, 1024] {
        let at = |name: &str| tmp.path().join(format!("{dictionary}-{name}"));
        pack_to(&source, &at("one"), &compressed(1, 30_000, dictionary)).unwrap();
        let expected = tree(&at("one"));
        assert!(expected.len() > 6);
        pack_to(&source, &at("four"), &compressed(4, 30_000, dictionary)).unwrap();
        assert!(tree(&at("four")) == expected);
        // Stopped at once, then found half-done, with one shard that is damaged and one that is cut short.
        let stopped =
            pack(&source, &at("two"), &compressed(1, 30_000, dictionary), &(), &AtomicBool::new(true));
        assert!(matches!(stopped, Err(PackError::Interrupted { .. })));
        let shards: Vec<_> = expected.iter().filter(|f| f.0.starts_with("train")).take(3).collect();
        for (i, (name, bytes)) in shards.iter().enumerate() {
            let mut bytes = (*bytes).clone();
            match i {
                0 => {}
                1 => *bytes.last_mut().unwrap() ^= 1,
                _ => bytes.truncate(bytes.len() - 1),
            }
            fs::write(at("two").join(name), bytes).unwrap();
        }
        let report = pack_to(&source, &at("two"), &compressed(2, 30_000, dictionary)).unwrap();
        assert_eq!(report.resumed_shards, 1);
        assert!(tree(&at("two")) == expected);
        // Another level or dictionary is another plan.
        let other = PackOptions {
            codec: PackCodec::Zstd { level: 4, dictionary_bytes: dictionary },
            ..options(1, 30_000)
        };
        assert!(matches!(pack_to(&source, &at("one"), &other), Err(PackError::OtherPlan { .. })));
    }
}

#[test]
fn every_flipped_bit_of_compressed_data_and_dictionary_is_found() {
    let tmp = tempfile::tempdir().unwrap();
    let source = banded(60, 8);
    let small = compressed(1, 1 << 27, 512);
    pack_to(&source, tmp.path(), &small).unwrap();
    let sound = read_all(tmp.path(), Verify::Once).unwrap();
    let path = shard_path(tmp.path(), "train");
    let bytes = fs::read(&path).unwrap();
    overwrite(&path, &bytes);
    let file = File::options().write(true).open(&path).unwrap();
    let index = Dataset::open(tmp.path(), Verify::Once).unwrap().index().clone();
    let data = bytes.len() - index.splits[0].shards[0].data_bytes.unwrap() as usize;
    assert_eq!(data % 65_536, 0);
    for at in data..bytes.len() {
        let bit = at % 8;
        file.write_all_at(&[bytes[at] ^ 1 << bit], at as u64).unwrap();
        // A flip that changes no pixel (an unused bit of a frame's header) is no damage to a record; the file's digest
        // tells of it all the same.
        match read_all(tmp.path(), Verify::Once) {
            Ok(sum) => assert_eq!(sum, sound, "byte {at}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Mismatch, "{error}");
                let text = error.to_string();
                assert!(text.contains("train-00000-of-00001.safetensors: shard 0, row"), "{text}");
                match error {
                    FormatError::RecordDecode { row, id, offset, .. }
                    | FormatError::RecordHash { row, id, offset, .. } => {
                        assert_eq!(id, row as i64);
                        assert!((data as u64..=at as u64).contains(&offset), "{offset} {at}");
                    }
                    other => panic!("{other}"),
                }
            }
        }
        if at % 37 == 0 {
            let findings = Dataset::open(tmp.path(), Verify::Once).unwrap().verify(&()).unwrap().findings;
            assert!(
                findings.iter().any(|f| f.message.contains("BLAKE3 of the file")),
                "byte {at}: {findings:?}"
            );
        }
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    let dictionary = tmp.path().join(DICTIONARY_FILE);
    let whole = fs::read(&dictionary).unwrap();
    let refused = |bytes: &[u8], part: &str| {
        overwrite(&dictionary, bytes);
        let error = read_all(tmp.path(), Verify::Never).unwrap_err().to_string();
        assert!(error.contains(DICTIONARY_FILE) && error.contains(part), "{error}");
        let findings = Dataset::open(tmp.path(), Verify::Once).unwrap().verify(&()).unwrap().findings;
        assert_eq!(findings[0].file, DICTIONARY_FILE);
    };
    for at in (0..whole.len()).step_by(7) {
        let mut bad = whole.clone();
        bad[at] ^= 4;
        refused(&bad, "BLAKE3");
    }
    refused(&whole[1..], "file length");
    refused(&[&whole[..], b"x"].concat(), "file length");
    fs::remove_file(&dictionary).unwrap();
    assert!(read_all(tmp.path(), Verify::Once).unwrap_err().to_string().contains(DICTIONARY_FILE));
    overwrite(&dictionary, &whole);
    assert_eq!(read_all(tmp.path(), Verify::Once).unwrap(), sound);
}

/// A data set whose offsets or frames were made wrong on purpose, every digest right.
#[test]
fn hostile_offsets_and_frames_are_refused_before_anything_is_decompressed() {
    const ROWS: usize = 6;
    let packed = || {
        let tmp = tempfile::tempdir().unwrap();
        pack_to(&banded(ROWS, 3), tmp.path(), &compressed(1, 1 << 27, 0)).unwrap();
        let bytes = fs::read(shard_path(tmp.path(), "train")).unwrap();
        let data_bytes =
            Dataset::open(tmp.path(), Verify::Once).unwrap().index().splits[0].shards[0].data_bytes;
        let data = bytes.len() - data_bytes.unwrap() as usize;
        let offsets = data - 8 * ROWS - 8 * (ROWS + 1); // before the hashes
        (tmp, bytes, data, offsets)
    };
    let offset_error = |row: usize, value: i64| {
        let (tmp, mut bytes, data, offsets) = packed();
        bytes[offsets + 8 * row..][..8].copy_from_slice(&value.to_le_bytes());
        overwrite(&shard_path(tmp.path(), "train"), &bytes);
        reseal_shard(tmp.path(), 0, 0, data);
        let error = Dataset::open(tmp.path(), Verify::Once).unwrap().split("train").unwrap_err();
        let text = error.to_string();
        let at = offsets + 8 * row;
        assert!(
            text.contains(&format!("offset[{row}] at byte {at}")) && text.contains(&value.to_string()),
            "{text}"
        );
    };
    for value in [1, -1, i64::MAX, i64::MIN] {
        offset_error(0, value);
    }
    // Not rising, beyond the longest frame (768 + 3 + 128 bytes), beyond the end, short of the end.
    for value in [0, -8, 900, i64::MAX] {
        offset_error(1, value);
    }
    offset_error(ROWS, 1 << 40);
    offset_error(ROWS, 10);
    // Frames: of another length, bombs, two in one, none at all.
    let frame = |content: &[u8]| {
        let mut out = vec![0; zstd_safe::compress_bound(content.len())];
        let n = zstd_safe::compress(&mut out[..], content, 19).unwrap();
        out.truncate(n);
        out
    };
    let (bomb, long, empty) = (frame(&vec![0; 1 << 28]), frame(&[1; 769]), frame(b""));
    for first in
        [&bomb[..bomb.len().min(800)], &long, &empty, &[&frame(&[1; 768])[..], &empty].concat(), b"\0"]
    {
        let (tmp, bytes, data, offsets) = packed();
        let at =
            |row: usize| i64::from_le_bytes(bytes[offsets + 8 * row..][..8].try_into().unwrap()) as usize;
        let old = at(1);
        let mut changed = bytes[..data].to_vec();
        let shift = first.len() as i64 - old as i64;
        for row in 1..=ROWS {
            let moved = at(row) as i64 + shift;
            changed[offsets + 8 * row..][..8].copy_from_slice(&moved.to_le_bytes());
        }
        changed.extend(first);
        changed.extend(&bytes[data + old..]);
        // The header tells the length of `data` in its shape and at its end.
        let len = u64::from_le_bytes(changed[..8].try_into().unwrap()) as usize;
        let json = String::from_utf8(changed[8..8 + len].to_vec()).unwrap();
        let columns = 24 * ROWS + 8 * (ROWS + 1);
        let text = |bytes: usize| {
            format!(
                "\"data\":{{\"dtype\":\"U8\",\"shape\":[{bytes}],\"data_offsets\":[{columns},{}]}}}}",
                columns + bytes
            )
        };
        let new = changed.len() - data;
        let mut json = json.trim_end().replace(&text(bytes.len() - data), &text(new)).into_bytes();
        json.resize(len, b' ');
        changed[8..8 + len].copy_from_slice(&json);
        overwrite(&shard_path(tmp.path(), "train"), &changed);
        edit_index(tmp.path(), |i| i["splits"][0]["shards"][0]["data_bytes"] = new.into());
        reseal_shard(tmp.path(), 0, 0, data);
        let split = Dataset::open(tmp.path(), Verify::Never).unwrap().split("train").unwrap();
        let mut decoder = Decoder::new();
        let error = split.record(0, &mut decoder).unwrap_err();
        assert!(matches!(error, FormatError::RecordDecode { row: 0, id: 0, .. }), "{error}");
        assert!(split.record(1, &mut decoder).is_ok(), "one bad record does not spoil another");
        let findings = Dataset::open(tmp.path(), Verify::Once).unwrap().verify(&()).unwrap().findings;
        assert!(findings[0].message.contains("row 0 (id 0)"), "{findings:?}");
    }
}

#[test]
fn an_index_that_contradicts_its_codec_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let fresh = |name: &str| {
        let dir = tmp.path().join(name);
        pack_to(&banded(40, 3), &dir, &compressed(1, 1 << 27, 512)).unwrap();
        dir
    };
    type Edit = fn(&mut serde_json::Value);
    let edits: [(&str, Edit, &str); 11] = [
        ("codec", |i| i["element"]["codec"] = "raw".into(), "plan.zstd"),
        (
            "lz4",
            |i| i["element"]["codec"] = "lz4".into(),
            "element.codec: expected raw, zstd or jpeg, found lz4",
        ),
        ("jpeg", |i| i["element"]["codec"] = "jpeg".into(), "version: expected 3"),
        (
            "shape",
            |i| (i["version"], i["element"]["codec"]) = (3.into(), "jpeg".into()),
            "element.shape: expected [c, 0, 0]",
        ),
        ("plan", |i| drop(i["plan"].as_object_mut().unwrap().remove("zstd")), "plan.zstd"),
        ("version", |i| i["version"] = 1.into(), "version: expected 2"),
        ("large", |i| i["element"]["dictionary"]["bytes"] = (2u64 << 20).into(), "element.dictionary.bytes"),
        ("none", |i| i["element"]["dictionary"]["bytes"] = 0.into(), "element.dictionary.bytes"),
        (
            "length",
            |i| drop(i["splits"][0]["shards"][0].as_object_mut().unwrap().remove("data_bytes")),
            "shards.data_bytes",
        ),
        ("short", |i| i["splits"][0]["shards"][0]["data_bytes"] = 39.into(), "shards.bytes"),
        ("long", |i| i["splits"][0]["shards"][0]["data_bytes"] = u64::MAX.into(), "shards.bytes"),
    ];
    for (name, edit, part) in edits {
        let dir = fresh(name);
        edit_index(&dir, edit);
        let error = Dataset::open(&dir, Verify::Once).unwrap_err().to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
    // A dictionary that is none, its digest right.
    let dir = fresh("text");
    overwrite(&dir.join(DICTIONARY_FILE), b"no dictionary at all");
    edit_index(&dir, |i| {
        i["element"]["dictionary"]["bytes"] = 20.into();
        i["element"]["dictionary"]["blake3"] = Digest::of(b"no dictionary at all").to_string().into();
    });
    let error = Dataset::open(&dir, Verify::Once).unwrap().split("train").unwrap_err().to_string();
    assert!(error.contains("expected a zstd dictionary"), "{error}");
}

#[test]
fn samples_that_no_dictionary_can_be_trained_on_are_an_error_that_says_so() {
    let tmp = tempfile::tempdir().unwrap();
    let error = pack_to(&Small::new(3, 1), tmp.path(), &compressed(1, 1 << 27, 1024)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    let text = error.to_string();
    assert!(text.contains("zstd dictionary") && text.contains("leave the dictionary out"), "{text}");
    for (level, dictionary_bytes) in [(0, 0), (23, 0), (3, (1 << 20) + 1)] {
        let options =
            PackOptions { codec: PackCodec::Zstd { level, dictionary_bytes }, ..options(1, 1 << 27) };
        assert!(pack_to(&Small::new(3, 1), &tmp.path().join("x"), &options).is_err());
    }
}

/// The zstd program and any safetensors library are enough to read a data set.
#[test]
fn other_programs_decompress_the_records() {
    if Command::new("zstd").arg("--version").output().is_err() {
        return support::skip("zstd", "other_programs_decompress_the_records", "no zstd program");
    }
    let tmp = tempfile::tempdir().unwrap();
    let source = banded(50, 6);
    let dir = tmp.path().join("d");
    pack_to(&source, &dir, &compressed(1, 1 << 27, 512)).unwrap();
    let bytes = fs::read(shard_path(&dir, "test")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let offsets = tensors.tensor("offset").unwrap().data().as_chunks::<8>().0.to_vec();
    let offsets: Vec<_> = offsets.into_iter().map(|b| i64::from_le_bytes(b) as usize).collect();
    assert_eq!(tensors.tensor("offset").unwrap().shape(), [7]);
    for (i, range) in offsets.windows(2).enumerate() {
        let path = tmp.path().join(format!("{i}.zst"));
        fs::write(&path, &tensors.tensor("data").unwrap().data()[range[0]..range[1]]).unwrap();
        let output = Command::new("zstd")
            .args(["-dc", "-D"])
            .arg(dir.join(DICTIONARY_FILE))
            .arg(&path)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == source.image(1, i));
    }
}

/// Packs real data raw and compressed; the digests, ids and records must agree.
fn real(name: &str, source: &dyn Source, dictionary_bytes: u64, step: usize) {
    let tmp = tempfile::tempdir().unwrap();
    let at = |form: &str| tmp.path().join(form);
    let raw = pack_to(source, &at("raw"), &options(2, 64 << 20)).unwrap();
    let codec = PackCodec::Zstd { level: 3, dictionary_bytes };
    let zstd = pack_to(source, &at("zstd"), &PackOptions { codec, ..options(2, 64 << 20) }).unwrap();
    assert_eq!(raw.content, zstd.content);
    eprintln!("{name}: {} bytes raw, {} with zstd level 3", raw.bytes, zstd.bytes);
    assert!(zstd.bytes < raw.bytes);
    let [a, b] = ["raw", "zstd"].map(|form| Dataset::open(at(form), Verify::Always).unwrap());
    let (mut x, mut y) = (Decoder::new(), Decoder::new());
    for name in a.split_names() {
        let (a, b) = (a.split(name).unwrap(), b.split(name).unwrap());
        assert_eq!((a.ids(), a.labels()), (b.ids(), b.labels()));
        for i in (0..a.len()).step_by(step) {
            assert!(a.record(i, &mut x).unwrap() == b.record(i, &mut y).unwrap(), "{name} {i}");
        }
    }
    assert!(b.verify(&()).unwrap().is_sound());
}

#[test]
fn real_cifar10_and_mnist_are_the_same_samples_compressed() {
    let test = "real_cifar10_and_mnist_are_the_same_samples_compressed";
    if let Some(folder) = support::real_data("mnist", test) {
        real("MNIST", &Mnist::open(folder).unwrap(), 16 << 10, 7);
    }
    if let Some(folder) = support::real_data("cifar-10-batches-bin", test) {
        real("CIFAR-10", &Cifar10::open(folder).unwrap(), 0, 7);
    }
}
