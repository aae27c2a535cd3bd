//! Moments of a split as exact integers, so that the order of adding them up does not matter.

use serde::{Deserialize, Serialize};

use crate::{
    ImageShape, Layout,
    decode::{Colour, DecodeError, RegionDecoder},
};

/// Count, sum and sum of squares of the values of each channel over one split.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moments {
    /// The split they were taken over.
    pub split: String,
    /// Values per channel (images x height x width); 0 where none were taken, which only encoded images may do without.
    pub count: u64,
    /// Sum of the values of each channel.
    pub sum: Vec<u64>,
    /// Sum of the squares of the values of each channel.
    pub sum_of_squares: Vec<u64>,
}

impl Moments {
    /// Moments of nothing.
    pub(crate) fn new(split: &str, channels: usize) -> Self {
        Moments { split: split.into(), count: 0, sum: vec![0; channels], sum_of_squares: vec![0; channels] }
    }

    /// Whether there are any.
    pub fn are_taken(&self) -> bool {
        self.count > 0
    }

    /// Adds one image. Sums stay below 2^64 for up to 2^48 values: 2^32 samples of 2^16 values.
    pub(crate) fn add(&mut self, record: &[u8], image: ImageShape, layout: Layout) {
        let positions = image.positions();
        self.count += positions as u64;
        let sums = self.sum.iter_mut().zip(&mut self.sum_of_squares).enumerate();
        for (channel, (sum, squares)) in sums {
            let (first, step) = match layout {
                Layout::Nchw => (channel * positions, 1),
                Layout::Nhwc => (channel, image.channels),
            };
            let values = record[first..].iter().step_by(step).take(positions);
            // u32 partial sums: 255^2 x 65,536 values fit, and let the compiler use narrow lanes.
            if step == 1 {
                for part in record[first..first + positions].chunks(65_536) {
                    *sum += u64::from(part.iter().map(|&v| u32::from(v)).sum::<u32>());
                    *squares += u64::from(part.iter().map(|&v| u32::from(v) * u32::from(v)).sum::<u32>());
                }
            } else {
                for &value in values {
                    *sum += u64::from(value);
                    *squares += u64::from(value) * u64::from(value);
                }
            }
        }
    }

    /// Adds one encoded image, decoded to as many channels as there are.
    ///
    /// # Errors
    /// [`DecodeError`] if it cannot be decoded.
    pub(crate) fn add_encoded(
        &mut self,
        jpeg: &[u8],
        decoder: &mut RegionDecoder,
    ) -> Result<(), DecodeError> {
        let colour = if self.sum.len() == 1 { Colour::Grey } else { Colour::Rgb };
        let pixels = decoder.whole(jpeg, colour)?;
        // No image has 2^31 values: its sides were bounded.
        if let Ok(shape) = ImageShape::new(pixels.channels, pixels.height, pixels.width) {
            self.add(pixels.values, shape, Layout::Nhwc);
        }
        Ok(())
    }

    /// Adds moments of other images of the same split.
    pub(crate) fn merge(&mut self, other: &Moments) {
        self.count += other.count;
        let pairs = [(&mut self.sum, &other.sum), (&mut self.sum_of_squares, &other.sum_of_squares)];
        for (into, from) in pairs {
            into.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        }
    }

    /// Mean of `channel` in levels.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn mean(&self, channel: usize) -> f64 {
        self.sum[channel] as f64 / self.count as f64
    }

    /// Population standard deviation of `channel` in levels: `sqrt(n * Q - S^2) / n`, the difference exact.
    ///
    /// # Panics
    /// If there is no such channel.
    pub fn deviation(&self, channel: usize) -> f64 {
        let (n, s, q) =
            (u128::from(self.count), u128::from(self.sum[channel]), u128::from(self.sum_of_squares[channel]));
        ((n * q).saturating_sub(s * s) as f64).sqrt() / self.count as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_equal_the_naive_sums_in_both_layouts() {
        let image = ImageShape::new(3, 4, 5).unwrap();
        let nchw: Vec<u8> = (0..60u32).map(|i| (i * 37 % 256) as u8).collect();
        let mut nhwc = vec![0; 60];
        for (i, &v) in nchw.iter().enumerate() {
            nhwc[i % 20 * 3 + i / 20] = v;
        }
        let mut a = Moments::new("train", 3);
        a.add(&nchw, image, Layout::Nchw);
        let mut b = Moments::new("train", 3);
        b.add(&nhwc, image, Layout::Nhwc);
        assert_eq!(a, b);
        assert_eq!(a.count, 20);
        for c in 0..3 {
            let part = &nchw[c * 20..c * 20 + 20];
            assert_eq!(a.sum[c], part.iter().map(|&v| u64::from(v)).sum::<u64>());
            assert_eq!(a.sum_of_squares[c], part.iter().map(|&v| u64::from(v).pow(2)).sum::<u64>());
        }
        b.merge(&a);
        assert_eq!((b.count, b.sum[1]), (40, 2 * a.sum[1]));
    }
}
