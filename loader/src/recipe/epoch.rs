//! Which samples an epoch visits, position by position.

use std::sync::Arc;

use super::{Recipe, RecipeError};
use crate::{
    dataset::Split,
    error::Result,
    order::{Feistel, OrderKind, Windowed},
    simd::Simd,
};

/// The order of one epoch: it needs no memory, so that any thread begins at any position.
pub(crate) enum EpochOrder {
    Sequential,
    Shuffled(Feistel),
    /// With the samples in the order in which they are stored, as all epochs have it.
    Windowed(Windowed, Option<Arc<[u32]>>),
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
            EpochOrder::Windowed(order, stored) => {
                order.fill(simd, first, out);
                if let Some(stored) = stored {
                    out.iter_mut().for_each(|row| *row = stored[*row as usize]);
                }
            }
        }
    }
}

/// The samples visited, as numbers in id order, in the order in which they are stored; none where that is id order.
pub(super) fn stored_order(split: &Split, subset: Option<&[u32]>) -> Option<Arc<[u32]>> {
    let row = |number: u32| split.stored_row(subset.map_or(number, |ranks| ranks[number as usize]) as usize);
    let samples = subset.map_or(split.len(), <[_]>::len);
    let mut numbers: Vec<u32> = (0..samples).map(|number| number as u32).collect(); // at most 2^32 by the index
    if numbers.is_sorted_by_key(|&number| row(number)) {
        return None;
    }
    numbers.sort_unstable_by_key(|&number| row(number));
    Some(numbers.into())
}

impl Recipe {
    pub(crate) fn epoch_order(&self, epoch: u32) -> EpochOrder {
        let keys = || self.inner.order_key.first(0, epoch);
        match self.inner.spec.order {
            OrderKind::Sequential => EpochOrder::Sequential,
            OrderKind::Shuffled => EpochOrder::Shuffled(Feistel::new(keys(), self.samples() as u64)),
            OrderKind::Windowed(windows) => {
                let (samples, key) = (self.samples() as u64, self.inner.window_key.clone());
                let order = Windowed::new(windows, samples, keys(), key, epoch);
                EpochOrder::Windowed(order, self.inner.stored_order.clone())
            }
        }
    }

    /// The samples of the global batch of (epoch, step), in its order, as numbers for [`Recipe::stored`].
    ///
    /// # Errors
    /// [`RecipeError::Step`] if the epoch has no such step.
    pub fn visits(&self, epoch: u32, step: u64) -> Result<Vec<u32>> {
        if step >= self.steps_per_epoch() {
            return Err(RecipeError::Step { step, steps: self.steps_per_epoch() }.into());
        }
        let mut numbers = vec![0; self.batch_len(step)];
        let first = step * self.inner.spec.batch as u64;
        self.epoch_order(epoch).fill(self.simd, first, &mut numbers);
        Ok(numbers)
    }

    /// Where the sample with this number is stored: its row, counted over all shards of the split.
    ///
    /// # Panics
    /// If `number` is not below [`Recipe::samples`].
    pub fn stored_row(&self, number: usize) -> usize {
        self.inner.split.stored_row(self.rank(number))
    }
}
