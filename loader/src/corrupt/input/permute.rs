//! Pixel permutations by Fisher-Yates, from the top: `for i = n-1 down to 1: j = mulshift(next word, i + 1);
//! swap(p[i], p[j])`, and then `out[k] = in[p[k]]`.
//!
//! Swapping the image's own values in place of `p`'s gives the same result without a table, so the permutation of
//! one image costs n - 1 words and n - 1 swaps in a cache-resident image. Positions are swapped with all their channels,
//! up to four of them in one 32-bit word.

use super::PermuteUnit;
use crate::{
    rng::{Words, mulshift},
    shape::ImageShape,
};

/// Permutes `image` (`[channels, height, width]`, planar) by `words`, one for each swap. `pixels` is the caller's memory,
/// as long as [`pixels`] says.
pub(super) fn permute(
    image: &mut [u8],
    shape: ImageShape,
    unit: PermuteUnit,
    words: &[u32],
    pixels: &mut [u32],
) {
    match (unit, shape.channels) {
        (PermuteUnit::Values, _) | (PermuteUnit::Positions, 1) => swaps(image, words),
        (PermuteUnit::Positions, 2..=4) => {
            gather(image, pixels);
            swaps(pixels, words);
            scatter(pixels, image);
        }
        (PermuteUnit::Positions, _) => {
            image.chunks_exact_mut(shape.positions()).for_each(|plane| swaps(plane, words));
        }
    }
}

/// Length of what [`permute`] is lent.
pub(super) fn pixels(shape: ImageShape, unit: PermuteUnit) -> usize {
    match (unit, shape.channels) {
        (PermuteUnit::Positions, 2..=4) => shape.positions(),
        _ => 0,
    }
}

/// The channels of each position, the first in the lowest byte.
fn gather(image: &[u8], pixels: &mut [u32]) {
    let n = pixels.len();
    if let [red, green, blue] = [0, 1, 2].map(|c| image.get(c * n..(c + 1) * n).unwrap_or_default())
        && image.len() == 3 * n
    {
        for (pixel, ((&r, &g), &b)) in pixels.iter_mut().zip(red.iter().zip(green).zip(blue)) {
            *pixel = u32::from_le_bytes([r, g, b, 0]);
        }
        return;
    }
    pixels.fill(0);
    for (c, plane) in image.chunks_exact(n).enumerate() {
        pixels.iter_mut().zip(plane).for_each(|(pixel, &x)| *pixel |= u32::from(x) << (8 * c));
    }
}

fn scatter(pixels: &[u32], image: &mut [u8]) {
    for (c, plane) in image.chunks_exact_mut(pixels.len()).enumerate() {
        plane.iter_mut().zip(pixels).for_each(|(x, &pixel)| *x = (pixel >> (8 * c)) as u8);
    }
}

/// The permutation itself: `out[k] = in[p[k]]` for `n` entries.
pub(super) fn table(n: usize, words: &mut Words) -> Vec<u32> {
    let (mut p, mut swapped): (Vec<u32>, _) = ((0..n as u32).collect(), vec![0; n - 1]);
    words.fill(&mut swapped);
    swaps(&mut p, &swapped);
    p
}

/// Fisher-Yates from the top, a word for each of the `items.len() - 1` swaps.
#[inline]
fn swaps<T>(items: &mut [T], words: &[u32]) {
    for (i, &word) in (1..items.len()).rev().zip(words) {
        items.swap(i, mulshift(word, i as u32 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;

    #[test]
    fn swapping_values_equals_gathering_by_the_table() {
        for (channels, id) in (1..=5).flat_map(|c| (0..20).map(move |id| (c, id))) {
            let shape = ImageShape::new(channels, 7, 5).unwrap();
            let image: Vec<u8> = (0..shape.values() as u8).collect();
            let words = || Key::derive("permute", 3).words(id, 0);
            let drawn = |n: usize| {
                let mut drawn = vec![0; n - 1];
                words().fill(&mut drawn);
                drawn
            };
            let permuted = |unit, n| {
                let (mut image, mut pixels) = (image.clone(), vec![0xEEEE_EEEE; pixels(shape, unit)]);
                permute(&mut image, shape, unit, &drawn(n), &mut pixels);
                image
            };
            let p = table(shape.values(), &mut words());
            let swapped = permuted(PermuteUnit::Values, shape.values());
            assert_eq!(swapped, p.iter().map(|&k| image[k as usize]).collect::<Vec<_>>());

            let p = table(shape.positions(), &mut words());
            let moved = permuted(PermuteUnit::Positions, shape.positions());
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
