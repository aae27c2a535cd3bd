//! The recipes of a run: what is trained on, and what is evaluated on.

use std::path::Path;

use rfx_loader::{
    Crop, Dataset, Dtype, Loader, LoaderBuilder, LoaderSpec, OrderKind, Position, Recipe, dataset::Verify,
};
use tch::Device;

use crate::{
    bridge::TorchBatch,
    config::RunConfig,
    error::Result,
    metrics::{Score, Tally},
    model::Model,
    signal::Interrupt,
};

/// Samples of an evaluation batch: large enough for libtorch, small enough for the cache.
const EVALUATION_BATCH: usize = 500;

/// What a run reads.
#[derive(Debug)]
pub struct Feed {
    /// Batches to train on.
    pub train: Recipe,
    /// The same samples with the same corruption, in order, centre crop, for the end of an epoch.
    pub train_evaluation: Recipe,
    /// The test split, or the part of it that is evaluated.
    pub test: Recipe,
    loader_threads: usize,
}

/// Which labels an evaluation measures against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The labels of the batch, corrupted where the recipe corrupts them.
    Given,
    /// The labels before corruption.
    Clean,
}

impl Feed {
    /// Opens the data set of `config` and resolves its recipes.
    ///
    /// # Errors
    /// The loader's own.
    pub fn open(config: &RunConfig) -> Result<Feed> {
        let dataset = Dataset::open(&config.data, Verify::Once).map_err(rfx_loader::Error::from)?;
        let crop = config.crop.unwrap_or(default_crop(&dataset));
        let base = |split: &str| {
            LoaderSpec::new(split)
                .corruption(config.corruption.clone())
                .label_column(config.label_column.clone())
                .normalise(config.normalise)
                .decode(config.decode)
                .on_bad(config.on_bad_record)
                .dtype(Dtype::F32)
        };
        let train = base("train")
            .subset(config.subset.clone())
            .batch(config.batch)
            .crop(crop)
            .flip(config.flip)
            .rotate(config.rotate);
        let still = match crop {
            // Of encoded images only a resized crop can be had.
            Crop::RandomResized { size, .. } if dataset.shape().is_err() => Crop::CenterResized(size),
            Crop::Random(size) | Crop::RandomResized { size, .. } => Crop::Center(size),
            other => other,
        };
        let evaluation =
            |spec: LoaderSpec| spec.crop(still).batch(EVALUATION_BATCH).order(OrderKind::Sequential);
        let resolve = |spec: &LoaderSpec| {
            let recipe = Recipe::new(&dataset, spec, config.seed)?;
            if config.cache_view { recipe.with_cached_views() } else { Ok(recipe) }
        };
        Ok(Feed {
            train: resolve(&train)?,
            train_evaluation: resolve(&evaluation(base("train").subset(config.subset.clone())))?,
            test: resolve(&evaluation(base("test").subset(config.test_subset.clone())))?,
            loader_threads: config.loader_threads,
        })
    }

    /// Whether the test split's labels are corrupted too (`test-labels=same`), so that there are two things to measure it
    /// against.
    pub fn has_corrupted_test_labels(&self) -> bool {
        self.test.corrupts_labels()
    }

    /// The training batches from `start` until the beginning of epoch `end`, written down in the file `ledger` as they are
    /// taken, if there is to be one.
    ///
    /// # Errors
    /// The loader's own.
    pub fn batches(&self, start: Position, end: u32, ledger: Option<&Path>) -> Result<Loader> {
        let loader = self.loader(&self.train).start_at(start).epochs(end);
        let loader = match ledger {
            Some(path) => loader.ledger(path),
            None => loader,
        };
        Ok(loader.start()?)
    }

    fn loader(&self, recipe: &Recipe) -> LoaderBuilder {
        let loader = Loader::builder(recipe.clone()).threads(self.loader_threads);
        // Made when asked for: the batch that is trained on, the next, and none that only takes room in the cache.
        if self.loader_threads == 0 { loader.slots(3) } else { loader }
    }

    /// Scores `model` in evaluation mode over all of `recipe`, with the corruption of `epoch`.
    ///
    /// # Errors
    /// The loader's or libtorch's own.
    pub fn evaluate(
        &self,
        model: &Model,
        recipe: &Recipe,
        epoch: u32,
        against: Against,
        device: Device,
    ) -> Result<Score> {
        let mut tally = Tally::of_evaluation(device, false)?;
        self.evaluate_until(&Interrupt::default(), model, recipe, epoch, against, &mut tally)?;
        Ok(tally.score()?)
    }

    /// As [`Feed::evaluate`], into `tally` and on its device; false if `interrupt` was raised before the end.
    pub(crate) fn evaluate_until(
        &self,
        interrupt: &Interrupt,
        model: &Model,
        recipe: &Recipe,
        epoch: u32,
        against: Against,
        tally: &mut Tally,
    ) -> Result<bool> {
        let device = tally.device();
        let start = Position { epoch, step: 0 };
        for batch in self.loader(recipe).start_at(start).epochs(epoch + 1).start()? {
            if interrupt.is_raised() {
                return Ok(false);
            }
            let batch = TorchBatch::new(batch?, device)?;
            tch::no_grad(|| -> Result<()> {
                let logits = model.forward(&batch.input, false)?;
                let labels = if against == Against::Given { &batch.labels } else { &batch.clean_labels };
                let losses = cross_entropy(&logits, labels)?;
                Ok(tally.add(&losses, &logits, labels, &batch.corrupted)?)
            })?;
        }
        Ok(true)
    }
}

/// The paper's centre crop for CIFAR's 32 x 32 images, none for others.
pub fn default_crop(dataset: &Dataset) -> Crop {
    let small = dataset.shape().is_ok_and(|shape| (shape.height, shape.width) == (32, 32));
    if small { Crop::Center(28) } else { Crop::None }
}

/// Softmax cross-entropy of each sample, `[n]`.
pub(crate) fn cross_entropy(
    logits: &tch::Tensor,
    labels: &tch::Tensor,
) -> std::result::Result<tch::Tensor, tch::TchError> {
    logits.f_cross_entropy_loss(labels, None::<&tch::Tensor>, tch::Reduction::None, -100, 0.0)
}
