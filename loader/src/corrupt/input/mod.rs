//! Input corruption, resolved for one split: what happens to one image.

mod noise;
mod permute;
mod spec;
mod text;
mod trigger;

use serde::Serialize;

pub use self::{
    spec::{At, InputSpec, PermuteUnit},
    trigger::{Corner, Pattern},
};
pub(super) use text::KINDS;

use self::{
    noise::{Additive, Impulse, Replace, Shot},
    trigger::Patch,
};
use super::poison::Poison;
use crate::{
    digest::Hasher,
    error::Result,
    rng::{Key, Threshold, Words},
    shape::ImageShape,
    simd::Simd,
};

/// What an input corruption did to one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum InputRule {
    /// The image was left alone.
    Untouched = 0,
    /// The image was corrupted, once and for all.
    Corrupted = 1,
    /// The image was corrupted anew for this epoch.
    Resampled = 2,
}

/// The input corruption of one split.
pub(crate) struct InputCorruption {
    shape: ImageShape,
    at: At,
    kind: Kind,
    amount: Threshold,
    resample: Threshold,
    amount_key: Key,
    key: Key,
    resample_key: Key,
}

enum Kind {
    Clean,
    /// `out[k] = in[table[k]]`, over all values.
    Shared {
        unit: PermuteUnit,
        table: Vec<u32>,
    },
    PerImage(PermuteUnit),
    Gaussian(Replace),
    Additive(Additive),
    Impulse(Impulse),
    Shot(Shot),
    Trigger {
        poison: Poison,
        patch: Patch,
    },
}

/// Memory that a thread corrupts images with; what it holds does not matter.
pub(crate) struct Memory {
    bytes: Vec<u8>,
    words: Vec<u32>,
    pixels: Vec<u32>,
}

/// What is to be done to one image, decided before its record is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InputDecision {
    pub rule: InputRule,
    epoch: u32,
}

/// What an input corruption needs to know of the split it is resolved for.
pub(crate) struct InputContext<'a> {
    /// Shape of the stored image.
    pub stored: ImageShape,
    /// Shape after geometry.
    pub network: ImageShape,
    /// Whether the split is trained on.
    pub train: bool,
    /// The train split's Gaussian thresholds, a row per channel; asked for only where they are needed.
    pub gaussian: &'a dyn Fn() -> Result<Vec<[u32; 255]>>,
}

impl InputCorruption {
    /// # Errors
    /// What `gaussian` says; [`SpecError`](super::SpecError) for a trigger larger than the image.
    pub fn resolve(spec: &InputSpec, seed: u64, context: &InputContext<'_>) -> Result<Self> {
        let share = |p| Threshold::from_probability(p).unwrap_or(Threshold::NEVER); // validated with the spec
        let at = spec.at();
        let shape = if at == At::Stored { context.stored } else { context.network };
        let (domain, kind) = match *spec {
            InputSpec::Clean {} => ("clean", Kind::Clean),
            InputSpec::ShuffledPixels { unit, .. } => {
                let mut words = Key::derive("permute-shared", seed).words(0, 0);
                ("permute-shared", Kind::Shared { unit, table: shared_table(shape, unit, &mut words) })
            }
            InputSpec::RandomPixels { unit, .. } => ("permute", Kind::PerImage(unit)),
            InputSpec::Gaussian { .. } => ("gaussian", Kind::Gaussian(Replace::new((context.gaussian)()?))),
            InputSpec::Additive { .. } => ("additive", Kind::Additive(Additive::new(spec.strength()))),
            InputSpec::Impulse { .. } => ("impulse", Kind::Impulse(Impulse::new(spec.strength()))),
            InputSpec::Shot { .. } => ("shot", Kind::Shot(Shot::new(spec.strength()))),
            InputSpec::Trigger { size, pattern, position, blend, .. } => {
                let patch = Patch::place(shape, size, pattern, position, blend)?;
                let poison = Poison::of(spec, seed, context.train);
                ("trigger", poison.map_or(Kind::Clean, |poison| Kind::Trigger { poison, patch }))
            }
        };
        let key = |suffix: &str| Key::derive(&format!("{domain}{suffix}"), seed);
        Ok(InputCorruption {
            shape,
            at,
            kind,
            amount: share(spec.amount()),
            resample: share(spec.resample()),
            amount_key: key("/amount"),
            key: key(""),
            resample_key: key("/resample"),
        })
    }

