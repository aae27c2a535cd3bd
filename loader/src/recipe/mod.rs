//! A loader spec bound to a data set and a seed: the pure function from (epoch, step) to a batch.

mod digest;
mod error;
mod stored;

pub use error::RecipeError;

use std::sync::Arc;

use self::stored::StoredImages;

use crate::{
    batch::{BatchInfo, HostBatch, Row},
    corrupt::{
        At, InputRule, InputSpec, LabelReport, LabelRow, LabelSpec, Poison, TRAIN,
        input::{InputContext, InputCorruption},
        label::{LabelTable, ReportHead, Samples},
    },
    dataset::{Class, Dataset, Split},
    digest::Digest,
    dtype::{Dtype, Layout},
    error::{Error, Result},
    geometry::{Crop, MAX_ROTATION, Placement, Resizer},
    normalise::{Normalise, Scaling, channel_affine},
    order::{Feistel, OrderKind, Partition},
    rng::Key,
    shape::ImageShape,
    shard::Decoder,
    spec::LoaderSpec,
};

/// What every batch of a run holds. Resolving one reads the split's labels and draws its label noise (about 0.1 us
/// a sample; instance-dependent noise reads the images it changes, some 10 us each); it starts no thread. Cloning is
/// cheap.
#[derive(Clone)]
pub struct Recipe(Arc<Inner>);

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
    shape: ImageShape,
    label_spec: LabelSpec,
    input_spec: InputSpec,
    labels: LabelTable,
    inputs: InputCorruption,
    scaling: Scaling,
    order_key: Key,
    augment_key: Key,
    digest: Digest,
    #[cfg(test)]
    panic_at: Option<i64>,
}

/// Memory one thread works in: two images, and what it decompresses records and resizes with.
pub(crate) struct Scratch {
    image: Vec<u8>,
    spare: Vec<u8>,
    /// A whole stored image, planar, where it is corrupted before geometry; else empty.
    stored: Vec<u8>,
    decoder: Decoder,
    resizer: Resizer,
}

