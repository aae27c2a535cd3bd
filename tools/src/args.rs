//! Flags that several commands share.

use std::path::PathBuf;

use clap::Args;
use rfx_loader::{
    CorruptionSpec, Crop, Dataset, LoaderSpec, OrderKind, Subset, corrupt::InputSpec, dataset::Verify,
};

/// How a corruption is written, for `--help`.
pub const CORRUPTIONS: &str = "\
Corruptions (SPEC):
  true-labels             nothing
  partially-corrupted:P   each label redrawn uniformly over all classes with probability P
  random-labels           the same with P = 1
  shuffled-pixels         one permutation of the pixel values for all images
  random-pixels           a permutation of its own for each image
  gaussian                normal noise with the train split's mean and variance per channel
  long form               labels=uniform:p=P[,exclude-true][,exact][,resample=Q]
                          inputs=KIND[:OPTION,...] with positions, amount=P, resample=Q
                          seed=S test-inputs=same|clean test-labels=clean|same
Labels are corrupted in the split `train` only, images in all splits, unless test-... says otherwise.";

/// The data set a command looks at that reads no records one by one.
#[derive(Args, Debug)]
pub struct DatasetPath {
    /// Folder that rfx-pack wrote
    #[arg(value_name = "DIR")]
    path: PathBuf,
}

impl DatasetPath {
    /// Opens it.
    ///
    /// # Errors
    /// What is wrong with the data set.
    pub fn open(&self) -> anyhow::Result<Dataset> {
        Ok(Dataset::open(&self.path, Verify::Once)?)
    }
}

/// The data set a command reads samples of.
#[derive(Args, Debug)]
pub struct DatasetArg {
    /// Folder that rfx-pack wrote
    #[arg(value_name = "DIR")]
    path: PathBuf,
    /// When a record is compared with its hash: once, always or never
    #[arg(long, value_name = "WHEN", default_value_t)]
    verify: Verify,
}

impl DatasetArg {
    /// Opens it.
    ///
    /// # Errors
    /// What is wrong with the data set.
    pub fn open(&self) -> anyhow::Result<Dataset> {
        Ok(Dataset::open(&self.path, self.verify)?)
    }
}

/// Which samples, and what is done to them.
#[derive(Args, Debug)]
pub struct CorruptionArgs {
    /// Corruption; `true-labels` for none
    #[arg(long, value_name = "SPEC")]
    pub corrupt: CorruptionSpec,
    /// Seed of order and augmentation, and of the corruption unless SPEC has a seed of its own
    #[arg(long, value_name = "S")]
    pub seed: u64,
    /// Epoch, from 0; it matters where something is redrawn in every epoch
    #[arg(long, value_name = "E", default_value_t = 0)]
    pub epoch: u32,
    /// Split
    #[arg(long, default_value = "train")]
    pub split: String,
    /// Part of the split: N, N:balanced, fraction:F, range:A..B, classes:0,3 or ids:5,17
    #[arg(long, default_value = "all")]
    pub subset: Subset,
    /// Take labels from this column of the data set, such as coarse_label
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
}

/// What happens to an image before it is corrupted.
#[derive(Args, Debug)]
pub struct GeometryArgs {
    /// Part of each image: none, S or center:S, random:S
    #[arg(long, default_value = "none")]
    pub crop: Crop,
    /// Mirror images left to right with probability 1/2
    #[arg(long)]
    pub flip: bool,
}

impl CorruptionArgs {
    /// A loader spec for these samples: bytes as they are, in id order.
    pub fn spec(&self) -> LoaderSpec {
        LoaderSpec::new(&self.split)
            .corruption(self.corrupt.clone())
            .subset(self.subset.clone())
            .label_column(self.label_column.clone())
            .order(OrderKind::Sequential)
    }
}

/// A loader spec whose labels are those of `corruption` and whose images are left alone, so that nothing of the
/// data set but its labels is needed.
pub fn labels_only(
    split: &str,
    corruption: &CorruptionSpec,
    subset: &Subset,
    label_column: Option<&String>,
) -> LoaderSpec {
    let corruption = CorruptionSpec { inputs: InputSpec::default(), ..corruption.clone() };
    LoaderSpec::new(split).corruption(corruption).subset(subset.clone()).label_column(label_column.cloned())
}
