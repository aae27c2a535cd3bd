//! The typed description of a corruption: what a user writes, what a report prints, what a digest covers.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{At, InputSpec, LabelSpec, PermuteUnit, SpecError, options::PROBABILITY};
use crate::rng::Threshold;

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
        let (unit, at) = (PermuteUnit::Values, At::Network);
        vec![
            ("true-labels", Self::clean()),
            ("partially-corrupted:0.5", with_labels(labels(0.5))),
            ("random-labels", with_labels(labels(1.0))),
            ("shuffled-pixels", with_inputs(InputSpec::ShuffledPixels { unit, amount: 1.0, at })),
            ("random-pixels", with_inputs(InputSpec::RandomPixels { unit, amount: 1.0, resample: 0.0, at })),
            ("gaussian", with_inputs(InputSpec::Gaussian { amount: 1.0, resample: 0.0, at })),
        ]
    }

    /// Checks every number's range, and that no seed is given to what has none.
    ///
    /// # Errors
    /// [`SpecError::Value`] naming the first number outside its range; [`SpecError::Contradiction`].
    pub fn validate(&self) -> Result<(), SpecError> {
        self.labels.validate()?;
        self.inputs.validate()?;
        let fixed = matches!(self.labels, LabelSpec::Zhang2017 { .. }) && self.inputs == InputSpec::default();
        match self.seed {
            Some(seed) if fixed => Err(SpecError::Contradiction {
                reason: format!(
                    "seed={seed} would decide nothing: zhang2017 is always drawn under the seed 12345"
                ),
                help: "leave it out, or use uniform:p=... for labels of a seed of your own".into(),
            }),
            _ => Ok(()),
        }
    }

    /// Whether a trigger gives the images of `split` a label too: those trained on, and others where both are asked for.
    pub(crate) fn poisons_labels_of(&self, split: &str) -> bool {
        let patched = matches!(self.inputs_of(split), InputSpec::Trigger { .. });
        patched && (split == TRAIN || self.test_labels == TestLabels::Same)
    }

    /// Whether the labels of `split` are not all as they were.
    pub fn corrupts_labels_of(&self, split: &str) -> bool {
        self.labels_of(split) != LabelSpec::default() || self.poisons_labels_of(split)
    }

    /// The corruption of labels alone: images are left as they are, but for a trigger, which gives labels too.
    pub fn of_labels(&self) -> CorruptionSpec {
        let keeps = matches!(self.inputs, InputSpec::Trigger { .. });
        let inputs = if keeps { self.inputs.clone() } else { InputSpec::default() };
        CorruptionSpec { inputs, ..self.clone() }
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

pub(super) fn check_share(field: &'static str, value: f64) -> Result<(), SpecError> {
    match Threshold::from_probability(value) {
        Some(_) => Ok(()),
        None => Err(SpecError::Value { field, found: value.to_string(), expected: PROBABILITY }),
    }
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) fn one() -> f64 {
    1.0
}

pub(super) fn is_one(value: &f64) -> bool {
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
