//! The one file that turns loader batches into tensors, without copying on the CPU.

use std::sync::Arc;

use rfx_loader::{Batch, Layout};
use tch::{Device, TchError, Tensor};

use crate::shim::{self, ScalarType, ShimError};

/// A batch as tensors on the training device.
#[derive(Debug)]
pub struct TorchBatch {
    /// `[n, c, h, w]`; of an NHWC loader a view with `channels_last` strides.
    pub input: Tensor,
    /// The labels to train on, `[n]`, int64.
    pub labels: Tensor,
    /// The labels before corruption, `[n]`, int64.
    pub clean_labels: Tensor,
    /// Which samples are corrupted, `[n]`, float: 1 where the label differs from the clean one or the image was
    /// corrupted, else 0.
    pub corrupted: Tensor,
}

/// A batch could not become tensors.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// Of the shim.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// Of tch.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] TchError),
}

/// C++ messages carry a stack trace after their first line.
pub(crate) fn first_line(error: &TchError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl TorchBatch {
    /// Tensors over `batch`'s own memory, or copies on `device` where that is not the CPU.
    ///
    /// The batch's slot goes back to the loader when the last tensor or view made from it is gone, autograd's saved
    /// inputs included; until then it counts as held.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(batch: Batch, device: Device) -> Result<TorchBatch, BridgeError> {
        let corrupted: Vec<f32> = (0..batch.len())
            .map(|i| {
                let changed = batch.labels()[i] != batch.clean_labels()[i];
                f32::from(u8::from(changed || batch.input_rules()[i] != 0))
            })
            .collect();
        let corrupted = Tensor::f_from_slice(&corrupted)?;
        let clean_labels = Tensor::f_from_slice(batch.clean_labels())?;
        let (info, batch) = (*batch.info(), Arc::new(batch));
        let sizes = batch.shape().map(|s| s as i64);
        // SAFETY: the slot holds `sizes` values of the dtype, 64-byte aligned, until the guard is dropped, and the
        // guard is what the deleter drops. Workers do not write to a held slot.
        let input = unsafe {
            shim::tensor_over(batch.input_ptr().cast(), &sizes, ScalarType::from(info.dtype), batch.clone())
        }?;
        // SAFETY: as above, for `len` labels.
        let labels =
            unsafe { shim::tensor_over(batch.labels_ptr().cast(), &sizes[..1], ScalarType::I64, batch) }?;
        let input = if info.layout == Layout::Nhwc { input.f_permute([0, 3, 1, 2])? } else { input };
        if device == Device::Cpu {
            return Ok(TorchBatch { input, labels, clean_labels, corrupted });
        }
        Ok(TorchBatch {
            input: input.f_to(device)?,
            labels: labels.f_to(device)?,
            clean_labels: clean_labels.f_to(device)?,
            corrupted: corrupted.f_to(device)?,
        })
    }
}
