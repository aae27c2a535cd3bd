//! How long does each kernel take for one item, with its data in the cache, under each set of instructions?
//!
//! `cargo bench -p rfx-benches --bench kernels [-- FILTER]`; as a test it runs each once. Positions and words are made
//! alone; images of 3x28x28 (resized ones of 3x224x224) come through a loader without threads, over so few samples that
//! nothing is waited for but the kernel. Before anything is timed, its result is compared with the portable form's.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use divan::{Bencher, counter::ItemsCount};
use rfx_loader::{
    Crop, Dataset, Dtype, Layout, Loader, LoaderSpec, Normalise, OrderKind, Partition, Recipe, Simd,
    dataset::Verify,
    order::Feistel,
    pack::{PackOptions, pack},
    rng::Key,
    source::Generated,
};

fn main() {
    divan::main();
}

/// Each set of instructions this processor has, by name, as divan prints it.
fn simd() -> Vec<&'static str> {
    Simd::available().map(Simd::name).collect()
}

fn named(simd: &str) -> Simd {
    simd.parse().expect("a set that this processor has")
}

/// Positions of an epoch's order, 128 at a time.
#[divan::bench(args = simd())]
fn order(bencher: Bencher<'_, '_>, simd: &str) {
    let (order, mut out) = (Feistel::keyed("order", 1, 0, 1_281_167), [0; 128]);
    order.fill(named(simd), 1000, &mut out);
    assert!(out.iter().zip(1000..).all(|(&to, position)| order.at(position) == u64::from(to)));
    bencher
        .counter(ItemsCount::new(128usize))
        .bench_local(|| order.fill(named(simd), 1000, divan::black_box(&mut out)));
}

/// Random words of one stream, as many as Gaussian noise of an image takes.
#[divan::bench(args = simd())]
fn words(bencher: Bencher<'_, '_>, simd: &str) {
    let (key, mut out, mut expected) = (Key::derive("gaussian", 1), [0; 1176], [0; 1176]);
    key.words(7, 0).fill(&mut expected);
    key.fill(named(simd), 7, 0, &mut out);
    assert_eq!(out, expected);
    bencher
        .counter(ItemsCount::new(1176usize))
        .bench_local(|| key.fill(named(simd), 7, 0, divan::black_box(&mut out)));
}

/// Samples that are made over and over: 150 KB of records.
const SAMPLES: usize = 48;

/// The generated set, packed once.
fn dataset() -> Dataset {
    static DATASET: std::sync::OnceLock<Dataset> = std::sync::OnceLock::new();
    let dataset = DATASET.get_or_init(|| {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kernels-{}", std::process::id()));
        let options = PackOptions { jobs: 2, ..Default::default() };
        pack(&Generated::new(), &path, &options, &(), &AtomicBool::new(false))
            .expect("room for the generated set");
        let dataset = Dataset::open(&path, Verify::Never).expect("what was just packed");
        dataset.split("train").expect("its train split");
        let _ = std::fs::remove_dir_all(path); // mapped by now
        dataset
    });
    dataset.clone()
}

fn images(bencher: Bencher<'_, '_>, simd: &str, spec: LoaderSpec) {
    let spec = spec.batch(SAMPLES).subset(format!("range:0..{SAMPLES}").parse().expect("a range"));
    let recipe = Recipe::new(&dataset(), &spec.order(OrderKind::Sequential), 1).expect("a spec that fits");
    let portable = recipe.clone().with_simd(Simd::PORTABLE).batch(0, 0, Partition::WHOLE).expect("a batch");
    let recipe = recipe.with_simd(named(simd));
    let made = recipe.batch(0, 0, Partition::WHOLE).expect("a batch");
    assert_eq!(made.input_bytes(), portable.input_bytes());
    let mut loader = Loader::builder(recipe).threads(0).slots(2).start().expect("a loader");
    bencher.counter(ItemsCount::new(SAMPLES)).bench_local(|| loader.next());
}

fn crop() -> LoaderSpec {
    LoaderSpec::new("train").crop(Crop::Center(28))
}

fn corrupted(corruption: &str) -> LoaderSpec {
    crop().corruption(corruption.parse().expect("a corruption"))
}

/// Bytes of a crop.
#[divan::bench(args = simd())]
fn copy_u8(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, crop());
}

#[divan::bench(args = simd())]
fn whiten_f32(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, crop().normalise(Normalise::Whiten).dtype(Dtype::F32));
}

#[divan::bench(args = simd())]
fn whiten_f16(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, crop().normalise(Normalise::Whiten).dtype(Dtype::F16));
}

#[divan::bench(args = simd())]
fn whiten_bf16(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, crop().normalise(Normalise::Whiten).dtype(Dtype::Bf16));
}

/// Per-channel scaling to NHWC, from NCHW records.
#[divan::bench(args = simd())]
fn channel_f32_nhwc(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, crop().normalise(Normalise::Channel).dtype(Dtype::F32).layout(Layout::Nhwc));
}

#[divan::bench(args = simd())]
fn shuffled_pixels(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, corrupted("shuffled-pixels"));
}

#[divan::bench(args = simd())]
fn random_pixels(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, corrupted("random-pixels"));
}

#[divan::bench(args = simd())]
fn random_pixels_positions(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, corrupted("random-pixels:positions"));
}

#[divan::bench(args = simd())]
fn gaussian(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, corrupted("gaussian"));
}

#[divan::bench(args = simd())]
fn additive_noise(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, corrupted("inputs=additive:sigma=0.1"));
}

#[divan::bench(args = simd())]
fn flip_of_a_random_crop(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, LoaderSpec::new("train").crop(Crop::Random(28)).flip(true));
}

#[divan::bench(args = simd())]
fn rotation(bencher: Bencher<'_, '_>, simd: &str) {
    images(bencher, simd, crop().rotate(25));
}

/// To 3x224x224.
#[divan::bench(args = simd())]
fn random_resized_crop(bencher: Bencher<'_, '_>, simd: &str) {
    let crop: Crop = "random-resized:224".parse().expect("a crop");
    images(bencher, simd, LoaderSpec::new("train").crop(crop));
}
