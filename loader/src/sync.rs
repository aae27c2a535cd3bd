//! The atomics and parking that the ring is built on: the real ones, or loom's under `cfg(rfx_loom)` (our
//! own name, so that dependencies do not switch too).

#[cfg(not(rfx_loom))]
mod real {
    pub(crate) use std::sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    };

    pub(crate) use crossbeam::{
        sync::{Parker, Unparker},
        utils::{Backoff, CachePadded},
    };
}

#[cfg(rfx_loom)]
mod real {
    pub(crate) use loom::sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    };

    /// As crossbeam's, without the padding.
    pub(crate) struct CachePadded<T>(T);

    impl<T> CachePadded<T> {
        pub fn new(value: T) -> Self {
            CachePadded(value)
        }
    }

    impl<T> std::ops::Deref for CachePadded<T> {
        type Target = T;
        fn deref(&self) -> &T {
            &self.0
        }
    }

    /// No spinning: loom explores schedules, not time.
    pub(crate) struct Backoff;

    impl Backoff {
        pub fn new() -> Self {
            Backoff
        }

        pub fn is_completed(&self) -> bool {
            true
        }

        pub fn snooze(&self) {}
    }

    struct Token {
        set: Mutex<bool>,
        changed: loom::sync::Condvar,
    }

    /// A token that `park` waits for and takes.
    pub(crate) struct Parker(Arc<Token>);

    /// Sets the token.
    #[derive(Clone)]
    pub(crate) struct Unparker(Arc<Token>);

    impl Parker {
        pub fn new() -> Self {
            Parker(Arc::new(Token { set: Mutex::new(false), changed: loom::sync::Condvar::new() }))
        }

        pub fn unparker(&self) -> Unparker {
            Unparker(self.0.clone())
        }

        pub fn park(&self) {
            let mut set = self.0.set.lock().unwrap();
            while !*set {
                set = self.0.changed.wait(set).unwrap();
            }
            *set = false;
        }
    }

    impl Unparker {
        pub fn unpark(&self) {
            *self.0.set.lock().unwrap() = true;
            self.0.changed.notify_one();
        }
    }
}

pub(crate) use real::*;
