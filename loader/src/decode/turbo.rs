//! JPEG through libjpeg-turbo, with the settings that decide pixels at their defaults: slow integer DCT, fancy (linear)
//! upsampling. These are Pillow's, whose pixels come out.

use turbojpeg::{Decompressor, Image, PixelFormat};

use super::{DecodeError, Kind, MAX_SCANNED, MAX_SCANS, Pixels, Probe, cmyk};

/// The pixels, with one or three channels.
pub(super) fn decode(bytes: &[u8], probe: &Probe) -> Result<Pixels, DecodeError> {
    let damaged = |message: String| DecodeError::Damaged { kind: Kind::Jpeg, message };
    let mut decompressor = Decompressor::new().map_err(|e| damaged(e.to_string()))?;
    // A scan may cost next to no bytes and passes over the whole image.
    let scans = (MAX_SCANNED / (probe.width * probe.height) as u64).min(MAX_SCANS.into());
    decompressor.set_scan_limit(scans as u32).map_err(|e| damaged(e.to_string()))?;
    let header = decompressor.read_header(bytes).map_err(|e| damaged(e.to_string()))?;
    let (width, height) = (probe.width, probe.height);
    if (header.width, header.height) != (width, height) {
        // Our walk over the segments and libjpeg's disagree: the file was made to confuse.
        return Err(damaged(format!("a second size, {} x {}", header.width, header.height)));
    }
    let (format, channels) = match probe.channels {
        1 => (PixelFormat::GRAY, 1),
        3 => (PixelFormat::RGB, 3),
        _ => (PixelFormat::CMYK, 4),
    };
    let mut values = vec![0; width * height * channels]; // at most 256 MiB: the size was bounded
    let image = Image { pixels: &mut values[..], width, pitch: width * channels, height, format };
    match decompressor.decompress(bytes, image) {
        Ok(()) => {}
        Err(error) if all_pixels_were_decoded(&error.to_string()) => {}
        Err(error) => return Err(damaged(error.to_string())),
    }
    if channels == 4 {
        values = values.as_chunks::<4>().0.iter().flat_map(|&ink| cmyk::to_rgb(ink)).collect();
    }
    Ok(Pixels { width, height, channels: channels.min(3), values })
}

/// Whether libjpeg's first warning is that bytes are left over before the end marker (ff d9). It looks for that marker
/// when the last scan has been decoded, so nothing was wrong until then, and nothing can be after. The same warning
/// before another marker says nothing of what follows, as later warnings are not told.
fn all_pixels_were_decoded(message: &str) -> bool {
    message.contains("extraneous bytes before marker 0xd9")
}
