//! A bank of Gabor filters. The paper's is not described (app. D: "a Gabor wavelet transform"); this one is ours.
//!
//! Each filter is a plane wave under a Gaussian, `exp(-(u^2 + v^2 / 4) / (2 s^2)) exp(2 pi i u / l)` with (u, v) the pixel's
//! place turned by the orientation: 8 orientations over half a turn and wavelengths l of 4 and 8 pixels, `s = 0.56 l` (one
//! octave), in windows of 4 s to either side, zero mean and unit norm. A feature is the mean energy
//! `sqrt(even^2 + odd^2)` over a cell of the image, of each channel of pixels / 255 by itself; cells are 4 x 4 pixels, or as
//! near to it as the image divides, borders are zeros. MNIST's images have 784 features, CIFAR's 3,072.

use std::f64::consts::PI;

use tch::{Device, Kind, Tensor};

use super::features::Bank;
use crate::error::Result;
use rfx_loader::ImageShape;

const ORIENTATIONS: usize = 8;
const WAVELENGTHS: [f64; 2] = [4.0, 8.0];
/// Side of a cell in pixels.
const CELL: usize = 4;

/// The filters for images of one shape.
pub(super) struct Gabor {
    shape: ImageShape,
    /// Of each wavelength: `[2 * orientations, 1, side, side]` f32, the even filters before the odd ones.
    filters: Vec<Tensor>,
}

impl Gabor {
    /// # Errors
    /// libtorch's own.
    pub fn new(shape: ImageShape, device: Device) -> Result<Gabor> {
        let bank = |wavelength| -> Result<Tensor> {
            let (values, side) = filters(wavelength);
            let sizes = [2 * ORIENTATIONS as i64, 1, side as i64, side as i64];
            Ok(Tensor::f_from_slice(&values)?.f_view(sizes)?.f_to(device)?)
        };
        Ok(Gabor { shape, filters: WAVELENGTHS.into_iter().map(bank).collect::<Result<_>>()? })
    }
}

fn cells(shape: ImageShape) -> [usize; 2] {
    [shape.height.div_ceil(CELL), shape.width.div_ceil(CELL)]
}

/// Features of an image.
pub(super) fn dimensions(shape: ImageShape) -> usize {
    let [rows, columns] = cells(shape);
    shape.channels * WAVELENGTHS.len() * ORIENTATIONS * rows * columns
}

/// Bytes that making an image's features takes: responses, their squares, and the convolution's own copy, in f32.
pub(super) fn scratch_bytes(shape: ImageShape) -> u64 {
    3 * 4 * (2 * ORIENTATIONS * shape.values()) as u64
}

/// Filters of one wavelength, even ones of all orientations, then odd ones, row by row; and their side.
fn filters(wavelength: f64) -> (Vec<f32>, usize) {
    let deviation = 0.56 * wavelength;
    let reach = (4.0 * deviation).ceil() as i32;
    let side = (2 * reach + 1) as usize;
    let mut all = Vec::with_capacity(2 * ORIENTATIONS * side * side);
    for wave in [libm::cos, libm::sin] {
        for orientation in 0..ORIENTATIONS {
            let angle = PI * orientation as f64 / ORIENTATIONS as f64;
            let (sin, cos) = (libm::sin(angle), libm::cos(angle));
            let value = |x: i32, y: i32| {
                let (x, y) = (f64::from(x), f64::from(y));
                let (u, v) = (x * cos + y * sin, y * cos - x * sin);
                let envelope = libm::exp(-(u * u + v * v / 4.0) / (2.0 * deviation * deviation));
                [envelope * wave(2.0 * PI * u / wavelength), envelope]
            };
            let places = (-reach..=reach).flat_map(|y| (-reach..=reach).map(move |x| value(x, y)));
            let places: Vec<[f64; 2]> = places.collect();
            // The mean is taken out under the envelope, so that the filter still ends where the envelope does.
            let sums = places.iter().fold([0.0; 2], |sum, place| [sum[0] + place[0], sum[1] + place[1]]);
            let flat: Vec<f64> = places.iter().map(|[wave, env]| wave - env * sums[0] / sums[1]).collect();
            let norm = flat.iter().map(|value| value * value).sum::<f64>().sqrt();
            all.extend(flat.iter().map(|value| (value / norm) as f32));
        }
    }
    (all, side)
}

