//! Both passes with AVX2, and colours taken apart. Exact integers as everywhere, so the bytes are those of `portable`, which a test compares.
//!
//! A value is a sum of products of 8 and 15 bits, added in pairs by `pmaddwd` into 32 bits: 16 products an instruction.

use std::arch::x86_64::*;

use super::{
    lanes::{Lanes, Step},
    weights::DIGITS,
};
use crate::simd::{Level, Simd};

/// Proof that the processor has AVX2.
#[derive(Clone, Copy, Debug)]
pub(super) struct Avx2(());

impl Avx2 {
    /// # Panics
    /// If these instructions are without AVX2.
    pub fn of(simd: Simd) -> Avx2 {
        assert!(simd.level() >= Level::Avx2);
        Avx2(())
    }

    /// One row, of whose `out.len()` values all whole blocks of 32 are written.
    ///
    /// # Panics
    /// If the row is not as long as those that `lanes` was made for.
    pub fn horizontal(self, lanes: &Lanes, row: &[u8], out: &mut [u8]) {
        assert_eq!(row.len(), lanes.width());
        // SAFETY: the processor has AVX2, of which `self` is proof; the row is as long as it must be.
        unsafe {
            match lanes.pairs() {
                1 => horizontal::<1>(lanes, row, out),
                2 => horizontal::<2>(lanes, row, out),
                _ => horizontal::<0>(lanes, row, out),
            }
        }
    }

    /// One row out of several, which lie `stride` values apart, with a weight for each.
    ///
    /// # Panics
    /// If there are not as many rows as weights, their number is odd, or they are not whole blocks of 32 that cover `out`.
    pub fn vertical(self, rows: &[u8], stride: usize, weights: &[i16], out: &mut [u8]) {
        assert!(rows.len() >= weights.len() * stride && weights.len().is_multiple_of(2));
        assert!(stride.is_multiple_of(32) && stride >= out.len());
        // SAFETY: the processor has AVX2, of which `self` is proof; the rest was just asserted.
        unsafe {
            match weights.len() {
                2 => vertical::<1>(rows, stride, weights, out),
                4 => vertical::<2>(rows, stride, weights, out),
                _ => vertical::<0>(rows, stride, weights, out),
            }
        }
    }

    /// Takes pixels of three channels apart, 16 at a time, as many as all four slices have.
    pub fn split(self, pixels: &[[u8; 48]], colours: [&mut [[u8; 16]]; 3]) {
        // SAFETY: the processor has AVX2, of which `self` is proof.
        unsafe { split(pixels, colours) }
    }
}

/// For each channel and each of the three loads that 16 pixels are, which of its bytes go where.
const COLOURS: [[[u8; 16]; 3]; 3] = {
    let mut shuffles = [[[0x80; 16]; 3]; 3];
    let mut byte = 0;
    while byte < 48 {
        shuffles[byte % 3][byte / 16][byte / 3] = (byte % 16) as u8;
        byte += 1;
    }
    shuffles
};

/// 16 pixels of three channels at a time; see [`Avx2::split`].
#[target_feature(enable = "avx2")]
fn split(pixels: &[[u8; 48]], colours: [&mut [[u8; 16]]; 3]) {
    for (colour, shuffles) in colours.into_iter().zip(COLOURS) {
        // SAFETY: each is an array of 16 bytes, and the load needs no alignment.
        let shuffles = shuffles.map(|shuffle| unsafe { _mm_loadu_si128(shuffle.as_ptr().cast()) });
        for (pixels, colour) in pixels.iter().zip(colour) {
            let (loads, _) = pixels.as_chunks::<16>();
            let mut values = _mm_setzero_si128();
            for (load, shuffle) in loads.iter().zip(shuffles) {
                // SAFETY: as above.
                let load = unsafe { _mm_loadu_si128(load.as_ptr().cast()) };
                values = _mm_or_si128(values, _mm_shuffle_epi8(load, shuffle));
            }
            // SAFETY: as above; 16 bytes to write to.
            unsafe { _mm_storeu_si128(colour.as_mut_ptr().cast(), values) }
        }
    }
}

