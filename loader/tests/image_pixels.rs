//! The pixels of image files, against Pillow, and hostile files of every kind.
#![cfg(feature = "jpeg")]

mod support;

use std::{path::PathBuf, process::Command};

use rfx_loader::{
    decode::{
        Colour, DecodeError, DecodeOptions, Fit, Kind, MAX_SCANS, Orientation, Resize, Resizer,
        conformance::CASES, decode, probe,
    },
    digest::Digest,
};

const RGB: DecodeOptions = DecodeOptions { colour: Colour::Rgb, exif: true };

fn case(name: &str) -> &'static [u8] {
    CASES.iter().find(|c| c.name == name).unwrap_or_else(|| panic!("no {name}")).bytes
}

/// The real photographs, sorted, or nothing after a recorded skip.
fn photographs(test: &str) -> Vec<PathBuf> {
    let Some(root) = support::real_data("imagenet-sample", test) else { return Vec::new() };
    let folders = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let mut files: Vec<PathBuf> =
        folders.flat_map(|f| std::fs::read_dir(f).unwrap().map(|e| e.unwrap().path())).collect();
    files.sort();
    assert_eq!(files.len(), 125);
    files
}

/// The Python with Pillow, or `None` after a recorded skip.
fn pillow(test: &str) -> Option<PathBuf> {
    let python = support::python(test)?;
    let found = Command::new(&python).args(["-c", "import PIL"]).output().unwrap().status.success();
    if !found {
        support::skip("python", test, "no Pillow in .venv (cargo xtask setup installs it)");
    }
    found.then_some(python)
}

fn run_pillow(python: &PathBuf, options: &[&str], files: &[PathBuf]) -> Vec<serde_json::Value> {
    let script = support::workspace().join("loader/tests/python/decode_images.py");
    let output = Command::new(python).arg(script).args(options).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn pixels_are_pillows_on_every_kind_and_on_real_photographs() {
    const TEST: &str = "pixels_are_pillows_on_every_kind_and_on_real_photographs";
    let Some(python) = pillow(TEST) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for case in CASES {
        files.push(folder.path().join(case.name));
        std::fs::write(files.last().unwrap(), case.bytes).unwrap();
    }
    files.extend(photographs(TEST));
    let found = run_pillow(&python, &[], &files);
    assert_eq!(found.len(), files.len());
    for (path, pillow) in files.iter().zip(found) {
        let pixels = decode(&std::fs::read(path).unwrap(), &RGB).unwrap();
        assert_eq!(
            (pillow["width"].as_u64(), pillow["height"].as_u64()),
            (Some(pixels.width as u64), Some(pixels.height as u64))
        );
        assert_eq!(pillow["pixels"], Digest::of(&pixels.values).to_string(), "{}", path.display());
    }
}

#[test]
fn resized_photographs_are_within_a_level_of_pillows() {
    const TEST: &str = "resized_photographs_are_within_a_level_of_pillows";
    let Some(python) = pillow(TEST) else { return };
    let files: Vec<_> = photographs(TEST).into_iter().step_by(6).collect();
    if files.is_empty() {
        return;
    }
    let fit = Fit { resize: Some(Resize::Shorter(256)), crop: Some(224) };
    let found = run_pillow(&python, &["--shorter", "256", "--crop", "224"], &files);
    for (path, pillow) in files.iter().zip(found) {
        let pixels = decode(&std::fs::read(path).unwrap(), &RGB).unwrap();
        let ours = fit.apply(pixels, &mut Resizer::new()).unwrap();
        let hex = pillow["fitted"].as_str().unwrap();
        let theirs = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap());
        let most = ours.values.iter().zip(theirs).map(|(a, b)| a.abs_diff(b)).max();
        assert_eq!(ours.values.len() * 2, hex.len());
        assert!(most <= Some(1), "{}: {most:?}", path.display());
    }
}

#[test]
fn grey_options_give_one_channel() {
    let grey = DecodeOptions { colour: Colour::Grey, exif: true };
    for case in CASES {
        let (one, three) = (decode(case.bytes, &grey).unwrap(), decode(case.bytes, &RGB).unwrap());
        assert_eq!((one.channels, three.channels), (1, 3), "{}", case.name);
        assert_eq!(one.values.len() * 3, three.values.len(), "{}", case.name);
    }
    // A grey file is its own grey.
    let (one, three) = (decode(case("grey.jpg"), &grey).unwrap(), decode(case("grey.jpg"), &RGB).unwrap());
    assert!(one.values.iter().zip(three.values.chunks(3)).all(|(v, p)| p == [*v; 3]));
}

#[test]
fn orientation_is_applied_unless_told_otherwise_in_all_eight_ways() {
    let stored = case("rgb422.jpg");
    let as_stored = decode(stored, &DecodeOptions { exif: false, ..RGB }).unwrap();
    let tag = stored.windows(4).position(|w| w == [0x01, 0x12, 0, 3]).map(|at| (at + 8, true));
    let tag =
        tag.or_else(|| stored.windows(4).position(|w| w == [0x12, 0x01, 3, 0]).map(|at| (at + 8, false)));
    let (at, big) = tag.expect("an orientation");
    for value in 1..=8u16 {
        let mut bytes = stored.to_vec();
        bytes[at..at + 2].copy_from_slice(&if big { value.to_be_bytes() } else { value.to_le_bytes() });
        let orientation = Orientation::from_exif(value.into()).unwrap();
        assert_eq!(probe(&bytes).unwrap().orientation, orientation);
        let expected = orientation.upright(as_stored.clone());
        let upright = decode(&bytes, &RGB).unwrap();
        assert!(upright == expected, "{value}");
        assert_eq!(probe(&bytes).unwrap().size(&RGB), (upright.width, upright.height));
    }
}

