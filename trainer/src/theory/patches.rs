//! Features of Coates & Ng (2012) with filters that are random patches instead of learned centres: the "random
//! convolutional net" of the paper's Table 3 (Zhang et al. 2017, sec. 5, footnote 2), which had 32,000 filters.
//!
//! What the paper leaves open is as in the nearest public code, KeystoneML's `RandomPatchCifar`. With pixels of 0..=255:
//!
//! ```text
//! patch p of 6 x 6 pixels:   q = (p - mean) / sqrt(var + 10), var over one value less than there are
//! whitening, 100,000 of them: m = mean q, W = V diag(1 / sqrt(d + 0.1)) V^T of their covariance V diag(d) V^T
//! filter:                    f = W (q - m) / |W (q - m)| of a random patch
//! response at each place:    z = <f, W (q - m)>
//! features:                  max(0, z - 0.25) and max(0, -z - 0.25), mean over each cell of a 2 x 2 grid
//! ```
//!
//! The mean instead of the sum: features are standardised later, which removes the factor. Cells overlap by a row and a
//! column where the number of places is odd. All of it is two small convolutions: `z = conv(p, g) / sqrt(var + 10) - c`
//! with `g = W f` less its mean and `c = <W f, m>`, so nothing is made of single patches. In f32 but for the whitening.

use rfx_loader::{
    ImageShape,
    rng::{Key, Words, mulshift},
};
use tch::{Device, Kind, Tensor};

use super::{FeatureName, TheoryError, features::Bank};
use crate::error::Result;

/// Side of a patch in pixels.
const SIDE: usize = 6;
/// Patches that whitening is estimated on.
const WHITENING_PATCHES: usize = 100_000;
/// Added to a patch's variance, of pixels of 0..=255.
const VARIANCE: f64 = 10.0;
/// Added to eigenvalues of the covariance.
const EPSILON: f64 = 0.1;
/// What a response is lowered by before it is rectified.
const THRESHOLD: f64 = 0.25;
/// Filters of a block, 8 features each: 16 MB of features for 1,000 images.
const BLOCK: usize = 256;
/// Features of a filter: two signs, four cells.
const OF_FILTER: usize = 8;

/// Features of `filters` filters: in all, and of a block.
pub(super) fn dimensions(filters: usize) -> [usize; 2] {
    [OF_FILTER * filters, OF_FILTER * filters.min(BLOCK)]
}

/// Bytes that drawing the filters takes (patches, their places, and two steps of whitening), and those that making an
/// image's features takes (responses, both signs, and the convolution's own copy, in f32).
pub(super) fn scratch_bytes(shape: ImageShape, filters: usize) -> [u64; 2] {
    let drawing = 4 * 8 * WHITENING_PATCHES.max(filters) * shape.channels * SIDE * SIDE;
    let making = 4 * 4 * filters.min(BLOCK) * shape.positions();
    [drawing as u64, making as u64]
}

/// Random filters for images of one shape.
pub(super) struct Patches {
    shape: ImageShape,
    filters: usize,
    seed: u64,
    /// `[filters, c, 6, 6]` f32: g above.
    kernels: Tensor,
    /// `[1, filters, 1, 1]` f32: c above.
    shifts: Tensor,
    /// `[1, c, 6, 6]` f32 ones: sums over patches.
    ones: Tensor,
}

/// `count` patches of images, u8 `[n, c, h, w]`: f64 `[count, c * 36]`, drawn with replacement.
fn draw(images: &Tensor, shape: ImageShape, words: &mut Words, count: usize) -> Result<Tensor> {
    let n = images.size().first().copied().unwrap_or(0) as u32;
    let (rows, columns) = ((shape.height - SIDE + 1) as u32, (shape.width - SIDE + 1) as u32);
    let values = shape.values();
    let mut places = Vec::with_capacity(count * shape.channels * SIDE * SIDE);
    for _ in 0..count {
        let [image, row, column] = [n, rows, columns].map(|below| mulshift(words.next_u32(), below) as usize);
        for c in 0..shape.channels {
            for y in row..row + SIDE {
                let first = image * values + (c * shape.height + y) * shape.width + column;
                places.extend((first..first + SIDE).map(|place| place as i64));
            }
        }
    }
    let flat = images.f_flatten(0, -1)?;
    let patches = flat.f_index_select(0, &Tensor::f_from_slice(&places)?)?.f_to_kind(Kind::Double)?;
    Ok(patches.f_view([count as i64, -1])?)
}

