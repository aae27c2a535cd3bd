//! How close to the memory's speed does the loader make batches?
//!
//! `cargo bench -p rfx-benches --bench loader -- PACKED_DATA_SET`; without a data set, and as a test
//! (`cargo test -p rfx-benches`), it packs the generated one and runs once. Four epochs per call of a loader that runs on, batch 128, full
//! shuffle, centre crop 28 where the images are 32 x 32; the consumer reads nothing. "of copy" is the mean of bytes
//! read and written per second over the rate at which as many threads copy memory. "of bare" is the rate over that of
//! the same work with no pipeline around it: as many threads, each with a `BatchMaker` of its own and a part of the steps.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use rfx_benches::{Case, copy_case, rates};
use rfx_loader::{
    Crop, Dataset, Dtype, Loader, LoaderSpec, Normalise, Partition, Recipe,
    dataset::Verify,
    pack::{PackOptions, PackOrder, pack},
    source::Generated,
};

/// Epochs of a call: so many that the few batches a loader has ready when a call begins do not matter.
const EPOCHS: u32 = 4;
const GAUSSIAN: &str = "whitened f32, gaussian";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let timed = args.iter().any(|a| a == "--bench"); // what `cargo bench` passes
    let path = match args.iter().find(|a| !a.starts_with('-')) {
        Some(path) => PathBuf::from(path),
        None => {
            let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bench-generated");
            let _ = std::fs::remove_dir_all(&path); // of an earlier run, perhaps of another version
            let options = PackOptions {
                jobs: 2,
                shard_bytes: 128 << 20,
                order: PackOrder::Source,
                ..Default::default()
            };
            pack(&Generated::new(), &path, &options, &(), &AtomicBool::new(false))?;
            path
        }
    };
    let dataset = Dataset::open(&path, Verify::Once)?;
    let crop =
        if dataset.shape().is_ok_and(|shape| shape.height == 32) { Crop::Center(28) } else { Crop::None };
    let f32s = |corruption: &str| -> Result<LoaderSpec, Box<dyn std::error::Error>> {
        let spec = LoaderSpec::new("train").crop(crop).normalise(Normalise::Whiten).dtype(Dtype::F32);
        Ok(spec.corruption(corruption.parse()?))
    };
    let specs = [
        ("u8, whole image", LoaderSpec::new("train")),
        ("whitened f32, half random labels", f32s("partially-corrupted:0.5")?),
        ("whitened f32, shuffled pixels", f32s("shuffled-pixels")?),
        ("whitened f32, random pixels", f32s("random-pixels")?),
        ("whitened f32, random pixels (positions)", f32s("random-pixels:positions")?),
        (GAUSSIAN, f32s("gaussian")?),
    ];
    let mut cases = Vec::new();
    let mut moved = Vec::new();
    for threads in [1, 2] {
        cases.push(copy_case(256 << 20, threads));
        moved.push(0.0);
        for (name, spec) in &specs {
            let recipe = Recipe::new(&dataset, spec, 1)?;
            // Noise takes the place of an image without reading it.
            let read = if *name == GAUSSIAN { 0 } else { recipe.sample_shape().values() };
            let samples = EPOCHS as usize * recipe.samples();
            let (work, bytes) = (samples as f64, (read + recipe.sample_bytes()) as f64 / 2.0);
            moved.extend([bytes; 2]);
            let bare = recipe.clone();
            let batches = EPOCHS as usize * recipe.steps_per_epoch() as usize;
            let mut loader = Loader::builder(recipe).threads(threads).start()?;
            let run = Box::new(move || {
                let seen = loader.by_ref().take(batches).map(|batch| batch.map_or(0, |batch| batch.len()));
                assert_eq!(seen.sum::<usize>(), samples);
            });
            cases.push(Case { name: format!("{name}, {threads} threads"), work, run });
            let run = Box::new(move || assert_eq!(bare_epochs(&bare, threads), samples));
            cases.push(Case { name: String::new(), work, run });
        }
    }
    let rates = rates(&mut cases, if timed { 7 } else { 1 });
    println!("{:<52} {:>12} {:>10} {:>10}", dataset.index().source.kind, "images/s", "of copy", "of bare");
    let mut copy = 0.0;
    for (i, (case, &rate)) in cases.iter().zip(&rates).enumerate() {
        match moved[i] {
            0.0 => {
                copy = rate;
                println!("{:<52} {:>7.2} GB/s", case.name, rate / 1e9);
            }
            _ if case.name.is_empty() => {}
            bytes => {
                let (copied, bare) = (rate * bytes / copy, rate / rates[i + 1]);
                println!("{:<52} {rate:>12.0} {copied:>10.2} {bare:>10.2}", case.name);
            }
        }
    }
    Ok(())
}

/// Samples of some epochs, of which each thread makes its share of the steps, one after another, in memory of its own.
fn bare_epochs(recipe: &Recipe, threads: usize) -> usize {
    std::thread::scope(|scope| {
        let share = |thread: usize| {
            move || {
                let mut maker = recipe.maker(Partition::WHOLE).expect("memory for a batch");
                let positions = (0..EPOCHS).flat_map(|e| (0..recipe.steps_per_epoch()).map(move |s| (e, s)));
                let share = positions.skip(thread).step_by(threads);
                share.map(|(e, s)| maker.make(e, s).map_or(0, |batch| batch.len())).sum::<usize>()
            }
        };
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(share(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    })
}
