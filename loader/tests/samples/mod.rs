//! A small source of one's own, packed in an instant, and tools to damage what it makes.
#![allow(dead_code)] // each test file uses some of it

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rfx_loader::{
    ImageShape, Layout,
    dataset::{Class, Parameter},
    digest::Digest,
    pack::{PackCodec, PackError, PackOptions, PackOrder, PackReport, pack},
    source::{Source, SourceError, SourceFile, SourceSplit},
};

/// Samples made from their number.
#[derive(Clone)]
pub struct Small {
    pub shape: ImageShape,
    pub layout: Layout,
    pub classes: Vec<Class>,
    pub splits: Vec<SourceSplit>,
    pub generator: String,
    pub files: Vec<SourceFile>,
    pub parameters: Vec<Parameter>,
    pub columns: Vec<String>,
    /// Added to every label: 100 puts them out of range.
    pub label_offset: i64,
    /// Every pixel has this value, so that no noise has the set's moments.
    pub constant: Option<u8>,
    /// Pixels come in runs of one value, so that images compress.
    pub banded: bool,
    /// How long each read takes.
    pub delay: Duration,
    /// The process ends by SIGKILL in so many reads from now.
    pub kill_after: Option<Arc<AtomicUsize>>,
}

impl Small {
    /// `train` and `test` samples of 1 x 4 x 5 values in 3 classes.
    pub fn new(train: usize, test: usize) -> Small {
        let split = |name: &str, samples| SourceSplit { name: name.into(), samples };
        Small {
            shape: ImageShape::new(1, 4, 5).unwrap(),
            layout: Layout::Nchw,
            classes: ["a", "b", "c"].map(Class::named).to_vec(),
            splits: vec![split("train", train), split("test", test)],
            generator: String::new(),
            files: vec![SourceFile { name: "numbers".into(), bytes: 1, digest: Digest::of(b"numbers") }],
            parameters: Vec::new(),
            columns: Vec::new(),
            label_offset: 0,
            constant: None,
            banded: false,
            delay: Duration::ZERO,
            kill_after: None,
        }
    }

    /// With these columns.
    pub fn with_columns(self, columns: &[&str]) -> Small {
        Small { columns: columns.iter().map(|c| (*c).to_owned()).collect(), ..self }
    }

    /// The value of a sample in a column: 0 to 4 in the first, below 0 too in the others.
    pub fn value(&self, column: usize, split: usize, index: usize) -> i64 {
        ((index * 3 + split + column) % 5) as i64 - 2 * column as i64
    }

    /// The image of a sample.
    pub fn image(&self, split: usize, index: usize) -> Vec<u8> {
        let start = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ split as u64;
        let value = |i: usize| {
            let i = if self.banded { i / 12 % 20 } else { i };
            (start.wrapping_mul(2 * i as u64 + 3) >> 32) as u8 % 200
        };
        (0..self.shape.values()).map(|i| self.constant.unwrap_or_else(|| value(i))).collect()
    }
}

impl Source for Small {
    fn kind(&self) -> &str {
        "small"
    }
    fn generator(&self) -> &str {
        &self.generator
    }
    fn shape(&self) -> ImageShape {
        self.shape
    }
    fn layout(&self) -> Layout {
        self.layout
    }
    fn classes(&self) -> &[Class] {
        &self.classes
    }
    fn splits(&self) -> &[SourceSplit] {
        &self.splits
    }
    fn files(&self) -> &[SourceFile] {
        &self.files
    }
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }
    fn columns(&self) -> &[String] {
        &self.columns
    }
    fn column(&self, column: usize, split: usize, index: usize) -> Result<i64, SourceError> {
        Ok(self.value(column, split, index))
    }
    fn label(&self, split: usize, index: usize) -> Result<i64, SourceError> {
        Ok(((index * 7 + split) % self.classes.len()) as i64 + self.label_offset)
    }
    fn read(&self, split: usize, index: usize, out: &mut [u8]) -> Result<(), SourceError> {
        if !self.delay.is_zero() {
            std::thread::sleep(self.delay);
        }
        if let Some(left) = &self.kill_after
            && left.fetch_sub(1, Ordering::Relaxed) == 0
        {
            // SIGKILL and not abort: nothing of the process may run any more.
            let _ = Command::new("kill").args(["-9", &std::process::id().to_string()]).status();
            std::thread::sleep(Duration::from_secs(60));
        }
        out.copy_from_slice(&self.image(split, index));
        Ok(())
    }
}

/// One job, one shard per split unless `shard_bytes` is small.
pub fn options(jobs: usize, shard_bytes: u64) -> PackOptions {
    PackOptions { jobs, shard_bytes, order: PackOrder::Source, ..Default::default() }
}

/// As [`options`], with records compressed, without a dictionary or with one of at most so many bytes.
pub fn compressed(jobs: usize, shard_bytes: u64, dictionary_bytes: u64) -> PackOptions {
    PackOptions { codec: PackCodec::Zstd { level: 3, dictionary_bytes }, ..options(jobs, shard_bytes) }
}

/// Packs with no progress and no cancelling.
pub fn pack_to(source: &dyn Source, out: &Path, options: &PackOptions) -> Result<PackReport, PackError> {
    pack(source, out, options, &(), &AtomicBool::new(false))
}

/// All files of a folder by name.
pub fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap());
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap())).collect()
}

/// Writes `bytes` as `path`, even where a read-only shard is in the way.
pub fn overwrite(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap();
}

/// The only shard of `split` in the data set `dir`.
pub fn shard_path(dir: &Path, split: &str) -> PathBuf {
    dir.join(format!("{split}-00000-of-00001.safetensors"))
}

/// Changes `dataset.json` and makes its check digest right again, as FORMAT.md tells another writer to.
pub fn edit_index(dir: &Path, edit: impl FnOnce(&mut serde_json::Value)) {
    let path = dir.join("dataset.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    edit(&mut value);
    overwrite(&path, &sealed(&mut value));
}

/// The bytes of an index with its check digest as the last member.
pub fn sealed(value: &mut serde_json::Value) -> Vec<u8> {
    value.as_object_mut().unwrap().remove("check");
    let body = serde_json::to_string_pretty(&value).unwrap();
    let body = body.strip_suffix("\n}").unwrap();
    let text = |check: &str| format!("{body},\n  \"check\": \"{check}\"\n}}\n").into_bytes();
    let digest = Digest::of(&text(&"0".repeat(64)));
    text(&digest.to_string())
}

/// Makes the index agree with a shard that was changed on purpose: length and both digests, as a hostile writer
/// would. `head` is the number of bytes before `data`.
pub fn reseal_shard(dir: &Path, split: usize, shard: usize, head: usize) {
    edit_index(dir, |index| {
        let entry = &mut index["splits"][split]["shards"][shard];
        let bytes = fs::read(dir.join(entry["name"].as_str().unwrap())).unwrap();
        entry["bytes"] = bytes.len().into();
        entry["blake3"] = Digest::of(&bytes).to_string().into();
        entry["head"] = Digest::of(&bytes[..head.min(bytes.len())]).to_string().into();
    });
}
