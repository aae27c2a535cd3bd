//! The loader a consumer sees.

use std::{
    path::PathBuf,
    thread::{self, JoinHandle},
    time::Instant,
};

use serde::{Deserialize, Serialize};

use super::{
    PipelineError, Ring, State, Waits,
    worker::{Maker, Work},
};
use crate::{
    batch::{Batch, Slot, SlotShape},
    error::Result,
    ledger::Ledger,
    order::Partition,
    recipe::{Recipe, RecipeError},
    sync::{Arc, AtomicBool, AtomicU64, CachePadded, Parker},
};

/// An epoch and a step within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Position {
    /// Epoch, from 0.
    pub epoch: u32,
    /// Step within the epoch, from 0.
    pub step: u64,
}

/// Streams the batches of a [`Recipe`] in order, made ahead of time by threads of its own, or where it has none by
/// the consumer as it asks for them. An iterator over `Result<Batch>`; it ends after the last epoch asked for, or
/// after the first error. Dropping it stops and joins its threads; batches still held stay valid.
pub struct Loader {
    work: Arc<Work>,
    parker: Parker,
    threads: Vec<JoinHandle<()>>,
    /// What the consumer makes batches with, in place of threads.
    own: Option<Own>,
    taken: u64,
    failed: bool,
    stats: LoaderStats,
    /// Where it is written down what the consumer takes.
    ledger: Option<Ledger>,
}

/// The consumer as the only worker.
struct Own {
    parker: Parker,
    maker: Maker,
}

/// Options of a [`Loader`] that do not change what it delivers.
#[derive(Clone, Debug)]
pub struct LoaderBuilder {
    recipe: Recipe,
    threads: usize,
    slots: Option<usize>,
    partition: Partition,
    start: Position,
    end: Option<u32>,
    replay: bool,
    ledger: Option<PathBuf>,
}

/// What a loader has done so far, or since [`Loader::reset_stats`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LoaderStats {
    /// Batches handed out.
    pub batches: u64,
    /// Samples handed out.
    pub samples: u64,
    /// Seconds the consumer waited for batches, or made them itself.
    pub wait_s: f64,
    /// The same for each batch, counted.
    pub waits: Waits,
}

/// Bytes of slots where no number is asked for: a quarter of a 32 MiB L3, so that a consumer finds batches in cache.
const RING_BYTES: usize = 8 << 20;
/// Samples a worker claims at once, at most: as many as a recipe decides at once.
const CHUNK: usize = 64;

impl Loader {
    /// A builder with one thread, the whole batch, from the beginning, without end.
    pub fn builder(recipe: Recipe) -> LoaderBuilder {
        LoaderBuilder {
            recipe,
            threads: 1,
            slots: None,
            partition: Partition::WHOLE,
            start: Position::default(),
            end: None,
            replay: false,
            ledger: None,
        }
    }

    /// The recipe.
    pub fn recipe(&self) -> &Recipe {
        &self.work.recipe
    }

    /// Where the next batch is.
    pub fn next_position(&self) -> Position {
        self.work.position(self.taken)
    }

    /// Where the next batch is, to be saved and resumed from.
    pub fn state(&self) -> State {
        State::new(&self.work.recipe, self.next_position())
    }

    /// Slots of its ring.
    pub fn slots(&self) -> usize {
        self.work.ring.len()
    }

    /// What has been done so far.
    pub fn stats(&self) -> &LoaderStats {
        &self.stats
    }

    /// Begins [`Loader::stats`] anew, as after a warm-up. Allocates nothing.
    pub fn reset_stats(&mut self) {
        let LoaderStats { batches, samples, wait_s, waits } = &mut self.stats;
        (*batches, *samples, *wait_s) = (0, 0, 0.0);
        waits.clear();
    }

    /// Batches that have a slot, or had one.
    #[cfg(all(test, not(rfx_loom)))]
    pub(super) fn begun(&self) -> u64 {
        self.work.ring.begun()
    }

