//! The golden vectors that need the real CIFAR-10; the others are in `src/golden.rs`.

#[path = "support/mod.rs"]
mod support;

use std::{path::PathBuf, sync::OnceLock, sync::atomic::AtomicBool};

use rfx_loader::{
    Crop, Dataset, Dtype, LoaderSpec, Normalise, OrderKind, Partition, Recipe,
    dataset::Verify,
    digest::Digest,
    pack::{PackOptions, PackOrder, pack},
    source::Cifar10,
};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("golden/vectors.json")).unwrap()
}

/// The real CIFAR-10, packed once for this test binary.
fn cifar(test: &str) -> Option<Dataset> {
    static PACKED: OnceLock<PathBuf> = OnceLock::new();
    let real = support::real_data("cifar-10-batches-bin", test)?;
    let path = PACKED.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("golden-cifar10");
        let _ = std::fs::remove_dir_all(&path); // of an earlier run, perhaps of another version
        let options =
            PackOptions { jobs: 2, shard_bytes: 64 << 20, order: PackOrder::Source, ..Default::default() };
        pack(&Cifar10::open(&real).unwrap(), &path, &options, &(), &AtomicBool::new(false)).unwrap();
        path
    });
    Some(Dataset::open(path, Verify::Once).unwrap())
}

fn spec(split: &str) -> LoaderSpec {
    LoaderSpec::new(split).crop(Crop::Center(28)).normalise(Normalise::Whiten).dtype(Dtype::F32)
}

#[test]
fn gaussian_tables_of_the_train_split() {
    let Some(dataset) = cifar("gaussian_tables_of_the_train_split") else { return };
    let rows = dataset.gaussian().unwrap();
    for (channel, expected) in vectors()["gaussian"]["channels"].as_array().unwrap().iter().enumerate() {
        assert_eq!(dataset.moments().count, expected["count"].as_u64().unwrap());
        assert_eq!(dataset.moments().sum[channel], expected["sum"].as_u64().unwrap());
        assert_eq!(dataset.moments().sum_of_squares[channel], expected["sum_of_squares"].as_u64().unwrap());
        let thresholds = expected["thresholds"].as_array().unwrap();
        for (have, want) in rows[channel].iter().zip(thresholds) {
            // One count apart where a rounding falls on an edge.
            assert!(have.abs_diff(want.as_u64().unwrap() as u32) <= 1, "channel {channel}");
        }
    }
}

#[test]
fn whitening_of_real_images() {
    let Some(dataset) = cifar("whitening_of_real_images") else { return };
    for vector in vectors()["whitening"].as_array().unwrap() {
        let name = vector["image"].as_str().unwrap();
        let Some(id) = name.strip_prefix("CIFAR-10 id ").and_then(|n| n.split(',').next()) else { continue };
        let id: u64 = id.parse().unwrap();
        let (split, step) = if id < 50_000 { ("train", id) } else { ("test", id - 50_000) };
        let spec = spec(split).batch(1).order(OrderKind::Sequential);
        let batch = Recipe::new(&dataset, &spec, 1).unwrap().batch(0, step, Partition::WHOLE).unwrap();
        assert_eq!(batch.ids(), [id as i64]);
        assert_eq!(Digest::of(batch.input_bytes()).to_string(), vector["blake3_of_f32_le"], "{name}");
    }
}

#[test]
fn the_first_batch_of_epoch_0() {
    let Some(dataset) = cifar("the_first_batch_of_epoch_0") else { return };
    let vectors = vectors();
    let batch = |corruption: &str| {
        let spec = spec("train").corruption(corruption.parse().unwrap());
        Recipe::new(&dataset, &spec, 1).unwrap().batch(0, 0, Partition::WHOLE).unwrap()
    };
    let clean = batch("true-labels");
    let ids: Vec<i64> = serde_json::from_value(vectors["batch"][0]["ids"].clone()).unwrap();
    assert_eq!(clean.ids()[..8], ids);
    assert_eq!(Digest::of(clean.input_bytes()).to_string(), vectors["batch"][0]["blake3"]);
    let shuffled = batch("shuffled-pixels");
    assert_eq!(Digest::of(shuffled.input_bytes()).to_string(), vectors["batch"][1]["blake3"]);
    let labels: Vec<i64> = serde_json::from_value(vectors["batch"][2]["labels"].clone()).unwrap();
    assert_eq!(batch("partially-corrupted:0.5").labels(), labels);
}
