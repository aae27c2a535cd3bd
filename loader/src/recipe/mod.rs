//! A loader spec bound to a data set and a seed: the pure function from (epoch, step) to a batch.

mod bad;
mod digest;
mod encoded;
mod epoch;
mod error;
mod maker;
mod produce;
mod stages;
mod stored;
mod views;

pub use bad::{BadRecords, OnBadRecord};
pub use error::RecipeError;
pub use maker::BatchMaker;
pub use stages::StageTimes;

pub(crate) use epoch::EpochOrder;
use produce::Planned;
pub(crate) use produce::{RowsMut, Scratch};

use std::sync::Arc;

use self::{bad::BadLog, stored::StoredImages, views::ViewCache};

use crate::{
    batch::{BatchInfo, HostBatch, Row},
    corrupt::{
        InputRule, InputSpec, LabelReport, LabelRow, LabelSpec, Poison, TRAIN,
        input::{InputContext, InputCorruption},
        label::{LabelTable, ReportHead, Samples},
    },
    dataset::{Class, Dataset, Split},
    digest::Digest,
    dtype::Dtype,
    error::{Error, Result},
    geometry::MAX_ROTATION,
    normalise::{Channels, Normalise, Scaling, channel_affine},
    order::{OrderKind, Partition},
    rng::Key,
    shape::{ElementShape, ImageShape},
    simd::Simd,
    spec::LoaderSpec,
};

/// What every batch of a run holds. Resolving one reads the split's labels and draws its label noise (about 0.1 us
/// a sample; instance-dependent noise reads the images it changes, some 10 us each); it starts no thread. Cloning is
/// cheap.
#[derive(Clone)]
pub struct Recipe {
    inner: Arc<Inner>,
    simd: Simd,
    views: Option<Arc<ViewCache>>,
}

struct Inner {
    dataset: Dataset,
    split: Split,
    spec: LoaderSpec,
    seed: u64,
    corruption_seed: u64,
    /// Labels before corruption, in id order, and the names of their classes.
    clean: Arc<[i64]>,
    classes: Vec<String>,
    /// Ranks of id that are visited, or `None` for the whole split.
    subset: Option<Vec<u32>>,
    /// Of every stored image; `None` where they are encoded.
    stored: Option<ImageShape>,
    /// Of a record, the mean where they differ.
    record_bytes: usize,
    shape: ImageShape,
    label_spec: LabelSpec,
    input_spec: InputSpec,
    labels: LabelTable,
    inputs: InputCorruption,
    scaling: Scaling,
    order_key: Key,
    window_key: Key,
    /// The samples visited in the order in which they are stored, where an order asks for that and it is not id order.
    stored_order: Option<Arc<[u32]>>,
    augment_key: Key,
    digest: Digest,
    bad: BadLog,
    #[cfg(test)]
    panic_at: Option<i64>,
}

/// A row by itself, whatever its number.
struct One<'a>(Row<'a>);

impl RowsMut for One<'_> {
    fn row(&mut self, _: usize) -> Row<'_> {
        self.0.reborrow()
    }
}

