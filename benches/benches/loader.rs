//! How close to the memory's speed does the loader make batches?
//!
//! `cargo bench -p rfx-benches --bench loader -- PACKED_DATA_SET`; without a data set, and as a test
//! (`cargo test -p rfx-benches`), it packs the generated one and runs once. One epoch per call, batch 128, full
//! shuffle, centre crop 28 where the images are 32 x 32; the consumer reads nothing. "of copy" is the mean of bytes
//! read and written per second over the copy rate of one thread, measured in the same run.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use rfx_benches::{Case, copy_case, rates};
use rfx_loader::{
    Crop, Dataset, Dtype, Loader, LoaderSpec, Normalise, Recipe,
    dataset::Verify,
    pack::{PackOptions, PackOrder, pack},
    source::Generated,
};

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
    let crop = if dataset.shape().height == 32 { Crop::Center(28) } else { Crop::None };
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
    let mut cases = vec![copy_case(256 << 20)];
    let mut moved = vec![0.0];
    for threads in [1, 2] {
        for (name, spec) in &specs {
            let recipe = Recipe::new(&dataset, spec, 1)?;
            let samples = recipe.samples();
            // Noise takes the place of an image without reading it.
            let read = if *name == GAUSSIAN { 0 } else { recipe.sample_shape().values() };
            moved.push((read + recipe.sample_bytes()) as f64 / 2.0);
            let run = Box::new(move || {
                let loader = Loader::builder(recipe.clone()).threads(threads).epochs(1).start();
                let seen: usize = loader.into_iter().flatten().map(|b| b.map_or(0, |b| b.len())).sum();
                assert_eq!(seen, samples, "the epoch was not delivered whole");
            });
            cases.push(Case { name: format!("{name}, {threads} threads"), work: samples as f64, run });
        }
    }
    let rates = rates(&mut cases, if timed { 7 } else { 1 });
    println!("{:<52} {:>12} {:>10}", dataset.index().source.kind, "images/s", "of copy");
    println!("{:<52} {:>7.2} GiB/s {:>8}", cases[0].name, rates[0] / f64::from(1 << 30), "1");
    for ((case, rate), bytes) in cases.iter().zip(&rates).zip(&moved).skip(1) {
        println!("{:<52} {rate:>12.0} {:>10.2}", case.name, rate * bytes / rates[0]);
    }
    Ok(())
}