/// Bytes left over before the end marker lose nothing: Pillow reads such files, and so do we, to the same pixels.
#[test]
fn bytes_before_the_end_marker_are_no_damage_and_before_others_they_are() {
    let sound = case("rgb420.jpg");
    assert_eq!(sound[sound.len() - 2..], [0xff, 0xd9]);
    let mut padded = sound[..sound.len() - 2].to_vec();
    padded.extend([0; 99]);
    padded.extend([0xff, 0xd9]);
    assert_eq!(decode(&padded, &RGB), decode(sound, &RGB));
    // Before a later scan of a progressive image the same warning would hide what comes after it.
    let progressive = case("progressive.jpg");
    let scans: Vec<_> =
        (2..progressive.len() - 1).filter(|&i| progressive[i..i + 2] == [0xff, 0xda]).collect();
    assert!(scans.len() > 2);
    let mut padded = progressive[..scans[1]].to_vec();
    padded.extend([0; 9]);
    padded.extend(&progressive[scans[1]..]);
    assert!(matches!(decode(&padded, &RGB), Err(DecodeError::Damaged { .. })));
}

#[test]
fn every_cut_of_every_kind_is_an_error_or_leaves_the_pixels() {
    for case in CASES {
        let whole = decode(case.bytes, &RGB).unwrap();
        for length in 0..case.bytes.len() {
            match decode(&case.bytes[..length], &RGB) {
                Err(error) => assert!(error.to_string().len() > 10),
                // What is missing then was not pixels: an end marker, a checksum, a second frame.
                Ok(pixels) => assert!(pixels == whole, "{} cut to {length}", case.name),
            }
        }
    }
}

#[test]
fn cut_photographs_are_refused() {
    for path in photographs("cut_photographs_are_refused").into_iter().step_by(10) {
        let bytes = std::fs::read(&path).unwrap();
        for part in [1, 2, 9] {
            let error = decode(&bytes[..bytes.len() * part / 10], &RGB);
            assert!(error.is_err(), "{}: {part} tenths", path.display());
        }
    }
}

#[test]
fn changed_bits_never_panic_and_never_change_the_size_that_was_promised() {
    for case in CASES {
        for at in (0..case.bytes.len()).step_by(3) {
            let mut bytes = case.bytes.to_vec();
            bytes[at] ^= 1 << (at % 8);
            let promised = probe(&bytes).map(|p| p.size(&RGB));
            if let Ok(pixels) = decode(&bytes, &RGB) {
                assert_eq!(promised, Ok((pixels.width, pixels.height)), "{} byte {at}", case.name);
                assert_eq!(pixels.values.len(), pixels.width * pixels.height * 3);
            }
        }
    }
}

/// A file of a few bytes that promises 65,500 x 65,500 pixels.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let mut jpeg = case("rgb420.jpg").to_vec();
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xdc, 0xff, 0xdc]);
    let mut gif = case("two-frames.gif").to_vec();
    gif[6..10].copy_from_slice(&[0xdc, 0xff, 0xdc, 0xff]);
    let mut bmp = case("rgb.bmp").to_vec();
    bmp[18..22].copy_from_slice(&65_500u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&65_500u32.to_le_bytes());
    let mut png = case("rgb.png").to_vec();
    png[16..20].copy_from_slice(&65_500u32.to_be_bytes());
    png[20..24].copy_from_slice(&65_500u32.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    vec![("jpeg", jpeg), ("gif", gif), ("bmp", bmp), ("png", png)]
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &b| {
        (0..8).fold(crc ^ u32::from(b), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 })
    })
}

#[test]
fn bombs_are_refused_by_their_header() {
    for (name, bytes) in bombs() {
        let error = decode(&bytes, &RGB).unwrap_err();
        let (width, height) = (65_500, 65_500);
        assert_eq!(error, DecodeError::Size { width, height }, "{name}: {error}");
    }
    // No pixels at all.
    let mut empty = case("rgb420.jpg").to_vec();
    let frame = empty.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    empty[frame + 5..frame + 7].copy_from_slice(&[0, 0]);
    assert!(matches!(decode(&empty, &RGB), Err(DecodeError::Size { height: 0, .. })));
}

#[test]
fn a_progressive_image_of_very_many_scans_is_refused() {
    let bytes = case("progressive.jpg");
    let last = bytes.windows(2).rposition(|w| w == [0xff, 0xda]).unwrap();
    // The last scan refines bits: saying it again and again changes the image and never ends.
    let mut many = bytes[..bytes.len() - 2].to_vec();
    for _ in 0..MAX_SCANS {
        many.extend(&bytes[last..bytes.len() - 2]);
    }
    many.extend([0xff, 0xd9]);
    let error = decode(&many, &RGB).unwrap_err().to_string();
    assert!(error.contains("scans"), "{error}");
}

#[test]
fn files_are_what_they_start_with_and_not_what_they_are_called() {
    for case in CASES {
        let kind = probe(case.bytes).unwrap().kind;
        let suffix = case.name.rsplit('.').next().unwrap();
        let expected = Kind::ALL.into_iter().find(|k| k.name() == suffix.replace("jpg", "jpeg"));
        assert_eq!(Some(kind), expected, "{}", case.name);
    }
    // A start that promises a kind, and nothing of it behind.
    for start in [
        &b"\xff\xd8\xff\xd9"[..],
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\x04\0\0\0WEBP",
        b"BM\0\0\0\0\0\0\0\0",
    ] {
        assert!(decode(start, &RGB).is_err());
        assert!(decode(&[start, &[0; 64]].concat(), &RGB).is_err());
        assert!(decode(&[start, &[0xff; 64]].concat(), &RGB).is_err());
    }
}
