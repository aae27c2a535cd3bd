//! Part of a JPEG, decoded without the rest: what a crop that was drawn beforehand needs.
//!
//! **Guarantee**: the pixels of a region are those of the whole image decoded and cut, bit by bit, whatever the sampling,
//! coding and size (`tests/region_pixels.rs`); of the image shrunk 2, 4 or 8 times likewise.
//!
//! **How**: libjpeg-turbo skips rows above a region (their codes are read, their pixels not made), stops below it, and makes
//! only the columns of blocks that it asks for. It takes the outermost columns asked for to be the edge of the image: the
//! linear upsampling of colour then has no neighbour to look at. So a chroma sample more is asked for on each side, from
//! the next edge of a block on the left, and the region is found inside what comes out. Rows need no such margin: the
//! library keeps those above and below that upsampling looks at.
//!
//! **Departures**: images are decoded whole where they are progressive (all scans must be read anyway; and of one that ends
//! after few scans the library smooths blocks by their neighbours, which are others beside a region); and where the library
//! does not know their sampling, or has another unit of columns for it than the frame says. At least 64 columns are decoded of
//! an image that has them, as upsampling of fewer than three chroma samples is another one.
//!
//! **Damage**: what the library does not read it cannot find damaged. A JPEG cut short below a region gives the region.
//!
//! **Cost**: one handle and one buffer, as large as the largest region so far, are kept from image to image.

use super::{Colour, DecodeError, JpegHeader, jpeg_header};
#[cfg(feature = "jpeg")]
use super::{
    Kind, MAX_SCANNED, MAX_SCANS, cmyk, luma,
    turbo::{Format, Part, Turbo},
};

/// Fewest columns that are decoded of an image that has them.
#[cfg(feature = "jpeg")]
const MIN_COLUMNS: usize = 64;

/// A rectangle of an image, in pixels of the image as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub row: usize,
    /// First column.
    pub column: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// Columns, at least 1.
    pub width: usize,
}

impl Region {
    /// The smallest rectangle of the image shrunk `scale` times that covers this one.
    pub fn shrunk(self, scale: usize) -> Region {
        let (row, column) = (self.row / scale, self.column / scale);
        Region {
            row,
            column,
            height: (self.row + self.height).div_ceil(scale) - row,
            width: (self.column + self.width).div_ceil(scale) - column,
        }
    }
}

/// Decoded pixels around a region: `[height, width, channels]`, as [`Pixels`](super::Pixels) are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionPixels<'a> {
    /// `height * width * channels` values.
    pub values: &'a [u8],
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Where in these pixels the region is.
    pub region: Region,
}

/// Decodes regions, one JPEG after another. One per thread.
#[derive(Debug, Default)]
pub struct RegionDecoder {
    #[cfg(feature = "jpeg")]
    turbo: Option<Turbo>,
    values: Vec<u8>,
}

impl RegionDecoder {
    /// A decoder that has allocated nothing yet.
    pub fn new() -> RegionDecoder {
        RegionDecoder::default()
    }