/// With `PAIRS` pairs of taps, or as many as the table says for 0: known to the compiler, their loop is gone.
///
/// # Safety
/// `row` has `lanes.width()` bytes.
#[target_feature(enable = "avx2")]
unsafe fn horizontal<const PAIRS: usize>(lanes: &Lanes, row: &[u8], out: &mut [u8]) {
    let pairs = if PAIRS == 0 { lanes.pairs() } else { PAIRS };
    for ((bases, steps), out) in lanes.blocks().zip(out.as_chunks_mut().0) {
        let pixels = bases.map(|[low, high]| {
            // SAFETY: 16 bytes from each base lie in a row of `lanes.width()` bytes, as the table guarantees.
            let (low, high) = unsafe { (load(row, low as usize), load(row, high as usize)) };
            _mm256_set_m128i(high, low)
        });
        let mut sums = [half(); 4];
        for steps in &steps[..pairs] {
            for ((sum, pixels), Step { shuffle, weights }) in sums.iter_mut().zip(pixels).zip(steps) {
                // SAFETY: arrays of 32 bytes, the first at a multiple of 64 and the other 32 bytes on.
                let (shuffle, weights) = unsafe {
                    (_mm256_load_si256(shuffle.as_ptr().cast()), _mm256_load_si256(weights.as_ptr().cast()))
                };
                let products = _mm256_madd_epi16(_mm256_shuffle_epi8(pixels, shuffle), weights);
                *sum = _mm256_add_epi32(*sum, products);
            }
        }
        write(sums, out);
    }
}

/// With `PAIRS` pairs of rows, or as many as there are for 0.
///
/// # Safety
/// `rows` has `weights.len()` rows of `stride` values, an even number; `stride` is a multiple of 32 and at least
/// `out.len()`.
#[target_feature(enable = "avx2")]
unsafe fn vertical<const PAIRS: usize>(rows: &[u8], stride: usize, weights: &[i16], out: &mut [u8]) {
    let pairs = if PAIRS == 0 { weights.len() / 2 } else { PAIRS };
    let weights = &weights.as_chunks::<2>().0[..pairs];
    let block = |column: usize| {
        let mut sums = [half(); 4];
        for (pair, &[upper, lower]) in weights.iter().enumerate() {
            let at = 2 * pair * stride + column;
            // SAFETY: rows 2 * pair and the next one exist, and have 32 values from `column`.
            let (a, b) = unsafe { (load_block(rows, at), load_block(rows, at + stride)) };
            let weights = _mm256_set1_epi32(i32::from(upper) | i32::from(lower) << 16); // both are positive
            let zero = _mm256_setzero_si256();
            let (low, high) = (_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b));
            let wide = [
                _mm256_unpacklo_epi8(low, zero),
                _mm256_unpackhi_epi8(low, zero),
                _mm256_unpacklo_epi8(high, zero),
                _mm256_unpackhi_epi8(high, zero),
            ];
            for (sum, wide) in sums.iter_mut().zip(wide) {
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(wide, weights));
            }
        }
        sums
    };
    let (blocks, rest) = out.as_chunks_mut::<32>();
    let whole = 32 * blocks.len();
    for (i, out) in blocks.iter_mut().enumerate() {
        write(block(32 * i), out);
    }
    if !rest.is_empty() {
        let mut last = [0; 32];
        write(block(whole), &mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

/// What the shift of a sum rounds by.
#[target_feature(enable = "avx2")]
fn half() -> __m256i {
    _mm256_set1_epi32(1 << (DIGITS - 1))
}

/// 32 sums as values. Packing keeps to lanes, so the first register has outputs 0..4 and 16..20.
#[target_feature(enable = "avx2")]
fn write(sums: [__m256i; 4], out: &mut [u8; 32]) {
    let [a, b, c, d] = sums.map(|sum| _mm256_srli_epi32::<{ DIGITS as i32 }>(sum));
    let values = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
    // SAFETY: 32 bytes to write to; the store needs no alignment.
    unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), values) }
}

/// # Safety
/// `row` has 16 bytes from `at`.
#[target_feature(enable = "avx2")]
unsafe fn load(row: &[u8], at: usize) -> __m128i {
    debug_assert!(at + 16 <= row.len());
    // SAFETY: the caller's promise; the load needs no alignment.
    unsafe { _mm_loadu_si128(row.as_ptr().add(at).cast()) }
}

/// # Safety
/// `rows` has 32 bytes from `at`.
#[target_feature(enable = "avx2")]
unsafe fn load_block(rows: &[u8], at: usize) -> __m256i {
    debug_assert!(at + 32 <= rows.len());
    // SAFETY: the caller's promise; the load needs no alignment.
    unsafe { _mm256_loadu_si256(rows.as_ptr().add(at).cast()) }
}
