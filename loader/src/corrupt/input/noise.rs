//! Noise as tables: what becomes of a value is looked up by the next 16-bit word. The low, then the high half of each
//! word; one half per value, in c, y, x order, whatever becomes of it.
//!
//! A table is thresholds t_1 to t_255: the new value is the number of them that are at most the word. They are made
//! once per recipe in pinned arithmetic, and are what the spec digest covers, so no machine's mathematical library
//! matters.

use crate::{digest::Hasher, normal::upper};

/// 255 rising thresholds, each at most 65,536.
pub(super) type Row = [u32; 255];

/// Replaces each value of `image` by what `f` makes of it and of its 16-bit word; `first` is the number of the first
/// value, whose word is half `first` of `words`.
#[inline(always)]
fn each(image: &mut [u8], first: usize, words: &[u32], mut f: impl FnMut(u8, usize) -> u8) {
    let words = &words[first / 2..];
    let (odd, words) = if first.is_multiple_of(2) { (None, words) } else { (words.first(), &words[1..]) };
    let image = match (odd, image.split_first_mut()) {
        (Some(word), Some((value, rest))) => {
            *value = f(*value, (word >> 16) as usize);
            rest
        }
        (_, _) => image,
    };
    let (pairs, last) = image.as_chunks_mut::<2>();
    for (pair, &word) in pairs.iter_mut().zip(words) {
        *pair = [f(pair[0], (word & 0xFFFF) as usize), f(pair[1], (word >> 16) as usize)];
    }
    if let ([value], Some(word)) = (last, words.get(pairs.len())) {
        *value = f(*value, (word & 0xFFFF) as usize);
    }
}

/// A probability as a threshold of 16-bit words.
fn threshold(p: f64) -> u32 {
    libm::round(65_536.0 * p) as u32
}

fn hash_row(row: &[u32], hasher: &mut Hasher) {
    for &t in row {
        hasher.u32(t);
    }
}

/// Values that replace the image's, one row of thresholds per channel.
///
/// 65,536 answers a channel would not fit the first-level cache; 4,096 entries of 16 bits do. Entry w >> 4 stands for 16
/// words, among which there is hardly ever more than one threshold: 16 v for the value v of the first word, and 16 - o
/// more where a threshold lies o words on, so that adding w & 15 carries into the next value at that word. Where there
/// are more, in the tails, the entry says so, and the row itself is searched. 8 KiB a channel.
pub(super) struct Replace {
    rows: Vec<Row>,
    entries: Vec<[u16; ENTRIES]>,
}

const ENTRIES: usize = 1 << 12;
/// An entry that does not tell.
const SEVERAL: u16 = 1 << 15;

impl Replace {
    pub fn new(rows: Vec<Row>) -> Self {
        let value = |row: &Row, word: u32| row.partition_point(|&t| t <= word);
        let entries = rows.iter().map(|row| {
            std::array::from_fn(|i| {
                let first = i as u32 * 16;
                let (v, end) = (value(row, first), value(row, first + 15));
                match end - v {
                    0 => 16 * v as u16,
                    1 => 16 * v as u16 + 16 - (row[v] - first) as u16, // row[v] is the first threshold above `first`
                    _ => SEVERAL,
                }
            })
        });
        Replace { entries: entries.collect(), rows }
    }

    pub fn apply(&self, image: &mut [u8], positions: usize, words: &[u32]) {
        let planes = image.chunks_exact_mut(positions).zip(self.entries.iter().zip(&self.rows));
        for (channel, (plane, (entries, row))) in planes.enumerate() {
            each(plane, channel * positions, words, |_, word| {
                let entry = entries[word >> 4];
                if entry == SEVERAL {
                    return row.partition_point(|&t| t as usize <= word) as u8;
                }
                ((entry + (word as u16 & 15)) >> 4) as u8
            });
        }
    }

    pub fn hash_into(&self, hasher: &mut Hasher) {
        self.rows.iter().for_each(|row| hash_row(row, hasher));
    }
}

/// Normal noise that is added, rounded and clipped.
///
/// The thresholds of value x are t_j(x) = T(j - x) with T(k) = round(65536 Phi((k - 0.5) / s)): one row of 510, k =
/// -254 to 255, serves all x. A word says how far to go, the ends of the range where to stop. 128 KiB.
pub(super) struct Additive {
    thresholds: Vec<u32>,
    /// `shift[word]`, -255 to 255.
    shift: Vec<i16>,
}

impl Additive {
    /// `sigma` in units of the full range.
    pub fn new(sigma: f64) -> Self {
        let s = 255.0 * sigma;
        let thresholds: Vec<u32> = (-254..=255).map(|k| threshold(upper((0.5 - f64::from(k)) / s))).collect();
        let mut passed = 0;
        let shift = (0..1u32 << 16).map(|word| {
            while passed < thresholds.len() && thresholds[passed] <= word {
                passed += 1;
            }
            passed as i16 - 255
        });
        Additive { shift: shift.collect(), thresholds }
    }

