//! Label noise, resolved for one split: a table from rank of id to label.
//!
//! Domain `labels`, stream = id: word 0 decides (`w0 < T`), word 1 is the class, word 2 says whether the sample is
//! one of those redrawn every epoch. So whatever is corrupted at p is corrupted, with the same class, at any p' > p.

mod asymmetric;
mod columns;
mod conditional;
mod file;
mod instance;
mod matrix;
mod mt19937;
mod notes;
mod pickled;
mod report;
mod samples;
mod spec;
mod text;
mod torch;
mod uniform;
mod zhang2017;

pub(crate) use self::{
    report::ReportHead,
    samples::{Images, Samples},
};
pub use self::{
    report::{LabelReport, LabelRow, Selection},
    spec::LabelSpec,
};
#[cfg(test)]
pub(crate) use samples::no_images;
pub(super) use text::{KINDS, clean_takes_no};

use serde::Serialize;

use self::{
    conditional::Conditional, file::FileLabels, instance::Instance, uniform::Uniform, zhang2017::Zhang2017,
};
use super::{SpecError, poison::Poison};
use crate::{
    digest::Hasher,
    error::Result,
    order::{Feistel, rounded_share},
    rng::{Key, Threshold},
};

/// What a label corruption did to one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum LabelRule {
    /// The label was left alone.
    Untouched = 0,
    /// The label was redrawn, flipped or taken from a file, once and for all; it may have come out the same.
    Redrawn = 1,
    /// The label was redrawn for this epoch.
    Resampled = 2,
    /// The label is the target of a trigger that the image got.
    Poisoned = 3,
}

/// The label corruption of one split. Costs 8 bytes per sample where labels are corrupted, nothing where not; files and
/// instance-dependent noise keep a few more.
pub(crate) struct LabelTable {
    entries: Option<Vec<Entry>>,
    kind: Kind,
    exact: bool,
    resample: Threshold,
    resample_key: Key,
    poison: Option<Poison>,
    notes: Vec<String>,
}

/// The kinds of noise, resolved.
enum Kind {
    Clean,
    Uniform(Uniform),
    Conditional(Conditional),
    File(FileLabels),
    Instance(Instance),
    Zhang2017(Zhang2017),
}

#[derive(Clone, Copy)]
struct Entry {
    new: u32,
    rule: LabelRule,
    resampled: bool,
}

impl Entry {
    fn untouched(old: i64) -> Self {
        Entry { new: old as u32, rule: LabelRule::Untouched, resampled: false }
    }
}

