//! CIFAR-10's binary version: what is read, from where, and what is refused.

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{
    fs,
    io::{Read, Write},
    path::Path,
};

use rfx_loader::{
    ErrorKind,
    dataset::Class,
    source::{Cifar10, Source, SourceError},
};
use samples::{options, pack_to, tree};

const RECORD: usize = 3073;
const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

/// A cut-down CIFAR-10 of `records` records a file.
fn small_cifar(dir: &Path, records: usize) {
    fs::create_dir_all(dir).unwrap();
    for (f, name) in FILES.iter().enumerate() {
        let mut bytes = Vec::new();
        for r in 0..records {
            bytes.push(((r + f) % 10) as u8);
            bytes.extend((0..3072).map(|i| (i * 31 + r * 7 + f) as u8));
        }
        fs::write(dir.join(name), bytes).unwrap();
    }
    let names = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n";
    fs::write(dir.join("batches.meta.txt"), names).unwrap();
}

fn tar_of(dir: &Path, gzip: bool) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir("cifar-10-batches-bin", dir).unwrap();
    // Not in the order of the labels, as the official archive is not either.
    for name in FILES.iter().rev().chain(&["batches.meta.txt"]) {
        tar.append_path_with_name(dir.join(name), format!("cifar-10-batches-bin/{name}")).unwrap();
    }
    let bytes = tar.into_inner().unwrap();
    if !gzip {
        return bytes;
    }
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn archive_and_folder_and_folder_around_either_give_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let around = tmp.path().join("around");
    let folder = around.join("cifar-10-batches-bin");
    small_cifar(&folder, 3);
    let archives = tmp.path().join("archives");
    fs::create_dir(&archives).unwrap();
    fs::write(archives.join("cifar-10-binary.tar.gz"), tar_of(&folder, true)).unwrap();
    let plain = tmp.path().join("plain.tar");
    fs::write(&plain, tar_of(&folder, false)).unwrap();

    let ways = [folder, around, archives.join("cifar-10-binary.tar.gz"), archives, plain];
    let outputs: Vec<_> = ways
        .iter()
        .enumerate()
        .map(|(i, way)| {
            let out = tmp.path().join(format!("out{i}"));
            pack_to(&Cifar10::open_any_count(way).unwrap(), &out, &options(1, 1 << 27)).unwrap();
            tree(&out)
        })
        .collect();
    for output in &outputs[1..] {
        assert_eq!(output, &outputs[0]);
    }
}

#[test]
fn real_cifar10_from_the_archive_equals_the_folder() {
    let Some(folder) =
        support::real_data("cifar-10-batches-bin", "real_cifar10_from_the_archive_equals_the_folder")
    else {
        return;
    };
    let tmp = tempfile::tempdir().unwrap();
    let archive = tmp.path().join("cifar-10-binary.tar.gz");
    fs::write(&archive, tar_of(&folder, true)).unwrap();
    let (a, b) = (Cifar10::open(&folder).unwrap(), Cifar10::open(&archive).unwrap());
    assert_eq!((a.files(), a.classes(), a.splits()), (b.files(), b.classes(), b.splits()));
    assert_eq!(a.splits().iter().map(|s| s.samples).collect::<Vec<_>>(), [50_000, 10_000]);
    assert_eq!(a.classes()[..2], ["airplane", "automobile"].map(Class::named));
    let (mut x, mut y) = (vec![0; 3072], vec![0; 3072]);
    for (split, index) in [(0, 0), (0, 9_999), (0, 10_000), (0, 49_999), (1, 0), (1, 9_999)] {
        a.read(split, index, &mut x).unwrap();
        b.read(split, index, &mut y).unwrap();
        let file = fs::read(folder.join(FILES[if split == 1 { 5 } else { index / 10_000 }])).unwrap();
        let record = &file[index % 10_000 * RECORD..][..RECORD];
        assert!(x == y && x == record[1..], "{split} {index}");
        assert_eq!(a.label(split, index).unwrap(), i64::from(record[0]));
    }
    assert!(matches!(a.read(0, 50_000, &mut x), Err(SourceError::NoSample { .. })));
}

#[test]
fn class_names_default_to_the_official_ones() {
    let tmp = tempfile::tempdir().unwrap();
    small_cifar(tmp.path(), 1);
    let with = Cifar10::open_any_count(tmp.path()).unwrap();
    fs::remove_file(tmp.path().join("batches.meta.txt")).unwrap();
    let without = Cifar10::open_any_count(tmp.path()).unwrap();
    assert_eq!(with.classes(), without.classes());
    assert_eq!((with.files().len(), without.files().len()), (7, 6));
}

