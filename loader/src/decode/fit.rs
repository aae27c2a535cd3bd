//! From photographs of every size to images of one: resize, then crop the centre.

use std::{fmt, str::FromStr};

use super::{DecodeError, MAX_PIXELS, Pixels, Resizer};
use crate::dtype::UnknownName;

/// Largest side a resize or crop may ask for.
const MAX_SIDE: usize = 65_535;

/// What an image is resized to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resize {
    /// The shorter side becomes so many pixels, the longer one `floor(shorter * long / short)`, as torchvision's `Resize`
    /// computes it; an image that has the size already is left as it is.
    Shorter(usize),
    /// As [`Resize::Shorter`], but an image whose shorter side has no more pixels is left as it is.
    ShorterAtMost(usize),
    /// The longer side becomes so many pixels at most, the shorter one `floor(longer * short / long)`, at least 1; an image
    /// whose longer side has no more is left as it is.
    LongerAtMost(usize),
    /// So many rows and columns, whatever the proportions were.
    Exact {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

impl Resize {
    /// Width and height of an image of `width` x `height` after it.
    fn size(self, (width, height): (usize, usize)) -> (usize, usize) {
        match self {
            Resize::Exact { height, width } => (width, height),
            Resize::ShorterAtMost(side) if width.min(height) <= side => (width, height),
            Resize::LongerAtMost(side) if width.max(height) <= side => (width, height),
            Resize::LongerAtMost(side) => {
                let (short, long) = (width.min(height), width.max(height));
                let other = (side as u64 * short as u64 / long as u64).max(1) as usize;
                if width >= height { (side, other) } else { (other, side) }
            }
            Resize::Shorter(side) | Resize::ShorterAtMost(side) => {
                let (short, long) = (width.min(height), width.max(height));
                // Both are below 2^26, and side below 2^16.
                let other = (side as u64 * long as u64 / short as u64) as usize;
                if width <= height { (side, other) } else { (other, side) }
            }
        }
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Resize::Shorter(side) => write!(f, "{side}"),
            Resize::ShorterAtMost(side) => write!(f, "shorter:{side}"),
            Resize::LongerAtMost(side) => write!(f, "longer:{side}"),
            Resize::Exact { height, width } => write!(f, "{height}x{width}"),
        }
    }
}

impl FromStr for Resize {
    type Err = UnknownName;
    /// `S`, the shorter side; `shorter:S` or `longer:S`, that side at most; or `HxW`.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let side = |t: &str| t.parse().ok().filter(|s| (1..=MAX_SIDE).contains(s));
        let parsed = match (text.split_once(':'), text.split_once('x')) {
            (Some(("shorter", s)), _) => side(s).map(Resize::ShorterAtMost),
            (Some(("longer", s)), _) => side(s).map(Resize::LongerAtMost),
            (_, None) => side(text).map(Resize::Shorter),
            (_, Some((h, w))) => side(h).zip(side(w)).map(|(height, width)| Resize::Exact { height, width }),
        };
        let expected = "S for the shorter side, shorter:S or longer:S for at most S, or HxW, each 1 to 65535";
        parsed.ok_or(UnknownName { field: "resize", found: text.into(), expected })
    }
}

/// Resize, then crop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fit {
    /// What the image is resized to, if at all.
    pub resize: Option<Resize>,
    /// Side of the square cut out of its centre: rows from `floor((height - side) / 2)`, columns alike, as the crop
    /// `center:S` of a loader.
    pub crop: Option<usize>,
}

impl Fit {
    /// Width and height of an image of `width` x `height` (each at least 1) after it.
    ///
    /// # Errors
    /// [`DecodeError::Size`] if resizing makes it too large, [`DecodeError::Crop`] if it is smaller than the crop.
    pub fn size(&self, size: (usize, usize)) -> Result<(usize, usize), DecodeError> {
        let (width, height) = self.resize.map_or(size, |r| r.size(size));
        if !(1..=MAX_PIXELS).contains(&(width as u64 * height as u64)) {
            return Err(DecodeError::Size { width, height });
        }
        match self.crop {
            Some(crop) if crop > width.min(height) => Err(DecodeError::Crop { crop, width, height }),
            Some(crop) => Ok((crop, crop)),
            None => Ok((width, height)),
        }
    }

    /// The image after it.
    ///
    /// # Errors
    /// As [`Fit::size`].
    pub fn apply(&self, mut pixels: Pixels, resizer: &mut Resizer) -> Result<Pixels, DecodeError> {
        let (width, height) = self.size((pixels.width, pixels.height))?;
        if let Some(resize) = self.resize {
            let (width, height) = resize.size((pixels.width, pixels.height));
            pixels = resizer.resize(pixels, width, height);
        }
        if self.crop.is_some() {
            let (top, left) = ((pixels.height - height) / 2, (pixels.width - width) / 2);
            pixels = pixels.crop(top, left, height, width);
        }
        Ok(pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shorter_side_is_met_and_the_longer_is_rounded_down() {
        // What torchvision's Resize(256) makes of photographs of these sizes (width, height).
        for (size, expected) in [
            ((500, 375), (341, 256)),
            ((375, 500), (256, 341)),
            ((256, 256), (256, 256)),
            ((1, 1000), (256, 256_000)),
            ((4288, 2848), (385, 256)),
        ] {
            assert_eq!(Resize::Shorter(256).size(size), expected);
        }
        assert_eq!(Resize::Exact { height: 2, width: 5 }.size((9, 9)), (5, 2));
        for (size, shorter, longer) in [
            ((500, 375), (341, 256), (256, 192)),
            ((375, 500), (256, 341), (192, 256)),
            ((300, 256), (300, 256), (256, 218)),
            ((9, 256), (9, 256), (9, 256)),
            ((1, 1000), (1, 1000), (1, 256)),
        ] {
            assert_eq!(Resize::ShorterAtMost(256).size(size), shorter);
            assert_eq!(Resize::LongerAtMost(256).size(size), longer);
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused_before_it_is_made() {
        let fit = |resize, crop| Fit { resize, crop };
        assert_eq!(fit(None, None).size((3, 2)), Ok((3, 2)));
        assert_eq!(fit(Some(Resize::Shorter(256)), Some(224)).size((500, 375)), Ok((224, 224)));
        let error = fit(None, Some(224)).size((500, 200)).unwrap_err();
        assert_eq!(error, DecodeError::Crop { crop: 224, width: 500, height: 200 });
        let long = fit(Some(Resize::Shorter(256)), None).size((1, 65_535));
        assert!(matches!(long, Err(DecodeError::Size { height: 16_776_960, .. })) || long.is_ok());
        let huge = fit(Some(Resize::Shorter(65_535)), None).size((1, 65_535));
        assert!(matches!(huge, Err(DecodeError::Size { .. })));
    }

    #[test]
    fn resizes_round_trip_as_text() {
        for resize in [
            Resize::Shorter(1),
            Resize::Shorter(65_535),
            Resize::ShorterAtMost(256),
            Resize::LongerAtMost(512),
            Resize::Exact { height: 32, width: 48 },
        ] {
            assert_eq!(resize.to_string().parse(), Ok(resize));
        }
        for bad in [
            "",
            "0",
            "-1",
            "longer:",
            "longer:0",
            "wider:9",
            "shorter:1x2",
            "65536",
            "32x",
            "x32",
            "1x2x3",
            "32 x 48",
            "1e3",
        ] {
            assert!(bad.parse::<Resize>().is_err(), "{bad}");
        }
    }
}
