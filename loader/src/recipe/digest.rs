//! The loader spec's digest: over resolved integers, never over text or floats.

use super::{Inner, OnBadRecord};
use crate::{
    corrupt::InputSpec,
    decode::{DECODER, conformance},
    digest::{Digest, Hasher},
    geometry::Crop,
    normalise::Scaling,
    order::OrderKind,
};

/// Normative order in `RANDOM.md`, section "Spec digest".
pub(super) fn spec_digest(inner: &Inner) -> Digest {
    let spec = &inner.spec;
    let mut hasher = Hasher::new("rfx v1 loader-spec");
    hasher.text(&spec.split);

    // Corruption, as this split gets it. Where nothing is drawn, its seed decides nothing.
    let drawn = inner.label_spec.uses_seed() || inner.input_spec != InputSpec::default();
    hasher.u64(if drawn { inner.corruption_seed } else { 0 });
    inner.labels.hash_into(&mut hasher);
    inner.inputs.hash_into(&mut hasher);

    // Geometry and the shape the network sees.
    let (kind, size) = match spec.crop {
        Crop::None => (0, 0),
        Crop::Center(size) => (1, size),
        Crop::Random(size) => (2, size),
        Crop::RandomResized { size, .. } => (3, size),
        Crop::CenterResized(size) => (4, size),
    };
    hasher.u32(kind).u64(size as u64);
    if let Crop::RandomResized { area, .. } = spec.crop {
        let [least, most] = area.bounds();
        hasher.u64(least).u64(most);
    }
    hasher.u32(u32::from(spec.flip) | u32::from(spec.rotate) << 1);
    hasher.u64(inner.shape.channels as u64).u64(inner.shape.height as u64).u64(inner.shape.width as u64);

    // Values.
    match &inner.scaling {
        Scaling::None => {
            hasher.u32(0);
        }
        Scaling::PerImage => {
            hasher.u32(1);
        }
        Scaling::PerChannel(channels) => {
            hasher.u32(2);
            for affine in &channels.affines {
                hasher.u32(affine.mean.to_bits()).u32(affine.scale.to_bits());
            }
        }
    }
    hasher.u32(spec.dtype as u32).u32(spec.layout as u32);

    // Batches and order.
    hasher.u64(spec.batch as u64).u32(spec.drop_last.into()).u32(spec.order.code());
    if let OrderKind::Windowed(windows) = spec.order {
        // Which rows are neighbours is a matter of the files.
        hasher.u32(windows.rows()).u32(windows.block()).bytes(inner.dataset.pack().as_bytes());
    }
    match &inner.subset {
        None => {
            hasher.u32(0);
        }
        Some(ranks) => {
            hasher.u32(1).u64(ranks.len() as u64);
            for &rank in ranks {
                hasher.i64(inner.split.ids()[rank as usize]);
            }
        }
    }

    // Only where it is given, so that other specs keep their digests.
    if let Some(column) = &spec.label_column {
        hasher.text("label-column").text(column).u32(inner.classes.len() as u32);
    }
    // Of encoded images also how they are decoded.
    if inner.dataset.element_shape().fixed().is_none() {
        hasher.text("jpeg").text(DECODER).bytes(conformance::identity().as_bytes());
        hasher.u32(spec.decode as u32);
        if spec.on_bad != OnBadRecord::Fail {
            hasher.text("on-bad").u32(spec.on_bad as u32);
        }
    }
    hasher.finish()
}
