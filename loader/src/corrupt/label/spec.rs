//! The kinds of label noise, as a user asks for them.

use serde::{Deserialize, Serialize};

use super::super::{
    SpecError,
    spec::{check_share, is_default, is_one, one},
};

/// A corruption of labels. T\[y\]\[k\] is the probability that a sample of the clean class y is given the label k; the
/// rows of T add up to 1. What each kind changes, and what it is often taken for, is in `CORRUPTION.md`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum LabelSpec {
    /// Labels as they are.
    Clean {}, // braces, so that serde refuses unknown fields here too
    /// With probability `p` a label is redrawn uniformly over all K classes, the true one included: the expected
    /// changed fraction is `p (K - 1) / K`, 45% at p = 0.5 and 90% at p = 1 for K = 10. With `exclude_true` the
    /// K - 1 other classes, so `p` itself.
    Uniform {
        /// Probability that a label is redrawn, `0..=1`.
        p: f64,
        /// Never redraw the true class.
        #[serde(default, skip_serializing_if = "is_default")]
        exclude_true: bool,
        /// Redraw exactly `round(p n)` labels of the split, instead of each with probability `p`.
        #[serde(default, skip_serializing_if = "is_default")]
        exact: bool,
        /// Share of the corrupted labels that are drawn anew in every epoch from 1 on; a fixed, nested set.
        #[serde(default, skip_serializing_if = "is_default")]
        resample: f64,
    },
    /// With probability `p` class y becomes y + 1, the last one 0. From p = 0.5 on the wrong class is the majority.
    PairFlip {
        /// Probability that a label is flipped, `0..=1`.
        p: f64,
        /// Flip exactly `round(p n_y)` labels of each class y.
        #[serde(default, skip_serializing_if = "is_default")]
        exact: bool,
    },
    /// With probability `p` a class becomes the one it is mistaken for. Which one that is, the names of the classes
    /// decide: the maps of CIFAR-10 (truck to automobile, bird to airplane, deer to horse, cat and dog to each other) and
    /// of MNIST (7 to 1, 2 to 7, 5 and 6 to each other, 3 to 8; Patrini et al. 2017, arXiv:1609.03683), which leave half
    /// of the classes alone; or, in a set with superclasses (CIFAR-100), the next class of the superclass, cyclically.
    Asymmetric {
        /// Probability that a label of a class that has a target is flipped, `0..=1`.
        p: f64,
        /// Flip exactly `round(p n_y)` labels of each such class y.
        #[serde(default, skip_serializing_if = "is_default")]
        exact: bool,
    },
    /// Any matrix T, from a file: K lines of K numbers (CSV), or a NumPy array `[K, K]` of f4 or f8.
    Matrix {
        /// Path of the file.
        file: String,
        /// Scales the noise: T becomes `(1 - amount) I + amount T`, `0..=1`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        amount: f64,
        /// Change exactly `round((1 - T[y][y]) n_y)` labels of each class y.
        #[serde(default, skip_serializing_if = "is_default")]
        exact: bool,
        /// Share of the changed labels whose new class is drawn anew in every epoch from 1 on.
        #[serde(default, skip_serializing_if = "is_default")]
        resample: f64,
    },
    /// Labels from a file: one per sample of the split in id order, or by id. CSV, NumPy, and the files of CIFAR-10N
    /// and CIFAR-100N (Wei et al. 2022, arXiv:2110.12088) as they are published.
    File {
        /// Path of the file.
        path: String,
        /// Which of the file's columns holds the labels; needed where it has several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        column: Option<String>,
        /// Probability per sample that the file's label is taken, `0..=1`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        amount: f64,
    },
    /// Noise that depends on the image (Xia et al. 2020, arXiv:2006.07836): a sample is changed with a probability of
    /// its own, drawn from N(rate, 0.1) cut to `0..=1`, into class k with a probability that a random linear map of its
    /// pixels decides.
    InstanceDependent {
        /// Centre of the normal distribution that flip rates are drawn from, `0..=1`.
        rate: f64,
        /// Share of the changed labels whose new class is drawn anew in every epoch from 1 on.
        #[serde(default, skip_serializing_if = "is_default")]
        resample: f64,
    },
    /// The very labels of the authors' published code (pluskid/fitting-random-labels): NumPy's MT19937 under seed
    /// 12345, `rand(n) <= p`, and as many draws of `choice(K)`, in id order. No seed of rfx has a part in it.
    Zhang2017 {
        /// Probability that a label is redrawn over all classes, `0..=1`.
        p: f64,
    },
}

impl Default for LabelSpec {
    fn default() -> Self {
        LabelSpec::Clean {}
    }
}

impl LabelSpec {
    pub(in super::super) fn validate(&self) -> Result<(), SpecError> {
        match self {
            LabelSpec::Clean {} => Ok(()),
            LabelSpec::Uniform { p, resample, .. } => {
                check_share("p", *p)?;
                check_share("resample", *resample)
            }
            LabelSpec::PairFlip { p, .. } | LabelSpec::Asymmetric { p, .. } | LabelSpec::Zhang2017 { p } => {
                check_share("p", *p)
            }
            LabelSpec::Matrix { file, amount, resample, .. } => {
                check_path("file", file)?;
                check_share("amount", *amount)?;
                check_share("resample", *resample)
            }
            LabelSpec::File { path, amount, .. } => {
                check_path("path", path)?;
                check_share("amount", *amount)
            }
            LabelSpec::InstanceDependent { rate, resample } => {
                check_share("rate", *rate)?;
                check_share("resample", *resample)
            }
        }
    }

    /// Whether anything is drawn with the corruption's seed.
    pub(crate) fn uses_seed(&self) -> bool {
        !matches!(self, LabelSpec::Clean {} | LabelSpec::Zhang2017 { .. })
            && !matches!(self, LabelSpec::File { amount, .. } if *amount == 1.0)
    }
}

fn check_path(field: &'static str, path: &str) -> Result<(), SpecError> {
    if path.is_empty() || path.contains('\0') {
        return Err(SpecError::Value { field, found: path.into(), expected: "the path of a file" });
    }
    Ok(())
}
