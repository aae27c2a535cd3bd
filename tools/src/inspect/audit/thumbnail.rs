//! What an image looks like, coarsely, and all pairs that look alike.
//!
//! A thumbnail is 8 x 8 cells of mean values per channel. Two images are as alike as their thumbnails correlate
//! (Pearson's r over all cells and channels): that survives noise, recompression, brightness, contrast and a shift by
//! part of a cell, and on CIFAR-10 nearly every pair above 0.97 is the same photograph.
//!
//! Comparing all pairs takes hours from a million images on. So each thumbnail also gets 256 bits, the signs of its
//! projections on random directions, in 16 bands of 16, and only images that agree in all bits of a band are compared
//! (locality-sensitive hashing, Charikar 2002). Two images of correlation r differ in a bit with probability
//! acos(r) / pi: of pairs at 0.97, 0.98 and 0.99 this finds 99.3, 99.8 and 99.99 %.

use rfx_loader::{ImageShape, rng::Key};

/// Cells in each direction.
const SIDE: usize = 8;
const BANDS: usize = 16;

/// A small picture of an image, `[channels, 8, 8]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    cells: Box<[u8]>,
    bands: [u16; BANDS],
}

impl Thumbnail {
    /// Of a planar image, `[channels, height, width]`, as it is or in a mirror.
    pub fn of(image: &[u8], shape: ImageShape, mirrored: bool, directions: &Directions) -> Thumbnail {
        let cut = |i: usize, side: usize| {
            let start = (i * side / SIDE).min(side - 1);
            start..((i + 1) * side / SIDE).clamp(start + 1, side)
        };
        let mut cells = Vec::with_capacity(shape.channels * SIDE * SIDE);
        for plane in image.chunks_exact(shape.positions()) {
            for row in 0..SIDE {
                for column in 0..SIDE {
                    let rows = cut(row, shape.height);
                    let columns = cut(column, shape.width);
                    let columns = if mirrored {
                        shape.width - columns.end..shape.width - columns.start
                    } else {
                        columns
                    };
                    let count = (rows.len() * columns.len()) as u64;
                    let line = |y: usize| plane[y * shape.width..][columns.clone()].iter();
                    let sum: u64 = rows.flat_map(line).map(|&v| u64::from(v)).sum();
                    cells.push(((sum + count / 2) / count) as u8); // a mean of values of u8
                }
            }
        }
        let bands = directions.bands(&cells);
        Thumbnail { cells: cells.into(), bands }
    }

    /// Correlation of two thumbnails, -1 to 1; 0 where one is flat.
    pub fn correlation(&self, other: &Thumbnail) -> f64 {
        let n = self.cells.len() as i64;
        let (mut x, mut y, mut xx, mut yy, mut xy) = (0i64, 0i64, 0i64, 0i64, 0i64);
        for (&a, &b) in self.cells.iter().zip(&other.cells) {
            let (a, b) = (i64::from(a), i64::from(b));
            (x, y, xx, yy, xy) = (x + a, y + b, xx + a * a, yy + b * b, xy + a * b);
        }
        let spread = ((n * xx - x * x) as f64) * ((n * yy - y * y) as f64);
        if spread > 0.0 { (n * xy - x * y) as f64 / spread.sqrt() } else { 0.0 }
    }
}

/// Random directions, of +1 and -1, for images of one number of channels.
pub struct Directions(Vec<i8>);

impl Directions {
    pub fn new(channels: usize) -> Directions {
        let cells = channels * SIDE * SIDE;
        let mut words = Key::derive("audit", 0).words(0, 0);
        let mut sign = || if words.next_u32() >> 31 == 0 { 1 } else { -1 };
        Directions((0..BANDS * 16 * cells).map(|_| sign()).collect())
    }

    fn bands(&self, cells: &[u8]) -> [u16; BANDS] {
        let n = cells.len() as i32;
        let sum: i32 = cells.iter().map(|&v| i32::from(v)).sum();
        let mut bands = [0; BANDS];
        for (bit, direction) in self.0.chunks_exact(cells.len()).enumerate() {
            // Of n x - sum, so that the mean does not count; below 2^31 for up to 40 channels.
            let signs = direction.iter().zip(cells);
            let (dot, signs) = signs.fold((0i32, 0i32), |(dot, signs), (&d, &v)| {
                (dot + i32::from(d) * i32::from(v), signs + i32::from(d))
            });
            let projected = i64::from(n) * i64::from(dot) - i64::from(sum) * i64::from(signs);
            bands[bit / 16] |= u16::from(projected > 0) << (bit % 16);
        }
        bands
    }
}

/// Two images that look alike.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Index of the first, the lower one.
    pub a: usize,
    /// Index of the second.
    pub b: usize,
    /// Correlation of their thumbnails.
    pub correlation: f64,
    /// Whether the second is like the first seen in a mirror.
    pub mirrored: bool,
}

/// More pairs than the limit look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

