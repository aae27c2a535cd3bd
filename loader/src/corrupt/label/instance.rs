//! Noise that depends on the image: Xia et al. 2020, arXiv:2006.07836, algorithm 2, in written arithmetic.
//!
//! Sample i of class y is changed with probability q_i, drawn from N(rate, 0.1) cut to 0..=1, into class k with
//! probability softmax(x W_y)_k over the k that are not y; x is the stored image divided by 255, flattened in c, y, x
//! order, and W_y a matrix of standard normal numbers, `values x classes`, one for each class. The inputs' scale is part
//! of the noise: the larger x, the surer the softmax. Cost: every record that is changed is read once, with
//! `values x classes` multiplications each, and `values x classes^2` normal numbers are drawn; some 0.5 s for CIFAR-10
//! at rate 0.5.

use super::{super::SpecError, Entry, LabelRule, Samples};
use crate::{
    digest::Hasher,
    error::Result,
    normal::{quantile, upper},
    rng::{Key, Threshold},
};

/// Deviation of flip rates, before they are cut.
const DEVIATION: f64 = 0.1;

/// Most numbers of one class's matrix, 1 GiB, and of all of them together, some minutes.
const MAX_VALUES: usize = 1 << 27;
const MAX_DRAWS: usize = 1 << 32;

pub(super) struct Instance {
    rate: Threshold,
    /// For each sample, the event that its label is changed.
    leave: Vec<Threshold>,
    classes: usize,
    /// Of samples that are redrawn, the word that each class is reached below; `row_of` says which row is a sample's.
    rows: Vec<u64>,
    row_of: Vec<u32>,
}

impl Instance {
    /// # Errors
    /// [`SpecError::Contradiction`] for one class, or too many for their matrices; what is wrong with a record.
    pub fn resolve(
        rate: f64,
        resample: Threshold,
        seed: u64,
        samples: &Samples<'_>,
    ) -> Result<(Self, Vec<Entry>)> {
        let (classes, shape) = (samples.classes.len(), samples.images.shape());
        let values = shape.values();
        let fits = |product: Option<usize>, most| product.is_some_and(|p| p <= most);
        let all = classes.checked_mul(values);
        if classes < 2 || !fits(all, MAX_VALUES) || !fits(all.and_then(|n| n.checked_mul(classes)), MAX_DRAWS)
        {
            return Err(SpecError::Contradiction {
                reason: format!(
                    "instance-dependent noise draws a matrix of {shape} x {classes} numbers per class"
                ),
                help: "use it with at least 2 classes, and with fewer of them or smaller images".into(),
            }
            .into());
        }
        // Digests cover the threshold, so the rate is what that stands for.
        let rate = Threshold::from_probability(rate).unwrap_or(Threshold::NEVER);
        let q = CutNormal::new(rate.probability());
        let key = Key::derive("labels", seed);
        let mut instance = Instance {
            rate,
            leave: Vec::with_capacity(samples.ids.len()),
            classes,
            rows: Vec::new(),
            row_of: Vec::new(),
        };
        let mut entries = Vec::with_capacity(samples.ids.len());
        let mut of_class: Vec<Vec<(u32, u32)>> = vec![Vec::new(); classes];
        for (rank, (&id, &old)) in samples.ids.iter().zip(samples.labels).enumerate() {
            let [decide, class, redraw, rate] = key.first(id as u64, 0);
            let leave = Threshold::from_probability(q.quantile(rate)).unwrap_or(Threshold::NEVER);
            instance.leave.push(leave);
            entries.push(Entry::untouched(old));
            if leave.hits(decide) {
                entries[rank].rule = LabelRule::Redrawn;
                entries[rank].resampled = resample.hits(redraw);
                of_class[old as usize].push((rank as u32, class));
            }
        }
        if resample != Threshold::NEVER {
            instance.row_of = vec![0; samples.ids.len()];
        }
        let key = Key::derive("labels/instance", seed);
        let mut image = vec![0; values];
        let mut row = vec![0; classes];
        for (y, samples_of_y) in of_class.iter().enumerate().filter(|(_, s)| !s.is_empty()) {
            let mut words = key.words(y as u64, 0);
            let matrix: Vec<f64> =
                (0..values * classes).map(|_| quantile(uniform(words.next_u32()))).collect();
            for &(rank, word) in samples_of_y {
                samples.images.read(rank as usize, &mut image)?;
                softmax(&image, &matrix, y, &mut row);
                let entry = &mut entries[rank as usize];
                entry.new = class(&row, word);
                if entry.resampled {
                    instance.row_of[rank as usize] = (instance.rows.len() / classes) as u32;
                    instance.rows.extend_from_slice(&row);
                }
            }
        }
        Ok((instance, entries))
    }

