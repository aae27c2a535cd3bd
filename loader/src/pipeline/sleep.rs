//! Waiting for a condition that another thread makes true: spin briefly, then park.

use crate::sync::{AtomicBool, Backoff, Ordering, Parker, Unparker, fence};

/// One thread that may sleep.
pub(super) struct Sleeper {
    asleep: AtomicBool,
    unparker: Unparker,
}

impl Sleeper {
    /// The sleeper of the thread that will own `parker`.
    pub fn new(parker: &Parker) -> Self {
        Sleeper { asleep: AtomicBool::new(false), unparker: parker.unparker().clone() }
    }

    /// Returns the first `Some` of `poll`. `parker` is the one this sleeper was made from.
    ///
    /// A waker first makes the condition true, then looks at `asleep`; the sleeper first sets `asleep`, then looks
    /// at the condition. The two SeqCst fences order these pairs, so at least one of them sees the other.
    pub fn wait<T>(&self, parker: &Parker, mut poll: impl FnMut() -> Option<T>) -> T {
        let backoff = Backoff::new();
        loop {
            if let Some(value) = poll() {
                return value;
            }
            if !backoff.is_completed() {
                backoff.snooze();
                continue;
            }
            self.asleep.store(true, Ordering::Relaxed); // ordered by the fence below
            fence(Ordering::SeqCst);
            if let Some(value) = poll() {
                self.asleep.store(false, Ordering::Relaxed); // a late unpark only makes the next park return early
                return value;
            }
            parker.park();
            self.asleep.store(false, Ordering::Relaxed);
        }
    }

    /// Wakes the thread if it sleeps. The caller has issued the SeqCst fence (see [`wake`]).
    fn rouse(&self) {
        // Relaxed: the fence in `wake` orders this read after the condition was made true.
        if self.asleep.load(Ordering::Relaxed) {
            self.unparker.unpark();
        }
    }
}

/// Wakes whichever of `sleepers` sleep, after a condition has become true.
pub(super) fn wake(sleepers: &[Sleeper]) {
    fence(Ordering::SeqCst); // pairs with the fence in `wait`
    sleepers.iter().for_each(Sleeper::rouse);
}
