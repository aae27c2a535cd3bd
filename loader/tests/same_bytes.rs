//! The first promise: a batch depends on nothing but content, spec, seed, epoch and step.

#[path = "support/synthetic.rs"]
mod synthetic;

use rfx_loader::{
    Crop, Dataset, Dtype, Layout, Loader, LoaderSpec, Normalise, Partition, Position, Recipe, Simd, State,
    digest::{Digest, Hasher},
    geometry::Area,
    pack::{PackCodec, PackOptions, PackOrder},
};
use synthetic::{Synthetic, packed, packed_as};

const BATCH: usize = 24;
const SAMPLES: usize = 205; // 9 steps, the last one of 13 samples
const EPOCHS: u32 = 3;

fn specs() -> Vec<LoaderSpec> {
    let base = || LoaderSpec::new("train").batch(BATCH).crop(Crop::Random(9)).flip(true).rotate(25);
    let spec = |text: &str| base().corruption(text.parse().unwrap());
    vec![
        spec("partially-corrupted:0.5").normalise(Normalise::Whiten).dtype(Dtype::F32),
        spec("labels=uniform:p=0.5,resample=0.5 inputs=random-pixels:amount=0.5,resample=0.5")
            .normalise(Normalise::Channel)
            .dtype(Dtype::Bf16)
            .layout(Layout::Nhwc),
        spec("gaussian:resample=1").normalise(Normalise::Whiten).dtype(Dtype::F16),
        spec("labels=uniform:p=0.5,exclude-true").label_column(Some("third".into())),
        spec("random-pixels:amount=0.3,at=stored")
            .crop("random-resized:17,area=0.2..1".parse().unwrap())
            .rotate(0),
        spec("shuffled-pixels").drop_last(true).subset("100:balanced".parse().unwrap()),
    ]
}

/// Where a sample was delivered (epoch, step, place in the global batch), and a digest of all that a consumer sees of it.
type Delivered = (u32, u64, usize, Digest);

macro_rules! delivered {
    ($batch:expr) => {{
        let batch = $batch;
        let bytes = batch.input_bytes().len() / batch.len().max(1);
        let sample = |i: usize| -> Delivered {
            let mut hasher = Hasher::new("test");
            hasher.bytes(&batch.input_bytes()[i * bytes..(i + 1) * bytes]);
            hasher.i64(batch.labels()[i]).i64(batch.clean_labels()[i]).i64(batch.ids()[i]);
            hasher.bytes(&[batch.rules()[i], batch.input_rules()[i]]);
            (batch.epoch(), batch.step(), batch.info().offset + i, hasher.finish())
        };
        (0..batch.len()).map(sample).collect::<Vec<_>>()
    }};
}

/// All epochs from the single-threaded definition.
fn reference(recipe: &Recipe) -> Vec<Delivered> {
    let steps = (0..EPOCHS).flat_map(|e| (0..recipe.steps_per_epoch()).map(move |s| (e, s)));
    steps.flat_map(|(e, s)| delivered!(recipe.batch(e, s, Partition::WHOLE).unwrap())).collect()
}

/// Part of a run: `steps` global steps (or all that are left) on `world` ranks, each with a loader of its own.
struct Part<'a> {
    recipe: &'a Recipe,
    steps: u64,
    world: u32,
    threads: usize,
    slots: usize,
}