impl Recipe {
    /// Resolves `spec` against `dataset` under `seed`, which seeds order, geometry and, unless the spec has a seed
    /// of its own, corruption.
    ///
    /// # Errors
    /// [`Error::Format`] if the split is unknown or damaged, or has no Gaussian table; [`Error::Spec`] if the
    /// corruption or subset does not fit it, or a file that the corruption names cannot be used; [`Error::Recipe`] if crop, dtype or batch do not.
    pub fn new(dataset: &Dataset, spec: &LoaderSpec, seed: u64) -> Result<Self> {
        spec.corruption.validate()?;
        if spec.batch == 0 || spec.batch > RecipeError::MAX_BATCH {
            return Err(RecipeError::Batch { found: spec.batch }.into());
        }
        if spec.dtype == Dtype::U8 && spec.normalise != Normalise::None {
            return Err(RecipeError::Dtype { normalise: spec.normalise.name() }.into());
        }
        if spec.rotate > MAX_ROTATION {
            return Err(RecipeError::Rotation { found: spec.rotate }.into());
        }
        if spec.rotate > 0 && spec.crop.resized().is_some() {
            return Err(
                RecipeError::RotatedResize { rotate: spec.rotate, crop: spec.crop.to_string() }.into()
            );
        }
        let split = dataset.split(&spec.split)?;
        let corruption_seed = spec.corruption.seed.unwrap_or(seed);
        let label_spec = spec.corruption.labels_of(&spec.split);
        let input_spec = spec.corruption.inputs_of(&spec.split);
        let element = dataset.element_shape();
        let shape = match element {
            ElementShape::Fixed(stored) => {
                spec.geometry().shape(stored).map_err(|_| RecipeError::crop(spec.crop, stored))?
            }
            ElementShape::Encoded { channels } => {
                encoded::shape(dataset, spec, channels, &label_spec, &input_spec)?
            }
        };
        // Of encoded images nothing looks at the stored ones: that was just refused.
        let stored = element.fixed().unwrap_or(shape);
        let mean_bytes = || (dataset.index().bytes() / dataset.index().samples().max(1)).max(1) as usize;
        let record_bytes = element.fixed().map_or_else(mean_bytes, ImageShape::values);
        let classes = dataset.label_classes(spec.label_column.as_deref())?;
        let clean = split.label_values(spec.label_column.as_deref())?;
        let ids = split.ids();
        let subset = match &spec.subset {
            crate::order::Subset::All => None,
            some => Some(some.resolve(ids, &clean, classes.len())?),
        };
        let train = spec.split == TRAIN;
        let poison = match spec.corruption.poisons_labels_of(&spec.split) {
            true => Poison::of(&spec.corruption.inputs, corruption_seed, train),
            false => None,
        };
        let images = StoredImages::new(dataset, &split, stored);
        let described = described_classes(dataset, spec, &classes);
        let samples = Samples { ids, labels: &clean, classes: &described, images: &images };
        let labels = LabelTable::resolve(&label_spec, corruption_seed, &samples, poison)?;
        let gaussian = || dataset.gaussian().map(<[_]>::to_vec).map_err(Error::from);
        let context = InputContext { stored, network: shape, train, gaussian: &gaussian };
        let inputs = InputCorruption::resolve(&input_spec, corruption_seed, &context)?;
        let scaling = match spec.normalise {
            Normalise::None => Scaling::None,
            Normalise::Whiten => Scaling::PerImage,
            Normalise::Channel => {
                let m = dataset.moments();
                let sums = m.sum.iter().zip(&m.sum_of_squares);
                let affines = sums.map(|(&s, &q)| channel_affine(m.count, s, q));
                Scaling::PerChannel(Channels::new(affines.collect()))
            }
        };
        let stored_order = match spec.order {
            OrderKind::Windowed(_) => epoch::stored_order(&split, subset.as_deref()),
            OrderKind::Shuffled | OrderKind::Sequential => None,
        };
        let samples = subset.as_ref().map_or(split.len(), Vec::len);
        if spec.drop_last && samples < spec.batch {
            return Err(RecipeError::NoFullBatch { samples, batch: spec.batch }.into());
        }
        let mut inner = Inner {
            dataset: dataset.clone(),
            split,
            spec: spec.clone(),
            seed,
            corruption_seed,
            clean,
            classes,
            subset,
            stored: element.fixed(),
            record_bytes,
            shape,
            label_spec,
            input_spec,
            labels,
            inputs,
            scaling,
            order_key: Key::derive("order", seed),
            window_key: Key::derive("order/window", seed),
            stored_order,
            augment_key: Key::derive("augment", seed),
            digest: Digest::from_bytes([0; 32]),
            bad: BadLog::default(),
            #[cfg(test)]
            panic_at: None,
        };
        inner.digest = digest::spec_digest(&inner);
        Ok(Recipe { inner: Arc::new(inner), simd: Simd::best(), views: None })
    }

    /// With these instructions and no others; the bytes are the same. For tests and measurements.
    pub fn with_simd(self, simd: Simd) -> Self {
        Recipe { simd, ..self }
    }

    /// The instructions it uses.
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// Keeps each image in memory, in bytes, as it is before scaling, from the first time it is made: where no sample
    /// changes from epoch to epoch, all that comes after the first epoch is scaling. The bytes are the same. Clones share
    /// what is kept. Costs [`Recipe::view_bytes`] of memory, as it is filled.
    ///
    /// # Errors
    /// [`RecipeError::ViewsChange`] if crop, flip or rotation is random, or the input corruption is redrawn;
    /// [`RecipeError::ViewMemory`] if so much memory is not available.
    pub fn with_cached_views(self) -> Result<Self> {
        let geometry = self.inner.spec.geometry();
        if geometry.is_random() {
            return Err(RecipeError::ViewsChange { what: "the crop, flip or rotation" }.into());
        }
        if self.inner.inputs.is_redrawn() {
            return Err(RecipeError::ViewsChange { what: "the input corruption" }.into());
        }
        let views = ViewCache::new(self.inner.split.len(), self.inner.shape.values(), self.view_bytes())?;
        Ok(Recipe { views: Some(Arc::new(views)), ..self })
    }