/// The error of a folder after `damage`; checks that it names `file` and is bad input.
fn refused(file: &str, damage: impl FnOnce(&Path)) -> String {
    let tmp = tempfile::tempdir().unwrap();
    small_cifar(tmp.path(), 2);
    damage(tmp.path());
    let error = Cifar10::open_any_count(tmp.path()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(file), "{text}");
    assert_eq!(error.kind(), ErrorKind::Input, "{text}");
    text
}

#[test]
fn a_truncated_file_is_refused_with_its_length() {
    let cut = |n: usize| {
        move |dir: &Path| {
            let path = dir.join("data_batch_3.bin");
            let bytes = fs::read(&path).unwrap();
            fs::write(&path, &bytes[..n]).unwrap();
        }
    };
    for n in [1, RECORD - 1, RECORD + 1, 2 * RECORD - 1] {
        let text = refused("data_batch_3.bin", cut(n));
        assert!(text.contains("3073") && text.contains(&format!("{n} bytes")), "{text}");
    }
    assert!(refused("data_batch_3.bin", cut(0)).contains("0 bytes"));
}

#[test]
fn an_oversized_file_is_refused() {
    let text = refused("test_batch.bin", |dir| {
        let path = dir.join("test_batch.bin");
        let mut bytes = fs::read(&path).unwrap();
        bytes.push(0);
        fs::write(&path, bytes).unwrap();
    });
    assert!(text.contains("6147 bytes"), "{text}");
}

#[test]
fn a_label_out_of_range_is_refused_with_record_and_byte() {
    let text = refused("data_batch_2.bin", |dir| {
        let path = dir.join("data_batch_2.bin");
        let mut bytes = fs::read(&path).unwrap();
        bytes[RECORD] = 10;
        fs::write(&path, bytes).unwrap();
    });
    assert!(text.contains("record 1") && text.contains("byte 3073") && text.contains("found 10"), "{text}");
}

#[test]
fn a_file_with_another_count_than_the_official_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    small_cifar(tmp.path(), 2);
    let text = Cifar10::open(tmp.path()).unwrap_err().to_string();
    assert!(text.contains("data_batch_1.bin") && text.contains("10000 records"), "{text}");
}

#[test]
fn a_missing_file_is_named() {
    let text = refused("data_batch_4.bin", |dir| fs::remove_file(dir.join("data_batch_4.bin")).unwrap());
    assert!(text.contains("open"), "{text}");
}

#[test]
fn a_file_that_changes_while_it_is_packed_is_told() {
    let changes: [fn(&fs::File); 2] = [
        |file| file.set_len(3 * RECORD as u64).unwrap(),
        |file| file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap(),
    ];
    for (change, found) in changes.into_iter().zip([3, 2]) {
        let tmp = tempfile::tempdir().unwrap();
        small_cifar(tmp.path(), 2);
        let source = Cifar10::open_any_count(tmp.path()).unwrap();
        change(&fs::File::options().write(true).open(tmp.path().join("data_batch_2.bin")).unwrap());
        let out = tmp.path().join("out");
        let error = pack_to(&source, &out, &options(1, 1 << 27)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Environment, "{error}");
        let text = error.to_string();
        assert!(text.contains("data_batch_2.bin: changed while it was packed"), "{text}");
        assert!(text.contains(&format!("found {}", found * RECORD)), "{text}");
        assert!(!out.join("dataset.json").exists());
    }
}

#[test]
fn a_file_that_cannot_be_looked_at_is_not_called_missing() {
    let tmp = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("data_batch_1.bin", tmp.path().join("data_batch_1.bin")).unwrap();
    let text = Cifar10::open(tmp.path()).unwrap_err().to_string();
    assert!(text.contains("data_batch_1.bin: cannot look at: Too many levels of symbolic links"), "{text}");
}

#[test]
fn an_unreadable_file_is_named() {
    // A folder in place of the file: permissions would not stop root, who runs many build machines.
    refused("data_batch_4.bin", |dir| {
        fs::remove_file(dir.join("data_batch_4.bin")).unwrap();
        fs::create_dir(dir.join("data_batch_4.bin")).unwrap();
    });
}

#[test]
fn wrong_class_names_are_refused() {
    for names in ["cat\n", "a\nb\nc\nd\ne\nf\ng\nh\ni\ni\n"] {
        refused("batches.meta.txt", |dir| fs::write(dir.join("batches.meta.txt"), names).unwrap());
    }
    refused("batches.meta.txt", |dir| fs::write(dir.join("batches.meta.txt"), [0xff, 0xfe]).unwrap());
    refused("batches.meta.txt", |dir| fs::write(dir.join("batches.meta.txt"), vec![b'a'; 1 << 17]).unwrap());
}

