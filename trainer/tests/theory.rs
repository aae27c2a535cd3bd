//! The paper's sections 4 and 5 as experiments: `theory::theorem1`, `theory::min_norm`, `theory::rademacher`, and
//! `rfx-train theory`.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
};

use rfx_loader::{
    Dataset, Layout,
    dataset::Verify,
    pack::{PackOptions, pack},
    source::{Mnist, Npy, NpyFiles},
};
use rfx_trainer::{
    TrainError,
    error::Result,
    signal::Interrupt,
    theory::{
        Document, FeatureName, KernelName, RESULT, TheoryError, kept,
        min_norm::{self, Report},
        rademacher, theorem1,
    },
};
use support::{fails_with, real_data, rfx_train, succeeds, text};
use tch::{Device, Kind, Tensor};

fn silent(_: &str) {}

fn solve(settings: &min_norm::Settings) -> Result<Report> {
    min_norm::run(settings, &Interrupt::default(), &mut silent)
}

fn theorem1(data: &Path, samples: &[usize]) -> theorem1::Settings {
    let corruption = "random-labels".parse().unwrap();
    theorem1::Settings { data: data.to_path_buf(), samples: samples.to_vec(), seed: 1, corruption }
}

fn mnist(dir: &Path, test: &str) -> Option<Dataset> {
    let source = Mnist::open(real_data("mnist", test)?).unwrap();
    pack(&source, dir, &PackOptions::default(), &(), &Default::default()).unwrap();
    Some(Dataset::open(dir, Verify::Once).unwrap())
}

#[test]
fn two_n_plus_d_weights_fit_any_labels() {
    let tmp = tempfile::tempdir().unwrap();
    support::small(tmp.path());
    let settings = theorem1(tmp.path(), &[50, 200]);
    let report = theorem1::run(&settings, &Interrupt::default(), &mut silent).unwrap();
    for (fit, n) in report.fits.iter().zip([50, 200]) {
        assert_eq!((fit.samples, fit.left_out, fit.dimensions, fit.weights), (n, 0, 3072, 2 * n + 3072));
        assert!(fit.max_error < 1e-8 && fit.dense_max_error < 1e-8 && fit.exact_share == 1.0, "{fit:?}");
        assert!(fit.smallest_diagonal > 0.0 && fit.largest_weight > 1.0 && fit.dense_samples == n);
    }
    assert_ne!(report.fits[0].label_digest, report.fits[1].label_digest);
    for (deep, widths) in report.deep.iter().zip([&[200][..], &[101, 102], &[51, 53, 53, 52]]) {
        assert_eq!((deep.samples, &deep.widths[..]), (200, widths), "O(n/k) for each k");
        assert!(deep.max_error < 1e-7 && deep.weights <= 4 * 200 + 40 + 3072, "{deep:?}");
    }
    let again = theorem1::run(&settings, &Interrupt::default(), &mut silent).unwrap();
    assert_eq!(again.fits[1].max_error, report.fits[1].max_error);
    let other = theorem1::Settings { seed: 2, ..settings };
    let other = theorem1::run(&other, &Interrupt::default(), &mut silent).unwrap();
    assert_ne!(other.fits[1].smallest_diagonal, report.fits[1].smallest_diagonal, "another projection");
}

/// 3,000 digits of MNIST, among them what a data set of real images has: pixels that are always 0.
#[test]
fn random_labels_of_real_images_are_fitted_exactly() {
    let tmp = tempfile::tempdir().unwrap();
    if mnist(tmp.path(), "random_labels_of_real_images_are_fitted_exactly").is_none() {
        return;
    }
    let report = theorem1::run(&theorem1(tmp.path(), &[3000]), &Interrupt::default(), &mut silent).unwrap();
    let fit = &report.fits[0];
    assert!(fit.samples + fit.left_out == 3000 && fit.exact_share == 1.0 && fit.max_error < 1e-5, "{fit:?}");
}

