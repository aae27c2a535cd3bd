//! Resizing: separable convolution with a triangle filter that widens as the image shrinks (antialiased bilinear, as
//! Pillow's and torchvision's), by the crate `fast_image_resize`.
//!
//! Its kernels work in integers, with 16-bit weights that come from additions, multiplications and divisions alone, so
//! the bytes are the same with AVX2, SSE 4.1 or neither (a test forces each). Filters with sines (Lanczos, Hamming) would
//! depend on the machine's mathematical library, and are not offered. Pixels differ from Pillow's by at most 1 level.

use fast_image_resize::{
    FilterType, PixelTrait, ResizeAlg, ResizeOptions,
    images::{TypedImage, TypedImageRef},
    pixels::{U8, U8x3},
};

use super::Pixels;

/// Name and version of the resizer, and what it is made of.
pub const RESIZER: &str = "rfx-bilinear/1 (fast_image_resize 6.1.0, triangle filter)";

/// A resizer and its buffers. One per thread.
#[derive(Debug, Default)]
pub struct Resizer {
    inner: fast_image_resize::Resizer,
}

impl Resizer {
    /// A resizer for this processor.
    pub fn new() -> Resizer {
        Resizer::default()
    }

    /// One that uses other instructions, for tests that compare them.
    #[cfg(test)]
    fn with_inner(inner: fast_image_resize::Resizer) -> Resizer {
        Resizer { inner }
    }

    /// `pixels` with `width` columns and `height` rows, each at least 1; as they are where they have that size.
    ///
    /// # Panics
    /// If a side is 0, or the values of `pixels` are not as many as its sides say.
    pub fn resize(&mut self, pixels: Pixels, width: usize, height: usize) -> Pixels {
        if (pixels.width, pixels.height) == (width, height) {
            return pixels;
        }
        match pixels.channels {
            3 => self.resize_typed::<U8x3>(&pixels, width, height),
            _ => self.resize_typed::<U8>(&pixels, width, height),
        }
    }

    /// With the type of a pixel known here, the compiler makes the kernels of two types instead of all that there are,
    /// which took it minutes.
    fn resize_typed<P: PixelTrait>(&mut self, pixels: &Pixels, width: usize, height: usize) -> Pixels {
        let side = |n: usize| u32::try_from(n).expect("sides of an image are below 2^32");
        let source = TypedImageRef::<P>::from_buffer(side(pixels.width), side(pixels.height), &pixels.values);
        let source = source.expect("an image has as many values as its sides say");
        let mut values = vec![0; width * height * pixels.channels];
        let target = TypedImage::<P>::from_buffer(side(width), side(height), &mut values);
        let mut target = target.expect("an image has as many values as its sides say");
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        self.inner.resize_typed(&source, &mut target, &options).expect("both images have sides");
        Pixels { width, height, channels: pixels.channels, values }
    }
}

#[cfg(test)]
#[allow(unsafe_code)] // asking for instructions that the processor was seen to have
mod tests {
    use fast_image_resize::CpuExtensions;

    use super::*;
    use crate::rng::Key;

    fn noise(width: usize, height: usize, channels: usize, seed: u64) -> Pixels {
        let mut words = Key::derive("resize test", seed).words(0, 0);
        let mut values = Vec::new();
        for _ in 0..width * height * channels {
            // Extremes are frequent, so that sums reach both ends.
            let word = words.next_u32();
            values.push(match word >> 30 {
                0 => 0,
                1 => 255,
                _ => word as u8,
            });
        }
        Pixels { width, height, channels, values }
    }

    #[test]
    fn the_bytes_are_the_same_with_every_instruction_set() {
        let mut sets = vec![];
        for extensions in all_extensions() {
            if extensions.is_supported() {
                let mut inner = fast_image_resize::Resizer::new();
                // SAFETY: the processor has these instructions, as was just asked.
                unsafe { inner.set_cpu_extensions(extensions) };
                sets.push((extensions, Resizer::with_inner(inner)));
            }
        }
        let mut sizes = Key::derive("resize sizes", 1).words(0, 0);
        let mut side = |most: u32| 1 + (sizes.next_u32() % most) as usize;
        for case in 0..400 {
            let channels = if case % 2 == 0 { 3 } else { 1 };
            // Mostly shrinking, as photographs do; each sixteenth grows. Sides around the widths of vectors.
            let most = if case % 16 == 0 { 9 } else { 150 };
            let pixels = noise(side(most), side(most), channels, case);
            let (width, height) = (side(70), side(70));
            let mut outputs =
                sets.iter_mut().map(|(e, resizer)| (*e, resizer.resize(pixels.clone(), width, height)));
            let (_, portable) = outputs.next().expect("portable code is always there");
            for (extensions, output) in outputs {
                assert!(
                    output == portable,
                    "{extensions:?}: {}x{} to {width}x{height}",
                    pixels.width,
                    pixels.height
                );
            }
        }
    }

    fn all_extensions() -> Vec<CpuExtensions> {
        let mut all = vec![CpuExtensions::None];
        #[cfg(target_arch = "x86_64")]
        all.extend([CpuExtensions::Sse4_1, CpuExtensions::Avx2]);
        all
    }

    /// The definition in real numbers: each axis by itself, weights of a triangle as wide as the scale.
    fn naive(pixels: &Pixels, width: usize, height: usize) -> Vec<f64> {
        let weights = |from: usize, to: usize| -> Vec<Vec<f64>> {
            let scale = from as f64 / to as f64;
            let radius = scale.max(1.0);
            let row = |o: usize| {
                let centre = (o as f64 + 0.5) * scale;
                let w = (0..from).map(|i| (1.0 - ((i as f64 + 0.5 - centre) / radius).abs()).max(0.0));
                let w: Vec<f64> = w.collect();
                let sum: f64 = w.iter().sum();
                w.into_iter().map(|w| w / sum).collect()
            };
            (0..to).map(row).collect()
        };
        let (columns, rows) = (weights(pixels.width, width), weights(pixels.height, height));
        let c = pixels.channels;
        let mut out = Vec::new();
        for row in &rows {
            for column in &columns {
                for channel in 0..c {
                    let mut sum = 0.0;
                    for (y, wy) in row.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                        for (x, wx) in column.iter().enumerate().filter(|(_, w)| **w > 0.0) {
                            sum += wy * wx * f64::from(pixels.values[(y * pixels.width + x) * c + channel]);
                        }
                    }
                    out.push(sum);
                }
            }
        }
        out
    }

    #[test]
    fn it_is_the_antialiased_bilinear_filter() {
        for (case, (from, to)) in
            [((40, 30), (16, 12)), ((17, 23), (9, 40)), ((64, 48), (8, 6)), ((5, 5), (13, 11))]
                .into_iter()
                .enumerate()
        {
            let pixels = noise(from.0, from.1, 3, case as u64);
            let exact = naive(&pixels, to.0, to.1);
            let resized = Resizer::new().resize(pixels, to.0, to.1);
            for (&value, exact) in resized.values.iter().zip(exact) {
                // Two roundings of half a level, and weights of 16 bits.
                assert!((f64::from(value) - exact).abs() < 1.2, "{value} {exact}");
            }
        }
    }

    #[test]
    fn the_version_named_is_the_version_used() {
        let lock = include_str!("../../../Cargo.lock");
        let at = lock.find("name = \"fast_image_resize\"\n").expect("a dependency");
        let version = lock[at..].lines().nth(1).and_then(|l| l.split('"').nth(1)).expect("a version");
        assert!(RESIZER.contains(&format!("fast_image_resize {version},")), "{version}");
    }
}
