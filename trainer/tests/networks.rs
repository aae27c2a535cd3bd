//! The networks' sizes, which the paper prints, and the function each computes, against a NumPy twin.

mod support;

use std::{collections::HashMap, process::Command};

use rfx_loader::ImageShape;
use rfx_trainer::model::{Model, ModelName, WideningFactor};
use safetensors::{Dtype, serialize, tensor::TensorView};
use tch::{Device, Kind, Tensor};

/// The side of the images that tests give to a network: the paper's crop, where that is not too small.
fn side(name: ModelName) -> usize {
    name.least_side().max(28)
}

fn build(name: ModelName, seed: u64) -> Model {
    let shape = ImageShape::new(3, side(name), side(name)).unwrap();
    Model::build(name, shape, 10, 0.5, seed, Device::Cpu).unwrap()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(tensor.flatten(0, -1)).unwrap()
}

#[test]
fn parameter_counts_are_those_of_the_paper() {
    // Zhang et al. 2017, Table 1: 1,649,402 with and without batch normalisation.
    let paper = [
        (ModelName::Mlp1x512, 1_209_866),
        (ModelName::Mlp3x512, 1_735_178),
        (ModelName::AlexNet, 1_387_786),
        (ModelName::Inception, 1_649_402),
        (ModelName::InceptionNoBn, 1_649_402),
    ];
    for (name, count) in paper {
        assert!(name.is_the_papers());
        assert_eq!(build(name, 1).parameters.count(), count, "{name}");
    }
}

#[test]
fn parameter_counts_of_the_other_networks_are_the_usual_ones() {
    let wide = |k| ModelName::WideResNet28(WideningFactor::new(k).unwrap());
    let count = |name, side, classes| {
        let shape = ImageShape::new(3, side, side).unwrap();
        Model::build(name, shape, classes, 0.0, 1, Device::Cpu).unwrap().parameters.count()
    };
    // torchvision's, at 1,000 classes; the stem for small images, at 10.
    assert_eq!(count(ModelName::ResNet18, 224, 1000), 11_689_512);
    assert_eq!(count(ModelName::ResNet50, 224, 1000), 25_557_032);
    assert_eq!(count(ModelName::ResNet18, 32, 10), 11_173_962);
    assert_eq!(count(ModelName::ResNet50, 32, 10), 23_520_842);
    // torchvision's 27,161,264 less the 3,326,696 of its auxiliary classifier.
    assert_eq!(count(ModelName::InceptionV3, 299, 1000), 23_834_568);
    assert_eq!(count(ModelName::InceptionV3, 299, 10), 21_806_058);
    // Zagoruyko and Komodakis 2016 round the first to 36.5 million; later code of the paper's first author trains 28-1.
    assert_eq!(count(wide(10), 32, 10), 36_479_194);
    assert_eq!(count(wide(1), 32, 10), 369_498);
    // The paper counts its Inception alike with and without batch normalisation; so are its quarters.
    assert_eq!(count(ModelName::InceptionW4, 28, 10), 104_534);
    assert_eq!(count(ModelName::InceptionW4NoBn, 28, 10), 104_534);
}

/// The side at which the stem changes is the smaller one.
#[test]
fn the_stem_of_a_resnet_goes_by_the_smaller_side() {
    for (height, width, kernel) in [(64, 64, 7), (63, 64, 3), (64, 63, 3), (224, 32, 3), (28, 28, 3)] {
        let shape = ImageShape::new(3, height, width).unwrap();
        let model = Model::build(ModelName::ResNet18, shape, 10, 0.0, 1, Device::Cpu).unwrap();
        let first = &model.parameters.list()[0];
        assert_eq!((first.name.as_str(), first.tensor.size()), ("conv1.weight", vec![64, 3, kernel, kernel]));
    }
}

#[test]
fn the_same_seed_makes_the_same_weights_and_another_does_not() {
    for name in ModelName::ALL {
        let first: Vec<_> = build(name, 7).parameters.list().iter().map(|p| floats(&p.tensor)).collect();
        let again: Vec<_> = build(name, 7).parameters.list().iter().map(|p| floats(&p.tensor)).collect();
        let other: Vec<_> = build(name, 8).parameters.list().iter().map(|p| floats(&p.tensor)).collect();
        assert!(first == again && first != other, "{name}");
    }
}

