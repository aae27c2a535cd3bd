//! What long computations ask and say while they go on.

use std::time::{Duration, Instant};

use super::TheoryError;
use crate::signal::Interrupt;

/// Time between lines about one computation.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Listens for an interrupt, and says now and then how far a computation is.
pub(super) struct Watch<'a> {
    interrupt: &'a Interrupt,
    note: &'a mut dyn FnMut(&str),
    last: Instant,
}

impl<'a> Watch<'a> {
    pub fn new(interrupt: &'a Interrupt, note: &'a mut dyn FnMut(&str)) -> Self {
        Watch { interrupt, note, last: Instant::now() }
    }

    /// Says a line.
    pub fn say(&mut self, line: &str) {
        (self.note)(line);
        self.last = Instant::now();
    }

    /// One of many steps is about to be taken. To be called a few times a second at least.
    ///
    /// # Errors
    /// [`TheoryError::Interrupted`] if somebody asked for an end.
    pub fn step(&mut self, line: impl FnOnce() -> String) -> Result<(), TheoryError> {
        if self.interrupt.is_raised() {
            return Err(TheoryError::Interrupted);
        }
        if self.last.elapsed() >= LINE_EVERY {
            self.say(&line());
        }
        Ok(())
    }
}
