//! The programs on the real CIFAR-10 and MNIST.

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use program::{INSPECT, packed, run};

#[test]
fn cifar10_from_its_binary_files() {
    let test = "cifar10_from_its_binary_files";
    let Some(source) = support::real_data("cifar-10-batches-bin", test) else { return };
    let folder = packed("real-cifar10", "cifar10", Some(&source));
    let info = run(INSPECT, "info --json", &[&folder]).ended(0).json();
    assert_eq!(info["splits"][0]["samples"], 50_000);
    assert_eq!(info["classes"][9]["name"], "truck");
    assert_eq!(
        info["moments"]["sum"],
        serde_json::json!([6_415_713_803u64, 6_295_058_256u64, 5_829_905_436u64])
    );
    assert!(run(INSPECT, "verify", &[&folder]).ended(0).out.starts_with("sound    60,000 samples"));
    let text = run(INSPECT, "info", &[&folder]).ended(0).out;
    assert!(!text.contains("generated data"), "{text}");

    let labels = run(INSPECT, "labels --corrupt partially-corrupted:0.5 --seed 7 --format json", &[&folder]);
    let labels = labels.ended(0).json();
    let matrix: Vec<Vec<u64>> = serde_json::from_value(labels["matrix"].clone()).unwrap();
    assert!(matrix.iter().all(|row| row.iter().sum::<u64>() == 5000));
    let realised = labels["realised_changed"].as_f64().unwrap();
    assert!((realised - 0.45).abs() < 0.01, "{realised}"); // 4.5 standard deviations

    let out = tempfile::tempdir().unwrap();
    let batch = out.path().join("batch.safetensors");
    let about =
        run(INSPECT, "batch --corrupt true-labels --seed 1 --step 390 --crop 28 --out", &[&batch, &folder]);
    assert_eq!(about.ended(0).json()["samples"], 80); // the short last one is kept: 391 steps, as the paper has
    let sheet = out.path().join("sheet.png");
    run(INSPECT, "sheet --corrupt random-pixels --seed 1 --count 6 --out", &[&sheet, &folder]).ended(0);
}

/// The traps of label noise that only show on a set people use it on.
#[test]
fn the_summary_tells_asymmetric_noise_from_its_nominal_rate() {
    let test = "the_summary_tells_asymmetric_noise_from_its_nominal_rate";
    let Some(source) = support::real_data("cifar-10-batches-bin", test) else { return };
    let folder = packed("real-cifar10-asymmetric", "cifar10", Some(&source));
    let labels = |spec: &str, format: &str| {
        run(INSPECT, &format!("labels --seed 1 --format {format} --corrupt {spec}"), &[&folder]).ended(0)
    };
    let json = labels("labels=asymmetric:p=0.4,exact", "json").json();
    let number = |key: &str| json[key].as_f64().unwrap();
    assert!((number("nominal_rate") - 0.4).abs() < 1e-9 && (number("expected_changed") - 0.2).abs() < 1e-9);
    assert_eq!(number("realised_changed"), 0.2);
    let matrix: Vec<Vec<u64>> = serde_json::from_value(json["matrix"].clone()).unwrap();
    let mut flips = vec![vec![0; 10]; 10];
    for (y, row) in flips.iter_mut().enumerate() {
        row[y] = 5000;
    }
    for (y, k) in [(9, 1), (2, 0), (4, 7), (3, 5), (5, 3)] {
        (flips[y][y], flips[y][k]) = (3000, 2000);
    }
    assert_eq!(matrix, flips);
    let text = labels("labels=asymmetric:p=0.6", "csv").err;
    for part in [
        "labels changed: train",
        "chosen by Bernoulli",
        "nominal  0.6000",
        "expected 0.3000",
        "T         0 airplane     1.0000 0.0000",
        "note      only 5 of 10 classes are touched (bird, cat, deer, dog, truck)",
        "majority",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let text = labels("labels=zhang2017:p=1", "csv").err;
    assert!(text.contains("chosen by a published program") && text.contains("seed 12345"), "{text}");
}

#[test]
fn mnist_from_its_gzipped_files() {
    let test = "mnist_from_its_gzipped_files";
    let Some(source) = support::real_data("mnist", test) else { return };
    let folder = packed("real-mnist", "mnist", Some(&source));
    assert!(run(INSPECT, "verify", &[&folder]).ended(0).out.starts_with("sound    70,000 samples"));
    let info = run(INSPECT, "info --json", &[&folder]).ended(0).json();
    assert_eq!(info["element"]["shape"], serde_json::json!([1, 28, 28]));
    let out = tempfile::tempdir().unwrap();
    let sheet = out.path().join("sheet.png");
    let options = "sheet --corrupt shuffled-pixels:positions --seed 1 --split test --count 6 --crop 24 --out";
    run(INSPECT, options, &[&sheet, &folder]).ended(0);
}
