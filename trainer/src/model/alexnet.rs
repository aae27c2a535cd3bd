//! The small AlexNet of Zhang et al. 2017 (appendix A): twice convolution 5x5, max-pool 3x3, local response
//! normalisation, then hidden layers of 384 and 192.
//!
//! The paper does not give the channels; of all pairs up to 256, only 64 and 64 with padding SAME make its 1,387,786
//! parameters at 3x28x28 and 10 classes. ReLU follows every layer but the last; pools have stride 2. Normalisation is
//! that of TensorFlow's CIFAR-10 tutorial, after the pool both times, as the paper has it (the tutorial swaps the second).

use rfx_loader::ImageShape;
use tch::{TchError, Tensor};

use super::{
    Network, Parameters,
    layers::{Conv, Linear, Window, dropout},
    padding::{Padding, max_pool},
};

const CHANNELS: usize = 64;
const HIDDEN: [usize; 2] = [384, 192];

/// The network.
#[derive(Debug)]
pub struct SmallAlexNet {
    convs: [Conv; 2],
    layers: [Linear; 3],
    dropout: f64,
}

impl SmallAlexNet {
    /// Modules `conv1`, `conv2`, `fc1` to `fc3`, for images of `shape`; `dropout` acts after both hidden layers.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(
        p: &mut Parameters,
        shape: ImageShape,
        classes: usize,
        dropout: f64,
    ) -> Result<Self, TchError> {
        let window = Window { size: [5; 2], stride: 1, padding: Padding::Same };
        let convs = [
            Conv::new(p, "conv1", [shape.channels, CHANNELS], window, true)?,
            Conv::new(p, "conv2", [CHANNELS, CHANNELS], window, true)?,
        ];
        let pooled = |side: usize| side.div_ceil(2).div_ceil(2);
        let values = CHANNELS * pooled(shape.height) * pooled(shape.width);
        let layers = [
            Linear::new(p, "fc1", values, HIDDEN[0])?,
            Linear::new(p, "fc2", HIDDEN[0], HIDDEN[1])?,
            Linear::new(p, "fc3", HIDDEN[1], classes)?,
        ];
        Ok(SmallAlexNet { convs, layers, dropout })
    }
}

impl Network for SmallAlexNet {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let mut x = input.shallow_clone();
        for conv in &self.convs {
            x = local_response_norm(&max_pool(&conv.forward(&x)?.f_relu()?, Padding::Same)?)?;
        }
        x = x.f_flatten(1, -1)?;
        let [hidden @ .., last] = &self.layers;
        for layer in hidden {
            x = dropout(layer.forward(&x)?.f_relu()?, self.dropout, train)?;
        }
        last.forward(&x)
    }
}

/// `x / (1 + 0.001 m)^0.75`, where m is the mean of the squares over a window of 9 channels, those beyond the ends
/// counted as 0: PyTorch's `LocalResponseNorm(9, 0.001, 0.75, 1)`, TensorFlow's with radius 4 and alpha 0.001 / 9. `x` is
/// `[n, c, h, w]`.
///
/// The means are a 1x1 convolution by a band matrix. PyTorch's own way, a pool over the channels, takes three times as
/// long (forward and backward at 64 channels, one core), which made a fifth of a step of this network.
fn local_response_norm(x: &Tensor) -> Result<Tensor, TchError> {
    const RADIUS: i64 = 4;
    let channels = x.size().get(1).copied().unwrap_or(0);
    let ones = Tensor::f_ones([channels, channels], (x.kind(), x.device()))?;
    let band = ones.f_triu(-RADIUS)?.f_tril(RADIUS)?.f_div_scalar(2 * RADIUS + 1)?;
    let means = x.f_mul(x)?.f_conv2d(
        &band.f_view([channels, channels, 1, 1])?,
        None::<&Tensor>,
        [1; 2],
        [0; 2],
        [1; 2],
        1,
    )?;
    x.f_div(&means.f_mul_scalar(0.001)?.f_add_scalar(1.0)?.f_pow_tensor_scalar(0.75)?)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn normalisation_is_the_formula() {
        let (channels, alpha) = (20usize, 0.001);
        let x = Tensor::randn([2, channels as i64, 3, 2], (Kind::Double, Device::Cpu)) * 30.0;
        let y = local_response_norm(&x).unwrap();
        for (n, h, w) in [(0, 0, 0), (1, 2, 1), (0, 1, 1)] {
            let at = |c: usize| x.double_value(&[n, c as i64, h, w]);
            for c in 0..channels {
                let window = c.saturating_sub(4)..(c + 5).min(channels);
                let sum: f64 = window.map(|c| at(c) * at(c)).sum();
                let expected = at(c) / (1.0 + alpha / 9.0 * sum).powf(0.75);
                assert!((y.double_value(&[n, c as i64, h, w]) - expected).abs() < 1e-12, "{c}");
            }
        }
    }
}
