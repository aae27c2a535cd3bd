//! Image files as JPEG records: copied where nothing has to change, else decoded and encoded anew.
//!
//! A JPEG is copied, byte for byte and undecoded, if it is upright and no resize or crop changes it. Everything else is
//! turned, resized, cropped and encoded by libjpeg-turbo at the quality asked for: other kinds of files, images that
//! their EXIF block says are to be turned (a loader decodes parts of records as they are stored, and must not see one lying
//! on its side), and images that are resized. Only these lose anything.

use super::{ImageOptions, place::Entry, survey::Surveyed};
use crate::decode::{DecodeError, Kind, Orientation, Probe, encode};

/// Bytes that ten pixels of an image encoded anew are expected to take, about what photographs do at quality 90.
const BYTES_PER_10_PIXELS: u64 = 3;

/// Whether the file is copied.
pub(super) fn is_copied(options: &ImageOptions, probe: &Probe, size: (usize, usize)) -> bool {
    let upright = !options.exif || probe.orientation == Orientation::Upright;
    probe.kind == Kind::Jpeg && upright && size == (probe.width, probe.height)
}

/// The record made of the file `bytes`, which `surveyed` tells of.
pub(super) fn record(
    options: &ImageOptions,
    bytes: Vec<u8>,
    surveyed: &Surveyed,
) -> Result<Vec<u8>, DecodeError> {
    let (probe, size) = surveyed.image.clone()?;
    if is_copied(options, &probe, size) {
        return Ok(bytes);
    }
    let quality = options.encode.unwrap_or_default().quality;
    encode(&options.pixels(&bytes)?, quality)
}

/// About how many bytes the records of `entries` take: those of the files that are copied, and a share of the pixels of
/// the others, but not more than their files.
pub(super) fn expected_bytes(options: &ImageOptions, entries: &[(Entry, Surveyed)]) -> u64 {
    let expected = |(_, surveyed): &(Entry, Surveyed)| match &surveyed.image {
        Ok((probe, size)) if !is_copied(options, probe, *size) => {
            (size.0 as u64 * size.1 as u64 * BYTES_PER_10_PIXELS / 10).clamp(1, surveyed.bytes.max(1))
        }
        _ => surveyed.bytes,
    };
    entries.iter().map(expected).sum()
}
