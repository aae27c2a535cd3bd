//! Which vector instructions are used, and the hint that fetches memory ahead of its use.
//!
//! Every kernel has a portable form, and forms for the instructions named here. All make the same bytes, so which one
//! runs is no part of a recipe's identity; `tests/same_bytes.rs` and the property tests beside the kernels hold them
//! equal.

use std::{fmt, str::FromStr, sync::OnceLock};

use crate::dtype::UnknownName;

/// A set of instructions that this processor is known to have. It can be had for those alone, and so is the proof that
/// calling code compiled for them is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Simd(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    Portable,
    /// With F16C, which came before it.
    Avx2,
    /// F, BW, DQ and VL.
    Avx512,
}

impl Simd {
    /// What the compiler makes for every machine of the architecture.
    pub const PORTABLE: Simd = Simd(Level::Portable);

    /// The most that this processor has. Asks it once.
    pub fn best() -> Simd {
        static BEST: OnceLock<Simd> = OnceLock::new();
        *BEST.get_or_init(|| {
            #[cfg(target_arch = "x86_64")]
            {
                use std::arch::is_x86_feature_detected as has;
                let avx2 = has!("avx2") && has!("f16c");
                if avx2 && has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl") {
                    return Simd(Level::Avx512);
                }
                if avx2 {
                    return Simd(Level::Avx2);
                }
            }
            Simd::PORTABLE
        })
    }

    /// All that this processor has, the least first.
    pub fn available() -> impl Iterator<Item = Simd> {
        let all = [Level::Portable, Level::Avx2, Level::Avx512].map(Simd);
        all.into_iter().filter(|&simd| simd <= Simd::best())
    }

    /// `portable`, `avx2` or `avx512`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Level::Portable => "portable",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    #[inline]
    pub(crate) const fn level(self) -> Level {
        self.0
    }
}

impl Default for Simd {
    /// [`Simd::best`].
    fn default() -> Simd {
        Simd::best()
    }
}

impl fmt::Display for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Simd {
    type Err = UnknownName;
    /// By name; a set that this processor lacks is refused as an unknown one is.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Simd::available().find(|simd| simd.name() == text).ok_or_else(|| UnknownName {
            field: "simd",
            found: text.into(),
            expected: match Simd::best().0 {
                Level::Portable => "portable (this processor has no AVX2)",
                Level::Avx2 => "portable, avx2 (this processor has no AVX-512)",
                Level::Avx512 => "portable, avx2, avx512",
            },
        })
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Memory that the processor is asked to bring into its second-level cache, a line at a time, while something else is
/// done. Only hints, which read nothing and cannot fault.
///
/// Shuffled records are what the loader waits for: the processor's own prefetcher sees no pattern between them. Into L2
/// and not L1, because requests for L1 hold the few buffers that the work of the moment needs too: copies of shuffled
/// CIFAR-10 records took 0.34 us each without hints, 0.35 with hints for L1, and 0.19 with these. A line at a time,
/// because a burst of them waits for buffers as well: of 0.65 us for a whitened crop, 0.28 were spent so.
#[derive(Debug)]
pub(crate) struct Ahead<'a>(&'a [u8]);

impl<'a> Ahead<'a> {
    /// All of `bytes`, of which nothing has been asked for yet.
    pub fn of(bytes: &'a [u8]) -> Self {
        Ahead(bytes)
    }

    /// Asks for the next line, if there is one.
    #[inline(always)] // into kernels compiled for other instructions than this function would be
    pub fn line(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if !self.0.is_empty() {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            // SAFETY: a hint has no effect that a program could see, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(self.0.as_ptr().cast()) };
        }
        self.0 = self.0.get(LINE..).unwrap_or_default();
    }

    /// Asks for all that is left.
    #[inline]
    pub fn rest(&mut self) {
        while !self.0.is_empty() {
            self.line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_is_available_and_named() {
        let all: Vec<Simd> = Simd::available().collect();
        assert_eq!((all.first(), all.last()), (Some(&Simd::PORTABLE), Some(&Simd::best())));
        for simd in all {
            assert_eq!(simd.name().parse::<Simd>().unwrap(), simd);
        }
        assert!("sse9".parse::<Simd>().unwrap_err().to_string().contains("portable"));
        let (bytes, mut lines) = ([0; 1000], 0);
        let mut ahead = Ahead::of(&bytes);
        while !ahead.0.is_empty() {
            ahead.line();
            lines += 1;
        }
        assert_eq!(lines, 16);
        ahead.line();
        Ahead::of(&bytes).rest();
    }
}
