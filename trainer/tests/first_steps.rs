//! First losses, gradients and running statistics of every network against values that PyTorch computed in f64 from the
//! same weights and images (`tests/python/first_steps.py`, where their formula and what is recorded are written down).

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use rfx_loader::ImageShape;
use rfx_trainer::{
    model::{Model, ModelName},
    sgd::Sgd,
};
use serde::Deserialize;
use tch::{Device, Kind, Reduction, Tensor};

const RECORD: &str = "trainer/tests/golden/first_steps.json";

/// Norm, and product with a vector of signs.
type Summary = [f64; 2];

#[derive(Deserialize)]
struct Record {
    classes: usize,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    model: ModelName,
    shape: [usize; 3],
    batch: usize,
    lr: f64,
    losses: Vec<f64>,
    gradients: BTreeMap<String, Summary>,
    buffers: BTreeMap<String, Summary>,
}

/// What may differ in f64, in norms: the record has ten digits, and sums may be made in another order.
const TOLERANCE: f64 = 1e-8;

/// What a first loss in f32, as networks are trained, may differ from the one in f64: each of up to 53 layers is off by
/// some 1e-6. Nothing after it can be compared as sharply: where a value is within that of 0, ReLU sends the gradient
/// another way, and in PyTorch itself one such value moves every gradient before it by up to 3 percent.
const TOLERANCE_F32: f64 = 2e-5;

/// MurmurHash3's finaliser.
fn mix(mut x: u32) -> u32 {
    x = (x ^ x >> 16).wrapping_mul(0x85eb_ca6b);
    x = (x ^ x >> 13).wrapping_mul(0xc2b2_ae35);
    x ^ x >> 16
}

fn words(name: &str, count: usize) -> impl Iterator<Item = u32> {
    let start = name.bytes().fold(0x811c_9dc5, |h: u32, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
    (0..count as u32).map(move |i| mix(start.wrapping_add(i)))
}

/// The tensor `name` by the formula.
fn value(name: &str, shape: &[i64]) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let inputs = shape[1..].iter().product::<i64>() as f64;
    let scaled = |u: f64| match name {
        "input" => 3f64.sqrt() * u,
        _ if name.ends_with("running_var") => 1.0 + 0.5 * u,
        _ if shape.len() > 1 => (6.0 / inputs).sqrt() * u,
        _ if name.ends_with("weight") => 1.0 + 0.1 * u,
        _ => 0.1 * u,
    };
    let values: Vec<f32> =
        words(name, count).map(|w| scaled(f64::from(w) / 2f64.powi(31) - 1.0) as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

fn summary(tensor: &Tensor) -> Summary {
    let values = Vec::<f64>::try_from(tensor.detach().flatten(0, -1).to_kind(Kind::Double)).unwrap();
    let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let signed = values.iter().zip(words("probe", values.len()));
    [norm, signed.map(|(v, word)| if word < 1 << 31 { -v } else { *v }).sum()]
}

/// The largest difference of two summaries in units of the norm recorded.
fn difference(found: Summary, recorded: Summary) -> f64 {
    let size = recorded[0].max(1e-12);
    (0..2).map(|i| (found[i] - recorded[i]).abs() / size).fold(0.0, f64::max)
}

/// Gives the tensors of a network the values of the formula, in the type `kind`.
fn fill(model: &Model, kind: Kind) {
    let parameters = model.parameters.list().iter().map(|p| (&p.name, &p.tensor));
    let buffers = model.parameters.buffers().iter().map(|b| (&b.name, &b.tensor));
    for (name, tensor) in parameters.chain(buffers) {
        tensor.shallow_clone().set_data(&value(name, &tensor.size()).to_kind(kind));
    }
}

fn loss(model: &Model, case: &Case, classes: usize, kind: Kind) -> Tensor {
    let [channels, height, width] = case.shape.map(|side| side as i64);
    let input = value("input", &[case.batch as i64, channels, height, width]).to_kind(kind);
    let labels: Vec<i64> = words("label", case.batch).map(|w| i64::from(w) % classes as i64).collect();
    let logits = model.forward(&input, true).unwrap();
    logits.cross_entropy_loss(&Tensor::from_slice(&labels), None::<&Tensor>, Reduction::Mean, -100, 0.0)
}

fn check(case: &Case, classes: usize) {
    let what = format!("{} on {:?}", case.model, case.shape);
    let [channels, height, width] = case.shape;
    let shape = ImageShape::new(channels, height, width).unwrap();
    let model = Model::build(case.model, shape, classes, 0.0, 1, Device::Cpu).unwrap();
    fill(&model, Kind::Float);
    let first = loss(&model, case, classes, Kind::Float).double_value(&[]);
    let off = (first / case.losses[0] - 1.0).abs();
    assert!(off < TOLERANCE_F32, "{what}: first loss in f32 {first}, recorded {}", case.losses[0]);

    fill(&model, Kind::Double);
    let (parameters, buffers) = (model.parameters.list(), model.parameters.buffers());
    let mut sgd = Sgd::new(&model.parameters, 0.9, 5e-4);
    let mut worst = 0f64;
    let mut compare = |difference: f64, name: &str| {
        assert!(difference < TOLERANCE, "{what}: {name} is off by {difference}");
        worst = worst.max(difference);
    };
    for (step, recorded) in case.losses.iter().enumerate() {
        let loss = loss(&model, case, classes, Kind::Double);
        compare((loss.double_value(&[]) / recorded - 1.0).abs(), &format!("loss {step}"));
        if step + 1 == case.losses.len() {
            break;
        }
        loss.backward();
        if step == 0 {
            let names = |tensors: Vec<&String>| tensors.into_iter().cloned().collect::<BTreeSet<_>>();
            assert_eq!(
                names(parameters.iter().map(|p| &p.name).collect()),
                names(case.gradients.keys().collect())
            );
            assert_eq!(
                names(buffers.iter().map(|b| &b.name).collect()),
                names(case.buffers.keys().collect())
            );
            for p in parameters {
                compare(difference(summary(&p.tensor.grad()), case.gradients[&p.name]), &p.name);
            }
            for b in buffers {
                compare(difference(summary(&b.tensor), case.buffers[&b.name]), &b.name);
            }
        }
        sgd.step(&model.parameters, case.lr).unwrap();
    }
    println!("{what}: off by {worst:.1e}, the first loss in f32 by {off:.1e}");
}

#[test]
fn losses_gradients_and_statistics_are_pytorchs() {
    let text = std::fs::read_to_string(support::workspace().join(RECORD)).unwrap();
    let record: Record = serde_json::from_str(&text).unwrap();
    tch::set_num_threads(1); // small operations: more threads mostly wait for each other
    for case in &record.cases {
        check(case, record.classes);
    }
    for name in ModelName::ALL {
        assert!(record.cases.iter().any(|case| case.model == name), "{name} is not recorded");
    }
}

/// The record is what PyTorch says, and not an older one of its generator.
#[test]
fn the_recorded_values_come_out_of_pytorch_again() {
    let Some(python) = support::pytorch("the_recorded_values_come_out_of_pytorch_again") else { return };
    let script = support::workspace().join("trainer/tests/python/first_steps.py");
    let output =
        Command::new(python).arg(script).arg("--check").arg(support::workspace().join(RECORD)).output();
    let compared: usize = support::succeeds(&output.unwrap()).trim().parse().unwrap();
    assert!(compared > 1000, "{compared}");
}
