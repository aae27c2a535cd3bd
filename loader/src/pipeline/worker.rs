//! What each loader thread does.

use std::{
    any::Any,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::{PipelineError, Position, Ring};
use crate::{
    batch::{Row, Slot},
    error::Result,
    order::Partition,
    recipe::{EpochOrder, Recipe, RowsMut, Scratch},
    sync::{Arc, AtomicBool, AtomicU64, CachePadded, Ordering, Parker},
};

/// What all threads of a loader share.
pub(super) struct Work {
    pub recipe: Recipe,
    pub ring: Arc<Ring>,
    pub partition: Partition,
    /// Number of the first batch handed out, counted from epoch 0.
    pub first: u64,
    /// Batches to make in all.
    pub batches: u64,
    /// Samples of a chunk.
    pub chunk_len: usize,
    /// The next chunk nobody has claimed.
    pub next_chunk: CachePadded<AtomicU64>,
    /// Which chunks of which slots were made, at `slot * chunks + chunk`, where they are made once only.
    pub replayed: Option<Box<[AtomicBool]>>,
}

/// Bytes of a ring that no cache holds. What is written to its slots comes from memory when it is read in any case, so it
/// may as well go there at once, which spares reading the lines first that are overwritten: of batches of 256 x 3x224x224
/// f32, 154 MB each, two threads made 23,000 images a second without.
const STREAM_BYTES: usize = 256 << 20;

/// What one thread keeps from chunk to chunk.
pub(super) struct Maker {
    scratch: Scratch,
    /// The order of the epoch last worked on.
    order: Option<(u32, EpochOrder)>,
}

impl Maker {
    /// A maker for a ring of `ring_bytes` bytes.
    pub fn new(recipe: &Recipe, ring_bytes: usize) -> Self {
        let mut scratch = recipe.scratch();
        scratch.stream = ring_bytes > STREAM_BYTES;
        Maker { scratch, order: None }
    }
}

impl Work {
    /// Epoch and step of the batch with this number (from the first handed out).
    pub fn position(&self, batch: u64) -> Position {
        let steps = self.recipe.steps_per_epoch();
        let n = self.first + batch;
        Position { epoch: (n / steps) as u32, step: n % steps }
    }

    /// Claims chunks and makes them until the last batch or a stop.
    pub fn run(&self, me: usize, parker: &Parker, mut maker: Maker) {
        while self.make_next(me, parker, &mut maker) {}
    }

    /// Claims the next chunk and makes it, as worker `me`; false if there is none, or the ring has stopped.
    pub fn make_next(&self, me: usize, parker: &Parker, maker: &mut Maker) -> bool {
        let chunks = self.ring.chunks() as u64;
        // Relaxed: the number alone is what is shared.
        let claim = self.next_chunk.fetch_add(1, Ordering::Relaxed);
        let (batch, chunk) = (claim / chunks, (claim % chunks) as usize);
        if batch >= self.batches {
            return false;
        }
        let Some(slot) = self.ring.enter(me, parker, batch, chunk) else { return false };
        let at = self.position(batch);
        // Relaxed: whoever made this chunk of this slot published a batch since, and the ring ordered that before us.
        let replayed = self.replayed.as_ref().map(|made| &made[slot * self.ring.chunks() + chunk]);
        if replayed.is_some_and(|made| made.swap(true, Ordering::Relaxed)) {
            self.ring.finish(batch, chunk, Ok(()));
            return true;
        }
        let made = catch_unwind(AssertUnwindSafe(|| {
            let Maker { scratch, order } = maker;
            let kept = order.take().filter(|(epoch, _)| *epoch == at.epoch);
            let (_, order) =
                order.insert(kept.unwrap_or_else(|| (at.epoch, self.recipe.epoch_order(at.epoch))));
            self.make(slot, at, chunk, order, scratch)
        }));
        let result = made.unwrap_or_else(|panic| {
            let message = message(panic.as_ref());
            Err(PipelineError::WorkerPanicked { epoch: at.epoch, step: at.step, message }.into())
        });
        self.ring.finish(batch, chunk, result);
        true
    }

    fn make(
        &self,
        slot: usize,
        at: Position,
        chunk: usize,
        order: &EpochOrder,
        scratch: &mut Scratch,
    ) -> Result<()> {
        let info = self.recipe.batch_info(at.epoch, at.step, self.partition);
        let rows = self.rows(chunk, info.len);
        let mut out = ChunkRows { slot: self.ring.slot(slot), rows: rows.clone() };
        self.recipe.produce(order, &info, rows, scratch, &mut out)?;
        self.recipe.intact()
    }

    fn rows(&self, chunk: usize, len: usize) -> Range<usize> {
        let start = (chunk * self.chunk_len).min(len);
        start..(start + self.chunk_len).min(len)
    }
}

/// The rows of one chunk.
struct ChunkRows<'a> {
    slot: &'a Slot,
    rows: Range<usize>,
}

impl RowsMut for ChunkRows<'_> {
    fn row(&mut self, row: usize) -> Row<'_> {
        assert!(self.rows.contains(&row), "row {row} of the chunk {:?}", self.rows);
        // SAFETY: the ring gives this batch's slot to nobody but its chunks' workers until it is published, each chunk to
        // one worker, who made this value, and chunks have no row in common.
        unsafe { self.slot.row(row) }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}

#[cfg(all(test, not(rfx_loom)))]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        Layout, Loader, LoaderSpec,
        pack::PackOrder,
        synthetic::{Synthetic, packed},
    };

    fn recipe(dir: &tempfile::TempDir) -> Recipe {
        let source = Synthetic::new(200, 20, [3, 8, 8], Layout::Nchw);
        let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
        Recipe::new(&dataset, &LoaderSpec::new("train").batch(16), 1).unwrap()
    }

    #[test]
    fn a_workers_panic_is_an_error_with_its_message() {
        let dir = tempfile::tempdir().unwrap();
        for threads in [0, 1, 3] {
            let mut loader = Loader::builder(recipe(&dir).panicking_at(77)).threads(threads).start().unwrap();
            let error = loader.by_ref().find_map(Result::err).unwrap();
            assert_eq!(error.kind(), crate::ErrorKind::Internal);
            assert!(error.to_string().contains("planted panic at id 77"), "{error}");
            assert!(loader.next().is_none());
        }
    }

    #[test]
    fn workers_wait_when_nobody_consumes() {
        let dir = tempfile::tempdir().unwrap();
        let mut loader = Loader::builder(recipe(&dir)).threads(2).slots(3).start().unwrap();
        let held = loader.next().unwrap().unwrap();
        // Three slots, one held: two more batches are begun, and no others however long we wait.
        let begun_and_no_more = |n| {
            let patience = Instant::now() + Duration::from_secs(60);
            while loader.begun() < n && Instant::now() < patience {
                std::thread::yield_now();
            }
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(loader.begun(), n);
        };
        begun_and_no_more(3);
        drop(held);
        begun_and_no_more(4);
    }
}
