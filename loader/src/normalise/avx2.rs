//! Scaling with AVX2 and F16C, 8 values at a time.

use std::arch::x86_64::*;

use super::{
    Affine, Channels, Pairs, View, cast,
    moments::{self, Sums},
    rows::write_rows,
};
use crate::{dtype::Dtype, simd::Ahead};

/// Values of a vector.
const LANES: usize = 8;
/// Bytes of a vector of values that are summed.
const BYTES: usize = 16;
/// Vectors after which a lane of the squares' sum may overflow: each adds two squares to it.
const FLUSH: usize = u32::MAX as usize / (2 * 255 * 255);

/// As `moments::sums`.
#[target_feature(enable = "avx2")]
pub(super) fn sums(view: View<'_>) -> Sums {
    let mut total = Sums::default();
    let zero = _mm_setzero_si128();
    let (mut sum, mut squares, mut room) = (zero, _mm256_setzero_si256(), FLUSH);
    let (width, vectors) = (view.width(), view.width().div_ceil(BYTES));
    if !(BYTES..BYTES * FLUSH).contains(&width) {
        return moments::sums(view); // tiny images, and megabytes in a row
    }
    let new = new_bytes(width % BYTES);
    for plane in 0..view.planes() {
        let mut row = view.plane(plane);
        for _ in 0..view.rows() {
            if vectors > room {
                total.squares += lanes(squares);
                (squares, room) = (_mm256_setzero_si256(), FLUSH);
            }
            room -= vectors;
            let mut add = |x: __m128i| {
                sum = _mm_add_epi64(sum, _mm_sad_epu8(x, zero));
                let wide = _mm256_cvtepu8_epi16(x);
                squares = _mm256_add_epi32(squares, _mm256_madd_epi16(wide, wide));
            };
            // SAFETY: `k` and the BYTES values from it lie in the row; after the last row the pointer is not used, and wraps if
            // it must.
            unsafe {
                let mut k = 0;
                while k + BYTES <= width {
                    add(_mm_loadu_si128(row.add(k).cast()));
                    k += BYTES;
                }
                if k < width {
                    add(_mm_and_si128(_mm_loadu_si128(row.add(width - BYTES).cast()), new));
                }
            }
            row = row.wrapping_add(view.row_stride());
        }
    }
    total.squares += lanes(squares);
    total.sum += (_mm_extract_epi64::<0>(sum) + _mm_extract_epi64::<1>(sum)) as u64;
    total
}

/// All ones in the last `count` bytes, 16 at most.
#[target_feature(enable = "avx2")]
#[inline]
fn new_bytes(count: usize) -> __m128i {
    const ENDS: [u8; 2 * BYTES] = {
        let mut ends = [0; 2 * BYTES];
        let mut i = BYTES;
        while i < 2 * BYTES {
            ends[i] = 0xFF;
            i += 1;
        }
        ends
    };
    let ends: &[u8; BYTES] = ENDS[count..].first_chunk().expect("a vector at most");
    // SAFETY: as many bytes as the vector has.
    unsafe { _mm_loadu_si128(ends.as_ptr().cast()) }
}

/// The sum of eight u32.
#[target_feature(enable = "avx2")]
fn lanes(x: __m256i) -> u64 {
    let mut words = [0u32; 8];
    // SAFETY: as many words as the vector has.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), x) };
    words.into_iter().map(u64::from).sum()
}

write_rows!("avx2,f16c");

#[target_feature(enable = "avx2")]
#[inline]
fn splat(x: f32) -> __m256 {
    _mm256_set1_ps(x)
}

#[target_feature(enable = "avx2")]
#[inline]
fn floats(from: &[f32]) -> __m256 {
    let from: &[f32; LANES] = from.first_chunk().expect("a channel's pairs go on for a vector");
    // SAFETY: as many floats as the vector has.
    unsafe { _mm256_loadu_ps(from.as_ptr()) }
}

/// Eight values.
///
/// # Safety
/// Eight bytes can be read at `from`, eight elements written at `to`, which with STREAM is a
/// multiple of 32.
#[target_feature(enable = "avx2,f16c")]
#[inline]
unsafe fn vector<const D: usize, const STREAM: bool>(
    from: *const u8,
    mean: __m256,
    scale: __m256,
    to: *mut u8,
) {
    // SAFETY: eight bytes.
    let x = unsafe { _mm_loadl_epi64(from.cast()) };
    let x = _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(x));
    let y = _mm256_mul_ps(_mm256_sub_ps(x, mean), scale);
    match D {
        // SAFETY: eight elements of four bytes, at a multiple of 32 bytes.
        F32 if STREAM => unsafe { _mm256_stream_ps(to.cast(), y) },
        // SAFETY: eight elements of four bytes.
        F32 => unsafe { _mm256_storeu_ps(to.cast(), y) },
        F16 => {
            let y = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(y);
            // SAFETY: eight elements of two bytes.
            unsafe { _mm_storeu_si128(to.cast(), y) };
        }
        _ => {
            // To nearest, ties to even: half of what is cut off is added, less one unless the last bit kept is 1. No value is
            // infinite or NaN, so nothing else can happen.
            let bits = _mm256_castps_si256(y);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
            let words = _mm256_srli_epi32::<16>(rounded);
            let packed = _mm256_packus_epi32(words, words);
            let packed = _mm256_castsi256_si128(_mm256_permute4x64_epi64::<0b1000>(packed));
            // SAFETY: as above.
            unsafe { _mm_storeu_si128(to.cast(), packed) };
        }
    }
}
