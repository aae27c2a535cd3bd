//! The typed description of a corruption: what a user writes, what a report prints, what a digest covers.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::SpecError;
use crate::{digest::Hasher, rng::Threshold};

/// Which corruption is applied to a data set.
///
/// Three forms, which convert into each other without loss: this type; a structured form (TOML, JSON) with the same
/// field names in kebab-case; and a text such as `random-labels` or `labels=uniform:p=0.5 inputs=gaussian seed=1`
/// (grammar in `RANDOM.md`). In TOML the text may stand in place of the table.
///
/// Input corruptions apply to every split, label noise to `train` only, unless `test_inputs` and `test_labels` say
/// otherwise.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CorruptionSpec {
    /// What happens to labels.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: LabelSpec,
    /// What happens to images.
    #[serde(skip_serializing_if = "is_default")]
    pub inputs: InputSpec,
    /// The corruption's own seed; without one, the run's seed is used. From 2^63 on it is written as text, as TOML's
    /// integers end there.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "write_seed")]
    pub seed: Option<u64>,
    /// Whether splits other than `train` get the input corruption.
    #[serde(skip_serializing_if = "is_default")]
    pub test_inputs: TestInputs,
    /// Whether splits other than `train` get the label corruption.
    #[serde(skip_serializing_if = "is_default")]
    pub test_labels: TestLabels,
}

/// A corruption of labels.
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
}

/// A corruption of images; every one maps u8 images to u8 images of the same shape.
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
    },
    /// Independent normal pixels with the train split's mean and variance per channel, fixed by the image's id.
    Gaussian {
        /// Probability per image that it applies, `0..=1`.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        amount: f64,
        /// Share of images drawn anew in every epoch from 1 on.
        #[serde(default, skip_serializing_if = "is_default")]
        resample: f64,
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

/// Input corruption of splits other than `train`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestInputs {
    /// The same corruption as the train split's ("both training and test set", Zhang et al. 2017, sec. 2.1).
    #[default]
    Same,
    /// None.
    Clean,
}

/// Label corruption of splits other than `train`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TestLabels {
    /// None: test error is measured against true labels.
    #[default]
    Clean,
    /// The train split's corruption, drawn for the split's own ids.
    Same,
}

impl CorruptionSpec {
    /// Nothing corrupted: `true-labels`.
    pub fn clean() -> Self {
        CorruptionSpec::default()
    }

    /// The paper's six variants with a probability of 0.5 for the partial one, by preset name.
    pub fn paper_variants() -> Vec<(&'static str, CorruptionSpec)> {
        let labels = |p| LabelSpec::Uniform { p, exclude_true: false, exact: false, resample: 0.0 };
        let with_labels = |labels| CorruptionSpec { labels, ..Self::default() };
        let with_inputs = |inputs| CorruptionSpec { inputs, ..Self::default() };
        let unit = PermuteUnit::Values;
        vec![
            ("true-labels", Self::clean()),
            ("partially-corrupted:0.5", with_labels(labels(0.5))),
            ("random-labels", with_labels(labels(1.0))),
            ("shuffled-pixels", with_inputs(InputSpec::ShuffledPixels { unit, amount: 1.0 })),
            ("random-pixels", with_inputs(InputSpec::RandomPixels { unit, amount: 1.0, resample: 0.0 })),
            ("gaussian", with_inputs(InputSpec::Gaussian { amount: 1.0, resample: 0.0 })),
        ]
    }

    /// Checks every number's range.
    ///
    /// # Errors
    /// [`SpecError::Value`] naming the first probability outside `0..=1`.
    pub fn validate(&self) -> Result<(), SpecError> {
        let check = |field: &'static str, value: f64| match Threshold::from_probability(value) {
            Some(_) => Ok(()),
            None => {
                Err(SpecError::Value { field, found: value.to_string(), expected: "a probability, 0 to 1" })
            }
        };
        if let LabelSpec::Uniform { p, resample, .. } = self.labels {
            check("p", p)?;
            check("resample", resample)?;
        }
        match self.inputs {
            InputSpec::Clean {} => Ok(()),
            InputSpec::ShuffledPixels { amount, .. } => check("amount", amount),
            InputSpec::RandomPixels { amount, resample, .. } | InputSpec::Gaussian { amount, resample } => {
                check("amount", amount)?;
                check("resample", resample)
            }
        }
    }

    /// The label corruption that `split` gets.
    pub fn labels_of(&self, split: &str) -> LabelSpec {
        if split == TRAIN || self.test_labels == TestLabels::Same {
            self.labels.clone()
        } else {
            LabelSpec::default()
        }
    }

    /// The input corruption that `split` gets.
    pub fn inputs_of(&self, split: &str) -> InputSpec {
        if split == TRAIN || self.test_inputs == TestInputs::Same {
            self.inputs.clone()
        } else {
            InputSpec::default()
        }
    }
}