/// Each row less its mean, over the root of its variance plus [`VARIANCE`].
fn normalised(patches: &Tensor) -> Result<Tensor> {
    let centred = patches.f_subtract(&patches.f_mean_dim([1i64].as_slice(), true, Kind::Double)?)?;
    let variance = patches.f_var_correction([1i64].as_slice(), 1.0, true)?;
    Ok(centred.f_div(&variance.f_add_scalar(VARIANCE)?.f_sqrt()?)?)
}

/// The mean `[values]` and the symmetric whitening matrix `[values, values]` of normalised patches.
fn whitening(patches: &Tensor) -> Result<[Tensor; 2]> {
    let mean = patches.f_mean_dim([0i64].as_slice(), false, Kind::Double)?;
    let centred = patches.f_subtract(&mean)?;
    let covariance = centred.f_tr()?.f_mm(&centred)?.f_div_scalar(patches.size()[0] as f64 - 1.0)?;
    let (eigenvalues, vectors) = covariance.f_linalg_eigh("L")?;
    let scale = eigenvalues.f_clamp_min(0.0)?.f_add_scalar(EPSILON)?.f_sqrt()?; // rounding may leave them below 0
    Ok([mean, vectors.f_div(&scale)?.f_mm(&vectors.f_tr()?)?])
}

impl Patches {
    /// `filters` random filters of `images`, u8 `[n, c, h, w]` on the CPU, under `seed` (domain `theory/patches`: stream 0
    /// for filters, 1 for whitening). Fewer filters of the same images and seed are the first of more.
    ///
    /// # Errors
    /// [`TheoryError::Small`] if the images have less than 7 rows or columns; libtorch's own.
    pub fn new(
        images: &Tensor,
        shape: ImageShape,
        filters: usize,
        seed: u64,
        device: Device,
    ) -> Result<Patches> {
        let ImageShape { channels, height, width } = shape;
        if height.min(width) <= SIDE {
            let features = FeatureName::RandomPatches.name();
            return Err(TheoryError::Small { features, height, width, least: SIDE + 1 }.into());
        }
        let key = Key::derive("theory/patches", seed);
        let [mean, whiten] =
            whitening(&normalised(&draw(images, shape, &mut key.words(1, 0), WHITENING_PATCHES)?)?)?;
        let chosen = normalised(&draw(images, shape, &mut key.words(0, 0), filters)?)?;
        let white = chosen.f_subtract(&mean)?.f_mm(&whiten)?;
        let norms = white.f_square()?.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Double)?.f_sqrt()?;
        // A patch of one colour is no direction; its filter is then near 0, and so are its features.
        let kernels = white.f_div(&norms.f_clamp_min(1e-10)?)?.f_mm(&whiten)?;
        let shifts = kernels.f_mv(&mean)?;
        let kernels = kernels.f_subtract(&kernels.f_mean_dim([1i64].as_slice(), true, Kind::Double)?)?;
        let sizes = [filters as i64, channels as i64, SIDE as i64, SIDE as i64];
        let float = |tensor: Tensor| tensor.f_to_kind(Kind::Float)?.f_to(device);
        Ok(Patches {
            shape,
            filters,
            seed,
            kernels: float(kernels.f_view(sizes)?)?,
            shifts: float(shifts.f_view([1, -1, 1, 1])?)?,
            ones: Tensor::f_ones([1, sizes[1], sizes[2], sizes[3]], (Kind::Float, device))?,
        })
    }

    /// Responses of filters `first..first + count` at all places, `[n, count, h - 5, w - 5]`.
    fn responses(&self, images: &Tensor, first: i64, count: i64) -> Result<Tensor> {
        let convolved =
            |images: &Tensor, kernels: &Tensor| images.f_conv2d(kernels, None::<&Tensor>, 1, 0, 1, 1);
        let values = (self.shape.channels * SIDE * SIDE) as f64;
        // Around the middle of the range, so that the sums of squares lose less in f32.
        let images = images.f_sub_scalar(128.0)?;
        let sums = convolved(&images, &self.ones)?;
        let squares = convolved(&images.f_square()?, &self.ones)?;
        let variance =
            squares.f_subtract(&sums.f_square()?.f_div_scalar(values)?)?.f_div_scalar(values - 1.0)?;
        let deviation = variance.f_clamp_min(0.0)?.f_add_scalar(VARIANCE)?.f_sqrt()?;
        let mut z = convolved(&images, &self.kernels.f_narrow(0, first, count)?)?.f_div_(&deviation)?;
        Ok(z.f_subtract_(&self.shifts.f_narrow(1, first, count)?)?)
    }
}

