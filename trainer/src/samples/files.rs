//! The two files that grow by a row per epoch, and what is made from them at the end of a run.

use std::fs;

use rfx_loader::Recipe;

use super::{SampleScores, history::History, rows::Rows, summary};
use crate::{
    error::{Result, TrainError},
    folder::RunFolder,
};

/// The per-sample records of a run, open for the next epoch.
#[derive(Debug)]
pub(crate) struct SampleFiles {
    folder: RunFolder,
    correct: Rows,
    loss: Rows,
}

impl SampleFiles {
    /// Opens the records of `samples` training samples so that they hold the first `epochs` epochs. What an earlier end
    /// of the run made from more or fewer is removed.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::RunFile`] if fewer epochs are there, or other samples.
    pub fn open(folder: &RunFolder, samples: usize, epochs: u32) -> Result<SampleFiles> {
        let path = folder.samples();
        fs::create_dir_all(&path).map_err(|source| TrainError::Io {
            path: path.clone(),
            action: "create",
            source,
        })?;
        summary::remove(folder)?;
        let samples = samples as u64;
        Ok(SampleFiles {
            folder: folder.clone(),
            correct: Rows::open(path.join("correct.npy"), ("'|u1'", 1), samples, epochs)?,
            loss: Rows::open(path.join("loss.npy"), ("'<f4'", 4), samples, epochs)?,
        })
    }

    /// Appends an epoch.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn append(&mut self, scores: &SampleScores) -> Result<()> {
        self.correct.append(&scores.correct)?;
        let losses: Vec<u8> = scores.losses.iter().flat_map(|loss| loss.to_le_bytes()).collect();
        self.loss.append(&losses)
    }

    /// Waits until all of it is on disk.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn sync(&self) -> Result<()> {
        self.correct.sync()?;
        self.loss.sync()
    }

    /// Writes what the epochs so far come to: a value of each kind per sample. `recipe` is the one that was evaluated.
    /// Reads the whole record of correctness once, a row at a time.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn finish(&self, recipe: &Recipe) -> Result<()> {
        let mut history = History::new(recipe.samples());
        let mut row = vec![0; self.correct.row_bytes()];
        for epoch in 0..self.correct.epochs() {
            self.correct.read(epoch, &mut row)?;
            history.add(&row);
        }
        let mut losses = vec![0; self.loss.row_bytes()];
        if let Some(last) = self.loss.epochs().checked_sub(1) {
            self.loss.read(last, &mut losses)?;
            summary::write(&self.folder, recipe, last, &history, losses.as_chunks().0)?;
        }
        Ok(())
    }
}
