//! Stored images of a split, for label noise that depends on them.

use std::cell::RefCell;

use crate::{
    corrupt::label::Images,
    dataset::{Dataset, Split},
    geometry::Placement,
    shape::ImageShape,
    shard::{Decoder, FormatError},
};

pub(super) struct StoredImages<'a> {
    dataset: &'a Dataset,
    split: &'a Split,
    shape: ImageShape,
    decoder: RefCell<Decoder>,
}

impl<'a> StoredImages<'a> {
    pub fn new(dataset: &'a Dataset, split: &'a Split, shape: ImageShape) -> Self {
        StoredImages { dataset, split, shape, decoder: RefCell::new(Decoder::new()) }
    }
}

impl Images for StoredImages<'_> {
    fn shape(&self) -> ImageShape {
        self.shape
    }

    fn read(&self, rank: usize, out: &mut [u8]) -> Result<(), FormatError> {
        let (shape, layout) = (self.shape, self.dataset.layout());
        Placement::WHOLE.copy(
            self.split.record(rank, &mut self.decoder.borrow_mut())?,
            layout,
            shape,
            shape,
            out,
        );
        Ok(())
    }
}
