//! Multi-layer perceptrons: linear layers with ReLU between them (Zhang et al. 2017, appendix A).

use rfx_loader::ImageShape;
use tch::{TchError, Tensor};

use super::{
    Network, Parameters,
    layers::{Linear, dropout},
};

/// `values -> hidden... -> classes`, biases everywhere, ReLU after every hidden layer, then dropout if any.
#[derive(Debug)]
pub struct Mlp {
    layers: Vec<Linear>,
    dropout: f64,
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
                x = dropout(x.f_relu()?, self.dropout, train)?;
            }
        }
        Ok(x)
    }
}
