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
    let (crop, resized) = (format!("random:{side}"), format!("random-resized:{side}"));
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
        // Smaller than the image and larger, of bytes and of floats, drawn often enough that an attempt or two fails.
        batch("true-labels", 5, 1, json!({"crop": resized, "flip": true, "batch_size": 100})),
        batch(
            "shuffled-pixels:at=stored",
            6,
            1,
            json!({"crop": "random-resized:50,area=0.9..1", "dtype": "u8", "normalise": "none", "layout": "nhwc"}),
        ),
        batch("gaussian:amount=0.5", 0, 2, json!({"crop": "random-resized:9,area=0.001..0.3", "batch_size": 64})),
        batch("random-labels", 2, 3, json!({"rank": 1, "world": 3})),
        // Windows that end within a batch, a short last block; neighbours in the files, not by id; of a subset, its own.
        batch("random-labels", 0, 0, json!({"order": "windowed:512"})),
        batch("true-labels", 3, 7, json!({"order": "windowed:1000,block=25", "batch_size": 300, "rank": 1, "world": 2})),
        batch("true-labels", 3, 4, json!({"order": "windowed:96,block=32", "subset": "1001@5", "batch_size": 200})),
        batch("true-labels", 400, 1, json!({"order": "windowed:3000000000,block=1", "batch_size": 100})),
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

/// Files that corruptions name, for one data set: a matrix twice, and labels three times.
struct Files {
    _folder: tempfile::TempDir,
    matrices: [String; 2],
    labels: [String; 3],
}

impl Files {
    fn new(dataset: &Path) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let text = |name: &str| at(name).to_str().unwrap().to_owned();
        // Class y is kept by 0.3 + 0.07 y; the others get shares in no simple ratio; class 4 is never left.
        let t = |y: usize, k: usize| match (y, k) {
            (4, 4) => 1.0,
            (4, _) => 0.0,
            _ if y == k => 0.3 + 0.07 * y as f64,
            _ => {
                (0.7 - 0.07 * y as f64) * (k * k + y + 1) as f64
                    / (0..10).filter(|&j| j != y).map(|j| (j * j + y + 1) as f64).sum::<f64>()
            }
        };
        let rows: Vec<Vec<f64>> = (0..10).map(|y| (0..10).map(|k| t(y, k)).collect()).collect();
        let lines = rows.iter().map(|r| r.iter().map(f64::to_string).collect::<Vec<_>>().join(",") + "\n");
        std::fs::write(at("T, of mine.csv"), lines.collect::<String>()).unwrap();
        let numbers: Vec<u8> = rows.concat().iter().flat_map(|p| p.to_le_bytes()).collect();
        std::fs::write(at("T.npy"), npy("<f8", "(10, 10)", &numbers)).unwrap();
        // What rfx-inspect writes is itself a file of labels: by id, with clean labels beside.
        let spec = "--corrupt labels=uniform:p=0.4 --seed 3 --out";
        run(INSPECT, &format!("labels {spec} {}", at("own.csv").display()), &[&dataset]).ended(0);
        let own = std::fs::read_to_string(at("own.csv")).unwrap();
        let new: Vec<&str> = own.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
        let wide: Vec<u8> = new.iter().flat_map(|l| l.parse::<i32>().unwrap().to_le_bytes()).collect();
        std::fs::write(at("wide.npy"), npy("<i4", &format!("({},)", new.len()), &wide)).unwrap();
        std::fs::write(at("bare.csv"), new.join("\n")).unwrap();
        Files {
            matrices: [format!("file=\"{}\"", text("T, of mine.csv")), format!("file={}", text("T.npy"))],
            labels: ["own.csv", "wide.npy", "bare.csv"].map(|name| format!("path={}", text(name))),
            _folder: folder,
        }
    }
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// Every other kind of label noise, at several seeds and epochs, and on the test split.
fn zoo_labels(files: &Files) -> Vec<Value> {
    let [csv, npy] = &files.matrices;
    let [own, wide, bare] = &files.labels;
    let case = |corrupt: &str, epoch: u32| json!({"corrupt": corrupt, "seed": 7, "epoch": epoch});
    let mut cases = vec![
        case("labels=pair-flip:p=0.45", 0),
        case("labels=pair-flip:p=0.45,exact", 3),
        case("labels=asymmetric:p=0.4", 0),
        case("labels=asymmetric:p=0.4,exact", 0),
        case(&format!("labels=matrix:{csv}"), 0),
        case(&format!("labels=matrix:{npy},amount=0.3,resample=0.5"), 2),
        case(&format!("labels=matrix:{csv},exact,resample=1"), 5),
        case(&format!("labels=file:{own}"), 0),
        case(&format!("labels=file:{own},column=new,amount=0.25"), 0),
        case(&format!("labels=file:{wide}"), 0),
        case(&format!("labels=file:{bare}"), 0),
        case("labels=instance-dependent:rate=0.3", 0),
        case("labels=instance-dependent:rate=0.6,resample=0.5", 4),
        case("labels=zhang2017:p=0.5", 0),
        case("labels=zhang2017:p=1", 9),
        case("inputs=trigger:target=3,amount=0.1", 0),
        case("labels=uniform:p=0.5,resample=1 inputs=trigger:target=3,amount=0.1", 2),
    ];
    for corrupt in [
        "labels=pair-flip:p=0.45,exact test-labels=same",
        "labels=zhang2017:p=0.5 test-labels=same",
        "labels=instance-dependent:rate=0.2 test-labels=same",
        "inputs=trigger:target=3,amount=0.1",
        "inputs=trigger:target=3,amount=0.1 test-labels=same",
        "inputs=trigger:target=3,amount=0.1 test-labels=same test-inputs=clean",
    ] {
        cases.push(json!({"corrupt": corrupt, "seed": 7, "epoch": 0, "split": "test"}));
    }
    cases
}