    /// The image it acts on.
    pub fn at(&self) -> At {
        self.at
    }

    /// Whether some image is another in another epoch.
    pub fn is_redrawn(&self) -> bool {
        self.amount != Threshold::NEVER && self.resample != Threshold::NEVER
    }

    /// Whether, and from which draw, the image of `id`, of the clean class `label`, is corrupted in `epoch`.
    #[inline]
    pub fn decide(&self, id: i64, label: i64, epoch: u32) -> InputDecision {
        if let Kind::Trigger { poison, .. } = &self.kind {
            let rule = if poison.hits(id, label) { InputRule::Corrupted } else { InputRule::Untouched };
            return InputDecision { rule, epoch: 0 };
        }
        let certain = |t: Threshold| t == Threshold::NEVER || t == Threshold::ALWAYS;
        let [amount, resample] = if certain(self.amount) && certain(self.resample) {
            [0, 0] // no word decides anything: NEVER hits none, ALWAYS hits all
        } else {
            self.amount_key.first(id as u64, 0)
        };
        if !self.amount.hits(amount) {
            InputDecision { rule: InputRule::Untouched, epoch: 0 }
        } else if epoch > 0 && self.resample.hits(resample) {
            InputDecision { rule: InputRule::Resampled, epoch }
        } else {
            InputDecision { rule: InputRule::Corrupted, epoch: 0 }
        }
    }

    /// Whether the corrupted image depends on the stored one: noise that replaces an image needs no record.
    #[inline]
    pub fn reads_record(&self, decision: InputDecision) -> bool {
        decision.rule == InputRule::Untouched || !matches!(self.kind, Kind::Gaussian(_))
    }

    /// What [`InputCorruption::apply`] is lent.
    pub fn memory(&self) -> Memory {
        let values = self.shape.values();
        let (bytes, words, pixels) = match self.kind {
            Kind::Clean | Kind::Trigger { .. } => (0, 0, 0),
            Kind::Shared { .. } => (values, 0, 0),
            Kind::PerImage(unit) => {
                let swapped = if unit == PermuteUnit::Values { values } else { self.shape.positions() };
                (0, swapped - 1, permute::pixels(self.shape, unit))
            }
            Kind::Gaussian(_) | Kind::Additive(_) | Kind::Impulse(_) | Kind::Shot(_) => {
                (0, values.div_ceil(2), 0)
            }
        };
        Memory { bytes: vec![0; bytes], words: vec![0; words], pixels: vec![0; pixels] }
    }

    /// Corrupts `image` (`[channels, height, width]`, planar) in place; `memory` is of [`InputCorruption::memory`].
    pub fn apply(&self, simd: Simd, decision: InputDecision, id: i64, image: &mut [u8], memory: &mut Memory) {
        let Memory { bytes, words, pixels } = memory;
        let key = match decision.rule {
            InputRule::Untouched => return,
            InputRule::Corrupted => &self.key,
            InputRule::Resampled => &self.resample_key,
        };
        if !words.is_empty() {
            key.fill(simd, id as u64, decision.epoch, words);
        }
        match &self.kind {
            Kind::Clean => {}
            Kind::Shared { table, .. } => {
                for (out, &from) in bytes.iter_mut().zip(table) {
                    *out = image[from as usize];
                }
                image.copy_from_slice(bytes);
            }
            Kind::PerImage(unit) => permute::permute(image, self.shape, *unit, words, pixels),
            Kind::Gaussian(noise) => noise.apply(image, self.shape.positions(), words),
            Kind::Additive(noise) => noise.apply(image, words),
            Kind::Impulse(noise) => noise.apply(image, words),
            Kind::Shot(noise) => noise.apply(image, words),
            Kind::Trigger { patch, .. } => patch.stamp(image, self.shape),
        }
    }

