//! How fast libjpeg-turbo decodes the same records whole: what a loader of JPEG records is stated against, measured in the
//! same run.

use std::{
    hint::black_box,
    panic::resume_unwind,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use rfx_loader::{
    Recipe, Split,
    decode::{Colour, Region, RegionDecoder},
    shard::Decoder,
};

/// Images a second that `threads` threads decode together for about `time`, each all of its share of the split's records,
/// again and again; `None` where records are no JPEGs. Records that cannot be decoded count for the time that they take.
///
/// # Errors
/// What is wrong with a shard.
pub(super) fn images_per_s(recipe: &Recipe, threads: usize, time: Duration) -> anyhow::Result<Option<f64>> {
    let dataset = recipe.dataset();
    if dataset.shape().is_ok() {
        return Ok(None);
    }
    let split = &dataset.split(&recipe.spec().split)?;
    let colour = if recipe.sample_shape().channels == 1 { Colour::Grey } else { Colour::Rgb };
    let together = &Barrier::new(threads);
    let share = |number| decode(split, number, threads, colour, together, time);
    let rates = thread::scope(|scope| {
        let decoders: Vec<_> = (0..threads).map(|number| scope.spawn(move || share(number))).collect();
        let joined =
            decoders.into_iter().map(|decoder| decoder.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.collect::<anyhow::Result<Vec<f64>>>()
    })?;
    Ok(Some(rates.iter().sum()))
}

fn decode(
    split: &Split,
    number: usize,
    threads: usize,
    colour: Colour,
    together: &Barrier,
    time: Duration,
) -> anyhow::Result<f64> {
    let (mut records, mut images) = (Decoder::new(), RegionDecoder::new());
    let mut positions = (0..split.len()).cycle().skip(number % split.len()).step_by(threads);
    together.wait();
    let (started, mut decoded) = (Instant::now(), 0u64);
    while decoded == 0 || started.elapsed() < time {
        let Some(position) = positions.next() else { break };
        let record = split.record(position, &mut records)?;
        let Some([height, width, _]) = split.encoded_shape(position)? else { break };
        let whole = Region { row: 0, column: 0, height, width };
        let _ = black_box(images.decode(record, [height, width], whole, 1, colour));
        decoded += 1;
    }
    Ok(decoded as f64 / started.elapsed().as_secs_f64())
}
