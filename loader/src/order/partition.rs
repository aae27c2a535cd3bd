//! What one rank reads of each step.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// One rank of a data-parallel job. Rank r of W takes samples `floor(rB/W) .. floor((r+1)B/W)` of a step's B, so
/// the samples of a global batch do not depend on W; a rank's slice may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32)", into = "(u32, u32)")]
pub struct Partition {
    rank: u32,
    world: u32,
}

/// A rank that is not below its world size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rank {rank} of world size {world}: expected a rank below the world size")]
pub struct PartitionError {
    rank: u32,
    world: u32,
}

impl Partition {
    /// The whole batch: rank 0 of 1.
    pub const WHOLE: Partition = Partition { rank: 0, world: 1 };

    /// Rank `rank` of `world`.
    ///
    /// # Errors
    /// [`PartitionError`] unless `rank < world`.
    pub fn new(rank: u32, world: u32) -> Result<Self, PartitionError> {
        if rank < world { Ok(Partition { rank, world }) } else { Err(PartitionError { rank, world }) }
    }

    /// This rank, `0..world`.
    pub const fn rank(self) -> u32 {
        self.rank
    }

    /// Number of ranks.
    pub const fn world(self) -> u32 {
        self.world
    }

    /// This rank's part of a step of `samples` samples.
    pub fn slice(self, samples: usize) -> Range<usize> {
        let cut = |r: u32| (u128::from(r) * samples as u128 / u128::from(self.world)) as usize;
        cut(self.rank)..cut(self.rank + 1)
    }

    /// The most samples this rank gets of any step of at most `samples` samples.
    pub fn capacity(self, samples: usize) -> usize {
        samples.div_ceil(self.world as usize)
    }
}

impl TryFrom<(u32, u32)> for Partition {
    type Error = PartitionError;
    fn try_from((rank, world): (u32, u32)) -> Result<Self, PartitionError> {
        Partition::new(rank, world)
    }
}

impl From<Partition> for (u32, u32) {
    fn from(p: Partition) -> Self {
        (p.rank, p.world)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_are_disjoint_ordered_and_cover() {
        for samples in [0, 1, 2, 7, 80, 128] {
            for world in [1, 2, 3, 7, 128, 200] {
                let mut next = 0;
                for rank in 0..world {
                    let partition = Partition::new(rank, world).unwrap();
                    let slice = partition.slice(samples);
                    assert_eq!(slice.start, next);
                    assert!(slice.len() <= partition.capacity(samples));
                    next = slice.end;
                }
                assert_eq!(next, samples);
            }
        }
        assert!(Partition::new(2, 2).is_err());
    }
}