/// Linear regression in closed form, by gradient descent, and off the span (Zhang et al. 2017, sec. 5, eq. 3).
#[test]
fn sgd_from_zero_finds_the_interpolating_solution_of_least_norm() {
    tch::manual_seed(1);
    let (n, d, double) = (12, 40, (Kind::Double, Device::Cpu));
    let (x, y) = (Tensor::randn([n, d], double), Tensor::randn([n, 1], double));
    let closed = x.tr().mm(&Tensor::linalg_solve(&x.mm(&x.tr()), &y, true)); // X^T (X X^T)^-1 y
    let mut w = Tensor::zeros([d, 1], double);
    for step in 0..6000 {
        let one = x.narrow(0, step % n, 1); // a sample at a time
        let gradient = one.tr().mm(&(one.mm(&w) - y.narrow(0, step % n, 1)));
        w -= gradient * 0.02;
    }
    let size = |t: &Tensor| t.square().sum(Kind::Double).double_value(&[]).sqrt();
    assert!(size(&(&w - &closed)) < 1e-8 * size(&closed), "{}", size(&(&w - &closed)));
    // What of a random vector is orthogonal to all samples.
    let v = Tensor::randn([d, 1], double);
    let null = &v - x.tr().mm(&Tensor::linalg_solve(&x.mm(&x.tr()), &x.mm(&v), true));
    let other = &closed + &null;
    assert!(size(&(x.mm(&other) - &y)) < 1e-10, "it fits as well");
    assert!(size(&null) > 1.0 && size(&other) > size(&closed) + 0.1, "with a larger norm");
}

/// The whole way, against libtorch's solution of the dense system: features, kernel, tiles, predictions.
#[test]
fn interpolation_is_that_of_the_dense_system() {
    let tmp = tempfile::tempdir().unwrap();
    let dataset = support::tiny(tmp.path());
    let images = |split: &str| {
        let spec = rfx_loader::LoaderSpec::new(split).batch(100).order(rfx_loader::OrderKind::Sequential);
        let batch = rfx_loader::Recipe::new(&dataset, &spec, 1).unwrap();
        let batch = batch.batch(0, 0, rfx_loader::Partition::WHOLE).unwrap();
        let x = Tensor::from_slice(batch.input_bytes()).view([batch.len() as i64, -1]);
        (x.to_kind(Kind::Double) / 255.0, Tensor::from_slice(batch.labels()))
    };
    let ((x, y), (z, labels)) = (images("train"), images("test"));
    let targets = y.one_hot(10).to_kind(Kind::Double);
    let standard = |t: &Tensor| {
        (t - x.mean_dim([0i64].as_slice(), true, Kind::Double)) / x.std_dim([0i64].as_slice(), false, true)
    };
    for (kernel, gamma) in [(KernelName::Gaussian, Some(0.05)), (KernelName::Linear, None)] {
        let k = |a: &Tensor, b: &Tensor| match gamma {
            Some(gamma) => ((a.unsqueeze(1) - b.unsqueeze(0)).square().sum_dim_intlist(
                [2i64].as_slice(),
                false,
                Kind::Double,
            ) * -gamma)
                .exp(),
            None => (standard(a).mm(&standard(b).tr()) + 1.0) / 109.0,
        };
        for ridge in [0.0, 0.3] {
            let mut settings = min_norm::Settings { ridge, ..min_norm::Settings::new(tmp.path()) };
            (settings.kernel.kernel, settings.kernel.gamma) = (Some(kernel), gamma);
            let report = solve(&settings).unwrap();
            let full = k(&x, &x) + Tensor::eye(40, (Kind::Double, Device::Cpu)) * ridge;
            let alpha = Tensor::linalg_solve(&full, &targets, true);
            let norm = (&alpha * k(&x, &x).mm(&alpha)).sum(Kind::Double).double_value(&[]).sqrt();
            assert!((report.norm / norm - 1.0).abs() < 1e-9, "{} {norm}", report.norm);
            let wrong = |scores: Tensor, labels: &Tensor| {
                scores
                    .argmax(1, false)
                    .ne_tensor(labels)
                    .to_kind(Kind::Double)
                    .mean(Kind::Double)
                    .double_value(&[])
            };
            assert_eq!(report.test_error, wrong(k(&z, &x).mm(&alpha), &labels), "{kernel}, ridge {ridge}");
            assert_eq!(report.train_error, wrong(k(&x, &x).mm(&alpha), &y));
            assert_eq!(report.train_error == 0.0 && report.residual < 1e-9, ridge == 0.0);
            let factor = full.linalg_cholesky(false).diagonal(0, 0, 1);
            for (found, expected) in report.diagonal.iter().zip([factor.min(), factor.max()]) {
                assert!((found - expected.double_value(&[])).abs() < 1e-10);
            }
        }
    }
}

