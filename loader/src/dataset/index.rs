//! `dataset.json`, the index of a data set: what it holds, how it is read and checked, how it is written.

use std::{collections::HashSet, io::Read, path::Path};

use serde::{Deserialize, Serialize};

use super::{gaussian::Gaussian, moments::Moments};
use crate::{
    ImageShape, Layout,
    digest::Digest,
    shard::{COLUMN_BYTES, FormatError, json_message, json_offset, open_file, shown},
};

/// Name of the index in a data set's folder.
pub const INDEX_FILE: &str = "dataset.json";

/// Value of the member `format`.
pub const INDEX_FORMAT: &str = "rfx-dataset";

/// Value of the member `version`.
pub const INDEX_VERSION: u32 = 1;

/// Longest index in bytes.
pub const MAX_INDEX_BYTES: u64 = 64 << 20;

/// Most shards of a data set: each is a memory map, and systems allow a process about 65,000.
pub const MAX_SHARDS: usize = 16_384;

/// Most samples of a split: positions are permuted as 32-bit halves.
pub const MAX_SAMPLES: usize = 1 << 32;

/// Most splits of a data set.
pub const MAX_SPLITS: usize = 64;

/// Most classes of a data set.
pub const MAX_CLASSES: usize = 1 << 20;

/// Most bytes of all shards together, so that sums of lengths fit every integer they are kept in.
const MAX_BYTES: u64 = i64::MAX as u64;

/// The text that ends every index before and after its check digest.
const CHECK_BEFORE: &[u8] = b"\"check\": \"";
const CHECK_AFTER: &[u8] = b"\"\n}\n";

/// The index of a data set, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// [`INDEX_FORMAT`].
    pub format: String,
    /// [`INDEX_VERSION`].
    pub version: u32,
    /// The data set id: what the samples are, whatever the shards.
    pub content: Digest,
    /// The id of these very files.
    pub pack: Digest,
    /// How records are stored.
    pub element: Element,
    /// The classes; a label is an index into them.
    pub classes: Vec<Class>,
    /// The splits, in id order.
    pub splits: Vec<IndexSplit>,
    /// Moments of the train split, or of the first where none is called that, per channel.
    pub moments: Moments,
    /// Noise tables with those moments.
    pub gaussian: Gaussian,
    /// Where the samples came from.
    pub source: IndexSource,
    /// How they were packed.
    pub plan: IndexPlan,
    /// BLAKE3 of the index's bytes with the 64 digits of this member written as zeros.
    pub check: Digest,
}

/// How records are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Element {
    /// `raw`: the image's bytes.
    pub codec: String,
    /// `u8`.
    pub dtype: String,
    /// Order of the axes in a shard's `data`.
    pub layout: Layout,
    /// Channels, height, width.
    pub shape: ImageShape,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its name, unique in the data set.
    pub name: String,
    /// An id of its own in the source's world (a WordNet id).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The class it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superclass: Option<String>,
}

impl Class {
    /// A class of this name, without id and superclass.
    pub fn named(name: impl Into<String>) -> Class {
        Class { name: name.into(), id: None, superclass: None }
    }
}

/// One split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexSplit {
    /// Its name.
    pub name: String,
    /// Number of samples.
    pub samples: usize,
    /// Its shards, in stored order.
    pub shards: Vec<IndexShard>,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexShard {
    /// File name in the data set's folder.
    pub name: String,
    /// Number of samples.
    pub samples: usize,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub blake3: Digest,
    /// BLAKE3 of everything before `data`.
    pub head: Digest,
}

/// Where the samples came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexSource {
    /// `cifar10`, `mnist`, `generated`, ...
    pub kind: String,
    /// Name and version of the generator; empty for real data.
    pub generator: String,
    /// Digest of kind, generator, files and parameters.
    pub digest: Digest,
    /// The source's files.
    pub files: Vec<IndexSourceFile>,
    /// What else decided the samples, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
}

/// One thing besides the files that decided the samples, such as a resize or a corruption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its name, unique in the source.
    pub name: String,
    /// Its value, as text.
    pub value: String,
}

impl Parameter {
    /// The parameter `name`, which is `value`.
    pub fn new(name: impl Into<String>, value: impl ToString) -> Parameter {
        Parameter { name: name.into(), value: value.to_string() }
    }
}

/// One file of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexSourceFile {
    /// Its name in the source, without any folder of the machine it was read on.
    pub name: String,
    /// Its length in bytes, decompressed.
    pub bytes: u64,
    /// BLAKE3 of its bytes, decompressed.
    pub blake3: Digest,
}

