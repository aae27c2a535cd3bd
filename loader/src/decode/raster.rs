//! PNG, GIF, BMP and WebP through the `image` crate.
//!
//! Its decoders are safe Rust, but a panic in one of them is still theirs and not ours: it becomes an error of the
//! file. Limits are given to the decoders, and the size is checked here before a buffer for the pixels is made.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use image::{
    ColorType, ImageDecoder, ImageResult, Limits,
    codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, webp::WebPDecoder},
};

use super::{DecodeError, Kind, Orientation, Pixels, Probe};

/// What a decoder may allocate besides the pixels: rows, tables, and what else a file carries, such as a colour profile
/// that is compressed.
const MAX_DECODER_BYTES: u64 = 256 << 20;

/// Opens `bytes`, and hands the decoder to `then`.
fn with<T>(
    kind: Kind,
    bytes: &[u8],
    then: impl FnOnce(&mut dyn Opened) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let damaged = |message: String| DecodeError::Damaged { kind, message: crate::shard::shown(&message) };
    let reader = Cursor::new(bytes);
    let run = || -> Result<T, DecodeError> {
        let error = |e: image::ImageError| damaged(e.to_string());
        match kind {
            Kind::Png => then(&mut Some(PngDecoder::with_limits(reader, limits()).map_err(error)?)),
            Kind::Gif => then(&mut Some(GifDecoder::new(reader).map_err(error)?)),
            Kind::Bmp => then(&mut Some(BmpDecoder::new(reader).map_err(error)?)),
            Kind::WebP => then(&mut Some(WebPDecoder::new(reader).map_err(error)?)),
            Kind::Jpeg => unreachable!("JPEG has a decoder of its own"),
        }
    };
    // Nothing that a panic could leave half-made outlives the call.
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(damaged("the decoder panicked".into())))
}

/// What is asked of a decoder, once it is open.
trait Opened {
    fn describe(&mut self) -> ImageResult<(u32, u32, ColorType, Option<Vec<u8>>)>;
    fn read(&mut self) -> ImageResult<Vec<u8>>;
}

/// `None` once its pixels were read, which uses a decoder up.
impl<D: ImageDecoder> Opened for Option<D> {
    fn describe(&mut self) -> ImageResult<(u32, u32, ColorType, Option<Vec<u8>>)> {
        let decoder = self.as_mut().expect("pixels are read last");
        let (width, height) = decoder.dimensions();
        // A block that cannot be read is as if it were not there.
        Ok((width, height, decoder.color_type(), decoder.exif_metadata().ok().flatten()))
    }

    fn read(&mut self) -> ImageResult<Vec<u8>> {
        let mut decoder = self.take().expect("pixels are read once");
        decoder.set_limits(limits())?;
        let bytes = decoder.total_bytes();
        // The size was bounded by the probe, so this is at most 8 bytes for each of 64 Mi pixels.
        let mut out = vec![0; usize::try_from(bytes).expect("at most 512 MiB")];
        decoder.read_image(&mut out)?;
        Ok(out)
    }
}

fn limits() -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    limits
}

/// What the header says.
pub(super) fn probe(kind: Kind, bytes: &[u8]) -> Result<Probe, DecodeError> {
    with(kind, bytes, |decoder| {
        let described = decoder.describe();
        let (width, height, colour, block) = described
            .map_err(|e| DecodeError::Damaged { kind, message: crate::shard::shown(&e.to_string()) })?;
        Ok(Probe {
            kind,
            width: width as usize,
            height: height as usize,
            channels: usize::from(colour.channel_count()),
            orientation: block.as_deref().map(Orientation::of_exif_block).unwrap_or_default(),
        })
    })
}

/// The pixels, with one or three channels.
pub(super) fn decode(kind: Kind, bytes: &[u8], probe: &Probe) -> Result<Pixels, DecodeError> {
    with(kind, bytes, |decoder| {
        let error = |e: image::ImageError| DecodeError::Damaged {
            kind,
            message: crate::shard::shown(&e.to_string()),
        };
        let (.., colour, _) = decoder.describe().map_err(error)?;
        let stored = decoder.read().map_err(error)?;
        let values = match colour {
            ColorType::L8 | ColorType::Rgb8 => stored,
            ColorType::La8 => first::<2, 1>(&stored),
            ColorType::Rgba8 => first::<4, 3>(&stored),
            ColorType::L16 | ColorType::Rgb16 => high_bytes(&stored),
            ColorType::La16 => first::<2, 1>(&high_bytes(&stored)),
            ColorType::Rgba16 => first::<4, 3>(&high_bytes(&stored)),
            other => {
                return Err(DecodeError::Damaged { kind, message: format!("pixels of type {other:?}") });
            }
        };
        let channels = if colour.has_color() { 3 } else { 1 };
        Ok(Pixels { width: probe.width, height: probe.height, channels, values })
    })
}

/// The first `K` of every `N` values.
fn first<const N: usize, const K: usize>(values: &[u8]) -> Vec<u8> {
    values.as_chunks::<N>().0.iter().flat_map(|p| &p[..K]).copied().collect()
}

/// The high bytes of 16-bit values in this machine's order, which is how `image` gives them.
fn high_bytes(values: &[u8]) -> Vec<u8> {
    values.as_chunks::<2>().0.iter().map(|v| v[1]).collect() // little-endian: see lib.rs
}