    /// Appends the resolved integers: a code for the kind, then its parameters (`RANDOM.md`, section 6).
    pub fn hash_into(&self, hasher: &mut Hasher) {
        let stored = if self.at == At::Stored { 256 } else { 0 };
        let mut head = |code: u32| {
            hasher.u32(code + stored);
        };
        match &self.kind {
            Kind::Clean => head(0),
            Kind::Shared { unit, .. } => {
                head(1);
                hasher.u32(*unit as u32).u64(self.amount.raw());
            }
            Kind::PerImage(unit) => {
                head(2);
                hasher.u32(*unit as u32).u64(self.amount.raw()).u64(self.resample.raw());
            }
            Kind::Gaussian(noise) => {
                head(3);
                hasher.u64(self.amount.raw()).u64(self.resample.raw());
                noise.hash_into(hasher);
            }
            Kind::Additive(noise) => {
                head(4);
                hasher.u64(self.amount.raw()).u64(self.resample.raw());
                noise.hash_into(hasher);
            }
            Kind::Impulse(noise) => {
                head(5);
                hasher.u64(self.amount.raw()).u64(self.resample.raw());
                noise.hash_into(hasher);
            }
            Kind::Shot(noise) => {
                head(6);
                hasher.u64(self.amount.raw()).u64(self.resample.raw());
                noise.hash_into(hasher);
            }
            Kind::Trigger { poison, patch } => {
                head(7);
                poison.hash_into(hasher);
                patch.hash_into(hasher);
            }
        }
    }
}