/// Runs the parts one after another, each from the state, as JSON, that the last rank of the one before saved.
fn run(parts: &[Part<'_>]) -> Vec<Delivered> {
    let mut seen: Vec<Delivered> = Vec::new();
    let mut saved: Option<String> = None;
    for part in parts {
        let from: Option<State> = saved.take().map(|json| serde_json::from_str(&json).unwrap());
        for rank in 0..part.world {
            let loader = Loader::builder(part.recipe.clone()).threads(part.threads).slots(part.slots);
            let loader = loader.partition(Partition::new(rank, part.world).unwrap()).epochs(EPOCHS);
            let mut loader = match &from {
                Some(state) => loader.resume(state).unwrap(),
                None => loader,
            }
            .start()
            .unwrap();
            for batch in loader.by_ref().take(part.steps as usize) {
                seen.extend(delivered!(batch.unwrap()));
            }
            saved = Some(serde_json::to_string(&loader.state()).unwrap());
        }
    }
    seen.sort_by_key(|s| (s.0, s.1, s.2));
    seen
}

/// The same samples, stored in four ways that have nothing in common but the content id's layout: raw and compressed,
/// without and with a dictionary, in few shards and many.
fn stored(dir: &std::path::Path, layout: Layout) -> [Dataset; 4] {
    let source = Synthetic::new(SAMPLES, 20, [3, 12, 11], layout);
    let shuffled = |seed| PackOrder::Shuffled { seed };
    let zstd = |level, dictionary_bytes| PackCodec::Zstd { level, dictionary_bytes };
    [
        ("whole", 1 << 20, PackOrder::Source, PackCodec::Raw),
        ("parts", 9_000, shuffled(3), PackCodec::Raw),
        ("zstd", 1 << 20, shuffled(4), zstd(3, 0)),
        ("dictionary", 9_000, PackOrder::Source, zstd(19, 512)),
    ]
    .map(|(name, shard_bytes, order, codec)| {
        let options = PackOptions { jobs: 2, shard_bytes, order, codec };
        packed_as(&source, &dir.join(format!("{layout:?}-{name}")), options)
    })
}

/// More ranks than samples in a batch, and numbers that do not divide it.
const WORLDS: [u32; 5] = [1, 2, 5, 7, 2 * BATCH as u32];

#[test]
fn same_bytes_for_any_threads_slots_ranks_and_stored_form() {
    let dir = tempfile::tempdir().unwrap();
    let datasets = [Layout::Nchw, Layout::Nhwc].map(|layout| stored(dir.path(), layout));
    for spec in specs() {
        let recipe = Recipe::new(&datasets[0][0], &spec, 42).unwrap();
        let expected = reference(&recipe);
        let check = |recipe: &Recipe, threads, slots, world| {
            let all = Part { recipe, steps: u64::MAX, world, threads, slots };
            assert!(run(&[all]) == expected, "{spec:?} {threads} threads {slots} slots {world} ranks");
        };
        for (threads, slots) in [(0, 2), (1, 2), (2, 3), (5, 4)] {
            WORLDS.iter().for_each(|&world| check(&recipe, threads, slots, world));
        }
        for dataset in datasets.iter().flatten().skip(1) {
            let recipe = Recipe::new(dataset, &spec, 42).unwrap();
            [1, 7].iter().for_each(|&world| check(&recipe, 2, 3, world));
        }
    }
}

/// A ring so large that floats are stored past the cache, by every thread; rows of whole lines, and rows that are not.
#[test]
fn same_bytes_from_a_ring_that_no_cache_holds() {
    let dir = tempfile::tempdir().unwrap();
    for side in [160, 159] {
        let source = Synthetic::new(150, 10, [3, side, side], Layout::Nchw);
        let dataset = packed(&source, &dir.path().join(side.to_string()), 1 << 30, PackOrder::Source);
        let spec = LoaderSpec::new("train").batch(64).normalise(Normalise::Whiten).dtype(Dtype::F32);
        let recipe = Recipe::new(&dataset, &spec, 1).unwrap();
        let slots = 16;
        assert!(slots * 64 * recipe.sample_bytes() > 256 << 20);
        let expected = reference(&recipe); // one batch at a time, in the cache
        for threads in [0, 2] {
            let all = Part { recipe: &recipe, steps: u64::MAX, world: 1, threads, slots };
            assert!(run(&[all]) == expected, "{side}, {threads} threads");
        }
    }
}

/// Images wide enough for whole vectors and for their tails, every dtype and layout, stored in either layout; every set of
/// instructions this processor has, with few and many slots, one thread, several and none. Where no sample changes from
/// epoch to epoch, also from images kept in memory.
#[test]
fn same_bytes_for_any_instructions_threads_slots_and_kept_images() {
    let dir = tempfile::tempdir().unwrap();
    let datasets = [Layout::Nchw, Layout::Nhwc].map(|layout| {
        let source = Synthetic::new(70, 10, [3, 38, 37], layout);
        packed(&source, &dir.path().join(format!("{layout:?}")), 100_000, PackOrder::Shuffled { seed: 2 })
    });
    let corruptions = [
        "partially-corrupted:0.5",
        "shuffled-pixels",
        "random-pixels:amount=0.5",
        "random-pixels:positions",
        "gaussian:resample=0.5",
        "inputs=additive:sigma=0.1,amount=0.5",
        "inputs=shot:severity=3,at=stored",
    ];
    let geometries: [fn(LoaderSpec) -> LoaderSpec; 3] =
        [|spec| spec, |spec| spec.crop(Crop::Center(28)), |spec| spec.crop(Crop::Random(33)).flip(true)];
    let mut kept = 0;
    for (i, corruption) in corruptions.iter().enumerate() {
        for (g, geometry) in geometries.iter().enumerate() {
            for (d, dtype) in Dtype::ALL.into_iter().enumerate() {
                let layout = [Layout::Nchw, Layout::Nhwc][(i + g + d) % 2];
                let normalise = match dtype {
                    Dtype::U8 => Normalise::None,
                    _ => [Normalise::Whiten, Normalise::Channel, Normalise::None][(i + d) % 3],
                };
                let spec = LoaderSpec::new("train").batch(BATCH).corruption(corruption.parse().unwrap());
                let spec = geometry(spec).dtype(dtype).layout(layout).normalise(normalise);
                let recipe = Recipe::new(&datasets[0], &spec, 9).unwrap().with_simd(Simd::PORTABLE);
                let expected = reference(&recipe);
                for (dataset, simd) in datasets.iter().flat_map(|d| Simd::available().map(move |s| (d, s))) {
                    let recipe = Recipe::new(dataset, &spec, 9).unwrap().with_simd(simd);
                    let check = |recipe: &Recipe, threads, slots| {
                        let all = Part { recipe, steps: u64::MAX, world: 1, threads, slots };
                        assert!(run(&[all]) == expected, "{spec:?} {simd} {threads} threads {slots} slots");
                    };
                    check(&recipe, (i + d) % 4, 2 + (i + g) % 9);
                    if let Ok(recipe) = recipe.clone().with_cached_views() {
                        check(&recipe, 2 + d % 2, 2 + i % 2);
                        check(&recipe, 0, 2); // all of it there from the first batch on
                        kept += 1;
                    } else {
                        assert!(g == 2 || corruption.contains("resample"), "{spec:?}");
                    }
                }
            }
        }
    }
    assert_eq!(kept, 6 * 2 * 4 * 2 * Simd::available().count());
}

/// From every step, ends of epochs and of the run included, on another number of ranks, with other threads, and from a
/// data set packed otherwise.
#[test]
fn same_bytes_when_resumed_at_any_step_on_another_world_size() {
    let dir = tempfile::tempdir().unwrap();
    let datasets = stored(dir.path(), Layout::Nchw);
    for spec in specs() {
        let [before, after] = [0, 3].map(|d| Recipe::new(&datasets[d], &spec, 42).unwrap());
        let expected = reference(&before);
        for stop in 0..=before.steps_per_epoch() * u64::from(EPOCHS) {
            let world = |n: u64| WORLDS[(n % WORLDS.len() as u64) as usize];
            let threads = (stop % 4) as usize;
            let parts = [
                Part { recipe: &before, steps: stop, world: world(stop), threads, slots: 2 },
                Part { recipe: &after, steps: 1, world: world(stop + 2), threads: 2, slots: 4 },
                Part { recipe: &before, steps: u64::MAX, world: world(stop + 3), threads: 1, slots: 3 },
            ];
            assert!(run(&parts) == expected, "{spec:?} stopped before step {stop}");
        }
    }
}

/// Windows that end within batches, a window larger than the split, and a subset: for any threads and ranks, and resumed at
/// every step of an epoch. Stored otherwise the order is another one, and its state is refused.
#[test]
fn same_bytes_of_a_windowed_order_for_any_threads_ranks_and_resume_points() {
    let dir = tempfile::tempdir().unwrap();
    let datasets = stored(dir.path(), Layout::Nchw);
    for (order, subset) in
        [("windowed:40,block=8", "all"), ("windowed:300,block=100", "all"), ("windowed:14,block=7", "101@3")]
    {
        let spec = LoaderSpec::new("train").batch(BATCH).crop(Crop::Random(9)).flip(true);
        let spec = spec.order(order.parse().unwrap()).subset(subset.parse().unwrap());
        let mut digests = Vec::new();
        for dataset in &datasets {
            let recipe = Recipe::new(dataset, &spec, 42).unwrap();
            digests.push(recipe.digest());
            let expected = reference(&recipe);
            for (threads, world) in [(0, 1), (1, 2), (2, 7), (5, 1)] {
                let all = Part { recipe: &recipe, steps: u64::MAX, world, threads, slots: 3 };
                assert!(run(&[all]) == expected, "{spec:?} {threads} threads {world} ranks");
            }
            for stop in 0..=recipe.steps_per_epoch() {
                let parts = [(stop, 3), (u64::MAX, 2)].map(|(steps, world)| Part {
                    recipe: &recipe,
                    steps,
                    world,
                    threads: 1,
                    slots: 3,
                });
                assert!(run(&parts) == expected, "{spec:?} stopped before step {stop}");
            }
            // Each sample once per epoch.
            let steps = 0..recipe.steps_per_epoch();
            let visited: Vec<u32> = steps.flat_map(|step| recipe.visits(1, step).unwrap()).collect();
            let mut sorted = visited.clone();
            sorted.sort_unstable();
            assert!(sorted.iter().copied().eq(0..recipe.samples() as u32));
        }
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), datasets.len());
        let state = State::new(&Recipe::new(&datasets[0], &spec, 42).unwrap(), Position::default());
        let elsewhere = Loader::builder(Recipe::new(&datasets[1], &spec, 42).unwrap()).resume(&state);
        assert!(elsewhere.unwrap_err().to_string().contains("loader spec"));
    }
}

