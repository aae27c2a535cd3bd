//! Ctrl-C and SIGTERM: the first asks a run to stop at the next step, the second ends the process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use signal_hook::consts::{SIGINT, SIGTERM};

/// Whether somebody asked for an end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// One that listens to SIGINT and SIGTERM.
    ///
    /// # Errors
    /// The system's, if a handler cannot be installed.
    pub fn from_signals() -> std::io::Result<Interrupt> {
        let interrupt = Interrupt::default();
        for signal in [SIGINT, SIGTERM] {
            // The order matters: the second signal finds the flag already set by the first.
            signal_hook::flag::register_conditional_shutdown(signal, 130, interrupt.0.clone())?;
            signal_hook::flag::register(signal, interrupt.0.clone())?;
        }
        Ok(interrupt)
    }

    /// Asks for an end.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed); // a flag alone: nothing is published with it
    }

    /// Whether an end was asked for.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
