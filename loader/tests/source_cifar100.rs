//! CIFAR-100, and the Python version of both CIFARs: the same samples as the binary version's, labels of two levels.

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rfx_loader::{
    Dataset, ErrorKind,
    dataset::Verify,
    source::{Cifar10, Cifar100, Source, SourceError},
};
use samples::{options, pack_to};

const RECORD: usize = 3074;

/// The coarse label of a class in the small sets here.
fn coarse(fine: u8) -> u8 {
    fine / 5
}

/// A cut-down CIFAR-100: `records` training records, half as many for the test.
fn small_cifar100(dir: &Path, records: usize) {
    fs::create_dir_all(dir).unwrap();
    for (name, records) in [("train.bin", records), ("test.bin", records / 2)] {
        let mut bytes = Vec::new();
        for r in 0..records {
            let fine = (r * 7 % 100) as u8;
            bytes.extend([coarse(fine), fine]);
            bytes.extend((0..3072).map(|i| (i * 31 + r * 7 + records) as u8));
        }
        fs::write(dir.join(name), bytes).unwrap();
    }
    let lines = |prefix: &str, n| (0..n).map(|i| format!("{prefix}{i}\n")).collect::<String>();
    fs::write(dir.join("fine_label_names.txt"), lines("fine", 100)).unwrap();
    fs::write(dir.join("coarse_label_names.txt"), lines("coarse", 20) + "\n").unwrap();
}