    fn take_batch(&mut self) -> Result<Batch> {
        let started = Instant::now();
        self.work.ring.check_held()?;
        if let Some(Own { parker, maker }) = &mut self.own {
            for _ in 0..self.work.ring.chunks() {
                self.work.make_next(0, parker, maker);
            }
        }
        let slot = self.work.ring.take(&self.parker, self.taken)?;
        let wait = started.elapsed();
        self.stats.wait_s += wait.as_secs_f64();
        self.stats.waits.record(wait);
        let at = self.next_position();
        let info = self.work.recipe.batch_info(at.epoch, at.step, self.work.partition);
        let batch = Batch::new(self.work.ring.clone(), slot, info);
        if let Some(ledger) = &mut self.ledger {
            ledger.taken(&info, batch.ids())?;
        }
        self.taken += 1;
        self.stats.batches += 1;
        self.stats.samples += info.len as u64;
        Ok(batch)
    }
}

impl Iterator for Loader {
    type Item = Result<Batch>;

    /// The next batch, as soon as it is made.
    ///
    /// An error ends the iteration, but for [`PipelineError::AllSlotsHeld`]: after dropping a batch the consumer
    /// may ask again.
    fn next(&mut self) -> Option<Result<Batch>> {
        if self.failed || self.taken >= self.work.batches {
            return None;
        }
        let batch = self.take_batch();
        if let Err(error) = &batch {
            let again = matches!(error, crate::Error::Pipeline(PipelineError::AllSlotsHeld { .. }));
            if !again {
                self.failed = true;
                self.work.ring.stop();
            }
        }
        Some(batch)
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.work.ring.stop();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // a worker's panics are caught and reported where they happen
        }
    }
}

impl LoaderBuilder {
    /// With this many threads, up to 1,024; the default is 1. With none, the consumer makes each batch when it asks for
    /// it: for a consumer that itself computes on all cores with threads that wait for each other, as libtorch's do,
    /// because a loader's thread that takes the core of one of them for a moment holds up all.
    pub fn threads(self, threads: usize) -> Self {
        LoaderBuilder { threads, ..self }
    }

    /// With this many slots, 2 to 4,096: the batches that are being made, wait, or are held. By default as many as
    /// fit 8 MiB, at least 3 and at most 16.
    pub fn slots(self, slots: usize) -> Self {
        LoaderBuilder { slots: Some(slots), ..self }
    }

    /// For this rank.
    pub fn partition(self, partition: Partition) -> Self {
        LoaderBuilder { partition, ..self }
    }

    /// From this epoch and step.
    pub fn start_at(self, start: Position) -> Self {
        LoaderBuilder { start, ..self }
    }

    /// From where a saved state says.
    ///
    /// # Errors
    /// [`super::StateError`] if the state is of another data set, spec or seed.
    pub fn resume(self, state: &State) -> Result<Self> {
        let start = state.resume(&self.recipe).map_err(PipelineError::from)?;
        Ok(self.start_at(start))
    }

    /// Until the beginning of epoch `end`.
    pub fn epochs(self, end: u32) -> Self {
        LoaderBuilder { end: Some(end), ..self }
    }

    /// For measurements only: each slot is filled the first time that it is used, and handed out with these old bytes
    /// ever after (zeros in the rows of a longer batch than the first). Every batch still says that it is the one that
    /// is due. What is left is the cost of handing batches out, the most that any way of making them can reach.
    pub fn replay(self, replay: bool) -> Self {
        LoaderBuilder { replay, ..self }
    }

    /// Writes down in the file `path` each batch that the consumer is given, so that [`audit`](crate::ledger::audit) can
    /// tell from the files of all ranks and restarts whether every sample was seen once per epoch. A file that is there is
    /// appended to: a restarted rank keeps its file. Each rank needs one of its own. A batch that cannot be written down is
    /// not handed out, but its error.
    pub fn ledger(self, path: impl Into<PathBuf>) -> Self {
        LoaderBuilder { ledger: Some(path.into()), ..self }
    }

