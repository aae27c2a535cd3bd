//! The bytes of one image file to 8-bit pixels, the same on every machine.
//!
//! What a file is, its first bytes say, never its name. JPEG goes through libjpeg-turbo (feature `jpeg`; slow integer
//! DCT, fancy upsampling), PNG, GIF, BMP and WebP through the `image` crate. The rules, which together are called
//! [`DECODER`]:
//!
//! * grey becomes RGB by repeating the value; RGB becomes grey by `(19595 R + 38470 G + 7471 B + 32768) >> 16`
//!   (ITU-R 601 luma, as Pillow);
//! * the values of a JPEG of four channels (CMYK, or YCCK, which libjpeg-turbo makes CMYK of) are taken for 255 minus the
//!   ink, as Adobe's programs store them and Pillow reads them; with k the stored black and i = 255 minus a stored ink,
//!   its colour becomes `k - ((t + (t >> 8)) >> 8)`, `t = i k + 128`: k less i k / 255, to nearest (as Pillow);
//! * of 16-bit values the high byte is kept; alpha is dropped, not composited, so a transparent pixel has the colour
//!   that is stored; of an animation the first frame is taken, on black where it does not cover its canvas;
//! * the EXIF orientation is applied, unless told otherwise (torchvision's `ImageFolder` does not); an EXIF block that
//!   cannot be followed counts as absent;
//! * colour profiles (ICC, gamma) are ignored;
//! * a JPEG whose decoder warns (data cut short, damaged codes) is refused. Bytes left over before the end marker are
//!   not: all pixels were decoded by then.
//!
//! A decoder is named by what it decodes to: [`conformance`] holds small files and the digests of their pixels, and
//! sources refuse to read with a decoder that gives others.
//!
//! Hostile files: sides are read and bounded ([`MAX_PIXELS`]) before any pixel is allocated, a decode takes at most
//! about 1 GiB, a progressive JPEG has at most [`MAX_SCANS`] scans, of at most [`MAX_SCANNED`] pixels
//! together.

#[cfg(feature = "jpeg")]
mod cmyk;
pub mod conformance;
mod encode;
mod error;
mod exif;
mod fit;
mod jpeg_header;
mod kind;
mod orientation;
mod profile;
mod raster;
mod region;
mod resize;
#[cfg(feature = "jpeg")]
#[allow(unsafe_code)] // calls into libjpeg-turbo
mod turbo;

use jpeg_header::JpegHeader;

pub use encode::ENCODER;
pub(crate) use encode::encode;
pub use error::DecodeError;
pub use fit::{Fit, Resize};
pub use kind::Kind;
pub use orientation::Orientation;
pub use profile::Profile;
pub use region::{Region, RegionDecoder, RegionPixels};
pub use resize::{RESIZER, Resizer};

/// Name and version of the rules of this module.
pub const DECODER: &str = "rfx-pixels/1";

/// Most pixels of an image: 64 Mi.
pub const MAX_PIXELS: u64 = 64 << 20;

/// Most scans of a progressive JPEG; encoders make about ten.
pub const MAX_SCANS: u32 = 100;

/// Most pixels that all scans of a progressive JPEG may pass over: 16 scans of the largest image.
pub const MAX_SCANNED: u64 = 16 * MAX_PIXELS;

/// Largest image file in bytes: several times the largest photograph.
pub const MAX_FILE_BYTES: u64 = 256 << 20;

/// Which channels pixels get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Three: red, green, blue.
    #[default]
    Rgb,
    /// One.
    Grey,
}

impl Colour {
    /// Number of channels.
    pub const fn channels(self) -> usize {
        match self {
            Colour::Rgb => 3,
            Colour::Grey => 1,
        }
    }

    /// `rgb` or `grey`.
    pub const fn name(self) -> &'static str {
        match self {
            Colour::Rgb => "rgb",
            Colour::Grey => "grey",
        }
    }
}

/// How to decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// Which channels pixels get.
    pub colour: Colour,
    /// Whether the image is turned as its EXIF orientation says.
    pub exif: bool,
}

impl Default for DecodeOptions {
    /// RGB, orientation applied.
    fn default() -> Self {
        DecodeOptions { colour: Colour::Rgb, exif: true }
    }
}

/// Pixels: rows from the top, in a row pixels from the left, in a pixel its channels; `[height, width, channels]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// `height * width * channels` values.
    pub values: Vec<u8>,
}

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What it is.
    pub kind: Kind,
    /// Columns as stored.
    pub width: usize,
    /// Rows as stored.
    pub height: usize,
    /// Channels as stored: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha, or CMYK in a JPEG.
    pub channels: usize,
    /// How it is to be turned.
    pub orientation: Orientation,
}

impl Probe {
    /// Width and height as decoded.
    pub fn size(&self, options: &DecodeOptions) -> (usize, usize) {
        if options.exif && self.orientation.swaps_sides() {
            (self.height, self.width)
        } else {
            (self.width, self.height)
        }
    }
}

