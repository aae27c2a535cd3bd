//! How many bytes the samples of an epoch move: what memory copies are compared with.

use rfx_loader::{
    Batch, Layout, Recipe,
    corrupt::{At, InputRule, InputSpec},
    shard::Codec,
};

/// Image bytes of an epoch. Labels, ids and rules (26 bytes a sample) are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Read from records.
    pub read: u64,
    /// Written to batches.
    pub written: u64,
}

/// What each sample of one recipe moves, depending on what is done to its image.
pub(super) struct PerSample {
    untouched: u64,
    corrupted: u64,
    written: u64,
}

impl PerSample {
    pub fn of(recipe: &Recipe, cached_view: bool) -> PerSample {
        let dataset = recipe.dataset();
        let element = &dataset.index().element;
        let used = recipe.sample_shape().values() as u64;
        // Of encoded images, which have no size in common, the mean of all shards.
        let mean = || dataset.index().bytes() / dataset.index().samples().max(1);
        let stored = element.shape.fixed().map_or_else(mean, |shape| shape.values() as u64);
        // Planar rows are read where they lie; a frame of zstd is decompressed whole, and interleaved pixels share lines.
        let in_place = element.codec == Codec::Raw && dataset.layout() == Layout::Nchw;
        let untouched = if in_place { used } else { stored };
        let corrupted = match recipe.input_spec() {
            InputSpec::Gaussian { .. } => 0, // noise takes the image's place, which is not read
            inputs if inputs.at() == At::Stored => stored,
            _ => untouched,
        };
        // What is kept in memory is read in place of the record, whatever was done to it.
        let (untouched, corrupted) = if cached_view { (used, used) } else { (untouched, corrupted) };
        PerSample { untouched, corrupted, written: recipe.sample_bytes() as u64 }
    }

    /// Adds what `batch` moved to `moved`.
    pub fn add(&self, batch: &Batch, moved: &mut Moved) {
        let untouched = |rule: &&u8| **rule == InputRule::Untouched as u8;
        let untouched = batch.input_rules().iter().filter(untouched).count() as u64;
        let all = batch.len() as u64;
        moved.read += untouched * self.untouched + (all - untouched) * self.corrupted;
        moved.written += all * self.written;
    }
}