impl LabelTable {
    /// Draws the labels of a whole split; `poison` says which samples a trigger gives its own label to.
    ///
    /// # Errors
    /// [`SpecError`] if the noise is not defined for these classes, or its file does not fit them;
    /// [`FormatError`] if a record that it depends on is damaged.
    pub fn resolve(
        spec: &LabelSpec,
        seed: u64,
        samples: &Samples<'_>,
        poison: Option<Poison>,
    ) -> Result<Self> {
        let k = samples.classes.len();
        let threshold = |p| Threshold::from_probability(p).unwrap_or(Threshold::NEVER); // validated with the spec
        let mut table = LabelTable {
            entries: None,
            kind: Kind::Clean,
            exact: false,
            resample: Threshold::NEVER,
            resample_key: Key::derive("labels/resample", seed),
            poison,
            notes: Vec::new(),
        };
        match spec {
            LabelSpec::Clean {} => {}
            LabelSpec::Uniform { p, exclude_true, exact, resample } => {
                if *exclude_true && k < 2 {
                    return Err(SpecError::Contradiction {
                        reason: "exclude-true needs a second class, and the data set has one".into(),
                        help: "leave exclude-true out".into(),
                    }
                    .into());
                }
                let rate = threshold(*p);
                let uniform = Uniform { classes: k as u32, rate, exclude_true: *exclude_true };
                (table.exact, table.resample) = (*exact, threshold(*resample));
                let chosen = exact.then(|| exact_choice(rate, seed, samples.ids.len()));
                let hit = |rank: usize, w| chosen.as_ref().map_or_else(|| rate.hits(w), |c| c[rank]);
                let class = |rank: usize, w| uniform.class(samples.labels[rank], w);
                table.entries = Some(draw(samples, seed, table.resample, hit, class));
                table.kind = Kind::Uniform(uniform);
            }
            LabelSpec::PairFlip { p, exact } => {
                let next = |y: u32| (k > 1).then_some((y + 1) % k as u32);
                let targets: Vec<_> = (0..k as u32).map(next).collect();
                table.conditional(
                    Conditional::one_target(threshold(*p), &targets),
                    *exact,
                    0.0,
                    seed,
                    samples,
                );
            }
            LabelSpec::Asymmetric { p, exact } => {
                let targets = asymmetric::targets(samples.classes)?;
                table.conditional(
                    Conditional::one_target(threshold(*p), &targets),
                    *exact,
                    0.0,
                    seed,
                    samples,
                );
            }
            LabelSpec::Matrix { file, amount, exact, resample } => {
                let (rows, file) = matrix::read(file, k)?;
                table.notes.push(format!("T is {} (BLAKE3 {})", file.path, file.digest()));
                table.conditional(Conditional::matrix(&rows, k, *amount), *exact, *resample, seed, samples);
            }
            LabelSpec::File { path, column, amount } => {
                let amount = threshold(*amount);
                let (file, notes) = FileLabels::read(path, column.as_deref(), amount, samples)?;
                table.notes.extend(notes);
                let hit = |_, w| amount.hits(w);
                let class = |rank: usize, _| file.labels[rank];
                table.entries = Some(draw(samples, seed, Threshold::NEVER, hit, class));
                table.kind = Kind::File(file);
            }
            LabelSpec::InstanceDependent { rate, resample } => {
                table.resample = threshold(*resample);
                let (instance, entries) = Instance::resolve(*rate, table.resample, seed, samples)?;
                (table.entries, table.kind) = (Some(entries), Kind::Instance(instance));
            }
            LabelSpec::Zhang2017 { p } => {
                let published = Zhang2017::new(*p, k as u32);
                let drawn = published.draw(samples.ids.len()).into_iter().zip(samples.labels);
                let entry = |(new, &old): (Option<u32>, &i64)| match new {
                    Some(new) => Entry { new, rule: LabelRule::Redrawn, resampled: false },
                    None => Entry::untouched(old),
                };
                table.entries = Some(drawn.map(entry).collect());
                table.kind = Kind::Zhang2017(published);
            }
        }
        table.apply_poison(samples)?;
        table.notes.extend(notes::notes(spec, &table, samples));
        Ok(table)
    }

    fn conditional(
        &mut self,
        rows: Conditional,
        exact: bool,
        resample: f64,
        seed: u64,
        samples: &Samples<'_>,
    ) {
        self.exact = exact;
        self.resample = Threshold::from_probability(resample).unwrap_or(Threshold::NEVER);
        let chosen = exact.then(|| rows.exact_choice(seed, samples.labels));
        let hit = |rank: usize, w| match &chosen {
            Some(chosen) => chosen[rank],
            None => rows.leave(samples.labels[rank] as usize).hits(w),
        };
        let class = |rank: usize, w| rows.class(samples.labels[rank], w);
        self.entries = Some(draw(samples, seed, self.resample, hit, class));
        self.kind = Kind::Conditional(rows);
    }

    fn apply_poison(&mut self, samples: &Samples<'_>) -> Result<(), SpecError> {
        let Some(poison) = &self.poison else { return Ok(()) };
        let classes = samples.classes.len();
        if poison.target as usize >= classes {
            return Err(SpecError::Contradiction {
                reason: format!("the trigger's target={} is no class of {classes}", poison.target),
                help: format!("use 0 to {}", classes - 1),
            });
        }
        let entries = self
            .entries
            .get_or_insert_with(|| samples.labels.iter().map(|&old| Entry::untouched(old)).collect());
        for ((entry, &id), &old) in entries.iter_mut().zip(samples.ids).zip(samples.labels) {
            if poison.hits(id, old) {
                *entry = Entry { new: poison.target, rule: LabelRule::Poisoned, resampled: false };
            }
        }
        Ok(())
    }

    /// The label of the sample at `rank` of the split in `epoch`, and what was done.
    #[inline]
    pub fn at(&self, rank: usize, id: i64, old: i64, epoch: u32) -> (i64, LabelRule) {
        match self.entries.as_ref().map(|entries| entries[rank]) {
            None => (old, LabelRule::Untouched),
            Some(entry) if entry.resampled && epoch > 0 => {
                let [word] = self.resample_key.first(id as u64, epoch);
                let class = match &self.kind {
                    Kind::Uniform(uniform) => uniform.class(old, word),
                    Kind::Conditional(rows) => rows.class(old, word),
                    Kind::Instance(instance) => instance.class(rank, word),
                    Kind::Clean | Kind::File(_) | Kind::Zhang2017(_) => entry.new, // nothing of them is redrawn
                };
                (i64::from(class), LabelRule::Resampled)
            }
            Some(entry) => (i64::from(entry.new), entry.rule),
        }
    }

