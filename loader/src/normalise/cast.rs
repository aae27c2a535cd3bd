//! Scaling and rounding one value after another: the form for every machine, which the others are held equal to.

use half::{bf16, f16};

use super::{Affine, Pairs, View};
use crate::dtype::Dtype;

/// Writes `(x - m) * a` of every value of `view`, in its order.
pub(super) fn write(view: View<'_>, dtype: Dtype, pairs: Pairs<'_>, out: &mut [u8]) {
    match dtype {
        Dtype::U8 => copy(view, out),
        Dtype::F32 => place::<4, _>(view, pairs, out, |affine| move |x| affine.of(x).to_le_bytes()),
        // 256 roundings and a look-up cost less than one rounding per value.
        Dtype::F16 => place::<2, _>(view, pairs, out, |affine| {
            let table = table(affine, |y| f16::from_f32(y).to_le_bytes());
            move |x| table[usize::from(x)]
        }),
        Dtype::Bf16 => place::<2, _>(view, pairs, out, |affine| {
            let table = table(affine, |y| bf16::from_f32(y).to_le_bytes());
            move |x| table[usize::from(x)]
        }),
    }
}

/// The values themselves.
pub(super) fn copy(view: View<'_>, out: &mut [u8]) {
    for ((plane, row), out) in view.positions().zip(out.chunks_exact_mut(view.width())) {
        out.copy_from_slice(view.row(plane, row));
    }
}

fn table(affine: Affine, round: impl Fn(f32) -> [u8; 2]) -> [[u8; 2]; 256] {
    std::array::from_fn(|x| round(affine.of(x as u8)))
}