#[test]
fn what_is_not_there_is_told_with_what_would_be_read() {
    let tmp = tempfile::tempdir().unwrap();
    let text = Cifar10::open(tmp.path()).unwrap_err().to_string();
    assert!(text.contains("cifar-10-binary.tar.gz or cifar-10-python.tar.gz"), "{text}");
    assert!(text.contains("found none of them"), "{text}");
    let text = Cifar10::open(tmp.path().join("nowhere")).unwrap_err().to_string();
    assert!(text.contains("nowhere"), "{text}");
}

/// Every cut of an archive, and a flip in every byte of it: an error or the same data, never a panic and never other
/// data. (A flip in gzip's own header, its time for example, changes no data.)
#[test]
fn damaged_archives_are_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let folder = tmp.path().join("in");
    small_cifar(&folder, 1);
    let sound = Cifar10::open_any_count(&folder).unwrap();
    let whole = tar_of(&folder, true);
    let path = tmp.path().join("cifar.tar.gz");
    for n in 0..whole.len() {
        fs::write(&path, &whole[..n]).unwrap();
        let error = Cifar10::open_any_count(&path).expect_err(&format!("cut at {n}"));
        assert!(error.to_string().contains("cifar.tar.gz"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Input);
    }
    // Near the end the message says how far it came, not where the last member ended.
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let text = Cifar10::open_any_count(&path).unwrap_err().to_string();
    let bytes = tar_of(&folder, false).len();
    assert!(text.contains(&format!("after {bytes} bytes")), "{bytes}: {text}");
    // The oracle: whether the whole stream still decompresses, checksum and all, to the same archive.
    let plain = tar_of(&folder, false);
    let unharmed = |bytes: &[u8]| {
        let mut out = Vec::new();
        flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out).is_ok() && out == plain
    };
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        let opened = Cifar10::open_any_count(&path);
        assert_eq!(opened.is_ok(), unharmed(&bytes), "byte {at}");
        match opened {
            Err(_) => refused += 1,
            Ok(source) => assert_eq!(source.files(), sound.files(), "byte {at}"),
        }
    }
    assert!(refused > whole.len() * 9 / 10, "{refused} of {}", whole.len());
    for n in (0..plain.len() - 4000).step_by(499) {
        fs::write(&path, &plain[..n]).unwrap();
        assert!(Cifar10::open_any_count(&path).is_err(), "cut at {n}");
    }
}

#[test]
fn archive_bombs_and_odd_entries_are_refused_or_ignored() {
    let tmp = tempfile::tempdir().unwrap();
    let path = tmp.path().join("cifar.tar");
    let header = |name: &str, size: u64, kind: tar::EntryType| {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).unwrap();
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_cksum();
        header
    };
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        Cifar10::open_any_count(&path).map(|_| ()).map_err(|e| e.to_string())
    };

    let huge = header("x/data_batch_1.bin", 1 << 60, tar::EntryType::Regular);
    assert!(open(huge.as_bytes()).unwrap_err().contains("entry size"));

    let mut many = tar::Builder::new(Vec::new());
    for i in 0..1001 {
        many.append(&header(&format!("f{i}"), 0, tar::EntryType::Regular), &[][..]).unwrap();
    }
    assert!(open(&many.into_inner().unwrap()).unwrap_err().contains("entries"));

    let folder = tmp.path().join("in");
    small_cifar(&folder, 1);
    let mut twice = tar::Builder::new(Vec::new());
    for _ in 0..2 {
        twice.append_path_with_name(folder.join(FILES[0]), FILES[0]).unwrap();
    }
    assert!(open(&twice.into_inner().unwrap()).unwrap_err().contains("once"));

    // A link with a wanted name has nothing to act on: the file is simply missing.
    let mut link = header("data_batch_1.bin", 0, tar::EntryType::Symlink);
    link.set_link_name("/etc/passwd").unwrap();
    link.set_cksum();
    assert!(open(link.as_bytes()).unwrap_err().contains("without data_batch_1.bin"));

    // A long-name entry that promises a gigabyte is not read into memory.
    let mut long = header("././@LongLink", 60 << 20, tar::EntryType::GNULongName).as_bytes().to_vec();
    long.resize(1 << 12, b'x');
    assert!(open(&long).is_err());
    assert!(open(b"").is_err() && open(&[0; 1024]).is_err() && open(b"not an archive at all").is_err());
    assert!(open(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3]).is_err());
}
