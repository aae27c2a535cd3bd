//! rfx against the independent Python implementation (`loader/tests/python`), byte for byte.
//!
//! `rfx-inspect` writes batches and labels; `check.py` makes the same ones from the packed files and compares.

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use program::{INSPECT, packed, run};
use serde_json::{Value, json};

fn script() -> PathBuf {
    support::workspace().join("loader/tests/python/check.py")
}

/// A call of `rfx-inspect batch` with seed 1, in the words of the Python function's arguments.
fn batch(corrupt: &str, epoch: u32, step: u64, options: Value) -> Value {
    let mut case = json!({"corrupt": corrupt, "seed": 1, "epoch": epoch, "step": step});
    case.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    case
}

/// Seeds, epochs, steps and crop modes that every preset is made with.
const WHERE: [(u64, u32, u64, &str); 3] =
    [(1, 0, 0, "none"), (7, 3, 11, "center"), (0x8000_0000_0000_0005, 400, 200, "random")];

/// Runs `rfx-inspect` for the case, adds the file it wrote, and gives the case back.
fn ask(dataset: &Path, folder: &Path, number: usize, mut case: Value, labels: bool) -> Value {
    let mut command = Command::new(INSPECT);
    let file = folder.join(number.to_string());
    command.arg(if labels { "labels" } else { "batch" }).arg(dataset).arg("--out").arg(&file);
    for (name, value) in case.as_object().unwrap() {
        let name = if name == "batch_size" { "batch" } else { name };
        match value {
            Value::Bool(true) => command.arg(format!("--{name}")),
            Value::Bool(false) => &mut command,
            Value::String(text) => command.arg(format!("--{name}={text}")),
            number => command.arg(format!("--{name}={number}")),
        };
    }
    let ran = program::finish(command).ended(0);
    if labels {
        let digest =
            ran.err.lines().find_map(|l| l.strip_prefix("digest")).expect("a digest").trim().to_owned();
        case["digest"] = digest.into();
    }
    case[if labels { "labels" } else { "batch" }] = file.to_str().unwrap().into();
    case
}

fn compare(test: &str, python: &Path, dataset: &Path, batches: Vec<Value>, labels: Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let count = batches.len();
    let batches =
        batches.into_iter().enumerate().map(|(i, case)| ask(dataset, folder.path(), i, case, false));
    let mut cases: Vec<Value> = batches.collect();
    let labels = labels.into_iter().enumerate();
    cases.extend(labels.map(|(i, case)| ask(dataset, folder.path(), count + i, case, true)));
    let file = folder.path().join("cases.json");
    std::fs::write(&file, serde_json::to_vec_pretty(&cases).unwrap()).unwrap();
    let ran = run(python.to_str().unwrap(), "-B", &[&script(), &"compare", &dataset, &file]);
    assert_eq!(ran.code, Some(0), "{test}: {}{}", ran.out, ran.err);
    let compared = 7 * count + 2 * (cases.len() - count);
    assert!(ran.out.ends_with(&format!("checked {compared}, wrong 0\n")), "{test}: {}", ran.out);
}

const PRESETS: [&str; 6] = [
    "true-labels",
    "partially-corrupted:0.5",
    "random-labels",
    "shuffled-pixels",
    "random-pixels",
    "gaussian",
];

