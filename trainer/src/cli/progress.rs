//! Progress of a run on stderr: a bar on a terminal, a line now and then elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::print;
use crate::{folder::RunManifest, metrics::EpochMetrics, train::Observer};

/// Seconds between lines where stderr is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows one run.
pub(super) struct Progress {
    label: String,
    quiet: bool,
    bar: Option<ProgressBar>,
    epochs: u32,
    last_line: Option<Instant>,
    last: Option<EpochMetrics>,
}

impl Progress {
    /// For a run called `label`.
    pub fn new(label: impl Into<String>, quiet: bool) -> Self {
        Progress { label: label.into(), quiet, bar: None, epochs: 0, last_line: None, last: None }
    }

    /// The last epoch's metrics.
    pub fn last(&self) -> Option<&EpochMetrics> {
        self.last.as_ref()
    }

    /// Ends the display, leaving a line about the last epoch.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        if let (false, Some(metrics)) = (self.quiet, &self.last) {
            print::note(&describe(&self.label, metrics, self.epochs));
        }
    }
}

fn describe(label: &str, m: &EpochMetrics, epochs: u32) -> String {
    format!(
        "{label}: epoch {}/{epochs}, train loss {:.4}, train accuracy {:.2}%, test accuracy {:.2}%, {:.1} s/epoch",
        m.epoch,
        m.train.loss,
        100.0 * m.train.accuracy,
        100.0 * m.test.accuracy,
        m.seconds
    )
}

impl Observer for Progress {
    fn started(&mut self, manifest: &RunManifest, epochs_done: u32) {
        self.epochs = manifest.config.epochs;
        if self.quiet {
            return;
        }
        print::note(&format!(
            "{}: {} ({} parameters), {} train and {} test samples, {:.1}% of labels changed, seed {}, corruption seed {}",
            self.label,
            manifest.network,
            manifest.parameters,
            manifest.samples[0],
            manifest.samples[1],
            100.0 * manifest.labels.realised_changed,
            manifest.config.seed,
            manifest.corruption_seed
        ));
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(u64::from(self.epochs) * manifest.steps_per_epoch);
            let style =
                ProgressStyle::with_template("{prefix} {bar:32} {percent:>3}% [{elapsed} < {eta}] {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(self.label.clone());
            bar.set_position(u64::from(epochs_done) * manifest.steps_per_epoch);
            self.bar = Some(bar);
        }
    }

    fn warned(&mut self, message: &str) {
        print::note(&format!("warning: {message}"));
    }

    fn stepped(&mut self, epoch: u32, step: u64, steps: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(u64::from(epoch) * steps + step + 1);
        }
    }

    fn finished_epoch(&mut self, metrics: &EpochMetrics) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!(
                "loss {:.3}, train {:.1}%, test {:.1}%",
                metrics.train.loss,
                100.0 * metrics.train.accuracy,
                100.0 * metrics.test.accuracy
            ));
        } else if !self.quiet && self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            print::note(&describe(&self.label, metrics, self.epochs));
            self.last_line = Some(Instant::now());
        }
        self.last = Some(metrics.clone());
    }
}
