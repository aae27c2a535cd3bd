//! The two ids of a data set, `content` (which samples) and `pack` (which files), and the digests of its source and
//! its plan.

use super::index::{Class, DICTIONARY_FILE, IndexDictionary, IndexSource, IndexSplit, ZstdPlan};
use crate::{
    ElementShape, Layout,
    digest::{Digest, Hasher},
    shard::Codec,
};

/// What the content id covers besides the samples.
pub(crate) struct ContentParts<'a> {
    pub generator: &'a str,
    /// Name and number of samples.
    pub splits: &'a [(&'a str, u64)],
    pub classes: &'a [Class],
    pub layout: Layout,
    pub shape: ElementShape,
    /// Names of the columns, in the index's order.
    pub columns: Vec<&'a str>,
}

/// One sample as the content id sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SampleKey {
    pub id: i64,
    pub label: i64,
    /// xxh3-64 of the record.
    pub hash: u64,
}

/// Samples as the content id sees them, with their values in each column.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    pub keys: Vec<SampleKey>,
    /// One vector per column of the data set, each as long as `keys`.
    pub columns: Vec<Vec<i64>>,
}

impl Samples {
    /// No samples, with room for `rows`.
    pub fn new(columns: usize, rows: usize) -> Samples {
        let column = || Vec::with_capacity(rows);
        Samples {
            keys: Vec::with_capacity(rows),
            columns: std::iter::repeat_with(column).take(columns).collect(),
        }
    }

    /// Adds one sample and its value in every column.
    pub fn push(&mut self, key: SampleKey, values: &[i64]) {
        self.keys.push(key);
        self.columns.iter_mut().zip(values).for_each(|(column, &value)| column.push(value));
    }

    /// Adds the samples of another shard.
    pub fn append(&mut self, other: Samples) {
        self.keys.extend(other.keys);
        self.columns.iter_mut().zip(other.columns).for_each(|(into, from)| into.extend(from));
    }

    /// Puts them in order of id.
    pub fn sort(&mut self) {
        if self.columns.is_empty() {
            return self.keys.sort_unstable();
        }
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|&i| self.keys[i]);
        self.keys = order.iter().map(|&i| self.keys[i]).collect();
        for column in &mut self.columns {
            *column = order.iter().map(|&i| column[i]).collect();
        }
    }

    /// The least and the greatest value of column number `column`.
    pub fn range(&self, column: usize) -> (i64, i64) {
        self.columns[column].iter().fold((i64::MAX, i64::MIN), |(min, max), &v| (min.min(v), max.max(v)))
    }
}

/// The data set id. `samples` are in id order over all splits.
pub(crate) fn content_id(parts: &ContentParts<'_>, samples: &Samples) -> Digest {
    let mut hasher = Hasher::new("rfx v1 content");
    hasher.text(parts.generator).u32(parts.splits.len() as u32);
    for (name, samples) in parts.splits {
        hasher.text(name).u64(*samples);
    }
    hasher.u32(parts.classes.len() as u32);
    for class in parts.classes {
        hasher.text(&class.name);
        hash_class_details(&mut hasher, class);
    }
    hasher.text("u8").text(parts.layout.name());
    for side in <[usize; 3]>::from(parts.shape) {
        hasher.u32(side as u32);
    }
    for s in &samples.keys {
        hasher.i64(s.id).i64(s.label).bytes(&s.hash.to_le_bytes());
    }
    // Only where there are any, so that data sets without them keep their ids.
    if !parts.columns.is_empty() {
        hasher.text("columns").u32(parts.columns.len() as u32);
        for (name, values) in parts.columns.iter().zip(&samples.columns) {
            hasher.text(name);
            values.iter().for_each(|&value| {
                hasher.i64(value);
            });
        }
    }
    hasher.finish()
}

/// A class's id and superclass, as content id and plan digest have them.
fn hash_class_details(hasher: &mut Hasher, class: &Class) {
    for text in [&class.id, &class.superclass] {
        match text {
            None => hasher.u32(0),
            Some(text) => hasher.u32(1).text(text),
        };
    }
}

/// The id of the files.
pub(crate) fn pack_id(
    content: Digest,
    splits: &[IndexSplit],
    dictionary: Option<&IndexDictionary>,
) -> Digest {
    let mut hasher = Hasher::new("rfx v1 pack");
    hasher.bytes(content.as_bytes());
    for shard in splits.iter().flat_map(|s| &s.shards) {
        hasher.text(&shard.name).u64(shard.bytes).bytes(shard.blake3.as_bytes());
    }
    if let Some(dictionary) = dictionary {
        hasher.text(DICTIONARY_FILE).u64(dictionary.bytes).bytes(dictionary.blake3.as_bytes());
    }
    hasher.finish()
}

/// Digest of a source: of its kind, generator, files and parameters.
pub(crate) fn source_digest(source: &IndexSource) -> Digest {
    let mut hasher = Hasher::new("rfx v1 source");
    hasher.text(&source.kind).text(&source.generator).u32(source.files.len() as u32);
    for file in &source.files {
        hasher.text(&file.name).u64(file.bytes).bytes(file.blake3.as_bytes());
    }
    // Only where there are any, so that sources without them keep the digest they always had.
    if !source.parameters.is_empty() {
        hasher.text("parameters").u32(source.parameters.len() as u32);
        for parameter in &source.parameters {
            hasher.text(&parameter.name).text(&parameter.value);
        }
    }
    hasher.finish()
}

/// What the plan digest covers.
pub(crate) struct PlanParts<'a> {
    pub writer: &'a str,
    pub codec: Codec,
    pub order: &'a str,
    pub layout: Layout,
    pub shape: ElementShape,
    pub classes: &'a [Class],
    pub source: Digest,
    /// Name, samples, id of the first sample, shards.
    pub splits: Vec<(&'a str, u64, u64, u64)>,
    /// Names of the columns.
    pub columns: Vec<&'a str>,
    pub zstd: Option<&'a ZstdPlan>,
}

/// Digest of a plan, over resolved values only.
pub(crate) fn plan_digest(parts: &PlanParts<'_>) -> Digest {
    let mut hasher = Hasher::new("rfx v1 plan");
    hasher.text(parts.writer).text(parts.codec.name()).text(parts.order).text(parts.layout.name());
    for side in <[usize; 3]>::from(parts.shape) {
        hasher.u32(side as u32);
    }
    hasher.u32(parts.classes.len() as u32);
    for class in parts.classes {
        hasher.text(&class.name);
    }
    hasher.bytes(parts.source.as_bytes()).u32(parts.splits.len() as u32);
    for (name, samples, first_id, shards) in &parts.splits {
        hasher.text(name).u64(*samples).u64(*first_id).u64(*shards);
    }
    // What plans had not at first follows, each with its name in front and only where it is there, so that plans without
    // it keep their digests.
    if parts.classes.iter().any(|c| c.id.is_some() || c.superclass.is_some()) {
        hasher.text("classes");
        parts.classes.iter().for_each(|class| hash_class_details(&mut hasher, class));
    }
    if !parts.columns.is_empty() {
        hasher.text("columns").u32(parts.columns.len() as u32);
        parts.columns.iter().for_each(|name| {
            hasher.text(name);
        });
    }
    if let Some(zstd) = parts.zstd {
        hasher.text("zstd").text(&zstd.version).i64(zstd.level.into()).u64(zstd.dictionary_bytes);
    }
    hasher.finish()
}
