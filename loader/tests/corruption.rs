//! Corruptions as a loader applies them: what is decided on which split, on which image, and by which integers.

#[path = "support/mod.rs"]
mod support;
#[path = "support/synthetic.rs"]
mod synthetic;

use rfx_loader::{
    Crop, Dataset, Layout, Loader, LoaderSpec, OrderKind, Partition, Recipe, batch::HostBatch,
    pack::PackOrder,
};
use synthetic::{Synthetic, packed};

const TRAIN: usize = 400;
const TEST: usize = 100;

fn dataset(layout: Layout) -> (tempfile::TempDir, Dataset) {
    let dir = tempfile::tempdir().unwrap();
    let source = Synthetic::new(TRAIN, TEST, [3, 12, 11], layout);
    let dataset = packed(&source, dir.path(), 1 << 20, PackOrder::Shuffled { seed: 5 });
    (dir, dataset)
}

fn spec(split: &str, corruption: &str) -> LoaderSpec {
    LoaderSpec::new(split).corruption(corruption.parse().unwrap()).order(OrderKind::Sequential).batch(TRAIN)
}

fn whole(dataset: &Dataset, spec: &LoaderSpec, epoch: u32) -> HostBatch {
    Recipe::new(dataset, spec, 3).unwrap().batch(epoch, 0, Partition::WHOLE).unwrap()
}

/// Every kind of noise that needs no file, and no set of a certain name.
const KINDS: [&str; 15] = [
    "labels=pair-flip:p=0.45",
    "labels=pair-flip:p=0.45,exact",
    "labels=instance-dependent:rate=0.4,resample=0.5",
    "labels=zhang2017:p=0.5",
    "inputs=additive:sigma=0.1,amount=0.5,resample=0.5",
    "inputs=additive:severity=2,at=stored",
    "inputs=impulse:p=0.2,resample=0.5",
    "inputs=impulse:severity=3,at=stored",
    "inputs=shot:lambda=30,amount=0.5",
    "inputs=shot:severity=4,resample=1,at=stored",
    "inputs=trigger:target=2,amount=0.3",
    "labels=uniform:p=0.5,resample=1 inputs=trigger:target=2,amount=0.3,size=11,blend=0.2,at=network",
    "gaussian:amount=0.5,resample=0.5,at=stored",
    "random-pixels:resample=1,at=stored",
    "shuffled-pixels:positions,at=stored",
];

/// The layout on disk, threads, ranks and a subset change no sample.
#[test]
fn every_kind_is_a_function_of_the_sample_alone() {
    let (_keep, planar) = dataset(Layout::Nchw);
    let (_keep_too, interleaved) = dataset(Layout::Nhwc);
    for kind in KINDS {
        let spec = spec("train", kind).order(OrderKind::Shuffled).batch(64).crop(Crop::Random(9)).flip(true);
        if kind.contains("size=11") {
            assert!(Recipe::new(&planar, &spec, 3).is_err(), "a patch larger than the crop");
            continue;
        }
        let recipe = Recipe::new(&planar, &spec, 3).unwrap();
        let other = Recipe::new(&interleaved, &spec, 3).unwrap();
        assert_eq!(recipe.digest(), other.digest(), "{kind}");
        let fifty = spec.clone().subset("range:100..150".parse().unwrap());
        let part = Recipe::new(&planar, &fifty, 3).unwrap();
        for epoch in 0..3 {
            let all: Vec<_> = recipe.labels(epoch).collect();
            assert_eq!(part.labels(epoch).collect::<Vec<_>>(), all[100..150], "{kind}");
        }
        let expected: Vec<HostBatch> =
            (0..14).map(|i| recipe.batch(i / 7, u64::from(i % 7), Partition::WHOLE).unwrap()).collect();
        let rows = |batch: &HostBatch| {
            let (rules, inputs) = (batch.rules().to_vec(), batch.input_rules().to_vec());
            (batch.ids().to_vec(), batch.labels().to_vec(), rules, inputs, batch.input_bytes().to_vec())
        };
        for (i, batch) in expected.iter().enumerate() {
            let from = other.batch(i as u32 / 7, i as u64 % 7, Partition::WHOLE).unwrap();
            assert!(rows(batch) == rows(&from), "{kind}: batch {i}, another layout");
        }
        let loader = Loader::builder(recipe.clone()).threads(3).epochs(2).start().unwrap();
        for (batch, expected) in loader.zip(&expected) {
            let batch = batch.unwrap();
            assert!(batch.input_bytes() == expected.input_bytes(), "{kind}");
            assert_eq!((batch.labels(), batch.rules()), (expected.labels(), expected.rules()), "{kind}");
        }
    }
}

