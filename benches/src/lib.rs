//! What the benches share: a clock that takes the median of interleaved repeats, and the machine's copy rate, against
//! which the loader is stated. Timings of one run are comparable with each other, not with another run's.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// One thing to be timed: a name, and a closure that does `work` units a call.
pub struct Case<'a> {
    /// Printed name.
    pub name: String,
    /// Units of work one call does.
    pub work: f64,
    /// Does it.
    pub run: Box<dyn FnMut() + 'a>,
}

/// Runs every case `repeats` times, interleaved so that a noisy minute hits all of them, and returns the median rate
/// of each in units per second.
pub fn rates(cases: &mut [Case<'_>], repeats: usize) -> Vec<f64> {
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); cases.len()];
    for case in cases.iter_mut() {
        (case.run)(); // warm-up: page cache, allocations
    }
    for _ in 0..repeats {
        for (case, times) in cases.iter_mut().zip(&mut times) {
            let started = Instant::now();
            (case.run)();
            times.push(started.elapsed());
        }
    }
    times
        .iter_mut()
        .zip(cases)
        .map(|(times, case)| {
            times.sort_unstable();
            case.work / times[times.len() / 2].as_secs_f64()
        })
        .collect()
}

/// A case in which each of `threads` threads copies `bytes` bytes between two buffers that fit no cache, in units of bytes
/// copied.
pub fn copy_case<'a>(bytes: usize, threads: usize) -> Case<'a> {
    let mut buffers: Vec<_> = (0..threads).map(|_| (vec![1u8; bytes], vec![0u8; bytes])).collect();
    Case {
        name: format!("memory copy, {} MiB, {threads} threads", bytes >> 20),
        work: (bytes * threads) as f64,
        run: Box::new(move || {
            std::thread::scope(|scope| {
                for (from, to) in &mut buffers {
                    scope.spawn(|| {
                        to.copy_from_slice(black_box(from));
                        black_box(to);
                    });
                }
            });
        }),
    }
}
