//! The kinds of image corruption, as a user asks for them.

use serde::{Deserialize, Serialize};

use super::{
    super::{
        SpecError,
        spec::{check_share, is_default, is_one, one},
    },
    trigger::{Corner, Pattern},
};

/// A corruption of images; every one maps u8 images to u8 images of the same shape.
///
/// `amount` is the probability per image that it applies; `resample` the share of the corrupted images that are drawn
/// anew in every epoch from 1 on; both name fixed, nested sets of samples. `at` says on which image it acts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum InputSpec {
    /// Images as they are.
    Clean {}, // braces, so that serde refuses unknown fields here too
    /// One permutation for all images of all splits.
    ShuffledPixels {
        /// What is permuted.
        #[serde(default, skip_serializing_if = "is_default")]
        unit: PermuteUnit,
        /// Probability per image that it applies, `0..=1`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        amount: f64,
        /// Where it acts.
        #[serde(default, skip_serializing_if = "is_default")]
        at: At,
    },
    /// A permutation of its own for each image, fixed by its id.
    RandomPixels {
        /// What is permuted.
        #[serde(default, skip_serializing_if = "is_default")]
        unit: PermuteUnit,
        /// Probability per image that it applies, `0..=1`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        amount: f64,
        /// Share of images whose permutation is drawn anew in every epoch from 1 on.
        #[serde(default, skip_serializing_if = "is_default")]
        resample: f64,
        /// Where it acts.
        #[serde(default, skip_serializing_if = "is_default")]
        at: At,
    },
    /// Independent normal pixels with the train split's mean and variance per channel, fixed by the image's id.
    Gaussian {
        /// Probability per image that it applies, `0..=1`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        amount: f64,
        /// Share of images drawn anew in every epoch from 1 on.
        #[serde(default, skip_serializing_if = "is_default")]
        resample: f64,
        /// Where it acts.
        #[serde(default, skip_serializing_if = "is_default")]
        at: At,
    },
    /// Normal noise added to every value, then rounded and clipped. Either `sigma` or `severity` is given.
    Additive {
        /// Deviation in units of the full range, 255 levels: above 0, at most 2.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sigma: Option<f64>,
        /// 1 to 5 for the deviations of CIFAR-10-C (Hendrycks & Dietterich 2019, arXiv:1903.12261).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        severity: Option<u8>,
        /// Probability per image that it applies, `0..=1`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        amount: f64,
        /// Share of images whose noise is drawn anew in every epoch from 1 on.
        #[serde(default, skip_serializing_if = "is_default")]
        resample: f64,
        /// Where it acts.
        #[serde(default, skip_serializing_if = "is_default")]
        at: At,
    },
    /// Salt and pepper: each value becomes 0 or 255 with probability `p / 2` each. Either `p` or `severity` is given.
    Impulse {
        /// Probability that a value is replaced, `0..=1`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p: Option<f64>,
        /// 1 to 5 for the probabilities of CIFAR-10-C.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        severity: Option<u8>,
        /// Probability per image that it applies, `0..=1`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        amount: f64,
        /// Share of images whose noise is drawn anew in every epoch from 1 on.
        #[serde(default, skip_serializing_if = "is_default")]
        resample: f64,
        /// Where it acts.
        #[serde(default, skip_serializing_if = "is_default")]
        at: At,
    },
    /// Shot noise: each value is counted in photons, a Poisson number. Either `lambda` or `severity` is given.
    Shot {
        /// Expected photons of a white value (255); of x it is `lambda x / 255`. Above 0, at most 700.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lambda: Option<f64>,
        /// 1 to 5 for the constants of CIFAR-10-C.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        severity: Option<u8>,
        /// Probability per image that it applies, `0..=1`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        amount: f64,
        /// Share of images whose noise is drawn anew in every epoch from 1 on.
        #[serde(default, skip_serializing_if = "is_default")]
        resample: f64,
        /// Where it acts.
        #[serde(default, skip_serializing_if = "is_default")]
        at: At,
    },
    /// A backdoor (Gu et al. 2017, arXiv:1708.06733): a share `amount` of the train samples get a patch and the label
    /// `target`; in other splits every sample whose clean class is not the target gets the patch.
    Trigger {
        /// The class that the patch stands for.
        target: u32,
        /// Probability per train sample that it is poisoned, `0..=1`.
        amount: f64,
        /// Side of the square patch in pixels, at least 1.
        #[serde(default = "patch_side", skip_serializing_if = "is_patch_side")]
        size: u32,
        /// What the patch shows.
        #[serde(default, skip_serializing_if = "is_default")]
        pattern: Pattern,
        /// Where it lies.
        #[serde(default, skip_serializing_if = "is_default")]
        position: Corner,
        /// How much of the patch is seen: `(1 - blend) x + blend v`; 1 covers the image (Chen et al. 2017,
        /// arXiv:1712.05526, blend 0.2).
        #[serde(default = "one", skip_serializing_if = "is_one")]
        blend: f64,
        /// Where it acts.
        #[serde(default, skip_serializing_if = "is_default")]
        at: At,
    },
}

/// What a pixel permutation moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PermuteUnit {
    /// All channels x height x width values: colours mix too. It matches the paper's Fig. 1a, whose first-epoch
    /// loss is that of chance.
    #[default]
    Values,
    /// The height x width positions, alike in every channel: each image keeps its colour histogram.
    Positions,
}

/// The image that a corruption acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum At {
    /// The one the network sees: after crop and flip.
    #[default]
    Network,
    /// The stored one, before crop and flip: as in sets that are published corrupted (CIFAR-10-C), and for a patch
    /// that is part of the picture.
    Stored,
}

