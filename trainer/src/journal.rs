//! What a run appends to at the end of every epoch: `metrics.jsonl`, TensorBoard's file, and per-sample records where they
//! are asked for.

use std::fs::File;

use rfx_loader::Recipe;

use crate::{
    error::{Result, TrainError},
    events::EventFile,
    folder::{self, RunFolder},
    metrics::EpochMetrics,
    samples::{SampleFiles, SampleScores},
};

/// The files, open for the next epoch.
#[derive(Debug)]
pub(crate) struct Journal {
    folder: RunFolder,
    metrics: File,
    events: EventFile,
    samples: Option<SampleFiles>,
}

impl Journal {
    /// Opens the files so that they hold the first `epochs` epochs: what a run wrote after the checkpoint it goes on from
    /// will be written again. `samples` is the number of training samples, where each has a record.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::RunFile`] if a file has fewer epochs.
    pub fn open(folder: &RunFolder, epochs: u32, samples: Option<usize>) -> Result<Journal> {
        // First: writing the metrics syncs the folder, and with it the one of the samples.
        let samples = samples.map(|samples| SampleFiles::open(folder, samples, epochs)).transpose()?;
        let metrics = folder.open_metrics(epochs)?;
        let events = folder.open_events(epochs)?;
        Ok(Journal { folder: folder.clone(), metrics, events, samples })
    }

    /// Appends an epoch, with the scores of its training samples where they are recorded.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn append(&mut self, line: &EpochMetrics, scores: Option<&SampleScores>) -> Result<()> {
        let io = |path| move |source| TrainError::Io { path, action: "write", source };
        if let Some((samples, scores)) = self.samples.as_mut().zip(scores) {
            samples.append(scores)?;
        }
        folder::append(&mut self.metrics, line).map_err(io(self.folder.metrics()))?;
        self.events.append(line).map_err(io(self.folder.events()))
    }

    /// Waits until the disk has what a checkpoint counts on: one that outlives a power cut finds its epochs.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn sync(&self) -> Result<()> {
        let io = |source| TrainError::Io { path: self.folder.metrics(), action: "write", source };
        self.metrics.sync_data().map_err(io)?;
        self.samples.as_ref().map_or(Ok(()), SampleFiles::sync)
    }

    /// Writes what the per-sample records come to, where there are any. `recipe` is that of the training samples in order.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn finish(&self, recipe: &Recipe) -> Result<()> {
        self.samples.as_ref().map_or(Ok(()), |samples| samples.finish(recipe))
    }
}