/// How the samples were packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexPlan {
    /// Digest of the plan, also in every shard's metadata.
    pub digest: Digest,
    /// The writer and the version of its byte layout.
    pub writer: String,
    /// `source`, or `shuffled:SEED`.
    pub order: String,
}

impl Index {
    /// Reads and checks the index at `path`.
    pub(crate) fn read(path: &Path) -> Result<Index, FormatError> {
        let io = |action| move |source| FormatError::Io { path: path.to_path_buf(), action, source };
        let mut bytes = Vec::new();
        open_file(path)?.take(MAX_INDEX_BYTES + 1).read_to_end(&mut bytes).map_err(io("read"))?;
        Index::parse(path, &bytes)
    }

    /// Checks and parses the bytes of an index; `path` is for messages.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Index, FormatError> {
        if bytes.len() as u64 > MAX_INDEX_BYTES {
            let expected = format!("at most {MAX_INDEX_BYTES} bytes");
            return Err(field(path, "file length", expected, format!("at least {}", bytes.len())));
        }
        // The order of these checks is what makes messages useful: an index of a later version, or another
        // program's JSON, is called that and not damaged.
        let json = |e: serde_json::Error| FormatError::Json {
            path: path.to_path_buf(),
            field: "index",
            offset: json_offset(bytes, &e),
            message: json_message(&e),
        };
        let start: Start = serde_json::from_slice(bytes).map_err(json)?;
        let version = |field, expected: &str, found: String| FormatError::Version {
            path: path.to_path_buf(),
            field,
            expected: expected.into(),
            found: shown(&found),
        };
        if start.format != INDEX_FORMAT {
            return Err(version("format", INDEX_FORMAT, start.format));
        }
        if start.version != u64::from(INDEX_VERSION) {
            return Err(version("version", &INDEX_VERSION.to_string(), start.version.to_string()));
        }
        let (stored, digest) = check_digest(path, bytes)?;
        if stored != digest {
            let path = path.to_path_buf();
            return Err(FormatError::Checksum { path, what: "the index", expected: stored, found: digest });
        }
        let index: Index = serde_json::from_slice(bytes).map_err(json)?;
        if index.element.codec != "raw" {
            return Err(version("element.codec", "raw", index.element.codec));
        }
        if index.element.dtype != "u8" {
            return Err(version("element.dtype", "u8", index.element.dtype));
        }
        index.validate(path)?;
        Ok(index)
    }

    /// The bytes of the file, with [`Index::check`] filled in.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let zero = Index { check: Digest::from_bytes([0; 32]), ..self.clone() };
        let mut text =
            serde_json::to_vec_pretty(&zero).expect("an index has text keys and finite numbers only");
        text.push(b'\n');
        let digest = Digest::of(&text).to_string();
        let start = text.len() - CHECK_AFTER.len() - digest.len();
        text[start..start + digest.len()].copy_from_slice(digest.as_bytes());
        text
    }

    /// Number of samples of all splits.
    pub fn samples(&self) -> u64 {
        self.splits.iter().map(|s| s.samples as u64).sum()
    }

    /// Bytes of all shards.
    pub fn bytes(&self) -> u64 {
        self.splits.iter().flat_map(|s| &s.shards).map(|s| s.bytes).sum()
    }

    /// Every rule that the types do not hold.
    fn validate(&self, path: &Path) -> Result<(), FormatError> {
        let err = |name: &str, expected: &str, found: String| Err(field(path, name, expected, found));
        if self.classes.is_empty() || self.classes.len() > MAX_CLASSES {
            return err("classes", "1 to 2^20 classes", self.classes.len().to_string());
        }
        let mut names = HashSet::new();
        if let Some(class) = self.classes.iter().find(|c| !names.insert(&c.name)) {
            return err("classes", "every name once", class.name.clone());
        }
        if self.splits.is_empty() || self.splits.len() > MAX_SPLITS {
            return err("splits", "1 to 64 splits", self.splits.len().to_string());
        }
        let mut names = HashSet::new();
        let mut files = HashSet::new();
        let record = self.element.shape.values() as u64;
        let mut total = 0u64;
        for split in &self.splits {
            if !is_split_name(&split.name) || !names.insert(&split.name) {
                return err("splits", "names of 1 to 64 of a-z, 0-9, - and _, each once", split.name.clone());
            }
            let at = |name: &str| format!("splits.{}.{name}", split.name);
            if split.samples == 0 || split.samples > MAX_SAMPLES {
                return err(&at("samples"), "1 to 2^32", split.samples.to_string());
            }
            let mut samples = 0usize;
            for shard in &split.shards {
                if !is_file_name(&shard.name) || !files.insert(&shard.name) {
                    return err(&at("shards.name"), "plain file names, each once", shard.name.clone());
                }
                let least = (shard.samples as u64).checked_mul(record + COLUMN_BYTES);
                if shard.samples == 0 || least.is_none_or(|least| shard.bytes <= least) {
                    let expected = format!(
                        "more than {} bytes for {} samples",
                        least.unwrap_or(u64::MAX),
                        shard.samples
                    );
                    return err(&at("shards.bytes"), &expected, shard.bytes.to_string());
                }
                samples = samples.saturating_add(shard.samples);
                total = total.saturating_add(shard.bytes);
                if total > MAX_BYTES {
                    return err(
                        &at("shards.bytes"),
                        "less than 2^63 in all shards together",
                        total.to_string(),
                    );
                }
            }
            if samples != split.samples {
                let expected = format!("{} samples in its shards", split.samples);
                return err(&at("samples"), &expected, samples.to_string());
            }
        }
        let shards = self.splits.iter().map(|s| s.shards.len()).sum::<usize>();
        if shards > MAX_SHARDS {
            return err("splits", &format!("at most {MAX_SHARDS} shards"), shards.to_string());
        }
        self.validate_statistics(path)
    }

    fn validate_statistics(&self, path: &Path) -> Result<(), FormatError> {
        let err = |name: &str, expected: String, found: String| Err(field(path, name, expected, found));
        let shape = self.element.shape;
        let split = self.splits.iter().find(|s| s.name == "train").unwrap_or(&self.splits[0]);
        if self.moments.split != split.name {
            return err("moments.split", split.name.clone(), self.moments.split.clone());
        }
        let count = split.samples as u64 * shape.positions() as u64;
        if self.moments.count != count {
            return err("moments.count", count.to_string(), self.moments.count.to_string());
        }
        let lengths = [self.moments.sum.len(), self.moments.sum_of_squares.len()];
        if lengths != [shape.channels; 2] {
            return err("moments", format!("{} channels", shape.channels), format!("{lengths:?}"));
        }
        if let Gaussian::Channels(tables) = &self.gaussian {
            if tables.len() != shape.channels {
                return err("gaussian", format!("{} channels", shape.channels), tables.len().to_string());
            }
            for (c, table) in tables.iter().enumerate() {
                let t = &table.thresholds;
                if t.len() != 255 || !t.is_sorted() || t.last().is_some_and(|&t| t > 65_536) {
                    let expected = "255 rising thresholds of at most 65536".into();
                    return err(
                        &format!("gaussian.{c}.thresholds"),
                        expected,
                        format!("{} of them", t.len()),
                    );
                }
            }
        }
        Ok(())
    }
}

