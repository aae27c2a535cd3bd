//! The first promise: a batch depends on nothing but content, spec, seed, epoch and step.

#[path = "support/synthetic.rs"]
mod synthetic;

use rfx_loader::{
    Batch, Crop, Dtype, Layout, Loader, LoaderSpec, Normalise, Partition, Position, Recipe, State,
    digest::{Digest, Hasher},
    pack::PackOrder,
};
use synthetic::{Synthetic, packed};

const BATCH: usize = 24;
const SAMPLES: usize = 205; // 9 steps, the last one of 13 samples
const EPOCHS: u32 = 3;

fn specs() -> Vec<LoaderSpec> {
    let base = || LoaderSpec::new("train").batch(BATCH).crop(Crop::Random(9)).flip(true);
    let spec = |text: &str| base().corruption(text.parse().unwrap());
    vec![
        spec("partially-corrupted:0.5").normalise(Normalise::Whiten).dtype(Dtype::F32),
        spec("labels=uniform:p=0.5,resample=0.5 inputs=random-pixels:amount=0.5,resample=0.5")
            .normalise(Normalise::Channel)
            .dtype(Dtype::Bf16)
            .layout(Layout::Nhwc),
        spec("gaussian:resample=1").normalise(Normalise::Whiten).dtype(Dtype::F16),
        spec("shuffled-pixels").drop_last(true).subset("100:balanced".parse().unwrap()),
    ]
}

/// Digest of one sample of a batch: everything a consumer can see of it.
fn sample_digests(batch: &Batch) -> Vec<(u32, u64, usize, Digest)> {
    let bytes = batch.input_bytes().len() / batch.len().max(1);
    (0..batch.len())
        .map(|i| {
            let mut hasher = Hasher::new("test");
            hasher.bytes(&batch.input_bytes()[i * bytes..(i + 1) * bytes]);
            hasher.i64(batch.labels()[i]).i64(batch.clean_labels()[i]).i64(batch.ids()[i]);
            hasher.bytes(&[batch.rules()[i], batch.input_rules()[i]]);
            (batch.epoch(), batch.step(), batch.info().offset + i, hasher.finish())
        })
        .collect()
}

/// The same from the single-threaded definition.
fn reference(recipe: &Recipe) -> Vec<(u32, u64, usize, Digest)> {
    let mut all = Vec::new();
    for epoch in 0..EPOCHS {
        for step in 0..recipe.steps_per_epoch() {
            let batch = recipe.batch(epoch, step, Partition::WHOLE).unwrap();
            let bytes = batch.input_bytes().len() / batch.len();
            for i in 0..batch.len() {
                let mut hasher = Hasher::new("test");
                hasher.bytes(&batch.input_bytes()[i * bytes..(i + 1) * bytes]);
                hasher.i64(batch.labels()[i]).i64(batch.clean_labels()[i]).i64(batch.ids()[i]);
                hasher.bytes(&[batch.rules()[i], batch.input_rules()[i]]);
                all.push((epoch, step, i, hasher.finish()));
            }
        }
    }
    all
}

#[test]
fn same_bytes_for_any_threads_ranks_slots_and_resume_points() {
    let dir = tempfile::tempdir().unwrap();
    let source = Synthetic::new(SAMPLES, 20, [3, 12, 11], Layout::Nchw);
    let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
    for spec in specs() {
        let recipe = Recipe::new(&dataset, &spec, 42).unwrap();
        let expected = reference(&recipe);
        let steps = recipe.steps_per_epoch();
        for (threads, slots) in [(1, 2), (2, 3), (5, 4)] {
            for world in [1u32, 2, 7, 2 * BATCH as u32] {
                let mut seen = Vec::new();
                for rank in 0..world {
                    // Every other rank is interrupted somewhere, and goes on with other threads.
                    let stop = if rank % 2 == 1 { u64::from(rank) % (steps * u64::from(EPOCHS)) } else { 0 };
                    let partition = Partition::new(rank, world).unwrap();
                    let loader = |threads| {
                        Loader::builder(recipe.clone()).threads(threads).slots(slots).partition(partition)
                    };
                    let mut first = loader(threads).epochs(EPOCHS).start().unwrap();
                    for _ in 0..stop {
                        seen.extend(sample_digests(&first.next().unwrap().unwrap()));
                    }
                    let state = serde_json::to_string(&first.state()).unwrap();
                    drop(first);
                    let state: State = serde_json::from_str(&state).unwrap();
                    let rest =
                        loader(1 + threads % 2).resume(&state).unwrap().epochs(EPOCHS).start().unwrap();
                    for batch in rest {
                        seen.extend(sample_digests(&batch.unwrap()));
                    }
                }
                seen.sort_by_key(|s| (s.0, s.1, s.2));
                assert!(seen == expected, "{spec:?} threads {threads} slots {slots} world {world}");
            }
        }
    }
}

