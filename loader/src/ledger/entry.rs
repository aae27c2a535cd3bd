//! The lines of a ledger: a head for each process that wrote to it, and below that the batches it took.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use xxhash_rust::xxh3::Xxh3Default;

use crate::{digest::Digest, order::Partition, pipeline::Position, recipe::Recipe, spec::LoaderSpec};

/// What a ledger begins with, whichever version it is of.
pub(super) const BEGINNING: &str = r#"{"format":"rfx-ledger/"#;
/// What this version calls itself.
pub(super) const FORMAT: &str = "rfx-ledger/1";
/// How the head of a process begins in this version.
pub(super) const HEAD: &str = r#"{"format":"rfx-ledger/1","#;
/// Longest line, in bytes: a spec may list the ids of its subset, and so millions of them.
pub(super) const MAX_LINE: u64 = 64 << 20;

/// What a process writes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    // First, as files are known by how they begin.
    pub format: String,
    pub content: Digest,
    pub pack: Digest,
    /// Digest of the spec.
    pub spec: Digest,
    pub seed: u64,
    /// Rank and world size.
    pub partition: Partition,
    /// Where the process began.
    pub start: Position,
    /// When it began, in microseconds since 1970: what tells which of two runs came first.
    pub started_us: u64,
    /// The spec itself, whose digest is above: what decides which samples come when is in it.
    pub loader: LoaderSpec,
}

impl Head {
    pub fn new(recipe: &Recipe, partition: Partition, start: Position, started_us: u64) -> Head {
        Head {
            format: FORMAT.into(),
            content: recipe.dataset().content(),
            pack: recipe.dataset().pack(),
            spec: recipe.digest(),
            seed: recipe.seed(),
            partition,
            start,
            started_us,
            loader: recipe.spec().clone(),
        }
    }

    /// A spec that visits the same samples at the same places, whatever is done to them: it needs no file that a
    /// corruption names, and no table that it is drawn from.
    pub fn visits(&self) -> LoaderSpec {
        let LoaderSpec { split, batch, drop_last, order, subset, label_column, .. } = &self.loader;
        LoaderSpec::new(split)
            .batch(*batch)
            .drop_last(*drop_last)
            .order(*order)
            .subset(subset.clone())
            .label_column(label_column.clone())
    }
}

/// A batch that the consumer was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Taken {
    pub epoch: u32,
    pub step: u64,
    /// Place of the rank's slice in the global batch.
    pub offset: usize,
    /// Samples of the slice.
    pub len: usize,
    pub ids: IdsHash,
    /// Microseconds since the process began.
    pub us: u64,
}

impl Taken {
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, step: self.step }
    }
}

/// xxh3-64 of ids, 8 little-endian bytes each: 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdsHash(u64);

impl IdsHash {
    pub fn of(ids: impl IntoIterator<Item = i64>) -> IdsHash {
        let mut hasher = Xxh3Default::new();
        ids.into_iter().for_each(|id| hasher.update(&id.to_le_bytes()));
        IdsHash(hasher.digest())
    }
}

impl Serialize for IdsHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}", self.0))
    }
}

impl<'de> Deserialize<'de> for IdsHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let hash = u64::from_str_radix(&text, 16).ok().filter(|_| digits);
        hash.map(IdsHash).ok_or_else(|| D::Error::custom("expected 16 lowercase hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_round_trip_and_a_hash_has_one_spelling() {
        let ids = IdsHash::of([3, -1, 7]);
        let taken = Taken { epoch: 1, step: 2, offset: 3, len: 3, ids, us: 9 };
        let line = serde_json::to_string(&taken).unwrap();
        assert_eq!(serde_json::from_str::<Taken>(&line).unwrap(), taken);
        assert!(line.len() < 100, "{line}");
        assert_ne!(ids, IdsHash::of([3, 7, -1]));
        let whole: Vec<u8> = [3i64, -1, 7].iter().flat_map(|id| id.to_le_bytes()).collect();
        assert_eq!(ids, IdsHash(xxhash_rust::xxh3::xxh3_64(&whole)));
        for text in ["", "+123456789abcdef", "0123456789ABCDEF", "0123456789abcdef0"] {
            assert!(serde_json::from_str::<IdsHash>(&format!("\"{text}\"")).is_err(), "{text}");
        }
    }
}
