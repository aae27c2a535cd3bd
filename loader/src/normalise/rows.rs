//! What the vector kernels have in common: how the rows of an image fall into vectors.

/// Values of a row are handled `LANES` at a time; the last vector of a row overlaps the one before it, and writes the same
/// values there again. Defines `write`, as `cast::write`, out of the including module's `LANES`, `splat(f32)`,
/// `floats(&[f32])` and `vector::<DTYPE>(row, k, mean, scale, out)`.
macro_rules! write_rows {
    ($features:literal) => {
        /// As `cast::write`.
        #[target_feature(enable = $features)]
        pub(super) fn write(view: View<'_>, dtype: Dtype, pairs: Pairs<'_>, out: &mut [u8]) {
            match dtype {
                Dtype::U8 => cast::copy(view, out),
                Dtype::F32 => rows::<F32>(view, pairs, out),
                Dtype::F16 => rows::<F16>(view, pairs, out),
                Dtype::Bf16 => rows::<BF16>(view, pairs, out),
            }
        }

        const F32: usize = Dtype::F32 as usize;
        const F16: usize = Dtype::F16 as usize;
        const BF16: usize = Dtype::Bf16 as usize;

        const fn dtype<const D: usize>() -> Dtype {
            match D {
                F32 => Dtype::F32,
                F16 => Dtype::F16,
                _ => Dtype::Bf16,
            }
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn rows<const D: usize>(view: View<'_>, pairs: Pairs<'_>, mut out: &mut [u8]) {
            let row_bytes = view.width() * dtype::<D>().size_bytes();
            for plane in 0..view.planes() {
                for row in 0..view.rows() {
                    let (to, rest) = std::mem::take(&mut out).split_at_mut(row_bytes);
                    out = rest;
                    match pairs {
                        Pairs::Same(affine) => same::<D>(view.row(plane, row), affine, to),
                        Pairs::Planes(affines) => same::<D>(view.row(plane, row), affines[plane], to),
                        Pairs::Lanes(channels) => in_turn::<D>(view.row(plane, row), channels, to),
                    }
                }
            }
        }

        /// One pair for the whole row.
        #[target_feature(enable = $features)]
        #[inline]
        fn same<const D: usize>(row: &[u8], affine: Affine, out: &mut [u8]) {
            if row.len() < LANES {
                return cast::write_row(row, dtype::<D>(), |_| affine, out);
            }
            let (mean, scale) = (splat(affine.mean), splat(affine.scale));
            let mut k = 0;
            while k + LANES <= row.len() {
                vector::<D>(row, k, mean, scale, out);
                k += LANES;
            }
            if k < row.len() {
                vector::<D>(row, row.len() - LANES, mean, scale, out);
            }
        }

        /// The pairs of the channels in turn.
        #[target_feature(enable = $features)]
        #[inline]
        fn in_turn<const D: usize>(row: &[u8], channels: &Channels, out: &mut [u8]) {
            let count = channels.affines.len();
            if row.len() < LANES {
                return cast::write_row(row, dtype::<D>(), |k| channels.affines[k % count], out);
            }
            let starts = (0..row.len() - LANES).step_by(LANES).chain([row.len() - LANES]);
            for k in starts {
                let (means, scales) = (&channels.means[k % count..], &channels.scales[k % count..]);
                vector::<D>(row, k, floats(means), floats(scales), out);
            }
        }
    };
}
pub(super) use write_rows;
