//! Pixels to a JPEG, the same bytes on every machine: libjpeg-turbo's slow integer DCT, baseline, the standard's Huffman
//! tables, colour halved both ways (4:2:0).

#[cfg(feature = "jpeg")]
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

#[cfg(feature = "jpeg")]
use super::Kind;
use super::{DecodeError, Pixels};

/// Name and version of the encoder, and what it is made of.
pub const ENCODER: &str = "rfx-jpeg/1 (turbojpeg-sys 1.2.0, baseline, 4:2:0)";

/// The JPEG of `pixels` at `quality`, 1 to 100.
///
/// # Errors
/// [`DecodeError::Sides`] where a side is longer than a JPEG can have; [`DecodeError::NoJpeg`] without the feature.
#[cfg(feature = "jpeg")]
pub(crate) fn encode(pixels: &Pixels, quality: u8) -> Result<Vec<u8>, DecodeError> {
    let Pixels { width, height, channels, ref values } = *pixels;
    let failed = |e: turbojpeg::Error| DecodeError::Damaged { kind: Kind::Jpeg, message: e.to_string() };
    if width.max(height) > MAX_SIDE {
        return Err(DecodeError::Sides { width, height, limit: MAX_SIDE });
    }
    let mut compressor = Compressor::new().map_err(failed)?;
    compressor.set_quality(quality.into()).map_err(failed)?;
    let (format, sampling) = match channels {
        1 => (PixelFormat::GRAY, Subsamp::Gray),
        _ => (PixelFormat::RGB, Subsamp::Sub2x2),
    };
    compressor.set_subsamp(sampling).map_err(failed)?;
    let image = Image { pixels: &values[..], width, pitch: width * channels, height, format };
    compressor.compress_to_vec(image).map_err(failed)
}

/// Largest side of an image that libjpeg-turbo encodes (its `JPEG_MAX_DIMENSION`).
#[cfg(feature = "jpeg")]
const MAX_SIDE: usize = 65_500;

/// There is no encoder.
///
/// # Errors
/// [`DecodeError::NoJpeg`].
#[cfg(not(feature = "jpeg"))]
pub(crate) fn encode(_: &Pixels, _: u8) -> Result<Vec<u8>, DecodeError> {
    Err(DecodeError::NoJpeg)
}

#[cfg(all(test, feature = "jpeg"))]
mod tests {
    use super::*;
    use crate::decode::{DecodeOptions, decode};

    #[test]
    fn what_is_encoded_decodes_to_nearly_the_same() {
        for channels in [1, 3] {
            let values = (0..40 * 30 * channels).map(|i| (i / channels % 40 * 5) as u8).collect();
            let pixels = Pixels { width: 40, height: 30, channels, values };
            let jpeg = encode(&pixels, 95).unwrap();
            assert_eq!(encode(&pixels, 95).unwrap(), jpeg);
            let back = decode(&jpeg, &DecodeOptions::default()).unwrap();
            assert_eq!((back.width, back.height), (40, 30));
            let values = back.values.chunks_exact(3).zip(pixels.values.chunks_exact(channels));
            assert!(values.clone().all(|(a, b)| a[0].abs_diff(b[0]) < 12));
        }
        let long = Pixels { width: 65_501, height: 1, channels: 1, values: vec![0; 65_501] };
        assert!(matches!(encode(&long, 90), Err(DecodeError::Sides { limit: 65_500, .. })));
    }

    #[test]
    fn the_version_named_is_the_version_used() {
        let lock = include_str!("../../../Cargo.lock");
        let at = lock.find("name = \"turbojpeg-sys\"\n").expect("a dependency");
        let version = lock[at..].lines().nth(1).and_then(|l| l.split('"').nth(1)).expect("a version");
        assert!(ENCODER.contains(&format!("turbojpeg-sys {version},")), "{version}");
    }
}
