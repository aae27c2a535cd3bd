//! What is being measured, on a terminal only. The line changes between measurements and never within one: drawing it
//! would take time from what is measured.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::plural;

/// One line on stderr, or nothing where that is no terminal.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub fn new() -> Progress {
        if !std::io::stderr().is_terminal() {
            return Progress(ProgressBar::hidden());
        }
        let style =
            ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        Progress(ProgressBar::new_spinner().with_style(style))
    }

    /// Says what comes now.
    pub fn tell(&self, threads: usize, what: &str) {
        self.0.set_message(format!("{}: {what}", plural(threads as u64, "thread")));
        self.0.tick();
    }

    /// Takes the line away.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
