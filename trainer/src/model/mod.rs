//! The networks, exactly as Zhang et al. 2017 count their parameters, and the list of their tensors.

mod inception;
mod mlp;
mod parameters;

pub use inception::SmallInception;
pub use mlp::Mlp;
pub use parameters::{Buffer, Parameter, Parameters};

use std::{fmt, str::FromStr};

use rfx_loader::ImageShape;
use serde::{Deserialize, Serialize};
use tch::{Device, TchError, Tensor};

/// A network: a function of its parameters and an input batch.
pub trait Network: fmt::Debug {
    /// Logits `[n, classes]` of `input` `[n, c, h, w]` (f32). `train` turns on dropout and batch statistics.
    ///
    /// # Errors
    /// libtorch's own, for example of an input of another shape.
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError>;
}

/// A network that `rfx-train` can build by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ModelName {
    /// One hidden layer of 512 (1,209,866 parameters at 3x28x28 and 10 classes).
    #[serde(rename = "mlp-1x512")]
    Mlp1x512,
    /// Three hidden layers of 512 (1,735,178).
    #[serde(rename = "mlp-3x512")]
    Mlp3x512,
    /// The small Inception with batch normalisation (1,649,402).
    #[serde(rename = "inception")]
    Inception,
    /// The same without (1,649,402).
    #[serde(rename = "inception-no-bn")]
    InceptionNoBn,
}

impl ModelName {
    /// Every name, as written in flags and files.
    pub const ALL: [(ModelName, &str); 4] = [
        (ModelName::Mlp1x512, "mlp-1x512"),
        (ModelName::Mlp3x512, "mlp-3x512"),
        (ModelName::Inception, "inception"),
        (ModelName::InceptionNoBn, "inception-no-bn"),
    ];

    /// The initial learning rate of the paper (appendix A): 0.1 for Inception, 0.01 for MLPs.
    pub const fn default_lr(self) -> f64 {
        match self {
            ModelName::Inception | ModelName::InceptionNoBn => 0.1,
            ModelName::Mlp1x512 | ModelName::Mlp3x512 => 0.01,
        }
    }

    /// How people write it in prose and tables.
    pub const fn title(self) -> &'static str {
        match self {
            ModelName::Mlp1x512 => "MLP 1x512",
            ModelName::Mlp3x512 => "MLP 3x512",
            ModelName::Inception => "Inception",
            ModelName::InceptionNoBn => "Inception w/o BatchNorm",
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(model, _)| model == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

/// A model name that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("model `{found}` is unknown: expected one of mlp-1x512, mlp-3x512, inception, inception-no-bn")]
pub struct UnknownModel {
    /// What was found.
    pub found: String,
}

impl FromStr for ModelName {
    type Err = UnknownModel;
    fn from_str(text: &str) -> Result<Self, UnknownModel> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text);
        found.map(|(model, _)| *model).ok_or_else(|| UnknownModel { found: text.into() })
    }
}

/// A built network with its parameters.
#[derive(Debug)]
pub struct Model {
    /// Parameters and buffers, in a fixed order.
    pub parameters: Parameters,
    network: Box<dyn Network>,
}

impl Model {
    /// Builds `name` for images of `shape` and `classes` classes, initialised under `seed`, with `dropout` before
    /// every layer fed by a hidden one, in training.
    ///
    /// # Errors
    /// libtorch's own, for example of a missing device.
    pub fn build(
        name: ModelName,
        shape: ImageShape,
        classes: usize,
        dropout: f64,
        seed: u64,
        device: Device,
    ) -> Result<Model, TchError> {
        let mut parameters = Parameters::new(seed, device);
        let p = &mut parameters;
        let network: Box<dyn Network> = match name {
            ModelName::Mlp1x512 => Box::new(Mlp::new(p, shape, &[512], classes, dropout)?),
            ModelName::Mlp3x512 => Box::new(Mlp::new(p, shape, &[512; 3], classes, dropout)?),
            ModelName::Inception => Box::new(SmallInception::new(p, shape, classes, true, dropout)?),
            ModelName::InceptionNoBn => Box::new(SmallInception::new(p, shape, classes, false, dropout)?),
        };
        Ok(Model { parameters, network })
    }

    /// A model around a network of your own, whose tensors were made through `parameters`.
    pub fn custom(parameters: Parameters, network: Box<dyn Network>) -> Model {
        Model { parameters, network }
    }

    /// Logits `[n, classes]`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        self.network.forward(input, train)
    }
}
