//! Which samples an epoch visits, position by position.

use super::Recipe;
use crate::{
    order::{Feistel, OrderKind},
    simd::Simd,
};

/// The order of one epoch: it needs no memory, so that any thread begins at any position.
pub(crate) enum EpochOrder {
    Sequential,
    Shuffled(Feistel),
}

impl EpochOrder {
    /// The samples at the positions from `first` on, as numbers in id order of those that the recipe visits.
    ///
    /// # Panics
    /// If an epoch does not have all these positions.
    pub fn fill(&self, simd: Simd, first: u64, out: &mut [u32]) {
        match self {
            EpochOrder::Sequential => {
                out.iter_mut().zip(first..).for_each(|(out, position)| *out = position as u32);
            }
            EpochOrder::Shuffled(order) => order.fill(simd, first, out),
        }
    }
}

impl Recipe {
    pub(crate) fn epoch_order(&self, epoch: u32) -> EpochOrder {
        match self.inner.spec.order {
            OrderKind::Sequential => EpochOrder::Sequential,
            OrderKind::Shuffled => EpochOrder::Shuffled(Feistel::new(
                self.inner.order_key.first(0, epoch),
                self.samples() as u64,
            )),
        }
    }
}
