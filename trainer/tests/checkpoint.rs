//! Checkpoints: what is written comes back to the bit, and what is damaged is refused.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rfx_loader::ImageShape;
use rfx_trainer::{
    checkpoint::{Checkpoint, CheckpointError},
    model::{Model, ModelName},
    sgd::Sgd,
    signal::Interrupt,
    train::Run,
};
use tch::Device;

/// Trains a small run in `dir` and returns its checkpoint's path.
fn trained(dir: &Path) -> std::path::PathBuf {
    let (data, out) = (dir.join("data"), dir.join("run"));
    support::tiny(&data);
    let config = support::options(&data).resolve().unwrap();
    Run::begin(config, &out).unwrap().train(&Interrupt::default(), &mut ()).unwrap();
    out.join("checkpoint.safetensors")
}

#[test]
fn every_tensor_and_the_state_come_back() {
    let tmp = tempfile::tempdir().unwrap();
    let path = trained(tmp.path());
    let checkpoint = Checkpoint::read(&path).unwrap();
    assert_eq!((checkpoint.state.epoch, checkpoint.state.step), (2, 4));
    let shape = ImageShape::new(3, 6, 6).unwrap();
    let model = Model::build(ModelName::Mlp1x512, shape, 10, 0.0, 99, Device::Cpu).unwrap();
    let sgd = Sgd::new(&model.parameters, 0.9, 0.0);
    let running = checkpoint.restore(&model, &sgd, Device::Cpu).unwrap();
    let again = tmp.path().join("again.safetensors");
    rfx_trainer::checkpoint::save(&again, &model, &sgd, &running, &checkpoint.state).unwrap();
    assert!(fs::read(&path).unwrap() == fs::read(&again).unwrap());
}

#[test]
fn every_truncation_and_every_flipped_bit_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let path = trained(tmp.path());
    let whole = fs::read(&path).unwrap();
    let damaged = tmp.path().join("damaged.safetensors");
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let refused = |bytes: &[u8], what: &str| {
        fs::write(&damaged, bytes).unwrap();
        let error = Checkpoint::read(&damaged).map(drop).expect_err(what);
        assert!(matches!(error, CheckpointError::Content { .. }), "{what}: {error}");
        let text = error.to_string();
        assert!(text.contains("damaged.safetensors") && text.contains("expected"), "{text}");
    };
    // All of the header, and places spread over the tensors by a prime stride.
    let places =
        || (0..header).step_by(7).chain((header..whole.len()).step_by(10_007)).chain([whole.len() - 1]);
    for length in places() {
        refused(&whole[..length], &format!("cut to {length} bytes"));
    }
    for at in places() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        refused(&bytes, &format!("bit {} of byte {at} flipped", at % 8));
    }
    let mut longer = whole.clone();
    longer.push(0);
    refused(&longer, "one byte longer");
    // What torch.save writes, now and before 1.6: called that, and not looked into.
    for start in [&b"PK\x03\x04\0\0\0\0"[..], &b"\x80\x02\x8a\nl\xfc\x9c"[..]] {
        refused(start, "a pickle");
        assert!(Checkpoint::read(&damaged).map(drop).unwrap_err().to_string().contains("torch.save"));
    }
}

#[test]
fn a_checkpoint_of_another_network_is_refused_by_name_and_copies_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::read(&trained(tmp.path())).unwrap();
    for (name, side, words) in [
        (ModelName::Mlp3x512, 6, "fc2.bias: expected F32 [512], found F32 [10]"),
        (ModelName::Mlp1x512, 7, "fc1.weight"),
        (ModelName::Inception, 6, "no such tensor in this network"),
    ] {
        let shape = ImageShape::new(3, side, side).unwrap();
        let model = Model::build(name, shape, 10, 0.0, 1, Device::Cpu).unwrap();
        let sgd = Sgd::new(&model.parameters, 0.9, 0.0);
        let values = || -> Vec<f64> {
            model
                .parameters
                .list()
                .iter()
                .map(|p| p.tensor.sum(tch::Kind::Double).double_value(&[]))
                .collect()
        };
        let before = values();
        let error = checkpoint.restore(&model, &sgd, Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("expected"), "{error}");
        assert_eq!(values(), before);
    }
}

/// Trains a network for an epoch on images of `side` x `side`, writes a batch with its logits beside the run, and returns
/// what `script` prints about the checkpoint and that batch, which must be of this run.
fn python_reads(
    python: &Path,
    script: &str,
    flags: &[&str],
    name: ModelName,
    data: &Path,
    side: i64,
) -> serde_json::Value {
    let out = data.with_file_name(name.to_string());
    let mut options = support::options(data);
    (options.model, options.epochs, options.lr) = (Some(name), Some(1), Some(1e-3));
    options.subset = Some("40".parse().unwrap());
    let mut run = Run::begin(options.resolve().unwrap(), &out).unwrap();
    run.train(&Interrupt::default(), &mut ()).unwrap();
    let batch = data.with_file_name("batch.safetensors");
    let input = tch::Tensor::randn([4, 3, side, side], (tch::Kind::Float, Device::Cpu));
    let logits = run.model().forward(&input, false).unwrap().detach();
    tch::Tensor::write_safetensors(&[("input", &input), ("logits", &logits)], &batch).unwrap();
    let mut command = Command::new(python);
    command.arg(support::workspace().join("trainer").join(script)).arg(out.join("checkpoint.safetensors"));
    let text = support::succeeds(&command.args(flags).arg(batch).output().unwrap());
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["model"], name.to_string(), "{text}");
    assert_eq!(report["parameters"], run.manifest().parameters, "{text}");
    report
}

/// A packed set of images of `side`, or of the least side of the network, and that side.
fn data_for(name: ModelName, side: usize, tmp: &Path) -> (PathBuf, i64) {
    let side = name.least_side().max(side);
    let data = tmp.join(format!("data-{side}"));
    if !data.exists() {
        support::of_side(&data, side);
    }
    (data, side as i64)
}

/// Names, shapes and dtypes are those of the network's state_dict, and the weights are those of the run: with safetensors
/// and NumPy alone, which every machine that runs the tests has.
#[test]
fn a_checkpoint_loads_into_numpy() {
    let Some(python) = support::python("a_checkpoint_loads_into_numpy") else { return };
    let tmp = tempfile::tempdir().unwrap();
    for name in ModelName::ALL {
        let (data, side) = data_for(name, 6, tmp.path());
        let report = python_reads(&python, "tests/python/checkpoint.py", &[], name, &data, side);
        assert!(report["difference"].as_f64().unwrap() < 2e-5, "{report}");
    }
}

#[test]
fn a_checkpoint_loads_into_pytorch() {
    let Some(python) = support::pytorch("a_checkpoint_loads_into_pytorch") else { return };
    let tmp = tempfile::tempdir().unwrap();
    for name in ModelName::ALL {
        let (data, side) = data_for(name, 28, tmp.path());
        let report = python_reads(&python, "python/load_checkpoint.py", &["--compare"], name, &data, side);
        assert_eq!((&report["epochs"], &report["steps"]), (&1.into(), &2.into()), "{report}");
        assert!(report["difference"].as_f64().unwrap() < 1e-5, "{report}");
    }
}
