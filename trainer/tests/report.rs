//! Reports of run folders made by hand: what they say, and what they must not.

use std::{
    fs,
    path::{Path, PathBuf},
};

use resvg::tiny_skia::Pixmap;
use rfx_loader::{digest::Digest, npy};
use rfx_trainer::{
    TrainError,
    config::Options,
    folder::{Applied, DataManifest, LabelManifest, Outcome, RunFolder, RunManifest},
    metrics::{EpochMetrics, Score},
    report,
    stopping::Kept,
};

/// A run of `losses.len()` epochs on a data set of 10 classes, the whole of CIFAR-10 by its size.
fn manifest(corruption: &str) -> RunManifest {
    let set = |text: &str| Options::from_set(text).unwrap();
    let config =
        set(&format!("corruption={corruption}")).over(set("until-loss=0.05")).over(set("data='cifar10'"));
    let config = config.resolve().unwrap();
    let noisy = corruption.contains("labels") && corruption != "true-labels";
    let clean = || "clean".to_owned();
    RunManifest {
        schema: "rfx.run/1".into(),
        config,
        data: DataManifest {
            kind: "cifar10".into(),
            generated: false,
            content: Digest::of(b"content"),
            pack: Digest::of(b"pack"),
            classes: 10,
            shape: [3, 32, 32],
        },
        spec: Digest::of(corruption.as_bytes()),
        corruption_seed: 1,
        applied: Applied {
            train_labels: if noisy { "uniform:p=1".into() } else { clean() },
            train_inputs: if noisy || corruption == "true-labels" { clean() } else { corruption.into() },
            test_labels: clean(),
            test_inputs: clean(),
        },
        labels: LabelManifest {
            nominal_rate: if noisy { 1.0 } else { 0.0 },
            expected_changed: if noisy { 0.9 } else { 0.0 },
            realised_changed: if noisy { 0.8949 } else { 0.0 },
            digest: Digest::of(b"labels"),
        },
        network: "MLP 1x512".into(),
        parameters: 1_209_866,
        samples: [50_000, 10_000],
        steps_per_epoch: 391,
        rfx: "0.1.0".into(),
        libtorch: "2.11.0".into(),
        outcome: None,
    }
}

fn score(loss: f64, accuracy: f64, split: bool) -> Score {
    let part = |x: f64| split.then_some(x);
    Score {
        samples: 50_000,
        loss,
        accuracy,
        top5: None,
        clean_loss: part(loss),
        clean_accuracy: part(accuracy),
        corrupted_loss: part(loss),
        corrupted_accuracy: part(accuracy / 2.0),
    }
}

/// Writes the folder `name`, with an outcome as a finished run has it.
fn save(root: &Path, name: &str, mut manifest: RunManifest, losses: &[f64]) -> PathBuf {
    let split = manifest.applied.train_labels != "clean";
    let epochs = u32::try_from(losses.len()).unwrap();
    let metrics: Vec<EpochMetrics> = (1..)
        .zip(losses)
        .map(|(epoch, &loss)| EpochMetrics {
            epoch,
            step: u64::from(epoch) * manifest.steps_per_epoch,
            lr: 0.01 * 0.95f64.powi(epoch as i32 - 1),
            running: score(loss * 1.1, 0.3, split),
            train: score(loss, 0.9934, split),
            test: score(2.5, 1.0 / 3.0, false),
            test_given: None,
            seconds: 1.5,
            evaluation_seconds: 0.5,
            loader_wait_seconds: 1e-7,
        })
        .collect();
    let fitted = metrics.iter().find(|m| m.train.loss < 0.05).map(|m| m.epoch);
    manifest.outcome = Some(Outcome { epochs, fitted, best: None, kept: None, stopped_early: false });
    fs::create_dir_all(root.join(name)).unwrap();
    let folder = RunFolder::at(&root.join(name));
    folder.write_manifest(&manifest).unwrap();
    let lines: String = metrics.iter().map(|m| serde_json::to_string(m).unwrap() + "\n").collect();
    fs::write(folder.metrics(), lines).unwrap();
    folder.path().to_path_buf()
}

