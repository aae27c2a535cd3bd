//! The weights of one axis: the triangle filter, widened where the image shrinks, in integers (`RANDOM.md` section 3).
//!
//! From L pixels to S: in units of 1/(2S) source pixels, pixel j has its centre at (2j + 1) S and output o at (2o + 1) L.
//! The filter reaches R = 2 max(L, S) to either side, and pixel j counts n_j = R - |(2j + 1) S - (2o + 1) L| where that is
//! positive: weights of Pillow and torchvision with a common denominator, the sum of the n_j of pixels that exist. As
//! 15-bit fractions they are differences of the rounded running sums, so they add up to 32,768 whatever L and S are, and
//! each is off by less than one. The one weight that i16 cannot hold, 32,768, is kept as 32,767: with it
//! `(32767 x + 16384) >> 15` is still x.

/// Binary digits of a weight.
pub(super) const DIGITS: u32 = 15;

/// All weights of one axis. Memory is kept from image to image.
#[derive(Debug, Default)]
pub(super) struct Axis {
    /// First source pixel of each output.
    pub first: Vec<u32>,
    /// `stride` weights of each output; those from `taps` on are 0.
    pub weights: Vec<i16>,
    /// Source pixels of each output, some of weight 0 perhaps. `first + taps` is at most L.
    pub taps: usize,
    /// `taps`, made even: weights are used in pairs.
    pub stride: usize,
}

impl Axis {
    /// Pixels that may count for one output, of `from` pixels that become `to`.
    pub fn taps(from: usize, to: usize) -> usize {
        // As many as an open interval of length 2 max(L, S) / S holds.
        (2 * from.max(to)).div_ceil(to).min(from)
    }

    /// Makes room for `to` outputs of up to `from` pixels, so that [`Axis::fill`] never allocates.
    pub fn reserve(&mut self, from: usize, to: usize) {
        let more = |needed: usize, there: usize| needed.saturating_sub(there);
        self.first.reserve(more(to, self.first.len()));
        let weights = to * Axis::taps(from, to).next_multiple_of(2);
        self.weights.reserve(more(weights, self.weights.len()));
    }

    /// The weights of `from` pixels, numbered from `start`, that become `to`; in reverse order where `mirrored`. Both at
    /// most [`super::MAX_SIDE`].
    pub fn fill(&mut self, start: usize, from: usize, to: usize, mirrored: bool) {
        self.taps = Axis::taps(from, to);
        self.stride = self.taps.next_multiple_of(2);
        self.first.clear();
        self.first.resize(to, 0);
        self.weights.clear();
        self.weights.resize(to * self.stride, 0);
        let (from, to, last) = (from as i64, to as i64, (from - self.taps) as i64);
        let reach = 2 * from.max(to);
        // The last pixel that output 0 does not reach, before the first one perhaps, and what is left of the division;
        // both move on by from / to with each output.
        let unreached = from - reach - to;
        let (mut pixel, mut left) = (unreached.div_euclid(2 * to), unreached.rem_euclid(2 * to));
        let (step, rest) = (from / to, 2 * (from % to));
        for output in 0..to {
            // Further left where the filter is cut at the right edge, so that all pixels exist.
            let first = (pixel + 1).clamp(0, last);
            let place = if mirrored { to - 1 - output } else { output } as usize;
            self.first[place] = (start as i64 + first) as u32;
            let weights = &mut self.weights[place * self.stride..][..self.taps];
            let distance = (2 * first + 1) * to - (2 * output + 1) * from;
            round(weights, |tap| (reach - (distance + 2 * to * tap as i64).abs()).max(0) as u64);
            (pixel, left) = (pixel + step, left + rest);
            if left >= 2 * to {
                (pixel, left) = (pixel + 1, left - 2 * to);
            }
        }
    }
}

/// Writes the `count` of each tap as a 15-bit fraction of their sum.
#[inline]
fn round(weights: &mut [i16], count: impl Fn(usize) -> u64) {
    let total: u64 = (0..weights.len()).map(&count).sum();
    let (mut sum, mut before) = (0, 0);
    let last = weights.len() - 1;
    for (tap, weight) in weights.iter_mut().enumerate() {
        sum += count(tap);
        // Rounded half up; the last is 2^15 without a division.
        let upto = if tap == last { 1 << DIGITS } else { ((sum << (DIGITS + 1)) + total) / (2 * total) };
        *weight = (upto - before).min(i16::MAX as u64) as i16;
        before = upto;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the definition, over all pixels: (weights as exact fractions, their common denominator).
    fn naive(from: i128, to: i128, output: i128) -> (Vec<i128>, i128) {
        let count = |j: i128| (2 * from.max(to) - ((2 * j + 1) * to - (2 * output + 1) * from).abs()).max(0);
        let counts: Vec<i128> = (0..from).map(count).collect();
        let total = counts.iter().sum();
        (counts, total)
    }

    #[test]
    fn weights_are_the_filters_rounded_and_add_up() {
        let sizes = (1..40).flat_map(|from| (1..40).map(move |to| (from, to)));
        let larger = [(256, 224), (224, 256), (31, 224), (255, 224), (500, 224), (2000, 7), (3, 1000)];
        for (from, to) in sizes.chain(larger) {
            let (mut axis, mut mirror) = (Axis::default(), Axis::default());
            axis.fill(5, from, to, false);
            mirror.fill(5, from, to, true);
            assert_eq!(axis.stride % 2, 0);
            for output in 0..to {
                let first = axis.first[output] as usize - 5;
                assert!(first + axis.taps <= from);
                let weights = &axis.weights[output * axis.stride..][..axis.stride];
                let sum: i32 = weights.iter().map(|&w| i32::from(w)).sum();
                assert!(sum == 1 << DIGITS || sum == i32::from(i16::MAX) && weights.contains(&i16::MAX));
                let (counts, total) = naive(from as i128, to as i128, output as i128);
                let mut found = vec![0; from];
                for (tap, &weight) in weights[..axis.taps].iter().enumerate() {
                    found[first + tap] = i128::from(weight);
                }
                assert!(weights[axis.taps..].iter().all(|&w| w == 0));
                for (found, exact) in found.iter().zip(&counts) {
                    // Less than one off: |w / 2^15 - n / N| < 2^-15; and 32,767 for 1 exactly one.
                    let error = (found * total - (exact << DIGITS)).abs();
                    assert!(error < total || (*found == 32_767 && *exact == total), "{from} to {to}");
                }
                assert_eq!(mirror.first[to - 1 - output], axis.first[output]);
                assert_eq!(&mirror.weights[(to - 1 - output) * mirror.stride..][..mirror.stride], weights);
            }
        }
    }

    #[test]
    fn equal_sides_are_a_copy() {
        let mut axis = Axis::default();
        axis.fill(0, 9, 9, false);
        for output in 0..9 {
            let weights = &axis.weights[output * axis.stride..][..axis.stride];
            let at = weights.iter().position(|&w| w != 0).unwrap();
            assert_eq!((weights[at], axis.first[output] as usize + at), (i16::MAX, output));
        }
    }
}
