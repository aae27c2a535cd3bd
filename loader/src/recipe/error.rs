//! Loader specs that do not fit their data set.

use crate::{
    decode::DecodeError,
    geometry::{Crop, MAX_SIDE},
    shape::ImageShape,
};

/// A loader spec that does not fit its data set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecipeError {
    /// A batch of no samples, or of absurdly many.
    #[error("batch size {found}: expected 1 to {}", RecipeError::MAX_BATCH)]
    Batch {
        /// The size asked for.
        found: usize,
    },
    /// Whitened or normalised values do not fit bytes.
    #[error(
        "normalise `{normalise}` with dtype `u8`: scaled values are not bytes; use f32, f16 or bf16, or normalise `none`"
    )]
    Dtype {
        /// The normalisation asked for.
        normalise: &'static str,
    },
    /// A crop larger than the images.
    #[error("crop `{crop}` of images of {stored}: expected a side of 1 to {}", stored.height.min(stored.width))]
    Crop {
        /// The crop asked for.
        crop: String,
        /// Shape of a stored image.
        stored: ImageShape,
    },
    /// A crop that is resized to too large an image, or from one.
    #[error(
        "crop `{crop}` of images of {stored}: expected a side of at most {}, at most {} values in all, and images of a \
         side of at most {0}",
        MAX_SIDE,
        ImageShape::MAX_VALUES
    )]
    ResizedCrop {
        /// The crop asked for.
        crop: String,
        /// Shape of a stored image.
        stored: ImageShape,
    },
    /// A crop that gives encoded images, of sides of their own, no one shape.
    #[error(
        "crop `{crop}` of encoded images, which have sides of their own: expected random-resized:S to train on, or \
         center-resized:S, with S at most {MAX_SIDE} and at most {} values in all",
        ImageShape::MAX_VALUES
    )]
    EncodedCrop {
        /// The crop asked for.
        crop: String,
    },
    /// Something that needs images of one shape.
    #[error(
        "{what}: expected images of one shape, found encoded ones with sides of their own; pack them without --codec jpeg \
         (with --resize and --crop), or do without"
    )]
    Encoded {
        /// What was asked for.
        what: &'static str,
    },
    /// Scaling by channel where nothing is known of the channels.
    #[error(
        "normalise `channel`: expected moments of the train split, found none: they were not taken; pack with --stats, or \
         use another normalisation"
    )]
    NoMoments,
    /// Encoded images that this program decodes to other pixels, or not at all.
    #[error(transparent)]
    Decoder(DecodeError),
    /// A random resized crop that is also to be turned.
    #[error("rotate {rotate} with crop `{crop}`: resized images are not turned; use `random:S`, or rotate 0")]
    RotatedResize {
        /// The degrees asked for.
        rotate: u8,
        /// The crop asked for.
        crop: String,
    },
    /// A rotation by more than half a turn.
    #[error("rotate {found}: expected at most {} degrees to either side", crate::geometry::MAX_ROTATION)]
    Rotation {
        /// The degrees asked for.
        found: u8,
    },
    /// `drop_last` would leave nothing.
    #[error("{samples} samples make no full batch of {batch}: use a smaller batch, or keep the last one")]
    NoFullBatch {
        /// Samples of an epoch.
        samples: usize,
        /// The batch size.
        batch: usize,
    },
    /// A step past the end of the epoch.
    #[error("step {step}: an epoch has {steps} steps, numbered from 0")]
    Step {
        /// The step asked for.
        step: u64,
        /// Steps of an epoch.
        steps: u64,
    },
    /// Images cannot be kept, as they change from epoch to epoch.
    #[error(
        "images cannot be kept: {what} differs from epoch to epoch; do without keeping them, or make it fixed"
    )]
    ViewsChange {
        /// What changes.
        what: &'static str,
    },
    /// Not enough memory to keep images in.
    #[error(
        "keeping all images takes {needed} bytes, and {available} are available: do without, or use a subset"
    )]
    ViewMemory {
        /// Bytes of all images.
        needed: u64,
        /// Bytes that can be had.
        available: u64,
    },
    /// A batch that does not fit the address space.
    #[error(
        "a batch of {samples} samples of {row_bytes} bytes does not fit the address space: use a smaller batch"
    )]
    TooLarge {
        /// Samples.
        samples: usize,
        /// Bytes of one sample's input.
        row_bytes: usize,
    },
}

impl RecipeError {
    /// What is wrong with a crop that cannot be had of such images.
    pub(super) fn crop(crop: Crop, stored: ImageShape) -> RecipeError {
        match crop {
            Crop::RandomResized { .. } | Crop::CenterResized(_) => {
                RecipeError::ResizedCrop { crop: crop.to_string(), stored }
            }
            _ => RecipeError::Crop { crop: crop.to_string(), stored },
        }
    }

    /// Most samples of a global batch: 2^24.
    pub const MAX_BATCH: usize = 1 << 24;
}
