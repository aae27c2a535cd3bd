//! The layers that the networks here are made of, with the names and the arithmetic of PyTorch's modules.
//!
//! Initialisation is the same in every network: convolutions N(0, 2 / (area outputs)), linear layers N(0, 2 / (inputs +
//! outputs)), biases and shifts 0, scales 1. Those are the values of the paper's authors' later code (the paper does not
//! say); for convolutions they are also what He et al. 2016 and Zagoruyko and Komodakis 2016 used.

use tch::{TchError, Tensor};

use super::{Parameters, padding::Padding};

/// `x W^T + b`.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// `<name>.weight` and `<name>.bias`.
    pub fn new(p: &mut Parameters, name: &str, inputs: usize, outputs: usize) -> Result<Self, TchError> {
        let std = (2.0 / (inputs + outputs) as f64).sqrt();
        let (inputs, outputs) = (inputs as i64, outputs as i64);
        Ok(Linear {
            weight: p.weight(format!("{name}.weight"), &[outputs, inputs], std)?,
            bias: p.bias(format!("{name}.bias"), outputs)?,
        })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        x.f_linear(&self.weight, Some(&self.bias))
    }
}

/// How a convolution goes over an image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Rows and columns of the kernel.
    pub size: [usize; 2],
    /// Step.
    pub stride: usize,
    /// What is added around the image.
    pub padding: Padding,
}

/// A convolution, with or without a bias.
#[derive(Debug)]
pub(super) struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    window: Window,
}

impl Conv {
    /// `<name>.weight`, and `<name>.bias` if it has one; `channels` are those of its input and its output.
    pub fn new(
        p: &mut Parameters,
        name: &str,
        channels: [usize; 2],
        window: Window,
        has_bias: bool,
    ) -> Result<Self, TchError> {
        let [inputs, outputs] = channels.map(|c| c as i64);
        let [rows, columns] = window.size.map(|side| side as i64);
        let std = (2.0 / (rows * columns * outputs) as f64).sqrt();
        let weight = p.weight(format!("{name}.weight"), &[outputs, inputs, rows, columns], std)?;
        let bias = if has_bias { Some(p.bias(format!("{name}.bias"), outputs)?) } else { None };
        Ok(Conv { weight, bias, window })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let Window { size, stride, padding } = self.window;
        let ([top, bottom], [left, right]) = padding.of(x, size.map(|side| side as i64), stride as i64);
        let (bias, stride) = (self.bias.as_ref(), [stride as i64; 2]);
        // Symmetric padding is the convolution's own; the other kind costs a copy of the input.
        if top == bottom && left == right {
            x.f_conv2d(&self.weight, bias, stride, [top, left], [1; 2], 1)
        } else {
            let padded = x.f_constant_pad_nd([left, right, top, bottom])?;
            padded.f_conv2d(&self.weight, bias, stride, [0; 2], [1; 2], 1)
        }
    }
}

/// PyTorch's epsilon where none is given.
pub(super) const EPSILON: f64 = 1e-5;

/// PyTorch's convention: the weight of the new value in running statistics, so one minus the decay.
const MOMENTUM: f64 = 0.1;

/// Batch normalisation over channels, with a shift and, in some networks, a scale. In training it uses the batch's
/// statistics and moves the running ones by a tenth towards them; in evaluation it uses those.
#[derive(Debug)]
pub(super) struct BatchNorm {
    scale: Option<Tensor>,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: f64,
}

impl BatchNorm {
    /// As PyTorch's: `<name>.weight`, `.bias`, `.running_mean`, `.running_var`.
    pub fn new(p: &mut Parameters, name: &str, channels: usize, epsilon: f64) -> Result<Self, TchError> {
        let scale = Some(p.scale(format!("{name}.weight"), channels as i64)?);
        Ok(BatchNorm { scale, epsilon, ..Self::shift_only(p, name, channels)? })
    }

    /// As TF-Slim's: a shift but no scale; epsilon 1e-3.
    pub fn shift_only(p: &mut Parameters, name: &str, channels: usize) -> Result<Self, TchError> {
        let n = channels as i64;
        Ok(BatchNorm {
            scale: None,
            shift: p.bias(format!("{name}.bias"), n)?,
            mean: p.buffer(format!("{name}.running_mean"), n, 0.0)?,
            variance: p.buffer(format!("{name}.running_var"), n, 1.0)?,
            epsilon: 1e-3,
        })
    }

    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let (scale, shift) = (self.scale.as_ref(), Some(&self.shift));
        let (mean, variance) = (Some(&self.mean), Some(&self.variance));
        x.f_batch_norm(scale, shift, mean, variance, train, MOMENTUM, self.epsilon, true)
    }
}

/// Mean over rows and columns, `[n, c, h, w]` to `[n, c]`.
pub(super) fn mean_pool(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_mean_dim(&[2i64, 3][..], false, None)
}

/// In training, values are 0 with probability `probability`, the others grow so that the mean stays.
pub(super) fn dropout(x: Tensor, probability: f64, train: bool) -> Result<Tensor, TchError> {
    if train && probability > 0.0 { x.f_dropout(probability, true) } else { Ok(x) }
}