#[test]
fn digests_are_the_same_for_any_shard_size_pack_order_codec_and_stored_layout() {
    let dir = tempfile::tempdir().unwrap();
    let datasets = [Layout::Nchw, Layout::Nhwc].map(|layout| stored(dir.path(), layout));
    for spec in specs() {
        let digests = |dataset| {
            let recipe = Recipe::new(dataset, &spec, 42).unwrap();
            (recipe.digest(), recipe.label_report(1).digest)
        };
        let expected = digests(&datasets[0][0]);
        assert!(datasets.iter().flatten().all(|d| digests(d) == expected), "{spec:?}");
    }
    for datasets in &datasets {
        assert!(datasets.iter().all(|d| d.content() == datasets[0].content()));
    }
}

/// Nothing that is not in the identity may change it, and everything that is must.
#[test]
fn the_spec_digest_tells_specs_apart() {
    let dir = tempfile::tempdir().unwrap();
    let source = Synthetic::new(60, 20, [3, 12, 12], Layout::Nchw);
    let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
    let base = || LoaderSpec::new("train").batch(8);
    let corrupt = |text: &str| base().corruption(text.parse().unwrap());
    let resized = |size| Crop::RandomResized { size, area: Area::default() };
    let specs = [
        base(),
        base().batch(9),
        base().crop(Crop::Center(8)),
        base().crop(Crop::Random(8)),
        base().crop(Crop::Center(7)),
        base().crop(resized(8)),
        base().crop(resized(7)),
        base().crop("random-resized:8,area=0.08..0.9".parse().unwrap()),
        base().crop("random-resized:8,area=0.07..1".parse().unwrap()),
        base().flip(true),
        base().rotate(25),
        base().rotate(25).flip(true),
        base().dtype(Dtype::F32),
        base().dtype(Dtype::F16),
        base().dtype(Dtype::Bf16),
        base().dtype(Dtype::F32).normalise(Normalise::Whiten),
        base().dtype(Dtype::F32).normalise(Normalise::Channel),
        base().layout(Layout::Nhwc),
        base().drop_last(true),
        base().label_column(Some("third".into())),
        base().order(rfx_loader::OrderKind::Sequential),
        base().order("windowed:16,block=8".parse().unwrap()),
        base().order("windowed:16,block=4".parse().unwrap()),
        base().order("windowed:32,block=8".parse().unwrap()),
        base().subset("range:0..50".parse().unwrap()),
        base().subset("30".parse().unwrap()),
        base().subset("30@1".parse().unwrap()),
        LoaderSpec::new("test").batch(8),
        corrupt("random-labels"),
        corrupt("random-labels seed=2"),
        corrupt("partially-corrupted:0.5"),
        corrupt("labels=uniform:p=1,exclude-true"),
        corrupt("labels=uniform:p=0.5,exact"),
        corrupt("labels=uniform:p=0.5,resample=0.5"),
        corrupt("shuffled-pixels"),
        corrupt("shuffled-pixels:positions"),
        corrupt("random-pixels"),
        corrupt("random-pixels:amount=0.5"),
        corrupt("random-pixels:resample=0.5"),
        corrupt("gaussian"),
        corrupt("gaussian:resample=0.5"),
    ];
    let digests: Vec<Digest> = specs.iter().map(|s| Recipe::new(&dataset, s, 1).unwrap().digest()).collect();
    for (i, a) in digests.iter().enumerate() {
        for (j, b) in digests.iter().enumerate().skip(i + 1) {
            assert_ne!(a, b, "{:?} and {:?}", specs[i], specs[j]);
        }
    }
    // The whole split by another name, and the seed in the spec or beside it.
    let same = |spec: LoaderSpec, seed| Recipe::new(&dataset, &spec, seed).unwrap().digest();
    assert_eq!(same(corrupt("random-labels seed=9"), 1), same(corrupt("random-labels seed=9"), 2));
    assert_eq!(same(corrupt("random-labels seed=9"), 1), same(corrupt("random-labels"), 9));
    // A corruption's seed where nothing of the split is drawn with it.
    assert_eq!(same(corrupt("true-labels seed=2"), 1), same(base(), 1));
    let test = |text: &str| LoaderSpec::new("test").batch(8).corruption(text.parse().unwrap());
    assert_eq!(same(test("random-labels seed=2"), 1), same(test("true-labels"), 5));
}

