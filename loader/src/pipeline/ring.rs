//! A bounded ring of batch slots between workers and one consumer.
//!
//! Batches are numbered 0, 1, 2, ...; batch b is begun once a slot is free, in order; its chunks are finished in any
//! order by any worker; the worker that finishes the last one publishes the batch; the consumer takes batches in
//! order. A slot that the consumer keeps holds up nobody while another is free.
//!
//! Bookkeeping of batch b lives in `window[b % slots]`. That is enough: pops of free slots happen in batch order
//! (`begun`), and pop number b needs at least b + 1 - slots slots given back, so the consumer has taken batch
//! b - slots, and everything it did happens before batch b begins.

use super::{PipelineError, free::FreeSlots, sleep};
use crate::{
    batch::Slot,
    error::Error,
    sync::{AtomicBool, AtomicU64, AtomicUsize, CachePadded, Mutex, Ordering, Parker},
};

/// The ring; see the module's text.
pub(crate) struct Ring {
    slots: Box<[Slot]>,
    free: FreeSlots,
    window: Box<[CachePadded<Progress>]>,
    /// Batches begun: every b below it has a slot.
    begun: CachePadded<AtomicU64>,
    /// Batches in the consumer's hands.
    held: AtomicUsize,
    stopped: AtomicBool,
    chunks: usize,
    workers: Box<[sleep::Sleeper]>,
    consumer: Box<[sleep::Sleeper]>,
}

/// How far one batch in flight has come.
struct Progress {
    slot: AtomicUsize,
    unfinished: AtomicUsize,
    /// b + 1 once batch b is finished.
    published: AtomicU64,
    /// The failure of the lowest-numbered chunk that failed. Locked on failure and where a failure is looked for.
    failure: Mutex<Option<(usize, Error)>>,
    failed: AtomicBool,
}

impl Ring {
    /// A ring over `slots`, whose batches are made of `chunks` chunks each, for the threads of these parkers.
    pub fn new(slots: Vec<Slot>, chunks: usize, workers: &[Parker], consumer: &Parker) -> Self {
        let free = FreeSlots::all(slots.len());
        let progress = |_| {
            CachePadded::new(Progress {
                slot: AtomicUsize::new(0),
                unfinished: AtomicUsize::new(0),
                published: AtomicU64::new(0),
                failure: Mutex::new(None),
                failed: AtomicBool::new(false),
            })
        };
        Ring {
            window: (0..slots.len()).map(progress).collect(),
            slots: slots.into(),
            free,
            begun: CachePadded::new(AtomicU64::new(0)),
            held: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            chunks,
            workers: workers.iter().map(sleep::Sleeper::new).collect(),
            consumer: Box::new([sleep::Sleeper::new(consumer)]),
        }
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Chunks of a batch.
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    /// Batches that have a slot, or had one.
    #[cfg(all(test, not(rfx_loom)))]
    pub fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// A slot by number.
    pub fn slot(&self, index: usize) -> &Slot {
        &self.slots[index]
    }

    fn progress(&self, batch: u64) -> &Progress {
        &self.window[(batch % self.window.len() as u64) as usize]
    }

    /// Worker `me` waits until it may work on `chunk` of `batch`, and gets the batch's slot; `None` once the ring
    /// has stopped. Each (batch, chunk) is asked for once, by one worker; chunk 0 of every batch is asked for.
    pub fn enter(&self, me: usize, parker: &Parker, batch: u64, chunk: usize) -> Option<usize> {
        self.workers[me].wait(parker, || {
            // Relaxed: a stop that is seen late only delays the end.
            if self.stopped.load(Ordering::Relaxed) {
                return Some(None);
            }
            // Acquire: pairs with the Release in `begin`, so the slot number read below is this batch's.
            let begun = self.begun.load(Ordering::Acquire);
            if begun > batch {
                return Some(Some(self.progress(batch).slot.load(Ordering::Relaxed)));
            }
            (chunk == 0 && begun == batch).then(|| self.begin(batch))?.map(Some)
        })
    }

    /// Gives `batch`, the next to begin, a free slot if there is one. Only the worker of its chunk 0 calls this.
    fn begin(&self, batch: u64) -> Option<usize> {
        let slot = self.free.take()?;
        let progress = self.progress(batch);
        // Relaxed: published by the Release below; the consumer's use of this entry is over (module text).
        progress.slot.store(slot, Ordering::Relaxed);
        progress.unfinished.store(self.chunks, Ordering::Relaxed);
        progress.failed.store(false, Ordering::Relaxed);
        // Release: pairs with the Acquire in `enter`.
        self.begun.store(batch + 1, Ordering::Release);
        sleep::wake(&self.workers);
        Some(slot)
    }

    /// A worker has finished a chunk of `batch`, with or without success.
    pub fn finish(&self, batch: u64, chunk: usize, result: Result<(), Error>) {
        let progress = self.progress(batch);
        if let Err(error) = result {
            let mut failure = progress.failure.lock().unwrap_or_else(|e| e.into_inner());
            if failure.as_ref().is_none_or(|(first, _)| chunk < *first) {
                *failure = Some((chunk, error));
            }
            progress.failed.store(true, Ordering::Relaxed); // ordered by the AcqRel below
        }
        // AcqRel: the last worker to come sees what all the others wrote, and publishes it.
        if progress.unfinished.fetch_sub(1, Ordering::AcqRel) == 1 {
            // Release: pairs with the Acquire in `take`; the batch's rows are complete.
            progress.published.store(batch + 1, Ordering::Release);
            sleep::wake(&self.consumer);
        }
    }

    /// Whether the consumer may ask for another batch.
    ///
    /// # Errors
    /// [`PipelineError::AllSlotsHeld`].
    pub fn check_held(&self) -> Result<(), Error> {
        // Relaxed: only the consumer raises `held`; a drop that is seen late would have come late.
        if self.held.load(Ordering::Relaxed) == self.len() {
            return Err(PipelineError::AllSlotsHeld { slots: self.len() }.into());
        }
        Ok(())
    }

    /// The consumer waits for `batch`, the one after the last it took, and gets its slot, to be given back with
    /// [`Ring::release`].
    ///
    /// # Errors
    /// [`PipelineError::AllSlotsHeld`]; or the failure of the batch's first failed chunk.
    pub fn take(&self, parker: &Parker, batch: u64) -> Result<usize, Error> {
        self.check_held()?;
        let progress = self.progress(batch);
        self.consumer[0].wait(parker, || {
            // Acquire: pairs with the Release in `finish`.
            (progress.published.load(Ordering::Acquire) == batch + 1).then_some(())
        });
        let slot = progress.slot.load(Ordering::Relaxed);
        self.held.fetch_add(1, Ordering::Relaxed);
        if !progress.failed.load(Ordering::Relaxed) {
            return Ok(slot);
        }
        let failure = progress.failure.lock().unwrap_or_else(|e| e.into_inner()).take();
        self.release(slot);
        let (_, error) = failure.expect("`failed` is set after the failure, and published with it");
        Err(error)
    }

    /// Gives back a slot that was taken; nobody refers to its rows any more.
    pub fn release(&self, slot: usize) {
        self.held.fetch_sub(1, Ordering::Relaxed); // first, so that the consumer never counts a free slot as held
        self.free.give(slot);
        sleep::wake(&self.workers);
    }

    /// Sends every worker home.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed); // ordered before the flags by the fence in `wake`
        sleep::wake(&self.workers);
    }
}

