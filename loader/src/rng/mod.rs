//! Keyed randomness: every random word is a function of (seed, domain, stream, epoch, word index) and of nothing
//! else. `RANDOM.md` is the normative text.
//!
//! The generator is ChaCha8. The key is BLAKE3 `derive_key` with context `rfx v1 <domain>` over the seed, the
//! stream is the sample's id, and the block counter is `epoch * 2^32 + block`. Seeds are hashed, never added, so
//! (seed, epoch + 1) and (seed + 1, epoch) share nothing; draws need no state, so any thread, rank or resumed run
//! makes the same ones. A word costs 0.3 to 0.7 ns, a new stream one ChaCha block (60 ns, or 6 where many are made at a
//! time).

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores of vectors
mod lanes;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use crate::simd::{Level, Simd};

/// Words of one ChaCha block.
pub const BLOCK: usize = 16;

/// The key of one domain under one seed.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl Key {
    /// The key of `domain` (for example `order` or `gaussian/2`) under `seed`.
    pub fn derive(domain: &str, seed: u64) -> Self {
        Key(blake3::derive_key(&format!("rfx v1 {domain}"), &seed.to_le_bytes()))
    }

    /// The words of `stream` (a sample's id, or 0 for draws that concern the whole set) in `epoch`.
    pub fn words(&self, stream: u64, epoch: u32) -> Words {
        let mut rng = ChaCha8Rng::from_seed(self.0);
        rng.set_stream(stream);
        rng.set_word_pos(u128::from(epoch) << 36); // 2^32 blocks of 16 words per epoch
        Words { rng }
    }

    /// The first `N` words of `stream` in `epoch`.
    pub fn first<const N: usize>(&self, stream: u64, epoch: u32) -> [u32; N] {
        let mut words = self.words(stream, epoch);
        std::array::from_fn(|_| words.next_u32())
    }

    /// Fills `out` with the first words of `stream` in `epoch`, blocks side by side.
    #[allow(unsafe_code)] // calls what is compiled for the instructions that `simd` stands for
    pub fn fill(&self, simd: Simd, stream: u64, epoch: u32, out: &mut [u32]) {
        match simd.level() {
            Level::Portable => self.words(stream, epoch).fill(out),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => self.fill_lanes(stream, epoch, out, |key, blocks, out| {
                // SAFETY: `simd` is proof of AVX2.
                unsafe { lanes::blocks_avx2(key, blocks, out) }
            }),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => self.fill_lanes(stream, epoch, out, |key, blocks, out| {
                // SAFETY: `simd` is proof of AVX-512.
                unsafe { lanes::blocks_avx512(key, blocks, out) }
            }),
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("`Simd` is of this processor"),
        }
    }

    /// The first block of words of each of `streams` in `epoch`, into as many of `out`.
    ///
    /// # Panics
    /// If `out` is not as long as `streams`.
    #[allow(unsafe_code)] // calls what is compiled for the instructions that `simd` stands for
    pub fn first_blocks(&self, simd: Simd, streams: &[i64], epoch: u32, out: &mut [[u32; BLOCK]]) {
        assert_eq!(streams.len(), out.len());
        match simd.level() {
            Level::Portable => {
                streams.iter().zip(out).for_each(|(&s, out)| self.words(s as u64, epoch).fill(out));
            }
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => self.first_lanes(streams, epoch, out, |key, blocks, out| {
                // SAFETY: `simd` is proof of AVX2.
                unsafe { lanes::blocks_avx2(key, blocks, out) }
            }),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => self.first_lanes(streams, epoch, out, |key, blocks, out| {
                // SAFETY: `simd` is proof of AVX-512.
                unsafe { lanes::blocks_avx512(key, blocks, out) }
            }),
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("`Simd` is of this processor"),
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn fill_lanes<const L: usize>(
        &self,
        stream: u64,
        epoch: u32,
        out: &mut [u32],
        make: impl Fn(&[u32; 8], &lanes::Blocks<L>, &mut [[u32; BLOCK]; L]),
    ) {
        let key = self.key_words();
        let blocks = |first: u32| lanes::Blocks {
            counter: [std::array::from_fn(|l| first.wrapping_add(l as u32)), [epoch; L]],
            stream: halves(stream).map(|half| [half; L]),
        };
        let mut first = 0;
        let (whole, rest) = out.as_chunks_mut::<BLOCK>();
        let (groups, last) = whole.as_chunks_mut::<L>();
        for group in groups {
            make(&key, &blocks(first), group);
            first += L as u32; // an image has at most 2^31 values, so 2^27 blocks
        }
        if last.is_empty() && rest.is_empty() {
            return;
        }
        let mut group = [[0; BLOCK]; L];
        make(&key, &blocks(first), &mut group);
        for (out, word) in last.as_flattened_mut().iter_mut().chain(rest).zip(group.as_flattened()) {
            *out = *word;
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn first_lanes<const L: usize>(
        &self,
        streams: &[i64],
        epoch: u32,
        out: &mut [[u32; BLOCK]],
        make: impl Fn(&[u32; 8], &lanes::Blocks<L>, &mut [[u32; BLOCK]; L]),
    ) {
        let key = self.key_words();
        for (streams, out) in streams.chunks(L).zip(out.chunks_mut(L)) {
            let half =
                |h: usize| std::array::from_fn(|l| halves(streams[l.min(streams.len() - 1)] as u64)[h]);
            let blocks = lanes::Blocks { counter: [[0; L], [epoch; L]], stream: [half(0), half(1)] };
            match <&mut [[u32; BLOCK]; L]>::try_from(&mut *out) {
                Ok(group) => make(&key, &blocks, group),
                Err(_) => {
                    let mut group = [[0; BLOCK]; L];
                    make(&key, &blocks, &mut group);
                    out.copy_from_slice(&group[..out.len()]);
                }
            }
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn key_words(&self) -> [u32; 8] {
        let words = self.0.as_chunks::<4>().0;
        std::array::from_fn(|i| u32::from_le_bytes(words[i]))
    }

    /// The 32 key bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A sequence of random words, in order from word 0 of its epoch.
#[derive(Clone)]
pub struct Words {
    rng: ChaCha8Rng,
}

impl Words {
    /// The next 32-bit word.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }

    /// Fills `out` with the next words.
    pub fn fill(&mut self, out: &mut [u32]) {
        for word in out {
            *word = self.rng.next_u32();
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

/// `(word * n) >> 32`: an integer below `n` (0 where `n` is 0).
///
/// There is no rejection, so that one draw always takes one word; some values are likelier than others by less
/// than `n / 2^32`.
#[inline]
pub const fn mulshift(word: u32, n: u32) -> u32 {
    ((word as u64 * n as u64) >> 32) as u32
}

/// A probability as an integer: the event happens where `word < round(p * 2^32)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Threshold(u64);

impl Threshold {
    /// The event that never happens.
    pub const NEVER: Threshold = Threshold(0);
    /// The event that always happens.
    pub const ALWAYS: Threshold = Threshold(1 << 32);

    /// The threshold of probability `p`, or `None` unless `0 <= p <= 1`.
    pub fn from_probability(p: f64) -> Option<Self> {
        (0.0..=1.0).contains(&p).then(|| Threshold((p * 4_294_967_296.0).round() as u64))
    }

    /// Whether the event happens for this word.
    #[inline]
    pub const fn hits(self, word: u32) -> bool {
        (word as u64) < self.0
    }

    /// The integer itself, `0..=2^32`.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The probability the integer stands for, exact.
    pub fn probability(self) -> f64 {
        self.0 as f64 / 4_294_967_296.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Of `RANDOM.md`'s table, and a second operation of one kind.
    const DOMAINS: [&str; 22] = [
        "order",
        "subset",
        "labels",
        "labels/resample",
        "labels/exact",
        "permute-shared",
        "permute-shared/amount",
        "permute",
        "permute/amount",
        "permute/resample",
        "gaussian",
        "gaussian/amount",
        "gaussian/resample",
        "gaussian/2",
        "labels/instance",
        "additive",
        "impulse",
        "shot",
        "shot/resample",
        "trigger/amount",
        "augment",
        "init",
    ];

    #[test]
    fn neighbouring_seeds_epochs_streams_and_domains_share_no_words() {
        // Pairs of words, so that a sequence that runs into another some blocks on is found too. Of 2.2 million random
        // 64-bit values two are equal once in 8 * 10^6 true implementations.
        let mut pairs = Vec::new();
        for domain in DOMAINS {
            for seed in [0, 1, 2, 41, 42, u64::MAX] {
                let key = Key::derive(domain, seed);
                for (stream, epoch) in
                    [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (49_999, 0), (50_000, 0), (1 << 40, u32::MAX)]
                {
                    let mut words = [0; 4096]; // 256 blocks
                    key.words(stream, epoch).fill(&mut words);
                    pairs.extend(words.as_chunks::<2>().0.iter().copied());
                }
            }
        }
        let count = pairs.len();
        pairs.sort_unstable();
        pairs.dedup();
        assert_eq!(pairs.len(), count);
    }

    proptest! {
        #[test]
        fn many_lanes_equal_one(
            (seed, stream, epoch) in (any::<u64>(), any::<u64>(), any::<u32>()),
            length in 0usize..1200,
            streams in proptest::collection::vec(any::<i64>(), 0..70),
        ) {
            let key = Key::derive("lanes", seed);
            let mut expected = vec![0; length];
            key.words(stream, epoch).fill(&mut expected);
            for simd in Simd::available() {
                let mut out = vec![0xEEEE; length];
                key.fill(simd, stream, epoch, &mut out);
                prop_assert_eq!(&out, &expected, "{}", simd);
                let mut blocks = vec![[0; BLOCK]; streams.len()];
                key.first_blocks(simd, &streams, epoch, &mut blocks);
                for (block, &stream) in blocks.iter().zip(&streams) {
                    prop_assert_eq!(*block, key.first::<BLOCK>(stream as u64, epoch), "{}", simd);
                }
            }
        }
    }

    #[test]
    fn an_epoch_holds_2_to_the_36_words() {
        // The last block of one epoch and the first of the next are neighbours in the counter, not the same.
        let key = Key::derive("augment", 7);
        let mut long = ChaCha8Rng::from_seed(*key.as_bytes());
        long.set_stream(3);
        long.set_word_pos((1u128 << 36) - 1);
        let last = long.next_u32();
        assert_eq!(long.next_u32(), key.words(3, 1).next_u32());
        assert_ne!(last, key.words(3, 1).next_u32());
    }

    #[test]
    fn thresholds_are_rounded_and_bounded() {
        assert_eq!(Threshold::from_probability(0.5).map(Threshold::raw), Some(1 << 31));
        assert_eq!(Threshold::from_probability(1.0), Some(Threshold::ALWAYS));
        assert!(Threshold::ALWAYS.hits(u32::MAX) && !Threshold::NEVER.hits(0));
        for bad in [-0.1, 1.000_001, f64::NAN, f64::INFINITY] {
            assert_eq!(Threshold::from_probability(bad), None);
        }
        assert_eq!(mulshift(u32::MAX, 10), 9);
        assert_eq!(mulshift(u32::MAX, 0), 0);
    }
}
