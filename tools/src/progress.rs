//! How far a long command is, on stderr: a bar with rate and time left on a terminal, elsewhere a plain line at
//! most every ten seconds.

use std::{
    fmt::Write as _,
    io::IsTerminal,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use rfx_loader::{dataset::VerifyProgress, pack::PackProgress, source::OpenProgress};

use crate::report;

const LINE_EVERY: Duration = Duration::from_secs(10);

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Samples.
    Samples,
    /// Bytes.
    Bytes,
}

impl Unit {
    fn text(self, n: u64) -> String {
        match self {
            Unit::Samples => report::plural(n, "sample"),
            Unit::Bytes => report::bytes(n),
        }
    }

    const fn template(self) -> &'static str {
        match self {
            Unit::Samples => {
                "{msg} {bar:32} {percent:>3} %  {human_pos} of {human_len} samples  {rate}/s  {eta} left"
            }
            Unit::Bytes => {
                "{msg} {bar:32} {percent:>3} %  {binary_bytes} of {binary_total_bytes}  {binary_bytes_per_sec}  {eta} left"
            }
        }
    }
}

/// Progress of one command. Threads may tell it of their work at any time.
pub struct Progress<'a> {
    what: &'static str,
    unit: Unit,
    cancel: &'a AtomicBool,
    shown: Shown,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

struct Lines {
    total: u64,
    done: u64,
    /// Part of `done` that was there before and says nothing about the rate.
    resumed: u64,
    start: Instant,
    last: Instant,
}

impl<'a> Progress<'a> {
    /// Progress of `what` ("packing"), in `unit`s. `cancel` is what asks the command to stop.
    pub fn new(what: &'static str, unit: Unit, quiet: bool, cancel: &'a AtomicBool) -> Self {
        let now = Instant::now();
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            Shown::Bar(ProgressBar::new(0).with_style(style(unit)).with_message(what))
        } else {
            Shown::Lines(Mutex::new(Lines { total: 0, done: 0, resumed: 0, start: now, last: now }))
        };
        Progress { what, unit, cancel, shown }
    }

    /// Takes the bar off the terminal; elsewhere the last line says how much was done and how fast.
    pub fn finish(&self) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.finish_and_clear(),
            Shown::Lines(lines) => {
                let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.done > lines.resumed {
                    report::tell(&(lines.last_text(self.what, self.unit, lines.start.elapsed()) + "\n"));
                }
            }
        }
    }

    /// Tells something that is worth a line of its own.
    pub(crate) fn note(&self, text: &str) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.suspend(|| report::tell(text)),
            Shown::Lines(_) => report::tell(text),
        }
    }

    /// Says how much there is to do.
    pub(crate) fn plan(&self, total: u64) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.set_length(total),
            Shown::Lines(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).total = total,
        }
    }

    /// Whether the command was asked to stop.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    /// Takes back units that have to be done again.
    pub(crate) fn retract(&self, undone: u64) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => bar.dec(undone),
            Shown::Lines(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.done = lines.done.saturating_sub(undone);
                lines.resumed = lines.resumed.min(lines.done);
            }
        }
    }

    /// Adds units that were done now, and units that had been done before.
    pub(crate) fn advance(&self, done: u64, resumed: u64) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.inc(done + resumed);
                if resumed > 0 {
                    bar.reset_eta();
                }
            }
            Shown::Lines(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.done += done + resumed;
                lines.resumed += resumed;
                if lines.last.elapsed() >= LINE_EVERY {
                    lines.last = Instant::now();
                    report::tell(&(lines.text(self.what, self.unit, lines.start.elapsed()) + "\n"));
                }
            }
        }
    }
}

impl Lines {
    /// Units done in a second of this run.
    fn rate(&self, elapsed: Duration) -> f64 {
        (self.done - self.resumed) as f64 / elapsed.as_secs_f64().max(1e-9)
    }

    fn last_text(&self, what: &str, unit: Unit, elapsed: Duration) -> String {
        let (done, rate) = (unit.text(self.done - self.resumed), unit.text(self.rate(elapsed) as u64));
        format!("{what}: {done} in {:.1} s, {rate}/s", elapsed.as_secs_f64())
    }

    fn text(&self, what: &str, unit: Unit, elapsed: Duration) -> String {
        let rate = self.rate(elapsed);
        let done = match unit {
            Unit::Samples => report::count(self.done),
            Unit::Bytes => report::bytes(self.done),
        };
        let mut text = format!("{what}: {done} of {}, {}/s", unit.text(self.total), unit.text(rate as u64));
        if rate > 0.0 {
            let left = self.total.saturating_sub(self.done) as f64 / rate;
            let _ = write!(text, ", {left:.0} s left"); // writing to a String cannot fail
        }
        text
    }
}

fn style(unit: Unit) -> ProgressStyle {
    let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let _ = out.write_str(&report::count(state.per_sec() as u64)); // a terminal line may stay short
    };
    ProgressStyle::with_template(unit.template()).map_or_else(
        |_| ProgressStyle::default_bar(), // a test holds that this does not happen
        |s| s.with_key("rate", rate).progress_chars("=> "),
    )
}

impl PackProgress for Progress<'_> {
    fn planned(&self, total_samples: u64, _total_bytes: u64) {
        self.plan(total_samples);
    }
    fn packed(&self, samples: u64, _bytes: u64) {
        self.advance(samples, 0);
    }
    fn resumed(&self, samples: u64) {
        self.advance(0, samples);
    }
}

impl VerifyProgress for Progress<'_> {
    fn planned(&self, bytes: u64) {
        self.plan(bytes);
    }
    fn checked(&self, bytes: u64) {
        self.advance(bytes, 0);
    }
    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) // a flag alone: no other memory goes with it
    }
}

impl OpenProgress for Progress<'_> {
    fn planned(&self, bytes: u64) {
        self.plan(bytes);
    }
    fn read(&self, bytes: u64) {
        self.advance(bytes, 0);
    }
    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_how_far_how_fast_and_how_long() {
        let now = Instant::now();
        let mut lines = Lines { total: 60_000, done: 30_000, resumed: 10_000, start: now, last: now };
        let text = lines.text("packing", Unit::Samples, Duration::from_secs(10));
        assert_eq!(text, "packing: 30,000 of 60,000 samples, 2,000 samples/s, 15 s left");
        let text = lines.last_text("packing", Unit::Samples, Duration::from_secs(4));
        assert_eq!(text, "packing: 20,000 samples in 4.0 s, 5,000 samples/s");
        lines.done = 10_000;
        assert!(lines.text("packing", Unit::Samples, Duration::ZERO).ends_with("0 samples/s"));
    }

    #[test]
    fn templates_parse() {
        for unit in [Unit::Samples, Unit::Bytes] {
            assert!(ProgressStyle::with_template(unit.template()).is_ok(), "{unit:?}");
        }
    }
}
