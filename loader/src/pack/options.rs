//! What the caller of a pack chooses, hears and gets.

use std::{fmt, str::FromStr};

use serde::Serialize;

use crate::{digest::Digest, dtype::UnknownName};

/// How to pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackOptions {
    /// Worker threads, 1 to 1024; each packs a shard at a time. The result does not depend on it.
    pub jobs: usize,
    /// About how large a shard should be, in bytes.
    pub shard_bytes: u64,
    /// In which order samples are stored. Ids, and so batches, do not depend on it.
    pub order: PackOrder,
    /// How records are stored. Batches do not depend on it either.
    pub codec: PackCodec,
}

impl PackOptions {
    /// Shards of about 128 MiB.
    pub const DEFAULT_SHARD_BYTES: u64 = 128 << 20;
}

impl Default for PackOptions {
    /// One job per core, shards of about 128 MiB, source order, raw records.
    fn default() -> Self {
        let jobs = std::thread::available_parallelism().map_or(1, usize::from).min(1024);
        PackOptions {
            jobs,
            shard_bytes: Self::DEFAULT_SHARD_BYTES,
            order: PackOrder::Source,
            codec: PackCodec::Raw,
        }
    }
}

/// In which order samples are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackOrder {
    /// The source's own.
    #[default]
    Source,
    /// Shuffled within each split, so that shards of a sorted source are not one class each.
    Shuffled {
        /// The seed.
        seed: u64,
    },
}

/// How records are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PackCodec {
    /// The images' bytes as they are: read without a copy.
    #[default]
    Raw,
    /// Each record as a zstd frame.
    Zstd {
        /// Level of compression, 1 to 22: higher is smaller and slower to pack. Reading is about as fast at any.
        level: i32,
        /// Most bytes of a dictionary that is trained on the train split, up to 2^20; 0 for none. It holds what small
        /// records have in common.
        dictionary_bytes: u64,
    },
}

impl PackCodec {
    /// The level where none is asked for.
    pub const DEFAULT_LEVEL: i32 = 9;
}

impl fmt::Display for PackOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PackOrder::Source => f.pad("source"),
            PackOrder::Shuffled { seed } => write!(f, "shuffled:{seed}"),
        }
    }
}

impl FromStr for PackOrder {
    type Err = UnknownName;
    /// `source`, `shuffled` (seed 0) or `shuffled:SEED`.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let unknown = || UnknownName {
            field: "pack order",
            found: text.into(),
            expected: "source, shuffled, shuffled:SEED",
        };
        match text.split_once(':') {
            None if text == "source" => Ok(PackOrder::Source),
            None if text == "shuffled" => Ok(PackOrder::Shuffled { seed: 0 }),
            Some(("shuffled", seed)) => {
                seed.parse().map(|seed| PackOrder::Shuffled { seed }).map_err(|_| unknown())
            }
            _ => Err(unknown()),
        }
    }
}

/// Hears how far a pack is. Methods are called from worker threads.
pub trait PackProgress: Sync {
    /// How much there is to pack: samples, and bytes of their records.
    fn planned(&self, _total_samples: u64, _total_bytes: u64) {}
    /// So many more samples and bytes were packed.
    fn packed(&self, _samples: u64, _bytes: u64) {}
    /// A shard of so many samples was there from an earlier run and is right. (They are not told to `packed`.)
    fn resumed(&self, _samples: u64) {}
}

/// Hears nothing.
impl PackProgress for () {}

/// What a pack made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackReport {
    /// The data set id.
    pub content: Digest,
    /// The id of the files.
    pub pack: Digest,
    /// The plan's digest.
    pub plan: Digest,
    /// Samples of all splits.
    pub samples: u64,
    /// Bytes of all shards.
    pub bytes: u64,
    /// Number of shards.
    pub shards: usize,
    /// Shards that were there from an earlier run.
    pub resumed_shards: usize,
    /// Whether a data set of the same plan was already there, with shards of the right lengths, and nothing was
    /// written. [`Dataset::verify`](crate::Dataset::verify) checks its bytes.
    pub already_complete: bool,
    /// What the user should know.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pack_orders_round_trip_as_text() {
        for order in
            [PackOrder::Source, PackOrder::Shuffled { seed: 0 }, PackOrder::Shuffled { seed: u64::MAX }]
        {
            assert_eq!(order.to_string().parse(), Ok(order));
        }
        assert_eq!("shuffled".parse(), Ok(PackOrder::Shuffled { seed: 0 }));
        for bad in ["", "sorted", "shuffled:", "shuffled:-1", "source:1"] {
            assert!(bad.parse::<PackOrder>().is_err(), "{bad}");
        }
    }
}