/// The page about `runs`.
fn page(root: &Path, runs: &[PathBuf]) -> String {
    fs::read_to_string(report::write(runs, &root.join("report")).unwrap().html).unwrap()
}

#[test]
fn the_finding_is_what_the_numbers_say() {
    let dir = tempfile::tempdir().unwrap();
    let plain = save(dir.path(), "true", manifest("true-labels"), &[1.5, 0.04]);
    let random = save(dir.path(), "random", manifest("random-labels"), &[2.2, 1.0, 0.5, 0.049]);
    let runs = [plain, random];
    let page = page(dir.path(), &runs);
    assert!(page.contains("With random labels, train loss fell below 0.05 after 4 epochs"), "{page}");
    assert!(page.contains("Random labels took 2.00 times as many epochs to fit as true labels."));
    assert!(
        page.contains("99.34\u{a0}% of its 50,000 training samples")
            && page.contains("33.33\u{a0}% of the test")
    );
    // Table 1 of the paper, and what still differs.
    assert!(page.contains("<td>99.34</td><td>99.34</td><td>10.61</td><td>33.33</td>"));
    assert!(page.contains("<td>50.51</td>") && page.contains("stopped after 4 epochs"));
    assert!(
        !page.contains("Generated data")
            && !page.contains("differ in more than")
            && !page.contains("Learning rate")
    );
    let table = report::table(&runs).unwrap();
    let row: Vec<&str> =
        table.lines().find(|l| l.starts_with("random labels")).unwrap().split_whitespace().collect();
    assert_eq!(row, ["random", "labels", "4", "99.34", "33.33", "33.33", "(1)", "66.01"]);
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
}

/// Early stopping is the best test accuracy against the last, wherever there are numbers.
#[test]
fn the_best_epoch_stands_beside_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let run = save(dir.path(), "run", manifest("random-labels"), &[2.0, 1.0, 0.9, 0.8]);
    let folder = RunFolder::at(&run);
    let mut metrics = folder.read_metrics().unwrap();
    for (line, accuracy) in metrics.iter_mut().zip([0.11, 0.52, 0.52, 0.4999]) {
        line.test.accuracy = accuracy;
    }
    let lines: String = metrics.iter().map(|m| serde_json::to_string(m).unwrap() + "\n").collect();
    fs::write(folder.metrics(), lines).unwrap();
    let mut manifest = folder.read_manifest().unwrap();
    manifest.config.patience = Some(2);
    let outcome = manifest.outcome.as_mut().unwrap();
    (outcome.kept, outcome.stopped_early) = (Some(Kept { epoch: 2, value: 0.52 }), true);
    folder.write_manifest(&manifest).unwrap();
    let runs = [run];
    let page = page(dir.path(), &runs);
    // The first of two equals; 2.01 points more than the last.
    assert!(page.contains("<td>52.00 (2)</td>"), "{page}");
    assert!(page.contains("<td>52.00</td><td>2</td><td>49.99</td><td>4</td><td>2.01</td>"), "{page}");
    assert!(page.contains("stopped early") && page.contains("after 2 epochs without better test-accuracy"));
    assert!(page.contains("--patience 2") && page.contains("of epoch 2"));
    let table = report::table(&runs).unwrap();
    assert!(table.contains("49.99    52.00 (2)"), "{table}");
    let summary = fs::read_to_string(dir.path().join("report/summary.csv")).unwrap();
    assert!(
        summary.contains("best_test_accuracy,best_epoch,stopped_early") && summary.contains(",0.52,2,true,")
    );
    let svg = fs::read_to_string(dir.path().join("report/accuracy.svg")).unwrap();
    assert!(svg.contains("best test so far"));
}