/// No two kinds, strengths or places have a digest in common.
#[test]
fn digests_tell_kinds_strengths_and_places_apart() {
    let (_keep, dataset) = dataset(Layout::Nchw);
    let digest = |text: &str, seed| Recipe::new(&dataset, &spec("train", text), seed).unwrap().digest();
    let more = [
        "true-labels",
        "gaussian",
        "labels=pair-flip:p=0.44",
        "labels=instance-dependent:rate=0.41",
        "inputs=additive:severity=3,at=stored",
        "inputs=additive:severity=2",
        "inputs=impulse:p=0.21,resample=0.5",
        "inputs=shot:lambda=31,amount=0.5",
        "inputs=trigger:target=3,amount=0.3",
        "inputs=trigger:target=2,amount=0.3,size=4",
        "inputs=trigger:target=2,amount=0.3,pattern=7",
        "inputs=trigger:target=2,amount=0.3,position=top-left",
        "inputs=trigger:target=2,amount=0.3,blend=0.5",
    ];
    let all: Vec<_> = KINDS.into_iter().chain(more).map(|text| digest(text, 3)).collect();
    let different: std::collections::HashSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    // What is written in two ways is one thing.
    for (a, b) in [
        ("inputs=additive:severity=5", "inputs=additive:sigma=0.1"),
        ("inputs=impulse:severity=4", "inputs=impulse:p=0.05"),
        ("inputs=shot:severity=1", "inputs=shot:lambda=500"),
    ] {
        assert_eq!(digest(a, 3), digest(b, 3));
    }
    // A seed that draws nothing is no part of it.
    assert_eq!(digest("labels=zhang2017:p=0.5", 3), digest("labels=zhang2017:p=0.5", 4));
    assert_ne!(digest("labels=pair-flip:p=0.5", 3), digest("labels=pair-flip:p=0.5", 4));
}

#[test]
fn a_rate_of_nothing_changes_nothing() {
    let (keep, dataset) = dataset(Layout::Nchw);
    let matrix = keep.path().join("T.csv");
    std::fs::write(&matrix, "0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1,0.1\n".repeat(10)).unwrap();
    let labels = keep.path().join("labels.csv");
    std::fs::write(&labels, "1\n".repeat(TRAIN)).unwrap();
    let clean = whole(&dataset, &spec("train", "true-labels"), 2);
    for text in [
        "labels=uniform:p=0,resample=1",
        "labels=uniform:p=0,exact,exclude-true",
        "labels=pair-flip:p=0",
        "labels=pair-flip:p=0,exact",
        &format!("labels=matrix:file={},amount=0,resample=1", matrix.display()),
        &format!("labels=matrix:file={},amount=0,exact", matrix.display()),
        &format!("labels=file:path={},amount=0", labels.display()),
        "inputs=additive:sigma=1,amount=0,resample=1",
        "inputs=impulse:p=0",
        "inputs=impulse:p=1,amount=0,at=stored",
        "inputs=shot:lambda=1,amount=0",
        "inputs=trigger:target=1,amount=0",
        "inputs=trigger:target=1,amount=0,at=stored",
    ] {
        let batch = whole(&dataset, &spec("train", text), 2);
        assert!(batch.input_bytes() == clean.input_bytes(), "{text}");
        assert_eq!(batch.labels(), clean.labels(), "{text}");
        assert!(batch.rules().iter().all(|&r| r == 0), "{text}");
    }
}

/// At the stored image a permutation is followed by the crop; at the network's it follows it. Without geometry between
/// them both are one.
#[test]
fn stored_and_network_corruptions_differ_by_the_geometry_between() {
    let (_keep, dataset) = dataset(Layout::Nhwc);
    for kind in
        ["shuffled-pixels", "random-pixels", "gaussian", "inputs=additive:sigma=0.2", "inputs=shot:lambda=9"]
    {
        let stored = format!("{kind}{}at=stored", if kind.contains(':') { ',' } else { ':' });
        let at = |text: &str, crop| whole(&dataset, &spec("train", text).crop(crop), 0);
        let (whole_stored, whole_seen) = (at(&stored, Crop::None), at(kind, Crop::None));
        assert!(whole_stored.input_bytes() == whole_seen.input_bytes(), "{kind}");
        let (cropped, seen) = (at(&stored, Crop::Center(7)), at(kind, Crop::Center(7)));
        assert!(cropped.input_bytes() != seen.input_bytes(), "{kind}");
        // The crop of the corrupted image: rows 2 to 8, columns 2 to 8 of 12 x 11.
        let (image, window) = (3 * 12 * 11, 3 * 7 * 7);
        for (i, crop) in cropped.input_bytes().chunks(window).enumerate() {
            let image = &whole_stored.input_bytes()[i * image..][..image];
            for (k, &value) in crop.iter().enumerate() {
                let (c, y, x) = (k / 49, k / 7 % 7, k % 7);
                assert_eq!(value, image[(c * 12 + y + 2) * 11 + x + 2], "{kind}");
            }
        }
    }
}

