//! Early stopping: which epoch was the best so far, and when to give up waiting for a better one.
//!
//! With a patience of N epochs, training ends once N epochs in a row were not better than the best before them by more
//! than the least difference that counts, and the weights of that best epoch stay in `best.safetensors`. What decides is
//! measured on the test split, as in the paper (Zhang et al. 2017, Fig. 2), which has no other: the accuracy of the best
//! epoch is then optimistic, and reports show it beside that of the last one, never for it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::metrics::{EpochMetrics, nan_from_null};

/// What is watched, at the end of each epoch, against the clean labels of the test split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Monitor {
    /// Accuracy: the higher the better.
    #[default]
    TestAccuracy,
    /// Loss: the lower the better.
    TestLoss,
}

impl Monitor {
    const NAMES: [(Monitor, &str); 2] =
        [(Monitor::TestAccuracy, "test-accuracy"), (Monitor::TestLoss, "test-loss")];

    /// The value of an epoch.
    pub fn value(self, epoch: &EpochMetrics) -> f64 {
        match self {
            Monitor::TestAccuracy => epoch.test.accuracy,
            Monitor::TestLoss => epoch.test.loss,
        }
    }

    /// How much better `value` is than `than`, below 0 if it is worse.
    fn gain(self, value: f64, than: f64) -> f64 {
        match self {
            Monitor::TestAccuracy => value - than,
            Monitor::TestLoss => than - value,
        }
    }
}

impl fmt::Display for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(Self::NAMES.iter().find(|(monitor, _)| monitor == self).map_or("", |(_, name)| name))
    }
}

/// A text that names nothing that can be watched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("monitor `{found}`: expected test-accuracy or test-loss")]
pub struct UnknownMonitor {
    /// What was found.
    pub found: String,
}

impl FromStr for Monitor {
    type Err = UnknownMonitor;
    fn from_str(text: &str) -> Result<Self, UnknownMonitor> {
        let found = Self::NAMES.iter().find(|(_, name)| *name == text);
        found.map(|(monitor, _)| *monitor).ok_or_else(|| UnknownMonitor { found: text.into() })
    }
}

/// The epoch whose weights are kept. With the number of epochs done it also says how long a better one has been waited
/// for, so a checkpoint needs no other counter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The epoch, from 1.
    pub epoch: u32,
    /// What was watched, after it; null in JSON where that was not a number.
    #[serde(deserialize_with = "nan_from_null")]
    pub value: f64,
}

/// When to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EarlyStopping {
    /// What is watched.
    pub monitor: Monitor,
    /// A gain counts if it is larger than this, 0 or more.
    pub min_delta: f64,
    /// Epochs without such a gain after which training ends, 1 or more.
    pub patience: u32,
}

impl EarlyStopping {
    /// The epoch to keep instead of `kept`, if this one is better. The first one is, and a number is better than none.
    pub fn better(&self, epoch: &EpochMetrics, kept: Option<Kept>) -> Option<Kept> {
        let value = self.monitor.value(epoch);
        let better = kept.is_none_or(|kept| match kept.value.is_nan() {
            true => !value.is_nan(),
            false => self.monitor.gain(value, kept.value) > self.min_delta,
        });
        better.then_some(Kept { epoch: epoch.epoch, value })
    }

    /// Whether the patience is over after `epochs`.
    pub fn is_over(&self, epochs: u32, kept: Option<Kept>) -> bool {
        kept.is_some_and(|kept| epochs.saturating_sub(kept.epoch) >= self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Score;

    fn epoch(epoch: u32, accuracy: f64, loss: f64) -> EpochMetrics {
        let score = Score {
            samples: 1,
            loss,
            accuracy,
            top5: None,
            clean_loss: None,
            clean_accuracy: None,
            corrupted_loss: None,
            corrupted_accuracy: None,
        };
        EpochMetrics {
            epoch,
            step: 1,
            lr: 0.1,
            running: score,
            train: score,
            test: score,
            test_given: None,
            seconds: 0.0,
            evaluation_seconds: 0.0,
            loader_wait_seconds: 0.0,
        }
    }

    /// The epochs kept after each, and the epoch after which training ends.
    fn follow(rule: EarlyStopping, values: &[f64]) -> (Vec<u32>, Option<u32>) {
        let (mut kept, mut epochs, mut end) = (None, Vec::new(), None);
        for (number, value) in (1..).zip(values) {
            let line = match rule.monitor {
                Monitor::TestAccuracy => epoch(number, *value, f64::NAN),
                Monitor::TestLoss => epoch(number, f64::NAN, *value),
            };
            kept = rule.better(&line, kept).or(kept);
            epochs.push(kept.unwrap().epoch);
            if rule.is_over(number, kept) {
                end = end.or(Some(number));
            }
        }
        (epochs, end)
    }

    #[test]
    fn waits_as_long_as_it_was_told() {
        let rule = EarlyStopping { monitor: Monitor::TestAccuracy, min_delta: 0.0, patience: 2 };
        assert_eq!(follow(rule, &[0.5, 0.4, 0.5, 0.9]), (vec![1, 1, 1, 4], Some(3))); // as good is not better
        assert_eq!(follow(rule, &[0.5, 0.4, 0.6, 0.7, 0.6]), (vec![1, 1, 3, 4, 4], None));
        let rule = EarlyStopping { min_delta: 0.1, patience: 3, ..rule };
        // Small gains count once they add up to more than the least difference.
        assert_eq!(follow(rule, &[0.5, 0.55, 0.6, 0.625, 0.65]), (vec![1, 1, 1, 4, 4], None));
        let rule = EarlyStopping { monitor: Monitor::TestLoss, min_delta: 0.0, patience: 1 };
        assert_eq!(follow(rule, &[2.0, 1.0, 1.5]), (vec![1, 2, 2], Some(3)));
    }

    #[test]
    fn what_is_not_a_number_is_worse_than_any() {
        let rule = EarlyStopping { monitor: Monitor::TestLoss, min_delta: 0.0, patience: 3 };
        assert_eq!(follow(rule, &[f64::NAN, f64::NAN, 2.0, f64::NAN, 1.0]), (vec![1, 1, 3, 3, 5], None));
        assert_eq!(follow(rule, &[1.0, f64::NAN, f64::NAN, f64::NAN]).1, Some(4));
        let kept = Kept { epoch: 1, value: f64::NAN };
        let json = serde_json::to_string(&kept).unwrap();
        assert!(serde_json::from_str::<Kept>(&json).unwrap().value.is_nan(), "{json}");
    }

    #[test]
    fn names_come_back() {
        for (monitor, name) in Monitor::NAMES {
            assert_eq!((name.parse(), monitor.to_string().as_str()), (Ok(monitor), name));
            assert_eq!(serde_json::to_string(&monitor).unwrap(), format!("\"{name}\""));
        }
        assert!("accuracy".parse::<Monitor>().is_err());
    }
}