/// What is not the paper's network says so in titles, and is not put beside the paper's numbers.
#[test]
fn other_networks_are_named_and_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str, model: &str, lr: f64| {
        let mut manifest = manifest("random-labels");
        (manifest.config.model, manifest.config.lr) = (model.parse().unwrap(), lr);
        save(dir.path(), name, manifest, &[1.0, 0.01])
    };
    let runs = [of("w4", "inception-w4", 0.1)];
    let text = page(dir.path(), &runs);
    let title = text.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    assert!(title.contains("Inception w4 (not the paper&#39;s network)"), "{title}");
    assert!(
        text.contains("Not comparable") && report::table(&runs).unwrap().contains("not the paper's network")
    );
    // No rate of theirs is another than the paper's, which has none for them.
    let text = page(dir.path(), &[of("w4", "inception-w4", 0.3), of("wide", "wrn-28-10", 0.3)]);
    assert!(!text.contains("<h2>Learning rate</h2>") && text.contains("WRN-28-10"));
    let svg = fs::read_to_string(dir.path().join("report/accuracy.svg")).unwrap();
    assert!(svg.contains("various models") && svg.contains("Inception w4: not the paper&#39;s network"));
    let text = page(dir.path(), &[of("alexnet", "alexnet", 0.01)]);
    assert!(text.contains("<td>99.82</td><td>99.34</td><td>9.86</td><td>33.33</td>"), "{text}");
}

/// Writes the columns of per-sample records that a report reads: corrupted, first epoch learnt, forgetting events.
fn record(run: &Path, samples: &[(u8, u32, u32)]) {
    let folder = RunFolder::at(run).samples();
    fs::create_dir_all(&folder).unwrap();
    let put = |name: &str, descr: &str, bytes: Vec<u8>| {
        let file = [npy::head(descr, &[samples.len() as u64]), bytes].concat();
        fs::write(folder.join(format!("{name}.npy")), file).unwrap();
    };
    put("corrupted", "'|b1'", samples.iter().map(|s| s.0).collect());
    put("first_learnt", "'<u4'", samples.iter().flat_map(|s| s.1.to_le_bytes()).collect());
    put("forgotten", "'<u4'", samples.iter().flat_map(|s| s.2.to_le_bytes()).collect());
}

#[test]
fn forgetting_is_told_as_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str, corruption: &str| {
        let mut manifest = manifest(corruption);
        manifest.config.per_sample = true;
        save(dir.path(), name, manifest, &[1.0; 30])
    };
    let (plain, random) = (of("true", "true-labels"), of("random", "random-labels"));
    record(&plain, &[(0, 1, 0), (0, 1, 0), (0, 2, 1), (0, 1, 2)]);
    let mixed = [(0, 1, 0), (1, 0, 0), (0, 9, 1), (1, 3, 15), (1, 4, 2), (1, 1, 0), (1, 2, 2)];
    record(&random, &mixed);
    let runs = [plain, random.clone()];
    let text = page(dir.path(), &runs);
    let sentence = "With true labels, 50.00 % of the samples were forgotten at least once (0.75 times on average over \
                    all of them) and 0.00 % never learnt.";
    assert!(text.contains(sentence), "{text}");
    let sentence = "With random labels, 60.00 % of the corrupted samples were forgotten at least once (3.80 times on \
                    average over all of them) and 20.00 % never learnt, 50.00 % of the clean ones were forgotten at \
                    least once (0.50 times on average over all of them) and 0.00 % never learnt.";
    assert!(text.contains(sentence), "{text}");
    let svg = fs::read_to_string(dir.path().join("report/forgetting.svg")).unwrap();
    for word in [">8+<", ">never<", "clean 0.50, corrupted 3.80", "on average: clean 0.75<"] {
        assert!(svg.contains(word), "{word}: {svg}");
    }
    // A bar for each share that is not 0: 3 of the first run, 2 and 4 of the second; a swatch for each colour.
    let bars = |colour: &str| svg.matches(&format!("stroke=\"{colour}\"/>")).count();
    assert_eq!((bars("#0072b2"), bars("#d55e00")), (1 + 3 + 2, 1 + 4));

    // What cannot be used is named; what is not there, or of a run that goes on, is not shown.
    let refused = |what: &str| {
        let error = report::write(std::slice::from_ref(&random), &dir.path().join("none")).unwrap_err();
        assert!(matches!(error, TrainError::RunFile { .. }) && error.to_string().contains(what), "{error}");
    };
    record(&random, &[(0, 1, 16)]);
    refused("16 forgetting events of a sample in 30 epochs");
    record(&random, &[(0, 1, u32::MAX)]);
    refused("forgetting events");
    record(&random, &mixed);
    let path = random.join("samples/first_learnt.npy");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    refused("27 bytes, expected 7 elements of 4");
    fs::write(&path, npy::head("'|O'", &[7])).unwrap();
    refused("first_learnt");
    fs::write(&path, [npy::head("'<f4'", &[1]), vec![0; 4]].concat()).unwrap();
    refused("elements of float32, expected integers");
    fs::write(&path, [npy::head("'<u4'", &[1]), vec![0; 4]].concat()).unwrap();
    refused("7, 1 and 7 samples");
    fs::remove_file(&path).unwrap();
    page(dir.path(), std::slice::from_ref(&random));
    assert!(!dir.path().join("report/forgetting.svg").exists());
    fs::write(&path, &whole).unwrap();
    let mut goes_on = RunFolder::at(&random).read_manifest().unwrap();
    goes_on.outcome = None;
    RunFolder::at(&random).write_manifest(&goes_on).unwrap();
    assert!(!page(dir.path(), &[random]).contains("forgotten"));
}

