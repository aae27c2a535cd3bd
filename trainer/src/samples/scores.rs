//! What one evaluation says of each sample.

use tch::{TchError, Tensor};

/// Scores of samples in the order in which they were evaluated, on the host.
#[derive(Debug, Default)]
pub(crate) struct SampleScores {
    /// 1 where the largest logit is the label's, else 0.
    pub correct: Vec<u8>,
    /// Cross-entropy in nats.
    pub losses: Vec<f32>,
}

impl SampleScores {
    /// Appends a batch: its losses `[n]` and whether each prediction is right `[n]` (1 or 0), both f32. Waits for the device.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn add(&mut self, losses: &Tensor, right: &Tensor) -> Result<(), TchError> {
        self.losses.extend(Vec::<f32>::try_from(losses)?);
        self.correct.extend(Vec::<f32>::try_from(right)?.into_iter().map(|right| u8::from(right > 0.5)));
        Ok(())
    }
}
