//! What label noise sees of a data set.

use crate::{dataset::Class, shape::ImageShape, shard::FormatError};

/// The samples of a whole split, in id order, as label noise sees them.
pub(crate) struct Samples<'a> {
    pub ids: &'a [i64],
    /// Clean labels, each a class.
    pub labels: &'a [i64],
    pub classes: &'a [Class],
    pub images: &'a dyn Images,
}

/// The stored images of a split, for noise that depends on them.
pub(crate) trait Images {
    fn shape(&self) -> ImageShape;

    /// Writes the image of the sample at `rank` to `out`, planar.
    fn read(&self, rank: usize, out: &mut [u8]) -> Result<(), FormatError>;
}

/// For noise that looks at no image.
#[cfg(test)]
pub(crate) fn no_images() -> &'static dyn Images {
    struct NoImages;
    impl Images for NoImages {
        fn shape(&self) -> ImageShape {
            panic!("no image is looked at")
        }
        fn read(&self, _: usize, _: &mut [u8]) -> Result<(), FormatError> {
            panic!("no image is looked at")
        }
    }
    &NoImages
}
