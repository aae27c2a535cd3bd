//! A split, or part of one, in memory as bytes: what experiments compute on.

use rfx_loader::{
    CorruptionSpec, Dataset, ImageShape, LoaderSpec, OrderKind, Partition, Recipe, Subset, dataset::Verify,
};
use tch::Tensor;

use super::watch::Watch;
use crate::{
    error::Result,
    folder::{DataManifest, LabelManifest},
};

/// Samples read at a time.
const BATCH: usize = 500;

/// Images and labels in id order.
#[derive(Debug)]
pub(super) struct Samples {
    /// `u8`, `[n, c, h, w]`.
    pub images: Vec<u8>,
    /// Of an image.
    pub shape: ImageShape,
    /// The samples' ids, ascending.
    pub ids: Vec<i64>,
    /// The labels to fit, corrupted where that was asked for.
    pub labels: Vec<i64>,
    /// The labels before corruption.
    pub clean: Vec<i64>,
    /// What was done to the labels.
    pub manifest: LabelManifest,
}

/// Which samples of a split, and with which corruption.
#[derive(Clone, Copy)]
pub(super) struct Choice<'a> {
    pub corruption: &'a CorruptionSpec,
    pub seed: u64,
}

/// Opens the data set in the folder `path`.
pub(super) fn open(path: &std::path::Path) -> Result<Dataset> {
    Ok(Dataset::open(path, Verify::Once).map_err(rfx_loader::Error::from)?)
}

/// What a result says about `dataset`.
pub(super) fn manifest(dataset: &Dataset) -> DataManifest {
    DataManifest {
        kind: dataset.index().source.kind.clone(),
        generated: dataset.is_generated(),
        content: dataset.content(),
        pack: dataset.pack(),
        classes: dataset.classes().len(),
        shape: dataset.element_shape().into(),
    }
}

/// Number of samples of a split.
pub(super) fn count(dataset: &Dataset, split: &str) -> Result<usize> {
    Ok(dataset.split(split).map_err(rfx_loader::Error::from)?.len())
}

impl<'a> Choice<'a> {
    pub fn new(corruption: &'a CorruptionSpec, seed: u64) -> Self {
        Choice { corruption, seed }
    }

    fn recipe(self, dataset: &Dataset, split: &str, subset: Subset) -> Result<Recipe> {
        let spec = LoaderSpec::new(split)
            .corruption(self.corruption.clone())
            .subset(subset)
            .batch(BATCH)
            .order(OrderKind::Sequential);
        Ok(Recipe::new(dataset, &spec, self.seed)?)
    }

    /// The whole images (no crop) and labels of `subset`.
    ///
    /// # Errors
    /// The loader's own; an interrupt.
    pub fn read(
        self,
        dataset: &Dataset,
        split: &str,
        subset: Subset,
        watch: &mut Watch<'_>,
    ) -> Result<Samples> {
        let recipe = self.recipe(dataset, split, subset)?;
        let n = recipe.samples();
        let mut samples = Samples {
            images: Vec::with_capacity(n * recipe.sample_bytes()),
            shape: recipe.sample_shape(),
            ids: Vec::with_capacity(n),
            labels: Vec::with_capacity(n),
            clean: Vec::with_capacity(n),
            manifest: LabelManifest::from(&recipe.label_report(0)),
        };
        let mut maker = recipe.maker(Partition::WHOLE)?;
        for step in 0..recipe.steps_per_epoch() {
            watch.step(|| format!("{split}: {} of {n} samples read", samples.ids.len()))?;
            let batch = maker.make(0, step)?;
            samples.images.extend_from_slice(batch.input_bytes());
            samples.ids.extend_from_slice(batch.ids());
            samples.labels.extend_from_slice(batch.labels());
            samples.clean.extend_from_slice(batch.clean_labels());
        }
        Ok(samples)
    }

    /// `held_out` training samples that [`first`] of `samples` does not take: the next ones of the same permutation.
    ///
    /// # Errors
    /// The loader's own, if the split has not as many.
    pub fn held_out(self, dataset: &Dataset, samples: usize, held_out: usize) -> Result<Subset> {
        let ids = |count: usize| -> Result<Vec<i64>> {
            let recipe = self.recipe(dataset, "train", Subset::Count { count, seed: 0 })?;
            Ok((0..recipe.samples()).map(|index| recipe.stored(index).0).collect())
        };
        let (all, fitted) = (ids(samples + held_out)?, ids(samples)?);
        Ok(Subset::Ids(all.into_iter().filter(|id| fitted.binary_search(id).is_err()).collect()))
    }
}

/// The `samples` of a split of `of` that every experiment takes: all, or the first of the keyed permutation, so that
/// fewer are part of more.
pub(super) fn first(samples: usize, of: usize) -> Subset {
    if samples == of { Subset::All } else { Subset::Count { count: samples, seed: 0 } }
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// The images as a tensor of their own, `u8` `[n, c, h, w]` on the CPU.
    ///
    /// # Errors
    /// libtorch's own.
    pub fn tensor(&self) -> Result<Tensor> {
        let ImageShape { channels, height, width } = self.shape;
        let sizes = [self.len(), channels, height, width].map(|s| s as i64);
        Ok(Tensor::f_from_slice(&self.images)?.f_view(sizes)?)
    }
}
