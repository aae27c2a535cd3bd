//! Which sample when: a keyed permutation of positions, the slice of each rank, and subsets of a split.

mod feistel;
mod partition;
mod subset;

pub use feistel::Feistel;
pub use partition::{Partition, PartitionError};
pub use subset::Subset;
pub(crate) use subset::rounded_share;

use serde::{Deserialize, Serialize};

/// In which order an epoch visits its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// A full shuffle, another one in every epoch.
    Shuffled,
    /// By id, the same in every epoch (evaluation).
    Sequential,
}

impl OrderKind {
    /// The name used in specs, flags and files.
    pub const fn name(self) -> &'static str {
        match self {
            OrderKind::Shuffled => "shuffled",
            OrderKind::Sequential => "sequential",
        }
    }
}

impl std::str::FromStr for OrderKind {
    type Err = crate::dtype::UnknownName;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "shuffled" => Ok(OrderKind::Shuffled),
            "sequential" => Ok(OrderKind::Sequential),
            _ => Err(crate::dtype::UnknownName {
                field: "order",
                found: text.into(),
                expected: "shuffled, sequential",
            }),
        }
    }
}
