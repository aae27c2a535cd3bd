//! Which sample when: a keyed permutation of positions, the slice of each rank, and subsets of a split.

mod feistel;
mod kind;
mod partition;
mod subset;
mod windowed;

pub use feistel::Feistel;
pub use kind::{OrderKind, Windows};
pub use partition::{Partition, PartitionError};
pub use subset::Subset;
pub use windowed::Windowed;

pub(crate) use subset::rounded_share;
