//! Corrupted batches in a training loop of your own:
//!
//! ```text
//! cargo run --release -p rfx-loader --example own_loop -- PACKED_DATA_SET [SPEC]
//! ```
//!
//! The loop below "trains" a table of class means on CIFAR-like data and counts how often it is right, to show what
//! a batch holds; put your own network in its place.

use std::{env, error::Error};

use rfx_loader::{Crop, Dataset, Dtype, Loader, LoaderSpec, Normalise, Recipe, dataset::Verify};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let path =
        args.next().ok_or("usage: own_loop PACKED_DATA_SET [SPEC]; rfx-pack makes a packed data set")?;
    let corruption = args.next().unwrap_or_else(|| "partially-corrupted:0.5".into()).parse()?;

    // What the batches hold: with the data set's content and a seed, this fixes every byte of every epoch.
    let dataset = Dataset::open(&path, Verify::Once)?;
    let spec = LoaderSpec::new("train")
        .corruption(corruption)
        .crop(if dataset.shape()?.height == 32 { Crop::Center(28) } else { Crop::None })
        .normalise(Normalise::Whiten)
        .dtype(Dtype::F32)
        .batch(128);
    let recipe = Recipe::new(&dataset, &spec, 1)?;
    let report = recipe.label_report(0);
    println!("data set {}, spec {}", dataset.content().short(), recipe.digest().short());
    println!("labels: {} of {} changed, digest {}", report.changed, report.samples, report.digest.short());

    // How they are made: none of this changes a byte.
    let values = recipe.sample_shape().values();
    let mut loader = Loader::builder(recipe).threads(2).epochs(2).start()?;
    let mut means = vec![vec![0f32; values]; dataset.classes().len()];
    let (mut right, mut clean) = ([0u32; 2], 0u32);
    while let Some(batch) = loader.next() {
        let batch = batch?; // a guard: its memory is reused once it is dropped
        let images = batch.input_f32().ok_or("asked for f32")?;
        for (image, &label) in images.chunks_exact(values).zip(batch.labels()) {
            let score = |mean: &Vec<f32>| -> f32 { mean.iter().zip(image).map(|(m, x)| m * x).sum() };
            let scores: Vec<f32> = means.iter().map(score).collect();
            let guess = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap_or(0);
            right[batch.epoch() as usize] += u32::from(guess as i64 == label);
            for (mean, x) in means[label as usize].iter_mut().zip(image) {
                *mean += 0.01 * (x - *mean);
            }
        }
        clean += batch.labels().iter().zip(batch.clean_labels()).filter(|(l, c)| l == c).count() as u32;
        if batch.epoch() == 0 && batch.step() == 20 {
            // Small JSON; any number of threads or ranks can go on from it.
            println!("state after step 20: {}", serde_json::to_string(&loader.state())?);
        }
    }
    println!(
        "class means guess the given label {right:?} times in epochs 0 and 1; {clean} labels seen were clean"
    );
    Ok(())
}
