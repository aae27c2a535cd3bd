//! From u8 values to the numbers a network sees: `y = (f32(x) - m) * a`, one subtraction and one multiplication,
//! never fused, so that every machine makes the same bits.
//!
//! | [`Normalise`] | m | a |
//! |---|---|---|
//! | `none` | - | - (the value itself, 0..=255) |
//! | `whiten` | the image's own mean | 1 / max(its deviation, 255 / sqrt(N)), over all N values |
//! | `channel` | the train split's mean of the channel | 1 / its deviation |
//!
//! `whiten` is TensorFlow's `per_image_whitening` (Zhang et al. 2017, appendix A) within 2e-6.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // loads and stores of vectors
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // as above
mod avx512;
mod cast;
mod moments;
#[cfg(target_arch = "x86_64")]
mod rows;
mod view;

use serde::{Deserialize, Serialize};

use self::moments::{Sums, image_affine};
use crate::{
    dtype::{Dtype, UnknownName},
    simd::{Ahead, Level, Simd},
};

pub(crate) use self::{moments::channel_affine, view::View};

/// How pixel values are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalise {
    /// Values as stored, 0..=255.
    #[default]
    None,
    /// Per image: mean 0, deviation 1 (population), with a floor for flat images.
    Whiten,
    /// Per channel, by the train split's moments.
    Channel,
}

impl Normalise {
    /// The name used in specs, flags and files.
    pub const fn name(self) -> &'static str {
        match self {
            Normalise::None => "none",
            Normalise::Whiten => "whiten",
            Normalise::Channel => "channel",
        }
    }
}

impl std::str::FromStr for Normalise {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Normalise::None, Normalise::Whiten, Normalise::Channel]
            .into_iter()
            .find(|n| n.name() == text)
            .ok_or_else(|| UnknownName {
                field: "normalise",
                found: text.into(),
                expected: "none, whiten, channel",
            })
    }
}

/// The two numbers of `y = (x - mean) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    pub mean: f32,
    pub scale: f32,
}

impl Affine {
    const IDENTITY: Affine = Affine { mean: 0.0, scale: 1.0 };

    #[inline]
    fn of(self, value: u8) -> f32 {
        // Two roundings: Rust never contracts them into a fused multiply-add.
        (f32::from(value) - self.mean) * self.scale
    }
}

/// One pair per channel.
#[derive(Clone, Debug)]
pub(crate) struct Channels {
    pub affines: Vec<Affine>,
    /// Means and scales once around and as many more as a vector has: a vector of values of which the first is of channel
    /// c takes its pairs from c on.
    means: Vec<f32>,
    scales: Vec<f32>,
}

/// Most values that a vector of any kernel has.
const MOST_LANES: usize = 16;

impl Channels {
    pub fn new(affines: Vec<Affine>) -> Self {
        let around = || affines.iter().cycle().take(affines.len() + MOST_LANES);
        let (means, scales) = around().map(|a| (a.mean, a.scale)).unzip();
        Channels { affines, means, scales }
    }
}

/// Which pair is whose.
#[derive(Clone, Copy)]
enum Pairs<'a> {
    /// All values'.
    Same(Affine),
    /// Each plane's own.
    Planes(&'a [Affine]),
    /// The channels of a row take turns.
    Lanes(&'a Channels),
}

/// Normalisation resolved against a data set.
#[derive(Clone, Debug)]
pub(crate) enum Scaling {
    /// `x` itself.
    None,
    /// From each image.
    PerImage,
    /// One pair per channel.
    PerChannel(Channels),
}

impl Scaling {
    /// Writes the values of `view`, in its order, to `out` in `dtype`, little-endian; `out` has exactly
    /// `view.len() * dtype.size_bytes()` bytes. `stream` says that nobody will find them in a cache, so that they
    /// may go past it. Meanwhile `upcoming` is asked for.
    #[inline]
    #[allow(unsafe_code)] // calls what is compiled for the instructions that `simd` stands for
    pub fn write(
        &self,
        simd: Simd,
        view: View<'_>,
        dtype: Dtype,
        out: &mut [u8],
        stream: bool,
        upcoming: &mut Ahead<'_>,
    ) {
        assert_eq!(out.len(), view.len() * dtype.size_bytes());
        if dtype == Dtype::U8 {
            upcoming.rest();
            return cast::copy(view.joined(), out);
        }
        let (view, pairs) = match self {
            Scaling::None => (view.joined(), Pairs::Same(Affine::IDENTITY)),
            Scaling::PerImage => {
                let view = view.joined();
                (view, Pairs::Same(image_affine(view.len(), sums(simd, view))))
            }
            Scaling::PerChannel(channels) if view.lanes() == 1 => (view, Pairs::Planes(&channels.affines)),
            Scaling::PerChannel(channels) => (view, Pairs::Lanes(channels)),
        };
        match simd.level() {
            _ if view.width() < MOST_LANES => cast::write(view, dtype, pairs, out),
            Level::Portable => cast::write(view, dtype, pairs, out),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `simd` is proof of AVX2 and F16C.
            Level::Avx2 => unsafe { avx2::write(view, dtype, pairs, out, stream, upcoming) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `simd` is proof of AVX-512.
            Level::Avx512 => unsafe { avx512::write(view, dtype, pairs, out, stream, upcoming) },
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("`Simd` is of this processor"),
        }
        upcoming.rest();
    }
}

#[inline]
#[allow(unsafe_code)] // calls what is compiled for the instructions that `simd` stands for
fn sums(simd: Simd, view: View<'_>) -> Sums {
    match simd.level() {
        Level::Portable => moments::sums(view),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `simd` is proof of AVX2.
        Level::Avx2 => unsafe { avx2::sums(view) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `simd` is proof of AVX-512.
        Level::Avx512 => unsafe { avx512::sums(view) },
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("`Simd` is of this processor"),
    }
}

/// The pair that whitens an image.
#[cfg(test)]
pub(crate) fn image_affine_of(image: &[u8]) -> Affine {
    let mut sums = Sums::default();
    sums.add(image);
    image_affine(image.len(), sums)
}