impl Bank for Gabor {
    fn blocks(&self) -> usize {
        1
    }

    fn width(&self) -> usize {
        self.dimensions()
    }

    fn dimensions(&self) -> usize {
        dimensions(self.shape)
    }

    fn describe(&self) -> String {
        let [rows, columns] = cells(self.shape);
        format!(
            "Gabor energies: {ORIENTATIONS} orientations, wavelengths of {WAVELENGTHS:?} pixels, mean over {rows} x \
             {columns} cells, each channel"
        )
    }

    fn of_strip(&self, _: usize, images: &Tensor) -> Result<Tensor> {
        let ImageShape { height, width, .. } = self.shape;
        let planes = images.f_div_scalar(255.0)?.f_reshape([-1, 1, height as i64, width as i64])?; // a channel is an image of its own
        let mut energies = Vec::new();
        for filters in &self.filters {
            let pad = filters.size()[3] / 2;
            let waves = planes.f_conv2d(filters, None::<&Tensor>, 1, pad, 1, 1)?.f_square()?;
            let half = ORIENTATIONS as i64;
            let sum = waves.f_narrow(1, 0, half)?.f_add(&waves.f_narrow(1, half, half)?)?;
            energies.push(sum.f_sqrt()?.f_adaptive_avg_pool2d(cells(self.shape).map(|c| c as i64))?);
        }
        let all = Tensor::f_cat(&energies, 1)?.f_to_kind(Kind::Double)?;
        Ok(all.f_reshape([-1, self.dimensions() as i64])?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_waves_of_zero_mean_and_unit_norm() {
        for wavelength in WAVELENGTHS {
            let (values, side) = filters(wavelength);
            for filter in values.chunks(side * side) {
                let sum = |f: fn(f32) -> f64| filter.iter().map(|&v| f(v)).sum::<f64>();
                assert!(sum(f64::from).abs() < 1e-5 && (sum(|v| f64::from(v).powi(2)) - 1.0).abs() < 1e-5);
            }
        }
    }

    /// A grating answers most to the filter of its own orientation and wavelength, wherever its stripes are.
    #[test]
    fn a_grating_is_told_by_orientation_and_wavelength() {
        let shape = ImageShape::new(1, 32, 32).unwrap();
        let bank = Gabor::new(shape, Device::Cpu).unwrap();
        for (scale, wavelength) in WAVELENGTHS.into_iter().enumerate() {
            for orientation in 0..ORIENTATIONS {
                let angle = PI * orientation as f64 / ORIENTATIONS as f64;
                let energies = |phase: f64| {
                    let pixel = |k: i32| {
                        let along = f64::from(k % 32) * angle.cos() + f64::from(k / 32) * angle.sin();
                        (127.5 + 127.5 * (2.0 * PI * along / wavelength + phase).cos()) as f32
                    };
                    let image: Vec<f32> = (0..1024).map(pixel).collect();
                    let image = Tensor::from_slice(&image).view([1, 1, 32, 32]);
                    let all = bank.of_strip(0, &image).unwrap();
                    assert_eq!(all.size(), [1, bank.dimensions() as i64]);
                    // The middle cells, away from the border.
                    let all = all.view([16, 8, 8]).narrow(1, 3, 2).narrow(2, 3, 2);
                    Vec::<f64>::try_from(all.mean_dim([1i64, 2].as_slice(), false, Kind::Double)).unwrap()
                };
                let (one, other) = (energies(0.0), energies(1.0));
                let best = (0..16).max_by(|&a, &b| one[a].total_cmp(&one[b])).unwrap();
                assert_eq!(best, scale * ORIENTATIONS + orientation);
                assert!((one[best] / other[best] - 1.0).abs() < 0.05, "the phase does not matter");
            }
        }
    }
}
