//! The two ids of a data set. `content` says which samples; `pack` says which files.

use super::index::{Class, IndexSplit};
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