/// The shared permutation over all values, whatever its unit.
fn shared_table(shape: ImageShape, unit: PermuteUnit, words: &mut Words) -> Vec<u32> {
    match unit {
        PermuteUnit::Values => permute::table(shape.values(), words),
        PermuteUnit::Positions => {
            let plane = permute::table(shape.positions(), words);
            let channels = 0..shape.channels as u32;
            channels.flat_map(|c| plane.iter().map(move |&p| c * shape.positions() as u32 + p)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str, seed: u64, shape: ImageShape) -> InputCorruption {
        let spec: super::super::CorruptionSpec = text.parse().unwrap();
        let thresholds = |c: u32| std::array::from_fn(|j| (j as u32 + 1) * (200 + 20 * c));
        let gaussian = || Ok((0..3).map(thresholds).collect());
        let context = InputContext { stored: shape, network: shape, train: true, gaussian: &gaussian };
        InputCorruption::resolve(&spec.inputs, seed, &context).unwrap()
    }

    fn apply(corruption: &InputCorruption, id: i64, epoch: u32, image: &[u8]) -> (InputRule, Vec<u8>) {
        let (mut out, mut memory) = (image.to_vec(), corruption.memory());
        let decision = corruption.decide(id, 0, epoch);
        memory.bytes.fill(0xEE);
        memory.words.fill(0xEE);
        memory.pixels.fill(0xEE);
        corruption.apply(Simd::best(), decision, id, &mut out, &mut memory);
        (decision.rule, out)
    }

    #[test]
    fn shared_permutations_are_the_same_for_every_image_and_invertible() {
        let shape = ImageShape::new(3, 8, 8).unwrap();
        let image: Vec<u8> = (0..192).collect();
        for text in ["shuffled-pixels", "shuffled-pixels:positions"] {
            let corruption = resolve(text, 1, shape);
            let (_, first) = apply(&corruption, 0, 0, &image);
            assert_ne!(first, image);
            assert_eq!(first, apply(&corruption, 50_000, 9, &image).1);
            let mut sorted = first.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, image);
            assert_ne!(first, apply(&resolve(text, 2, shape), 0, 0, &image).1);
        }
        let (_, positions) = apply(&resolve("shuffled-pixels:positions", 1, shape), 0, 0, &image);
        assert!(positions[..64].iter().zip(&positions[64..128]).all(|(r, g)| r + 64 == *g));
    }

    #[test]
    fn per_image_permutations_differ_by_id_and_are_fixed_over_epochs() {
        let shape = ImageShape::new(3, 8, 8).unwrap();
        let image: Vec<u8> = (0..192).collect();
        let corruption = resolve("random-pixels", 1, shape);
        let first = apply(&corruption, 5, 0, &image);
        assert_eq!(first, apply(&corruption, 5, 31, &image));
        assert_ne!(first.1, apply(&corruption, 6, 0, &image).1);
        assert_ne!(first.1, apply(&corruption, 50_005, 0, &image).1, "train against test ids");
    }

    #[test]
    fn amount_is_a_nested_share_and_resample_redraws_part_of_it() {
        let shape = ImageShape::new(1, 4, 4).unwrap();
        let rules = |text: &str, epoch| -> Vec<InputRule> {
            let corruption = resolve(text, 4, shape);
            (0..20_000).map(|id| corruption.decide(id, 0, epoch).rule).collect()
        };
        let (low, high) = (rules("random-pixels:amount=0.3", 0), rules("random-pixels:amount=0.6", 0));
        let hit = |r: &[InputRule], rule| r.iter().filter(|r| **r == rule).count() as f64 / r.len() as f64;
        assert!((hit(&low, InputRule::Corrupted) - 0.3).abs() < 0.012);
        assert!(low.iter().zip(&high).all(|(l, h)| *l == InputRule::Untouched || *h == InputRule::Corrupted));
        let mixed = rules("random-pixels:amount=0.6,resample=0.5", 3);
        assert!((hit(&mixed, InputRule::Resampled) - 0.3).abs() < 0.012);
        assert!(
            mixed
                .iter()
                .zip(&high)
                .all(|(m, h)| (*m == InputRule::Untouched) == (*h == InputRule::Untouched))
        );
        assert_eq!(rules("random-pixels:amount=0.6,resample=0.5", 0), high);

        let image: Vec<u8> = (0..16).collect();
        let corruption = resolve("random-pixels:resample=1", 4, shape);
        assert_ne!(apply(&corruption, 1, 1, &image), apply(&corruption, 1, 2, &image));
        assert_eq!(apply(&corruption, 1, 2, &image), apply(&corruption, 1, 2, &image));
    }

    #[test]
    fn noise_counts_thresholds_and_forgets_the_image() {
        let shape = ImageShape::new(3, 5, 5).unwrap(); // odd, so channels begin in the middle of a word
        let corruption = resolve("gaussian", 6, shape);
        let decision = corruption.decide(77, 0, 0);
        assert!(!corruption.reads_record(decision));
        let (_, from_black) = apply(&corruption, 77, 0, &[0; 75]);
        assert_eq!(from_black, apply(&corruption, 77, 12, &[255; 75]).1);
        let mut words = vec![0; 38];
        Key::derive("gaussian", 6).words(77, 0).fill(&mut words);
        for (k, &value) in from_black.iter().enumerate() {
            let half = words[k / 2] >> (16 * (k % 2)) & 0xFFFF;
            let c = (k / 25) as u32;
            let naive = (0..255).filter(|j| (j + 1) * (200 + 20 * c) <= half).count();
            assert_eq!(usize::from(value), naive);
        }
    }

    #[test]
    fn clean_images_never_change() {
        let shape = ImageShape::new(3, 8, 8).unwrap();
        let image: Vec<u8> = (0..192).collect();
        for text in ["true-labels", "random-labels", "gaussian:amount=0", "random-pixels:amount=0,resample=1"]
        {
            let corruption = resolve(text, 1, shape);
            for id in 0..50 {
                assert_eq!(apply(&corruption, id, 2, &image), (InputRule::Untouched, image.clone()));
            }
        }
    }
}
