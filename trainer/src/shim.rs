//! The C++ shim's functions (`csrc/shim.cpp`), each behind a safe face.

use std::ffi::{CStr, c_char, c_int, c_void};

use rfx_loader::Dtype;
use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn rfx_shim_error() -> *const c_char;
    fn rfx_shim_from_blob(
        data: *mut c_void,
        sizes: *const i64,
        n: usize,
        kind: c_int,
        deleter: extern "C" fn(*mut c_void),
        context: *mut c_void,
    ) -> *mut C_tensor;
    fn rfx_shim_sgd_step(
        params: *const *mut C_tensor,
        buffers: *const *mut C_tensor,
        decay: *const f64,
        n: usize,
        lr: f64,
        momentum: f64,
    ) -> c_int;
    fn rfx_shim_deterministic(on: c_int);
}

/// A C++ exception of libtorch, first line only (the rest is a stack trace).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("libtorch: {0}")]
pub struct ShimError(String);

/// libtorch's codes of the element types a batch can have (`c10/core/ScalarType.h`; tch keeps its own list private).
#[derive(Clone, Copy)]
#[repr(i32)]
pub(crate) enum ScalarType {
    U8 = 0,
    I64 = 4,
    F16 = 5,
    F32 = 6,
    Bf16 = 15,
}

impl From<Dtype> for ScalarType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::U8 => ScalarType::U8,
            Dtype::F32 => ScalarType::F32,
            Dtype::F16 => ScalarType::F16,
            Dtype::Bf16 => ScalarType::Bf16,
        }
    }
}

fn last_error() -> ShimError {
    // SAFETY: the shim returns a NUL-terminated string that lives until this thread's next failure.
    ShimError(unsafe { CStr::from_ptr(rfx_shim_error()) }.to_string_lossy().into_owned())
}

/// A contiguous CPU tensor of `sizes` over memory that `owner` keeps alive; `owner` is dropped when the last view of
/// the tensor is gone, on whatever thread drops that.
///
/// # Safety
/// `data` points to enough initialised, aligned values of `kind` for `sizes`, valid until `owner` is dropped, and
/// nothing else writes to them meanwhile.
///
/// # Errors
/// libtorch's own.
pub(crate) unsafe fn tensor_over<O: Send + 'static>(
    data: *mut c_void,
    sizes: &[i64],
    kind: ScalarType,
    owner: O,
) -> Result<Tensor, ShimError> {
    extern "C" fn drop_owner<O>(context: *mut c_void) {
        // SAFETY: `context` is the box leaked below, and libtorch calls a deleter once.
        drop(unsafe { Box::from_raw(context.cast::<O>()) });
    }
    let context = Box::into_raw(Box::new(owner));
    // SAFETY: `sizes` is readable for its length; the caller vouches for `data`; the deleter fits the context.
    let tensor = unsafe {
        rfx_shim_from_blob(data, sizes.as_ptr(), sizes.len(), kind as c_int, drop_owner::<O>, context.cast())
    };
    if tensor.is_null() {
        // from_blob checks sizes before it takes the deleter; leaking one owner is the safe side of not knowing.
        return Err(last_error());
    }
    // SAFETY: a fresh `at::Tensor` on the heap, whose ownership goes to tch.
    Ok(unsafe { Tensor::from_ptr(tensor.cast()) })
}

/// One step of SGD with momentum, in place, forgetting the gradients: `g += decay * w; buffer = momentum * buffer +
/// g; w -= lr * buffer`. Parameters without a gradient are left alone.
///
/// # Errors
/// libtorch's own, for example of shapes that differ.
///
/// # Panics
/// If the three slices differ in length.
pub(crate) fn sgd_step(
    params: &[&Tensor],
    buffers: &[&Tensor],
    decay: &[f64],
    lr: f64,
    momentum: f64,
) -> Result<(), ShimError> {
    assert!(params.len() == buffers.len() && params.len() == decay.len());
    let pointers = |tensors: &[&Tensor]| -> Vec<*mut C_tensor> {
        tensors.iter().map(|t| t.as_ptr().cast_mut().cast()).collect()
    };
    let (params, buffers) = (pointers(params), pointers(buffers));
    // SAFETY: every pointer is a live `at::Tensor` borrowed for this call; the arrays have `n` elements.
    let rc = unsafe {
        rfx_shim_sgd_step(params.as_ptr(), buffers.as_ptr(), decay.as_ptr(), decay.len(), lr, momentum)
    };
    if rc == 0 { Ok(()) } else { Err(last_error()) }
}

/// Asks libtorch for deterministic kernels wherever it has a choice.
pub(crate) fn deterministic() {
    // SAFETY: sets two flags.
    unsafe { rfx_shim_deterministic(1) };
}
