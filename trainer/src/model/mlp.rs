//! Multi-layer perceptrons: linear layers with ReLU between them (Zhang et al. 2017, appendix A).

use rfx_loader::ImageShape;
use tch::{TchError, Tensor};

use super::{Network, Parameters};

/// `values -> hidden... -> classes`, biases everywhere, ReLU after every hidden layer, then dropout if any.
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    dropout: f64,
}

/// `x W^T + b`.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Weights N(0, 2 / (inputs + outputs)), biases 0 (the paper's authors' later code; the paper does not say).
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

impl Mlp {
    /// Layers `fc1`, `fc2`, ... for images of `shape`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(
        p: &mut Parameters,
        shape: ImageShape,
        hidden: &[usize],
        classes: usize,
        dropout: f64,
    ) -> Result<Self, TchError> {
        let widths: Vec<usize> = [shape.values()].iter().chain(hidden).chain(&[classes]).copied().collect();
        let layer = |(i, w): (usize, &[usize])| Linear::new(p, &format!("fc{}", i + 1), w[0], w[1]);
        let layers = widths.windows(2).enumerate().map(layer).collect::<Result<_, _>>()?;
        Ok(Mlp { layers, dropout })
    }
}

impl Network for Mlp {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let mut x = input.f_flatten(1, -1)?;
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(&x)?;
            if i + 1 < self.layers.len() {
                x = x.f_relu()?;
                if train && self.dropout > 0.0 {
                    x = x.f_dropout(self.dropout, true)?;
                }
            }
        }
        Ok(x)
    }
}
