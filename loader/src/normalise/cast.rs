//! Scaling, rounding and layout in one pass over the output.

use half::{bf16, f16};

use super::Affine;
use crate::{
    dtype::{Dtype, Layout},
    shape::ImageShape,
};

/// Writes `(x - m) * a` of every value, with the pair that `affine` gives for its channel.
#[inline(always)] // into each of `Scaling::write`'s forms
pub(super) fn write(
    image: &[u8],
    shape: ImageShape,
    dtype: Dtype,
    layout: Layout,
    out: &mut [u8],
    affine: impl Fn(usize) -> Affine,
) {
    match dtype {
        Dtype::U8 => place::<1, _>(image, shape, layout, out, |_| |x| [x]),
        Dtype::F32 => place::<4, _>(image, shape, layout, out, |c| {
            let affine = affine(c);
            move |x| affine.of(x).to_le_bytes()
        }),
        // 256 roundings and a look-up cost less than one rounding per value.
        Dtype::F16 => place::<2, _>(image, shape, layout, out, |c| {
            let table = table(affine(c), |y| f16::from_f32(y).to_le_bytes());
            move |x| table[usize::from(x)]
        }),
        Dtype::Bf16 => place::<2, _>(image, shape, layout, out, |c| {
            let table = table(affine(c), |y| bf16::from_f32(y).to_le_bytes());
            move |x| table[usize::from(x)]
        }),
    }
}

fn table(affine: Affine, round: impl Fn(f32) -> [u8; 2]) -> [[u8; 2]; 256] {
    std::array::from_fn(|x| round(affine.of(x as u8)))
}

/// Puts `SIZE`-byte elements where `layout` wants them; `element(c)` makes the elements of channel c.
#[inline(always)]
fn place<const SIZE: usize, F: Fn(u8) -> [u8; SIZE]>(
    image: &[u8],
    shape: ImageShape,
    layout: Layout,
    out: &mut [u8],
    element: impl Fn(usize) -> F,
) {
    let (out, rest) = out.as_chunks_mut::<SIZE>();
    debug_assert!(rest.is_empty() && out.len() == image.len());
    let positions = shape.positions();
    for (channel, plane) in image.chunks_exact(positions).enumerate() {
        let element = element(channel);
        match layout {
            Layout::Nchw => {
                for (to, &x) in out[channel * positions..].iter_mut().zip(plane) {
                    *to = element(x);
                }
            }
            Layout::Nhwc => {
                for (to, &x) in out[channel..].iter_mut().step_by(shape.channels).zip(plane) {
                    *to = element(x);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{Scaling, image_affine},
        *,
    };

    /// One value at a time, straight from the definition.
    fn naive(image: &[u8], shape: ImageShape, dtype: Dtype, layout: Layout, affine: &[Affine]) -> Vec<u8> {
        let mut out = Vec::new();
        let index = |k: usize| match layout {
            Layout::Nchw => (k / shape.positions(), k % shape.positions()),
            Layout::Nhwc => (k % shape.channels, k / shape.channels),
        };
        for k in 0..shape.values() {
            let (c, position) = index(k);
            let x = image[c * shape.positions() + position];
            let difference = f32::from(x) - affine[c].mean;
            let y = difference * affine[c].scale;
            match dtype {
                Dtype::U8 => out.push(x),
                Dtype::F32 => out.extend(y.to_le_bytes()),
                Dtype::F16 => out.extend(f16::from_f32(y).to_le_bytes()),
                Dtype::Bf16 => out.extend(bf16::from_f32(y).to_le_bytes()),
            }
        }
        out
    }

    proptest! {
        #[test]
        fn every_dtype_and_layout_equals_the_naive_twin(
            (channels, height, width) in (1usize..5, 1usize..9, 1usize..40),
            seed in any::<u64>(),
        ) {
            let shape = ImageShape::new(channels, height, width).unwrap();
            let mut words = crate::rng::Key::derive("test", seed).words(0, 0);
            let image: Vec<u8> = (0..shape.values()).map(|_| words.next_u32() as u8).collect();
            let per_channel: Vec<Affine> = (0..channels)
                .map(|c| Affine { mean: 100.0 + c as f32, scale: 0.013 / (c + 1) as f32 })
                .collect();
            for dtype in Dtype::ALL {
                for layout in [Layout::Nchw, Layout::Nhwc] {
                    for (scaling, affine) in [
                        (Scaling::None, vec![Affine::IDENTITY; channels]),
                        (Scaling::PerImage, vec![image_affine(&image); channels]),
                        (Scaling::PerChannel(per_channel.clone()), per_channel.clone()),
                    ] {
                        let expected = naive(&image, shape, dtype, layout, &affine);
                        let mut out = vec![0xEE; image.len() * dtype.size_bytes()];
                        scaling.write(&image, shape, dtype, layout, &mut out);
                        prop_assert_eq!(&out, &expected);
                        out.fill(0xEE);
                        scaling.write_portable(&image, shape, dtype, layout, &mut out);
                        prop_assert_eq!(&out, &expected);
                    }
                }
            }
        }
    }

    #[test]
    fn flat_images_are_zero_and_whitened_ones_have_unit_deviation() {
        let shape = ImageShape::new(3, 4, 4).unwrap();
        let mut out = vec![0; 48 * 4];
        Scaling::PerImage.write(&[200; 48], shape, Dtype::F32, Layout::Nchw, &mut out);
        assert!(out.iter().all(|&b| b == 0));
        let image: Vec<u8> = (0..48).map(|i| (i * 5) as u8).collect();
        Scaling::PerImage.write(&image, shape, Dtype::F32, Layout::Nchw, &mut out);
        let values: Vec<f32> = out.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        let mean = values.iter().sum::<f32>() / 48.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 48.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5);
    }
}
