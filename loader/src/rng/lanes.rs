//! ChaCha8 blocks many at a time: lane l of every vector belongs to block l.
//!
//! `rand_chacha` is the definition, and serves where there is no AVX2; a property test holds these equal to it. A word
//! costs 0.73 ns from `rand_chacha`, 0.53 with AVX2, 0.34 with AVX-512.

use std::arch::x86_64::*;

use super::BLOCK;

/// "expand 32-byte k"
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// Which blocks: one per lane.
#[derive(Clone, Copy)]
pub(super) struct Blocks<const L: usize> {
    /// Low and high half of each block's number.
    pub counter: [[u32; L]; 2],
    /// Low and high half of each block's stream.
    pub stream: [[u32; L]; 2],
}

/// Defines `$name`: the blocks, one after another, in `out`.
macro_rules! chacha8 {
    ($name:ident, $features:literal, $lanes:literal, $vector:ty, $load:ident, $set:ident, $add:ident, $xor:ident,
     $rotate:ident, $store:ident) => {
        #[target_feature(enable = $features)]
        pub(super) fn $name(key: &[u32; 8], blocks: &Blocks<$lanes>, out: &mut [[u32; BLOCK]; $lanes]) {
            // SAFETY: each array has as many words as the vector that is read from it.
            let load = |words: &[u32; $lanes]| unsafe { $load(words.as_ptr().cast()) };
            let same = |word: u32| $set(word as i32);
            let [c0, c1, c2, c3] = CONSTANTS.map(same);
            let [k0, k1, k2, k3, k4, k5, k6, k7] = key.map(same);
            let ([n0, n1], [s0, s1]) =
                (blocks.counter.each_ref().map(load), blocks.stream.each_ref().map(load));
            let start = [c0, c1, c2, c3, k0, k1, k2, k3, k4, k5, k6, k7, n0, n1, s0, s1];
            let mut x: [$vector; BLOCK] = start;
            macro_rules! quarter {
                ($a:literal, $b:literal, $c:literal, $d:literal) => {
                    x[$a] = $add(x[$a], x[$b]);
                    x[$d] = $rotate!(16, $xor(x[$d], x[$a]));
                    x[$c] = $add(x[$c], x[$d]);
                    x[$b] = $rotate!(12, $xor(x[$b], x[$c]));
                    x[$a] = $add(x[$a], x[$b]);
                    x[$d] = $rotate!(8, $xor(x[$d], x[$a]));
                    x[$c] = $add(x[$c], x[$d]);
                    x[$b] = $rotate!(7, $xor(x[$b], x[$c]));
                };
            }
            for _ in 0..4 {
                quarter!(0, 4, 8, 12);
                quarter!(1, 5, 9, 13);
                quarter!(2, 6, 10, 14);
                quarter!(3, 7, 11, 15);
                quarter!(0, 5, 10, 15);
                quarter!(1, 6, 11, 12);
                quarter!(2, 7, 8, 13);
                quarter!(3, 4, 9, 14);
            }
            for (x, start) in x.iter_mut().zip(start) {
                *x = $add(*x, start);
            }
            $store(&x, out);
        }
    };
}

macro_rules! rotate_avx2 {
    (16, $x:expr) => {
        _mm256_shuffle_epi8($x, bytes(0x0D0C_0F0E_0908_0B0A, 0x0504_0706_0100_0302))
    };
    (8, $x:expr) => {
        _mm256_shuffle_epi8($x, bytes(0x0E0D_0C0F_0A09_080B, 0x0605_0407_0201_0003))
    };
    ($n:literal, $x:expr) => {{
        let x = $x;
        _mm256_or_si256(_mm256_slli_epi32::<$n>(x), _mm256_srli_epi32::<{ 32 - $n }>(x))
    }};
}

macro_rules! rotate_avx512 {
    ($n:literal, $x:expr) => {
        _mm512_rol_epi32::<$n>($x)
    };
}

#[target_feature(enable = "avx2")]
#[inline]
fn bytes(high: i64, low: i64) -> __m256i {
    _mm256_set_epi64x(high, low, high, low)
}

/// Transposes `[word][lane]` to `[lane][word]`, eight words of eight lanes at a time.
#[target_feature(enable = "avx2")]
#[inline]
fn store_avx2(x: &[__m256i; BLOCK], out: &mut [[u32; BLOCK]; 8]) {
    for (half, rows) in x.as_chunks::<8>().0.iter().enumerate() {
        let pairs = |i: usize| {
            [_mm256_unpacklo_epi32(rows[i], rows[i + 1]), _mm256_unpackhi_epi32(rows[i], rows[i + 1])]
        };
        let quads = |i: usize| {
            let ([a, b], [c, d]) = (pairs(i), pairs(i + 2));
            [
                _mm256_unpacklo_epi64(a, c),
                _mm256_unpackhi_epi64(a, c),
                _mm256_unpacklo_epi64(b, d),
                _mm256_unpackhi_epi64(b, d),
            ]
        };
        for (lane, (a, b)) in quads(0).into_iter().zip(quads(4)).enumerate() {
            let (low, high) =
                (_mm256_permute2x128_si256::<0x20>(a, b), _mm256_permute2x128_si256::<0x31>(a, b));
            for (lane, row) in [(lane, low), (lane + 4, high)] {
                let to = &mut out[lane][half * 8..half * 8 + 8];
                // SAFETY: eight words, as many as the vector has.
                unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), row) };
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
#[inline]
fn store_avx512(x: &[__m512i; BLOCK], out: &mut [[u32; BLOCK]; 16]) {
    let [low, high] = out.as_chunks_mut::<8>().0 else { return };
    store_avx2(&x.map(|v| _mm512_castsi512_si256(v)), low);
    store_avx2(&x.map(|v| _mm512_extracti64x4_epi64::<1>(v)), high);
}

chacha8!(
    blocks_avx2,
    "avx2",
    8,
    __m256i,
    _mm256_loadu_si256,
    _mm256_set1_epi32,
    _mm256_add_epi32,
    _mm256_xor_si256,
    rotate_avx2,
    store_avx2
);
chacha8!(
    blocks_avx512,
    "avx512f,avx512bw,avx512dq,avx512vl",
    16,
    __m512i,
    _mm512_loadu_si512,
    _mm512_set1_epi32,
    _mm512_add_epi32,
    _mm512_xor_si512,
    rotate_avx512,
    store_avx512
);
