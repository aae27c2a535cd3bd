//! Stored images of a split, for label noise that depends on them.

use crate::{
    corrupt::label::Images,
    dataset::{Dataset, Split},
    geometry::Placement,
    shape::ImageShape,
    shard::FormatError,
};

pub(super) struct StoredImages<'a> {
    pub dataset: &'a Dataset,
    pub split: &'a Split,
}

impl Images for StoredImages<'_> {
    fn shape(&self) -> ImageShape {
        self.dataset.shape()
    }

    fn read(&self, rank: usize, out: &mut [u8]) -> Result<(), FormatError> {
        let (shape, layout) = (self.dataset.shape(), self.dataset.layout());
        Placement::WHOLE.copy(self.split.record(rank)?, layout, shape, shape, out);
        Ok(())
    }
}
