//! Interleaved records as planes.

use super::{Extent, Kernel, Source};

/// Values of a row: no shorter than a kernel's load.
pub(super) fn row_len(width: usize) -> usize {
    width.max(16)
}

/// Copies the rectangle of `extent` at `(row, column)` of an interleaved record into planes of rows of [`row_len`] values;
/// what a row has more is never used.
pub(super) fn split(
    kernel: Kernel,
    source: Source<'_>,
    (row, column): (usize, usize),
    extent: Extent,
    planes: &mut Vec<u8>,
) {
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
            split_row(kernel, pixels(y), [red, green, blue].map(|row| &mut row[..extent.width]));
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

/// One row of three channels; each of `colours` has as many values as there are pixels.
fn split_row(kernel: Kernel, pixels: &[u8], colours: [&mut [u8]; 3]) {
    match kernel {
        Kernel::Portable => split_portable(pixels, colours),
        #[cfg(target_arch = "x86_64")]
        Kernel::Avx2(avx2) => {
            let (whole, rest) = pixels.as_chunks();
            let [red, green, blue] = colours.map(|colour| colour.as_chunks_mut());
            avx2.split(whole, [red.0, green.0, blue.0]);
            split_portable(rest, [red.1, green.1, blue.1]);
        }
    }
}

fn split_portable(pixels: &[u8], [red, green, blue]: [&mut [u8]; 3]) {
    let values = red.iter_mut().zip(green).zip(blue);
    for (&[r, g, b], ((red, green), blue)) in pixels.as_chunks().0.iter().zip(values) {
        (*red, *green, *blue) = (r, g, b);
    }
}