/// The members that say what the file is; all others are ignored here.
#[derive(Deserialize)]
struct Start {
    format: String,
    version: u64,
}

/// Of a parsed index no offsets are known; the name of the field is enough to find it.
fn field(path: &Path, name: &str, expected: impl Into<String>, found: String) -> FormatError {
    let (path, expected, found) = (path.to_path_buf(), expected.into(), shown(&found));
    FormatError::Field { path, field: name.into(), offset: None, expected, found }
}

/// The stored check digest, and the digest of the bytes with its digits as zeros.
fn check_digest(path: &Path, bytes: &[u8]) -> Result<(Digest, Digest), FormatError> {
    let shape = || {
        let expected = "the last member, 64 lowercase digits, then `\"`, newline, `}`, newline";
        field(path, "check", expected, "another end of the file".into())
    };
    let digits = 64;
    let start = bytes.len().checked_sub(CHECK_AFTER.len() + digits).ok_or_else(shape)?;
    let (before, rest) = bytes.split_at(start);
    let (text, after) = rest.split_at(digits);
    if !before.ends_with(CHECK_BEFORE) || after != CHECK_AFTER {
        return Err(shape());
    }
    let stored = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).ok_or_else(shape)?;
    let mut zeroed = before.to_vec();
    zeroed.resize(start + digits, b'0');
    zeroed.extend(after);
    Ok((stored, Digest::of(&zeroed)))
}

/// Whether `name` can name a split: it is part of file names and of JSON written without escapes.
pub(crate) fn is_split_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether `name` is a file in the folder itself: no separator, no `..`, nothing hidden, not the index.
fn is_file_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=200).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('.')
        && name != INDEX_FILE
}
