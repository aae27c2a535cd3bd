//! Arrays that NumPy saved: what is read, in which shapes and types, and what is refused.

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rfx_loader::{
    ErrorKind, ImageShape, Layout,
    source::{Npy, NpyFiles, Source},
};
use samples::{options, pack_to};

/// An array file of version 1.0.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    [b"\x93NUMPY\x01\0", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), data].concat()
}

/// A pair of arrays in a folder.
struct Pair {
    folder: tempfile::TempDir,
    files: NpyFiles,
}

impl Pair {
    fn new(images: &[u8], labels: &[u8]) -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| -> PathBuf {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let files =
            NpyFiles { images: write("x.npy", images), labels: write("y.npy", labels), ..Default::default() };
        Pair { folder, files }
    }

    /// Six images of shape (2, 3, 3) and labels 0, 1, 2, 0, 1, 2.
    fn sound() -> Pair {
        Pair::new(
            &npy("|u1", false, "(6, 2, 4, 3)", &pixels(6 * 24)),
            &npy("|u1", false, "(6,)", &[0, 1, 2, 0, 1, 2]),
        )
    }

    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        let error = Npy::open(&self.files).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input, "{error}");
        let text = error.to_string();
        for part in parts {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }
}

fn pixels(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 7 + i / 256) as u8).collect()
}

#[test]
fn arrays_that_numpy_wrote_are_packed_bit_for_bit() {
    let Some(python) = support::python("arrays_that_numpy_wrote_are_packed_bit_for_bit") else { return };
    let tmp = tempfile::tempdir().unwrap();
    let program = "import sys, os\nimport numpy as np\nos.chdir(sys.argv[1])\n\
        x = np.random.default_rng(1).integers(0, 256, (10, 5, 6, 3), dtype=np.uint8)\n\
        y = np.arange(10) % 4\n\
        x.tofile('x.raw')\n\
        np.save('nhwc.npy', x)\n\
        np.save('nchw.npy', np.ascontiguousarray(x.transpose(0, 3, 1, 2)))\n\
        np.save('fortran.npy', np.asfortranarray(x))\n\
        np.save('grey.npy', x[..., 0].copy())\n\
        for d in ['i8', 'i4', '>i2', 'u1', 'u8']: np.save('y-' + d + '.npy', y.astype(d))\n\
        for v in [(1, 0), (2, 0), (3, 0)]: np.lib.format.write_array(open('v%d.npy' % v[0], 'wb'), x, version=v)\n";
    let status = Command::new(python).arg("-c").arg(program).arg(tmp.path()).status();
    assert!(status.unwrap().success());
    let at = |name: &str| tmp.path().join(name);
    let raw = fs::read(at("x.raw")).unwrap();
    let open = |images: &str, labels: &str| {
        Npy::open(&NpyFiles { images: at(images), labels: at(labels), ..Default::default() })
    };
    let content = |source: &Npy| {
        let out = tempfile::tempdir().unwrap();
        pack_to(source, out.path(), &options(1, 1 << 27)).unwrap().content
    };
    let first = open("nhwc.npy", "y-i8.npy").unwrap();
    assert_eq!((first.shape(), first.layout()), (ImageShape::new(3, 5, 6).unwrap(), Layout::Nhwc));
    assert_eq!(first.classes().iter().map(|c| &*c.name).collect::<Vec<_>>(), ["0", "1", "2", "3"]);
    let mut image = vec![0; 90];
    for i in 0..10 {
        first.read(0, i, &mut image).unwrap();
        assert_eq!(image, raw[90 * i..][..90]);
        assert_eq!(first.label(0, i).unwrap(), i as i64 % 4);
    }
    for labels in ["y-i4.npy", "y->i2.npy", "y-u1.npy", "y-u8.npy"] {
        assert_eq!(content(&open("nhwc.npy", labels).unwrap()), content(&first), "{labels}");
    }
    for images in ["v1.npy", "v2.npy", "v3.npy"] {
        assert_eq!(content(&open(images, "y-i8.npy").unwrap()), content(&first), "{images}");
    }
    let planar = open("nchw.npy", "y-i8.npy").unwrap();
    assert_eq!((planar.shape(), planar.layout()), (first.shape(), Layout::Nchw));
    planar.read(0, 3, &mut image).unwrap();
    let expected: Vec<u8> = (0..90).map(|k| raw[90 * 3 + k % 30 * 3 + k / 30]).collect();
    assert_eq!(image, expected);
    let grey = open("grey.npy", "y-i8.npy").unwrap();
    assert_eq!(grey.shape(), ImageShape::new(1, 5, 6).unwrap());
    let error = open("fortran.npy", "y-i8.npy").unwrap_err().to_string();
    assert!(
        error.contains("fortran.npy: expected an array in C order") && error.contains("ascontiguousarray"),
        "{error}"
    );
}

