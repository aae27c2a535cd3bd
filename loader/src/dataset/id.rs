//! The two ids of a data set, `content` (which samples) and `pack` (which files), and the digests of its source and
//! its plan.

use super::index::{Class, IndexSource, IndexSplit};
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
        hash_class_details(&mut hasher, class);
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
pub(crate) fn pack_id(content: Digest, splits: &[IndexSplit]) -> Digest {
    let mut hasher = Hasher::new("rfx v1 pack");
    hasher.bytes(content.as_bytes());
    for shard in splits.iter().flat_map(|s| &s.shards) {
        hasher.text(&shard.name).u64(shard.bytes).bytes(shard.blake3.as_bytes());
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
    pub codec: &'a str,
    pub order: &'a str,
    pub layout: Layout,
    pub shape: ImageShape,
    pub classes: &'a [Class],
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
    hasher.finish()
}
