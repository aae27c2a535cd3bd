//! `dataset.json`, the index of a data set: what it holds, how it is read and checked, how it is written.

use std::{io::Read, ops::RangeInclusive, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    gaussian::Gaussian,
    moments::Moments,
    rules::field,
    seal::{check_seal, sealed},
};
use crate::{
    ElementShape, Layout,
    digest::Digest,
    shard::{Codec, FormatError, json_message, json_offset, open_file, shown},
};

/// Name of the index in a data set's folder.
pub const INDEX_FILE: &str = "dataset.json";

/// Value of the member `format`.
pub const INDEX_FORMAT: &str = "rfx-dataset";

/// Values of the member `version`: 3 where images are encoded; 2 where there is anything else that version 1 has no word for
/// (a compressed codec, columns, parameters of the source); else 1.
pub const INDEX_VERSIONS: RangeInclusive<u32> = 1..=3;

/// Name of the file with the zstd dictionary, in the data sets that have one.
pub const DICTIONARY_FILE: &str = "dictionary.zstd";

/// Most bytes of a dictionary.
pub const MAX_DICTIONARY_BYTES: u64 = 1 << 20;

/// Most columns of a data set.
pub const MAX_COLUMNS: usize = 64;

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
pub(super) const MAX_BYTES: u64 = i64::MAX as u64;

/// The index of a data set, as stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// [`INDEX_FORMAT`].
    pub format: String,
    /// One of [`INDEX_VERSIONS`].
    pub version: u32,
    /// The data set id: what the samples are, whatever the shards.
    pub content: Digest,
    /// The id of these very files.
    pub pack: Digest,
    /// How records are stored.
    pub element: Element,
    /// The classes; a label is an index into them.
    pub classes: Vec<Class>,
    /// Further integers of each sample.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<IndexColumn>,
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
    /// How records are stored.
    pub codec: Codec,
    /// The zstd dictionary that records were compressed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dictionary: Option<IndexDictionary>,
    /// `u8`.
    pub dtype: String,
    /// Order of the axes in a record.
    pub layout: Layout,
    /// Channels, height, width; the last two 0 of encoded images.
    pub shape: ElementShape,
}

/// The file [`DICTIONARY_FILE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexDictionary {
    /// Its length in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes.
    pub blake3: Digest,
}

/// One column: an I64 tensor of every shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexColumn {
    /// Its name, which is that of the tensor.
    pub name: String,
    /// The least value over all splits.
    pub min: i64,
    /// The greatest value over all splits.
    pub max: i64,
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
    /// Bytes of `data`, where records are compressed. Raw ones take what they take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_bytes: Option<u64>,
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
    /// How records were compressed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zstd: Option<ZstdPlan>,
}

/// How records were compressed: with the source, all that decides the compressed bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZstdPlan {
    /// Version of the zstd library. Another one may compress to other bytes, and is another plan; every version reads them.
    pub version: String,
    /// Level of compression.
    pub level: i32,
    /// Most bytes of the dictionary that was asked for; 0 for none.
    pub dictionary_bytes: u64,
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
        if !INDEX_VERSIONS.contains(&u32::try_from(start.version).unwrap_or(u32::MAX)) {
            return Err(version("version", "1, 2 or 3", start.version.to_string()));
        }
        check_seal(path, "the index", bytes)?;
        if let Some(codec) = start.element.get("codec").and_then(|c| c.as_str())
            && codec.parse::<Codec>().is_err()
        {
            return Err(version("element.codec", "raw, zstd or jpeg", codec.to_owned()));
        }
        let index: Index = serde_json::from_slice(bytes).map_err(json)?;
        if index.element.dtype != "u8" {
            return Err(version("element.dtype", "u8", index.element.dtype));
        }
        index.validate(path)?;
        Ok(index)
    }

    /// The bytes of the file, with [`Index::check`] filled in.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        sealed(&Index { check: Digest::from_bytes([0; 32]), ..self.clone() })
    }

    /// Number of samples of all splits.
    pub fn samples(&self) -> u64 {
        self.splits.iter().map(|s| s.samples as u64).sum()
    }

    /// Bytes of all shards.
    pub fn bytes(&self) -> u64 {
        self.splits.iter().flat_map(|s| &s.shards).map(|s| s.bytes).sum()
    }
}

/// The members that say what the file is; all others are ignored here.
#[derive(Deserialize)]
struct Start {
    format: String,
    version: u64,
    #[serde(default)]
    element: serde_json::Value,
}
