//! Interleaved records as planes.

use super::{Extent, Source};

/// Values of a row: no shorter than the longest load of a kernel.
pub(super) fn row_len(width: usize) -> usize {
    width.max(64)
}

/// Copies the rectangle of `extent` at `(row, column)` of an interleaved record into planes of rows of [`row_len`] values;
/// what a row has more is never used.
pub(super) fn split(source: Source<'_>, (row, column): (usize, usize), extent: Extent, planes: &mut Vec<u8>) {
    let (channels, len) = (source.stored.channels, row_len(extent.width));
    let plane = extent.height * len;
    planes.resize(channels * plane, 0);
    let pixels = |y: usize| {
        let from = ((row + y) * source.stored.width + column) * channels;
        &source.record[from..][..extent.width * channels]
    };
    if channels == 3 {
        // The usual case in one pass.
        let (red, rest) = planes.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        let rows = red.chunks_exact_mut(len).zip(green.chunks_exact_mut(len)).zip(blue.chunks_exact_mut(len));
        for (y, ((red, green), blue)) in rows.enumerate() {
            let values = red.iter_mut().zip(green).zip(blue);
            for (&[r, g, b], ((red, green), blue)) in pixels(y).as_chunks().0.iter().zip(values) {
                (*red, *green, *blue) = (r, g, b);
            }
        }
        return;
    }
    for (channel, plane) in planes.chunks_exact_mut(plane).enumerate() {
        for (y, values) in plane.chunks_exact_mut(len).enumerate() {
            for (value, pixel) in values.iter_mut().zip(pixels(y).chunks_exact(channels)) {
                *value = pixel[channel];
            }
        }
    }
}
