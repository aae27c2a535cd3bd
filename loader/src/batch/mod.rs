//! Batches in host memory: the slot they are made in, and the guard a consumer holds.

mod guard;
mod host;
mod slot;

pub use guard::Batch;
pub use host::HostBatch;
pub(crate) use slot::{Row, Rows, Slot, SlotShape};

use crate::dtype::{Dtype, Layout};
use crate::shape::ImageShape;

/// Which batch this is and what it looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchInfo {
    /// Epoch, from 0.
    pub epoch: u32,
    /// Step within the epoch, from 0.
    pub step: u64,
    /// Samples in this rank's slice; may be 0.
    pub len: usize,
    /// Place of the slice's first sample within the global batch.
    pub offset: usize,
    /// Samples of the global batch, over all ranks.
    pub global_len: usize,
    /// Shape of one image.
    pub shape: ImageShape,
    /// Element type of the input.
    pub dtype: Dtype,
    /// Layout of the input.
    pub layout: Layout,
}

impl BatchInfo {
    /// Shape of the input: `[len, c, h, w]` or `[len, h, w, c]`.
    pub fn input_shape(&self) -> [usize; 4] {
        let ImageShape { channels, height, width } = self.shape;
        match self.layout {
            Layout::Nchw => [self.len, channels, height, width],
            Layout::Nhwc => [self.len, height, width, channels],
        }
    }
}

/// Implements the read access that a guard and an owned batch share, on top of `fn rows(&self) -> Rows<'_>` and a
/// field `info`.
macro_rules! batch_access {
    ($type:ty) => {
        impl $type {
            /// Epoch and step, shape and dtype.
            pub fn info(&self) -> &crate::batch::BatchInfo {
                &self.info
            }

            /// Epoch, from 0.
            pub fn epoch(&self) -> u32 {
                self.info.epoch
            }

            /// Step within the epoch, from 0.
            pub fn step(&self) -> u64 {
                self.info.step
            }

            /// Samples in this rank's slice; may be 0.
            pub fn len(&self) -> usize {
                self.info.len
            }

            /// Whether this rank's slice of the step is empty.
            pub fn is_empty(&self) -> bool {
                self.info.len == 0
            }

            /// Samples of the global batch, over all ranks.
            pub fn global_len(&self) -> usize {
                self.info.global_len
            }

            /// Shape of the input: `[len, c, h, w]` or `[len, h, w, c]`.
            pub fn shape(&self) -> [usize; 4] {
                self.info.input_shape()
            }

            /// The input's bytes, `shape` x `dtype`, little-endian, 64-byte aligned at the start.
            pub fn input_bytes(&self) -> &[u8] {
                self.rows().input
            }

            /// The input as floats, or `None` where the dtype is not `f32`.
            pub fn input_f32(&self) -> Option<&[f32]> {
                if self.info.dtype != crate::dtype::Dtype::F32 {
                    return None;
                }
                let bytes = self.rows().input;
                // SAFETY: the input starts 64-byte aligned and holds whole little-endian f32 values (this crate
                // builds on little-endian machines only); every bit pattern is a valid f32.
                Some(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / 4) })
            }

            /// The labels to train on, `[len]`.
            pub fn labels(&self) -> &[i64] {
                self.rows().labels
            }

            /// The labels before corruption, `[len]`.
            pub fn clean_labels(&self) -> &[i64] {
                self.rows().clean_labels
            }

            /// The samples' ids, `[len]`.
            pub fn ids(&self) -> &[i64] {
                self.rows().ids
            }

            /// What was done to each label: codes of [`crate::corrupt::LabelRule`], `[len]`.
            pub fn rules(&self) -> &[u8] {
                self.rows().rules
            }

            /// What was done to each image: codes of [`crate::corrupt::InputRule`], `[len]`.
            pub fn input_rules(&self) -> &[u8] {
                self.rows().input_rules
            }
        }
    };
}
pub(crate) use batch_access;
