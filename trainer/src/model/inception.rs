//! The small Inception of Zhang et al. 2017, Fig. 3, whose 1,649,402 parameters fix its widths.
//!
//! A conv module is convolution, batch normalisation, ReLU. Inception(a, b) concatenates a 1x1 module of a channels
//! and a 3x3 module of b; Downsample(c) a 3x3 module of c with stride 2 and a 3x3 max-pool with stride 2. Padding is
//! TensorFlow's SAME.
//!
//! The count is the same with and without batch normalisation, which therefore has a shift but no scale and replaces
//! the bias, as in TF-Slim. Epsilon 1e-3; running statistics decay by 0.9 (the paper does not say; TensorFlow's 0.999
//! could not have reached the test accuracy its Fig. 2b shows after one epoch).
//!
//! `inception-w4` and `inception-w4-no-bn` are the same with a quarter of the channels in every convolution, for machines
//! without a card. They are not the paper's networks, and say so wherever they are named.

use rfx_loader::ImageShape;
use tch::{TchError, Tensor};

use super::{
    Network, Parameters,
    layers::{BatchNorm, Conv, Linear, Window, dropout, mean_pool},
    padding::{Padding, max_pool},
};

/// The network.
#[derive(Debug)]
pub struct SmallInception {
    stem: ConvModule,
    blocks: Vec<Block>,
    head: Linear,
    dropout: f64,
}

#[derive(Debug)]
enum Block {
    Inception(ConvModule, ConvModule),
    Downsample(ConvModule),
}

/// Widths after the stem, in the order of the figure.
enum Width {
    Inception(usize, usize),
    Downsample(usize),
}

const STEM: usize = 96;
const WIDTHS: [Width; 10] = [
    Width::Inception(32, 32),
    Width::Inception(32, 48),
    Width::Downsample(80),
    Width::Inception(112, 48),
    Width::Inception(96, 64),
    Width::Inception(80, 80),
    Width::Inception(48, 96),
    Width::Downsample(96),
    Width::Inception(176, 160),
    Width::Inception(176, 160),
];

impl SmallInception {
    /// Modules `conv1`, `block2` to `block11`, `fc`, for images of `shape`, with the figure's widths divided by `divisor`
    /// (1, 2, 4, 8 or 16, which divide all of them); `dropout` acts before `fc`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(
        p: &mut Parameters,
        shape: ImageShape,
        classes: usize,
        divisor: usize,
        batch_norm: bool,
        dropout: f64,
    ) -> Result<Self, TchError> {
        let mut module = |name: String, channels, size, stride| {
            ConvModule::new(p, &name, channels, size, stride, batch_norm)
        };
        let mut channels = STEM / divisor;
        let stem = module("conv1".into(), [shape.channels, channels], 3, 1)?;
        let mut blocks = Vec::new();
        for (i, width) in WIDTHS.iter().enumerate() {
            let name = format!("block{}", i + 2);
            match *width {
                Width::Inception(a, b) => {
                    let (a, b) = (a / divisor, b / divisor);
                    let one = module(format!("{name}.conv1x1"), [channels, a], 1, 1)?;
                    let three = module(format!("{name}.conv3x3"), [channels, b], 3, 1)?;
                    blocks.push(Block::Inception(one, three));
                    channels = a + b;
                }
                Width::Downsample(c) => {
                    let c = c / divisor;
                    blocks.push(Block::Downsample(module(format!("{name}.conv3x3"), [channels, c], 3, 2)?));
                    channels += c;
                }
            }
        }
        let head = Linear::new(p, "fc", channels, classes)?;
        Ok(SmallInception { stem, blocks, head, dropout })
    }

    /// What each layer makes of `input`, first to last, before the mean pool: for tests of shapes.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn stages(&self, input: &Tensor, train: bool) -> Result<Vec<Tensor>, TchError> {
        let mut stages = vec![self.stem.forward(input, train)?];
        for block in &self.blocks {
            let x = &stages[stages.len() - 1];
            let next = block.forward(x, train)?;
            stages.push(next);
        }
        Ok(stages)
    }
}

impl Network for SmallInception {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let mut x = self.stem.forward(input, train)?;
        for block in &self.blocks {
            x = block.forward(&x, train)?;
        }
        self.head.forward(&dropout(mean_pool(&x)?, self.dropout, train)?)
    }
}

impl Block {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        match self {
            Block::Inception(one, three) => {
                Tensor::f_cat(&[one.forward(x, train)?, three.forward(x, train)?], 1)
            }
            Block::Downsample(conv) => {
                Tensor::f_cat(&[conv.forward(x, train)?, max_pool(x, Padding::Same)?], 1)
            }
        }
    }
}

/// Convolution, batch normalisation (or the convolution's bias), ReLU.
#[derive(Debug)]
struct ConvModule {
    conv: Conv,
    norm: Option<BatchNorm>,
}

impl ConvModule {
    fn new(
        p: &mut Parameters,
        name: &str,
        channels: [usize; 2],
        size: usize,
        stride: usize,
        batch_norm: bool,
    ) -> Result<Self, TchError> {
        let window = Window { size: [size; 2], stride, padding: Padding::Same };
        let conv = Conv::new(p, &format!("{name}.conv"), channels, window, !batch_norm)?;
        let norm = match batch_norm {
            true => Some(BatchNorm::shift_only(p, &format!("{name}.bn"), channels[1])?),
            false => None,
        };
        Ok(ConvModule { conv, norm })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let y = self.conv.forward(x)?;
        match &self.norm {
            Some(norm) => norm.forward(&y, train)?.f_relu(),
            None => y.f_relu(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn layer_shapes_are_those_of_the_figure() {
        let shape = ImageShape::new(3, 28, 28).unwrap();
        for (divisor, batch_norm, count) in
            [(1, true, 1_649_402), (1, false, 1_649_402), (4, true, 104_534), (4, false, 104_534)]
        {
            let mut p = Parameters::new(1, Device::Cpu);
            let net = SmallInception::new(&mut p, shape, 10, divisor, batch_norm, 0.0).unwrap();
            assert_eq!(p.count(), count);
            let x = Tensor::randn([2, 3, 28, 28], (Kind::Float, Device::Cpu));
            let sizes: Vec<Vec<i64>> = net.stages(&x, true).unwrap().iter().map(Tensor::size).collect();
            let expected = [
                (96, 28),
                (64, 28),
                (80, 28),
                (160, 14),
                (160, 14),
                (160, 14),
                (160, 14),
                (144, 14),
                (240, 7),
                (336, 7),
                (336, 7),
            ];
            assert_eq!(sizes, expected.map(|(c, s)| vec![2, c / divisor as i64, s, s]));
            assert_eq!(net.forward(&x, false).unwrap().size(), [2, 10]);
        }
    }

    #[test]
    fn every_width_is_divided_without_a_rest() {
        for width in WIDTHS {
            let parts = match width {
                Width::Inception(a, b) => vec![a, b],
                Width::Downsample(c) => vec![c],
            };
            assert!(parts.iter().chain([&STEM]).all(|part| part.is_multiple_of(16)));
        }
    }
}
