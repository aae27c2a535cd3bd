//! Sources that are truncated, flipped, oversized, empty, unreadable, of wrong counts or with labels out of range,
//! given to `rfx-pack`: one error that names file, field, expected and found, exit code 2 (3 where the system
//! refuses), and no output at all.

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::{
    fs::{self, File},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use program::{PACK, finish, names, run};

const CIFAR_BYTES: u64 = 10_000 * 3073;

/// A folder with a source in it and a place for the output.
struct Case {
    folder: tempfile::TempDir,
    kind: &'static str,
}

impl Case {
    fn new(kind: &'static str) -> Self {
        let case = Case { folder: tempfile::tempdir().unwrap(), kind };
        fs::create_dir(case.source()).unwrap();
        case
    }

    /// CIFAR-10 of black airplanes, in files that take no space.
    fn cifar() -> Self {
        let case = Case::new("cifar10");
        for i in 1..=5 {
            File::create(case.file(&format!("data_batch_{i}.bin"))).unwrap().set_len(CIFAR_BYTES).unwrap();
        }
        File::create(case.file("test_batch.bin")).unwrap().set_len(CIFAR_BYTES).unwrap();
        case
    }

    /// CIFAR-100 of black apples, all aquatic mammals.
    fn cifar100() -> Self {
        let case = Case::new("cifar100");
        for (name, records) in [("train.bin", 50_000), ("test.bin", 10_000)] {
            File::create(case.file(name)).unwrap().set_len(records * 3074).unwrap();
        }
        case
    }

    /// The Python version of CIFAR-10, as far as it is looked at before `first` is refused.
    fn python(first: &[u8]) -> Self {
        let case = Case::new("cifar10");
        for name in ["data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"] {
            fs::write(case.file(name), "").unwrap();
        }
        fs::write(case.file("data_batch_1"), first).unwrap();
        case
    }

    /// MNIST of black zeros: 40 train and 10 test images.
    fn mnist() -> Self {
        Case::idx("mnist")
    }

    /// The same files under either name.
    fn idx(kind: &'static str) -> Self {
        let case = Case::new(kind);
        for (prefix, n) in [("train", 40u32), ("t10k", 10)] {
            let words = |words: &[u32]| words.iter().flat_map(|w| w.to_be_bytes()).collect::<Vec<u8>>();
            let images = [words(&[2051, n, 28, 28]), vec![0; 784 * n as usize]].concat();
            let labels = [words(&[2049, n]), vec![0; n as usize]].concat();
            fs::write(case.file(&format!("{prefix}-images-idx3-ubyte")), images).unwrap();
            fs::write(case.file(&format!("{prefix}-labels-idx1-ubyte")), labels).unwrap();
        }
        case
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.source().join(name)
    }

    fn set_len(&self, name: &str, len: u64) {
        File::options().write(true).open(self.file(name)).unwrap().set_len(len).unwrap();
    }

    fn write_at(&self, name: &str, at: u64, bytes: &[u8]) {
        let mut file = File::options().write(true).open(self.file(name)).unwrap();
        file.seek(SeekFrom::Start(at)).unwrap();
        file.write_all(bytes).unwrap();
    }

    /// Packs `source`, which must be refused as bad input that `parts` describe, with advice and without output.
    #[track_caller]
    fn refused_at(&self, source: &Path, parts: &[&str]) {
        let out = self.folder.path().join("out");
        let ran = run(PACK, &format!("{} -q --out", self.kind), &[&out, &source]);
        ran.refused(2, &[parts, &["help: "]].concat());
        assert!(!out.exists(), "{:?}", names(&out));
    }

    #[track_caller]
    fn refused(&self, parts: &[&str]) {
        self.refused_at(&self.source(), parts);
    }
}

/// Runs a system program that every machine that builds rfx has.
fn system(program: &str, args: &[&str], folder: &Path) {
    assert!(Command::new(program).args(args).current_dir(folder).status().unwrap().success(), "{program}");
}

#[test]
fn a_source_that_is_sound_is_packed() {
    // Without this, every refusal below could be of the fakes themselves.
    for case in [Case::cifar(), Case::cifar100(), Case::mnist(), Case::idx("fashion-mnist")] {
        let out = case.folder.path().join("out");
        run(PACK, &format!("{} -q --out", case.kind), &[&out, &case.source()]).ended(0);
        assert!(out.join("dataset.json").exists());
    }
}

#[test]
fn a_cifar10_file_that_is_truncated_oversized_empty_or_of_another_count() {
    let case = Case::cifar();
    for len in [CIFAR_BYTES - 1, CIFAR_BYTES + 1, 0, CIFAR_BYTES - 3073, CIFAR_BYTES + 3073] {
        case.set_len("data_batch_3.bin", len);
        let found = format!("found {len} bytes");
        case.refused(&["data_batch_3.bin: length", "expected 10000 records of 3073 bytes", &found]);
    }
}

#[test]
fn a_cifar10_label_or_class_name_out_of_range() {
    let case = Case::cifar();
    case.write_at("test_batch.bin", 7 * 3073, &[10]);
    case.refused(&["test_batch.bin: record 7, label at byte 21511", "expected 0 to 9", "found 10"]);
    let case = Case::cifar();
    fs::write(case.file("batches.meta.txt"), "cat\ndog\n").unwrap();
    case.refused(&["batches.meta.txt: class names", "expected 10 different names", ": cat, dog"]);
}

#[test]
fn a_cifar100_file_that_breaks_a_rule() {
    let case = Case::cifar100();
    case.set_len("train.bin", 50_000 * 3074 - 1);
    case.refused(&["train.bin: length", "expected 50000 records of 3074 bytes", "found 153699999 bytes"]);
    let case = Case::cifar100();
    case.write_at("test.bin", 7 * 3074, &[20]);
    case.refused(&["test.bin: record 7, coarse label at byte 21518", "expected 0 to 19", "found 20"]);
    let case = Case::cifar100();
    case.write_at("test.bin", 7 * 3074, &[3]);
    case.refused(&[
        "test.bin: record 7, coarse label",
        "record 0 of train.bin has for label 0 too",
        "found 3",
    ]);
    let case = Case::cifar100();
    fs::write(case.file("fine_label_names.txt"), "apple\n".repeat(100)).unwrap();
    case.refused(&["fine_label_names.txt: class names", "expected 100 different names", "100 (1 different)"]);
}

#[test]
fn a_pickle_that_would_run_a_command_does_not() {
    let marker = tempfile::tempdir().unwrap();
    let ran = marker.path().join("ran");
    let command = format!("touch {}", ran.display());
    let pickle = [
        b"\x80\x02cposix\nsystem\nX",
        &(command.len() as u32).to_le_bytes()[..],
        command.as_bytes(),
        b"\x85R.",
    ];
    let case = Case::python(&pickle.concat());
    case.refused(&[
        "data_batch_1: pickle at byte 2",
        "a call for posix.system, which was not made",
        "do not load it",
    ]);
    assert!(!ran.exists());
    let case = Case::python(b"\x80\x02P1\n.");
    case.refused(&["data_batch_1: pickle instruction at byte 2", "found PERSID"]);
    let case = Case::python(b"<html>");
    case.refused(&["data_batch_1: pickle at byte 0", "found bytes 3c 68"]);
    let case = Case::python(b"\x80\x02T\xff\xff\xff\x7f.");
    case.refused(&["data_batch_1: length at byte 2", "expected 2147483647 bytes more"]);
}

#[test]
fn arrays_that_are_no_images_and_labels() {
    let npy = |descr: &str, shape: &str, data: usize| {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        [b"\x93NUMPY\x01\0", &(text.len() as u16).to_le_bytes()[..], text.as_bytes(), &vec![0; data]].concat()
    };
    let case = Case::new("npy");
    let (x, y, out) = (case.file("x.npy"), case.file("y.npy"), case.folder.path().join("out"));
    let pack =
        |args: &str| run(PACK, &format!("npy -q {args} --out"), &[&out, &"--images", &x, &"--labels", &y]);
    let refused = |images: &[u8], labels: &[u8], args: &str, parts: &[&str]| {
        fs::write(&x, images).unwrap();
        fs::write(&y, labels).unwrap();
        pack(args).refused(2, &[parts, &["help: "]].concat());
        assert!(!out.exists());
    };
    let labels = npy("<i8", "(2,)", 16);
    refused(
        &npy("<f4", "(2, 4, 4, 3)", 384),
        &labels,
        "",
        &["x.npy: expected images of unsigned bytes", "float32"],
    );
    refused(&npy("|u1", "(2, 4, 4, 3)", 95), &labels, "", &["x.npy: length", "found"]);
    refused(&npy("|u1", "(2, 3, 3, 3)", 54), &labels, "", &["x.npy: expected one axis", "--layout nchw"]);
    refused(
        &npy("|u1", "(3, 5, 4, 3)", 180),
        &labels,
        "",
        &["y.npy: expected labels of shape [3]", "found [2]"],
    );
    refused(b"PK", &labels, "", &["x.npy: magic at byte 0"]);
    pack("--test-images t.npy").refused(2, &["--test-labels"]);
    pack("--layout hwc").refused(2, &["nhwc"]);
    // And the sound ones, of a shape that only the flag explains.
    fs::write(&x, npy("|u1", "(2, 3, 3, 3)", 54)).unwrap();
    fs::write(case.file("names.txt"), "cat\ndog\n").unwrap();
    let ran = run(
        PACK,
        "npy --json --layout nchw --classes",
        &[&case.file("names.txt"), &"--images", &x, &"--labels", &y, &"--out", &out],
    );
    assert_eq!(ran.ended(0).json()["source"], "npy");
}

#[test]
fn a_cifar10_archive_that_is_truncated_flipped_empty_or_no_archive() {
    let case = Case::cifar();
    // The members are short: what is wrong with the archive is told before anything in it is looked at.
    for entry in fs::read_dir(case.source()).unwrap() {
        fs::write(entry.unwrap().path(), b"some bytes that compress to more than a few").unwrap();
    }
    let folder = case.folder.path();
    system("tar", &["-czf", "cifar-10-binary.tar.gz", "source"], folder);
    let archive = folder.join("cifar-10-binary.tar.gz");
    case.refused_at(&archive, &["cifar-10-binary.tar.gz/data_batch_1.bin: length", "found 43 bytes"]);
    let whole = fs::read(&archive).unwrap();
    let damaged = |bytes: &[u8]| fs::write(&archive, bytes).unwrap();
    for len in [whole.len() - 1, whole.len() / 2, 3] {
        damaged(&whole[..len]);
        case.refused_at(&archive, &["cifar-10-binary.tar.gz: gzip or tar after", "damaged or cut short"]);
    }
    let mut flipped = whole.clone();
    let crc = whole.len() - 8; // CRC-32 and length end a gzip file
    flipped[crc] ^= 1;
    damaged(&flipped);
    case.refused_at(&archive, &["cifar-10-binary.tar.gz: gzip or tar after", "damaged or cut short"]);
    damaged(b"");
    case.refused_at(&archive, &["cifar-10-binary.tar.gz", "expected", "found"]);
    damaged(b"<html>404 Not Found</html>");
    case.refused_at(&archive, &["cifar-10-binary.tar.gz"]);
}

#[test]
fn an_archive_that_is_oversized_is_given_up_early() {
    let case = Case::new("cifar10");
    let folder = case.folder.path();
    // A member of 200 GB, of which the file system holds nothing; tar writes its header, and is stopped there.
    File::create(folder.join("data_batch_1.bin")).unwrap().set_len(200 << 30).unwrap();
    system("sh", &["-c", "tar -cf - data_batch_1.bin | head -c 10240 > bomb.tar"], folder);
    case.refused_at(
        &folder.join("bomb.tar"),
        &["bomb.tar: entry size", "expected at most", "found 214748364800"],
    );
}

#[test]
fn an_mnist_file_that_is_truncated_oversized_or_empty() {
    for (name, len) in [("train-images-idx3-ubyte", 16 + 784 * 40), ("t10k-labels-idx1-ubyte", 18)] {
        for wrong in [len - 1, len + 1] {
            let case = Case::mnist();
            case.set_len(name, wrong);
            case.refused(&[
                &format!("{name}: length"),
                &format!("expected {len} bytes by the header"),
                &format!("found {wrong} bytes"),
            ]);
        }
        let case = Case::mnist();
        case.set_len(name, 0);
        case.refused(&[&format!("{name}: length"), "expected a header of", "found 0 bytes"]);
    }
}

#[test]
fn an_mnist_file_with_a_wrong_header_or_count() {
    for (at, bytes, parts) in [
        (0, [0, 0, 8, 1], ["magic at byte 0", "expected 2051, found 2049"]),
        (8, [0, 0, 0, 32], ["rows at byte 8", "expected 28, found 32"]),
        (4, [0xff; 4], ["count at byte 4", "found 4294967295"]),
        (4, [0; 4], ["count at byte 4", "found 0"]),
    ] {
        let case = Case::mnist();
        case.write_at("train-images-idx3-ubyte", at, &bytes);
        case.refused(&["train-images-idx3-ubyte", parts[0], parts[1]]);
    }
    // Each file sound in itself, but one label short of the images.
    let case = Case::mnist();
    case.write_at("train-labels-idx1-ubyte", 4, &39u32.to_be_bytes());
    case.set_len("train-labels-idx1-ubyte", 8 + 39);
    case.refused(&["train-labels-idx1-ubyte: count", "expected 40 labels", "found 39"]);
}

#[test]
fn an_mnist_label_out_of_range() {
    let case = Case::mnist();
    case.write_at("t10k-labels-idx1-ubyte", 8 + 4, &[10]);
    case.refused(&["t10k-labels-idx1-ubyte: record 4, label at byte 12", "expected 0 to 9", "found 10"]);
}

#[test]
fn a_gzipped_mnist_file_that_is_truncated_or_flipped() {
    let case = Case::mnist();
    let name = "train-images-idx3-ubyte.gz";
    system("gzip", &["train-images-idx3-ubyte"], &case.source());
    let whole = fs::read(case.file(name)).unwrap();
    fs::write(case.file(name), &whole[..whole.len() - 1]).unwrap();
    case.refused(&[name, "gzip after", "damaged or cut short"]);
    let mut flipped = whole.clone();
    flipped[whole.len() - 8] ^= 1; // the CRC-32
    fs::write(case.file(name), &flipped).unwrap();
    case.refused(&[name, "gzip after", "damaged or cut short"]);
}

#[test]
fn a_file_that_is_missing_or_cannot_be_read() {
    for (case, name) in [(Case::cifar(), "data_batch_4.bin"), (Case::mnist(), "t10k-labels-idx1-ubyte")] {
        fs::remove_file(case.file(name)).unwrap();
        case.refused(&[name]);
        // A folder in its place, as permissions do not stop root; and then a path that leads through a file.
        fs::create_dir(case.file(name)).unwrap();
        case.refused(&[name, "cannot open: not a regular file"]);
        let through = case.folder.path().join("file");
        fs::write(&through, "").unwrap();
        case.refused_at(&through.join(name), &["file/", name]);
    }
}

#[test]
fn a_file_without_permission_to_read() {
    let case = Case::new("cifar10");
    let folder = case.folder.path();
    let path = folder.join("cifar-10-binary.tar.gz");
    fs::write(&path, "secret").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let out = folder.join("out");
    let mut command = Command::new(PACK);
    if fs::read(&path).is_ok() {
        // This user may read everything: run as one who may not, where that is possible.
        let other = ["--reuid=65534", "--clear-groups", "--"];
        let probe = Command::new("setpriv").args(other).arg("true").output();
        if !probe.is_ok_and(|p| p.status.success()) {
            let test = "a_file_without_permission_to_read";
            return support::skip("setpriv", test, "this user may read every file");
        }
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
        // Where the other user may reach it. Not copied by this process: one that another test forks while the copy is
        // open for writing keeps it so, and it then cannot be run ("text file busy").
        system("cp", &[PACK, "rfx-pack"], folder);
        command = Command::new("setpriv");
        command.args(other).arg(folder.join("rfx-pack"));
    }
    command.args(["cifar10", "-q"]).arg(&path).arg("--out").arg(&out);
    finish(command).refused(3, &["cifar-10-binary.tar.gz", "Permission denied", "help: "]);
    assert!(!out.exists());
}

#[test]
fn a_source_that_is_not_there_or_of_another_kind() {
    for (case, other) in [(Case::cifar(), "mnist"), (Case::mnist(), "cifar10")] {
        let folder = case.folder.path();
        case.refused_at(&folder.join("nowhere"), &["nowhere", "No such file"]);
        fs::create_dir(folder.join("empty")).unwrap();
        case.refused_at(&folder.join("empty"), &["empty", "expected", "found none of them"]);
        fs::write(folder.join("text"), "not a data set").unwrap();
        case.refused_at(&folder.join("text"), &["text"]);
        let expected = if other == "mnist" { "train-images-idx3-ubyte" } else { "data_batch_1.bin" };
        let swapped = Case { kind: other, ..case };
        swapped.refused(&["source", "expected", expected, "found none of them"]);
    }
}
