//! Pixel permutations by Fisher-Yates, from the top: `for i = n-1 down to 1: j = mulshift(next word, i + 1);
//! swap(p[i], p[j])`, and then `out[k] = in[p[k]]`.
//!
//! Swapping the image's own values in place of `p`'s gives the same result without a table, so the permutation of
//! one image costs n - 1 words and n - 1 swaps in a cache-resident image.

use super::PermuteUnit;
use crate::{
    rng::{Words, mulshift},
    shape::ImageShape,
};

/// Permutes `image` (`[channels, height, width]`, planar) by the next words.
pub(super) fn permute(image: &mut [u8], shape: ImageShape, unit: PermuteUnit, words: &mut Words) {
    match unit {
        PermuteUnit::Values => swaps(image.len(), words, |i, j| image.swap(i, j)),
        PermuteUnit::Positions => {
            let n = shape.positions();
            swaps(n, words, |i, j| image.chunks_exact_mut(n).for_each(|plane| plane.swap(i, j)));
        }
    }
}

/// The permutation itself: `out[k] = in[p[k]]` for `n` entries.
pub(super) fn table(n: usize, words: &mut Words) -> Vec<u32> {
    let mut p: Vec<u32> = (0..n as u32).collect();
    swaps(n, words, |i, j| p.swap(i, j));
    p
}

#[inline]
fn swaps(n: usize, words: &mut Words, mut swap: impl FnMut(usize, usize)) {
    for i in (1..n).rev() {
        swap(i, mulshift(words.next_u32(), i as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;

    #[test]
    fn swapping_values_equals_gathering_by_the_table() {
        let shape = ImageShape::new(3, 7, 5).unwrap();
        let image: Vec<u8> = (0..shape.values() as u8).collect();
        for id in 0..50 {
            let words = || Key::derive("permute", 3).words(id, 0);
            let mut swapped = image.clone();
            permute(&mut swapped, shape, PermuteUnit::Values, &mut words());
            let p = table(shape.values(), &mut words());
            assert_eq!(swapped, p.iter().map(|&k| image[k as usize]).collect::<Vec<_>>());

            let mut moved = image.clone();
            permute(&mut moved, shape, PermuteUnit::Positions, &mut words());
            let p = table(shape.positions(), &mut words());
            for (plane, original) in moved.chunks(35).zip(image.chunks(35)) {
                assert_eq!(plane, p.iter().map(|&k| original[k as usize]).collect::<Vec<_>>());
            }
        }
    }

    /// Position-by-value counts of 20,000 permutations of N = 12. Rows and columns both add up, so (N - 1) / N times the
    /// usual sum is chi-square with 121 degrees of freedom, which exceeds 175 less than once in 1,000 true samples; ids are
    /// fixed, so the test never flickers.
    #[test]
    fn every_value_is_equally_likely_at_every_position() {
        const N: usize = 12;
        let key = Key::derive("permute", 8);
        let mut counts = [[0u32; N]; N];
        for id in 0..20_000 {
            for (position, value) in table(N, &mut key.words(id, 0)).into_iter().enumerate() {
                counts[position][value as usize] += 1;
            }
        }
        let expected = 20_000.0 / N as f64;
        let chi: f64 = counts.iter().flatten().map(|&c| (f64::from(c) - expected).powi(2) / expected).sum();
        let chi = chi * (N - 1) as f64 / N as f64;
        assert!(chi < 175.0, "{chi}");
    }
}