#[test]
fn generated_data_are_named_in_every_title() {
    let dir = tempfile::tempdir().unwrap();
    let mut generated = manifest("random-labels");
    generated.data.generated = true;
    generated.data.kind = "generated-v1".into();
    let runs = [save(dir.path(), "run", generated, &[2.0, 0.01])];
    let page = page(dir.path(), &runs);
    let title = page.split("<title>").nth(1).unwrap().split("</title>").next().unwrap();
    assert!(title.contains("(generated data)"), "{title}");
    assert!(page.contains("<p class=\"banner\">") && page.contains("All runs here are"));
    assert!(page.contains("Not comparable: all runs. Reasons: generated data"));
    assert!(report::table(&runs).unwrap().starts_with("generated data: "));
    for name in ["fig1a", "accuracy", "epochs-to-fit", "memorised"] {
        let svg = fs::read_to_string(dir.path().join(format!("report/{name}.svg"))).unwrap();
        assert!(svg.contains("(generated data)"), "{name}");
    }
    let summary = fs::read_to_string(dir.path().join("report/summary.csv")).unwrap();
    assert!(summary.contains("generated-v1,true,"));
}

#[test]
fn runs_that_did_not_fit_are_reported_as_that() {
    let dir = tempfile::tempdir().unwrap();
    let runs = [
        save(dir.path(), "true", manifest("true-labels"), &[0.01]),
        save(dir.path(), "random", manifest("random-labels"), &[2.0; 60]),
        save(dir.path(), "nan", manifest("gaussian"), &[2.0, f64::NAN, f64::NAN]),
        save(dir.path(), "zero", manifest("random-pixels"), &[]),
        save(dir.path(), "huge", manifest("shuffled-pixels"), &[1e300, f64::NAN]),
    ];
    let page = page(dir.path(), &runs);
    assert!(
        page.contains("With random labels, train loss did not fall below 0.05 in 60 epochs (it is 2.0000)")
    );
    assert!(page.contains("Of all 5 runs, 1 fitted their training set."));
    assert!(!page.contains("times as many epochs to fit"));
    assert!(page.contains("&gt; 60, not fitted") && page.contains("diverged in epoch 2"));
    assert!(page.contains("Where the loss is not a number there is no curve."));
    let table = report::table(&runs).unwrap();
    for part in ["not in 60", "diverged in 2", "no epoch yet"] {
        assert!(table.contains(part) && page.contains(part), "{part}");
    }
    for name in ["fig1a", "accuracy", "epochs-to-fit"] {
        let svg = fs::read_to_string(dir.path().join(format!("report/{name}.svg"))).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name}");
    }
    // A loss that is not a number is a gap, not a point: the curve of `nan` is its first epoch.
    let svg = fs::read_to_string(dir.path().join("report/fig1a.svg")).unwrap();
    let curve = svg.lines().find(|line| line.starts_with("<path") && line.contains("#d55e00")).unwrap();
    assert!(!curve.contains(" L"), "{curve}");
    // Alone, too: nothing to draw is not an error.
    let alone = report::write(&runs[3..4], &dir.path().join("alone")).unwrap();
    assert!(fs::read_to_string(alone.html).unwrap().contains("With random pixels, no epoch was finished."));
}