    /// The pixels of `region`, with the channels of `colour`, of the JPEG `jpeg` of `height` x `width` pixels shrunk `scale`
    /// times (1, 2, 4 or 8): then those of [`Region::shrunk`]. Orientation is not applied.
    ///
    /// # Errors
    /// [`DecodeError`] if it is no JPEG, not of that size, damaged as far as it is read, or breaks a limit.
    ///
    /// # Panics
    /// If `region` is empty or not inside `height` x `width`, or there is no such scale.
    pub fn decode(
        &mut self,
        jpeg: &[u8],
        [height, width]: [usize; 2],
        region: Region,
        scale: usize,
        colour: Colour,
    ) -> Result<RegionPixels<'_>, DecodeError> {
        let inside = region.row + region.height <= height && region.column + region.width <= width;
        assert!(
            region.height > 0 && region.width > 0 && inside && matches!(scale, 1 | 2 | 4 | 8),
            "{region:?}"
        );
        let header = jpeg_header(jpeg)?;
        if (header.height, header.width) != (height, width) {
            return Err(DecodeError::OtherSize {
                expected: [width, height],
                found: [header.width, header.height],
            });
        }
        self.read(jpeg, &header, region.shrunk(scale), scale, colour)
    }

    /// All pixels of the JPEG `jpeg`.
    ///
    /// # Errors
    /// As [`RegionDecoder::decode`].
    pub(crate) fn whole(&mut self, jpeg: &[u8], colour: Colour) -> Result<RegionPixels<'_>, DecodeError> {
        let header = jpeg_header(jpeg)?;
        let region = Region { row: 0, column: 0, height: header.height, width: header.width };
        self.read(jpeg, &header, region, 1, colour)
    }

    /// Takes the buffer that the last image was decoded into.
    pub(super) fn into_values(self) -> Vec<u8> {
        self.values
    }

    #[cfg(not(feature = "jpeg"))]
    fn read(
        &mut self,
        _: &[u8],
        _: &JpegHeader<'_>,
        _: Region,
        _: usize,
        _: Colour,
    ) -> Result<RegionPixels<'_>, DecodeError> {
        Err(DecodeError::NoJpeg)
    }

    /// The pixels of `region` of the image shrunk `scale` times.
    #[cfg(feature = "jpeg")]
    fn read(
        &mut self,
        jpeg: &[u8],
        header: &JpegHeader<'_>,
        region: Region,
        scale: usize,
        colour: Colour,
    ) -> Result<RegionPixels<'_>, DecodeError> {
        let damaged = |message: String| DecodeError::Damaged { kind: Kind::Jpeg, message };
        // Taken, and put back only when nothing went wrong: a decoder that has failed may be amid a marker.
        let mut turbo = self.turbo.take().map_or_else(Turbo::new, Ok).map_err(damaged)?;
        // A scan may cost next to no bytes and passes over the whole image.
        let pixels = header.width * header.height;
        let scans = (MAX_SCANNED / pixels as u64).min(MAX_SCANS.into()) as u32;
        let seen = turbo.read_header(jpeg, scans, pixels).map_err(damaged)?;
        if (seen.width, seen.height) != (header.width, header.height) {
            // Our walk over the segments and libjpeg's disagree: the file was made to confuse.
            return Err(damaged(format!("a second size, {} x {}", seen.width, seen.height)));
        }
        let image = [header.height.div_ceil(scale), header.width.div_ceil(scale)];
        let known = |&unit: &usize| header.components == 1 || unit == 8 * header.sampling;
        let unit = seen.unit.filter(known).filter(|_| !header.progressive);
        let (part, inside) = part(image, region, unit, scale);
        let format = match (header.components, colour) {
            (1, Colour::Grey) => Format::Grey,
            (1 | 3, _) => Format::Rgb, // grey three times, where the JPEG has one channel
            _ => Format::Cmyk,
        };
        let bytes = part.height * part.width * format.channels(); // at most 256 MiB: the size was bounded
        if self.values.len() < bytes {
            self.values.resize(bytes, 0);
        }
        match turbo.decode(jpeg, part, format, &mut self.values) {
            Ok(()) => {}
            Err(message) if all_pixels_were_decoded(&message) => {}
            Err(message) => return Err(damaged(message)),
        }
        self.turbo = Some(turbo);
        if format == Format::Cmyk {
            repack(&mut self.values[..bytes], cmyk::to_rgb);
        }
        let values = part.height * part.width;
        if format != Format::Grey && colour == Colour::Grey {
            repack(&mut self.values[..3 * values], |pixel| [luma(pixel)]);
        }
        let channels = colour.channels();
        Ok(RegionPixels {
            values: &self.values[..values * channels],
            height: part.height,
            width: part.width,
            channels,
            region: inside,
        })
    }
}

/// What is decoded for `region` of an image of these sides, and where the region lies in it. Columns can begin at multiples
/// of `unit`, or the scale's share of it.
#[cfg(feature = "jpeg")]
fn part([height, width]: [usize; 2], region: Region, unit: Option<usize>, scale: usize) -> (Part, Region) {
    let whole = Part { scale, at: None, height, width };
    let Some(unit) = unit else { return (whole, region) };
    // A chroma sample is as many pixels as there are blocks of 8 in a unit.
    let (margin, unit) = (if unit > 8 { unit / 8 } else { 0 }, unit.div_ceil(scale));
    let end = (region.column + region.width + margin).max(region.column + MIN_COLUMNS).min(width);
    let first = region.column.saturating_sub(margin).min(end.saturating_sub(MIN_COLUMNS)) / unit * unit;
    let part = Part { scale, at: Some((region.row, first)), height: region.height, width: end - first };
    if (part.height, part.width) == (height, width) {
        return (whole, region);
    }
    (part, Region { row: 0, column: region.column - first, ..region })
}

/// Makes K values of every N, in place; `K` is at most `N`.
#[cfg(feature = "jpeg")]
fn repack<const N: usize, const K: usize>(values: &mut [u8], make: impl Fn([u8; N]) -> [u8; K]) {
    for i in 0..values.len() / N {
        let Some(&pixel) = values[i * N..].first_chunk::<N>() else { return };
        values[i * K..][..K].copy_from_slice(&make(pixel));
    }
}

/// Whether libjpeg's first warning is that bytes are left over before the end marker (ff d9). It looks for that marker
/// when the last scan has been decoded, so nothing was wrong until then, and nothing can be after. The same warning
/// before another marker says nothing of what follows, as later warnings are not told.
#[cfg(feature = "jpeg")]
fn all_pixels_were_decoded(message: &str) -> bool {
    message.contains("extraneous bytes before marker 0xd9")
}