/// The order of one epoch.
pub(crate) enum EpochOrder {
    Sequential,
    Shuffled(Feistel),
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
        if spec.rotate > 0 && matches!(spec.crop, Crop::RandomResized { .. }) {
            return Err(
                RecipeError::RotatedResize { rotate: spec.rotate, crop: spec.crop.to_string() }.into()
            );
        }
        let stored = dataset.shape();
        let shape = spec.geometry().shape(stored).map_err(|_| RecipeError::crop(spec.crop, stored))?;
        let split = dataset.split(&spec.split)?;
        let corruption_seed = spec.corruption.seed.unwrap_or(seed);
        let label_spec = spec.corruption.labels_of(&spec.split);
        let input_spec = spec.corruption.inputs_of(&spec.split);
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
        let images = StoredImages::new(dataset, &split);
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
                Scaling::PerChannel(sums.map(|(&s, &q)| channel_affine(m.count, s, q)).collect())
            }
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
            shape,
            label_spec,
            input_spec,
            labels,
            inputs,
            scaling,
            order_key: Key::derive("order", seed),
            augment_key: Key::derive("augment", seed),
            digest: Digest::from_bytes([0; 32]),
            #[cfg(test)]
            panic_at: None,
        };
        inner.digest = digest::spec_digest(&inner);
        Ok(Recipe(Arc::new(inner)))
    }

    /// Makes the sample with this id panic, so that tests can see what becomes of a bug in a worker.
    #[cfg(all(test, not(rfx_loom)))]
    pub(crate) fn panicking_at(mut self, id: i64) -> Self {
        Arc::get_mut(&mut self.0).expect("a recipe nobody shares yet").panic_at = Some(id);
        self
    }

    /// The data set.
    pub fn dataset(&self) -> &Dataset {
        &self.0.dataset
    }

    /// The split it reads.
    pub(crate) fn split(&self) -> &Split {
        &self.0.split
    }

    /// The spec as it was asked for.
    pub fn spec(&self) -> &LoaderSpec {
        &self.0.spec
    }

    /// The run's seed.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// The seed corruption is drawn with.
    pub fn corruption_seed(&self) -> u64 {
        self.0.corruption_seed
    }

    /// The label corruption this split gets.
    pub fn label_spec(&self) -> &LabelSpec {
        &self.0.label_spec
    }

    /// Whether labels of this split are corrupted: by label noise, or by a trigger.
    pub fn corrupts_labels(&self) -> bool {
        self.0.spec.corruption.corrupts_labels_of(&self.0.spec.split)
    }

    /// The input corruption this split gets.
    pub fn input_spec(&self) -> &InputSpec {
        &self.0.input_spec
    }

    /// Digest of the spec in resolved integers (`RANDOM.md`): equal digests, content ids, seeds, epochs and steps
    /// give equal bytes.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Samples of an epoch before `drop_last`.
    pub fn samples(&self) -> usize {
        self.0.subset.as_ref().map_or(self.0.split.len(), Vec::len)
    }

    /// Steps of an epoch: `ceil(samples / batch)`, or the floor with `drop_last`. At least 1.
    pub fn steps_per_epoch(&self) -> u64 {
        let (samples, batch) = (self.samples() as u64, self.0.spec.batch as u64);
        if self.0.spec.drop_last { samples / batch } else { samples.div_ceil(batch) }
    }

    /// Samples of the global batch of `step`; none of a step that an epoch does not have.
    pub fn batch_len(&self, step: u64) -> usize {
        if step >= self.steps_per_epoch() {
            return 0;
        }
        let (samples, batch) = (self.samples() as u64, self.0.spec.batch as u64);
        (samples - step * batch).min(batch) as usize
    }

    /// Shape of one image of a batch.
    pub fn sample_shape(&self) -> ImageShape {
        self.0.shape
    }

    /// Bytes of one sample's input.
    pub fn sample_bytes(&self) -> usize {
        self.0.shape.values() * self.0.spec.dtype.size_bytes()
    }

    /// Names of the classes that labels are of: the data set's, or those of the column that labels are taken from.
    pub fn class_names(&self) -> &[String] {
        &self.0.classes
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.0.classes.len()
    }

    /// Id and stored label of the sample with this index, in id order of those this recipe visits.
    ///
    /// # Panics
    /// If `index` is not below [`Recipe::samples`].
    pub fn stored(&self, index: usize) -> (i64, i64) {
        let rank = self.rank(index);
        (self.0.split.ids()[rank], self.0.clean[rank])
    }

    /// Labels before and after corruption in `epoch`, in id order, of the samples this recipe visits.
    pub fn labels(&self, epoch: u32) -> impl Iterator<Item = LabelRow> + '_ {
        (0..self.samples()).map(move |index| self.label(index, epoch))
    }

    /// The label of the sample number `index`, in id order, of those this recipe visits.
    pub(crate) fn label(&self, index: usize, epoch: u32) -> LabelRow {
        let rank = self.rank(index);
        let (id, old) = (self.0.split.ids()[rank], self.0.clean[rank]);
        let (new, rule) = self.0.labels.at(rank, id, old, epoch);
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
        let batch = self.0.spec.batch;
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
        self.produce(&EpochOrder::Sequential, &info, index % batch, scratch, row)?;
        self.intact()
    }

    /// Rates, transition matrix and digest of the labels of `epoch`. Costs one pass over the labels.
    pub fn label_report(&self, epoch: u32) -> LabelReport {
        let (inner, corruption) = (&*self.0, &self.0.spec.corruption);
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
        let too_large = || RecipeError::TooLarge { samples: info.len, row_bytes: self.sample_bytes() };
        let mut batch = HostBatch::new(info).ok_or_else(too_large)?;
        let order = self.epoch_order(epoch);
        let mut scratch = self.scratch();
        for row in 0..info.len {
            self.produce(&order, &info, row, &mut scratch, batch.row(row))?;
        }
        self.intact()?;
        Ok(batch)
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
            shape: self.0.shape,
            dtype: self.0.spec.dtype,
            layout: self.0.spec.layout,
        }
    }

    pub(crate) fn epoch_order(&self, epoch: u32) -> EpochOrder {
        match self.0.spec.order {
            OrderKind::Sequential => EpochOrder::Sequential,
            OrderKind::Shuffled => {
                EpochOrder::Shuffled(Feistel::new(self.0.order_key.first(0, epoch), self.samples() as u64))
            }
        }
    }

    /// Whether every record read so far was still there (known with the SIGBUS guard only): a shard that shrank while
    /// it was read gave zeros, which must not be handed out.
    pub(crate) fn intact(&self) -> Result<()> {
        Ok(self.0.split.intact()?)
    }

    pub(crate) fn scratch(&self) -> Scratch {
        let (values, whole) = (self.0.shape.values(), self.0.dataset.shape().values());
        let stored = if self.0.inputs.at() == At::Stored { whole } else { 0 };
        Scratch {
            image: vec![0; values],
            spare: vec![0; values.max(stored)],
            stored: vec![0; stored],
            decoder: Decoder::new(),
            resizer: Resizer::default(),
        }
    }

    /// Rank of id of the sample with this index in the subset.
    #[inline]
    fn rank(&self, index: usize) -> usize {
        self.0.subset.as_ref().map_or(index, |ranks| ranks[index] as usize)
    }

    /// Makes row `row` of a batch: bytes -> geometry -> corruption -> normalise and cast -> `out`. Every byte of
    /// `out` is written unless an error is returned.
    pub(crate) fn produce(
        &self,
        order: &EpochOrder,
        info: &BatchInfo,
        row: usize,
        scratch: &mut Scratch,
        out: Row<'_>,
    ) -> Result<()> {
        let inner = &*self.0;
        let position = info.step * inner.spec.batch as u64 + (info.offset + row) as u64;
        let rank = self.rank(match order {
            EpochOrder::Sequential => position,
            EpochOrder::Shuffled(order) => order.at(position),
        } as usize);
        let (id, clean) = (inner.split.ids()[rank], inner.clean[rank]);
        let (label, rule) = inner.labels.at(rank, id, clean, info.epoch);
        #[cfg(test)]
        assert!(inner.panic_at != Some(id), "planted panic at id {id}");

        let decision = inner.inputs.decide(id, clean, info.epoch);
        let reads_record = inner.inputs.reads_record(decision);
        let (stored, layout) = (inner.dataset.shape(), inner.dataset.layout());
        let place = || inner.spec.geometry().place(stored, inner.shape, &inner.augment_key, id, info.epoch);
        let Scratch { image, spare, stored: whole, decoder, resizer } = scratch;
        if inner.inputs.at() == At::Stored && decision.rule != InputRule::Untouched {
            if reads_record {
                Placement::WHOLE.copy(inner.split.record(rank, decoder)?, layout, stored, stored, whole);
            }
            inner.inputs.apply(decision, id, whole, &mut spare[..stored.values()]);
            place().render(resizer, whole, Layout::Nchw, stored, inner.shape, image);
        } else {
            if reads_record {
                let record = inner.split.record(rank, decoder)?;
                place().render(resizer, record, layout, stored, inner.shape, image);
            }
            let spare = &mut spare[..image.len()];
            inner.inputs.apply(decision, id, image, spare);
        }
        inner.scaling.write(&scratch.image, inner.shape, info.dtype, info.layout, out.input);

        *out.id = id;
        *out.clean_label = clean;
        *out.label = label;
        *out.rule = rule as u8;
        *out.input_rule = decision.rule as u8;
        Ok(())
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
        let Inner { spec, seed, digest, .. } = &*self.0;
        f.debug_struct("Recipe").field("spec", spec).field("seed", seed).field("digest", digest).finish()
    }
}