#[test]
fn two_thousand_digits_are_enough_for_a_few_percent() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    if mnist(&data, "two_thousand_digits_are_enough_for_a_few_percent").is_none() {
        return;
    }
    let mut settings = min_norm::Settings::new(&data);
    settings.kernel.samples = Some(2000);
    let report = solve(&settings).unwrap();
    assert_eq!((report.kernel.gamma, report.train_error), (Some(0.02), 0.0));
    assert!((0.03..0.06).contains(&report.test_error) && report.residual < 1e-8, "{report:?}");
    // "norm ... significantly larger" on random labels, which are fitted as well and say nothing about the test split.
    let random = min_norm::Settings { corruption: "random-labels".parse().unwrap(), ..settings.clone() };
    let random = solve(&random).unwrap();
    assert!(random.train_error == 0.0 && (0.8..1.0).contains(&random.test_error), "{random:?}");
    assert!(random.norm > 1.5 * report.norm, "{} {}", random.norm, report.norm);
    let held_out = min_norm::Settings { held_out: Some(1000), ..settings.clone() };
    let held_out = solve(&held_out).unwrap();
    assert_eq!((held_out.test_samples, held_out.norm), (1000, report.norm));
    assert!((0.02..0.07).contains(&held_out.test_error), "{held_out:?}");
    // The whole of it is refused where there is less memory than it needs, before anything is read.
    settings.kernel.samples = None;
    settings.kernel.memory = Some(4_000_000_000);
    match solve(&settings).unwrap_err() {
        TrainError::Theory(TheoryError::Memory { samples, needed, available, largest, .. }) => {
            assert_eq!((samples, available), (60_000, 4_000_000_000));
            assert!((14_400_000_000..17_000_000_000).contains(&needed), "{needed}");
            assert!((20_000..32_000).contains(&largest), "{largest}");
        }
        other => panic!("{other}"),
    }
}

#[test]
fn features_of_every_kind_interpolate_and_blocks_add_up() {
    let tmp = tempfile::tempdir().unwrap();
    support::small(tmp.path());
    let solve = |features, kernel, filters, device: Option<u64>| {
        let mut settings = min_norm::Settings::new(tmp.path());
        (settings.kernel.features, settings.kernel.kernel, settings.kernel.filters) =
            (features, kernel, filters);
        settings.kernel.memory = device;
        solve(&settings).unwrap()
    };
    for (features, dimensions) in
        [(FeatureName::Pixels, 3072), (FeatureName::Gabor, 3072), (FeatureName::RandomPatches, 2400)]
    {
        for kernel in [None, Some(KernelName::Linear), Some(KernelName::Gaussian)] {
            let report = solve(features, kernel, 300, None); // two blocks of random patches
            assert_eq!((report.kernel.dimensions, report.train_error), (dimensions, 0.0), "{report:?}");
            assert!(report.residual < 1e-6 && report.test_samples == 60, "{report:?}");
            let trace = report.diagonal[1] * report.diagonal[1];
            assert!((0.5..2.0).contains(&trace), "diagonal elements near 1: {report:?}");
        }
    }
}

/// The mean over drawn signs lies within its bounds, is that of K and is proportional to B.
#[test]
fn complexity_lies_between_its_bounds() {
    let tmp = tempfile::tempdir().unwrap();
    support::small(tmp.path());
    for kernel in [KernelName::Gaussian, KernelName::Linear] {
        let mut settings = rademacher::Settings { draws: 400, ..rademacher::Settings::new(tmp.path()) };
        settings.kernel.kernel = Some(kernel);
        let measure = |settings: &rademacher::Settings| {
            rademacher::run(settings, &Interrupt::default(), &mut silent).unwrap()
        };
        let one = measure(&settings);
        // Six standard errors: a false alarm once in 10^9.
        let error = 6.0 * one.standard_error;
        assert!(one.lower_bound < one.complexity && one.complexity < one.upper_bound + error, "{one:?}");
        assert!(one.standard_error > 0.0 && one.standard_error < 0.02 * one.complexity, "{one:?}");
        // Noise images are nearly orthogonal: sqrt(tr K) is then nearly reached. n = 200, K_ii = 1 on average.
        assert!((one.upper_bound - (1.0f64 / 200.0).sqrt()).abs() < 1e-6, "{one:?}");
        assert!(one.complexity > 0.9 * one.upper_bound, "{one:?}");
        settings.norm = 3.0;
        assert!((measure(&settings).complexity / one.complexity - 3.0).abs() < 1e-12);
        settings.kernel.samples = Some(50);
        assert!(measure(&settings).complexity > 1.5 * 3.0 * one.complexity, "it falls as 1 / sqrt(n)");
    }
}

