//! What the vector kernels have in common: how the rows of an image fall into vectors.

/// Values of a row are handled `LANES` at a time; the last vector of a row overlaps the one before it, and writes the same
/// values there again. Defines `write`, as `cast::write`, out of the including module's `LANES`, `splat(f32)`,
/// `floats(&[f32])` and `vector::<DTYPE, STREAM>(from, mean, scale, to)`.
macro_rules! write_rows {
    ($features:literal) => {
        /// As `cast::write`, for rows of at least one vector.
        #[target_feature(enable = $features)]
        pub(super) fn write(
            view: View<'_>,
            dtype: Dtype,
            pairs: Pairs<'_>,
            out: &mut [u8],
            stream: bool,
            upcoming: &mut Ahead<'_>,
        ) {
            assert!(view.width() >= LANES && out.len() == view.len() * dtype.size_bytes());
            match dtype {
                Dtype::U8 => cast::copy(view, out),
                Dtype::F32 if stream && streams(view, out) => {
                    planes::<F32, true>(view, pairs, out, upcoming);
                    _mm_sfence(); // such stores are not ordered by what publishes the batch
                }
                Dtype::F32 => planes::<F32, false>(view, pairs, out, upcoming),
                Dtype::F16 => planes::<F16, false>(view, pairs, out, upcoming),
                Dtype::Bf16 => planes::<BF16, false>(view, pairs, out, upcoming),
            }
        }

        const F32: usize = Dtype::F32 as usize;
        const F16: usize = Dtype::F16 as usize;
        const BF16: usize = Dtype::Bf16 as usize;

        /// Whether every vector is a whole line of the cache, or whole parts of one: what streaming stores are for.
        fn streams(view: View<'_>, out: &[u8]) -> bool {
            out.as_ptr().addr().is_multiple_of(64) && (4 * view.width()).is_multiple_of(64)
        }

        const fn size<const D: usize>() -> usize {
            if D == F32 { 4 } else { 2 }
        }

        #[target_feature(enable = $features)]
        #[inline]
        fn planes<const D: usize, const STREAM: bool>(
            view: View<'_>,
            pairs: Pairs<'_>,
            out: &mut [u8],
            upcoming: &mut Ahead<'_>,
        ) {
            let outs = out.chunks_exact_mut(view.rows() * view.width() * size::<D>());
            for (plane, out) in outs.enumerate() {
                match pairs {
                    Pairs::Same(affine) => same::<D, STREAM>(view, plane, affine, out, upcoming),
                    Pairs::Planes(affines) => same::<D, STREAM>(view, plane, affines[plane], out, upcoming),
                    Pairs::Lanes(channels) => in_turn::<D>(view, plane, channels, out),
                }
            }
        }

        /// One pair for the whole plane, whose rows are written to `out`.
        #[target_feature(enable = $features)]
        #[inline]
        fn same<const D: usize, const STREAM: bool>(
            view: View<'_>,
            plane: usize,
            affine: Affine,
            out: &mut [u8],
            upcoming: &mut Ahead<'_>,
        ) {
            let (mean, scale) = (splat(affine.mean), splat(affine.scale));
            let (width, stride) = (view.width(), view.row_stride());
            let (mut from, mut to) = (view.plane(plane), out.as_mut_ptr());
            for _ in 0..view.rows() {
                // SAFETY: `k` and the LANES values from it lie in a row, of the view and of `out`, which has a place for each value
                // of the plane, whose vectors begin at multiples of their size where they are streamed; after the last row the pointers are not used, and wrap if they must.
                unsafe {
                    let mut k = 0;
                    upcoming.line();
                    while k + LANES <= width {
                        if k % 64 == 0 && k > 0 {
                            upcoming.line();
                        }
                        vector::<D, STREAM>(from.add(k), mean, scale, to.add(k * size::<D>()));
                        k += LANES;
                    }
                    if k < width {
                        let k = width - LANES;
                        vector::<D, false>(from.add(k), mean, scale, to.add(k * size::<D>()));
                    }
                }
                (from, to) = (from.wrapping_add(stride), to.wrapping_add(width * size::<D>()));
            }
        }

        /// The pairs of the channels in turn.
        #[target_feature(enable = $features)]
        #[inline]
        fn in_turn<const D: usize>(view: View<'_>, plane: usize, channels: &Channels, out: &mut [u8]) {
            let (width, count) = (view.width(), channels.affines.len());
            for (row, out) in (0..view.rows()).zip(out.chunks_exact_mut(width * size::<D>())) {
                let from = view.row(plane, row);
                for k in (0..width - LANES).step_by(LANES).chain([width - LANES]) {
                    let (means, scales) = (&channels.means[k % count..], &channels.scales[k % count..]);
                    let to = &mut out[k * size::<D>()..];
                    // SAFETY: LANES values lie in the row from `k` on, and as many elements in its place.
                    unsafe {
                        vector::<D, false>(from[k..].as_ptr(), floats(means), floats(scales), to.as_mut_ptr())
                    };
                }
            }
        }
    };
}
pub(super) use write_rows;