    /// What a redrawn label becomes.
    #[inline]
    pub fn class(&self, rank: usize, word: u32) -> u32 {
        class(&self.rows[self.row_of[rank] as usize * self.classes..][..self.classes], word)
    }

    /// Probability that the label of the sample at `rank` ends up different.
    pub fn change(&self, rank: usize) -> f64 {
        self.leave[rank].probability()
    }

    pub fn rate(&self) -> f64 {
        self.rate.probability()
    }

    pub fn mean_change(&self) -> f64 {
        self.leave.iter().map(|t| t.probability()).sum::<f64>() / self.leave.len().max(1) as f64
    }

    /// Covers the parameters; what follows from them and the content is not repeated.
    pub fn hash_into(&self, resample: Threshold, hasher: &mut Hasher) {
        hasher.u32(4).u64(self.rate.raw()).u64(resample.raw());
    }
}

/// N(rate, 0.1) cut to 0..=1, by the inverse of its distribution function: it rises with the rate, so what is changed at
/// one rate is changed at any higher one.
struct CutNormal {
    rate: f64,
    below: f64,
    above: f64,
}

impl CutNormal {
    fn new(rate: f64) -> Self {
        CutNormal { rate, below: upper(rate / DEVIATION), above: 1.0 - upper((1.0 - rate) / DEVIATION) }
    }

    fn quantile(&self, word: u32) -> f64 {
        let p = self.below + uniform(word) * (self.above - self.below);
        (self.rate + DEVIATION * quantile(p)).clamp(0.0, 1.0)
    }
}

/// A word as a number between 0 and 1, neither of which it is.
fn uniform(word: u32) -> f64 {
    (f64::from(word) + 0.5) / 4_294_967_296.0
}

/// The words below which each class is reached: softmax over all classes but `y`, added up in their order.
fn softmax(image: &[u8], matrix: &[f64], y: usize, upto: &mut [u64]) {
    let classes = upto.len();
    let mut logits = vec![0.0; classes];
    for (&value, row) in image.iter().zip(matrix.chunks_exact(classes)) {
        let x = f64::from(value) / 255.0;
        for (logit, w) in logits.iter_mut().zip(row) {
            *logit += x * w;
        }
    }
    let others = || (0..classes).filter(|&k| k != y);
    let largest = others().map(|k| logits[k]).fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for k in others() {
        logits[k] = libm::exp(logits[k] - largest);
        total += logits[k];
    }
    let mut sum = 0.0;
    for k in 0..classes {
        sum += if k == y { 0.0 } else { logits[k] };
        upto[k] = libm::floor(4_294_967_296.0 * (sum / total) + 0.5) as u64;
    }
}

