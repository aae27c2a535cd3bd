//! Scaling with AVX-512, 16 values at a time.

use std::arch::x86_64::*;

use super::{
    Affine, Channels, Pairs, View, cast,
    moments::{self, Sums},
    rows::write_rows,
};
use crate::{dtype::Dtype, simd::Ahead};

/// Values of a vector.
const LANES: usize = super::MOST_LANES;
/// Bytes of a vector of values that are summed.
const BYTES: usize = 32;
/// Vectors after which a lane of the squares' sum may overflow: each adds two squares to it.
const FLUSH: usize = u32::MAX as usize / (2 * 255 * 255);

/// As `moments::sums`.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
pub(super) fn sums(view: View<'_>) -> Sums {
    let mut total = Sums::default();
    let zero = _mm256_setzero_si256();
    let (mut sum, mut squares, mut room) = (zero, _mm512_setzero_si512(), FLUSH);
    let (width, vectors) = (view.width(), view.width().div_ceil(BYTES));
    if width >= BYTES * FLUSH {
        return moments::sums(view); // megabytes in a row
    }
    let rest = (1u32 << (width % BYTES)) - 1;
    for plane in 0..view.planes() {
        let mut row = view.plane(plane);
        for _ in 0..view.rows() {
            if vectors > room {
                total.squares += lanes(squares);
                (squares, room) = (_mm512_setzero_si512(), FLUSH);
            }
            room -= vectors;
            let mut add = |x: __m256i| {
                sum = _mm256_add_epi64(sum, _mm256_sad_epu8(x, zero));
                let wide = _mm512_cvtepu8_epi16(x);
                squares = _mm512_add_epi32(squares, _mm512_madd_epi16(wide, wide));
            };
            // SAFETY: `k` and what is read from it, the last time masked, lie in the row; after the last row the pointer is not
            // used, and wraps if it must.
            unsafe {
                let mut k = 0;
                while k + BYTES <= width {
                    add(_mm256_loadu_si256(row.add(k).cast()));
                    k += BYTES;
                }
                if rest != 0 {
                    add(_mm256_maskz_loadu_epi8(rest, row.add(k).cast()));
                }
            }
            row = row.wrapping_add(view.row_stride());
        }
    }
    total.squares += lanes(squares);
    let halves = _mm_add_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    total.sum += (_mm_extract_epi64::<0>(halves) + _mm_extract_epi64::<1>(halves)) as u64;
    total
}

/// The sum of sixteen u32.
#[target_feature(enable = "avx512f")]
fn lanes(x: __m512i) -> u64 {
    let mut words = [0u32; 16];
    // SAFETY: as many words as the vector has.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), x) };
    words.into_iter().map(u64::from).sum()
}

write_rows!("avx512f,avx512bw,avx512dq,avx512vl");

#[target_feature(enable = "avx512f")]
#[inline]
fn splat(x: f32) -> __m512 {
    _mm512_set1_ps(x)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn floats(from: &[f32]) -> __m512 {
    let from: &[f32; LANES] = from.first_chunk().expect("a channel's pairs go on for a vector");
    // SAFETY: as many floats as the vector has.
    unsafe { _mm512_loadu_ps(from.as_ptr()) }
}

/// Sixteen values.
///
/// # Safety
/// Sixteen bytes can be read at `from`, sixteen elements written at `to`, which with STREAM is a
/// multiple of 64.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[inline]
unsafe fn vector<const D: usize, const STREAM: bool>(
    from: *const u8,
    mean: __m512,
    scale: __m512,
    to: *mut u8,
) {
    // SAFETY: sixteen bytes.
    let x = unsafe { _mm_loadu_si128(from.cast()) };
    let x = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(x));
    let y = _mm512_mul_ps(_mm512_sub_ps(x, mean), scale);
    match D {
        // SAFETY: sixteen elements of four bytes, at a multiple of 64 bytes.
        F32 if STREAM => unsafe { _mm512_stream_ps(to.cast(), y) },
        // SAFETY: sixteen elements of four bytes.
        F32 => unsafe { _mm512_storeu_ps(to.cast(), y) },
        F16 => {
            let y = _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(y);
            // SAFETY: sixteen elements of two bytes.
            unsafe { _mm256_storeu_si256(to.cast(), y) };
        }
        _ => {
            // To nearest, ties to even: half of what is cut off is added, less one unless the last bit kept is 1. No value is
            // infinite or NaN, so nothing else can happen. (AVX-512's own instruction flushes small values to zero.)
            let bits = _mm512_castps_si512(y);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
            let words = _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded));
            // SAFETY: as above.
            unsafe { _mm256_storeu_si256(to.cast(), words) };
        }
    }
}