#[test]
fn a_test_split_and_names_are_read() {
    let mut pair = Pair::sound();
    let at = |name: &str| pair.folder.path().join(name);
    fs::write(at("tx.npy"), npy("|u1", false, "(2, 2, 4, 3)", &pixels(48))).unwrap();
    fs::write(
        at("ty.npy"),
        npy("<i8", false, "(2,)", &[[1u8, 0, 0, 0, 0, 0, 0, 0], [4, 0, 0, 0, 0, 0, 0, 0]].concat()),
    )
    .unwrap();
    pair.files.test = Some([at("tx.npy"), at("ty.npy")]);
    let source = Npy::open(&pair.files).unwrap();
    assert_eq!(
        source.splits().iter().map(|s| (&*s.name, s.samples)).collect::<Vec<_>>(),
        [("train", 6), ("test", 2)]
    );
    assert_eq!((source.label(1, 1).unwrap(), source.classes().len()), (4, 5));
    let names: Vec<_> = source.files().iter().map(|f| &*f.name).collect();
    assert_eq!(names, ["train-images.npy", "train-labels.npy", "test-images.npy", "test-labels.npy"]);
    let classes = at("names.txt");
    fs::write(&classes, "a\nb\n\nc\nd\ne\nf\n").unwrap();
    pair.files.classes = Some(classes.clone());
    let source = Npy::open(&pair.files).unwrap();
    assert_eq!(source.classes()[5].name, "f");
    fs::write(&classes, "a\nb\nc\nd\n").unwrap();
    pair.refused(&["ty.npy: record 1, label at byte 136", "expected 0 to 3, found 4"]);
    fs::write(&classes, "a\na\n").unwrap();
    pair.refused(&["names.txt: class names", "different names"]);
    pair.files.classes = None;
    fs::write(pair.folder.path().join("tx.npy"), npy("|u1", false, "(2, 2, 12, 1)", &pixels(48))).unwrap();
    pair.refused(&["tx.npy", "images of the shape of the training images, [2, 4, 3]", "found [2, 12, 1]"]);
}

#[test]
fn the_axis_of_the_channels_is_told_or_must_be_said() {
    for (shape, layout, expected) in [
        ("(1, 8, 9, 3)", None, Some(([3, 8, 9], Layout::Nhwc))),
        ("(1, 3, 9, 8)", None, Some(([3, 9, 8], Layout::Nchw))),
        ("(1, 18, 12, 1)", None, Some(([1, 18, 12], Layout::Nhwc))),
        ("(1, 3, 24, 3)", None, None),
        ("(1, 3, 24, 3)", Some(Layout::Nchw), Some(([3, 24, 3], Layout::Nchw))),
        ("(1, 3, 24, 3)", Some(Layout::Nhwc), Some(([3, 3, 24], Layout::Nhwc))),
        ("(1, 9, 8, 3)", Some(Layout::Nchw), Some(([9, 8, 3], Layout::Nchw))),
        ("(1, 12, 9, 2)", None, None),
        ("(1, 12, 18)", None, Some(([1, 12, 18], Layout::Nchw))),
        ("(1, 12, 18)", Some(Layout::Nhwc), Some(([1, 12, 18], Layout::Nhwc))),
    ] {
        let mut pair = Pair::new(&npy("|u1", false, shape, &pixels(216)), &npy("|u1", false, "(1,)", &[0]));
        pair.files.layout = layout;
        match expected {
            Some(([c, h, w], layout)) => {
                let source = Npy::open(&pair.files).unwrap();
                assert_eq!(
                    (source.shape(), source.layout()),
                    (ImageShape::new(c, h, w).unwrap(), layout),
                    "{shape}"
                );
            }
            None => pair.refused(&["x.npy", "one axis of 1, 3 or 4 channels", "--layout"]),
        }
    }
}

