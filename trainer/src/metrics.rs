//! What is measured, and the line per epoch in `metrics.jsonl`.

use serde::{Deserialize, Serialize};
use tch::{Device, Kind, TchError, Tensor};

use crate::samples::SampleScores;

/// Sums over samples, kept on the device in f64 so that no step waits for them: loss, correct, and the same of the
/// corrupted samples, and the number of corrupted samples. In an evaluation also how many labels are among the five largest
/// logits, and if asked to, what each sample adds.
#[derive(Debug)]
pub struct Tally {
    sums: Tensor,
    samples: u64,
    top5: Option<Tensor>,
    each: Option<SampleScores>,
}

/// Means of a [`Tally`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Samples counted.
    pub samples: u64,
    /// Mean cross-entropy in nats.
    #[serde(deserialize_with = "nan_from_null")]
    pub loss: f64,
    /// Share of samples whose largest logit is the label's.
    pub accuracy: f64,
    /// The same of samples that are not corrupted; null where there are none.
    pub clean_loss: Option<f64>,
    /// As `accuracy`, of samples that are not corrupted.
    pub clean_accuracy: Option<f64>,
    /// Share of samples whose label is among the five largest logits; of evaluations with more than five classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// As `loss`, of corrupted samples.
    pub corrupted_loss: Option<f64>,
    /// As `accuracy`, of corrupted samples: how much of the noise is memorised.
    pub corrupted_accuracy: Option<f64>,
}

/// How many of the largest logits a label may be among.
const TOP: i64 = 5;

impl Tally {
    const SUMS: i64 = 5;

    /// Nothing counted yet.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(device: Device) -> Result<Tally, TchError> {
        let sums = Tensor::f_zeros([Self::SUMS], (Kind::Double, device))?;
        Ok(Tally { sums, samples: 0, top5: None, each: None })
    }

    /// The same, to count the five largest logits too, and to keep the scores of each sample if `each` says so.
    ///
    /// # Errors
    /// libtorch's own.
    pub(crate) fn of_evaluation(device: Device, each: bool) -> Result<Tally, TchError> {
        let top5 = Some(Tensor::f_zeros([1], (Kind::Double, device))?);
        Ok(Tally { top5, each: each.then(SampleScores::default), ..Tally::new(device)? })
    }

    /// A tally as saved by [`Tally::sums`] and [`Tally::samples`].
    pub fn from_parts(sums: Tensor, samples: u64) -> Tally {
        Tally { sums, samples, top5: None, each: None }
    }

    /// The sums, `[5]` f64.
    pub fn sums(&self) -> &Tensor {
        &self.sums
    }

    /// Samples counted.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Where the sums are kept.
    pub(crate) fn device(&self) -> Device {
        self.sums.device()
    }

    /// The scores of each sample, if they were kept.
    pub(crate) fn into_samples(self) -> Option<SampleScores> {
        self.each
    }

    /// Counts a batch: its losses `[n]`, logits `[n, classes]`, labels `[n]` and corruption flags `[n]`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn add(
        &mut self,
        losses: &Tensor,
        logits: &Tensor,
        labels: &Tensor,
        corrupted: &Tensor,
    ) -> Result<(), TchError> {
        tch::no_grad(|| {
            let right = logits.f_argmax(1, false)?.f_eq_tensor(labels)?.f_to_kind(Kind::Float)?;
            if let Some(each) = &mut self.each {
                each.add(losses, &right)?;
            }
            let classes = logits.size().last().copied().unwrap_or(0);
            if classes <= TOP {
                self.top5 = None;
            }
            if let Some(top5) = &mut self.top5 {
                // Few enough are larger than the label's own. Of logits that are no numbers, none is smaller.
                let own = logits.f_gather(1, &labels.f_unsqueeze(1)?, false)?;
                let smaller = logits.f_lt_tensor(&own)?.f_sum_dim_intlist(&[1i64][..], false, Kind::Int64)?;
                let among = smaller.f_ge(classes - TOP)?.f_sum(Kind::Double)?;
                let _ = top5.f_add_(&among)?;
            }
            let of_corrupted = |x: &Tensor| x.f_mul(corrupted);
            let rows = [losses, &right, &of_corrupted(losses)?, &of_corrupted(&right)?, corrupted];
            // Losses are f32; their sum over an epoch is not safe in f32.
            let sums = Tensor::f_stack(&rows, 0)?.f_sum_dim_intlist(&[1i64][..], false, Kind::Double)?;
            let _ = self.sums.f_add_(&sums)?;
            self.samples += labels.size().first().copied().unwrap_or(0).unsigned_abs();
            Ok(())
        })
    }

    /// The means; waits for the device.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn score(&self) -> Result<Score, TchError> {
        let sums = Vec::<f64>::try_from(&self.sums)?;
        let [loss, right, corrupted_loss, corrupted_right, corrupted] =
            <[f64; Self::SUMS as usize]>::try_from(sums).unwrap_or_default();
        let n = self.samples as f64;
        let mean = |sum: f64, count: f64| (count > 0.0).then(|| sum / count);
        Ok(Score {
            samples: self.samples,
            loss: mean(loss, n).unwrap_or(0.0),
            accuracy: mean(right, n).unwrap_or(0.0),
            top5: self.top5.as_ref().and_then(|sum| mean(sum.double_value(&[0]), n)),
            clean_loss: mean(loss - corrupted_loss, n - corrupted),
            clean_accuracy: mean(right - corrupted_right, n - corrupted),
            corrupted_loss: mean(corrupted_loss, corrupted),
            corrupted_accuracy: mean(corrupted_right, corrupted),
        })
    }
}

