//! How soon the first batch comes, and how much of the split is in memory by then.

use std::time::Instant;

use rfx_loader::{Loader, Recipe};
use serde::Serialize;

use super::{
    args::Cli,
    report::{PageCache, Report},
};
use crate::host;

/// The way from nothing to the first batch, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct FirstBatch {
    /// Loader threads.
    pub threads: usize,
    /// Reading and checking the index.
    pub open_ms: f64,
    /// Mapping the split's shards, checking their heads, drawing labels.
    pub resolve_ms: f64,
    /// Allocating slots, starting threads.
    pub start_ms: f64,
    /// Until the first batch is there.
    pub batch_ms: f64,
    /// All of these.
    pub total_ms: f64,
}

/// Opens the data set, makes its first batch, and begins a report with what that took. The first thing that the program
/// does, so that nothing was done before that makes it faster; whether the pages were in memory, the report says too.
pub(super) fn open(cli: &Cli) -> anyhow::Result<(Report, Recipe)> {
    let threads = cli.thread_counts(host::cores()).into_iter().max().unwrap_or(1);
    let mut clock = Clock(Instant::now());
    let dataset = cli.dataset.open()?;
    let open_ms = clock.lap_ms();
    let recipe = Recipe::new(&dataset, &cli.spec(), cli.seed)?.with_simd(cli.simd);
    let recipe = if cli.cache_view { recipe.with_cached_views()? } else { recipe };
    let resolve_ms = clock.lap_ms();
    let page_cache = PageCache::before(&recipe)?;
    clock.lap_ms(); // no part of the way
    let mut loader = builder(&recipe, cli, threads).start()?;
    let start_ms = clock.lap_ms();
    loader.next().ok_or_else(|| anyhow::anyhow!("a loader without end gave no batch"))??;
    let batch_ms = clock.lap_ms();
    let total_ms = open_ms + resolve_ms + start_ms + batch_ms;
    let first = FirstBatch { threads, open_ms, resolve_ms, start_ms, batch_ms, total_ms };
    Ok((Report::new(&recipe, cli, first, page_cache), recipe))
}

/// A loader of so many threads, with the slots that were asked for.
pub(super) fn builder(recipe: &Recipe, cli: &Cli, threads: usize) -> rfx_loader::LoaderBuilder {
    let builder = Loader::builder(recipe.clone()).threads(threads);
    cli.slots.map_or(builder.clone(), |slots| builder.slots(slots.into()))
}

struct Clock(Instant);

impl Clock {
    fn lap_ms(&mut self) -> f64 {
        let lap = 1e3 * self.0.elapsed().as_secs_f64();
        self.0 = Instant::now();
        lap
    }
}
