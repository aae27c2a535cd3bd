//! Wide ResNet 28-k (Zagoruyko and Komodakis 2016): three stages of four pre-activation blocks, k times as wide as a
//! ResNet for CIFAR. 28-10 has 36,479,194 parameters at 10 classes.
//!
//! A block is batch normalisation, ReLU, convolution 3x3, twice, with `--dropout` between, before the second
//! convolution. Where size or width change, the shortcut is a 1x1 convolution of the first ReLU's output. Names are those
//! of the usual PyTorch version (xternalz/WideResNet-pytorch).

use rfx_loader::ImageShape;
use tch::{TchError, Tensor};

use super::{
    Network, Parameters,
    layers::{BatchNorm, Conv, EPSILON, Linear, Window, dropout, mean_pool},
    padding::Padding,
};

const STEM: usize = 16;
/// Widths of the stages, to be multiplied by k.
const WIDTHS: [usize; 3] = [16, 32, 64];
/// Blocks of a stage: (28 - 4) / 6.
const BLOCKS: usize = 4;

/// The network.
#[derive(Debug)]
pub struct WideResNet {
    conv: Conv,
    blocks: Vec<Block>,
    norm: BatchNorm,
    head: Linear,
}

impl WideResNet {
    /// Modules `conv1`, `block1.layer.0` to `block3.layer.3`, `bn1`, `fc`, for images of `shape`; `factor` is k.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(
        p: &mut Parameters,
        shape: ImageShape,
        classes: usize,
        factor: usize,
        dropout: f64,
    ) -> Result<Self, TchError> {
        let conv = Conv::new(p, "conv1", [shape.channels, STEM], three_by_three(1), false)?;
        let mut channels = STEM;
        let mut blocks = Vec::new();
        for (stage, width) in WIDTHS.map(|width| width * factor).into_iter().enumerate() {
            for place in 0..BLOCKS {
                let name = format!("block{}.layer.{place}", stage + 1);
                let stride = if place == 0 && stage > 0 { 2 } else { 1 };
                blocks.push(Block::new(p, &name, [channels, width], stride, dropout)?);
                channels = width;
            }
        }
        let norm = BatchNorm::new(p, "bn1", channels, EPSILON)?;
        let head = Linear::new(p, "fc", channels, classes)?;
        Ok(WideResNet { conv, blocks, norm, head })
    }
}

impl Network for WideResNet {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let mut x = self.conv.forward(input)?;
        for block in &self.blocks {
            x = block.forward(&x, train)?;
        }
        self.head.forward(&mean_pool(&self.norm.forward(&x, train)?.f_relu()?)?)
    }
}

fn three_by_three(stride: usize) -> Window {
    Window { size: [3; 2], stride, padding: Padding::Half }
}

#[derive(Debug)]
struct Block {
    norms: [BatchNorm; 2],
    convs: [Conv; 2],
    shortcut: Option<Conv>,
    dropout: f64,
}

impl Block {
    fn new(
        p: &mut Parameters,
        name: &str,
        channels: [usize; 2],
        stride: usize,
        dropout: f64,
    ) -> Result<Self, TchError> {
        let [inputs, outputs] = channels;
        let first = BatchNorm::new(p, &format!("{name}.bn1"), inputs, EPSILON)?;
        let widen = Conv::new(p, &format!("{name}.conv1"), channels, three_by_three(stride), false)?;
        let second = BatchNorm::new(p, &format!("{name}.bn2"), outputs, EPSILON)?;
        let keep = Conv::new(p, &format!("{name}.conv2"), [outputs; 2], three_by_three(1), false)?;
        let one = Window { size: [1; 2], stride, padding: Padding::Half };
        let shortcut = match inputs != outputs {
            true => Some(Conv::new(p, &format!("{name}.convShortcut"), channels, one, false)?),
            false => None,
        };
        Ok(Block { norms: [first, second], convs: [widen, keep], shortcut, dropout })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let [first, second] = &self.norms;
        let [widen, keep] = &self.convs;
        let active = first.forward(x, train)?.f_relu()?;
        let y = second.forward(&widen.forward(&active)?, train)?.f_relu()?;
        let y = keep.forward(&dropout(y, self.dropout, train)?)?;
        match &self.shortcut {
            Some(conv) => y.f_add(&conv.forward(&active)?),
            None => y.f_add(x),
        }
    }
}
