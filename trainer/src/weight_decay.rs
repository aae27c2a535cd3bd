//! The coefficient of weight decay as it is asked for: a number, or the word `default`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de};

use crate::model::ModelName;

/// A coefficient of weight decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WeightDecay {
    /// This one.
    Coefficient(f64),
    /// `default`: [`ModelName::default_weight_decay`].
    OfModel,
}

impl WeightDecay {
    /// The coefficient for `model`.
    pub fn of(self, model: ModelName) -> f64 {
        match self {
            WeightDecay::Coefficient(coefficient) => coefficient,
            WeightDecay::OfModel => model.default_weight_decay(),
        }
    }
}

/// A text that is neither a number nor `default`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("weight decay `{found}`: expected a number or `default`")]
pub struct NotAWeightDecay {
    /// What was found.
    pub found: String,
}

impl FromStr for WeightDecay {
    type Err = NotAWeightDecay;
    fn from_str(text: &str) -> Result<Self, NotAWeightDecay> {
        match text {
            "default" => Ok(WeightDecay::OfModel),
            _ => text
                .parse()
                .map(WeightDecay::Coefficient)
                .map_err(|_| NotAWeightDecay { found: text.to_owned() }),
        }
    }
}

impl<'de> Deserialize<'de> for WeightDecay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = WeightDecay;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number or `default`")
            }
            fn visit_f64<E>(self, coefficient: f64) -> Result<WeightDecay, E> {
                Ok(WeightDecay::Coefficient(coefficient))
            }
            fn visit_i64<E>(self, coefficient: i64) -> Result<WeightDecay, E> {
                Ok(WeightDecay::Coefficient(coefficient as f64))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<WeightDecay, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
