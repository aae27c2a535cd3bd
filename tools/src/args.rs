//! Flags that several commands share.

use std::path::PathBuf;

use clap::Args;
use rfx_loader::{
    CorruptionSpec, Crop, Dataset, Dtype, Layout, LoaderSpec, Normalise, OnBadRecord, OrderKind, Subset,
    dataset::Verify, decode::Profile,
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
  long form               labels=KIND[:OPTION,...] inputs=KIND[:OPTION,...] seed=S
                          test-inputs=same|clean test-labels=clean|same
Labels:
  uniform:p=P             redrawn over all classes; exclude-true, exact, resample=Q
  pair-flip:p=P           class y to y + 1; exact
  asymmetric:p=P          to the class it is mistaken for, by class names or superclass; exact
  matrix:file=T.csv       any matrix, a row per clean class (CSV or .npy); amount=A, exact, resample=Q
  file:path=FILE          labels of a file: CSV, .npy, CIFAR-N's .npy or .pt; column=NAME, amount=A
  instance-dependent:rate=R   by the pixels (Xia 2020); resample=Q
  zhang2017:p=P           the very labels of the authors' code
Inputs (all but trigger: amount=A; all: at=network|stored, after or before crop and flip):
  shuffled-pixels, random-pixels   values or positions; random-pixels also resample=Q
  gaussian                resample=Q
  additive:sigma=S        normal noise added, S in units of 255 levels; or severity=1..5; resample=Q
  impulse:p=P             salt and pepper; or severity=1..5; resample=Q
  shot:lambda=L           Poisson, L photons in white; or severity=1..5; resample=Q
  trigger:target=C,amount=A   a patch and the label C; size=N, pattern=checker|V,
                          position=top-left|..., blend=B
Labels are corrupted in the split `train` only, images in all splits, unless test-... says otherwise.
A value with a space, a comma or a quote stands in double quotes: labels=matrix:file=\"my T.csv\".
loader/CORRUPTION.md says what each kind does, and what it is often taken for.";

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
    /// Part of each image: none, S or center:S, random:S; random-resized:S[,area=A..B], a random rectangle (of the share A to B
    /// of the area, 0.08..1 by default) resized to S x S; or center-resized:S, the central square of 7/8 of the shorter side,
    /// resized. Of JPEG records only the last two can be had
    #[arg(long, default_value = "none")]
    pub crop: Crop,
    /// Mirror images left to right with probability 1/2
    #[arg(long)]
    pub flip: bool,
    /// Turn images by an angle of at most so many degrees to either side
    #[arg(long, value_name = "DEGREES", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=180))]
    pub rotate: u8,
    /// Of JPEG records: decode crops in full (exact), or shrunk by the decoder where they are larger than needed (fast)
    #[arg(long, value_name = "HOW", default_value_t)]
    pub decode: Profile,
    /// A JPEG record that cannot be decoded: fail, blank (zeros in its place) or substitute (the next sample that can be)
    #[arg(long, value_name = "RULE", default_value_t)]
    pub on_bad_record: OnBadRecord,
}

/// What batches look like.
#[derive(Args, Debug)]
pub struct BatchFormArgs {
    /// Samples of a batch
    #[arg(long, value_name = "B", default_value_t = 128)]
    pub batch: usize,
    /// Scaling of values: whiten, channel or none [default: whiten, or none for u8]
    #[arg(long)]
    pub normalise: Option<Normalise>,
    /// Type of the input: f32, f16, bf16 or u8
    #[arg(long, default_value = "f32")]
    pub dtype: Dtype,
    /// Layout of the input: nchw or nhwc
    #[arg(long, default_value = "nchw")]
    pub layout: Layout,
    /// Order of the epoch: shuffled, sequential, or windowed:W[,block=B], which shuffles blocks of B stored rows, and rows
    /// within windows of W
    #[arg(long, default_value = "shuffled")]
    pub order: OrderKind,
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

impl GeometryArgs {
    /// `spec` with this geometry.
    pub fn apply(&self, spec: LoaderSpec) -> LoaderSpec {
        spec.crop(self.crop)
            .flip(self.flip)
            .rotate(self.rotate)
            .decode(self.decode)
            .on_bad(self.on_bad_record)
    }
}

impl BatchFormArgs {
    /// `spec` with batches of this form.
    pub fn apply(&self, spec: LoaderSpec) -> LoaderSpec {
        let unscaled = self.dtype == Dtype::U8;
        let normalise = self.normalise.unwrap_or(if unscaled { Normalise::None } else { Normalise::Whiten });
        spec.batch(self.batch).normalise(normalise).dtype(self.dtype).layout(self.layout).order(self.order)
    }
}

/// A loader spec whose labels are those of `corruption` and whose images are left alone where they have no part in
/// labels, so that of most corruptions nothing is needed but the data set's labels.
pub fn labels_only(
    split: &str,
    corruption: &CorruptionSpec,
    subset: &Subset,
    label_column: Option<&String>,
) -> LoaderSpec {
    LoaderSpec::new(split)
        .corruption(corruption.of_labels())
        .subset(subset.clone())
        .label_column(label_column.cloned())
}