/// Every preset at every seed, epoch, step and crop mode, as bytes and as whitened floats; then every dtype, scaling
/// and layout, and all that may be drawn anew.
fn batches(side: usize) -> Vec<Value> {
    let mut cases = Vec::new();
    for (p, preset) in PRESETS.iter().enumerate() {
        for (seed, epoch, step, crop) in WHERE {
            let crop = if crop == "none" { crop.to_owned() } else { format!("{crop}:{side}") };
            for (dtype, normalise) in [("f32", "whiten"), ("u8", "none")] {
                let layout = ["nchw", "nhwc"][(p + step as usize) % 2];
                let options = json!({"seed": seed, "crop": crop, "flip": step == 200, "dtype": dtype,
                    "normalise": normalise, "layout": layout, "batch_size": 48});
                cases.push(batch(preset, epoch, step, options));
            }
        }
    }
    let dtypes = [
        ("f16", "whiten"),
        ("bf16", "whiten"),
        ("f32", "channel"),
        ("f16", "none"),
        ("bf16", "channel"),
        ("f32", "none"),
    ];
    for (dtype, normalise) in dtypes {
        cases.push(batch(
            "shuffled-pixels",
            1,
            0,
            json!({"dtype": dtype, "normalise": normalise, "batch_size": 16}),
        ));
    }
    for (corrupt, epoch) in [
        ("labels=uniform:p=0.5,resample=0.5 inputs=random-pixels:amount=0.5,resample=0.5", 0),
        ("labels=uniform:p=0.5,resample=0.5 inputs=random-pixels:amount=0.5,resample=0.5", 1),
        ("labels=uniform:p=0.3,exclude-true,exact,resample=1 inputs=gaussian:amount=0.7,resample=0.4", 5),
        ("inputs=shuffled-pixels:positions,amount=0.25 seed=18446744073709551615", 2),
        ("random-pixels:positions,resample=1", 9),
    ] {
        cases.push(batch(corrupt, epoch, 2, json!({"batch_size": 64})));
    }
    let crop = format!("random:{side}");
    cases.extend([
        batch("gaussian test-inputs=clean", 0, 1, json!({"split": "test", "order": "sequential"})),
        batch("random-pixels test-labels=same", 0, 1, json!({"split": "test", "crop": crop, "flip": true})),
        batch("labels=uniform:p=1 inputs=gaussian test-labels=same", 0, 1, json!({"split": "test"})),
        batch("true-labels", 5, 1, json!({"crop": crop, "flip": true, "rotate": 25})),
        batch(
            "shuffled-pixels",
            6,
            1,
            json!({"crop": crop, "rotate": 180, "dtype": "u8", "normalise": "none"}),
        ),
        batch("random-labels", 2, 3, json!({"rank": 1, "world": 3})),
        batch("random-labels", 2, 3, json!({"rank": 4, "world": 300})),
        batch("random-labels", 4, 0, json!({"subset": "1000:balanced", "batch_size": 300})),
        batch("random-labels", 4, 3, json!({"subset": "1001@5", "batch_size": 300})),
        batch("gaussian", 4, 1, json!({"subset": "fraction:0.03", "batch_size": 100})),
        batch("gaussian", 4, 0, json!({"subset": "range:10..90"})),
        batch("random-labels", 4, 0, json!({"subset": "classes:0,7", "batch_size": 33})),
        batch("random-labels", 4, 0, json!({"subset": "ids:5,17,4"})),
    ]);
    cases
}

fn labels() -> Vec<Value> {
    let mut cases = Vec::new();
    for preset in PRESETS {
        for (seed, epoch, ..) in WHERE {
            cases.push(json!({"corrupt": preset, "seed": seed, "epoch": epoch}));
        }
    }
    for (corrupt, epoch) in [
        ("partially-corrupted:0.1", 0),
        ("labels=uniform:p=0.4,exclude-true", 0),
        ("labels=uniform:p=0.25,exact", 0),
        ("labels=uniform:p=0.3333,exact,exclude-true,resample=0.5", 3),
        ("labels=uniform:p=1,resample=1", 1),
        ("random-labels seed=9", 0),
    ] {
        cases.push(json!({"corrupt": corrupt, "seed": 7, "epoch": epoch}));
    }
    cases.push(json!({"corrupt": "random-labels test-labels=same", "seed": 7, "epoch": 0, "split": "test"}));
    cases.push(json!({"corrupt": "random-labels", "seed": 7, "epoch": 0, "split": "test"}));
    cases.push(json!({"corrupt": "random-labels", "seed": 7, "epoch": 0, "subset": "1000:balanced"}));
    cases
}

#[test]
fn python_and_rfx_make_the_same_bytes_of_generated_images() {
    let test = "python_and_rfx_make_the_same_bytes_of_generated_images";
    let Some(python) = support::python(test) else { return };
    // Shuffled on disk, in several shards: the reference has to find the samples by id.
    let options = "generated --pack-order shuffled:5 --shard-size 9";
    compare(test, &python, &packed("reference-generated", options, None), batches(28), labels());
}

#[test]
fn python_and_rfx_make_the_same_bytes_of_real_cifar10() {
    let test = "python_and_rfx_make_the_same_bytes_of_real_cifar10";
    let Some(python) = support::python(test) else { return };
    let Some(source) = support::real_data("cifar-10-batches-bin", test) else { return };
    let dataset = packed("reference-cifar10", "cifar10", Some(&source));
    compare(test, &python, &dataset, batches(28), labels());
}

#[test]
fn python_and_rfx_make_the_same_bytes_of_real_mnist() {
    let test = "python_and_rfx_make_the_same_bytes_of_real_mnist";
    let Some(python) = support::python(test) else { return };
    let Some(source) = support::real_data("mnist", test) else { return };
    compare(test, &python, &packed("reference-mnist", "mnist", Some(&source)), batches(24), labels());
}

#[test]
fn the_reference_reproduces_every_golden_vector() {
    let test = "the_reference_reproduces_every_golden_vector";
    let Some(python) = support::python(test) else { return };
    let vectors = support::workspace().join("loader/tests/golden/vectors.json");
    let mut args: Vec<PathBuf> = vec![script(), "golden".into(), vectors];
    if let Some(source) = support::real_data("cifar-10-batches-bin", test) {
        args.extend(["--cifar".into(), source]);
    }
    let args: Vec<&dyn AsRef<std::ffi::OsStr>> = args.iter().map(|a| a as _).collect();
    let ran = run(python.to_str().unwrap(), "-B", &args).ended(0);
    assert!(ran.out.ends_with("wrong 0\n"), "{}", ran.out);
}