/// A maker, going from step to step and epoch to epoch in any order, for ranks whose parts differ in size.
#[test]
fn same_bytes_from_a_maker() {
    let dir = tempfile::tempdir().unwrap();
    let datasets = stored(dir.path(), Layout::Nchw);
    for spec in specs() {
        let recipe = Recipe::new(&datasets[3], &spec, 42).unwrap();
        for world in [1, 5] {
            let mut seen = Vec::new();
            for rank in 0..world {
                let mut maker = recipe.maker(Partition::new(rank, world).unwrap()).unwrap();
                for epoch in [2, 0, 1] {
                    for step in (0..recipe.steps_per_epoch()).rev() {
                        seen.extend(delivered!(maker.make(epoch, step).unwrap()));
                    }
                }
                assert!(maker.make(0, recipe.steps_per_epoch()).is_err());
            }
            seen.sort_by_key(|s| (s.0, s.1, s.2));
            assert!(seen == reference(&recipe), "{spec:?} {world} ranks");
        }
    }
}

/// Every draw of (seed, epoch + 1) differs from that of (seed + 1, epoch), and train's from test's.
#[test]
fn seeds_epochs_and_splits_do_not_alias() {
    let dir = tempfile::tempdir().unwrap();
    let source = Synthetic::new(60, 60, [1, 12, 12], Layout::Nchw);
    let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
    let batch = |spec: &LoaderSpec, seed, epoch| {
        Recipe::new(&dataset, spec, seed).unwrap().batch(epoch, 0, Partition::WHOLE).unwrap()
    };
    let base = || LoaderSpec::new("train").batch(60);
    let in_order = |spec: LoaderSpec| spec.order(rfx_loader::OrderKind::Sequential);
    let corrupt = |text: &str| in_order(base().corruption(text.parse().unwrap()));
    for (seed, epoch) in [(0, 0), (1, 0), (7, 3), (u64::MAX - 1, 0)] {
        let pair = |spec: &LoaderSpec| [batch(spec, seed, epoch + 1), batch(spec, seed + 1, epoch)];
        let [a, b] = pair(&base());
        assert_ne!(a.ids(), b.ids(), "order, seed {seed} epoch {epoch}");
        // In id order rows stand for the same samples: only the draws can differ.
        for spec in [
            in_order(base().crop(Crop::Random(6))),
            in_order(base().crop("random-resized:6".parse().unwrap())),
            in_order(base().flip(true)),
            corrupt("random-pixels:resample=1"),
            corrupt("gaussian:resample=1"),
            corrupt("shuffled-pixels"),
        ] {
            let [a, b] = pair(&spec);
            assert_eq!(a.ids(), b.ids());
            assert_ne!(a.input_bytes(), b.input_bytes(), "{spec:?}, seed {seed} epoch {epoch}");
        }
        let [a, b] = pair(&corrupt("labels=uniform:p=1,resample=1"));
        // Of 60 pairs of labels about 6 are equal by chance; 20 or more once in 10^6 true implementations.
        let equal = a.labels().iter().zip(b.labels()).filter(|(a, b)| a == b).count();
        assert!(equal < 20, "{equal} labels, seed {seed} epoch {epoch}");
    }
    // Noise of a test image is not that of the train image of the same rank.
    let noise = |split: &str| {
        let spec = in_order(LoaderSpec::new(split).batch(60)).corruption("gaussian".parse().unwrap());
        batch(&spec, 1, 0).input_bytes().to_vec()
    };
    let (train, test) = (noise("train"), noise("test"));
    assert!(train.chunks(144).zip(test.chunks(144)).all(|(a, b)| a != b));
}

#[test]
fn a_state_names_the_next_batch_also_at_the_end_of_an_epoch() {
    let dir = tempfile::tempdir().unwrap();
    let source = Synthetic::new(50, 20, [1, 4, 4], Layout::Nchw);
    let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
    let recipe = Recipe::new(&dataset, &LoaderSpec::new("train").batch(20), 5).unwrap();
    let mut loader = Loader::builder(recipe.clone()).epochs(2).start().unwrap();
    let mut positions = Vec::new();
    while let Some(batch) = loader.next() {
        batch.unwrap();
        positions.push((loader.state().epoch(), loader.state().position()));
    }
    assert_eq!(positions, [(0, 20), (0, 40), (1, 0), (1, 20), (1, 40), (2, 0)]);
    assert_eq!(loader.next_position(), Position { epoch: 2, step: 0 });
    let done = Loader::builder(recipe).resume(&loader.state()).unwrap().epochs(2).start().unwrap();
    assert_eq!(done.count(), 0);
}