/// The split that is trained on; every other one is for evaluation.
pub(crate) const TRAIN: &str = "train";

impl Default for LabelSpec {
    fn default() -> Self {
        LabelSpec::Clean {}
    }
}

impl Default for InputSpec {
    fn default() -> Self {
        InputSpec::Clean {}
    }
}

impl LabelSpec {
    /// Appends the resolved integers: a code for the kind, then its parameters.
    pub(crate) fn hash_into(&self, hasher: &mut Hasher) {
        match *self {
            LabelSpec::Clean {} => {
                hasher.u32(0);
            }
            LabelSpec::Uniform { p, exclude_true, exact, resample } => {
                hasher
                    .u32(1)
                    .u64(threshold(p))
                    .u32(exclude_true.into())
                    .u32(exact.into())
                    .u64(threshold(resample));
            }
        }
    }
}

impl InputSpec {
    /// Appends the resolved integers: a code for the kind, then its parameters.
    pub(crate) fn hash_into(&self, hasher: &mut Hasher) {
        match *self {
            InputSpec::Clean {} => hasher.u32(0),
            InputSpec::ShuffledPixels { unit, amount } => {
                hasher.u32(1).u32(unit as u32).u64(threshold(amount))
            }
            InputSpec::RandomPixels { unit, amount, resample } => {
                hasher.u32(2).u32(unit as u32).u64(threshold(amount)).u64(threshold(resample))
            }
            InputSpec::Gaussian { amount, resample } => {
                hasher.u32(3).u64(threshold(amount)).u64(threshold(resample))
            }
        };
    }
}

/// The integer a validated probability stands for.
fn threshold(p: f64) -> u64 {
    Threshold::from_probability(p).map_or(u64::MAX, Threshold::raw)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn one() -> f64 {
    1.0
}

fn is_one(value: &f64) -> bool {
    *value == 1.0
}

fn write_seed<S: Serializer>(seed: &Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    match *seed {
        Some(seed) if i64::try_from(seed).is_err() => serializer.collect_str(&seed),
        seed => seed.serialize(serializer),
    }
}

/// A seed as a number or as text.
fn read_seed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "seed: expected an integer, 0 to 2^64 - 1 (from 2^63 on as text)")]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::Number(seed) => Ok(Some(seed)),
        Either::Text(text) => text
            .parse()
            .map(Some)
            .map_err(|_| de::Error::custom(format!("seed `{text}`: expected an integer, 0 to 2^64 - 1"))),
    }
}

impl<'de> Deserialize<'de> for CorruptionSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        struct Table {
            #[serde(default)]
            labels: LabelSpec,
            #[serde(default)]
            inputs: InputSpec,
            #[serde(default, deserialize_with = "read_seed")]
            seed: Option<u64>,
            #[serde(default)]
            test_inputs: TestInputs,
            #[serde(default)]
            test_labels: TestLabels,
        }
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = CorruptionSpec;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(
                    "a corruption: a text such as \"random-labels\", or a table of labels, inputs, seed",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<CorruptionSpec, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<CorruptionSpec, A::Error> {
                let t = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                let spec = CorruptionSpec {
                    labels: t.labels,
                    inputs: t.inputs,
                    seed: t.seed,
                    test_inputs: t.test_inputs,
                    test_labels: t.test_labels,
                };
                spec.validate().map_err(de::Error::custom)?;
                Ok(spec)
            }
        }
        deserializer.deserialize_any(Either)
    }
}
