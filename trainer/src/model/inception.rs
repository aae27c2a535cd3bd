//! The small Inception of Zhang et al. 2017, Fig. 3, whose 1,649,402 parameters fix its widths.
//!
//! A conv module is convolution, batch normalisation, ReLU. Inception(a, b) concatenates a 1x1 module of a channels
//! and a 3x3 module of b; Downsample(c) a 3x3 module of c with stride 2 and a 3x3 max-pool with stride 2. Padding is
//! TensorFlow's SAME, which for stride 2 on an even side pads only at the bottom and right.
//!
//! The count is the same with and without batch normalisation, which therefore has a shift but no scale and replaces
//! the bias, as in TF-Slim. Epsilon 1e-3; running statistics decay by 0.9 (the paper does not say; TensorFlow's 0.999
//! could not have reached the test accuracy its Fig. 2b shows after one epoch).

use rfx_loader::ImageShape;
use tch::{TchError, Tensor};

use super::{Network, Parameters, mlp::Linear};

const BN_EPSILON: f64 = 1e-3;
/// PyTorch's convention: the weight of the new value, so one minus the decay.
const BN_MOMENTUM: f64 = 0.1;

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
    /// Modules `conv1`, `block2` to `block11`, `fc`, for images of `shape`; `dropout` acts before `fc`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(
        p: &mut Parameters,
        shape: ImageShape,
        classes: usize,
        batch_norm: bool,
        dropout: f64,
    ) -> Result<Self, TchError> {
        let mut module = |name: String, inputs, outputs, size, stride| {
            ConvModule::new(p, &name, inputs, outputs, Convolution { size, stride }, batch_norm)
        };
        let stem = module("conv1".into(), shape.channels, STEM, 3, 1)?;
        let mut channels = STEM;
        let mut blocks = Vec::new();
        for (i, width) in WIDTHS.iter().enumerate() {
            let name = format!("block{}", i + 2);
            match *width {
                Width::Inception(a, b) => {
                    let one = module(format!("{name}.conv1x1"), channels, a, 1, 1)?;
                    let three = module(format!("{name}.conv3x3"), channels, b, 3, 1)?;
                    blocks.push(Block::Inception(one, three));
                    channels = a + b;
                }
                Width::Downsample(c) => {
                    blocks.push(Block::Downsample(module(format!("{name}.conv3x3"), channels, c, 3, 2)?));
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
        let mut x = x.f_mean_dim(&[2i64, 3][..], false, None)?;
        if train && self.dropout > 0.0 {
            x = x.f_dropout(self.dropout, true)?;
        }
        self.head.forward(&x)
    }
}

impl Block {
    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        match self {
            Block::Inception(one, three) => {
                Tensor::f_cat(&[one.forward(x, train)?, three.forward(x, train)?], 1)
            }
            Block::Downsample(conv) => Tensor::f_cat(&[conv.forward(x, train)?, max_pool_same(x)?], 1),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Convolution {
    size: i64,
    stride: i64,
}

#[derive(Debug)]
struct ConvModule {
    weight: Tensor,
    /// Of the convolution, or the shift of batch normalisation.
    bias: Tensor,
    running: Option<(Tensor, Tensor)>,
    convolution: Convolution,
}

impl ConvModule {
    /// Weights N(0, 2 / (k k outputs)), biases and shifts 0 (the paper's authors' later code).
    fn new(
        p: &mut Parameters,
        name: &str,
        inputs: usize,
        outputs: usize,
        convolution: Convolution,
        batch_norm: bool,
    ) -> Result<Self, TchError> {
        let (size, inputs, outputs) = (convolution.size, inputs as i64, outputs as i64);
        let std = (2.0 / (size * size * outputs) as f64).sqrt();
        let weight = p.weight(format!("{name}.conv.weight"), &[outputs, inputs, size, size], std)?;
        if !batch_norm {
            let bias = p.bias(format!("{name}.conv.bias"), outputs)?;
            return Ok(ConvModule { weight, bias, running: None, convolution });
        }
        let bias = p.bias(format!("{name}.bn.bias"), outputs)?;
        let mean = p.buffer(format!("{name}.bn.running_mean"), outputs, 0.0)?;
        let variance = p.buffer(format!("{name}.bn.running_var"), outputs, 1.0)?;
        Ok(ConvModule { weight, bias, running: Some((mean, variance)), convolution })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let Convolution { size, stride } = self.convolution;
        let bias = if self.running.is_none() { Some(&self.bias) } else { None };
        let ([top, bottom], [left, right]) = same_padding_of(x, size, stride);
        // Symmetric padding is the convolution's own; the other kind costs a copy of the input.
        let y = if top == bottom && left == right {
            x.f_conv2d(&self.weight, bias, [stride; 2], [top, left], [1; 2], 1)?
        } else {
            let padded = x.f_constant_pad_nd([left, right, top, bottom])?;
            padded.f_conv2d(&self.weight, bias, [stride; 2], [0; 2], [1; 2], 1)?
        };
        let y = match &self.running {
            None => y,
            Some((mean, variance)) => {
                let (scale, shift) = (None::<&Tensor>, Some(&self.bias));
                y.f_batch_norm(
                    scale,
                    shift,
                    Some(mean),
                    Some(variance),
                    train,
                    BN_MOMENTUM,
                    BN_EPSILON,
                    true,
                )?
            }
        };
        y.f_relu()
    }
}

/// Rows and columns to add (before, after) for TensorFlow's SAME.
fn same_padding_of(x: &Tensor, size: i64, stride: i64) -> ([i64; 2], [i64; 2]) {
    let sizes = x.size();
    let side = |i: usize| same_padding(sizes.get(i).copied().unwrap_or(1), size, stride);
    (side(2), side(3))
}

/// TensorFlow's SAME along one axis: ceil(side / stride) outputs, the odd one of the padding at the end.
fn same_padding(side: i64, size: i64, stride: i64) -> [i64; 2] {
    let total = (((side + stride - 1) / stride - 1) * stride + size - side).max(0);
    [total / 2, total - total / 2]
}

/// 3x3, stride 2, SAME; padding never wins the maximum.
fn max_pool_same(x: &Tensor) -> Result<Tensor, TchError> {
    let ([top, bottom], [left, right]) = same_padding_of(x, 3, 2);
    let padded = x.f_pad([left, right, top, bottom], "constant", f64::NEG_INFINITY)?;
    padded.f_max_pool2d([3; 2], [2; 2], [0; 2], [1; 2], false)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn same_padding_is_tensorflows() {
        assert_eq!(same_padding(28, 3, 1), [1, 1]);
        assert_eq!(same_padding(28, 3, 2), [0, 1]);
        assert_eq!(same_padding(7, 3, 2), [1, 1]);
        assert_eq!(same_padding(28, 1, 1), [0, 0]);
        assert_eq!(same_padding(5, 1, 2), [0, 0]);
    }

    #[test]
    fn layer_shapes_are_those_of_the_figure() {
        let shape = ImageShape::new(3, 28, 28).unwrap();
        for batch_norm in [true, false] {
            let mut p = Parameters::new(1, Device::Cpu);
            let net = SmallInception::new(&mut p, shape, 10, batch_norm, 0.0).unwrap();
            assert_eq!(p.count(), 1_649_402);
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
            assert_eq!(sizes, expected.map(|(c, s)| vec![2, c, s, s]));
            assert_eq!(net.forward(&x, false).unwrap().size(), [2, 10]);
        }
    }

    #[test]
    fn stride_two_sees_the_bottom_right_border() {
        // One hot pixel in the last row and column: SAME pads below it, so the last window holds it.
        let x = Tensor::zeros([1, 1, 28, 28], (Kind::Float, Device::Cpu));
        let _ = x.narrow(2, 27, 1).narrow(3, 27, 1).fill_(1.0);
        let pooled = max_pool_same(&x).unwrap();
        assert_eq!(pooled.size(), [1, 1, 14, 14]);
        assert_eq!(pooled.double_value(&[0, 0, 13, 13]), 1.0);
        assert_eq!(pooled.sum(Kind::Float).double_value(&[]), 1.0);
        // And in the first: nothing is padded before it, so only the first window does.
        let x = Tensor::zeros([1, 1, 28, 28], (Kind::Float, Device::Cpu));
        let _ = x.narrow(2, 0, 1).narrow(3, 0, 1).fill_(1.0);
        assert_eq!(max_pool_same(&x).unwrap().sum(Kind::Float).double_value(&[]), 1.0);
    }
}
