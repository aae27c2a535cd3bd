//! Loaders started, used in every way, and stopped, ten thousand times.

#[path = "support/synthetic.rs"]
mod synthetic;

use std::{collections::VecDeque, sync::mpsc, thread, time::Duration};

use rfx_loader::{
    Batch, Error, Layout, Loader, LoaderSpec, Partition, Position, Recipe, batch::HostBatch, pack::PackOrder,
    pipeline::PipelineError, rng::Key,
};
use synthetic::{Synthetic, packed};

const BATCH: usize = 16;

fn recipe(dir: &tempfile::TempDir) -> Recipe {
    let source = Synthetic::new(100, 10, [1, 5, 20], Layout::Nchw);
    let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
    let spec = LoaderSpec::new("train").batch(BATCH).corruption("random-labels".parse().unwrap());
    Recipe::new(&dataset, &spec, 1).unwrap()
}

/// The batches of two epochs.
fn expected(recipe: &Recipe) -> Vec<HostBatch> {
    let steps = (0..2).flat_map(|e| (0..recipe.steps_per_epoch()).map(move |s| (e, s)));
    steps.map(|(e, s)| recipe.batch(e, s, Partition::WHOLE).unwrap()).collect()
}

fn equal(batch: &Batch, expected: &HostBatch) -> bool {
    (batch.epoch(), batch.step(), batch.input_bytes(), batch.labels(), batch.ids())
        == (expected.epoch(), expected.step(), expected.input_bytes(), expected.labels(), expected.ids())
}

/// Threads of this process; 0 where the system does not tell.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// Draws from a stream of its own for each cycle.
struct Draw(rfx_loader::rng::Words);

impl Draw {
    fn below(&mut self, n: u32) -> usize {
        rfx_loader::rng::mulshift(self.0.next_u32(), n) as usize
    }
}

/// Each cycle: any number of threads and slots, from any position; then batches are taken, and kept, dropped here, dropped
/// on another thread, or waited with, until the cycle has enough of it, perhaps before the first and perhaps after the
/// last. Every byte that comes is compared, also of batches that outlive their loader.
#[test]
fn ten_thousand_starts_and_stops() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&dir);
    let expected = expected(&recipe);
    let steps = recipe.steps_per_epoch() as usize;
    let before = threads();
    // Another thread, which drops what it is sent.
    let (send, receive) = mpsc::sync_channel::<Batch>(1);
    let dropper = thread::spawn(move || receive.into_iter().map(|batch| batch.len()).sum::<usize>());
    let key = Key::derive("stress", 1);
    let (mut ended, mut held_all, mut outlived) = (0, 0, 0);
    for cycle in 0..10_000 {
        let mut draw = Draw(key.words(cycle, 0));
        let slots = 2 + draw.below(4);
        let first = draw.below(2 * steps as u32);
        let start = Position { epoch: (first / steps) as u32, step: (first % steps) as u64 };
        let loader =
            Loader::builder(recipe.clone()).threads(draw.below(4)).slots(slots).start_at(start).epochs(2);
        let mut loader = loader.start().unwrap();
        let mut held: VecDeque<(usize, Batch)> = VecDeque::new();
        let mut next = first;
        for _ in 0..draw.below(2 * steps as u32 + 4) {
            match loader.next() {
                None => {
                    assert_eq!(next, 2 * steps);
                    ended += 1;
                    break;
                }
                Some(Err(Error::Pipeline(PipelineError::AllSlotsHeld { slots: all }))) => {
                    // Two may be on the other thread, which will drop them.
                    assert!(
                        all == slots && held.len() + 2 >= slots,
                        "{} held of {all} of {slots}",
                        held.len()
                    );
                    held_all += 1;
                    held.pop_front();
                    thread::yield_now();
                }
                Some(batch) => {
                    let batch = batch.unwrap();
                    assert!(equal(&batch, &expected[next]), "cycle {cycle} batch {next}");
                    match draw.below(8) {
                        0..4 => drop(batch),
                        4..6 => held.push_back((next, batch)),
                        6 => send.send(batch).unwrap(),
                        _ => {
                            if cycle % 16 == 0 {
                                thread::sleep(Duration::from_micros(100)); // workers fill what there is and park
                            }
                            thread::yield_now();
                            drop(batch);
                        }
                    }
                    next += 1;
                }
            }
        }
        drop(loader);
        for (number, batch) in held {
            assert!(equal(&batch, &expected[number]), "cycle {cycle} batch {number}, after its loader");
            outlived += 1;
        }
    }
    drop(send);
    assert!(dropper.join().unwrap() > 0);
    // Each way was gone, and no thread was left behind.
    assert!(ended > 500 && held_all > 100 && outlived > 1000, "{ended} {held_all} {outlived}");
    assert_eq!(threads(), before);
}