/// The two numbers of a backdoor: accuracy on clean images with true labels, and what becomes of patched images.
#[test]
fn a_trigger_is_measured_by_two_recipes() {
    let (_keep, dataset) = dataset(Layout::Nchw);
    let text = "inputs=trigger:target=4,amount=0.25,pattern=255,position=top-left";
    let patched = |batch: &HostBatch, i: usize| {
        let image = &batch.input_bytes()[i * 396..][..396];
        image.chunks(132).all(|plane| (0..9).all(|k| plane[k / 3 * 11 + k % 3] == 255))
    };
    let train = whole(&dataset, &spec("train", text), 0);
    let clean = whole(&dataset, &spec("train", "true-labels"), 0);
    let mut poisoned = 0;
    for i in 0..TRAIN {
        let hit = train.rules()[i] == 3;
        assert_eq!((hit, hit), (train.input_rules()[i] == 1, patched(&train, i)), "labels and images agree");
        assert_eq!(train.labels()[i], if hit { 4 } else { clean.labels()[i] });
        poisoned += usize::from(hit);
    }
    // Five standard errors of 400 draws: one false alarm in a million.
    assert!((poisoned as f64 - 100.0).abs() < 5.0 * (400.0f64 * 0.25 * 0.75).sqrt(), "{poisoned}");

    let clean_accuracy = whole(&dataset, &spec("test", &format!("{text} test-inputs=clean")), 0);
    assert!(clean_accuracy.input_rules().iter().chain(clean_accuracy.rules()).all(|&r| r == 0));
    for (labels, relabelled) in [("", false), (" test-labels=same", true)] {
        let attack = whole(&dataset, &spec("test", &format!("{text}{labels}")), 0);
        for i in 0..TEST {
            let of_target = attack.clean_labels()[i] == 4;
            assert_eq!((attack.input_rules()[i] == 1, patched(&attack, i)), (!of_target, !of_target));
            let label = if relabelled { 4 } else { attack.clean_labels()[i] };
            assert_eq!(attack.labels()[i], label);
        }
    }
    let report = |split, text: &str| Recipe::new(&dataset, &spec(split, text), 3).unwrap().label_report(0);
    let of_train = report("train", text);
    assert_eq!((of_train.nominal_rate, of_train.affected.len()), (0.25, 1));
    // One class in ten is the target already.
    assert!((of_train.expected_changed - 0.225).abs() < 1e-9, "{}", of_train.expected_changed);
    assert!(of_train.notes.iter().any(|note| note.contains("two numbers")));
    let of_test = report("test", &format!("{text} test-labels=same"));
    assert_eq!((of_test.expected_changed, of_test.realised_changed), (0.9, 0.9));
}

#[test]
fn noise_that_does_not_fit_the_data_set_is_refused() {
    let (keep, dataset) = dataset(Layout::Nchw);
    let refused = |text: &str| Recipe::new(&dataset, &spec("train", text), 3).unwrap_err().to_string();
    assert!(refused("labels=asymmetric:p=0.4").contains("10 classes, class 0, class 1, class 2"));
    assert!(refused("inputs=trigger:target=10,amount=0.1").contains("no class of 10"));
    assert!(refused("inputs=trigger:target=1,amount=0.1,size=12").contains("at most 11"));
    assert!(refused("labels=matrix:file=/nowhere.csv").contains("/nowhere.csv"));
    assert!(refused(&format!("labels=file:path={}", keep.path().display())).contains("not a regular file"));
    let short = keep.path().join("short.csv");
    std::fs::write(&short, "1\n2\n").unwrap();
    assert!(refused(&format!("labels=file:path={}", short.display())).contains("expected 400"));
}