    pub fn apply(&self, image: &mut [u8], words: &[u32]) {
        each(image, 0, words, |value, word| (i16::from(value) + self.shift[word]).clamp(0, 255) as u8);
    }

    pub fn hash_into(&self, hasher: &mut Hasher) {
        hash_row(&self.thresholds, hasher);
    }
}

/// Salt and pepper: the lowest words make 0, as many of the highest 255.
pub(super) struct Impulse {
    pepper: u32,
}

impl Impulse {
    pub fn new(p: f64) -> Self {
        Impulse { pepper: threshold(p / 2.0) }
    }

    pub fn apply(&self, image: &mut [u8], words: &[u32]) {
        let (pepper, salt) = (self.pepper as usize, 65_536 - self.pepper as usize);
        each(image, 0, words, |value, word| match word {
            _ if word < pepper => 0,
            _ if word >= salt => 255,
            _ => value,
        });
    }

    pub fn hash_into(&self, hasher: &mut Hasher) {
        hasher.u32(self.pepper);
    }
}

/// Shot noise: value x is a Poisson number N of photons with mean `lambda x / 255`, and becomes `round(255 N / lambda)`,
/// half up, at most 255. A row of thresholds per value; 320 KiB.
pub(super) struct Shot {
    rows: Vec<Row>,
    /// `start[x << 8 | high byte of the word]`: the thresholds that are at most the first word of that byte.
    start: Vec<u8>,
}

impl Shot {
    /// `lambda`: expected photons of 255, above 0 and at most 700 (whose probability of none is still a normal f64).
    pub fn new(lambda: f64) -> Self {
        let rows: Vec<Row> = (0..=255).map(|x| shot_row(lambda, x)).collect();
        let first = |row: &Row, byte: u32| row.partition_point(|&t| t <= byte << 8) as u8;
        let start = rows.iter().flat_map(|row| (0..256).map(move |byte| first(row, byte))).collect();
        Shot { rows, start }
    }

    pub fn apply(&self, image: &mut [u8], words: &[u32]) {
        each(image, 0, words, |value, word| {
            let row = &self.rows[usize::from(value)];
            let passed = usize::from(self.start[usize::from(value) << 8 | word >> 8]);
            let further = row[passed..].iter().take_while(|&&t| t as usize <= word).count();
            (passed + further) as u8
        });
    }

    pub fn hash_into(&self, hasher: &mut Hasher) {
        self.rows.iter().for_each(|row| hash_row(row, hasher));
    }
}