    /// Bytes of all images that the recipe visits, as [`Recipe::with_cached_views`] keeps them.
    pub fn view_bytes(&self) -> u64 {
        self.samples() as u64 * self.inner.shape.values() as u64
    }

    /// Makes the sample with this id panic, so that tests can see what becomes of a bug in a worker.
    #[cfg(all(test, not(rfx_loom)))]
    pub(crate) fn panicking_at(mut self, id: i64) -> Self {
        Arc::get_mut(&mut self.inner).expect("a recipe nobody shares yet").panic_at = Some(id);
        self
    }

    /// The data set.
    pub fn dataset(&self) -> &Dataset {
        &self.inner.dataset
    }

    /// The split it reads.
    pub(crate) fn split(&self) -> &Split {
        &self.inner.split
    }

    /// The spec as it was asked for.
    pub fn spec(&self) -> &LoaderSpec {
        &self.inner.spec
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// The seed corruption is drawn with.
    pub fn corruption_seed(&self) -> u64 {
        self.inner.corruption_seed
    }

    /// The label corruption this split gets.
    pub fn label_spec(&self) -> &LabelSpec {
        &self.inner.label_spec
    }

    /// Whether labels of this split are corrupted: by label noise, or by a trigger.
    pub fn corrupts_labels(&self) -> bool {
        self.inner.spec.corruption.corrupts_labels_of(&self.inner.spec.split)
    }

    /// The input corruption this split gets.
    pub fn input_spec(&self) -> &InputSpec {
        &self.inner.input_spec
    }

    /// Digest of the spec in resolved integers (`RANDOM.md`): equal digests, content ids, seeds, epochs and steps
    /// give equal bytes.
    pub fn digest(&self) -> Digest {
        self.inner.digest
    }

    /// Encoded images that could not be decoded, and were replaced, since the recipe was made: those that its clones met
    /// included, be it in loaders or elsewhere.
    pub fn bad_records(&self) -> BadRecords {
        self.inner.bad.read()
    }

    /// Samples of an epoch before `drop_last`.
    pub fn samples(&self) -> usize {
        self.inner.subset.as_ref().map_or(self.inner.split.len(), Vec::len)
    }

    /// Steps of an epoch: `ceil(samples / batch)`, or the floor with `drop_last`. At least 1.
    pub fn steps_per_epoch(&self) -> u64 {
        let (samples, batch) = (self.samples() as u64, self.inner.spec.batch as u64);
        if self.inner.spec.drop_last { samples / batch } else { samples.div_ceil(batch) }
    }

    /// Samples of the global batch of `step`; none of a step that an epoch does not have.
    pub fn batch_len(&self, step: u64) -> usize {
        if step >= self.steps_per_epoch() {
            return 0;
        }
        let (samples, batch) = (self.samples() as u64, self.inner.spec.batch as u64);
        (samples - step * batch).min(batch) as usize
    }

    /// Shape of one image of a batch.
    pub fn sample_shape(&self) -> ImageShape {
        self.inner.shape
    }

    /// Bytes of one sample's input.
    pub fn sample_bytes(&self) -> usize {
        self.inner.shape.values() * self.inner.spec.dtype.size_bytes()
    }

    /// Names of the classes that labels are of: the data set's, or those of the column that labels are taken from.
    pub fn class_names(&self) -> &[String] {
        &self.inner.classes
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.inner.classes.len()
    }

    /// Id and stored label of the sample with this index, in id order of those this recipe visits.
    ///
    /// # Panics
    /// If `index` is not below [`Recipe::samples`].
    pub fn stored(&self, index: usize) -> (i64, i64) {
        let rank = self.rank(index);
        (self.inner.split.ids()[rank], self.inner.clean[rank])
    }

    /// Labels before and after corruption in `epoch`, in id order, of the samples this recipe visits.
    pub fn labels(&self, epoch: u32) -> impl Iterator<Item = LabelRow> + '_ {
        (0..self.samples()).map(move |index| self.label(index, epoch))
    }