/// A cut-down CIFAR-10 in its binary version.
fn small_cifar10(dir: &Path) {
    fs::create_dir_all(dir).unwrap();
    let names = (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".into()]);
    for (f, name) in names.enumerate() {
        let record = |r: usize| {
            let pixels = (0..3072).map(move |i| (i * 31 + r * 7 + f) as u8);
            std::iter::once(((r + f) % 10) as u8).chain(pixels)
        };
        fs::write(dir.join(name), (0..3).flat_map(record).collect::<Vec<u8>>()).unwrap();
    }
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    fs::write(dir.join("batches.meta.txt"), names).unwrap();
}

/// Writes the Python version of the binary folder `from`; `how` is `official` or a protocol.
fn write_python(python: &Path, kind: &str, from: &Path, to: &Path, how: &str) {
    let script = support::workspace().join("loader/tests/python/write_cifar.py");
    let status = Command::new(python).arg(script).arg(kind).args([from, to]).arg(how).status();
    assert!(status.unwrap().success(), "{kind} {how}");
}

fn tar(folder: &Path, archive: &Path) {
    let mut command = Command::new("tar");
    command.arg("-czf").arg(archive).arg("-C").arg(folder.parent().unwrap()).arg(folder.file_name().unwrap());
    assert!(command.status().unwrap().success());
}

fn content(source: &dyn Source) -> (String, Dataset, tempfile::TempDir) {
    let tmp = tempfile::tempdir().unwrap();
    let report = pack_to(source, tmp.path(), &options(2, 1 << 27)).unwrap();
    (report.content.to_string(), Dataset::open(tmp.path(), Verify::Once).unwrap(), tmp)
}

#[test]
fn fine_labels_coarse_labels_and_superclasses_are_read() {
    let tmp = tempfile::tempdir().unwrap();
    small_cifar100(tmp.path(), 200);
    let source = Cifar100::open_any_count(tmp.path()).unwrap();
    assert_eq!(source.kind(), "cifar100");
    assert_eq!(source.columns(), ["coarse_label"]);
    assert_eq!(source.splits().iter().map(|s| s.samples).collect::<Vec<_>>(), [200, 100]);
    assert_eq!(source.files().len(), 4);
    for (fine, class) in source.classes().iter().enumerate() {
        assert_eq!(class.name, format!("fine{fine}"));
        assert_eq!(class.superclass, Some(format!("coarse{}", fine / 5)));
    }
    let mut image = vec![0; 3072];
    for (split, name) in ["train.bin", "test.bin"].into_iter().enumerate() {
        let file = fs::read(tmp.path().join(name)).unwrap();
        for (r, record) in file.chunks_exact(RECORD).enumerate() {
            assert_eq!(source.column(0, split, r).unwrap(), i64::from(record[0]));
            assert_eq!(source.label(split, r).unwrap(), i64::from(record[1]));
            source.read(split, r, &mut image).unwrap();
            assert_eq!(image, record[2..]);
        }
    }
    assert!(matches!(source.column(1, 0, 0), Err(SourceError::NoSample { .. })));
    assert!(matches!(source.column(0, 0, 200), Err(SourceError::NoSample { .. })));
    assert!(Cifar100::open(tmp.path()).unwrap_err().to_string().contains("50000 records of 3074 bytes"));
}

#[test]
fn official_names_stand_in_for_missing_ones() {
    let tmp = tempfile::tempdir().unwrap();
    small_cifar100(tmp.path(), 200);
    for name in ["fine_label_names.txt", "coarse_label_names.txt"] {
        fs::remove_file(tmp.path().join(name)).unwrap();
    }
    let source = Cifar100::open_any_count(tmp.path()).unwrap();
    let classes = source.classes();
    assert_eq!((classes[0].name.as_str(), classes[99].name.as_str()), ("apple", "worm"));
    assert_eq!(classes[99].superclass.as_deref(), Some("vehicles_2"));
    // A class without records says nothing of its superclass.
    let few = tmp.path().join("few");
    small_cifar100(&few, 2);
    let source = Cifar100::open_any_count(&few).unwrap();
    assert_eq!(source.classes().iter().filter(|c| c.superclass.is_some()).count(), 2);
}

#[test]
fn every_way_to_give_the_files_gives_the_same_data_set() {
    let tmp = tempfile::tempdir().unwrap();
    let folder = tmp.path().join("around/cifar-100-binary");
    small_cifar100(&folder, 20);
    let archive = tmp.path().join("cifar-100-binary.tar.gz");
    tar(&folder, &archive);
    let ways: [PathBuf; 4] = [folder.clone(), tmp.path().join("around"), archive, tmp.path().into()];
    let contents: Vec<_> = ways.iter().map(|w| content(&Cifar100::open_any_count(w).unwrap()).0).collect();
    assert!(contents.iter().all(|c| *c == contents[0]), "{contents:?}");
}

fn refused(damage: impl FnOnce(&Path)) -> String {
    let tmp = tempfile::tempdir().unwrap();
    small_cifar100(tmp.path(), 20);
    damage(tmp.path());
    let error = Cifar100::open_any_count(tmp.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    error.to_string()
}

/// Sets one byte of `train.bin`.
fn set(record: usize, byte: usize, value: u8) -> impl FnOnce(&Path) {
    move |dir| {
        let path = dir.join("train.bin");
        let mut bytes = fs::read(&path).unwrap();
        bytes[record * RECORD + byte] = value;
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn labels_out_of_range_and_a_class_of_two_superclasses_are_refused_with_their_record() {
    let text = refused(set(3, 1, 100));
    assert!(text.contains("train.bin: record 3, label at byte 9223: expected 0 to 99, found 100"), "{text}");
    let text = refused(set(3, 0, 20));
    assert!(text.contains("record 3, coarse label at byte 9222: expected 0 to 19, found 20"), "{text}");
    // Record 4 has label 28, of superclass 5; the same label in record 5 would have to have it too.
    let text = refused(set(5, 1, 28));
    let expected = "record 5, coarse label at byte 15370: expected 5, which record 4 of train.bin has for label 28 too, \
                    found 7";
    assert!(text.contains(expected), "{text}");
    // Also between the splits.
    let text = refused(set(0, 0, 3));
    assert!(
        text.contains("test.bin: record 0, coarse label") && text.contains("record 0 of train.bin"),
        "{text}"
    );
}

#[test]
fn missing_short_and_wrong_files_are_refused() {
    let text = refused(|dir| fs::remove_file(dir.join("test.bin")).unwrap());
    assert!(text.contains("test.bin: cannot open"), "{text}");
    let text = refused(|dir| fs::write(dir.join("train.bin"), vec![0; RECORD + 1]).unwrap());
    assert!(text.contains("records of 3074 bytes") && text.contains("3075 bytes"), "{text}");
    let text = refused(|dir| fs::write(dir.join("coarse_label_names.txt"), "a\nb\n").unwrap());
    assert!(
        text.contains("coarse_label_names.txt: class names") && text.contains("20 different names"),
        "{text}"
    );
    let tmp = tempfile::tempdir().unwrap();
    let text = Cifar100::open(tmp.path()).unwrap_err().to_string();
    assert!(text.contains("cifar-100-binary.tar.gz or cifar-100-python.tar.gz"), "{text}");
    // Folders of an image tree are no batches.
    fs::create_dir_all(tmp.path().join("train/cat")).unwrap();
    let text = Cifar100::open(tmp.path()).unwrap_err().to_string();
    assert!(text.contains("found none of them"), "{text}");
}

#[test]
fn the_python_version_in_every_protocol_gives_the_same_data_set() {
    let Some(python) = support::python("the_python_version_in_every_protocol_gives_the_same_data_set") else {
        return;
    };
    let tmp = tempfile::tempdir().unwrap();
    let (ten, hundred) = (tmp.path().join("10"), tmp.path().join("100"));
    small_cifar10(&ten);
    small_cifar100(&hundred, 200);
    let expected10 = content(&Cifar10::open_any_count(&ten).unwrap()).0;
    let expected100 = content(&Cifar100::open_any_count(&hundred).unwrap()).0;
    for how in ["official", "2", "3", "4", "5"] {
        let folder = tmp.path().join(how).join("cifar-10-batches-py");
        write_python(&python, "10", &ten, &folder, how);
        let source = Cifar10::open_any_count(&folder).unwrap_or_else(|e| panic!("{how}: {e}"));
        assert_eq!(source.files().len(), 7);
        assert_eq!(content(&source).0, expected10, "{how}");
        let archive = tmp.path().join(how).join("cifar-10-python.tar.gz");
        tar(&folder, &archive);
        let from_archive = Cifar10::open_any_count(&archive).unwrap();
        assert_eq!(from_archive.files(), source.files());
        assert_eq!(content(&from_archive).0, expected10, "{how}");

        let folder = tmp.path().join(how).join("cifar-100-python");
        write_python(&python, "100", &hundred, &folder, how);
        // Found in the folder around it, too.
        let source = Cifar100::open_any_count(folder.parent().unwrap()).unwrap();
        let (id, dataset, _tmp) = content(&source);
        assert_eq!(id, expected100, "{how}");
        assert_eq!(dataset.index().classes[99].superclass.as_deref(), Some("coarse19"));
        let train = dataset.split("train").unwrap();
        let coarse: Vec<i64> = train.labels().iter().map(|&fine| fine / 5).collect();
        assert_eq!(train.column("coarse_label").unwrap(), coarse);
    }
}

#[test]
fn python_batches_that_break_a_rule_are_refused() {
    let Some(python) = support::python("python_batches_that_break_a_rule_are_refused") else { return };
    let tmp = tempfile::tempdir().unwrap();
    let (binary, folder) = (tmp.path().join("10"), tmp.path().join("cifar-10-batches-py"));
    small_cifar10(&binary);
    // Each line changes the first batch, `b`, or writes something else in its place.
    for (change, says) in [
        ("b['labels'][2] = 10", "data_batch_1: record 2, label at byte"),
        ("b['labels'][1] = -1", "expected 0 to 9, found -1"),
        ("b['labels'][1] = 'cat'", "labels at byte"),
        ("b['labels'] = b['labels'][:2]", "expected 3 items, as many as images, found 2"),
        ("b['labels'] = tuple(b['labels'])", "expected a list"),
        ("del b['labels']", "expected labels among them"),
        ("b['data'] = b['data'][:, :3071].copy()", "expected an array of shape [n, 3072], found [3, 3071]"),
        ("b['data'] = b['data'][:0]", "__builtin__.bytes"), // how protocol 2 spells no bytes
        ("b['data'] = b['data'].reshape(3, 3, 32, 32)", "found [3, 3, 32, 32]"),
        ("b['data'] = b['data'].astype('f4')", "dtype at byte"),
        ("b['data'] = np.asfortranarray(b['data'])", "found Fortran order"),
        ("b['data'] = b['data'].tolist()", "expected an array of unsigned bytes"),
        ("b['data'] = np.array(['x'], dtype=object)", "dtype at byte"),
        ("b[b'labels'] = b['labels']", "expected labels once, found it again"),
        ("b = [b]", "expected a dictionary"),
        (
            "import os\nclass X:\n  def __reduce__(self): return os.system, ('false',)\nb['labels'] = X()",
            "posix.system",
        ),
        ("b['labels'] = [np.int64(1)] * 3", "numpy._core.multiarray.scalar"),
    ] {
        write_python(&python, "10", &binary, &folder, "2");
        let path = folder.join("data_batch_1");
        let program = format!(
            "import pickle, sys\nimport numpy as np\nb = pickle.load(open(sys.argv[1], 'rb'))\n{change}\n\
             pickle.dump(b, open(sys.argv[1], 'wb'), protocol=2)"
        );
        assert!(Command::new(&python).arg("-c").arg(program).arg(&path).status().unwrap().success());
        let error = Cifar10::open_any_count(&folder).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        let text = error.to_string();
        assert!(text.contains("data_batch_1") && text.contains(says), "{change}: {text}");
    }
    write_python(&python, "10", &binary, &folder, "official");
    let text = Cifar10::open(&folder).unwrap_err().to_string();
    assert!(text.contains("expected an array of shape [10000, 3072], found [3, 3072]"), "{text}");
    fs::copy(folder.join("data_batch_1"), folder.join("batches.meta")).unwrap();
    let text = Cifar10::open_any_count(&folder).unwrap_err().to_string();
    assert!(text.contains("batches.meta: keys of the dictionary"), "{text}");
}

#[test]
fn the_real_cifar10_is_the_same_data_set_in_both_versions() {
    let test = "the_real_cifar10_is_the_same_data_set_in_both_versions";
    let Some(binary) = support::real_data("cifar-10-batches-bin", test) else { return };
    let Some(python) = support::python(test) else { return };
    let tmp = tempfile::tempdir().unwrap();
    let folder = tmp.path().join("cifar-10-batches-py");
    write_python(&python, "10", &binary, &folder, "official");
    let (a, b) = (Cifar10::open(&binary).unwrap(), Cifar10::open(&folder).unwrap());
    assert_eq!((a.classes(), a.splits()), (b.classes(), b.splits()));
    assert_eq!(content(&a).0, content(&b).0);
}
