//! Random values of experiments, keyed as all randomness is (`RANDOM.md`): the same on every machine.

use rfx_loader::rng::{Key, Words};

/// `count` independent values of N(0, 1) by Box and Muller's method, a word each; tails end at 6.66 deviations. In f64
/// with libm's functions, which are the same everywhere.
pub(super) fn normals(words: &mut Words, count: usize) -> Vec<f64> {
    const UNIT: f64 = 1.0 / 4_294_967_296.0;
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (first, second) = (f64::from(words.next_u32()), f64::from(words.next_u32()));
        let radius = (-2.0 * libm::log((first + 1.0) * UNIT)).sqrt();
        let angle = std::f64::consts::TAU * (second * UNIT);
        values.extend([radius * libm::cos(angle), radius * libm::sin(angle)]);
    }
    values.truncate(count);
    values
}

/// Draw number `draw` of `count` independent signs, -1 or 1 with equal probability; 32 of a word, lowest bit first.
pub(super) fn signs(key: &Key, draw: u64, count: usize) -> Vec<f64> {
    let mut words = key.words(draw, 0);
    let mut values = Vec::with_capacity(count + 31);
    while values.len() < count {
        let word = words.next_u32();
        values.extend((0..32).map(|bit| if word >> bit & 1 == 0 { -1.0 } else { 1.0 }));
    }
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds are 6 deviations of each statistic: a false alarm once in 10^8.
    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let n = 100_000;
        let bound = 6.0 / (n as f64).sqrt();
        let mean = |values: &[f64], f: fn(f64) -> f64| values.iter().map(|&v| f(v)).sum::<f64>() / n as f64;
        let normal = normals(&mut Key::derive("theory/projection", 5).words(0, 0), n);
        assert!(mean(&normal, |v| v).abs() < bound);
        assert!((mean(&normal, |v| v * v) - 1.0).abs() < bound * 2.0f64.sqrt());
        assert!((mean(&normal, |v| v.powi(4)) - 3.0).abs() < bound * 96.0f64.sqrt());
        let key = Key::derive("theory/signs", 5);
        let (first, second) = (signs(&key, 0, n), signs(&key, 1, n));
        assert!(first.iter().all(|&s| s == 1.0 || s == -1.0) && first.len() == n);
        assert!(mean(&first, |v| v).abs() < bound && mean(&second, |v| v).abs() < bound);
        let product: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a * b).collect();
        assert!(mean(&product, |v| v).abs() < bound, "two draws are independent");
    }
}
