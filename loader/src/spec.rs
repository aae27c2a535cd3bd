//! What a user asks of a loader; everything that decides the bytes of a batch, and nothing else.

use serde::{Deserialize, Serialize};

use crate::{
    corrupt::CorruptionSpec,
    decode::Profile,
    dtype::{Dtype, Layout},
    geometry::{Crop, Geometry},
    normalise::Normalise,
    order::{OrderKind, Subset},
    recipe::OnBadRecord,
};

/// A loader's specification. With a data set's content and a seed it fixes every batch of every epoch; threads,
/// ranks, prefetch and resume points are given elsewhere because they must not matter.
///
/// Defaults: clean, no crop, flip or rotation, no normalisation, `u8`, NCHW, batches of 128, the short last batch kept,
/// shuffled, the whole split, encoded images in full and a bad one an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoaderSpec {
    /// The split read.
    pub split: String,
    /// The corruption.
    #[serde(default)]
    pub corruption: CorruptionSpec,
    /// The part of each image that is used.
    #[serde(default)]
    pub crop: Crop,
    /// Mirror left to right with probability 1/2.
    #[serde(default)]
    pub flip: bool,
    /// Turn by an angle of at most this many degrees to either side; 0 for never.
    #[serde(default)]
    pub rotate: u8,
    /// Scaling of values.
    #[serde(default)]
    pub normalise: Normalise,
    /// Element type of the input.
    #[serde(default = "u8_dtype")]
    pub dtype: Dtype,
    /// Layout of the input.
    #[serde(default = "nchw")]
    pub layout: Layout,
    /// Samples of a global batch, over all ranks.
    #[serde(default = "batch")]
    pub batch: usize,
    /// Leave out the short last batch of an epoch.
    #[serde(default)]
    pub drop_last: bool,
    /// Order of an epoch.
    #[serde(default = "shuffled")]
    pub order: OrderKind,
    /// Part of the split that is used.
    #[serde(default)]
    pub subset: Subset,
    /// Column that labels are taken from, in place of the data set's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// At which resolution encoded images are decoded; of no effect on others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decode: Profile,
    /// What becomes of an encoded image that cannot be decoded; of no effect on others.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_bad: OnBadRecord,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const fn u8_dtype() -> Dtype {
    Dtype::U8
}
const fn nchw() -> Layout {
    Layout::Nchw
}
const fn batch() -> usize {
    128
}
const fn shuffled() -> OrderKind {
    OrderKind::Shuffled
}

impl LoaderSpec {
    /// The defaults, for `split`.
    pub fn new(split: impl Into<String>) -> Self {
        LoaderSpec {
            split: split.into(),
            corruption: CorruptionSpec::clean(),
            crop: Crop::None,
            flip: false,
            rotate: 0,
            normalise: Normalise::None,
            dtype: u8_dtype(),
            layout: nchw(),
            batch: batch(),
            drop_last: false,
            order: shuffled(),
            subset: Subset::All,
            label_column: None,
            decode: Profile::Exact,
            on_bad: OnBadRecord::Fail,
        }
    }

    /// With this corruption.
    pub fn corruption(self, corruption: CorruptionSpec) -> Self {
        LoaderSpec { corruption, ..self }
    }

    /// With this crop.
    pub fn crop(self, crop: Crop) -> Self {
        LoaderSpec { crop, ..self }
    }

    /// With or without random mirroring.
    pub fn flip(self, flip: bool) -> Self {
        LoaderSpec { flip, ..self }
    }

    /// With random rotation by up to `degrees` to either side, at most
    /// [`MAX_ROTATION`](crate::geometry::MAX_ROTATION); 0 for none.
    pub fn rotate(self, degrees: u8) -> Self {
        LoaderSpec { rotate: degrees, ..self }
    }

    /// With this scaling.
    pub fn normalise(self, normalise: Normalise) -> Self {
        LoaderSpec { normalise, ..self }
    }

    /// With this element type.
    pub fn dtype(self, dtype: Dtype) -> Self {
        LoaderSpec { dtype, ..self }
    }

    /// With this layout.
    pub fn layout(self, layout: Layout) -> Self {
        LoaderSpec { layout, ..self }
    }

    /// With global batches of `batch` samples.
    pub fn batch(self, batch: usize) -> Self {
        LoaderSpec { batch, ..self }
    }

    /// With or without the short last batch.
    pub fn drop_last(self, drop_last: bool) -> Self {
        LoaderSpec { drop_last, ..self }
    }

    /// In this order.
    pub fn order(self, order: OrderKind) -> Self {
        LoaderSpec { order, ..self }
    }

    /// Of this subset.
    pub fn subset(self, subset: Subset) -> Self {
        LoaderSpec { subset, ..self }
    }

    /// With labels from this column, such as CIFAR-100's `coarse_label`; from the data set's own where that is none.
    pub fn label_column(self, label_column: Option<String>) -> Self {
        LoaderSpec { label_column, ..self }
    }

    /// With encoded images decoded at this resolution.
    pub fn decode(self, decode: Profile) -> Self {
        LoaderSpec { decode, ..self }
    }

    /// With this in place of encoded images that cannot be decoded.
    pub fn on_bad(self, on_bad: OnBadRecord) -> Self {
        LoaderSpec { on_bad, ..self }
    }

    pub(crate) fn geometry(&self) -> Geometry {
        Geometry { crop: self.crop, flip: self.flip, rotate: self.rotate }
    }
}
