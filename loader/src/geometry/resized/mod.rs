//! A rectangle of an image, resized to the square the network sees: torchvision's `RandomResizedCrop(antialias=True)` of
//! u8 images, in integers (`RANDOM.md` section 3), so that every machine makes the same bytes.
//!
//! Rows first, then columns, each rounded once to u8 (Pillow's and torchvision's order), with a triangle filter that
//! widens where the image shrinks. Each row that is needed is resized once, into a band of rows that stays in the first
//! cache. Mirroring reverses a table, and costs nothing. A record's bytes are never read beyond its rows.
//!
//! Both passes have a portable form, which defines them, and one for AVX2, chosen at run time. Rows are left to the
//! portable form where outputs' pixels lie too far apart for a shuffle: from a scale of about 3 on.
//!
//! A 3 x 224 x 224 image of a 3 x 256 x 256 record, of the default areas, takes about 27 us with AVX2 where the record is
//! in the second cache (18 us from 60 x 80 pixels, 46 us from all), 5 us more where it is interleaved, and about 300 us
//! without. AVX-512 (VBMI, VNNI) was tried on Zen 4: rows and columns were a tenth faster, too little for more unsafe code.

mod band;
mod draw;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod planes;
mod portable;
#[cfg(test)]
mod tests;
mod weights;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // vectors: loads at places that the table was made to keep inside rows
mod x86;

pub(super) use draw::Window;

use self::{band::Band, weights::Axis};
use super::Placement;
use crate::{
    dtype::Layout,
    shape::ImageShape,
    simd::{Level, Simd},
};

/// Largest side of an image that is resized, before and after, so that weights are found in 64 bits.
pub(crate) const MAX_SIDE: usize = 65_535;

/// Values that rows between the passes are filled up to a multiple of, so that no kernel has a remainder to deal with.
const BLOCK: usize = 32;

/// Rows and columns of a rectangle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub height: usize,
    pub width: usize,
}

/// The image a rectangle is cut from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub record: &'a [u8],
    pub layout: Layout,
    pub stored: ImageShape,
}

/// What one thread resizes with: weights of the present image, and its rows on the way. Its memory is allocated with the
/// first image of a shape: about 20 KB for 224 x 224 of 256 x 256, and an image more for interleaved records.
#[derive(Debug)]
pub(crate) struct Resizer {
    kernel: Kernel,
    columns: Axis,
    rows: Axis,
    #[cfg(target_arch = "x86_64")]
    lanes: lanes::Lanes,
    band: Band,
    planes: Vec<u8>,
    /// The shapes, before and after, that there is memory for.
    reserved: Option<(ImageShape, ImageShape)>,
}

/// How rows are resized.
#[derive(Clone, Copy, Debug)]
enum Kernel {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
}

impl Kernel {
    /// The fastest with these instructions.
    fn of(simd: Simd) -> Kernel {
        match simd.level() {
            Level::Portable => Kernel::Portable,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 | Level::Avx512 => Kernel::Avx2(x86::Avx2::of(simd)),
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("`Simd` is of this processor"),
        }
    }
}

impl Resizer {
    /// One that uses these instructions.
    pub fn new(simd: Simd) -> Resizer {
        Resizer {
            kernel: Kernel::of(simd),
            columns: Axis::default(),
            rows: Axis::default(),
            #[cfg(target_arch = "x86_64")]
            lanes: lanes::Lanes::default(),
            band: Band::default(),
            planes: Vec::new(),
            reserved: None,
        }
    }

    /// Resizes the rectangle of `extent` at `placement` to `shape`, mirrored where the placement says so, planar into `out`.
    pub(super) fn resize(
        &mut self,
        placement: Placement,
        extent: Extent,
        source: Source<'_>,
        shape: ImageShape,
        out: &mut [u8],
    ) {
        self.reserve(source, shape);
        let Resizer { kernel, columns, rows, band, planes, .. } = self;
        let kernel = *kernel;
        let Placement { row, column, mirrored, .. } = placement;
        let planar = source.layout == Layout::Nchw || source.stored.channels == 1;
        let ((row, column), plane, row_len) = if planar {
            ((row, column), source.stored.positions(), source.stored.width)
        } else {
            planes::split(kernel, source, (row, column), extent, planes);
            let row_len = planes::row_len(extent.width);
            ((0, 0), extent.height * row_len, row_len)
        };
        let values = if planar { source.record } else { planes };

        columns.fill(column, extent.width, shape.width, mirrored);
        rows.fill(0, extent.height, shape.height, false);
        #[cfg(target_arch = "x86_64")]
        let shuffled = matches!(kernel, Kernel::Avx2(_)) && self.lanes.fill(columns, row_len);
        band.reset(shape.width.next_multiple_of(BLOCK), rows.taps);
        for (plane, out) in values.chunks_exact(plane).zip(out.chunks_exact_mut(shape.positions())) {
            band.clear();
            let outputs = rows.first.iter().zip(rows.weights.chunks_exact(rows.stride));
            for ((&first, weights), out) in outputs.zip(out.chunks_exact_mut(shape.width)) {
                let first = first as usize;
                while let Some((number, to)) = band.next_below(first, first + rows.taps) {
                    let from = &plane[(row + number) * row_len..][..row_len];
                    match kernel {
                        #[cfg(target_arch = "x86_64")]
                        Kernel::Avx2(avx2) if shuffled => avx2.horizontal(&self.lanes, from, to),
                        _ => portable::horizontal(columns, from, to),
                    }
                }
                match kernel {
                    #[cfg(target_arch = "x86_64")]
                    Kernel::Avx2(avx2) => avx2.vertical(band.from(first), band.stride(), weights, out),
                    Kernel::Portable => portable::vertical(band.from(first), band.stride(), weights, out),
                }
            }
        }
    }

    /// Makes room for any rectangle of images of this shape, so that later ones allocate nothing.
    fn reserve(&mut self, source: Source<'_>, shape: ImageShape) {
        if self.reserved == Some((source.stored, shape)) {
            return;
        }
        self.reserved = Some((source.stored, shape));
        let stored = source.stored;
        self.columns.reserve(stored.width, shape.width);
        self.rows.reserve(stored.height, shape.height);
        self.band.reset(shape.width.next_multiple_of(BLOCK), Axis::taps(stored.height, shape.height));
        #[cfg(target_arch = "x86_64")]
        self.lanes.reserve(shape.width, Axis::taps(stored.width, shape.width));
        if source.layout == Layout::Nhwc {
            let values = stored.channels * stored.height * planes::row_len(stored.width);
            self.planes.reserve(values.saturating_sub(self.planes.len()));
        }
    }
}
