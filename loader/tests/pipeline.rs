//! How the pipeline behaves when things go well, and when they do not.

#[path = "support/synthetic.rs"]
mod synthetic;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rfx_loader::{
    Dtype, Error, ErrorKind, Layout, Loader, LoaderSpec, Partition, Position, Recipe, State,
    pack::PackOrder,
    pipeline::{LoaderStats, PipelineError, StateError},
};
use synthetic::{Synthetic, packed};

fn recipe(dir: &tempfile::TempDir, batch: usize) -> Recipe {
    let source = Synthetic::new(200, 20, [3, 8, 8], Layout::Nchw);
    let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
    Recipe::new(&dataset, &LoaderSpec::new("train").batch(batch), 1).unwrap()
}

#[test]
fn a_batch_held_over_two_epochs_keeps_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&dir, 32);
    let mut loader = Loader::builder(recipe.clone()).threads(2).slots(3).start().unwrap();
    let held = Arc::new(loader.next().unwrap().unwrap());
    let expected = recipe.batch(0, 0, Partition::WHOLE).unwrap();
    for _ in 0..2 * recipe.steps_per_epoch() {
        loader.next().unwrap().unwrap();
    }
    assert_eq!(held.input_bytes(), expected.input_bytes());
    drop(loader); // and the guard outlives the loader
    assert_eq!(held.input_bytes(), expected.input_bytes());
    assert_eq!((held.labels(), held.ids()), (expected.labels(), expected.ids()));
    std::thread::spawn(move || drop(held)).join().unwrap();
}

#[test]
fn holding_every_slot_is_an_error_and_not_a_deadlock() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&dir, 32);
    for threads in [0, 2] {
        let mut loader = Loader::builder(recipe.clone()).threads(threads).slots(3).start().unwrap();
        let mut held: Vec<_> = (0..3).map(|_| loader.next().unwrap().unwrap()).collect();
        match loader.next() {
            Some(Err(Error::Pipeline(PipelineError::AllSlotsHeld { slots: 3 }))) => {}
            other => panic!("{other:?}"),
        }
        // Giving one back, whichever, lets the consumer go on where it was.
        held.remove(1);
        assert_eq!(loader.next().unwrap().unwrap().step(), 3);
    }
}

#[test]
fn stats_count_batches_samples_and_waits_and_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&dir, 32);
    for threads in [0, 2] {
        let mut loader = Loader::builder(recipe.clone()).threads(threads).slots(3).epochs(2).start().unwrap();
        assert_eq!(loader.slots(), 3);
        for (epoch, steps) in [(0, 7), (1, 7)] {
            let position = Position { epoch, step: 0 };
            assert_eq!(loader.next_position(), position);
            let samples: usize = loader.by_ref().take(steps).map(|batch| batch.unwrap().len()).sum();
            let stats = loader.stats();
            assert_eq!((stats.batches, stats.samples), (steps as u64, samples as u64));
            assert_eq!(stats.waits.len(), stats.batches);
            let (longest, all) = (stats.waits.max().as_secs_f64(), stats.wait_s);
            assert!(all > 0.0 && longest <= all && all <= 7.001 * longest, "{longest} {all}");
            loader.reset_stats();
            assert_eq!(*loader.stats(), LoaderStats::default());
        }
        assert!(loader.next().is_none());
        assert!(loader.stats().waits.is_empty());
    }
}

#[test]
fn a_replay_says_which_batch_is_due_and_holds_that_of_the_slots_first_use() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&dir, 32); // 6 steps of 32 and one of 8
    for (threads, slots) in [(0, 2), (1, 3), (3, 16)] {
        let builder = Loader::builder(recipe.clone()).threads(threads).slots(slots).epochs(4);
        let mut made = vec![];
        for (number, batch) in builder.replay(true).start().unwrap().enumerate() {
            let batch = batch.unwrap();
            let (epoch, step) = (number as u32 / 7, number as u64 % 7);
            assert_eq!(*batch.info(), *recipe.batch(epoch, step, Partition::WHOLE).unwrap().info());
            if !made.contains(&batch.ids()[..8].to_vec()) {
                made.push(batch.ids()[..8].to_vec());
                let fresh = recipe.batch(epoch, step, Partition::WHOLE).unwrap();
                assert_eq!((batch.input_bytes(), batch.labels()), (fresh.input_bytes(), fresh.labels()));
            }
        }
        // Nothing was made but once for each slot that was used.
        assert!((1..=slots).contains(&made.len()), "{} batches made in {slots} slots", made.len());
    }
}

#[test]
fn no_thread_is_left_behind_and_shutdown_is_prompt() {
    // No other test of this program starts a thread of this number.
    let workers = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok() // none of a thread that ends meanwhile
        };
        tasks.filter_map(name).filter(|n| n.trim() == "rfx-loader-6").count()
    };
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&dir, 16);
    for consumed in [0, 1, 5] {
        let mut loader = Loader::builder(recipe.clone()).threads(7).slots(2).start().unwrap();
        for _ in 0..consumed {
            loader.next().unwrap().unwrap();
        }
        let held = loader.next();
        // A thread names itself once it runs, and is listed for a moment after it was joined.
        let becomes = |expected| {
            let patience = Instant::now() + Duration::from_secs(60);
            while workers() != expected && Instant::now() < patience {
                std::thread::yield_now();
            }
            assert_eq!(workers(), expected, "after {consumed} batches");
        };
        becomes(1);
        let started = Instant::now();
        drop(loader); // joins: a worker that does not stop would hang here
        assert!(started.elapsed().as_secs() < 5);
        becomes(0);
        drop(held);
    }
}