#[test]
fn same_bytes_for_any_shard_size_pack_order_and_stored_layout() {
    let dir = tempfile::tempdir().unwrap();
    let mut digests = Vec::new();
    for (index, (layout, shard_bytes, order)) in [
        (Layout::Nchw, 1 << 20, PackOrder::Source),
        (Layout::Nchw, 5_000, PackOrder::Source),
        (Layout::Nchw, 9_000, PackOrder::Shuffled { seed: 3 }),
        (Layout::Nhwc, 20_000, PackOrder::Shuffled { seed: 4 }),
    ]
    .into_iter()
    .enumerate()
    {
        let source = Synthetic::new(SAMPLES, 20, [3, 12, 11], layout);
        let dataset = packed(&source, &dir.path().join(index.to_string()), shard_bytes, order);
        let all: Vec<_> = specs()
            .iter()
            .map(|spec| {
                let recipe = Recipe::new(&dataset, spec, 42).unwrap();
                (recipe.digest(), recipe.label_report(1).digest, reference(&recipe))
            })
            .collect();
        digests.push(all);
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

/// Nothing that is not in the identity may change it, and everything that is must.
#[test]
fn the_spec_digest_tells_specs_apart() {
    let dir = tempfile::tempdir().unwrap();
    let source = Synthetic::new(60, 20, [3, 12, 12], Layout::Nchw);
    let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
    let base = || LoaderSpec::new("train").batch(8);
    let corrupt = |text: &str| base().corruption(text.parse().unwrap());
    let specs = [
        base(),
        base().batch(9),
        base().crop(Crop::Center(8)),
        base().crop(Crop::Random(8)),
        base().crop(Crop::Center(7)),
        base().flip(true),
        base().dtype(Dtype::F32),
        base().dtype(Dtype::F16),
        base().dtype(Dtype::Bf16),
        base().dtype(Dtype::F32).normalise(Normalise::Whiten),
        base().dtype(Dtype::F32).normalise(Normalise::Channel),
        base().layout(Layout::Nhwc),
        base().drop_last(true),
        base().order(rfx_loader::OrderKind::Sequential),
        base().subset("range:0..50".parse().unwrap()),
        base().subset("30".parse().unwrap()),
        base().subset("30@1".parse().unwrap()),
        LoaderSpec::new("test").batch(8),
        corrupt("true-labels seed=2"),
        corrupt("random-labels"),
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
}

#[test]
fn seeds_epochs_and_splits_do_not_alias() {
    let dir = tempfile::tempdir().unwrap();
    let source = Synthetic::new(60, 60, [1, 12, 12], Layout::Nchw);
    let dataset = packed(&source, &dir.path().join("d"), 1 << 20, PackOrder::Source);
    let spec = LoaderSpec::new("train").batch(60).crop(Crop::Random(6)).flip(true);
    let recipe = |seed| Recipe::new(&dataset, &spec, seed).unwrap();
    let batch = |seed, epoch| {
        let batch = recipe(seed).batch(epoch, 0, Partition::WHOLE).unwrap();
        (batch.ids().to_vec(), batch.input_bytes().to_vec())
    };
    for (seed, epoch) in [(0, 0), (1, 0), (7, 3), (u64::MAX - 1, 0)] {
        let (a, b) = (batch(seed, epoch + 1), batch(seed + 1, epoch));
        assert!(a.0 != b.0 && a.1 != b.1, "seed {seed} epoch {epoch}");
    }
    // Noise of a test image is not that of the train image of the same rank.
    let noise = |split: &str| {
        let spec = LoaderSpec::new(split).batch(60).order(rfx_loader::OrderKind::Sequential);
        let recipe = Recipe::new(&dataset, &spec.corruption("gaussian".parse().unwrap()), 1).unwrap();
        recipe.batch(0, 0, Partition::WHOLE).unwrap().input_bytes().to_vec()
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
