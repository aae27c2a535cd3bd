//! All that was measured, as one JSON document.

use rfx_loader::{Layout, LoaderSpec, Recipe, digest::Digest, recipe::StageTimes};
use serde::Serialize;

use super::{
    args::Cli,
    first::FirstBatch,
    gpus::{self, Fed, GpuRate},
    row::Row,
};
use crate::host;

/// What `rfx-bench` found (schema `rfx.bench/1`).
#[derive(Clone, Debug, Serialize)]
pub(super) struct Report {
    /// Version of rfx.
    version: &'static str,
    /// The best row's rate.
    pub images_per_s: f64,
    /// The best row's threads.
    pub threads: usize,
    /// Image bytes of a whole batch.
    pub batch_bytes: u64,
    /// Cores for this process.
    pub cores: usize,
    /// The processor's name, where the system tells.
    pub processor: Option<String>,
    /// The data set, the spec and the seed; together they say which batches these were.
    content: Digest,
    pub source: String,
    pub generated: bool,
    spec_digest: Digest,
    pub spec: LoaderSpec,
    seed: u64,
    /// What labels and images of this split get.
    labels: String,
    inputs: String,
    /// Instructions used.
    pub simd: &'static str,
    /// Bytes of images kept in memory, where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_view_bytes: Option<u64>,
    /// Samples of an epoch.
    pub samples: u64,
    /// Shape of one sample of a batch.
    pub image: [usize; 3],
    pub first_batch: FirstBatch,
    pub page_cache: PageCache,
    pub rows: Vec<Row>,
    /// Where one thread's time goes, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stages: Option<StageTimes>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<Fed>,
}

/// How much of the split's shards was in memory, in bytes.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct PageCache {
    /// All there is.
    pub bytes: u64,
    /// When the recipe was made, before any image was read.
    pub before: u64,
    /// After the last row.
    pub after: u64,
}

impl PageCache {
    pub fn before(recipe: &Recipe) -> anyhow::Result<PageCache> {
        let (dataset, split) = (recipe.dataset(), &recipe.spec().split);
        let shards = dataset.index().splits.iter().filter(|s| s.name == *split).flat_map(|s| &s.shards);
        let bytes = shards.map(|shard| shard.bytes).sum();
        let before = dataset.split(split)?.resident_bytes();
        Ok(PageCache { bytes, before, after: before })
    }
}

impl Report {
    /// The JSON document's schema.
    pub const SCHEMA: &str = "rfx.bench/1";

    /// A report without rows.
    pub fn new(recipe: &Recipe, cli: &Cli, first_batch: FirstBatch, page_cache: PageCache) -> Report {
        let (dataset, spec, shape) = (recipe.dataset(), recipe.spec(), recipe.sample_shape());
        Report {
            version: env!("CARGO_PKG_VERSION"),
            images_per_s: 0.0,
            threads: 0,
            batch_bytes: (spec.batch.min(recipe.samples()) * recipe.sample_bytes()) as u64,
            cores: host::cores(),
            processor: host::processor(),
            content: dataset.content(),
            source: dataset.index().source.kind.clone(),
            generated: dataset.is_generated(),
            spec_digest: recipe.digest(),
            spec: spec.clone(),
            seed: recipe.seed(),
            labels: recipe.label_spec().to_string(),
            inputs: recipe.input_spec().to_string(),
            simd: recipe.simd().name(),
            cached_view_bytes: cli.cache_view.then(|| recipe.view_bytes()),
            samples: recipe.samples() as u64,
            image: match spec.layout {
                Layout::Nchw => [shape.channels, shape.height, shape.width],
                Layout::Nhwc => [shape.height, shape.width, shape.channels],
            },
            first_batch,
            page_cache,
            rows: Vec::new(),
            stages: None,
            gpus: Vec::new(),
        }
    }

    /// What follows from the rows, once all are there.
    pub fn conclude(&mut self, recipe: &Recipe, rates: &[GpuRate]) -> anyhow::Result<()> {
        self.page_cache.after = recipe.dataset().split(&self.spec.split)?.resident_bytes();
        let best = self.rows.iter().max_by(|a, b| a.images_per_s.total_cmp(&b.images_per_s));
        (self.images_per_s, self.threads) = best.map_or((0.0, 0), |row| (row.images_per_s, row.threads));
        let measured: Vec<_> = self.rows.iter().map(|row| (row.threads, row.images_per_s)).collect();
        self.gpus = rates.iter().map(|rate| gpus::fed(rate, self.cores, &measured)).collect();
        Ok(())
    }
}