/// A report of labels from a file, written by rfx itself in an earlier run: the same labels, by another name.
#[test]
fn labels_written_by_rfx_are_read_back() {
    let (keep, dataset) = dataset(Layout::Nchw);
    let recipe = Recipe::new(&dataset, &spec("train", "labels=uniform:p=0.5"), 3).unwrap();
    let row = |r: rfx_loader::corrupt::LabelRow| format!("{},{},{},{}\n", r.id, r.old, r.new, r.rule as u8);
    let table: String =
        std::iter::once("id,old,new,rule\n".to_owned()).chain(recipe.labels(0).map(row)).collect();
    let path = keep.path().join("own, labels.csv");
    std::fs::write(&path, table).unwrap();
    let text = format!("labels=file:path=\"{}\"", path.display());
    let again = Recipe::new(&dataset, &spec("train", &text), 8).unwrap();
    let new = |recipe: &Recipe| recipe.labels(0).map(|r| r.new).collect::<Vec<_>>();
    assert_eq!(new(&again), new(&recipe));
    let report = again.label_report(0);
    assert_eq!(report.expected_changed, report.realised_changed);
    assert!(
        report.notes.iter().any(|note| note.contains("all 400 are the data set's")),
        "{:?}",
        report.notes
    );
}

/// Files as CIFAR-10N and CIFAR-100N are published: pickled dictionaries, by NumPy, by PyTorch, and by hand.
#[test]
fn published_files_of_human_labels_are_read_and_nothing_in_them_is_run() {
    let test = "published_files_of_human_labels_are_read_and_nothing_in_them_is_run";
    let Some(python) = support::python(test) else { return };
    let (keep, dataset) = dataset(Layout::Nchw);
    let recipe = Recipe::new(&dataset, &spec("train", "labels=uniform:p=0.5"), 3).unwrap();
    let row = |r: rfx_loader::corrupt::LabelRow| format!("{},{},{},{}\n", r.id, r.old, r.new, r.rule as u8);
    let table: String =
        std::iter::once("id,old,new,rule\n".to_owned()).chain(recipe.labels(0).map(row)).collect();
    let at = |name: &str| keep.path().join(name);
    std::fs::write(at("table.csv"), table).unwrap();
    let script = support::workspace().join("loader/tests/python/label_files.py");
    let ran = std::process::Command::new(python)
        .args(["-B".as_ref(), script.as_os_str(), at("table.csv").as_os_str(), keep.path().as_os_str()])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let names = String::from_utf8(ran.stdout).unwrap();
    if !names.contains("torch.pt") {
        support::skip("torch", test, "no PyTorch to write a .pt file with; the other files were read");
    }
    let open = |name: &str, column: &str| {
        let text = format!("labels=file:path={}{column}", at(name).display());
        Recipe::new(&dataset, &spec("train", &text), 8)
    };
    let new: Vec<i64> = recipe.labels(0).map(|r| r.new).collect();
    for name in names.split_whitespace() {
        for column in ["worse_label", "random_label1", "random_label2", "random_label3"] {
            let read =
                open(name, &format!(",column={column}")).unwrap_or_else(|e| panic!("{name} {column}: {e}"));
            assert_eq!(read.labels(0).map(|r| r.new).collect::<Vec<_>>(), new, "{name} {column}");
            let notes = read.label_report(0).notes;
            assert!(notes.iter().any(|note| note.contains("all 400 are the data set's")), "{notes:?}");
        }
        let aggregate = open(name, ",column=aggre_label").unwrap();
        assert!(aggregate.labels(0).all(|r| r.new == r.old));
        let message = open(name, "").unwrap_err().to_string();
        assert!(message.contains("aggre_label, worse_label") && message.contains("column="), "{message}");
    }
    for (name, parts) in [
        ("shifted.npy", &["column clean_label", "400 that differ, first at id 0", "TensorFlow"][..]),
        ("floats.npy", &["f8"]),
        ("uneven.npy", &["400 numbers as `clean_label`, found 399"]),
        ("calls.npy", &["posix.mkdir", "nothing was executed"]),
        ("calls.pt", &["posix.mkdir", "nothing was executed"]),
        ("packed.pt", &["stored, not packed"]),
        ("empty.pt", &["a member data.pkl"]),
    ] {
        let message = open(name, ",column=worse_label").unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{name}: {message}");
    }
    // Any file cut short is refused, and says where.
    for name in ["new.npy", "made.pt"] {
        let whole = std::fs::read(at(name)).unwrap();
        for keep in (0..40).map(|i| whole.len() * i / 40) {
            std::fs::write(at("cut"), &whole[..keep]).unwrap();
            assert!(open("cut", ",column=worse_label").is_err(), "{name} cut to {keep} bytes");
        }
    }
    assert!(!std::path::Path::new("executed").exists());
}