/// One line of `metrics.jsonl`, written at the end of an epoch. A loss that is not a number is written as null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Epochs finished, from 1.
    pub epoch: u32,
    /// Steps finished since the beginning of the run.
    pub step: u64,
    /// Learning rate of the epoch.
    pub lr: f64,
    /// Means over the epoch's batches as they were trained on (training mode, moving weights).
    pub running: Score,
    /// At the end of the epoch, evaluation mode, over the whole training set with the labels trained on.
    pub train: Score,
    /// At the end of the epoch, evaluation mode, over the test split, or the part of it that the configuration names,
    /// against its clean labels.
    pub test: Score,
    /// The same against corrupted test labels, where the corruption says `test-labels=same`.
    pub test_given: Option<Score>,
    /// Seconds of the epoch, evaluation included.
    pub seconds: f64,
    /// Seconds of that which evaluation took.
    pub evaluation_seconds: f64,
    /// Seconds that training waited for the loader.
    pub loader_wait_seconds: f64,
}

/// JSON has no NaN: a diverged loss is written as null and read as NaN.
pub(crate) fn nan_from_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_means_split_by_corruption() {
        let mut tally = Tally::new(Device::Cpu).unwrap();
        let losses = Tensor::from_slice(&[1f32, 2.0, 3.0, 6.0]);
        let logits = Tensor::from_slice(&[1f32, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]).view([4, 2]);
        let labels = Tensor::from_slice(&[0i64, 0, 0, 1]); // right, wrong, right, right
        let corrupted = Tensor::from_slice(&[0f32, 1.0, 1.0, 0.0]);
        tally.add(&losses, &logits, &labels, &corrupted).unwrap();
        let score = tally.score().unwrap();
        assert_eq!((score.samples, score.loss, score.accuracy), (4, 3.0, 0.75));
        assert_eq!((score.clean_loss, score.clean_accuracy), (Some(3.5), Some(1.0)));
        assert_eq!((score.corrupted_loss, score.corrupted_accuracy), (Some(2.5), Some(0.5)));
        let empty = Tally::new(Device::Cpu).unwrap().score().unwrap();
        assert_eq!((empty.samples, empty.clean_loss), (0, None));
    }

    /// With seven classes and a label of 1, its logit is the fifth or the sixth largest.
    #[test]
    fn a_label_is_among_the_five_largest_or_not() {
        let logits =
            [[4f32, 3.0, 9.0, 8.0, 7.0, 6.0, 1.0], [4.0, 3.0, 9.0, 8.0, 7.0, 2.0, 1.0], [f32::NAN; 7]];
        let score = |rows: std::ops::Range<usize>, classes: i64| {
            let mut tally = Tally::of_evaluation(Device::Cpu, false).unwrap();
            let n = rows.len() as i64;
            let values: Vec<f32> =
                logits[rows].iter().flat_map(|row| row[..classes as usize].to_vec()).collect();
            let zeros = Tensor::zeros([n], (Kind::Float, Device::Cpu));
            let labels = Tensor::ones([n], (Kind::Int64, Device::Cpu));
            tally.add(&zeros, &Tensor::from_slice(&values).view([n, classes]), &labels, &zeros).unwrap();
            tally.score().unwrap().top5
        };
        assert_eq!([score(0..1, 7), score(1..2, 7), score(2..3, 7)], [Some(0.0), Some(1.0), Some(0.0)]);
        assert_eq!(score(0..3, 7), Some(1.0 / 3.0));
        assert_eq!(score(0..2, 5), None, "of five classes every label is");
        assert_eq!(Tally::of_evaluation(Device::Cpu, false).unwrap().score().unwrap().top5, None);
    }

    #[test]
    fn a_diverged_loss_survives_json() {
        let score =
            Tally::from_parts(Tensor::from_slice(&[f64::NAN, 0.0, 0.0, 0.0, 0.0]), 2).score().unwrap();
        let json = serde_json::to_string(&score).unwrap();
        assert!(json.contains("\"loss\":null"));
        assert!(serde_json::from_str::<Score>(&json).unwrap().loss.is_nan());
    }
}
