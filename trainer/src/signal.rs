//! Ctrl-C and SIGTERM: the first asks a run to stop with a checkpoint, the second ends the process as if nobody listened.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};

/// Whether somebody asked for an end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    signal: Arc<AtomicBool>,
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// One that listens to SIGINT and SIGTERM, and calls `heard` at the first, on the thread returned. That thread ends
    /// after the call and not before: to be joined only once a signal came.
    ///
    /// # Errors
    /// The system's, if a handler cannot be installed.
    pub fn from_signals(heard: impl FnOnce() + Send + 'static) -> io::Result<(Interrupt, JoinHandle<()>)> {
        let interrupt = Interrupt::default();
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the second signal finds the flag already set by the first. It kills, rather than exit
            // with a code of ours: whoever started us then sees that no checkpoint was written.
            flag::register_conditional_default(signal, interrupt.signal.clone())?;
            flag::register(signal, interrupt.signal.clone())?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let listener = thread::Builder::new().name("rfx-signals".into()).spawn(move || {
            if signals.forever().next().is_some() {
                heard();
            }
        })?;
        Ok((interrupt, listener))
    }

    /// Asks for an end once nobody holds the other end of standard input any more, whatever was written there: a process
    /// that started this one tells it so to stop, and tells it even by being killed.
    pub fn raise_when_stdin_ends(&self) {
        let interrupt = self.clone();
        // Never joined: it sleeps in a read that only the other side ends.
        thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            interrupt.raise();
        });
    }

    /// Asks for an end.
    pub fn raise(&self) {
        self.asked.store(true, Ordering::Relaxed); // a flag alone: nothing is published with it
    }

    /// Whether an end was asked for.
    pub fn is_raised(&self) -> bool {
        self.came_by_signal() || self.asked.load(Ordering::Relaxed)
    }

    /// Whether a signal asked for it.
    pub fn came_by_signal(&self) -> bool {
        self.signal.load(Ordering::Relaxed)
    }
}