/// loom explores every schedule (up to the preemption bound) and every value a relaxed load may see, and reports
/// any access to a cell that is not ordered after the last one. Run by `tools/ci/loom.sh`.
#[cfg(all(test, rfx_loom))]
#[allow(unsafe_code)] // touches loom's cells
mod loom_tests {
    use loom::{cell::UnsafeCell, thread};

    use super::*;
    use crate::{batch::SlotShape, sync::Arc};

    /// Stands for the rows of each slot, so that loom sees who touches them when.
    struct Cells(Vec<UnsafeCell<u64>>);
    // SAFETY: that the ring's protocol makes this sound is what the tests check; loom fails them otherwise.
    unsafe impl Send for Cells {}
    // SAFETY: as above.
    unsafe impl Sync for Cells {}

    fn slots(n: usize) -> Vec<Slot> {
        (0..n).map(|_| Slot::new(SlotShape { capacity: 1, row_bytes: 1 }).unwrap()).collect()
    }

    /// `plan[w]` lists the (batch, chunk) pairs that worker w makes, in the order it claims them.
    fn run(n_slots: usize, chunks: usize, batches: u64, plan: &'static [&'static [(u64, usize)]]) {
        loom::model(move || {
            let parkers: Vec<Parker> = plan.iter().map(|_| Parker::new()).collect();
            let parker = Parker::new();
            let ring = Arc::new(Ring::new(slots(n_slots), chunks, &parkers, &parker));
            let cells = Arc::new(Cells((0..n_slots * chunks).map(|_| UnsafeCell::new(0)).collect()));
            let workers: Vec<_> = parkers
                .into_iter()
                .enumerate()
                .map(|(me, parker)| {
                    let (ring, cells) = (ring.clone(), cells.clone());
                    thread::spawn(move || {
                        for &(batch, chunk) in plan[me] {
                            let Some(slot) = ring.enter(me, &parker, batch, chunk) else { return };
                            // SAFETY: checked by loom.
                            cells.0[slot * chunks + chunk].with_mut(|cell| unsafe { *cell = batch + 1 });
                            ring.finish(batch, chunk, Ok(()));
                        }
                    })
                })
                .collect();
            for batch in 0..batches {
                let slot = ring.take(&parker, batch).unwrap();
                for chunk in 0..chunks {
                    // SAFETY: checked by loom.
                    cells.0[slot * chunks + chunk].with(|cell| assert_eq!(unsafe { *cell }, batch + 1));
                }
                ring.release(slot);
            }
            ring.stop();
            workers.into_iter().for_each(|w| w.join().unwrap());
        });
    }

    #[test]
    fn loom_two_workers_on_the_chunks_of_one_batch() {
        run(2, 2, 1, &[&[(0, 0)], &[(0, 1)]]);
    }

    #[test]
    fn loom_batches_in_order_through_fewer_slots() {
        run(2, 1, 3, &[&[(0, 0), (1, 0), (2, 0)]]);
    }

    #[test]
    fn loom_two_workers_on_neighbouring_batches() {
        run(2, 1, 2, &[&[(0, 0)], &[(1, 0)]]);
    }

    /// As libtorch does it: a batch is given back by another thread, while the consumer waits for the next one or
    /// finds that it holds every slot.
    #[test]
    fn loom_a_slot_given_back_on_another_thread() {
        loom::model(|| {
            let parkers = [Parker::new()];
            let parker = Parker::new();
            let ring = Arc::new(Ring::new(slots(1), 1, &parkers, &parker));
            let cell = Arc::new(Cells(vec![UnsafeCell::new(0)]));
            let (theirs, written) = (ring.clone(), cell.clone());
            let worker = thread::spawn(move || {
                let [parker] = parkers;
                for batch in 0..2 {
                    let Some(slot) = theirs.enter(0, &parker, batch, 0) else { return };
                    // SAFETY: checked by loom.
                    written.0[slot].with_mut(|cell| unsafe { *cell = batch + 1 });
                    theirs.finish(batch, 0, Ok(()));
                }
            });
            let slot = ring.take(&parker, 0).unwrap();
            let (theirs, read) = (ring.clone(), cell.clone());
            let holder = thread::spawn(move || {
                // SAFETY: checked by loom.
                read.0[slot].with(|cell| assert_eq!(unsafe { *cell }, 1));
                theirs.release(slot);
            });
            // Whichever comes first, it is an error or the next batch, and never a hang.
            match ring.take(&parker, 1) {
                Ok(slot) => {
                    // SAFETY: checked by loom.
                    cell.0[slot].with(|cell| assert_eq!(unsafe { *cell }, 2));
                    ring.release(slot);
                }
                Err(Error::Pipeline(PipelineError::AllSlotsHeld { slots: 1 })) => {}
                Err(other) => panic!("{other}"),
            }
            ring.stop();
            holder.join().unwrap();
            worker.join().unwrap();
        });
    }

    /// The failure of the first chunk that failed comes in place of the batch, whichever worker ends last.
    #[test]
    fn loom_failures_of_two_chunks() {
        loom::model(|| {
            let parkers = [Parker::new(), Parker::new()];
            let parker = Parker::new();
            let ring = Arc::new(Ring::new(slots(1), 2, &parkers, &parker));
            let workers: Vec<_> = parkers
                .into_iter()
                .enumerate()
                .map(|(me, parker)| {
                    let ring = ring.clone();
                    thread::spawn(move || {
                        if ring.enter(me, &parker, 0, me).is_some() {
                            let error = PipelineError::AllSlotsHeld { slots: me }; // any error with a number in it
                            ring.finish(0, me, Err(error.into()));
                        }
                    })
                })
                .collect();
            match ring.take(&parker, 0) {
                Err(Error::Pipeline(PipelineError::AllSlotsHeld { slots: 0 })) => {}
                other => panic!("{other:?}"),
            }
            ring.stop();
            workers.into_iter().for_each(|w| w.join().unwrap());
        });
    }

    #[test]
    fn loom_a_stop_reaches_a_worker_that_waits_for_a_slot() {
        loom::model(|| {
            let parkers = [Parker::new()];
            let parker = Parker::new();
            let ring = Arc::new(Ring::new(slots(1), 1, &parkers, &parker));
            let theirs = ring.clone();
            let worker = thread::spawn(move || {
                let [parker] = parkers;
                for batch in 0..2 {
                    if theirs.enter(0, &parker, batch, 0).is_none() {
                        return batch;
                    }
                    theirs.finish(batch, 0, Ok(()));
                }
                2
            });
            ring.stop(); // the consumer leaves without taking anything
            assert!(worker.join().unwrap() < 2);
        });
    }
}