#[test]
fn initial_deviations_are_those_stated() {
    for name in ModelName::ALL {
        for p in build(name, 3).parameters.list() {
            let size = p.tensor.size();
            let Some((outputs, inputs)) = size.first().zip(size.get(1)) else {
                // Scales of batch normalisation are weights of one dimension.
                let expected = if p.name.ends_with("weight") { 1.0 } else { 0.0 };
                assert!(floats(&p.tensor).iter().all(|b| *b == expected), "{name} {}", p.name);
                continue;
            };
            let area: i64 = size.iter().skip(2).product();
            let fans = if size.len() == 4 { area * outputs } else { inputs + outputs };
            let expected = (2.0 / fans as f64).sqrt();
            let found = p.tensor.std(false).double_value(&[]);
            // The deviation of a deviation of n values is 1 / sqrt(2 n): five of those, and 0.1% for the mean.
            let slack = 5.0 / (2.0 * p.tensor.numel() as f64).sqrt() + 1e-3;
            assert!((found / expected - 1.0).abs() < slack, "{name} {}: {found} {expected}", p.name);
        }
    }
}

/// Dropout is drawn in training only, and keeps the mean.
#[test]
fn dropout_acts_in_training_only() {
    for name in ModelName::ALL {
        let model = build(name, 1);
        let side = side(name) as i64;
        let input = Tensor::randn([4, 3, side, side], (Kind::Float, Device::Cpu));
        let evaluate = || floats(&model.forward(&input, false).unwrap());
        assert_eq!(evaluate(), evaluate(), "{name}");
        let train = || floats(&model.forward(&input, true).unwrap());
        assert_ne!(train(), train(), "{name}");
    }
}

/// Weight decay is for weights: every tensor of two or more dimensions, and no other.
#[test]
fn biases_scales_and_shifts_do_not_decay() {
    for name in ModelName::ALL {
        for p in build(name, 1).parameters.list() {
            assert_eq!(p.decays, p.tensor.dim() > 1, "{name} {}", p.name);
        }
    }
}

/// Every network's logits in evaluation mode against a NumPy implementation that knows it by the paper's words and the
/// tensors' names alone. Running statistics and shifts are set to noise, so that none of them can be left out.
#[test]
fn logits_are_those_of_an_independent_implementation() {
    let test = "logits_are_those_of_an_independent_implementation";
    let Some(python) = support::python(test) else { return };
    let tmp = tempfile::tempdir().unwrap();
    let small = ModelName::ALL.map(|name| (name, side(name)));
    for (name, side) in small.into_iter().chain([(ModelName::ResNet18, 65), (ModelName::ResNet50, 65)]) {
        let shape = ImageShape::new(3, side, side).unwrap();
        let model = Model::build(name, shape, 10, 0.5, 5, Device::Cpu).unwrap();
        tch::no_grad(|| {
            for p in model.parameters.list().iter().filter(|p| p.tensor.dim() == 1) {
                let centre = if p.name.ends_with("weight") { 1.0 } else { 0.0 };
                p.tensor.shallow_clone().copy_(&(Tensor::randn_like(&p.tensor) * 0.1 + centre));
            }
            for b in model.parameters.buffers() {
                let noise = Tensor::rand_like(&b.tensor);
                let value = if b.name.ends_with("running_var") { noise + 0.5 } else { noise - 0.5 };
                b.tensor.shallow_clone().copy_(&value);
            }
        });
        let input = Tensor::randn([3, 3, side as i64, side as i64], (Kind::Float, Device::Cpu));
        let logits = model.forward(&input, false).unwrap();
        let parameters = model.parameters.list().iter().map(|p| (p.name.clone(), p.tensor.shallow_clone()));
        let buffers = model.parameters.buffers().iter().map(|b| (b.name.clone(), b.tensor.shallow_clone()));
        let extra = [("input".to_owned(), input), ("logits".to_owned(), logits)];
        let tensors: HashMap<String, (Vec<usize>, Vec<u8>)> = parameters
            .chain(buffers)
            .chain(extra)
            .map(|(name, t)| {
                let shape = t.size().iter().map(|s| *s as usize).collect();
                (name, (shape, floats(&t).iter().flat_map(|v| v.to_le_bytes()).collect()))
            })
            .collect();
        let views = tensors
            .iter()
            .map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
        let file = tmp.path().join(format!("{name}.safetensors"));
        std::fs::write(&file, serialize(views, None).unwrap()).unwrap();
        let script = support::workspace().join("trainer/tests/python/logits.py");
        let output = Command::new(&python).arg(script).arg(name.to_string()).arg(&file).output().unwrap();
        let text = support::succeeds(&output);
        let difference: f64 = text.trim().parse().unwrap();
        // f32 sums of some 3000 products against f64 ones.
        assert!(difference < 2e-5, "{name}: logits differ by {difference} of their deviation");
    }
}
