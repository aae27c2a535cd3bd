//! How fast the loader is with one number of threads.

use std::time::{Duration, Instant};

use anyhow::ensure;
use rfx_loader::{Batch, Loader, Recipe, pipeline::WaitQuantiles};
use serde::Serialize;

use super::{
    args::{Cli, Length},
    bytes::{Moved, PerSample},
    copy, decode, first,
    progress::Progress,
};
use crate::host;

/// Most of a row's time that each of the two measurements of memory copies takes.
const COPY_TIME: Duration = Duration::from_millis(500);

/// What was measured with one number of threads.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    /// Loader threads; 0 where the consumer made the batches.
    pub threads: usize,
    /// Slots of the ring.
    pub slots: usize,
    /// Whole epochs that were timed, after one that was not.
    pub epochs: u32,
    /// Their time.
    pub seconds: f64,
    /// Their samples.
    pub samples: u64,
    /// Samples a second.
    pub images_per_s: f64,
    /// Time on cores of all threads of the process, the consumer among them.
    pub cpu_seconds: f64,
    /// Samples per second of that.
    pub images_per_cpu_second: f64,
    /// Cores that other programs were on meanwhile, where the system tells; the row is of what they left.
    pub others_cores: Option<f64>,
    /// Image bytes read from records.
    pub bytes_read: u64,
    /// Image bytes written to batches.
    pub bytes_written: u64,
    /// Threads that copied memory for comparison.
    pub copy_threads: usize,
    /// What they copied, before and after.
    pub copy_bytes_per_s: f64,
    /// The mean of bytes read and written in a second, over that.
    pub of_copy: f64,
    /// Images a second at which that would be 1.
    pub copy_bound_images_per_s: f64,
    /// Of JPEG records: those that as many threads decode whole in a second, before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoded_images_per_s: Option<f64>,
    /// The loader's images over those.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of_decoding: Option<f64>,
    /// How long the consumer waited for a batch.
    pub wait: Wait,
    /// What handing out alone reaches, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headspace: Option<Headspace>,
}

/// The consumer's waits, in microseconds: until a batch is there, or is made.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Wait {
    pub batches: u64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
}

/// The rate of a loader that makes no batches, only hands them out.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Headspace {
    pub images_per_s: f64,
    /// Over the row's rate.
    pub ratio: f64,
    pub bottleneck: Bottleneck,
}

/// What takes more of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Bottleneck {
    MakingBatches,
    HandingOut,
}

impl Headspace {
    /// Of a loader that makes and hands out `whole` images a second, and hands out `alone` if it need not make them.
    fn new(whole: f64, alone: f64) -> Headspace {
        let ratio = alone / whole;
        let bottleneck = if ratio < 2.0 { Bottleneck::HandingOut } else { Bottleneck::MakingBatches };
        Headspace { images_per_s: alone, ratio, bottleneck }
    }
}

pub(super) fn measure(
    recipe: &Recipe,
    cli: &Cli,
    threads: usize,
    progress: &Progress,
) -> anyhow::Result<Row> {
    let length = cli.length();
    let (copy_threads, copy_time) = (copy::threads_for(threads), COPY_TIME.min(length.time() / 4));
    progress.tell(threads, "copying memory");
    let copied_before = copy::bytes_per_s(copy_threads, copy_time);
    let decoded_before = decode::images_per_s(recipe, copy_threads, copy_time)?;
    progress.tell(threads, "the epoch that warms up");
    let builder = first::builder(recipe, cli, threads);
    let builder = cli.ledger.iter().fold(builder, |builder, path| builder.ledger(path));
    let mut loader = builder.start()?;
    let (slots, moved) = (loader.slots(), warm_up(&mut loader, recipe, cli)?);
    progress.tell(threads, "measuring");
    loader.reset_stats();
    let (samples, timed) = timed(&mut loader, recipe, 1, length)?;
    let stats = loader.stats();
    ensure!(stats.samples == samples, "{} samples counted, {samples} delivered", stats.samples);
    let WaitQuantiles { p50_s, p99_s, max_s } = stats.waits.quantiles();
    let batches = stats.batches;
    drop(loader);
    progress.tell(threads, "copying memory");
    let copy_bytes_per_s = (copied_before + copy::bytes_per_s(copy_threads, copy_time)) / 2.0;
    let decoded_after = decode::images_per_s(recipe, copy_threads, copy_time)?;
    let decoded_images_per_s =
        decoded_before.zip(decoded_after).map(|(before, after)| (before + after) / 2.0);

    let Timed { epochs, seconds, cpu_seconds, others_cores } = timed;
    let images_per_s = samples as f64 / seconds;
    let (bytes_read, bytes_written) = (moved.read * u64::from(epochs), moved.written * u64::from(epochs));
    let moved_per_s = (bytes_read + bytes_written) as f64 / 2.0 / seconds;
    let headspace = if cli.headspace {
        progress.tell(threads, "handing out");
        Some(Headspace::new(images_per_s, handing_out(recipe, cli, threads)?))
    } else {
        None
    };
    Ok(Row {
        threads,
        slots,
        epochs,
        seconds,
        samples,
        images_per_s,
        cpu_seconds,
        images_per_cpu_second: samples as f64 / cpu_seconds,
        others_cores,
        bytes_read,
        bytes_written,
        copy_threads,
        copy_bytes_per_s,
        of_copy: moved_per_s / copy_bytes_per_s,
        copy_bound_images_per_s: images_per_s * copy_bytes_per_s / moved_per_s,
        decoded_images_per_s,
        of_decoding: decoded_images_per_s.map(|decoded| images_per_s / decoded),
        wait: Wait { batches, p50_us: 1e6 * p50_s, p99_us: 1e6 * p99_s, max_us: 1e6 * max_s },
        headspace,
    })
}

