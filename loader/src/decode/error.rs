//! Why an image file was refused. The path is added by whoever knows it.

use super::{Kind, MAX_PIXELS};

/// An image file that is none, is damaged, or is more than is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The first bytes are of no kind that is read.
    #[error("first bytes: expected a JPEG, PNG, GIF, BMP or WebP image, found {found}")]
    Unknown {
        /// What is there.
        found: String,
    },
    /// A header that breaks a rule.
    #[error("{kind} {field} at byte {offset}: expected {expected}, found {found}")]
    Field {
        /// What the file is.
        kind: Kind,
        /// Which part of it.
        field: &'static str,
        /// Byte offset in the file.
        offset: usize,
        /// The rule.
        expected: String,
        /// What is there.
        found: String,
    },
    /// No pixels, or too many to be decoded.
    #[error("size: expected 1 to {MAX_PIXELS} pixels, found {width} x {height}")]
    Size {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// An image of another size than was recorded.
    #[error("size: expected {} x {} pixels as recorded, found {} x {}", expected[0], expected[1], found[0], found[1])]
    OtherSize {
        /// Columns and rows as recorded.
        expected: [usize; 2],
        /// Columns and rows that the header tells.
        found: [usize; 2],
    },
    /// A side that no JPEG can have.
    #[error("size: expected sides of at most {limit} pixels to encode, found {width} x {height}")]
    Sides {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
        /// The longest side.
        limit: usize,
    },
    /// More bytes than an image file may have.
    #[error("length: expected at most {limit} bytes, found {found}")]
    Length {
        /// The limit.
        limit: u64,
        /// The file's length.
        found: u64,
    },
    /// The image is too small for its crop.
    #[error("size: expected at least {crop} x {crop} pixels to crop, found {width} x {height}")]
    Crop {
        /// Side of the crop.
        crop: usize,
        /// Columns after resizing.
        width: usize,
        /// Rows after resizing.
        height: usize,
    },
    /// The decoder found damage.
    #[error("{kind} data: {message}")]
    Damaged {
        /// What the file is.
        kind: Kind,
        /// What the decoder said.
        message: String,
    },
    /// This program was built without libjpeg-turbo.
    #[error(
        "expected a decoder for JPEG, found a program built without; build with the feature `jpeg` (it needs cmake and nasm)"
    )]
    NoJpeg,
    /// A decoder or resizer that does not give the pixels it should.
    #[error("{name}: expected pixels {expected}, found {found}; build rfx with the versions of Cargo.lock")]
    Conformance {
        /// Which test image.
        name: &'static str,
        /// Digest of the right pixels.
        expected: String,
        /// Digest of this build's.
        found: String,
    },
}