/// Writes elements of `SIZE` bytes; `element(a)` makes those of values that the pair `a` is for.
fn place<const SIZE: usize, F: Fn(u8) -> [u8; SIZE]>(
    view: View<'_>,
    pairs: Pairs<'_>,
    out: &mut [u8],
    element: impl Fn(Affine) -> F,
) {
    let out = out.as_chunks_mut::<SIZE>().0;
    let plane = |plane: usize, out: &mut [[u8; SIZE]], affine: Affine| {
        let element = element(affine);
        for (row, out) in (0..view.rows()).zip(out.chunks_exact_mut(view.width())) {
            out.iter_mut().zip(view.row(plane, row)).for_each(|(out, &x)| *out = element(x));
        }
    };
    match pairs {
        Pairs::Same(affine) => {
            let planes = out.chunks_exact_mut(view.rows() * view.width()).enumerate();
            planes.for_each(|(number, out)| plane(number, out, affine));
        }
        Pairs::Planes(affines) => {
            let planes = out.chunks_exact_mut(view.rows() * view.width()).enumerate();
            planes.zip(affines).for_each(|((number, out), &affine)| plane(number, out, affine));
        }
        Pairs::Lanes(channels) => {
            for (c, &affine) in channels.affines.iter().enumerate() {
                let (element, step) = (element(affine), channels.affines.len());
                for (row, out) in (0..view.rows()).zip(out.chunks_exact_mut(view.width())) {
                    let row = view.row(0, row)[c..].iter().step_by(step);
                    out[c..].iter_mut().step_by(step).zip(row).for_each(|(out, &x)| *out = element(x));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::{Channels, Scaling, image_affine_of},
        *,
    };
    use crate::{Simd, dtype::Layout, shape::ImageShape, simd::Ahead};

    /// One value at a time, straight from the definition; `image` is in `layout`.
    fn naive(image: &[u8], shape: ImageShape, dtype: Dtype, layout: Layout, affine: &[Affine]) -> Vec<u8> {
        let mut out = Vec::new();
        for (k, &x) in image.iter().enumerate() {
            let c = match layout {
                Layout::Nchw => k / shape.positions(),
                Layout::Nhwc => k % shape.channels,
            };
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

    /// The window as an image of its own, in the layout of `image`.
    fn cut(
        image: &[u8],
        stored: ImageShape,
        layout: Layout,
        at: (usize, usize),
        shape: ImageShape,
    ) -> Vec<u8> {
        let value = |c: usize, y: usize, x: usize| {
            let (y, x) = (at.0 + y, at.1 + x);
            image[match layout {
                Layout::Nchw => (c * stored.height + y) * stored.width + x,
                Layout::Nhwc => (y * stored.width + x) * stored.channels + c,
            }]
        };
        (0..shape.values())
            .map(|k| match layout {
                Layout::Nchw => value(k / shape.positions(), k / shape.width % shape.height, k % shape.width),
                Layout::Nhwc => {
                    let position = k / shape.channels;
                    value(k % shape.channels, position / shape.width, position % shape.width)
                }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn every_dtype_layout_window_and_instruction_set_equals_the_naive_twin(
            (channels, height, width) in (1usize..6, 1usize..12, prop_oneof![1usize..75, Just(32), Just(64)]),
            (cut_y, cut_x, row, column) in (0usize..4, 0usize..9, 0usize..4, 0usize..9),
            scale in prop_oneof![0.0001f32..0.1, Just(1e-9), Just(1e6)],
            seed in any::<u64>(),
        ) {
            let stored = ImageShape::new(channels, height, width).unwrap();
            let (cut_y, cut_x) = (cut_y.min(height - 1), cut_x.min(width - 1));
            let at = (row.min(cut_y), column.min(cut_x));
            let shape = ImageShape::new(channels, height - cut_y, width - cut_x).unwrap();
            let mut words = crate::rng::Key::derive("test", seed).words(0, 0);
            let image: Vec<u8> = (0..stored.values()).map(|_| words.next_u32() as u8).collect();
            let per_channel: Vec<Affine> = (0..channels)
                .map(|c| Affine { mean: 100.0 + c as f32, scale: scale / (c + 1) as f32 })
                .collect();
            for (layout, dtype) in [Layout::Nchw, Layout::Nhwc].into_iter().flat_map(|l| Dtype::ALL.map(|d| (l, d))) {
                let window = cut(&image, stored, layout, at, shape);
                for (scaling, affine) in [
                    (Scaling::None, vec![Affine::IDENTITY; channels]),
                    (Scaling::PerImage, vec![image_affine_of(&window); channels]),
                    (Scaling::PerChannel(Channels::new(per_channel.clone())), per_channel.clone()),
                ] {
                    let expected = naive(&window, shape, dtype, layout, &affine);
                    for (simd, stream) in Simd::available().flat_map(|simd| [(simd, false), (simd, true)]) {
                        // Where a slot's row would begin, and where it would not.
                        let mut out = vec![0xEE; window.len() * dtype.size_bytes() + 64];
                        let start = if seed.is_multiple_of(3) { 0 } else { out.as_ptr().align_offset(64) };
                        let out = &mut out[start..][..window.len() * dtype.size_bytes()];
                        let view = View::window(&image, stored, layout, at, shape);
                        scaling.write(simd, view, dtype, out, stream, &mut Ahead::of(&image));
                        prop_assert_eq!(&out[..], &expected, "{} {} {:?} {:?}", simd, stream, layout, dtype);
                    }
                }
            }
        }

        /// Images so bright and large that 32-bit sums of squares overflow many times.
        #[test]
        fn sums_do_not_overflow(extra in 0usize..100, dark in 0usize..1_000_000) {
            let mut image = vec![255; 3_000_000 + extra];
            image[dark] = 0;
            let shape = ImageShape::new(1, 1, image.len()).unwrap();
            let view = View::whole(&image, shape, Layout::Nchw);
            let n = image.len() as u64 - 1;
            for simd in Simd::available() {
                let sums = super::super::sums(simd, view);
                prop_assert_eq!((sums.sum, sums.squares), (255 * n, 65_025 * n));
            }
        }
    }

    #[test]
    fn flat_images_are_zero_and_whitened_ones_have_unit_deviation() {
        let shape = ImageShape::new(3, 4, 4).unwrap();
        let whiten = |image: &[u8]| -> Vec<f32> {
            let mut out = vec![0xEE; 48 * 4];
            Scaling::PerImage.write(
                Simd::best(),
                View::whole(image, shape, Layout::Nchw),
                Dtype::F32,
                &mut out,
                false,
                &mut Ahead::of(&[]),
            );
            out.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        };
        assert_eq!(whiten(&[200; 48]), [0.0; 48]);
        let values = whiten(&(0..48).map(|i| i * 5).collect::<Vec<u8>>());
        let mean = values.iter().sum::<f32>() / 48.0;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 48.0;
        assert!(mean.abs() < 1e-6 && (variance - 1.0).abs() < 1e-5);
    }
}
