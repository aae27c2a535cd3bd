//! What each loader thread does.

use std::{
    any::Any,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{PipelineError, Position, Ring};
use crate::{
    error::{Error, Result},
    order::Partition,
    recipe::{EpochOrder, Recipe, Scratch},
    sync::{Arc, AtomicU64, CachePadded, Ordering, Parker},
};

/// What all threads of a loader share.
pub(super) struct Work {
    pub recipe: Recipe,
    pub ring: Arc<Ring>,
    pub partition: Partition,
    /// Number of the first batch handed out, counted from epoch 0.
    pub first: u64,
    /// Batches to make in all, if bounded.
    pub batches: Option<u64>,
    /// Samples of a chunk.
    pub chunk_len: usize,
    /// The next chunk nobody has claimed.
    pub next_chunk: CachePadded<AtomicU64>,
}

impl Work {
    /// Epoch and step of the batch with this number (from the first handed out).
    pub fn position(&self, batch: u64) -> Position {
        let steps = self.recipe.steps_per_epoch();
        let n = self.first + batch;
        Position { epoch: (n / steps) as u32, step: n % steps }
    }

    /// Claims chunks and makes them until the last batch or a stop.
    pub fn run(&self, me: usize, parker: &Parker) {
        let chunks = self.ring.chunks() as u64;
        let mut scratch = self.recipe.scratch();
        let mut order: Option<(u32, EpochOrder)> = None;
        loop {
            // Relaxed: the number alone is what is shared.
            let claim = self.next_chunk.fetch_add(1, Ordering::Relaxed);
            let (batch, chunk) = (claim / chunks, (claim % chunks) as usize);
            if self.batches.is_some_and(|end| batch >= end) {
                return;
            }
            let Some(slot) = self.ring.enter(me, parker, batch, chunk) else { return };
            let at = self.position(batch);
            if order.as_ref().is_none_or(|(epoch, _)| *epoch != at.epoch) {
                order = Some((at.epoch, self.recipe.epoch_order(at.epoch)));
            }
            let Some((_, order)) = &order else { continue };
            let made = catch_unwind(AssertUnwindSafe(|| self.make(slot, at, chunk, order, &mut scratch)));
            let result = made.unwrap_or_else(|panic| {
                let message = message(panic.as_ref());
                Err(PipelineError::WorkerPanicked { epoch: at.epoch, step: at.step, message }.into())
            });
            self.ring.finish(batch, chunk, result);
        }
    }

    fn make(&self, slot: usize, at: Position, chunk: usize, order: &EpochOrder, scratch: &mut Scratch) -> Result<()> {
        let info = self.recipe.batch_info(at.epoch, at.step, self.partition);
        let slot = self.ring.slot(slot);
        for row in self.rows(chunk, info.len) {
            // SAFETY: the ring gives this batch's slot to nobody but its chunks' workers until it is published,
            // each chunk to one worker, and chunks have no row in common.
            let out = unsafe { slot.row(row) };
            self.recipe.produce(order, &info, row, scratch, out)?;
        }
        Ok(())
    }

    fn rows(&self, chunk: usize, len: usize) -> Range<usize> {
        let start = (chunk * self.chunk_len).min(len);
        start..(start + self.chunk_len).min(len)
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

/// The error type is what a worker hands to the consumer.
const _: fn() = || {
    fn sendable<T: Send>() {}
    sendable::<Error>();
};