/// Every other kind of image corruption, after and before geometry; and each label noise once, for its digest.
fn zoo_batches(side: usize, files: &Files) -> Vec<Value> {
    let crop = format!("random:{side}");
    let mut cases = Vec::new();
    for corrupt in [
        "inputs=additive:sigma=0.1",
        "inputs=additive:severity=5,amount=0.5,resample=0.5,at=stored",
        "inputs=impulse:p=0.1,amount=0.7",
        "inputs=impulse:severity=1,resample=1,at=stored",
        "inputs=shot:lambda=12.5,resample=0.5",
        "inputs=shot:severity=3,at=stored",
        "inputs=trigger:target=3,amount=0.5",
        "inputs=trigger:target=0,amount=0.5,size=5,pattern=77,position=top-left,blend=0.2,at=stored",
        "inputs=trigger:target=9,amount=1,size=4,position=bottom-left,at=stored",
        "shuffled-pixels:at=stored,amount=0.5",
        "random-pixels:positions,resample=0.5,at=stored",
        "gaussian:amount=0.5,at=stored",
    ] {
        let options = json!({"crop": crop, "flip": true, "batch_size": 64});
        cases.push(batch(corrupt, 3, 5, options.clone()));
        let mut test = batch(corrupt, 0, 1, options);
        (test["split"], test["dtype"], test["normalise"]) = ("test".into(), "u8".into(), "none".into());
        cases.push(test);
    }
    let noise = zoo_labels(files).into_iter().filter(|case| case["split"].is_null());
    cases.extend(noise.map(|case| batch(case["corrupt"].as_str().unwrap(), 1, 0, json!({"batch_size": 16}))));
    cases
}

fn compare_zoo(test: &str, python: &Path, dataset: &Path, side: usize) {
    let files = Files::new(dataset);
    compare(test, python, dataset, zoo_batches(side, &files), zoo_labels(&files));
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
fn python_and_rfx_corrupt_real_cifar10_alike_in_every_way() {
    let test = "python_and_rfx_corrupt_real_cifar10_alike_in_every_way";
    let Some(python) = support::python(test) else { return };
    let Some(source) = support::real_data("cifar-10-batches-bin", test) else { return };
    compare_zoo(test, &python, &packed("reference-cifar10-zoo", "cifar10", Some(&source)), 28);
}

#[test]
fn python_and_rfx_corrupt_real_mnist_alike_in_every_way() {
    let test = "python_and_rfx_corrupt_real_mnist_alike_in_every_way";
    let Some(python) = support::python(test) else { return };
    let Some(source) = support::real_data("mnist", test) else { return };
    compare_zoo(test, &python, &packed("reference-mnist-zoo", "mnist", Some(&source)), 24);
}

#[test]
fn resized_crops_are_pillows_to_a_level_but_for_one_value_in_100_000() {
    let test = "resized_crops_are_pillows_to_a_level_but_for_one_value_in_100_000";
    let Some(python) = support::python(test) else { return };
    let ran = run(python.to_str().unwrap(), "-B", &[&script(), &"pillow"]).ended(0);
    assert!(ran.out.ends_with("checked 203, wrong 0\n"), "{}", ran.out);
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