/// Ten samples have 1,024 sign vectors: the expectation is their mean.
#[test]
fn complexity_is_the_mean_over_all_signs() {
    let tmp = tempfile::tempdir().unwrap();
    let dataset = support::tiny(tmp.path());
    let spec = rfx_loader::LoaderSpec::new("train").subset("10".parse().unwrap()).batch(10);
    let batch = rfx_loader::Recipe::new(&dataset, &spec, 1).unwrap();
    let batch = batch.batch(0, 0, rfx_loader::Partition::WHOLE).unwrap();
    let image = |i: usize| batch.input_bytes()[i * 108..(i + 1) * 108].iter().map(|&v| f64::from(v) / 255.0);
    let k = |i: usize, j: usize| {
        (-0.05 * image(i).zip(image(j)).map(|(a, b)| (a - b).powi(2)).sum::<f64>()).exp()
    };
    let exact: f64 = (0..1024)
        .map(|signs: u32| {
            let sign = |i: usize| if signs >> i & 1 == 0 { -1.0 } else { 1.0 };
            let pairs = (0..10).flat_map(|i| (0..10).map(move |j| (i, j)));
            pairs.map(|(i, j)| sign(i) * sign(j) * k(i, j)).sum::<f64>().sqrt() / 10.0 / 1024.0
        })
        .sum();
    let mut settings = rademacher::Settings { draws: 4000, ..rademacher::Settings::new(tmp.path()) };
    (settings.kernel.samples, settings.kernel.gamma) = (Some(10), Some(0.05));
    let report = rademacher::run(&settings, &Interrupt::default(), &mut silent).unwrap();
    assert!((report.complexity - exact).abs() < 6.0 * report.standard_error, "{report:?} {exact}");
    assert!(report.standard_error < 0.005 * exact, "{report:?}");
}

#[test]
fn a_result_is_kept_and_given_back_to_the_same_settings_alone() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, out, other) = (tmp.path().join("data"), tmp.path().join("out"), tmp.path().join("other"));
    support::tiny(&data);
    let settings = theorem1(&data, &[]);
    let keep = |settings: &theorem1::Settings, resume| {
        kept(settings, &out, resume, &Interrupt::default(), &mut silent)
    };
    let document = keep(&settings, false).unwrap();
    let text = fs::read_to_string(out.join(RESULT)).unwrap();
    let read: Document<theorem1::Settings, theorem1::Report> = serde_json::from_str(&text).unwrap();
    assert_eq!((&read.report, read.schema.as_str()), (&document.report, "rfx.theory/1"));
    assert!(!text.contains(data.to_str().unwrap()), "no path of this machine");
    assert!(matches!(keep(&settings, false).unwrap_err(), TrainError::Exists { .. }));
    let again = keep(&settings, true).unwrap();
    assert_eq!(again.report, document.report, "seconds included: it was not computed again");
    let changed = |error: TrainError| match error {
        TrainError::Theory(TheoryError::Changed { key, .. }) => key,
        error => panic!("{error}"),
    };
    let seeded = theorem1::Settings { seed: 2, ..settings.clone() };
    assert_eq!(changed(keep(&seeded, true).unwrap_err()), "seed");
    support::small(&other);
    assert_eq!(changed(keep(&theorem1(&other, &[]), true).unwrap_err()), "data set");
    let solved = min_norm::Settings::new(&data);
    let solved = kept(&solved, &out, true, &Interrupt::default(), &mut silent).unwrap_err();
    assert_eq!(changed(solved), "experiment");
    fs::write(out.join(RESULT), &text[..text.len() / 2]).unwrap();
    let error = keep(&settings, true).unwrap_err().to_string();
    assert!(error.contains(RESULT) && error.contains("restore the file"), "{error}");
    let interrupt = Interrupt::default();
    interrupt.raise();
    let error = kept(&settings, &tmp.path().join("new"), false, &interrupt, &mut silent).unwrap_err();
    assert!(matches!(error, TrainError::Theory(TheoryError::Interrupted)));
    assert_eq!(support::names(&tmp.path().join("new")), [""; 0], "nothing was written");
    kept(&settings, &tmp.path().join("new"), true, &Interrupt::default(), &mut silent).unwrap();
}

