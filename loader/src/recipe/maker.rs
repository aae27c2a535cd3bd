//! Batches made by the thread that asks for them, into memory of its own.

use super::{EpochOrder, Recipe, RecipeError, Scratch};
use crate::{batch::HostBatch, error::Result, order::Partition};

/// Makes batches one after another without a pipeline, and keeps what can be kept between them: the order of the epoch,
/// the memory it works in, and the batch itself. For loops with threads of their own; a [`Loader`](crate::Loader) makes
/// the same bytes ahead of time.
pub struct BatchMaker {
    recipe: Recipe,
    partition: Partition,
    scratch: Scratch,
    order: Option<(u32, EpochOrder)>,
    batch: HostBatch,
}

impl Recipe {
    /// A maker of the batches that `partition` gets. Allocates all that it will need: one batch, and a few images.
    ///
    /// # Errors
    /// [`RecipeError::TooLarge`].
    pub fn maker(&self, partition: Partition) -> Result<BatchMaker> {
        // No rank's part of a batch is larger than that of the first step's, but for where samples do not divide.
        let capacity = partition.capacity(self.inner.spec.batch.min(self.samples()));
        let mut info = self.batch_info(0, 0, partition);
        info.len = capacity;
        let batch = self.memory(info)?;
        Ok(BatchMaker { recipe: self.clone(), partition, scratch: self.scratch(), order: None, batch })
    }
}

impl BatchMaker {
    /// The batch of (epoch, step), which stays until the next is made.
    ///
    /// # Errors
    /// [`RecipeError::Step`] if the epoch has no such step; [`Error::Format`](crate::Error) if a record is damaged.
    pub fn make(&mut self, epoch: u32, step: u64) -> Result<&HostBatch> {
        let BatchMaker { recipe, partition, scratch, order, batch } = self;
        if step >= recipe.steps_per_epoch() {
            return Err(RecipeError::Step { step, steps: recipe.steps_per_epoch() }.into());
        }
        let info = recipe.batch_info(epoch, step, *partition);
        batch.begin(info);
        let kept = order.take().filter(|(of, _)| *of == epoch);
        let (_, order) = order.insert(kept.unwrap_or_else(|| (epoch, recipe.epoch_order(epoch))));
        recipe.produce(order, &info, 0..info.len, scratch, batch)?;
        recipe.intact()?;
        Ok(batch)
    }
}