    /// Probability that the sample at `rank`, of class `old`, ends up with another label, before anything is drawn.
    pub fn change(&self, rank: usize, old: i64) -> f64 {
        let by_noise = match &self.kind {
            Kind::Clean => 0.0,
            Kind::Uniform(uniform) => uniform.change(),
            Kind::Conditional(rows) => rows.leave(old as usize).probability(),
            Kind::File(file) if i64::from(file.labels[rank]) == old => 0.0,
            Kind::File(file) => file.amount.probability(),
            Kind::Instance(instance) => instance.change(rank),
            Kind::Zhang2017(published) => {
                let k = f64::from(published.classes());
                published.rate() * (k - 1.0) / k
            }
        };
        match &self.poison {
            None => by_noise,
            Some(poison) => {
                let poisoned = poison.probability(old);
                let differs = f64::from(u8::from(i64::from(poison.target) != old));
                poisoned * differs + (1.0 - poisoned) * by_noise
            }
        }
    }

    /// The probability of [`change`](LabelTable::change) where it is the same for every sample.
    pub fn common_change(&self) -> Option<f64> {
        match (&self.kind, &self.poison) {
            (Kind::Clean | Kind::Uniform(_) | Kind::Zhang2017(_), None) => Some(self.change(0, 0)),
            _ => None,
        }
    }

    /// How it is decided which samples are corrupted.
    pub fn selection(&self) -> Selection {
        match self.kind {
            Kind::Clean if self.poison.is_none() => Selection::None,
            Kind::File(ref file) if file.amount == Threshold::ALWAYS => Selection::Given,
            Kind::Zhang2017(_) => Selection::Published,
            _ if self.exact => Selection::Exact,
            _ => Selection::Bernoulli,
        }
    }

    /// The probability that a sample is poisoned, where a trigger gives labels too.
    pub fn poisoned(&self) -> Option<f64> {
        self.poison.as_ref().map(Poison::amount)
    }

    /// What a reader of the labels should know (`CORRUPTION.md`).
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Appends the resolved integers: a code for the kind, then its parameters (`RANDOM.md`, section 6).
    pub fn hash_into(&self, hasher: &mut Hasher) {
        match &self.kind {
            Kind::Clean => {
                hasher.u32(0);
            }
            Kind::Uniform(uniform) => uniform.hash_into(self.exact, self.resample, hasher),
            Kind::Conditional(rows) => rows.hash_into(self.exact, self.resample, hasher),
            Kind::File(file) => file.hash_into(hasher),
            Kind::Instance(instance) => instance.hash_into(self.resample, hasher),
            Kind::Zhang2017(published) => published.hash_into(hasher),
        }
        if let Some(poison) = &self.poison {
            hasher.u32(256); // no code of an input corruption, which is what follows otherwise
            poison.hash_into(hasher);
        }
    }
}

/// An entry per sample: `hit` decides by rank and word 0, `class` by rank and word 1.
fn draw(
    samples: &Samples<'_>,
    seed: u64,
    resample: Threshold,
    hit: impl Fn(usize, u32) -> bool,
    class: impl Fn(usize, u32) -> u32,
) -> Vec<Entry> {
    let key = Key::derive("labels", seed);
    let entry = |(rank, (&id, &old)): (usize, (&i64, &i64))| {
        let [decide, word, redraw] = key.first(id as u64, 0);
        if hit(rank, decide) {
            Entry { new: class(rank, word), rule: LabelRule::Redrawn, resampled: resample.hits(redraw) }
        } else {
            Entry::untouched(old)
        }
    };
    samples.ids.iter().zip(samples.labels).enumerate().map(entry).collect()
}

/// Which of `n` ranks are among the first `round(p n)` of the keyed permutation.
fn exact_choice(share: Threshold, seed: u64, n: usize) -> Vec<bool> {
    let mut chosen = vec![false; n];
    let order = Feistel::keyed("labels/exact", seed, 0, n as u64);
    for position in 0..rounded_share(share, n) as u64 {
        chosen[order.at(position) as usize] = true;
    }
    chosen
}

#[cfg(test)]
mod tests;