#[test]
fn nothing_a_run_says_becomes_markup() {
    let dir = tempfile::tempdir().unwrap();
    let mut hostile = manifest("true-labels");
    hostile.config.data = "<script>alert('x')</script>{{style}}".into();
    hostile.data.kind = "<img src=x onerror=y>\"&".into();
    hostile.applied.test_labels = "</td><script>".into();
    hostile.libtorch = "<b>".into();
    let runs = [save(dir.path(), "<script>", hostile, &[1.0])];
    let page = page(dir.path(), &runs);
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>"));
    assert!(page.contains("&lt;script&gt;") && page.contains("{{style}}"));
    let svg = fs::read_to_string(dir.path().join("report/fig1a.svg")).unwrap();
    assert!(!svg.contains("<img") && resvg::usvg::roxmltree::Document::parse(&svg).is_ok());
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let dir = tempfile::tempdir().unwrap();
    let page = page(dir.path(), &[save(dir.path(), "run", manifest("random-labels"), &[1.0, 0.5])]);
    let without = page.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    for outside in ["http://", "https://", "src=", "<script", "@import", "<link"] {
        assert!(!without.contains(outside), "{outside}");
    }
    for reference in without.split("url(").skip(1) {
        let id = reference.strip_prefix('#').unwrap().split(')').next().unwrap();
        assert_eq!(without.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
    }
    assert!(page.contains("--lr 0.01") && page.contains("rfx-train run"));
}

#[test]
fn csv_has_a_row_per_epoch_and_numbers_that_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let runs = [
        save(dir.path(), "a", manifest("true-labels"), &[1.0, f64::NAN]),
        save(dir.path(), "b", manifest("labels=uniform:p=1,exact"), &[0.1 + 0.2, 1.0 / 3.0, 5e-324]),
    ];
    let paths = report::write(&runs, &dir.path().join("report")).unwrap();
    let text = fs::read_to_string(&paths.csv[0]).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 1 + 2 + 3);
    let column = lines[0].split(',').position(|name| name == "train_loss").unwrap();
    let cell = |line: usize, column: usize| lines[line].split(',').nth(column).unwrap();
    assert_eq!((cell(1, column), cell(2, column)), ("1", "NaN"));
    // The label of the second run has a comma and is quoted: one column more for this naive reader.
    assert!(lines[3].starts_with("\"labels=uniform:p=1,exact\",b,1,391,"));
    for (line, loss) in [(3, 0.1 + 0.2), (4, 1.0 / 3.0), (5, 5e-324)] {
        assert_eq!(cell(line, column + 1).parse::<f64>().unwrap(), loss);
    }
    let given = lines[0].split(',').position(|name| name == "test_given_loss").unwrap();
    assert_eq!(cell(1, given), "");
    let summary = fs::read_to_string(&paths.csv[1]).unwrap();
    assert_eq!(summary.lines().count(), 3);
    assert!(summary.contains(&Digest::of(b"content").to_string()));
}

#[test]
fn pictures_have_curves_and_letters_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let runs = [save(dir.path(), "run", manifest("random-labels"), &[2.0, 1.0, 0.01])];
    let paths = report::write(&runs, &dir.path().join("report")).unwrap();
    let pictures: Vec<_> =
        paths.figures.iter().filter(|path| path.extension().is_some_and(|e| e == "png")).collect();
    assert_eq!((pictures.len(), paths.figures.len()), (4, 8));
    for path in pictures {
        let picture = Pixmap::decode_png(&fs::read(path).unwrap()).unwrap();
        assert_eq!(picture.width(), 1280);
        let count = |test: &dyn Fn(u8, u8, u8) -> bool| {
            picture.pixels().iter().filter(|p| test(p.red(), p.green(), p.blue())).count()
        };
        let white = count(&|r, g, b| (r, g, b) == (255, 255, 255));
        let coloured = count(&|r, _, b| r.abs_diff(b) > 100);
        assert!(white * 2 > picture.pixels().len() && coloured > 500, "{}", path.display());
        // The title, in a band where nothing but text is: the fonts are found on any machine.
        let title = picture.pixels().iter().take(1280 * 60).filter(|p| p.red() < 90).count();
        assert!(title > 1000, "{}: {title}", path.display());
    }
}

