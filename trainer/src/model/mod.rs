//! The networks, exactly as their authors count their parameters, and the list of their tensors.

mod alexnet;
mod inception;
mod inception_v3;
mod layers;
mod mlp;
mod name;
mod padding;
mod parameters;
mod resnet;
mod wide_resnet;

pub use alexnet::SmallAlexNet;
pub use inception::SmallInception;
pub use inception_v3::InceptionV3;
pub use mlp::Mlp;
pub use name::{ModelName, UnknownModel, WideningFactor};
pub use parameters::{Buffer, Parameter, Parameters};
pub use resnet::{Depth, ResNet};
pub use wide_resnet::WideResNet;

use std::fmt;

use rfx_loader::ImageShape;
use tch::{Device, TchError, Tensor};

/// A network: a function of its parameters and an input batch.
pub trait Network: fmt::Debug {
    /// Logits `[n, classes]` of `input` `[n, c, h, w]` (f32). `train` turns on dropout and batch statistics.
    ///
    /// # Errors
    /// libtorch's own, for example of an input of another shape.
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError>;
}

/// A built network with its parameters.
#[derive(Debug)]
pub struct Model {
    /// Parameters and buffers, in a fixed order.
    pub parameters: Parameters,
    network: Box<dyn Network>,
}

impl Model {
    /// Builds `name` for images of `shape` and `classes` classes, initialised under `seed`. In training, `dropout` acts
    /// after every hidden layer of an MLP and after AlexNet's two, before the last layer of an Inception or ResNet, and
    /// between the convolutions of a Wide ResNet's blocks.
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
        let inception =
            |p, divisor, batch_norm| SmallInception::new(p, shape, classes, divisor, batch_norm, dropout);
        let network: Box<dyn Network> = match name {
            ModelName::Mlp1x512 => Box::new(Mlp::new(p, shape, &[512], classes, dropout)?),
            ModelName::Mlp3x512 => Box::new(Mlp::new(p, shape, &[512; 3], classes, dropout)?),
            ModelName::AlexNet => Box::new(SmallAlexNet::new(p, shape, classes, dropout)?),
            ModelName::Inception => Box::new(inception(p, 1, true)?),
            ModelName::InceptionNoBn => Box::new(inception(p, 1, false)?),
            ModelName::InceptionW4 => Box::new(inception(p, 4, true)?),
            ModelName::InceptionW4NoBn => Box::new(inception(p, 4, false)?),
            ModelName::InceptionV3 => Box::new(InceptionV3::new(p, shape, classes, dropout)?),
            ModelName::ResNet18 => Box::new(ResNet::new(p, shape, classes, Depth::D18, dropout)?),
            ModelName::ResNet50 => Box::new(ResNet::new(p, shape, classes, Depth::D50, dropout)?),
            ModelName::WideResNet28(k) => Box::new(WideResNet::new(p, shape, classes, k.get(), dropout)?),
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