    /// What is done to images in `epoch`, in id order, of the samples this recipe visits. No image is made for it.
    pub fn input_rules(&self, epoch: u32) -> impl Iterator<Item = InputRule> + '_ {
        (0..self.samples()).map(move |index| {
            let (id, clean) = self.stored(index);
            self.inner.inputs.decide(id, clean, epoch).rule
        })
    }

    /// The label of the sample number `index`, in id order, of those this recipe visits.
    pub(crate) fn label(&self, index: usize, epoch: u32) -> LabelRow {
        let rank = self.rank(index);
        let (id, old) = (self.inner.split.ids()[rank], self.inner.clean[rank]);
        let (new, rule) = self.inner.labels.at(rank, id, old, epoch);
        LabelRow { id, old, new, rule }
    }

    /// The input of that sample, [`Recipe::sample_bytes`] long, whatever order the recipe visits samples in.
    pub(crate) fn image(
        &self,
        index: usize,
        epoch: u32,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<()> {
        let batch = self.inner.spec.batch;
        let info = self.batch_info(epoch, (index / batch) as u64, Partition::WHOLE);
        let (mut id, mut label, mut clean_label, mut rule, mut input_rule) = (0, 0, 0, 0, 0);
        let row = Row {
            input: out,
            id: &mut id,
            label: &mut label,
            clean_label: &mut clean_label,
            rule: &mut rule,
            input_rule: &mut input_rule,
        };
        let row_of_batch = index % batch;
        self.produce(&EpochOrder::Sequential, &info, row_of_batch..row_of_batch + 1, scratch, &mut One(row))?;
        self.intact()
    }

    /// Rates, transition matrix and digest of the labels of `epoch`. Costs one pass over the labels.
    pub fn label_report(&self, epoch: u32) -> LabelReport {
        let (inner, corruption) = (&*self.inner, &self.inner.spec.corruption);
        let affected = inner.dataset.split_names().filter(|name| corruption.corrupts_labels_of(name));
        let head = ReportHead {
            split: &inner.spec.split,
            labels: &inner.label_spec,
            inputs: inner.input_spec.to_string(),
            affected: affected.map(str::to_owned).collect(),
            corruption_seed: inner.corruption_seed,
            epoch,
            classes: self.classes(),
        };
        let rows = self.labels(epoch).enumerate();
        let rows = rows.map(|(i, row)| (row, inner.labels.change(self.rank(i), row.old)));
        LabelReport::new(head, &inner.labels, rows)
    }

    /// The batch of (epoch, step) that `partition` gets, made by this thread alone: the plain definition that every
    /// pipeline must equal.
    ///
    /// # Errors
    /// [`RecipeError::Step`] if the epoch has no such step; [`Error::Format`] if a record is damaged.
    pub fn batch(&self, epoch: u32, step: u64, partition: Partition) -> Result<HostBatch> {
        if step >= self.steps_per_epoch() {
            return Err(RecipeError::Step { step, steps: self.steps_per_epoch() }.into());
        }
        let info = self.batch_info(epoch, step, partition);
        let mut batch = self.memory(info)?;
        self.produce(&self.epoch_order(epoch), &info, 0..info.len, &mut self.scratch(), &mut batch)?;
        self.intact()?;
        Ok(batch)
    }

    fn memory(&self, info: BatchInfo) -> Result<HostBatch> {
        let too_large = || RecipeError::TooLarge { samples: info.len, row_bytes: self.sample_bytes() };
        Ok(HostBatch::new(info).ok_or_else(too_large)?)
    }

    pub(crate) fn batch_info(&self, epoch: u32, step: u64, partition: Partition) -> BatchInfo {
        let global_len = self.batch_len(step);
        let slice = partition.slice(global_len);
        BatchInfo {
            epoch,
            step,
            len: slice.len(),
            offset: slice.start,
            global_len,
            shape: self.inner.shape,
            dtype: self.inner.spec.dtype,
            layout: self.inner.spec.layout,
        }
    }

    /// Whether every record read so far was still there (known with the SIGBUS guard only): a shard that shrank while
    /// it was read gave zeros, which must not be handed out.
    pub(crate) fn intact(&self) -> Result<()> {
        Ok(self.inner.split.intact()?)
    }

    /// Rank of id of the sample with this index in the subset.
    #[inline]
    fn rank(&self, index: usize) -> usize {
        self.inner.subset.as_ref().map_or(index, |ranks| ranks[index] as usize)
    }
}

/// The classes that labels are of, as label noise sees them: only the data set's own have superclasses.
fn described_classes(dataset: &Dataset, spec: &LoaderSpec, names: &[String]) -> Vec<Class> {
    match spec.label_column {
        None => dataset.index().classes.clone(),
        Some(_) => {
            names.iter().map(|name| Class { name: name.clone(), id: None, superclass: None }).collect()
        }
    }
}

impl std::fmt::Debug for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inner { spec, seed, digest, .. } = &*self.inner;
        f.debug_struct("Recipe").field("spec", spec).field("seed", seed).field("digest", digest).finish()
    }
}