#[test]
fn differing_data_are_named_and_not_compared() {
    let dir = tempfile::tempdir().unwrap();
    let mut other = manifest("random-labels");
    other.data.content = Digest::of(b"other");
    other.samples = [10_000, 10_000];
    let runs = [
        save(dir.path(), "true", manifest("true-labels"), &[0.01]),
        save(dir.path(), "random", other, &[1.0, 0.01]),
    ];
    let (page, table) = (page(dir.path(), &runs), report::table(&runs).unwrap());
    assert!(page.contains("The runs differ in more than the corruption"));
    for id in [Digest::of(b"content"), Digest::of(b"other")] {
        assert!(page.contains(&id.to_string()) && table.contains(&id.short()), "{table}");
    }
    assert!(page.contains("various data sets") && !page.contains("times as many epochs to fit"));
}

#[test]
fn runs_of_one_corruption_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut second = manifest("random-labels");
    (second.config.seed, second.corruption_seed) = (2, 2);
    let first = save(dir.path(), "a", manifest("random-labels"), &[1.0]);
    let second = save(dir.path(), "b", second, &[1.0]);
    let table = report::table(&[first.clone(), second]).unwrap();
    assert!(
        table.contains("\nrandom labels, seed 1 ") && table.contains("\nrandom labels, seed 2 "),
        "{table}"
    );
    let twice = report::table(&[first.clone(), first]).unwrap();
    assert!(twice.contains("random labels, run 1 ") && twice.contains("random labels, run 2 "), "{twice}");
}

#[test]
fn what_cannot_be_read_is_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("report");
    let run = save(dir.path(), "run", manifest("true-labels"), &[1.0, 0.5]);
    let metrics = run.join("metrics.jsonl");
    let whole = fs::read_to_string(&metrics).unwrap();
    // In the middle of a line, and between two.
    for cut in [whole.len() - 9, whole.find('\n').unwrap() + 1] {
        fs::write(&metrics, &whole[..cut]).unwrap();
        let error = report::write(std::slice::from_ref(&run), &out).unwrap_err();
        assert!(matches!(&error, TrainError::RunFile { path, .. } if *path == metrics), "{error}");
        assert!(report::table(std::slice::from_ref(&run)).is_err());
    }
    fs::remove_file(&metrics).unwrap();
    let error = report::write(std::slice::from_ref(&run), &out).unwrap_err();
    assert!(matches!(error, TrainError::NoRun { file: "metrics.jsonl", .. }), "{error}");
    assert!(matches!(report::write(&[], &out), Err(TrainError::Report(_))));
    assert!(!out.exists());
    fs::write(&metrics, &whole).unwrap();
    fs::write(&out, "a file").unwrap();
    let error = report::write(&[run], &out).unwrap_err();
    assert!(matches!(&error, TrainError::Io { path, .. } if *path == out), "{error}");
}

#[test]
fn the_same_folders_make_the_same_bytes_and_old_figures_go() {
    let dir = tempfile::tempdir().unwrap();
    let random = save(dir.path(), "random", manifest("random-labels"), &[1.0, 0.01]);
    let plain = save(dir.path(), "true", manifest("true-labels"), &[1.0, 0.01]);
    let out = dir.path().join("report");
    let bytes = |paths: &report::ReportPaths| -> Vec<Vec<u8>> {
        let all = paths.figures.iter().chain(&paths.csv).chain([&paths.html]);
        all.map(|path| fs::read(path).unwrap()).collect()
    };
    let first = bytes(&report::write(&[random.clone(), plain.clone()], &out).unwrap());
    let second = bytes(&report::write(&[random, plain.clone()], &out).unwrap());
    assert!(first == second);
    fs::write(out.join("mine.txt"), "kept").unwrap();
    report::write(&[plain], &out).unwrap();
    assert!(!out.join("memorised.svg").exists() && !out.join("memorised.png").exists());
    assert!(out.join("mine.txt").exists() && out.join("fig1a.svg").exists());
    let left: Vec<_> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.iter().all(|path| path.extension().is_none_or(|e| e != "tmp")));
}
