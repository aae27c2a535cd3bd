//! The settings of `rfx-train demo`, which the test of the paper's finding shares.

use std::path::Path;

use rfx_loader::CorruptionSpec;

use crate::{config::Options, model::ModelName};

/// Training samples, at most.
pub const SAMPLES: usize = 10_000;

/// MLP 1x512 on one of the paper's variants until the train loss is below 0.05 or for 60 epochs. The learning rate is the
/// demo's own: at the paper's 0.01 random labels are not quite fitted after 60 epochs of 10,000 samples.
pub fn settings(data: &Path, corruption: CorruptionSpec) -> Options {
    Options {
        data: Some(data.to_path_buf()),
        model: Some(ModelName::Mlp1x512),
        corruption: Some(corruption),
        epochs: Some(60),
        until_loss: Some(0.05),
        lr: Some(0.02),
        ..Options::default()
    }
}