#[test]
fn arrays_of_another_type_shape_or_length_are_refused() {
    let sound_x = npy("|u1", false, "(6, 2, 4, 3)", &pixels(144));
    let sound_y = npy("|u1", false, "(6,)", &[0; 6]);
    let x =
        |bytes: Vec<u8>, parts: &[&str]| Pair::new(&bytes, &sound_y).refused(&[&["x.npy"], parts].concat());
    let y =
        |bytes: Vec<u8>, parts: &[&str]| Pair::new(&sound_x, &bytes).refused(&[&["y.npy"], parts].concat());
    x(
        npy("<f4", false, "(1, 2, 4, 3)", &[0; 96]),
        &["expected images of unsigned bytes", "found float32", "astype"],
    );
    x(npy("<f8", false, "(1, 1, 4, 3)", &[0; 96]), &["found float64"]);
    x(npy("|i1", false, "(4, 2, 4, 3)", &[0; 96]), &["found int8"]);
    x(npy("|b1", false, "(4, 2, 4, 3)", &[0; 96]), &["found bool"]);
    x(npy("|u1", true, "(6, 2, 4, 3)", &pixels(144)), &["C order", "found Fortran order"]);
    x(npy("|u1", false, "(6, 24)", &pixels(144)), &["[n, h, w]", "found [6, 24]", "reshape"]);
    x(npy("|u1", false, "()", &[1]), &["found []"]);
    x(npy("|u1", false, "(0, 2, 4, 3)", &[]), &["1 to 4294967296 images", "found 0"]);
    x(npy("|u1", false, "(6, 0, 4, 3)", &[]), &["images with a size"]);
    x(npy("|u1", false, "(18446744073709551615, 2, 4, 3)", &[0; 9]), &["length", "a shape that fits a file"]);
    x(
        npy("|u1", false, "(9223372036854775807, 1, 1, 1)", &[0; 9]),
        &["length at byte 137", "found 137 bytes"],
    );
    x(sound_x[..sound_x.len() - 1].to_vec(), &["length", "expected 272 bytes", "found 271 bytes"]);
    x([&sound_x[..], b"x"].concat(), &["length", "found 273 bytes"]);
    x(sound_x[..100].to_vec(), &["header at byte 100"]);
    x(Vec::new(), &["magic at byte 0"]);
    x(b"PK\x03\x04 a zip, as np.savez writes".to_vec(), &["magic at byte 0"]);
    x([b"\x93NUMPY\x02\0", &u32::MAX.to_le_bytes()[..]].concat(), &["header length at byte 8"]);
    y(npy("<f8", false, "(6,)", &[0; 48]), &["expected labels of whole numbers", "found float64"]);
    y(npy("<U3", false, "(6,)", &[0; 18]), &["labels of whole numbers"]);
    y(npy("|u1", false, "(5,)", &[0; 5]), &["expected labels of shape [6]", "found [5]"]);
    y(npy("|u1", false, "(6, 3)", &[0; 18]), &["expected labels of shape [6]", "argmax"]);
    y(npy("|i1", false, "(6,)", &[0, 0, 0xff, 0, 0, 0]), &["record 2, label at byte 130", "found -1"]);
    y(npy("<u4", false, "(6,)", &[0xff; 24]), &["record 0", "found 4294967295"]);
    y(npy("<u8", false, "(6,)", &[0xff; 48]), &["record 0", "found 2^63 or more"]);
}

#[test]
fn images_that_change_while_they_are_packed_are_told() {
    let pair = Pair::sound();
    let source = Npy::open(&pair.files).unwrap();
    let file = fs::File::options().write(true).open(&pair.files.images).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let out = pair.folder.path().join("out");
    let error = pack_to(&source, &out, &options(1, 1 << 27)).unwrap_err();
    assert!(error.to_string().contains("x.npy: changed while it was packed"), "{error}");
    assert!(!Path::new(&out).join("dataset.json").exists());
}
