//! A network of your own on corrupted batches: a two-layer convolutional one, random labels, five epochs.
//!
//!     cargo run --release -p rfx-trainer --example own_model -- PACKED_DATA_SET [SPEC]

use std::{env, error::Error};

use rfx_trainer::{
    bridge::TorchBatch,
    config::Options,
    feed::{Against, Feed},
    metrics::Tally,
    model::{Model, Network, Parameters},
    sgd::Sgd,
};
use tch::{Device, Kind, Reduction, TchError, Tensor};

/// 5x5 convolution of stride 2, ReLU, 3x3 of stride 2, ReLU, mean over positions, linear.
#[derive(Debug)]
struct Small {
    first: Tensor,
    second: Tensor,
    head: (Tensor, Tensor),
}

impl Small {
    fn new(p: &mut Parameters, channels: i64, classes: i64) -> Result<Small, TchError> {
        // Names are those a PyTorch module would give; weights are a function of the seed alone.
        Ok(Small {
            first: p.weight("conv1.weight", &[32, channels, 5, 5], (2.0 / (25 * channels) as f64).sqrt())?,
            second: p.weight("conv2.weight", &[64, 32, 3, 3], (2.0 / (9.0 * 32.0f64)).sqrt())?,
            head: (p.weight("fc.weight", &[classes, 64], 0.1)?, p.bias("fc.bias", classes)?),
        })
    }
}

impl Network for Small {
    fn forward(&self, input: &Tensor, _train: bool) -> Result<Tensor, TchError> {
        let x = input.f_conv2d(&self.first, None::<&Tensor>, [2; 2], [2; 2], [1; 2], 1)?.f_relu()?;
        let x = x.f_conv2d(&self.second, None::<&Tensor>, [2; 2], [1; 2], [1; 2], 1)?.f_relu()?;
        x.f_mean_dim(&[2i64, 3][..], false, Kind::Float)?.f_linear(&self.head.0, Some(&self.head.1))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let data =
        args.next().ok_or("usage: own_model PACKED_DATA_SET [SPEC]; rfx-pack makes a packed data set")?;
    let options = Options {
        data: Some(data.into()),
        corruption: Some(args.next().unwrap_or_else(|| "random-labels".into()).parse()?),
        subset: Some("2000:balanced".parse()?),
        epochs: Some(5),
        lr: Some(0.05),
        ..Options::default()
    };
    let config = options.resolve()?;
    let feed = Feed::open(&config)?; // the recipes: what to train on, and what to evaluate on
    let mut parameters = Parameters::new(config.seed, Device::Cpu);
    let (channels, classes) = (feed.train.sample_shape().channels as i64, feed.train.classes() as i64);
    let network = Small::new(&mut parameters, channels, classes)?;
    let model = Model::custom(parameters, Box::new(network));
    let mut sgd = Sgd::new(&model.parameters, config.momentum, config.weight_decay);

    let (mut running, loader) =
        (Tally::new(Device::Cpu)?, feed.batches(Default::default(), config.epochs, None)?);
    for batch in loader {
        let batch = batch?;
        let (epoch, last) = (batch.epoch(), batch.step() + 1 == feed.train.steps_per_epoch());
        let batch = TorchBatch::new(batch, Device::Cpu)?; // the loader's own memory, not a copy
        let logits = model.forward(&batch.input, true)?;
        let losses =
            logits.f_cross_entropy_loss(&batch.labels, None::<&Tensor>, Reduction::None, -100, 0.0)?;
        losses.f_mean(Kind::Float)?.f_backward()?;
        sgd.step(&model.parameters, config.lr * config.lr_decay.powi(epoch as i32))?;
        running.add(&losses.detach(), &logits.detach(), &batch.labels, &batch.corrupted)?;
        if last {
            let train = running.score()?;
            let test = feed.evaluate(&model, &feed.test, epoch, Against::Clean, Device::Cpu)?;
            println!(
                "epoch {}: train loss {:.3}, of corrupted samples {:.3}; test accuracy {:.1}%",
                epoch + 1,
                train.loss,
                train.corrupted_loss.unwrap_or(f64::NAN),
                100.0 * test.accuracy
            );
            running = Tally::new(Device::Cpu)?;
        }
    }
    Ok(())
}