/// Epoch 0: pages come into memory, records are compared with their hashes, threads get going. Every sample comes once,
/// and what it moves is counted; that is the same in every epoch, as the share of corrupted images is drawn once.
fn warm_up(loader: &mut Loader, recipe: &Recipe, cli: &Cli) -> anyhow::Result<Moved> {
    let (per_sample, mut moved, mut ids) =
        (PerSample::of(recipe, cli.cache_view), Moved::default(), Vec::new());
    epoch(loader, recipe, 0, |batch| {
        per_sample.add(batch, &mut moved);
        ids.extend_from_slice(batch.ids());
    })?;
    ids.sort_unstable();
    let each_once = ids.iter().copied().eq((0..recipe.samples()).map(|index| recipe.stored(index).0));
    ensure!(each_once, "epoch 0 did not deliver every sample once");
    Ok(moved)
}

/// How long some epochs took.
struct Timed {
    epochs: u32,
    seconds: f64,
    cpu_seconds: f64,
    others_cores: Option<f64>,
}

/// Takes whole epochs from `first` on, and gives their samples and time.
fn timed(loader: &mut Loader, recipe: &Recipe, first: u32, length: Length) -> anyhow::Result<(u64, Timed)> {
    let busy_before = host::busy_time();
    let (started, cpu_before) = (Instant::now(), host::cpu_time());
    let (mut epochs, mut samples) = (0, 0);
    loop {
        samples += epoch(loader, recipe, first + epochs, |_| {})?;
        epochs += 1;
        let elapsed = started.elapsed();
        let enough = match length {
            Length::Time(time) => elapsed >= time,
            Length::Epochs(n) => epochs >= n,
        };
        if enough || first + epochs == u32::MAX {
            // A loader without end ends there: tiny epochs for hours.
            let cpu_seconds = (host::cpu_time() - cpu_before).as_secs_f64();
            let seconds = elapsed.as_secs_f64();
            let busy = host::busy_time()
                .zip(busy_before)
                .map(|(after, before)| after.saturating_sub(before).as_secs_f64());
            let others_cores = busy.map(|busy| ((busy - cpu_seconds) / seconds).max(0.0)); // ticks are coarse
            return Ok((samples, Timed { epochs, seconds, cpu_seconds, others_cores }));
        }
    }
}

/// Images a second of a loader that hands out what its slots hold.
fn handing_out(recipe: &Recipe, cli: &Cli, threads: usize) -> anyhow::Result<f64> {
    let mut loader = first::builder(recipe, cli, threads).replay(true).start()?;
    let steps = recipe.steps_per_epoch();
    let mut next = 0;
    while u64::from(next) * steps < 4 * loader.slots() as u64 {
        epoch(&mut loader, recipe, next, |_| {})?; // until every slot was filled
        next += 1;
    }
    let (samples, timed) = timed(&mut loader, recipe, next, Length::Time(cli.length().time() / 2))?;
    Ok(samples as f64 / timed.seconds)
}

/// Takes one epoch, shows each batch to `see` and drops it; gives the number of samples. That each batch was the one
/// due, and whole, is checked: a rate of something else would be worse than none.
fn epoch(
    loader: &mut Loader,
    recipe: &Recipe,
    epoch: u32,
    mut see: impl FnMut(&Batch),
) -> anyhow::Result<u64> {
    let mut samples = 0;
    for step in 0..recipe.steps_per_epoch() {
        let Some(batch) = loader.next() else {
            anyhow::bail!("the loader ended in epoch {epoch}, step {step}")
        };
        let batch = batch?;
        let due = (epoch, step, recipe.batch_len(step));
        let came = (batch.epoch(), batch.step(), batch.len());
        ensure!(came == due, "a batch of (epoch, step, samples) {came:?} came where {due:?} was due");
        samples += batch.len() as u64;
        see(&batch);
    }
    ensure!(
        samples == recipe.samples() as u64,
        "epoch {epoch} had {samples} of {} samples",
        recipe.samples()
    );
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottleneck_takes_more_of_the_time() {
        // Of 10 us, 1 us is for handing out; then 6 us are.
        assert_eq!(Headspace::new(1e5, 1e6).bottleneck, Bottleneck::MakingBatches);
        assert_eq!(Headspace::new(1e5, 1e6 / 6.0).bottleneck, Bottleneck::HandingOut);
    }
}