/// Constants of CIFAR-10-C for severities 1 to 5 (hendrycks/robustness, `make_cifar_c.py`).
const ADDITIVE: [f64; 5] = [0.04, 0.06, 0.08, 0.09, 0.10];
const IMPULSE: [f64; 5] = [0.01, 0.02, 0.03, 0.05, 0.07];
const SHOT: [f64; 5] = [500.0, 250.0, 100.0, 75.0, 50.0];

const PATCH_SIDE: u32 = 3;

pub(super) fn patch_side() -> u32 {
    PATCH_SIDE
}

fn is_patch_side(size: &u32) -> bool {
    *size == PATCH_SIDE
}

impl Default for InputSpec {
    fn default() -> Self {
        InputSpec::Clean {}
    }
}

impl InputSpec {
    /// Probability per train image that it applies.
    pub fn amount(&self) -> f64 {
        match *self {
            InputSpec::Clean {} => 0.0,
            InputSpec::ShuffledPixels { amount, .. }
            | InputSpec::RandomPixels { amount, .. }
            | InputSpec::Gaussian { amount, .. }
            | InputSpec::Additive { amount, .. }
            | InputSpec::Impulse { amount, .. }
            | InputSpec::Shot { amount, .. }
            | InputSpec::Trigger { amount, .. } => amount,
        }
    }

    /// Share of the corrupted images that are drawn anew in every epoch from 1 on.
    pub fn resample(&self) -> f64 {
        match *self {
            InputSpec::Clean {} | InputSpec::ShuffledPixels { .. } | InputSpec::Trigger { .. } => 0.0,
            InputSpec::RandomPixels { resample, .. }
            | InputSpec::Gaussian { resample, .. }
            | InputSpec::Additive { resample, .. }
            | InputSpec::Impulse { resample, .. }
            | InputSpec::Shot { resample, .. } => resample,
        }
    }

    /// The image it acts on.
    pub fn at(&self) -> At {
        match *self {
            InputSpec::Clean {} => At::Network,
            InputSpec::ShuffledPixels { at, .. }
            | InputSpec::RandomPixels { at, .. }
            | InputSpec::Gaussian { at, .. }
            | InputSpec::Additive { at, .. }
            | InputSpec::Impulse { at, .. }
            | InputSpec::Shot { at, .. }
            | InputSpec::Trigger { at, .. } => at,
        }
    }

    /// The number that decides how strong additive, impulse or shot noise is; 0 for other kinds.
    pub(super) fn strength(&self) -> f64 {
        let of = |value: Option<f64>, severity: Option<u8>, constants: [f64; 5]| {
            let constant = |s: u8| usize::from(s).checked_sub(1).and_then(|i| constants.get(i)).copied();
            value.or(severity.and_then(constant)).unwrap_or_default()
        };
        match *self {
            InputSpec::Additive { sigma, severity, .. } => of(sigma, severity, ADDITIVE),
            InputSpec::Impulse { p, severity, .. } => of(p, severity, IMPULSE),
            InputSpec::Shot { lambda, severity, .. } => of(lambda, severity, SHOT),
            _ => 0.0,
        }
    }

    pub(in super::super) fn validate(&self) -> Result<(), SpecError> {
        check_share("amount", self.amount())?;
        check_share("resample", self.resample())?;
        match *self {
            InputSpec::Additive { sigma, severity, .. } => {
                one_strength("inputs=additive", "sigma", "inputs=additive:sigma=0.1", sigma, severity)?;
                // A deviation in levels would be far above the range, and would silently drown the image.
                in_range("sigma", sigma, 2.0, "above 0 to 2, in units of the full range: 25 levels are 0.098")
            }
            InputSpec::Impulse { p, severity, .. } => {
                one_strength("inputs=impulse", "p", "inputs=impulse:p=0.05", p, severity)?;
                p.map_or(Ok(()), |p| check_share("p", p))
            }
            InputSpec::Shot { lambda, severity, .. } => {
                one_strength("inputs=shot", "lambda", "inputs=shot:lambda=60", lambda, severity)?;
                in_range("lambda", lambda, 700.0, "above 0 to 700, the expected photons of a white value")
            }
            InputSpec::Trigger { size, blend, .. } => {
                if size == 0 {
                    let expected = "a side of at least 1 pixel";
                    return Err(SpecError::Value { field: "size", found: size.to_string(), expected });
                }
                check_share("blend", blend)
            }
            _ => Ok(()),
        }
    }
}

/// Of the two ways to say how strong a noise is, one has to be used.
fn one_strength(
    item: &'static str,
    field: &'static str,
    example: &'static str,
    value: Option<f64>,
    severity: Option<u8>,
) -> Result<(), SpecError> {
    match (value, severity) {
        (Some(_), None) | (None, Some(1..=5)) => Ok(()),
        (None, None) => Err(SpecError::Missing { item, field, example }),
        (None, Some(found)) => {
            Err(SpecError::Value { field: "severity", found: found.to_string(), expected: "1, 2, 3, 4 or 5" })
        }
        (Some(_), Some(_)) => Err(SpecError::Contradiction {
            reason: format!("{item} has both `{field}` and `severity`"),
            help: "keep one: severity stands for a constant of CIFAR-10-C".into(),
        }),
    }
}

fn in_range(
    field: &'static str,
    value: Option<f64>,
    most: f64,
    expected: &'static str,
) -> Result<(), SpecError> {
    match value {
        Some(v) if !(v > 0.0 && v <= most) => Err(SpecError::Value { field, found: v.to_string(), expected }),
        _ => Ok(()),
    }
}