#[test]
fn the_program_runs_prints_and_refuses() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::small(&data);
    let out = |name: &str| tmp.path().join(name).to_str().unwrap().to_owned();
    for experiment in ["theorem1", "min-norm", "rademacher"] {
        let help = succeeds(&rfx_train(["theory", experiment, "--help"]));
        assert!(help.contains("Examples:\n  rfx-train theory"), "{help}");
        let o = out(experiment);
        let base = ["theory", experiment, "--data", text(&data), "--out", &o];
        let first = support::command().args(base).arg("--json").output().unwrap();
        let document: serde_json::Value = serde_json::from_str(&succeeds(&first)).unwrap();
        assert_eq!(document["schema"], "rfx.theory/1");
        assert_eq!(document["experiment"], experiment);
        assert_eq!(document["data"]["kind"], "synthetic");
        assert!(fails_with(2, &support::command().args(base).output().unwrap()).contains("--resume"));
        let words = succeeds(&support::command().args(base).args(["--resume", "--quiet"]).output().unwrap());
        assert!(words.contains("n = ") && words.starts_with(&o), "{words}");
    }
    let refused = |code, args: &[&str]| {
        let o = out("refused");
        let base = ["theory", "min-norm", "--data", text(&data), "--out", &o];
        fails_with(code, &support::command().args(base).args(args).output().unwrap())
    };
    for (code, args, says) in [
        (2, &["--gamma", "0"][..], "gamma"),
        (2, &["--gamma", "1", "--kernel", "linear"], "gamma"),
        (2, &["--ridge=-1"], "ridge"),
        (2, &["--filters", "0"], "filters"),
        (2, &["--samples", "201"], "201"),
        (2, &["--samples", "0"], "0"),
        (2, &["--held-out", "1"], "201"),
        (2, &["--features", "edges"], "random-patches"),
        (3, &["--memory", "1000000"], "bytes"),
        (3, &["--device", "cuda:63"], "cuda"),
    ] {
        let error = refused(code, args);
        assert!(error.to_lowercase().contains(says), "{args:?}: {error}");
    }
    let nowhere = out("nowhere");
    let error = fails_with(2, &rfx_train(["theory", "theorem1", "--data", &nowhere, "--out", &out("x")]));
    assert!(error.contains("nowhere"), "{error}");
}

/// A version 1 array file.
fn npy(path: &Path, kind: &str, shape: &str, data: &[u8]) -> PathBuf {
    let header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    let header = format!("{header:<117}\n");
    let bytes = [&b"\x93NUMPY\x01\x00\x76\x00"[..], header.as_bytes(), data].concat();
    fs::write(path, bytes).unwrap();
    path.to_path_buf()
}

/// Six images, of which number 4 is number 1 again with another label, and 5 is 0 with the same one.
#[test]
fn duplicates_are_left_out_of_theorem_1_and_named_by_the_kernel() {
    let tmp = tempfile::tempdir().unwrap();
    let image = |seed: u8| (0..64).map(move |k: u8| k.wrapping_mul(seed).wrapping_add(seed));
    let images: Vec<u8> = [3, 5, 7, 9, 5, 3].into_iter().flat_map(image).collect();
    let [labels, twice] = [[0, 1, 2, 0, 2, 0], [1, 0, 0, 1, 2, 0]];
    let array =
        |name: &str, kind: &str, shape: &str, data: &[u8]| npy(&tmp.path().join(name), kind, shape, data);
    let pixels = array("x.npy", "|u1", "(6, 1, 8, 8)", &images);
    let files = NpyFiles {
        images: pixels.clone(),
        labels: array("y.npy", "|u1", "(6,)", &labels),
        test: Some([pixels, array("z.npy", "|u1", "(6,)", &twice)]),
        layout: Some(Layout::Nchw),
        classes: None,
    };
    let data = tmp.path().join("data");
    pack(&Npy::open(&files).unwrap(), &data, &PackOptions::default(), &(), &Default::default()).unwrap();
    let fitted = theorem1::Settings { corruption: Default::default(), ..theorem1(&data, &[]) };
    let report = theorem1::run(&fitted, &Interrupt::default(), &mut silent).unwrap();
    let fit = &report.fits[0];
    assert_eq!((fit.samples, fit.left_out, fit.contradictions, fit.weights), (4, 2, 1, 8 + 64));
    assert!(fit.exact_share == 1.0 && report.deep.iter().all(|deep| deep.max_error < 1e-9));
    let settings = min_norm::Settings::new(&data);
    match solve(&settings).unwrap_err() {
        TrainError::Theory(TheoryError::NotPositive { row: 4, id: Some(4), .. }) => (),
        other => panic!("{other}"),
    }
    let ridged = solve(&min_norm::Settings { ridge: 1e-6, ..settings }).unwrap();
    assert!(
        ridged.train_error > 0.0 && ridged.train_error <= 1.0 / 6.0 + 1e-12,
        "one label of two cannot be met"
    );
    assert!((ridged.residual - 0.5).abs() < 1e-3, "least squares takes the mean of both: {ridged:?}");
}