/// Reads the header of the image file `bytes`, and bounds its sides. Costs no memory to speak of.
///
/// # Errors
/// [`DecodeError`] if it is no image, or one that is refused.
pub fn probe(bytes: &[u8]) -> Result<Probe, DecodeError> {
    let probe = match Kind::of(bytes)? {
        Kind::Jpeg => {
            let header = jpeg_header(bytes)?;
            Probe {
                kind: Kind::Jpeg,
                width: header.width,
                height: header.height,
                channels: header.components,
                orientation: header.exif.map(Orientation::of_exif_block).unwrap_or_default(),
            }
        }
        kind => raster::probe(kind, bytes)?,
    };
    bounded(probe.width, probe.height)?;
    Ok(probe)
}

/// The header of the JPEG `bytes`, its sides bounded.
fn jpeg_header(bytes: &[u8]) -> Result<JpegHeader<'_>, DecodeError> {
    let kind = Kind::of(bytes)?;
    if kind != Kind::Jpeg {
        let (expected, found) = ("a JPEG".into(), kind.to_string());
        return Err(DecodeError::Field { kind, field: "kind", offset: 0, expected, found });
    }
    let header = jpeg_header::read(bytes)?;
    bounded(header.width, header.height)?;
    Ok(header)
}

fn bounded(width: usize, height: usize) -> Result<(), DecodeError> {
    let pixels = width as u64 * height as u64;
    if pixels == 0 || pixels > MAX_PIXELS {
        return Err(DecodeError::Size { width, height });
    }
    Ok(())
}

/// Decodes the image file `bytes`. Memory: up to four times the pixels, several times the file.
///
/// # Errors
/// [`DecodeError`] if it is no image, is damaged in any way, or breaks a limit.
pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Pixels, DecodeError> {
    let probe = probe(bytes)?;
    let pixels = match probe.kind {
        Kind::Jpeg => {
            let mut decoder = RegionDecoder::new();
            let (height, width, channels) = {
                let pixels = decoder.whole(bytes, options.colour)?;
                (pixels.height, pixels.width, pixels.channels)
            };
            let mut values = decoder.into_values();
            values.truncate(height * width * channels);
            Pixels { width, height, channels, values }
        }
        kind => raster::decode(kind, bytes, &probe)?.coloured(options.colour),
    };
    Ok(if options.exif { probe.orientation.upright(pixels) } else { pixels })
}

impl Pixels {
    /// The same image with the channels of `colour`.
    fn coloured(self, colour: Colour) -> Pixels {
        let values = match (self.channels, colour) {
            (1, Colour::Rgb) => self.values.iter().flat_map(|&v| [v; 3]).collect(),
            (3, Colour::Grey) => self.values.as_chunks::<3>().0.iter().map(|&p| luma(p)).collect(),
            _ => self.values,
        };
        Pixels { channels: colour.channels(), values, ..self }
    }

    /// The `height` rows and `width` columns from row `top` and column `left`, which must be there.
    pub(crate) fn crop(&self, top: usize, left: usize, height: usize, width: usize) -> Pixels {
        let row = self.width * self.channels;
        let part = left * self.channels..(left + width) * self.channels;
        let rows = self.values.chunks_exact(row).skip(top).take(height);
        let values = rows.flat_map(|r| &r[part.clone()]).copied().collect();
        Pixels { width, height, channels: self.channels, values }
    }
}

/// ITU-R 601 luma in 16-bit fixed point, as Pillow computes it.
fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((u32::from(r) * 19595 + u32::from(g) * 38470 + u32::from(b) * 7471 + 0x8000) >> 16) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grey_is_repeated_and_colour_weighted() {
        let grey = Pixels { width: 2, height: 1, channels: 1, values: vec![7, 250] };
        let rgb = grey.clone().coloured(Colour::Rgb);
        assert_eq!((rgb.channels, &rgb.values[..]), (3, &[7, 7, 7, 250, 250, 250][..]));
        // The weights add up to 2^16, so grey comes back, and 255 does not overflow.
        for v in 0..=255 {
            assert_eq!(luma([v; 3]), v);
        }
        assert_eq!([luma([255, 0, 0]), luma([0, 255, 0]), luma([0, 0, 255])], [76, 150, 29]);
        assert_eq!(rgb.coloured(Colour::Grey), grey);
    }

    #[cfg(not(feature = "jpeg"))]
    #[test]
    fn without_its_decoder_a_jpeg_is_probed_and_its_decoding_says_how_to_build() {
        let jpeg = conformance::CASES.iter().find(|c| c.name == "rgb420.jpg").expect("a JPEG");
        assert_eq!(probe(jpeg.bytes).map(|p| p.kind), Ok(Kind::Jpeg));
        let error = decode(jpeg.bytes, &DecodeOptions::default()).expect_err("no decoder");
        assert_eq!(error, DecodeError::NoJpeg);
        assert!(error.to_string().contains("feature `jpeg`"));
    }

    #[test]
    fn a_crop_takes_its_rows_and_columns() {
        let values: Vec<u8> = (0..24).collect();
        let pixels = Pixels { width: 4, height: 2, channels: 3, values };
        assert_eq!(pixels.crop(1, 2, 1, 2).values, [18, 19, 20, 21, 22, 23]);
        assert_eq!(pixels.crop(0, 0, 2, 4), pixels);
    }
}
