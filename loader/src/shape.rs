//! Shape of one image, and of the images of a data set.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Channels, height and width of an image; each at least 1, their product at most [`ImageShape::MAX_VALUES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "[usize; 3]", into = "[usize; 3]")]
pub struct ImageShape {
    /// Channels: 1 for grey, 3 for RGB.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A shape outside the limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "image shape {channels}x{height}x{width} is out of range: each side must be at least 1 and the product at most {}",
    ImageShape::MAX_VALUES
)]
pub struct ShapeError {
    channels: usize,
    height: usize,
    width: usize,
}

impl ImageShape {
    /// Most values an image may have: 2^31, so that every index fits the 32-bit words permutations are drawn from.
    pub const MAX_VALUES: usize = 1 << 31;

    /// A shape of `channels` x `height` x `width`.
    ///
    /// # Errors
    /// [`ShapeError`] if a side is 0 or the product exceeds [`ImageShape::MAX_VALUES`].
    pub fn new(channels: usize, height: usize, width: usize) -> Result<Self, ShapeError> {
        let product = channels.checked_mul(height).and_then(|p| p.checked_mul(width));
        match product {
            Some(1..=Self::MAX_VALUES) => Ok(ImageShape { channels, height, width }),
            _ => Err(ShapeError { channels, height, width }),
        }
    }

    /// Number of values, which is also the number of bytes of a `u8` image.
    pub const fn values(self) -> usize {
        self.channels * self.height * self.width
    }

    /// Number of positions, `height * width`.
    pub const fn positions(self) -> usize {
        self.height * self.width
    }
}

impl TryFrom<[usize; 3]> for ImageShape {
    type Error = ShapeError;
    fn try_from([c, h, w]: [usize; 3]) -> Result<Self, ShapeError> {
        ImageShape::new(c, h, w)
    }
}

impl From<ImageShape> for [usize; 3] {
    fn from(s: ImageShape) -> Self {
        [s.channels, s.height, s.width]
    }
}

impl fmt::Display for ImageShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

/// Shape of the images of a data set. As three numbers it is channels, height and width, the last two 0 where each image
/// has sides of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "[usize; 3]", into = "[usize; 3]")]
pub enum ElementShape {
    /// One shape for all.
    Fixed(ImageShape),
    /// Encoded images, each with sides of its own.
    Encoded {
        /// Channels as decoded: 1 for grey, 3 for RGB.
        channels: usize,
    },
}

impl ElementShape {
    /// Channels of every image.
    pub const fn channels(self) -> usize {
        match self {
            ElementShape::Fixed(shape) => shape.channels,
            ElementShape::Encoded { channels } => channels,
        }
    }

    /// The shape of every image, where there is one.
    pub const fn fixed(self) -> Option<ImageShape> {
        match self {
            ElementShape::Fixed(shape) => Some(shape),
            ElementShape::Encoded { .. } => None,
        }
    }

    /// Bytes of a record that is stored as it is, where all have as many.
    pub(crate) fn record_bytes(self) -> Option<usize> {
        self.fixed().map(ImageShape::values)
    }
}

impl TryFrom<[usize; 3]> for ElementShape {
    type Error = ShapeError;
    fn try_from([channels, height, width]: [usize; 3]) -> Result<Self, ShapeError> {
        match (channels, height, width) {
            (1 | 3, 0, 0) => Ok(ElementShape::Encoded { channels }),
            _ => ImageShape::new(channels, height, width).map(ElementShape::Fixed),
        }
    }
}

impl From<ElementShape> for [usize; 3] {
    fn from(shape: ElementShape) -> Self {
        match shape {
            ElementShape::Fixed(shape) => shape.into(),
            ElementShape::Encoded { channels } => [channels, 0, 0],
        }
    }
}

impl fmt::Display for ElementShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ElementShape::Fixed(shape) => shape.fmt(f),
            ElementShape::Encoded { channels } => write!(f, "{channels} channels, sizes of their own"),
        }
    }
}
