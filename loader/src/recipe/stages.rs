//! How long each stage of making a batch takes.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::Recipe;
use crate::{error::Result, order::Partition};

/// Seconds that one thread spent in each stage. A stage that the spec does not need takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct StageTimes {
    /// Samples made.
    pub samples: u64,
    /// Order, ids, labels, and what shall be done to each image.
    pub decide_s: f64,
    /// Records: found, compared with their hash the first time, decompressed, and brought into the cache.
    pub read_s: f64,
    /// Decoding of encoded images; crop, flip and rotation, where they need a copy of their own.
    pub geometry_s: f64,
    /// Input corruption.
    pub corrupt_s: f64,
    /// Scaling, rounding, layout, and writing to the batch; a crop alone is part of it.
    pub write_s: f64,
}

impl std::ops::AddAssign for StageTimes {
    fn add_assign(&mut self, other: StageTimes) {
        self.samples += other.samples;
        self.decide_s += other.decide_s;
        self.read_s += other.read_s;
        self.geometry_s += other.geometry_s;
        self.corrupt_s += other.corrupt_s;
        self.write_s += other.write_s;
    }
}

/// A stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Decide,
    Read,
    Geometry,
    Corrupt,
    Write,
}

/// Somebody who is told when a stage has ended. [`Unwatched`] costs nothing.
pub(super) trait Watch {
    /// `stage`, begun when the stage before it ended, has ended.
    fn ended(&mut self, stage: Stage);
    /// A record of which every line shall be read now, so that waiting for it counts as reading.
    fn record(&mut self, bytes: &[u8]);
    /// Time until now belongs to no stage.
    fn skip(&mut self);
}

/// Nobody.
pub(super) struct Unwatched;

impl Watch for Unwatched {
    #[inline(always)]
    fn ended(&mut self, _: Stage) {}
    #[inline(always)]
    fn record(&mut self, _: &[u8]) {}
    #[inline(always)]
    fn skip(&mut self) {}
}

/// Measures. Each look at the clock takes some time itself, which is taken off again.
struct Stopwatch {
    since: Instant,
    look: Duration,
    spent: [Duration; 5],
}

impl Stopwatch {
    fn new() -> Self {
        const LOOKS: u32 = 1000;
        let begun = Instant::now();
        for _ in 0..LOOKS {
            std::hint::black_box(Instant::now());
        }
        Stopwatch { look: begun.elapsed() / LOOKS, since: Instant::now(), spent: Default::default() }
    }
}

impl Watch for Stopwatch {
    fn ended(&mut self, stage: Stage) {
        let now = Instant::now();
        self.spent[stage as usize] += (now - self.since).saturating_sub(self.look);
        self.since = now;
    }
    fn record(&mut self, bytes: &[u8]) {
        std::hint::black_box(bytes.iter().step_by(64).fold(0u8, |sum, &x| sum ^ x));
        self.ended(Stage::Read);
    }
    fn skip(&mut self) {
        self.since = Instant::now();
    }
}

impl Recipe {
    /// Makes the whole batches of `steps` steps of `epoch`, from the first, or of all if there are fewer, on this thread,
    /// and measures each stage. What is measured is a little slower than what is not: reading waits for the whole record
    /// before anything is done with it.
    ///
    /// # Errors
    /// As [`Recipe::batch`].
    pub fn stages(&self, epoch: u32, steps: u64) -> Result<StageTimes> {
        let order = self.epoch_order(epoch);
        let mut scratch = self.scratch();
        let mut watch = Stopwatch::new();
        let mut samples = 0;
        let mut batch = self.memory(self.batch_info(epoch, 0, Partition::WHOLE))?; // no step has more samples than the first
        for step in 0..steps.min(self.steps_per_epoch()) {
            let info = self.batch_info(epoch, step, Partition::WHOLE);
            batch.begin(info);
            watch.skip();
            self.produce_watched(&order, &info, 0..info.len, &mut scratch, &mut batch, &mut watch)?;
            samples += info.len as u64;
        }
        self.intact()?;
        let [decide, read, geometry, corrupt, write] = watch.spent.map(|spent| spent.as_secs_f64());
        Ok(StageTimes {
            samples,
            decide_s: decide,
            read_s: read,
            geometry_s: geometry,
            corrupt_s: corrupt,
            write_s: write,
        })
    }
}