#[test]
fn a_damaged_record_is_an_error_that_names_it_and_ends_the_stream() {
    let dir = tempfile::tempdir().unwrap();
    let source = Synthetic::new(200, 20, [3, 8, 8], Layout::Nchw);
    let path = dir.path().join("d");
    drop(packed(&source, &path, 1 << 20, PackOrder::Source));
    let shard = std::fs::read_dir(&path)
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.file_name().unwrap().to_str().unwrap().starts_with("train"))
        .unwrap();
    let mut bytes = std::fs::read(&shard).unwrap();
    let last = bytes.len() - 1; // in the pixels of the last record
    bytes[last] ^= 1;
    std::fs::write(&shard, bytes).unwrap();
    let dataset = rfx_loader::Dataset::open(&path, rfx_loader::dataset::Verify::Once).unwrap();
    let recipe = Recipe::new(&dataset, &LoaderSpec::new("train").batch(32), 1).unwrap();
    let mut loader = Loader::builder(recipe).threads(2).epochs(1).start().unwrap();
    let error = loader.by_ref().find_map(Result::err).expect("the damage is met within an epoch");
    let text = error.to_string();
    assert!(text.contains(shard.file_name().unwrap().to_str().unwrap()) && text.contains("199"), "{text}");
    assert!(loader.next().is_none());
}

#[test]
fn a_state_of_something_else_is_refused_with_both_values() {
    let dir = tempfile::tempdir().unwrap();
    let source = Synthetic::new(200, 20, [3, 8, 8], Layout::Nchw);
    let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
    let other = Synthetic::new(190, 20, [3, 8, 8], Layout::Nchw);
    let other = packed(&other, &dir.path().join("o"), 1 << 20, PackOrder::Source);
    let spec = LoaderSpec::new("train").batch(32);
    let recipe = Recipe::new(&dataset, &spec, 1).unwrap();
    let state = Loader::builder(recipe.clone()).start().unwrap().state();
    let refused = |recipe: Recipe| match Loader::builder(recipe).resume(&state) {
        Err(e @ Error::Pipeline(PipelineError::State(_))) => {
            assert_eq!(e.kind(), ErrorKind::Input);
            match e {
                Error::Pipeline(PipelineError::State(s)) => s,
                _ => unreachable!(),
            }
        }
        other => panic!("{other:?}"),
    };
    let changed = Recipe::new(&dataset, &spec.clone().dtype(Dtype::F32), 1).unwrap();
    match refused(changed.clone()) {
        StateError::Spec { found, expected } => {
            assert_eq!((found, expected), (recipe.digest(), changed.digest()));
        }
        other => panic!("{other}"),
    }
    // Another seed is called that, whether or not the corruption is drawn with it.
    for text in ["true-labels", "random-labels", "random-labels seed=1"] {
        let spec = spec.clone().corruption(text.parse().unwrap());
        let state = State::new(&Recipe::new(&dataset, &spec, 1).unwrap(), Position::default());
        let error = Loader::builder(Recipe::new(&dataset, &spec, 2).unwrap()).resume(&state).unwrap_err();
        let Error::Pipeline(PipelineError::State(StateError::Seed { found: 1, expected: 2 })) = error else {
            panic!("{text}: {error}")
        };
    }
    assert!(matches!(refused(Recipe::new(&other, &spec, 1).unwrap()), StateError::Content { .. }));

    // Hand-made states: every field is checked before anything is allocated.
    let json = serde_json::to_value(&state).unwrap();
    for (field, value) in [("position", 7u64), ("position", 1 << 40), ("batch", 0), ("version", 2)] {
        let mut json = json.clone();
        json[field] = value.into();
        let state: State = serde_json::from_value(json).unwrap();
        assert!(Loader::builder(recipe.clone()).resume(&state).is_err(), "{field}={value}");
    }
    let mut unknown = json.clone();
    unknown["extra"] = 1.into();
    assert!(serde_json::from_value::<State>(unknown).is_err());
}

#[test]
fn senseless_options_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(&dir, 32);
    assert!(Loader::builder(recipe.clone()).threads(1025).start().is_err());
    assert!(Loader::builder(recipe.clone()).slots(1).start().is_err());
    let at = |epoch, step| Position { epoch, step };
    assert!(Loader::builder(recipe.clone()).start_at(at(0, 7)).start().is_err());
    assert!(Loader::builder(recipe.clone()).start_at(at(3, 0)).epochs(2).start().is_err());
    assert!(recipe.batch(0, 7, Partition::WHOLE).is_err());
    let new = |spec: LoaderSpec| Recipe::new(recipe.dataset(), &spec, 1);
    let base = || LoaderSpec::new("train");
    assert!(new(base().batch(0)).is_err());
    assert!(new(base().batch(usize::MAX)).is_err());
    assert!(new(base().batch(201).drop_last(true)).is_err());
    assert!(new(base().crop(rfx_loader::Crop::Center(9))).is_err());
    assert!(new(base().normalise(rfx_loader::Normalise::Whiten)).is_err(), "whitened bytes");
    assert!(new(LoaderSpec::new("validation")).is_err());
}
