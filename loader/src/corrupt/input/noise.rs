//! Noise as tables: what becomes of a value is looked up by the next 16-bit word. The low, then the high half of each
//! word; one half per value, in c, y, x order, whatever becomes of it.
//!
//! A table is thresholds t_1 to t_255: the new value is the number of them that are at most the word. They are made
//! once per recipe in pinned arithmetic, and are what the spec digest covers, so no machine's mathematical library
//! matters.

use crate::{digest::Hasher, normal::upper, rng::Words};

/// 255 rising thresholds, each at most 65,536.
pub(super) type Row = [u32; 255];

/// The 16-bit words of a stream.
pub(super) struct Halves {
    words: Words,
    high: Option<u16>,
}

impl Halves {
    pub fn new(words: Words) -> Self {
        Halves { words, high: None }
    }

    #[inline]
    fn next(&mut self) -> usize {
        usize::from(self.high.take().unwrap_or_else(|| {
            let word = self.words.next_u32();
            self.high = Some((word >> 16) as u16);
            word as u16
        }))
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

/// Values that replace the image's, one row of thresholds per channel. 64 KiB a channel.
pub(super) struct Replace {
    rows: Vec<Row>,
    /// `table[channel << 16 | word]`.
    table: Vec<u8>,
}

impl Replace {
    pub fn new(rows: Vec<Row>) -> Self {
        let mut table = Vec::with_capacity(rows.len() << 16);
        for row in &rows {
            let mut value = 0;
            for word in 0..1u32 << 16 {
                while value < row.len() && row[value] <= word {
                    value += 1;
                }
                table.push(value as u8);
            }
        }
        Replace { rows, table }
    }

    pub fn apply(&self, image: &mut [u8], positions: usize, mut halves: Halves) {
        for (plane, row) in image.chunks_exact_mut(positions).zip(self.table.chunks_exact(1 << 16)) {
            plane.iter_mut().for_each(|value| *value = row[halves.next()]);
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

    pub fn apply(&self, image: &mut [u8], mut halves: Halves) {
        for value in image {
            *value = (i16::from(*value) + self.shift[halves.next()]).clamp(0, 255) as u8;
        }
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

    pub fn apply(&self, image: &mut [u8], mut halves: Halves) {
        for value in image {
            let word = halves.next() as u32;
            if word < self.pepper {
                *value = 0;
            } else if word >= 65_536 - self.pepper {
                *value = 255;
            }
        }
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

    pub fn apply(&self, image: &mut [u8], mut halves: Halves) {
        for value in image {
            let word = halves.next();
            let row = &self.rows[usize::from(*value)];
            let passed = usize::from(self.start[usize::from(*value) << 8 | word >> 8]);
            let further = row[passed..].iter().take_while(|&&t| t as usize <= word).count();
            *value = (passed + further) as u8;
        }
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

    /// Every word once, as a stream would give it, against rows of thresholds counted one by one.
    fn every_word(x: u8, row: impl Fn(u8) -> Row, apply: impl Fn(&mut [u8], Halves)) {
        let words = Key::derive("noise", 3).words(u64::from(x), 0);
        let mut image = vec![x; 4096];
        apply(&mut image, Halves::new(words.clone()));
        let (row, mut halves) = (row(x), Halves::new(words));
        for value in image {
            let word = halves.next() as u32;
            assert_eq!(usize::from(value), row.iter().filter(|&&t| t <= word).count(), "{x} {word}");
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
                every_word(x, row, |image, halves| noise.apply(image, halves));
            }
        }
    }

    #[test]
    fn shot_noise_counts_the_thresholds_of_its_row() {
        for lambda in [0.5, 50.0, 75.0, 500.0, 700.0] {
            let noise = Shot::new(lambda);
            for x in [0, 1, 60, 200, 255] {
                assert!(noise.rows[usize::from(x)].is_sorted());
                every_word(x, |x| noise.rows[usize::from(x)], |image, halves| noise.apply(image, halves));
            }
            let mut black = [0; 64];
            noise.apply(&mut black, Halves::new(Key::derive("noise", 1).words(0, 0)));
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
        Impulse::new(0.1).apply(&mut image, Halves::new(Key::derive("impulse", 4).words(9, 0)));
        let count = |v| image.iter().filter(|&&x| x == v).count() as f64 / 200_000.0;
        // Five standard errors of 200,000 draws: wrong for one true implementation in a million.
        let error = 5.0 * (0.05f64 * 0.95 / 200_000.0).sqrt();
        assert!((count(0) - 0.05).abs() < error && (count(255) - 0.05).abs() < error);
        assert!((count(7) - 0.9).abs() < 2.0 * error);
    }
}