/// The pairs of images that correlate by at least `least`, the most alike first; `mirrors[i]` is image i in a mirror.
/// Where both a pair and its mirror image do, the better one is given.
///
/// # Errors
/// [`TooMany`] if there are more than `limit`, which may be known long before all are found.
pub fn near_pairs(
    images: &[Thumbnail],
    mirrors: &[Thumbnail],
    least: f64,
    limit: usize,
) -> Result<Vec<Pair>, TooMany> {
    let mut pairs = Vec::new();
    for band in 0..BANDS {
        let keyed = |of: &[Thumbnail], mirrored| -> Vec<(u16, bool, usize)> {
            of.iter().enumerate().map(|(i, t)| (t.bands[band], mirrored, i)).collect()
        };
        // Mirrors come after all images of their key: an image meets each of them, and they never meet each other.
        let mut keys = keyed(images, false);
        keys.extend(keyed(mirrors, true));
        keys.sort_unstable();
        for group in keys.chunk_by(|x, y| x.0 == y.0) {
            let plain = group.partition_point(|&(_, mirrored, _)| !mirrored);
            for (i, &(_, _, a)) in group[..plain].iter().enumerate() {
                for &(_, mirrored, b) in &group[i + 1..] {
                    // (a, mirror of b) and (b, mirror of a) are one pair.
                    if b <= a {
                        continue;
                    }
                    let other = if mirrored { &mirrors[b] } else { &images[b] };
                    // A pair that agrees in several bands is taken in the first.
                    let met = (0..band).any(|earlier| images[a].bands[earlier] == other.bands[earlier]);
                    if !met {
                        let correlation = images[a].correlation(other);
                        if correlation >= least {
                            pairs.push(Pair { a, b, correlation, mirrored });
                        }
                    }
                }
            }
            if pairs.len() > limit {
                return Err(TooMany);
            }
        }
    }
    let order =
        |x: &Pair, y: &Pair| (x.a, x.b).cmp(&(y.a, y.b)).then(y.correlation.total_cmp(&x.correlation));
    pairs.sort_unstable_by(order);
    pairs.dedup_by_key(|pair| (pair.a, pair.b));
    pairs.sort_by(|x, y| y.correlation.total_cmp(&x.correlation)); // stable: the most alike first
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` pictures of 8 x 8 coarse blocks; each odd one is its left neighbour with some noise, in a mirror where its
    /// number divides by 3.
    fn pictures(n: usize, noise: u32) -> (Vec<Thumbnail>, Vec<Thumbnail>) {
        let shape = ImageShape::new(3, 16, 16).unwrap();
        let directions = Directions::new(3);
        let mut words = Key::derive("test", 3).words(0, 0);
        let mut images: Vec<Vec<u8>> = Vec::new();
        for i in 0..n {
            let mut image: Vec<u8> = if i % 2 == 1 {
                images[i - 1].clone()
            } else {
                (0..shape.values()).map(|_| (60 + words.next_u32() % 100) as u8).collect()
            };
            if i % 2 == 1 {
                image.iter_mut().for_each(|v| *v += (words.next_u32() % (noise + 1)) as u8);
                if i % 3 == 0 {
                    image.chunks_exact_mut(16).for_each(<[u8]>::reverse);
                }
            }
            images.push(image);
        }
        let of = |mirrored| images.iter().map(|i| Thumbnail::of(i, shape, mirrored, &directions)).collect();
        (of(false), of(true))
    }

    /// Pairs at 0.97 are missed with probability 0.007 each; these are above 0.99, so one is missed in 10^4 such tests.
    #[test]
    fn bands_find_the_pairs_that_all_comparisons_find() {
        let (images, mirrors) = pictures(300, 20);
        let mut expected = Vec::new();
        for a in 0..images.len() {
            for b in a + 1..images.len() {
                let plain = images[a].correlation(&images[b]);
                let mirrored = images[a].correlation(&mirrors[b]);
                let correlation = plain.max(mirrored);
                if correlation >= 0.95 {
                    expected.push(Pair { a, b, correlation, mirrored: mirrored > plain });
                }
            }
        }
        expected.sort_by(|x, y| y.correlation.total_cmp(&x.correlation));
        assert!(expected.len() == 150 && expected.iter().any(|p| p.mirrored), "{}", expected.len());
        assert_eq!(near_pairs(&images, &mirrors, 0.95, usize::MAX).unwrap(), expected);
        assert_eq!(near_pairs(&images, &mirrors, 0.95, 10), Err(TooMany));
    }

    #[test]
    fn correlation_ignores_brightness_and_contrast() {
        let shape = ImageShape::new(1, 32, 32).unwrap();
        let directions = Directions::new(1);
        let image: Vec<u8> = (0..1024u32).map(|i| (40 + i * 7 % 90) as u8).collect();
        let of = |image: &[u8]| Thumbnail::of(image, shape, false, &directions);
        let stretched: Vec<u8> = image.iter().map(|&v| (10 + u16::from(v) * 3 / 2) as u8).collect();
        assert!(of(&image).correlation(&of(&stretched)) > 0.99);
        let negative: Vec<u8> = image.iter().map(|&v| 255 - v).collect();
        assert!(of(&image).correlation(&of(&negative)) < -0.99);
        assert_eq!(of(&image).correlation(&of(&[7; 1024])), 0.0);
    }

    #[test]
    fn any_shape_has_a_thumbnail_and_a_mirror_is_its_mirror() {
        for (height, width) in [(1, 1), (1, 9), (7, 3), (8, 8), (28, 28), (33, 50)] {
            let shape = ImageShape::new(2, height, width).unwrap();
            let directions = Directions::new(2);
            let image: Vec<u8> = (0..shape.values()).map(|i| (i * 37 % 251) as u8).collect();
            let mut mirrored = image.clone();
            mirrored.chunks_exact_mut(width).for_each(<[u8]>::reverse);
            let seen = Thumbnail::of(&image, shape, true, &directions);
            assert_eq!(seen, Thumbnail::of(&mirrored, shape, false, &directions));
            assert_eq!(seen.cells.len(), 2 * 64);
        }
    }
}
