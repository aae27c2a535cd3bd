//! CIFAR-10, binary version (Krizhevsky 2009): five training files and one test file of 3,073-byte records, each a
//! label byte and 3 x 32 x 32 pixels, as `cifar-10-binary.tar.gz` or unpacked.
//!
//! All label bytes are checked when the source is opened, in the same pass that digests the files. Unpacked files
//! are then read at offsets; an archive's six files are held in memory (184 MB).

use std::path::Path;

use super::{
    Source, SourceFile, SourceSplit,
    archive::read_members,
    bytes::{Bytes, first_there},
    error::SourceError,
};
use crate::{ImageShape, Layout, dataset::Class, digest::Digest};

const FILES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];
const TRAIN_FILES: usize = 5;
const META: &str = "batches.meta.txt";
const MAX_META_BYTES: u64 = 1 << 16;
const FOLDER: &str = "cifar-10-batches-bin";
const ARCHIVES: [&str; 2] = ["cifar-10-binary.tar.gz", "cifar-10-binary.tar"];

/// Classes in label order, as `batches.meta.txt` has them.
const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const SHAPE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
const RECORD_BYTES: usize = 1 + 3 * 32 * 32;

/// Records of each official file.
const OFFICIAL_RECORDS: usize = 10_000;

/// CIFAR-10 in its binary version.
#[derive(Debug)]
pub struct Cifar10 {
    files: Vec<Bytes>,
    listed: Vec<SourceFile>,
    /// First sample of each file in its split.
    starts: [usize; 6],
    splits: [SourceSplit; 2],
    classes: Vec<Class>,
    labels: [Vec<u8>; 2],
}

impl Cifar10 {
    /// Opens `path`: the archive, the folder with the `.bin` files, or a folder that holds either. Each file must
    /// have the official 10,000 records; checksums are not compared with the official ones.
    ///
    /// # Errors
    /// [`SourceError`] naming file, record and byte if anything is missing, cut short, too long or out of range.
    pub fn open(path: impl AsRef<Path>) -> Result<Cifar10, SourceError> {
        Cifar10::open_with(path.as_ref(), Some(OFFICIAL_RECORDS))
    }

    /// As [`Cifar10::open`], for cut-down copies: files may have any number of records from 1.
    ///
    /// # Errors
    /// As [`Cifar10::open`].
    pub fn open_any_count(path: impl AsRef<Path>) -> Result<Cifar10, SourceError> {
        Cifar10::open_with(path.as_ref(), None)
    }

    fn open_with(path: &Path, records: Option<usize>) -> Result<Cifar10, SourceError> {
        let (mut files, meta) = find(path)?;
        let mut listed = Vec::new();
        let mut labels = [Vec::new(), Vec::new()];
        let mut starts = [0; 6];
        for (i, file) in files.iter_mut().enumerate() {
            let labels = &mut labels[usize::from(i >= TRAIN_FILES)];
            starts[i] = labels.len();
            let digest = check(file, records, labels)?;
            listed.push(file.listed(FILES[i], digest));
        }
        let classes = match meta {
            None => CLASSES.map(Class::named).to_vec(),
            Some(meta) => {
                let (classes, digest) = class_names(&meta)?;
                listed.push(meta.listed(META, digest));
                classes.into_iter().map(Class::named).collect()
            }
        };
        let split = |name: &str, labels: &[u8]| SourceSplit { name: name.into(), samples: labels.len() };
        let splits = [split("train", &labels[0]), split("test", &labels[1])];
        Ok(Cifar10 { files, listed, starts, splits, classes, labels })
    }

    fn locate(&self, split: usize, index: usize) -> Result<(usize, usize), SourceError> {
        if split > 1 || index >= self.splits[split].samples {
            return Err(SourceError::NoSample { kind: self.kind().into(), split, index });
        }
        let range = if split == 0 { 0..TRAIN_FILES } else { TRAIN_FILES..FILES.len() };
        let first = range.start;
        let file = first + self.starts[range].partition_point(|&s| s <= index) - 1;
        Ok((file, index - self.starts[file]))
    }
}

impl Source for Cifar10 {
    fn kind(&self) -> &str {
        "cifar10"
    }

    fn generator(&self) -> &str {
        ""
    }

    fn shape(&self) -> ImageShape {
        SHAPE
    }

    fn layout(&self) -> Layout {
        Layout::Nchw
    }

    fn classes(&self) -> &[Class] {
        &self.classes
    }

    fn splits(&self) -> &[SourceSplit] {
        &self.splits
    }

    fn files(&self) -> &[SourceFile] {
        &self.listed
    }

    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError> {
        self.locate(split, index)?;
        Ok(i64::from(self.labels[split][index]))
    }

    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        let (file, record) = self.locate(split, index)?;
        self.files[file].read_at((record * RECORD_BYTES + 1) as u64, out)
    }

    fn unchanged(&self) -> Result<(), SourceError> {
        self.files.iter().try_for_each(Bytes::unchanged)
    }
}