fn class(upto: &[u64], word: u32) -> u32 {
    upto.partition_point(|&u| u <= u64::from(word)) as u32 // the last one is 2^32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        corrupt::label::{Images, LabelSpec, LabelTable},
        dataset::Class,
        shape::ImageShape,
        shard::FormatError,
    };

    /// Images of pseudo-random pixels.
    struct Pixels(ImageShape);

    impl Images for Pixels {
        fn shape(&self) -> ImageShape {
            self.0
        }
        fn read(&self, rank: usize, out: &mut [u8]) -> Result<(), FormatError> {
            let mut words = Key::derive("pixels", 1).words(rank as u64, 0);
            out.iter_mut().for_each(|v| *v = words.next_u32() as u8);
            Ok(())
        }
    }

    const N: i64 = 4000;
    const K: usize = 4;

    fn resolve(rate: f64, resample: f64, seed: u64) -> (Vec<i64>, LabelTable) {
        let ids: Vec<i64> = (0..N).collect();
        let labels: Vec<i64> = ids.iter().map(|i| i % K as i64).collect();
        let classes: Vec<Class> = (0..K).map(|k| Class::named(k.to_string())).collect();
        let images = Pixels(ImageShape::new(1, 3, 3).unwrap());
        let samples = Samples { ids: &ids, labels: &labels, classes: &classes, images: &images };
        let spec = LabelSpec::InstanceDependent { rate, resample };
        (labels.clone(), LabelTable::resolve(&spec, seed, &samples, None).unwrap())
    }

    fn drawn(rate: f64, resample: f64, epoch: u32) -> Vec<(i64, i64, LabelRule)> {
        let (labels, table) = resolve(rate, resample, 3);
        let at = |(rank, &old): (usize, &i64)| {
            let (new, rule) = table.at(rank, rank as i64, old, epoch);
            (old, new, rule)
        };
        labels.iter().enumerate().map(at).collect()
    }

    #[test]
    fn flip_rates_are_the_normal_distribution_cut_to_probabilities() {
        // Of N(0, 0.1) half is left: its mean is 0.1 sqrt(2 / pi), and not the rate. Five standard errors (0.0603 each of
        // 4,000): one false alarm in a million.
        for (rate, mean, deviation) in
            [(0.0, 0.079_788, 0.0603), (0.5, 0.5, 0.1), (1.0, 1.0 - 0.079_788, 0.0603)]
        {
            let (_, table) = resolve(rate, 0.0, 1);
            let found = (0..N as usize).map(|rank| table.change(rank, 0)).sum::<f64>() / N as f64;
            assert!((found - mean).abs() < 5.0 * deviation / (N as f64).sqrt(), "{rate}: {found}");
        }
    }

    #[test]
    fn changed_labels_are_never_the_true_one_and_are_nested_in_the_rate() {
        let (low, high) = (drawn(0.2, 0.0, 0), drawn(0.6, 0.0, 0));
        assert!(low.iter().all(|&(old, new, rule)| (old != new) == (rule == LabelRule::Redrawn)));
        assert!(low.iter().zip(&high).all(|(l, h)| l.2 == LabelRule::Untouched || l.1 == h.1));
        // Five standard errors of 4,000 draws with probabilities around 0.6: one false alarm in a million.
        let changed = high.iter().filter(|r| r.0 != r.1).count() as f64 / N as f64;
        assert!((changed - 0.6).abs() < 5.0 * (0.24f64 / N as f64).sqrt(), "{changed}");
    }

    /// Among the samples changed, the class agrees with that sample's own softmax: the expected count of each class, added
    /// up over samples, is met within five standard errors (one false alarm in 2 million for each of 4 figures).
    #[test]
    fn classes_follow_the_softmax_of_each_image() {
        let (labels, table) = resolve(1.0, 1.0, 5);
        let super::super::Kind::Instance(instance) = &table.kind else { panic!("another kind") };
        let (mut expected, mut variance, mut found) = ([0.0; K], [0.0; K], [0.0; K]);
        for (rank, &old) in labels.iter().enumerate() {
            let (new, rule) = table.at(rank, rank as i64, old, 0);
            if rule == LabelRule::Untouched {
                continue;
            }
            found[new as usize] += 1.0;
            let row = &instance.rows[instance.row_of[rank] as usize * K..][..K];
            let mut before = 0;
            for (k, &upto) in row.iter().enumerate() {
                let p = (upto - before) as f64 / 4_294_967_296.0;
                assert!(k as i64 != old || p == 0.0);
                expected[k] += p;
                variance[k] += p * (1.0 - p);
                before = upto;
            }
            assert_eq!(before, 1 << 32);
        }
        for k in 0..K {
            let error: f64 = found[k] - expected[k];
            assert!(error.abs() < 5.0 * f64::sqrt(variance[k]), "{k}: {found:?} {expected:?}");
        }
    }

    #[test]
    fn redrawn_labels_change_with_the_epoch_and_the_rest_does_not() {
        let (fixed, one, two) = (drawn(0.5, 0.5, 0), drawn(0.5, 0.5, 1), drawn(0.5, 0.5, 2));
        assert_eq!(fixed, drawn(0.5, 0.0, 0));
        for ((f, a), b) in fixed.iter().zip(&one).zip(&two) {
            assert_eq!(f.2 == LabelRule::Untouched, a.2 == LabelRule::Untouched);
            assert!(a.2 == LabelRule::Resampled || (a.1, a.2) == (f.1, f.2));
            assert!(a.2 != LabelRule::Resampled || (a.0 != a.1 && b.0 != b.1));
        }
        assert!(one.iter().zip(&two).any(|(a, b)| a.1 != b.1));
    }
}
