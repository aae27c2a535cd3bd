//! The two ids of a data set, `content` (which samples) and `pack` (which files), and the digests of its source and
//! its plan.

use super::index::{Class, IndexSourceFile, IndexSplit};
use crate::{
    ImageShape, Layout,
    digest::{Digest, Hasher},
};

/// What the content id covers besides the samples.
pub(crate) struct ContentParts<'a> {
    pub generator: &'a str,
    /// Name and number of samples.
    pub splits: &'a [(&'a str, u64)],
    pub classes: &'a [Class],
    pub layout: Layout,
    pub shape: ImageShape,
}

/// One sample as the content id sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SampleKey {
    pub id: i64,
    pub label: i64,
    /// xxh3-64 of the record.
    pub hash: u64,
}

/// The data set id. `samples` come in id order over all splits.
pub(crate) fn content_id(parts: &ContentParts<'_>, samples: impl Iterator<Item = SampleKey>) -> Digest {
    let mut hasher = Hasher::new("rfx v1 content");
    hasher.text(parts.generator).u32(parts.splits.len() as u32);
    for (name, samples) in parts.splits {
        hasher.text(name).u64(*samples);
    }
    hasher.u32(parts.classes.len() as u32);
    for class in parts.classes {
        hasher.text(&class.name);
        for text in [&class.id, &class.superclass] {
            match text {
                None => hasher.u32(0),
                Some(text) => hasher.u32(1).text(text),
            };
        }
    }
    hasher.text("u8").text(parts.layout.name());
    for side in [parts.shape.channels, parts.shape.height, parts.shape.width] {
        hasher.u32(side as u32);
    }
    for s in samples {
        hasher.i64(s.id).i64(s.label).bytes(&s.hash.to_le_bytes());
    }
    hasher.finish()
}

/// The id of the files.
pub(crate) fn pack_id(content: Digest, splits: &[IndexSplit]) -> Digest {
    let mut hasher = Hasher::new("rfx v1 pack");
    hasher.bytes(content.as_bytes());
    for shard in splits.iter().flat_map(|s| &s.shards) {
        hasher.text(&shard.name).u64(shard.bytes).bytes(shard.blake3.as_bytes());
    }
    hasher.finish()
}

/// Digest of a source.
pub(crate) fn source_digest(kind: &str, generator: &str, files: &[IndexSourceFile]) -> Digest {
    let mut hasher = Hasher::new("rfx v1 source");
    hasher.text(kind).text(generator).u32(files.len() as u32);
    for file in files {
        hasher.text(&file.name).u64(file.bytes).bytes(file.blake3.as_bytes());
    }
    hasher.finish()
}

/// What the plan digest covers.
pub(crate) struct PlanParts<'a> {
    pub writer: &'a str,
    pub codec: &'a str,
    pub order: &'a str,
    pub layout: Layout,
    pub shape: ImageShape,
    /// Names of the classes.
    pub classes: Vec<&'a str>,
    pub source: Digest,
    /// Name, samples, id of the first sample, shards.
    pub splits: Vec<(&'a str, u64, u64, u64)>,
}

/// Digest of a plan, over resolved values only.
pub(crate) fn plan_digest(parts: &PlanParts<'_>) -> Digest {
    let mut hasher = Hasher::new("rfx v1 plan");
    hasher.text(parts.writer).text(parts.codec).text(parts.order).text(parts.layout.name());
    for side in [parts.shape.channels, parts.shape.height, parts.shape.width] {
        hasher.u32(side as u32);
    }
    hasher.u32(parts.classes.len() as u32);
    for class in &parts.classes {
        hasher.text(class);
    }
    hasher.bytes(parts.source.as_bytes()).u32(parts.splits.len() as u32);
    for (name, samples, first_id, shards) in &parts.splits {
        hasher.text(name).u64(*samples).u64(*first_id).u64(*shards);
    }
    hasher.finish()
}