/// The six files and `batches.meta.txt`, wherever under `path` they are.
fn find(path: &Path) -> Result<(Vec<Bytes>, Option<Bytes>), SourceError> {
    let not_found = |found: String, hint: &str| SourceError::NotFound {
        path: path.to_path_buf(),
        expected: format!("{}, a folder with {}, or a folder that holds either", ARCHIVES[0], FILES[0]),
        found,
        hint: hint.into(),
    };
    let get = "get the binary version from https://www.cs.toronto.edu/~kriz/cifar.html";
    let kind = std::fs::metadata(path).map_err(super::bytes::io_error(path, "open"))?;
    if !kind.is_dir() {
        return from_archive(path, &not_found);
    }
    for folder in [path.to_path_buf(), path.join(FOLDER)] {
        // Any one of the files makes it the folder, so that a missing file is named, not the whole set.
        if first_there(FILES.map(|f| folder.join(f)))?.is_some() {
            let files = FILES.iter().map(|f| Bytes::file(&folder.join(f))).collect::<Result<_, _>>()?;
            let meta = first_there([folder.join(META)])?.map(|m| Bytes::file(&m)).transpose()?;
            return Ok((files, meta));
        }
    }
    if let Some(archive) = first_there(ARCHIVES.map(|a| path.join(a)))? {
        return from_archive(&archive, &not_found);
    }
    let python = ["cifar-10-batches-py", "cifar-10-python.tar.gz", "data_batch_1"];
    if first_there(python.map(|p| path.join(p)))?.is_some() {
        return Err(not_found("the Python version".into(), get));
    }
    Err(not_found("none of them".into(), get))
}

fn from_archive(
    path: &Path,
    not_found: &dyn Fn(String, &str) -> SourceError,
) -> Result<(Vec<Bytes>, Option<Bytes>), SourceError> {
    let wanted: Vec<&str> = FILES.into_iter().chain([META]).collect();
    let mut members = read_members(path, &wanted)?;
    let meta = members.pop().flatten();
    let missing: Vec<_> = members.iter().zip(FILES).filter(|(m, _)| m.is_none()).map(|(_, f)| f).collect();
    if !missing.is_empty() {
        return Err(not_found(
            format!("an archive without {}", missing.join(", ")),
            "get the binary version from https://www.cs.toronto.edu/~kriz/cifar.html",
        ));
    }
    Ok((members.into_iter().flatten().collect(), meta))
}

/// Checks length and labels of one file, appends its labels and returns its digest.
fn check(file: &Bytes, records: Option<usize>, labels: &mut Vec<u8>) -> Result<Digest, SourceError> {
    let length = |expected: String| SourceError::Field {
        path: file.path.clone(),
        field: "length",
        offset: file.len,
        expected,
        found: format!("{} bytes", file.len),
    };
    let record = RECORD_BYTES as u64;
    match records {
        Some(n) if file.len != n as u64 * record => {
            return Err(length(format!("{n} records of {record} bytes ({} bytes)", n as u64 * record)));
        }
        _ if file.len == 0 || !file.len.is_multiple_of(record) => {
            return Err(length(format!("one or more records of {record} bytes")));
        }
        _ => {}
    }
    let mut hasher = blake3::Hasher::new();
    file.scan(RECORD_BYTES, |offset, chunk| {
        hasher.update(chunk);
        for (i, bytes) in chunk.chunks_exact(RECORD_BYTES).enumerate() {
            if bytes[0] > 9 {
                return Err(SourceError::Record {
                    path: file.path.clone(),
                    record: offset as usize / RECORD_BYTES + i,
                    field: "label",
                    offset: offset + (i * RECORD_BYTES) as u64,
                    expected: "0 to 9".into(),
                    found: bytes[0].to_string(),
                });
            }
            labels.push(bytes[0]);
        }
        Ok(())
    })?;
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// The ten names of `batches.meta.txt`, and the file's digest.
fn class_names(meta: &Bytes) -> Result<(Vec<String>, Digest), SourceError> {
    let field = |field, expected: &str, found: String| SourceError::Field {
        path: meta.path.clone(),
        field,
        offset: 0,
        expected: expected.into(),
        found: crate::shard::shown(&found),
    };
    if meta.len > MAX_META_BYTES {
        return Err(field("length", "a short list of class names", format!("{} bytes", meta.len)));
    }
    let mut bytes = vec![0; meta.len as usize];
    meta.read_at(0, &mut bytes)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| field("class names", "UTF-8 text", e.to_string()))?;
    let names: Vec<String> =
        text.lines().map(str::trim).filter(|l| !l.is_empty()).map(String::from).collect();
    let distinct: std::collections::HashSet<_> = names.iter().collect();
    if names.len() != 10 || distinct.len() != 10 {
        return Err(field("class names", "ten different names, one a line", names.join(", ")));
    }
    Ok((names, Digest::of(&bytes)))
}