/// t_j = round(65536 P(N < m_j)), where m_j = ceil((j - 0.5) lambda / 255) photons are the fewest that make j or more.
fn shot_row(lambda: f64, x: u8) -> Row {
    let mean = lambda * f64::from(x) / 255.0;
    let (mut photons, mut probability, mut below) = (0u32, libm::exp(-mean), 0.0);
    std::array::from_fn(|i| {
        let fewest = libm::ceil((i as f64 + 0.5) * lambda / 255.0) as u32;
        while photons < fewest {
            below += probability;
            photons += 1;
            probability = probability * mean / f64::from(photons);
        }
        threshold(f64::min(below, 1.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;

    fn words(n: usize, stream: u64) -> Vec<u32> {
        let mut words = vec![0; n];
        Key::derive("noise", 3).words(stream, 0).fill(&mut words);
        words
    }

    /// Every 16-bit word once, in an order that a shuffle gave, against rows of thresholds counted one by one.
    fn every_word(x: u8, row: impl Fn(u8) -> Row, apply: impl Fn(&mut [u8], &[u32])) {
        let order = crate::order::Feistel::keyed("noise", u64::from(x), 0, 1 << 16);
        let half = |k: u32| order.at(k.into()) as u32;
        let words: Vec<u32> = (0..1 << 15).map(|k| half(2 * k) | half(2 * k + 1) << 16).collect();
        let mut image = vec![x; 1 << 16];
        apply(&mut image, &words);
        let row = row(x);
        for (k, value) in image.into_iter().enumerate() {
            let word = half(k as u32);
            assert_eq!(usize::from(value), row.iter().filter(|&&t| t <= word).count(), "{x} {word}");
        }
    }

    /// Steep and flat rows, with many thresholds at one word and beyond the last.
    #[test]
    fn replaced_values_count_the_thresholds_of_their_row() {
        for (mean, sigma) in [(128.0, 60.0), (20.0, 3.0), (250.0, 80.0), (-5.0, 0.5), (300.0, 1.0)] {
            let row = std::array::from_fn(|j| threshold(upper((mean - (j as f64 + 0.5)) / sigma)));
            every_word(9, |_| row, |image, words| Replace::new(vec![row]).apply(image, 1 << 16, words));
        }
    }

    #[test]
    fn each_value_has_its_own_half_of_a_word_wherever_a_plane_begins() {
        let words = words(8, 2);
        let half = |k: usize| (words[k / 2] >> (16 * (k % 2))) as u16 as usize;
        for (first, len) in [(0, 16), (0, 15), (1, 15), (3, 2), (3, 1), (15, 1), (5, 0), (16, 0)] {
            let (mut image, mut seen) = (vec![7; len], Vec::new());
            each(&mut image, first, &words, |x, word| {
                seen.push((x, word));
                seen.len() as u8
            });
            assert_eq!(seen, (first..first + len).map(|k| (7, half(k))).collect::<Vec<_>>());
            assert_eq!(image, (1..=len as u8).collect::<Vec<_>>());
        }
    }

    #[test]
    fn one_row_of_shifts_is_256_rows_of_thresholds() {
        for sigma in [0.001, 0.04, 0.1, 0.5, 2.0] {
            let noise = Additive::new(sigma);
            let s = 255.0 * sigma;
            let row = |x: u8| -> Row {
                std::array::from_fn(|i| {
                    threshold(upper((0.5 - (i as f64 + 1.0 - f64::from(x))) / s)) // j - x is exact
                })
            };
            for x in [0, 1, 100, 254, 255] {
                every_word(x, row, |image, words| noise.apply(image, words));
            }
        }
    }

    #[test]
    fn shot_noise_counts_the_thresholds_of_its_row() {
        for lambda in [0.5, 50.0, 75.0, 500.0, 700.0] {
            let noise = Shot::new(lambda);
            for x in [0, 1, 60, 200, 255] {
                assert!(noise.rows[usize::from(x)].is_sorted());
                every_word(x, |x| noise.rows[usize::from(x)], |image, words| noise.apply(image, words));
            }
            let mut black = [0; 64];
            noise.apply(&mut black, &words(32, 0));
            assert_eq!(black, [0; 64]);
        }
    }

    /// Exact mean and variance of a value's new value under all 65,536 words.
    fn moments(apply: impl Fn(usize) -> u8) -> (f64, f64) {
        let values = (0..65_536).map(|word| f64::from(apply(word)));
        let (sum, squares) = values.fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
        let mean = sum / 65_536.0;
        (mean, squares / 65_536.0 - mean * mean)
    }

    /// Where nothing is clipped: additive noise keeps the mean and has the variance sigma^2 + 1/12 (of the rounding).
    #[test]
    fn additive_noise_has_its_moments() {
        for sigma in [0.02, 0.04, 0.08, 0.1] {
            let noise = Additive::new(sigma);
            let (mean, variance) = moments(|word| (128 + noise.shift[word]) as u8);
            assert!((mean - 128.0).abs() < 0.01, "{sigma}: {mean}");
            let expected = (255.0 * sigma).powi(2) + 1.0 / 12.0;
            // The normal distribution's tails end at the first and last of 65,536 words.
            assert!((variance / expected - 1.0).abs() < 0.003, "{sigma}: {variance} {expected}");
        }
    }

    /// Shot noise keeps the mean, and its variance is that of a Poisson number of photons, 255 x / lambda levels^2, but
    /// for the rounding, which moves a value, and so the mean and the deviation, by at most half a level.
    #[test]
    fn shot_noise_has_its_moments() {
        for (lambda, x) in [(500.0, 100), (500.0, 128), (250.0, 60), (100.0, 100), (60.0, 20)] {
            let row = shot_row(lambda, x);
            let (mean, variance) = moments(|word| row.iter().filter(|&&t| t as usize <= word).count() as u8);
            let expected = (255.0 * f64::from(x) / lambda).sqrt();
            assert!((mean - f64::from(x)).abs() < 0.5, "{lambda} {x}: {mean}");
            assert!((variance.sqrt() - expected).abs() < 0.5, "{lambda} {x}: {variance} {expected}");
        }
    }

    #[test]
    fn impulses_are_salt_and_pepper_in_equal_parts() {
        for (p, pepper) in [(0.0, 0), (0.01, 328), (0.5, 16_384), (1.0, 32_768)] {
            assert_eq!(Impulse::new(p).pepper, pepper);
        }
        let mut image = vec![7; 200_000];
        Impulse::new(0.1).apply(&mut image, &words(100_000, 9));
        let count = |v| image.iter().filter(|&&x| x == v).count() as f64 / 200_000.0;
        // Five standard errors of 200,000 draws: wrong for one true implementation in a million.
        let error = 5.0 * (0.05f64 * 0.95 / 200_000.0).sqrt();
        assert!((count(0) - 0.05).abs() < error && (count(255) - 0.05).abs() < error);
        assert!((count(7) - 0.9).abs() < 2.0 * error);
    }
}