impl Bank for Patches {
    fn blocks(&self) -> usize {
        self.filters.div_ceil(BLOCK)
    }

    fn width(&self) -> usize {
        dimensions(self.filters)[1]
    }

    fn dimensions(&self) -> usize {
        dimensions(self.filters)[0]
    }

    fn describe(&self) -> String {
        format!(
            "random patches: {} filters of {SIDE} x {SIDE}, whitened, two signs, threshold {THRESHOLD}, 2 x 2 cells, \
             seed {}",
            self.filters, self.seed
        )
    }

    fn of_strip(&self, block: usize, images: &Tensor) -> Result<Tensor> {
        let first = block * BLOCK;
        let z = self.responses(images, first as i64, BLOCK.min(self.filters - first) as i64)?;
        let [rows, columns] = [self.shape.height, self.shape.width].map(|side| (side - SIDE + 1) as i64);
        let pooled = |rectified: Tensor| {
            let cell = [(rows + 1) / 2, (columns + 1) / 2];
            rectified
                .f_avg_pool2d(cell, [rows / 2, columns / 2], 0, false, true, None::<i64>)?
                .f_flatten(1, -1)
        };
        let positive = pooled(z.f_sub_scalar(THRESHOLD)?.f_relu_()?)?;
        let negative = pooled(z.f_neg()?.f_sub_scalar_(THRESHOLD)?.f_relu_()?)?;
        Ok(Tensor::f_cat(&[positive, negative], 1)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(n: i64, shape: ImageShape) -> Tensor {
        let mut words = Key::derive("patches", 1).words(0, 0);
        // Sums of neighbours, so that there is something to whiten.
        let noise: Vec<u8> =
            (0..n as usize * shape.values()).map(|_| (words.next_u32() % 128) as u8).collect();
        let next = noise.iter().skip(1).chain(&noise);
        let values: Vec<u8> = noise.iter().zip(next).map(|(a, b)| a + b).collect();
        Tensor::from_slice(&values).view([n, shape.channels as i64, shape.height as i64, shape.width as i64])
    }

    /// Every step of the definition, for one place and one filter at a time.
    #[test]
    fn responses_and_pools_are_those_of_single_patches() {
        let shape = ImageShape::new(3, 9, 11).unwrap();
        let images = images(5, shape);
        let bank = Patches::new(&images, shape, 4, 7, Device::Cpu).unwrap();
        assert_eq!((bank.dimensions(), bank.blocks(), bank.width()), (32, 1, 32));
        let key = Key::derive("theory/patches", 7);
        let sample =
            normalised(&draw(&images, shape, &mut key.words(1, 0), WHITENING_PATCHES).unwrap()).unwrap();
        let [mean, whiten] = whitening(&sample).unwrap();
        let filters = normalised(&draw(&images, shape, &mut key.words(0, 0), 4).unwrap()).unwrap();
        let filters = (filters - &mean).mm(&whiten);
        let strip = images.to_kind(Kind::Float);
        let features = bank.of_strip(0, &strip).unwrap().view([5, 2, 4, 2, 2]);
        let (rows, columns) = (4usize, 6usize);
        for image in 0..5 {
            for filter in 0..4 {
                let f = filters.get(filter);
                let f = &f / f.square().sum(Kind::Double).sqrt();
                let mut z = vec![vec![0.0; columns]; rows];
                for (y, row) in z.iter_mut().enumerate() {
                    for (x, z) in row.iter_mut().enumerate() {
                        let patch = images.get(image).narrow(1, y as i64, 6).narrow(2, x as i64, 6);
                        let q = normalised(&patch.reshape([1, -1]).to_kind(Kind::Double)).unwrap();
                        *z = (q - &mean).mm(&whiten).get(0).dot(&f).double_value(&[]);
                    }
                }
                for (sign, s) in [1.0, -1.0].into_iter().enumerate() {
                    for cell in [[0usize, 0], [0, 1], [1, 0], [1, 1]] {
                        let mut sum = 0.0;
                        for y in 0..2 {
                            for x in 0..3 {
                                sum += f64::max(0.0, s * z[2 * cell[0] + y][3 * cell[1] + x] - THRESHOLD);
                            }
                        }
                        let at = [image, sign as i64, filter, cell[0] as i64, cell[1] as i64];
                        assert!((features.double_value(&at) - sum / 6.0).abs() < 1e-4, "{at:?}");
                    }
                }
            }
        }
    }

    /// But for EPSILON, whitened patches have unit covariance; as large as it is here beside the eigenvalues of a patch's
    /// brightness, which normalising removes, what is kept lies between 0 and 1.
    #[test]
    fn whitened_patches_have_no_correlation() {
        let shape = ImageShape::new(1, 12, 12).unwrap();
        let images = images(50, shape);
        let mut words = Key::derive("theory/patches", 2).words(1, 0);
        let patches = normalised(&draw(&images, shape, &mut words, 5000).unwrap()).unwrap();
        let [mean, whiten] = whitening(&patches).unwrap();
        let white = (patches - mean).mm(&whiten);
        let covariance = white.tr().mm(&white) / 4999.0;
        let (eigenvalues, _) = covariance.linalg_eigh("L");
        let eigenvalues = Vec::<f64>::try_from(eigenvalues).unwrap();
        assert!(eigenvalues[0].abs() < 1e-9, "brightness is gone");
        assert!(eigenvalues[1] > 0.3 && eigenvalues[35] < 1.0, "{eigenvalues:?}");
    }

    #[test]
    fn fewer_filters_are_the_first_of_more_and_small_images_are_refused() {
        let shape = ImageShape::new(1, 10, 10).unwrap();
        let images = images(8, shape);
        let [few, many] =
            [3, 300].map(|filters| Patches::new(&images, shape, filters, 1, Device::Cpu).unwrap());
        let strip = images.to_kind(Kind::Float);
        let few = few.of_strip(0, &strip).unwrap().view([8, 2, 3, 4]);
        let first = many.of_strip(0, &strip).unwrap().view([8, 2, 256, 4]).narrow(2, 0, 3);
        assert!((few - first).abs().max().double_value(&[]) < 1e-5);
        assert_eq!(many.of_strip(1, &strip).unwrap().size(), [8, 44 * 8]);
        let small = ImageShape::new(1, 6, 10).unwrap();
        let error = Patches::new(&images, small, 3, 1, Device::Cpu).err().unwrap().to_string();
        assert!(error.contains("6x10") && error.contains("7x7"), "{error}");
    }
}
