//! `benches/compare/loaders.py`, which measures rfx beside other loaders, with what needs none of them: it stays runnable,
//! it finds rfx's batches right, and it refuses wrong ones.

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};

use program::{PACK, Ran, run};
use serde_json::Value;

const SAMPLES: usize = 5 * 60;

fn script(name: &str) -> PathBuf {
    support::workspace().join("benches/compare").join(name)
}

/// Five files in the form of CIFAR-10's, of noise.
fn cifar(folder: &Path) {
    let mut state = 1u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    for number in 1..=5 {
        let record = |_| std::iter::once(byte() % 10).chain((0..3072).map(|_| byte())).collect::<Vec<_>>();
        let records: Vec<u8> = (0..SAMPLES / 5).flat_map(record).collect();
        std::fs::write(folder.join(format!("data_batch_{number}.bin")), records).unwrap();
    }
}

/// Runs the comparison on such files in `folder`.
fn compare(python: &Path, folder: &Path, options: &str) -> Ran {
    let work = folder.join("work");
    let programs = Path::new(PACK).parent().unwrap();
    let options = format!("-B {} {options} --cifar", script("loaders.py").display());
    run(python.to_str().unwrap(), &options, &[&folder, &"--work", &work, &"--rfx", &programs])
}

#[test]
fn the_comparison_lists_its_loaders_and_measures_those_that_are_there() {
    let test = "the_comparison_lists_its_loaders_and_measures_those_that_are_there";
    let Some(python) = support::python(test) else { return };
    let listed = run(python.to_str().unwrap(), "-B", &[&script("loaders.py"), &"--list"]).ended(0).out;
    for loader in ["rfx-1", "ffcv-1", "torch-0", "ram-torch", "ram-numba", "numpy-memmap", "rawblob", "dali"]
    {
        assert!(
            listed.lines().any(|line| line.starts_with(&format!("loader   {loader} "))),
            "{loader}: {listed}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    cifar(folder.path());
    let (json, markdown) = (folder.path().join("all.json"), folder.path().join("all.md"));
    let out = format!("--json {} --markdown {}", json.display(), markdown.display());
    let ran = compare(&python, folder.path(), &format!("--loaders numpy --repeats 2 --seconds 0.01 {out}"))
        .ended(0);
    let found: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    let results = found["results"].as_array().unwrap();
    let names: Vec<_> = results.iter().map(|result| result["workload"].as_str().unwrap()).collect();
    assert_eq!(names, ["plain", "noise", "perm", "u8"]);
    for result in results {
        let runs = result["runs"]["numpy-memmap"].as_array().unwrap();
        assert_eq!((runs.len(), result["calibration"].as_array().unwrap().len()), (2, 2));
        assert!(runs.iter().all(|run| run["images_per_s"].as_f64().unwrap() > 0.0), "{result}");
        assert!(result["failed"].as_object().unwrap().is_empty(), "{result}");
    }
    let tables = std::fs::read_to_string(markdown).unwrap();
    assert_eq!(tables.matches("\n| numpy-memmap | ").count(), 4, "{tables}");
    assert_eq!(ran.out.matches("\nnumpy-memmap  ").count(), 4, "{}", ran.out);
}

#[test]
fn the_comparison_finds_the_batches_of_rfx_right_and_times_it() {
    let test = "the_comparison_finds_the_batches_of_rfx_right_and_times_it";
    let Some(python) = support::python(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    cifar(folder.path());
    let ran = compare(&python, folder.path(), "--loaders rfx-1 --repeats 1 --seconds 0.01").ended(0);
    assert_eq!(ran.err.matches("rfx-1 delivers what was asked for").count(), 4, "{ran:#?}");
    assert_eq!(ran.out.matches("\nrfx-1  ").count(), 4, "{}", ran.out);
    compare(&python, folder.path(), "--loaders nothing").ended(2);
}

#[test]
fn the_comparison_refuses_wrong_batches() {
    let test = "the_comparison_refuses_wrong_batches";
    let Some(python) = support::python(test) else { return };
    run(python.to_str().unwrap(), "-B", &[&script("test_loaders.py")]).ended(0);
}
