//! How fast this machine copies memory: the bound that the loader is stated against, measured in the same run.

use std::{
    hint::black_box,
    panic::resume_unwind,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crate::host;

/// Bytes of one thread's source at least: more than a core's own caches, and so much that copies bypass them.
const LEAST_BYTES: u64 = 32 << 20;
/// Bytes of all sources at least.
const LEAST_IN_ALL: u64 = 64 << 20;

/// Threads that copy in place of `threads` loader threads: at least the consumer's, and not more than there are cores,
/// as these are always busy.
pub(super) fn threads_for(threads: usize) -> usize {
    threads.clamp(1, host::cores())
}

/// Bytes a second that `threads` threads copy together for about `time`, each between two buffers of its own. All
/// buffers together are at least four times as large as the last cache, so that it holds nothing of them until it comes
/// again; but an eighth of the free memory at most.
pub(super) fn bytes_per_s(threads: usize, time: Duration) -> f64 {
    let n = threads as u64;
    let wanted = (LEAST_IN_ALL.max(2 * host::last_cache().unwrap_or(0)) / n).max(LEAST_BYTES);
    let limit = host::available_memory().map_or(wanted, |free| free / 16 / n);
    let bytes = usize::try_from(wanted.min(limit).max(1 << 12)).unwrap_or(1 << 20);
    let together = Barrier::new(threads);
    thread::scope(|scope| {
        let copiers: Vec<_> = (0..threads).map(|_| scope.spawn(|| copy(bytes, &together, time))).collect();
        copiers.into_iter().map(|copier| copier.join().unwrap_or_else(|panic| resume_unwind(panic))).sum()
    })
}

fn copy(bytes: usize, together: &Barrier, time: Duration) -> f64 {
    let from = vec![1u8; bytes]; // not zeros, which the system would all keep in one page
    let mut to = vec![0u8; bytes];
    let mut once = || {
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
    };
    once(); // touches every page
    together.wait();
    let (started, mut copies) = (Instant::now(), 0u64);
    while copies == 0 || started.elapsed() < time {
        once();
        copies += 1;
    }
    copies as f64 * bytes as f64 / started.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_take_time_and_no_more_threads_than_cores() {
        let rate = bytes_per_s(2, Duration::ZERO);
        assert!(rate > 0.0 && rate.is_finite());
        assert_eq!((threads_for(0), threads_for(1), threads_for(1 << 20)), (1, 1, host::cores()));
    }
}
