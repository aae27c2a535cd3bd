//! Damage of any kind is found: every truncation, every flipped bit, by opening, mapping or reading.

#[path = "samples/mod.rs"]
mod samples;

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

use rfx_loader::{
    ErrorKind,
    dataset::{Dataset, Verify},
    shard::{Decoder, FormatError},
};
use samples::{Small, options, overwrite, pack_to, shard_path};

const TRAIN: usize = 12;

fn packed(dir: &Path) -> Small {
    let source = Small::new(TRAIN, 3);
    pack_to(&source, dir, &options(1, 1 << 27)).unwrap();
    source
}

/// Opens, maps and reads everything as a loader would.
fn read_all(dir: &Path, verify: Verify) -> Result<(), FormatError> {
    let dataset = Dataset::open(dir, verify)?;
    for name in ["train", "test"] {
        let split = dataset.split(name)?;
        for position in 0..split.len() {
            split.record(position, &mut Decoder::new())?;
        }
    }
    Ok(())
}

/// The shard as an ordinary writable file.
fn writable(path: &Path) -> (File, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    overwrite(path, &bytes);
    (File::options().write(true).open(path).unwrap(), bytes)
}

#[test]
fn a_shard_cut_at_any_length_or_grown_is_refused_with_both_lengths() {
    let tmp = tempfile::tempdir().unwrap();
    packed(tmp.path());
    let path = shard_path(tmp.path(), "train");
    let (file, bytes) = writable(&path);
    let dataset = Dataset::open(tmp.path(), Verify::Once).unwrap();
    for n in [bytes.len() + 1, bytes.len() + 65_536].into_iter().chain((0..bytes.len()).rev()) {
        file.set_len(n as u64).unwrap();
        let error = dataset.split("train").expect_err(&n.to_string());
        assert_eq!(error.kind(), ErrorKind::Input);
        let text = error.to_string();
        assert!(text.contains("file length") && text.contains(&format!("found {n}")), "{text}");
        assert!(text.contains(&format!("expected {} bytes", bytes.len())), "{text}");
    }
}

#[test]
fn every_flipped_bit_of_a_head_is_found_when_the_shard_is_mapped() {
    let tmp = tempfile::tempdir().unwrap();
    packed(tmp.path());
    let path = shard_path(tmp.path(), "train");
    let (file, bytes) = writable(&path);
    let dataset = Dataset::open(tmp.path(), Verify::Once).unwrap();
    let head = bytes.len() - TRAIN * 20;
    assert_eq!(head % 65_536, 0);
    let text_end = 8 + bytes[8..].iter().position(|&b| b == b' ').unwrap();
    for at in 0..head {
        // Every bit of what says something, and one bit of each byte of padding (its digest is the same one).
        let is_padding = (text_end..head - TRAIN * 24).contains(&at);
        let bits = if is_padding { at % 8..at % 8 + 1 } else { 0..8 };
        for bit in bits {
            file.write_all_at(&[bytes[at] ^ 1 << bit], at as u64).unwrap();
            let error = dataset.split("train").expect_err(&format!("byte {at} bit {bit}"));
            assert!(matches!(error, FormatError::Checksum { what: "the head", .. }), "{error}");
        }
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    assert!(read_all(tmp.path(), Verify::Always).is_ok(), "the test must leave what it found");
}

#[test]
fn every_flipped_bit_of_a_record_is_found_when_it_is_read_and_named() {
    let tmp = tempfile::tempdir().unwrap();
    packed(tmp.path());
    let path = shard_path(tmp.path(), "train");
    let (file, bytes) = writable(&path);
    let data = bytes.len() - TRAIN * 20;
    for at in data..bytes.len() {
        for bit in 0..8 {
            file.write_all_at(&[bytes[at] ^ 1 << bit], at as u64).unwrap();
            let verify = if bit % 2 == 0 { Verify::Once } else { Verify::Always };
            let error = read_all(tmp.path(), verify).expect_err(&format!("byte {at} bit {bit}"));
            let bad_row = (at - data) / 20;
            match &error {
                FormatError::RecordHash { path: p, shard: 0, row, id, offset, expected, found } => {
                    assert_eq!((p, *row, *id), (&path, bad_row, bad_row as i64));
                    assert_eq!(*offset, (data + bad_row * 20) as u64);
                    assert_ne!(expected, found);
                }
                other => panic!("{other}"),
            }
            assert_eq!(error.kind(), ErrorKind::Mismatch);
        }
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
}

#[test]
fn verify_once_checks_the_first_read_and_always_every_read() {
    let tmp = tempfile::tempdir().unwrap();
    packed(tmp.path());
    let path = shard_path(tmp.path(), "train");
    let (file, bytes) = writable(&path);
    let [once, always, never] = [Verify::Once, Verify::Always, Verify::Never]
        .map(|v| Dataset::open(tmp.path(), v).unwrap().split("train").unwrap());
    for split in [&once, &always, &never] {
        split.record(4, &mut Decoder::new()).unwrap();
    }
    let data = bytes.len() - TRAIN * 20;
    for row in [4, 5] {
        file.write_all_at(&[bytes[data + row * 20] ^ 1], (data + row * 20) as u64).unwrap();
    }
    assert!(
        once.record(4, &mut Decoder::new()).is_ok() && once.record(5, &mut Decoder::new()).is_err(),
        "checked once; not yet checked"
    );
    assert!(once.record(5, &mut Decoder::new()).is_err(), "a record that failed is not taken for checked");
    assert!(always.record(4, &mut Decoder::new()).is_err() && always.record(5, &mut Decoder::new()).is_err());
    assert!(never.record(4, &mut Decoder::new()).is_ok() && never.record(5, &mut Decoder::new()).is_ok());
}

#[test]
fn every_flipped_bit_and_every_cut_of_the_index_is_found_when_it_is_opened() {
    let tmp = tempfile::tempdir().unwrap();
    // Without noise tables the index is short enough for every bit.
    let source = Small { constant: Some(1), ..Small::new(3, 2) };
    pack_to(&source, tmp.path(), &options(1, 1 << 27)).unwrap();
    let path = tmp.path().join("dataset.json");
    let bytes = fs::read(&path).unwrap();
    let check = |damaged: &[u8], what: String| {
        fs::write(&path, damaged).unwrap();
        let error = Dataset::open(tmp.path(), Verify::Once).expect_err(&what);
        assert!(error.to_string().contains("dataset.json"), "{error}");
    };
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            check(&damaged, format!("byte {at} bit {bit}"));
        }
        check(&bytes[..at], format!("cut at {at}"));
    }
    check(&[&bytes[..], b" "].concat(), "grown".into());
    fs::write(&path, &bytes).unwrap();
    read_all(tmp.path(), Verify::Once).unwrap();
}

#[test]
fn a_flip_in_any_byte_of_an_index_with_noise_tables_is_found() {
    let tmp = tempfile::tempdir().unwrap();
    packed(tmp.path());
    let path = tmp.path().join("dataset.json");
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        fs::write(&path, &damaged).unwrap();
        assert!(Dataset::open(tmp.path(), Verify::Once).is_err(), "byte {at}");
    }
}