    /// Allocates the slots and starts the threads.
    ///
    /// # Errors
    /// [`PipelineError::Option`] or [`PipelineError::Start`] for senseless options; [`PipelineError::Spawn`];
    /// [`RecipeError::TooLarge`] if a slot does not fit the address space; [`LedgerError`](crate::ledger::LedgerError).
    pub fn start(self) -> Result<Loader> {
        let LoaderBuilder { recipe, threads, slots, partition, start, end, replay, ledger } = self;
        let option = |field, found, expected| Err(PipelineError::Option { field, found, expected }.into());
        if threads > 1024 {
            return option("threads", threads, "0 to 1024");
        }
        let steps = recipe.steps_per_epoch();
        let end_epoch = end.unwrap_or(u32::MAX); // epochs are numbers below 2^32, so a run without end ends there
        if start.step >= steps || start.epoch > end_epoch || (start.epoch == end_epoch && start.step > 0) {
            return Err(
                PipelineError::Start { epoch: start.epoch, step: start.step, steps, end: end_epoch }.into()
            );
        }
        let first = u64::from(start.epoch) * steps + start.step;
        let capacity = partition.capacity(recipe.spec().batch.min(recipe.samples()));
        let shape = SlotShape { capacity, row_bytes: recipe.sample_bytes() };
        let too_large = || RecipeError::TooLarge { samples: capacity, row_bytes: shape.row_bytes };
        let slot_bytes = capacity.checked_mul(shape.row_bytes).ok_or_else(too_large)?;
        let slots = slots.unwrap_or((RING_BYTES / slot_bytes.max(1)).clamp(3, 16));
        if !(2..=4096).contains(&slots) {
            return option("slots", slots, "2 to 4096");
        }
        let memory =
            (0..slots).map(|_| Slot::new(shape).ok_or_else(too_large)).collect::<Result<Vec<_>, _>>()?;

        // Small enough that every thread has a part of a batch, large enough that claiming costs nothing.
        let chunk_len =
            if threads == 0 { capacity.max(1) } else { (capacity / (2 * threads)).clamp(1, CHUNK) };
        let chunks = capacity.div_ceil(chunk_len).max(1);
        let mut parkers: Vec<Parker> = (0..threads.max(1)).map(|_| Parker::new()).collect();
        let parker = Parker::new();
        let work = Arc::new(Work {
            ring: Arc::new(Ring::new(memory, chunks, &parkers, &parker)),
            recipe,
            partition,
            first,
            batches: u64::from(end_epoch) * steps - first,
            chunk_len,
            next_chunk: CachePadded::new(AtomicU64::new(0)),
            replayed: replay.then(|| (0..slots * chunks).map(|_| AtomicBool::new(false)).collect()),
        });
        let ledger = ledger.map(|path| Ledger::open(&path, &work.recipe, partition, start)).transpose()?;
        let own = if threads == 0 { parkers.pop() } else { None };
        let own = own
            .map(|parker| Own { parker, maker: Maker::new(&work.recipe, slots.saturating_mul(slot_bytes)) });
        let mut loader = Loader {
            work,
            parker,
            threads: Vec::with_capacity(threads),
            own,
            taken: 0,
            failed: false,
            stats: LoaderStats::default(),
            ledger,
        };
        for (index, parker) in parkers.into_iter().enumerate() {
            let work = loader.work.clone();
            let maker = Maker::new(&work.recipe, slots.saturating_mul(slot_bytes)); // here, so that a thread that comes late allocates nothing
            let thread = thread::Builder::new()
                .name(format!("rfx-loader-{index}"))
                .spawn(move || work.run(index, &parker, maker))
                .map_err(|source| PipelineError::Spawn { index, source })?; // dropping `loader` joins the others
            loader.threads.push(thread);
        }
        Ok(loader)
    }
}
