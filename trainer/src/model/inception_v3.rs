//! Inception v3 (Szegedy et al. 2016) as torchvision defines it without its auxiliary classifier, under its names, so that
//! its `state_dict` and ours are the same but for that: batch normalisation with scale and shift, epsilon 1e-3.
//!
//! Zhang et al. 2017 train it on ImageNet at 299 x 299 (Table 2, Fig. 2a). Whether the auxiliary classifier and label
//! smoothing stayed on in their runs without regularisers, they do not say; here there is neither. `--dropout` acts
//! before `fc`, as theirs. Images need sides of [`LEAST_SIDE`] or more, after the crop.

use rfx_loader::ImageShape;
use tch::{TchError, Tensor};

use super::{
    Network, Parameters,
    layers::{BatchNorm, Conv, Linear, Window, dropout, mean_pool},
    padding::{Padding, max_pool},
};

/// Smallest side of an image of which something is left at the end.
pub(super) const LEAST_SIDE: usize = 75;

/// What is done along a branch. Of a convolution: its name, its channels, its kernel.
enum Step {
    /// A convolution that keeps the sides.
    Conv(&'static str, usize, [usize; 2]),
    /// One of 3 x 3 with stride 2 and no padding.
    Strided(&'static str, usize),
    /// Two of 1 x 3 and 3 x 1 beside each other; their channels are concatenated.
    Fork([&'static str; 2], usize),
    /// The mean over 3 x 3, padding counted.
    MeanPool,
    /// The maximum over 3 x 3 with stride 2 and no padding.
    MaxPool,
}

use Step::{Conv as C, Fork, MaxPool, MeanPool, Strided};

/// The branches of a block; their outputs are concatenated.
type Branches = Vec<Vec<Step>>;

/// 35 x 35: Figure 5 of Szegedy et al.; `pool` channels behind the pool.
fn figure_5(pool: usize) -> Branches {
    vec![
        vec![C("branch1x1", 64, [1, 1])],
        vec![C("branch5x5_1", 48, [1, 1]), C("branch5x5_2", 64, [5, 5])],
        vec![
            C("branch3x3dbl_1", 64, [1, 1]),
            C("branch3x3dbl_2", 96, [3, 3]),
            C("branch3x3dbl_3", 96, [3, 3]),
        ],
        vec![MeanPool, C("branch_pool", pool, [1, 1])],
    ]
}

/// 35 x 35 to 17 x 17.
fn first_reduction() -> Branches {
    vec![
        vec![Strided("branch3x3", 384)],
        vec![C("branch3x3dbl_1", 64, [1, 1]), C("branch3x3dbl_2", 96, [3, 3]), Strided("branch3x3dbl_3", 96)],
        vec![MaxPool],
    ]
}

/// 17 x 17: Figure 6, 7 x 7 in factors; `inner` channels inside.
fn figure_6(inner: usize) -> Branches {
    vec![
        vec![C("branch1x1", 192, [1, 1])],
        vec![C("branch7x7_1", inner, [1, 1]), C("branch7x7_2", inner, [1, 7]), C("branch7x7_3", 192, [7, 1])],
        vec![
            C("branch7x7dbl_1", inner, [1, 1]),
            C("branch7x7dbl_2", inner, [7, 1]),
            C("branch7x7dbl_3", inner, [1, 7]),
            C("branch7x7dbl_4", inner, [7, 1]),
            C("branch7x7dbl_5", 192, [1, 7]),
        ],
        vec![MeanPool, C("branch_pool", 192, [1, 1])],
    ]
}

/// 17 x 17 to 8 x 8.
fn second_reduction() -> Branches {
    vec![
        vec![C("branch3x3_1", 192, [1, 1]), Strided("branch3x3_2", 320)],
        vec![
            C("branch7x7x3_1", 192, [1, 1]),
            C("branch7x7x3_2", 192, [1, 7]),
            C("branch7x7x3_3", 192, [7, 1]),
            Strided("branch7x7x3_4", 192),
        ],
        vec![MaxPool],
    ]
}

/// 8 x 8: Figure 7, wide at the end.
fn figure_7() -> Branches {
    vec![
        vec![C("branch1x1", 320, [1, 1])],
        vec![C("branch3x3_1", 384, [1, 1]), Fork(["branch3x3_2a", "branch3x3_2b"], 384)],
        vec![
            C("branch3x3dbl_1", 448, [1, 1]),
            C("branch3x3dbl_2", 384, [3, 3]),
            Fork(["branch3x3dbl_3a", "branch3x3dbl_3b"], 384),
        ],
        vec![MeanPool, C("branch_pool", 192, [1, 1])],
    ]
}

/// The network.
#[derive(Debug)]
pub struct InceptionV3 {
    stem: Vec<Layer>,
    blocks: Vec<Vec<Vec<Layer>>>,
    head: Linear,
    dropout: f64,
}

impl InceptionV3 {
    /// Modules `Conv2d_1a_3x3` to `Mixed_7c` and `fc`, for images of `shape`; `dropout` acts before `fc`.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn new(
        p: &mut Parameters,
        shape: ImageShape,
        classes: usize,
        dropout: f64,
    ) -> Result<Self, TchError> {
        let mut stem = Vec::new();
        let mut channels = shape.channels;
        for (name, outputs, size, stride, padding) in [
            ("Conv2d_1a_3x3", 32, 3, 2, Padding::Valid),
            ("Conv2d_2a_3x3", 32, 3, 1, Padding::Valid),
            ("Conv2d_2b_3x3", 64, 3, 1, Padding::Half),
            ("Conv2d_3b_1x1", 80, 1, 1, Padding::Valid),
            ("Conv2d_4a_3x3", 192, 3, 1, Padding::Valid),
        ] {
            let window = Window { size: [size; 2], stride, padding };
            stem.push(Layer::Conv(Module::new(p, name, [channels, outputs], window)?));
            // The pools come behind the last convolutions of 147 x 147 and of 71 x 71.
            if outputs == 64 || outputs == 192 {
                stem.push(Layer::MaxPool);
            }
            channels = outputs;
        }
        let mut blocks = Vec::new();
        for (name, branches) in [
            ("Mixed_5b", figure_5(32)),
            ("Mixed_5c", figure_5(64)),
            ("Mixed_5d", figure_5(64)),
            ("Mixed_6a", first_reduction()),
            ("Mixed_6b", figure_6(128)),
            ("Mixed_6c", figure_6(160)),
            ("Mixed_6d", figure_6(160)),
            ("Mixed_6e", figure_6(192)),
            ("Mixed_7a", second_reduction()),
            ("Mixed_7b", figure_7()),
            ("Mixed_7c", figure_7()),
        ] {
            let (mut layers, mut outputs) = (Vec::new(), 0);
            for steps in branches {
                let mut inner = channels;
                let branch: Result<Vec<Layer>, TchError> =
                    steps.iter().map(|step| Layer::new(p, name, step, &mut inner)).collect();
                layers.push(branch?);
                outputs += inner;
            }
            blocks.push(layers);
            channels = outputs;
        }
        let head = Linear::new(p, "fc", channels, classes)?;
        Ok(InceptionV3 { stem, blocks, head, dropout })
    }

    /// What the stem and each block make of `input`, before the mean pool: for tests of shapes.
    fn features(&self, input: &Tensor, train: bool) -> Result<Vec<Tensor>, TchError> {
        let mut stages = vec![along(&self.stem, input, train)?];
        for branches in &self.blocks {
            let x = &stages[stages.len() - 1];
            let outputs: Result<Vec<Tensor>, TchError> =
                branches.iter().map(|branch| along(branch, x, train)).collect();
            stages.push(Tensor::f_cat(&outputs?, 1)?);
        }
        Ok(stages)
    }
}

impl Network for InceptionV3 {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let stages = self.features(input, train)?;
        let x = mean_pool(&stages[stages.len() - 1])?;
        self.head.forward(&dropout(x, self.dropout, train)?)
    }
}

fn along(layers: &[Layer], x: &Tensor, train: bool) -> Result<Tensor, TchError> {
    layers.iter().try_fold(x.shallow_clone(), |x, layer| layer.forward(&x, train))
}

#[derive(Debug)]
enum Layer {
    Conv(Module),
    Fork(Box<[Module; 2]>),
    MeanPool,
    MaxPool,
}

impl Layer {
    /// The step of block `block` that comes where there are `channels`, which become those behind it.
    fn new(p: &mut Parameters, block: &str, step: &Step, channels: &mut usize) -> Result<Layer, TchError> {
        let inputs = *channels;
        let mut module = |name: &str, outputs, size, stride, padding| {
            Module::new(p, &format!("{block}.{name}"), [inputs, outputs], Window { size, stride, padding })
        };
        Ok(match *step {
            Step::Conv(name, outputs, size) => {
                *channels = outputs;
                Layer::Conv(module(name, outputs, size, 1, Padding::Half)?)
            }
            Step::Strided(name, outputs) => {
                *channels = outputs;
                Layer::Conv(module(name, outputs, [3, 3], 2, Padding::Valid)?)
            }
            Step::Fork([wide, tall], outputs) => {
                *channels = 2 * outputs;
                let wide = module(wide, outputs, [1, 3], 1, Padding::Half)?;
                let tall = module(tall, outputs, [3, 1], 1, Padding::Half)?;
                Layer::Fork(Box::new([wide, tall]))
            }
            Step::MeanPool => Layer::MeanPool,
            Step::MaxPool => Layer::MaxPool,
        })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        match self {
            Layer::Conv(module) => module.forward(x, train),
            Layer::Fork(both) => {
                let [wide, tall] = &**both;
                Tensor::f_cat(&[wide.forward(x, train)?, tall.forward(x, train)?], 1)
            }
            Layer::MeanPool => x.f_avg_pool2d([3; 2], [1; 2], [1; 2], false, true, None),
            Layer::MaxPool => max_pool(x, Padding::Valid),
        }
    }
}

/// Convolution without a bias, batch normalisation, ReLU.
#[derive(Debug)]
struct Module {
    conv: Conv,
    norm: BatchNorm,
}

impl Module {
    fn new(p: &mut Parameters, name: &str, channels: [usize; 2], window: Window) -> Result<Self, TchError> {
        let conv = Conv::new(p, &format!("{name}.conv"), channels, window, false)?;
        let norm = BatchNorm::new(p, &format!("{name}.bn"), channels[1], 1e-3)?;
        Ok(Module { conv, norm })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        self.norm.forward(&self.conv.forward(x)?, train)?.f_relu()
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// Table 1 of Szegedy et al.: sides and channels before each kind of block, at 299 x 299.
    #[test]
    fn stages_are_those_of_its_paper() {
        let shape = ImageShape::new(3, 299, 299).unwrap();
        let net = InceptionV3::new(&mut Parameters::new(1, Device::Cpu), shape, 10, 0.0).unwrap();
        let stages = |side: i64| {
            let x = Tensor::randn([1, 3, side, side], (Kind::Float, Device::Cpu));
            let stages = tch::no_grad(|| net.features(&x, false).unwrap());
            stages.iter().map(|t| (t.size()[1], t.size()[2])).collect::<Vec<_>>()
        };
        let expected = [
            (192, 35),
            (256, 35),
            (288, 35),
            (288, 35),
            (768, 17),
            (768, 17),
            (768, 17),
            (768, 17),
            (768, 17),
            (1280, 8),
            (2048, 8),
            (2048, 8),
        ];
        assert_eq!(stages(299), expected);
        assert_eq!(stages(LEAST_SIDE as i64).last(), Some(&(2048, 1)));
    }

    #[test]
    fn nothing_is_left_of_a_smaller_image() {
        let side = LEAST_SIDE - 1;
        let shape = ImageShape::new(3, side, side).unwrap();
        let net = InceptionV3::new(&mut Parameters::new(1, Device::Cpu), shape, 10, 0.0).unwrap();
        let x = Tensor::randn([1, 3, side as i64, side as i64], (Kind::Float, Device::Cpu));
        assert!(net.forward(&x, false).is_err());
    }
}
