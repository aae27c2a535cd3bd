//! What the targets share: edits of a valid file, so that a fuzzer's few bytes reach the rules behind the first one,
//! and a data set to damage.

#[path = "../../tests/samples/mod.rs"]
pub mod samples;

use std::path::{Path, PathBuf};

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use rfx_loader::{Dataset, dataset::Verify, pack::PackOptions, shard::Decoder};

/// Samples of the split `train` of [`DataSet`].
pub const TRAIN: usize = 6;
/// Bytes of one of its records.
pub const RECORD: usize = 20;

/// A change of a file. Places are taken modulo its length.
#[derive(Arbitrary, Debug)]
pub enum Edit {
    Set {
        at: u32,
        value: u8,
    },
    Insert {
        at: u32,
        bytes: Vec<u8>,
    },
    /// One of the numbers that overflow, wrap or sit on an edge, in decimal.
    Number {
        at: u32,
        which: u8,
    },
    /// The same as eight little-endian bytes, over what is there.
    Word {
        at: u32,
        which: u8,
    },
    Delete {
        at: u32,
        length: u16,
    },
    Copy {
        from: u32,
        to: u32,
        length: u16,
    },
}

const NUMBERS: [u64; 12] =
    [0, 1, 2, 6, 20, 65_535, 65_536, u32::MAX as u64, 1 << 32, i64::MAX as u64, 1 << 63, u64::MAX];

/// Applies the edits one after another; the result never grows beyond a few times its size.
pub fn apply(edits: &[Edit], file: &mut Vec<u8>) {
    for edit in edits.iter().take(64) {
        let place = |at: u32| at as usize % file.len().max(1);
        let end = |at: usize, length: u16| (at + usize::from(length)).min(file.len());
        match edit {
            _ if file.is_empty() => return,
            Edit::Set { at, value } => {
                let at = place(*at);
                file[at] = *value;
            }
            Edit::Insert { at, bytes } => {
                let at = place(*at);
                file.splice(at..at, bytes.iter().copied().take(256));
            }
            Edit::Number { at, which } => {
                let (at, number) = (place(*at), NUMBERS[usize::from(*which) % NUMBERS.len()]);
                // In place of the number that is there, if any.
                let digits = file[at..].iter().take_while(|b| b.is_ascii_digit()).count();
                file.splice(at..at + digits, number.to_string().into_bytes());
            }
            Edit::Word { at, which } => {
                let (at, number) = (place(*at), NUMBERS[usize::from(*which) % NUMBERS.len()]);
                for (to, from) in file[at..].iter_mut().zip(number.to_le_bytes()) {
                    *to = from;
                }
            }
            Edit::Delete { at, length } => {
                let at = place(*at);
                file.drain(at..end(at, *length));
            }
            Edit::Copy { from, to, length } => {
                let (from, to) = (place(*from), place(*to));
                let part = file[from..end(from, *length)].to_vec();
                file.splice(to..to, part);
            }
        }
    }
}

/// A folder for one process, in memory where the system has such a place.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder for temporary files")
}

/// A small packed data set, its files as bytes.
pub struct DataSet {
    folder: tempfile::TempDir,
    pub index: Vec<u8>,
    pub shard: Vec<u8>,
    /// Bytes of the shard's `data`.
    pub data: usize,
}

impl DataSet {
    /// With raw records and no columns: version 1 of the format.
    pub fn pack() -> DataSet {
        DataSet::of(&samples::Small::new(TRAIN, 3), &samples::options(1, 1 << 27))
    }

    /// With compressed records and a column: version 2.
    pub fn compressed() -> DataSet {
        let source = samples::Small::new(TRAIN, 3).with_columns(&["coarse"]);
        DataSet::of(&source, &samples::compressed(1, 1 << 27, 0))
    }

    fn of(source: &samples::Small, options: &PackOptions) -> DataSet {
        let folder = folder();
        samples::pack_to(source, folder.path(), options).expect("a sound source");
        let read = |path: PathBuf| std::fs::read(path).expect("just packed");
        let index = read(folder.path().join("dataset.json"));
        let shard = read(samples::shard_path(folder.path(), "train"));
        let dataset = Dataset::open(folder.path(), Verify::Once).expect("just packed");
        let data =
            dataset.index().splits[0].shards[0].data_bytes.map_or(TRAIN * RECORD, |bytes| bytes as usize);
        DataSet { folder, index, shard, data }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts the files there, the index as it was packed or as given.
    pub fn write(&self, index: &[u8], shard: &[u8]) {
        samples::overwrite(&self.path().join("dataset.json"), index);
        samples::overwrite(&samples::shard_path(self.path(), "train"), shard);
    }

    /// Does everything a reader does. Whatever is wrong has to be an error that says so.
    pub fn read_all(&self) {
        let dataset = match Dataset::open(self.path(), Verify::Always) {
            Ok(dataset) => dataset,
            Err(error) => return told(&error),
        };
        let names: Vec<String> = dataset.split_names().map(String::from).collect();
        for name in names {
            match dataset.split(&name) {
                Ok(split) => {
                    for position in 0..=split.len() {
                        if let Err(error) = split.record(position, &mut Decoder::new()) {
                            told(&error);
                        }
                    }
                }
                Err(error) => told(&error),
            }
        }
        match dataset.verify(&()) {
            Ok(report) => report.findings.iter().for_each(|f| assert!(!f.message.is_empty())),
            Err(error) => told(&error),
        }
    }
}

/// An error has a message that names a file or field.
pub fn told(error: &dyn std::error::Error) {
    assert!(error.to_string().len() > 10, "{error}");
}
