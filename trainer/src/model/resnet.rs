//! ResNet-18 and ResNet-50 (He et al. 2016) as torchvision defines them, under its names, so that its `state_dict` and
//! ours are the same: post-activation blocks, the stride of a bottleneck in its 3x3 convolution, batch normalisation
//! with scale and shift.
//!
//! torchvision's stem, a 7x7 convolution and a max-pool of stride 2 each, leaves an image of 32 x 32 with one pixel at
//! the end. So images whose smaller side, after the crop, is below 64 get the stem that is usual for CIFAR: a 3x3
//! convolution of stride 1 and no pool. Everything behind it is the same. He et al. have no dropout; `--dropout` acts
//! before `fc`.

use rfx_loader::ImageShape;
use tch::{TchError, Tensor};

use super::{
    Network, Parameters,
    layers::{BatchNorm, Conv, EPSILON, Linear, Window, dropout, mean_pool},
    padding::{Padding, max_pool},
};

/// Smaller side of an image from which on the stem is torchvision's.
const LARGE: usize = 64;
const STEM: usize = 64;
/// Widths of the four stages.
const WIDTHS: [usize; 4] = [64, 128, 256, 512];

/// How many blocks the stages have, and of which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Two 3x3 convolutions in a block.
    Basic([usize; 4]),
    /// 1x1, 3x3, and 1x1 to four times the width.
    Bottleneck([usize; 4]),
}

impl Depth {
    /// ResNet-18.
    pub const D18: Depth = Depth::Basic([2, 2, 2, 2]);
    /// ResNet-50.
    pub const D50: Depth = Depth::Bottleneck([3, 4, 6, 3]);
}

/// The network.
#[derive(Debug)]
pub struct ResNet {
    conv: Conv,
    norm: BatchNorm,
    has_pool: bool,
    blocks: Vec<Block>,
    head: Linear,
    dropout: f64,
}

impl ResNet {
    /// Whether images of `shape` get the stem for small ones.
    pub fn has_small_stem(shape: ImageShape) -> bool {
        shape.height.min(shape.width) < LARGE
    }

    /// Modules `conv1`, `bn1`, `layer1.0` and so on, `fc`, for images of `shape`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(
        p: &mut Parameters,
        shape: ImageShape,
        classes: usize,
        depth: Depth,
        dropout: f64,
    ) -> Result<Self, TchError> {
        let small = Self::has_small_stem(shape);
        let (size, stride) = if small { (3, 1) } else { (7, 2) };
        let window = Window { size: [size; 2], stride, padding: Padding::Half };
        let conv = Conv::new(p, "conv1", [shape.channels, STEM], window, false)?;
        let norm = BatchNorm::new(p, "bn1", STEM, EPSILON)?;
        let mut channels = STEM;
        let mut blocks = Vec::new();
        let (Depth::Basic(counts) | Depth::Bottleneck(counts)) = depth;
        for (stage, (width, count)) in WIDTHS.into_iter().zip(counts).enumerate() {
            for place in 0..count {
                let name = format!("layer{}.{place}", stage + 1);
                let stride = if place == 0 && stage > 0 { 2 } else { 1 };
                // Kernel, stride and width of each convolution.
                let (convs, outputs) = match depth {
                    Depth::Basic(_) => (vec![(3, stride, width), (3, 1, width)], width),
                    Depth::Bottleneck(_) => {
                        (vec![(1, 1, width), (3, stride, width), (1, 1, 4 * width)], 4 * width)
                    }
                };
                blocks.push(Block::new(p, &name, channels, &convs, stride)?);
                channels = outputs;
            }
        }
        let head = Linear::new(p, "fc", channels, classes)?;
        Ok(ResNet { conv, norm, has_pool: !small, blocks, head, dropout })
    }
}

impl Network for ResNet {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let mut x = self.norm.forward(&self.conv.forward(input)?, train)?.f_relu()?;
        if self.has_pool {
            x = max_pool(&x, Padding::Half)?;
        }
        for block in &self.blocks {
            x = block.forward(&x, train)?;
        }
        self.head.forward(&dropout(mean_pool(&x)?, self.dropout, train)?)
    }
}

/// `relu(shortcut(x) + residual(x))`.
#[derive(Debug)]
struct Block {
    residual: Vec<(Conv, BatchNorm)>,
    /// A 1x1 convolution where size or width change; else the input itself.
    shortcut: Option<(Conv, BatchNorm)>,
}

impl Block {
    fn new(
        p: &mut Parameters,
        name: &str,
        inputs: usize,
        convs: &[(usize, usize, usize)],
        stride: usize,
    ) -> Result<Self, TchError> {
        let mut layer = |conv: String, norm: String, channels: [usize; 2], size: usize, stride: usize| {
            let window = Window { size: [size; 2], stride, padding: Padding::Half };
            let conv = Conv::new(p, &format!("{name}.{conv}"), channels, window, false)?;
            Ok::<_, TchError>((conv, BatchNorm::new(p, &format!("{name}.{norm}"), channels[1], EPSILON)?))
        };
        let mut channels = inputs;
        let mut residual = Vec::new();
        for (i, &(size, stride, width)) in convs.iter().enumerate() {
            let (conv, norm) = (format!("conv{}", i + 1), format!("bn{}", i + 1));
            residual.push(layer(conv, norm, [channels, width], size, stride)?);
            channels = width;
        }
        let shortcut = match stride != 1 || channels != inputs {
            true => Some(layer("downsample.0".into(), "downsample.1".into(), [inputs, channels], 1, stride)?),
            false => None,
        };
        Ok(Block { residual, shortcut })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let mut y = x.shallow_clone();
        for (i, (conv, norm)) in self.residual.iter().enumerate() {
            y = norm.forward(&conv.forward(&y)?, train)?;
            if i + 1 < self.residual.len() {
                y = y.f_relu()?;
            }
        }
        match &self.shortcut {
            Some((conv, norm)) => y.f_add(&norm.forward(&conv.forward(x)?, train)?)?.f_relu(),
            None => y.f_add(x)?.f_relu(),
        }
    }
}
