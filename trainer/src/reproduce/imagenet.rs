//! Whether a data set is like ImageNet, so that Table 2 can be run with the network that the paper has there.

use rfx_loader::{Dataset, shape::ElementShape};

use crate::error::{Result, TrainError};

use super::grid::{Grid, GridError};

/// Side of the images that the paper trains Inception v3 on.
const SIDE: usize = 299;
/// Training images of a class, on average, below which it would learn nothing.
const OF_A_CLASS: usize = 50;

/// Whether its images are large enough or photographs as files, in colour, and enough.
///
/// # Errors
/// The loader's own.
pub fn is_like_imagenet(dataset: &Dataset) -> Result<bool> {
    let large = match dataset.element_shape() {
        ElementShape::Fixed(shape) => shape.height.min(shape.width) >= SIDE,
        // Photographs of any size, which are resized.
        ElementShape::Encoded { .. } => true,
    };
    let train = dataset.split("train").map_err(rfx_loader::Error::from).map_err(TrainError::from)?;
    let enough = train.len() >= OF_A_CLASS * dataset.classes().len();
    Ok(dataset.element_shape().channels() == 3 && large && enough)
}

/// The grid of Table 2 on such a set.
///
/// # Errors
/// None that a test of the shipped grids would not have found.
pub fn table2_of_imagenet() -> std::result::Result<Grid, GridError> {
    Grid::from_toml(include_str!("../../grids/table2-imagenet.toml"), "table2-imagenet.toml")
}
