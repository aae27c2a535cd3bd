//! Encoded images: what can be asked of them, and from a JPEG to the image that the network sees.
//!
//! The rectangle is drawn from the sample's own sides, which are in the shard's head, before anything is decoded; then the
//! rectangle alone is decoded, and resized as it would be of a stored image.

use super::{Planned, Recipe, RecipeError};
use crate::{
    corrupt::{At, InputSpec, LabelSpec},
    dataset::Dataset,
    decode::{Colour, DecodeError, Region, RegionDecoder, conformance},
    dtype::Layout,
    error::Result,
    geometry::{Extent, MAX_SIDE, Placement, Resizer},
    normalise::Normalise,
    shape::ImageShape,
    spec::LoaderSpec,
};

/// The shape that `spec` makes of encoded images, if it asks for nothing that needs images of one shape.
pub(super) fn shape(
    dataset: &Dataset,
    spec: &LoaderSpec,
    channels: usize,
    labels: &LabelSpec,
    inputs: &InputSpec,
) -> Result<ImageShape, RecipeError> {
    let decoder = if cfg!(feature = "jpeg") { conformance::check() } else { Err(DecodeError::NoJpeg) };
    decoder.map_err(RecipeError::Decoder)?;
    let size = spec.crop.resized().filter(|&size| size <= MAX_SIDE);
    let shape = size.and_then(|size| ImageShape::new(channels, size, size).ok());
    let shape = shape.ok_or_else(|| RecipeError::EncodedCrop { crop: spec.crop.to_string() })?;
    if inputs.at() == At::Stored {
        return Err(RecipeError::Encoded { what: "corruption with at=stored" });
    }
    if matches!(labels, LabelSpec::InstanceDependent { .. }) {
        return Err(RecipeError::Encoded { what: "instance-dependent label noise" });
    }
    if spec.normalise == Normalise::Channel && !dataset.moments().are_taken() {
        return Err(RecipeError::NoMoments);
    }
    Ok(shape)
}

impl Recipe {
    /// Decodes of the JPEG `record` what `sample` needs, and resizes it into `out`, planar.
    pub(super) fn render_encoded(
        &self,
        sample: Planned,
        record: &[u8],
        decoder: &mut RegionDecoder,
        resizer: &mut Resizer,
        out: &mut [u8],
    ) -> Result<()> {
        let inner = &*self.inner;
        let bad = |error: DecodeError| inner.split.no_image(sample.rank, &error);
        // The head, which was checked, has sides that make a shape; if it has gone since, that is what is said.
        let [height, width, _] = inner.split.encoded_shape(sample.rank)?.unwrap_or_default();
        let shape_of = |height, width| {
            ImageShape::new(inner.shape.channels, height, width)
                .map_err(|_| bad(DecodeError::Size { width, height }))
        };
        let image = shape_of(height, width)?;
        let place =
            inner.spec.geometry().place(image, inner.shape, &inner.augment_key, sample.id, sample.epoch);
        let extent = place.resized.unwrap_or(Extent { height, width });
        let scale = inner.spec.decode.scale(extent.height, extent.width, inner.shape.height);
        let region =
            Region { row: place.row, column: place.column, height: extent.height, width: extent.width };
        let colour = if inner.shape.channels == 1 { Colour::Grey } else { Colour::Rgb };
        let pixels = decoder.decode(record, [height, width], region, scale, colour).map_err(bad)?;
        let Region { row, column, height, width } = pixels.region;
        let place = Placement { row, column, resized: Some(Extent { height, width }), ..place };
        let decoded = shape_of(pixels.height, pixels.width)?;
        place.render(resizer, pixels.values, Layout::Nhwc, decoded, inner.shape, out);
        Ok(())
    }
}
