//! The values of one image, wherever they lie: a window of a record, or a scratch image.

use crate::{dtype::Layout, shape::ImageShape};

/// Planes of rows of values, in the order in which they are written to a batch. Rows of a planar image hold one channel,
/// and a plane is a channel; an interleaved image is one plane, whose rows hold all channels of each position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// Begins with the first value of the first row.
    bytes: &'a [u8],
    planes: usize,
    rows: usize,
    width: usize,
    plane_stride: usize,
    row_stride: usize,
    /// Channels that take turns in a row.
    lanes: usize,
}

impl<'a> View<'a> {
    /// A whole image of this shape.
    pub fn whole(image: &'a [u8], shape: ImageShape, layout: Layout) -> Self {
        View::window(image, shape, layout, (0, 0), shape)
    }

    /// The window of `shape` at `(row, column)` of a `stored` image, in which it lies.
    pub fn window(
        image: &'a [u8],
        stored: ImageShape,
        layout: Layout,
        (row, column): (usize, usize),
        shape: ImageShape,
    ) -> Self {
        let start = row * stored.width + column;
        let (start, planes, width, lanes) = match layout {
            Layout::Nchw => (start, shape.channels, shape.width, 1),
            Layout::Nhwc => (start * stored.channels, 1, shape.width * shape.channels, shape.channels),
        };
        let row_stride = stored.width * lanes;
        let plane_stride = stored.height * row_stride;
        let mut view = View {
            bytes: &image[start..],
            planes,
            rows: shape.height,
            width,
            plane_stride,
            row_stride,
            lanes,
        };
        let last_row = (planes - 1) * plane_stride + (shape.height - 1) * row_stride;
        assert!(last_row + width <= view.bytes.len(), "a window of {shape} that is not in its image");
        if row_stride == width {
            (view.rows, view.width, view.row_stride) = (1, width * shape.height, width * shape.height);
        }
        view
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.planes * self.rows * self.width
    }

    /// Channels that take turns in a row: 1 where each plane is one channel.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// The same values in as few planes as can be, for what treats all channels alike.
    pub fn joined(mut self) -> Self {
        if self.rows == 1 && self.plane_stride == self.width {
            (self.planes, self.width, self.lanes) = (1, self.len(), 1);
        }
        self
    }

    /// Number of planes.
    pub fn planes(&self) -> usize {
        self.planes
    }

    /// Rows of a plane.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Plane and row of every row, in order.
    #[inline(always)] // as `row`
    pub fn positions(&self) -> impl Iterator<Item = (usize, usize)> {
        let rows = self.rows;
        (0..self.planes).flat_map(move |plane| (0..rows).map(move |row| (plane, row)))
    }

    /// The first value of a plane, one of [`View::planes`]. [`View::width`] values can be read from there, and from as many
    /// places each [`View::row_stride`] further as there are [`View::rows`]: what `window` checked.
    #[inline(always)] // into kernels compiled for other instructions than this function would be
    pub fn plane(&self, plane: usize) -> *const u8 {
        self.bytes[plane * self.plane_stride..].as_ptr()
    }

    /// Values from the beginning of a row to that of the next.
    pub fn row_stride(&self) -> usize {
        self.row_stride
    }

    /// Row number `row` of plane number `plane`.
    #[inline(always)] // as above
    pub fn row(&self, plane: usize, row: usize) -> &'a [u8] {
        &self.bytes[plane * self.plane_stride + row * self.row_stride..][..self.width]
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_of_both_layouts_hold_the_same_values() {
        let stored = ImageShape::new(3, 4, 5).unwrap();
        let shape = ImageShape::new(3, 2, 3).unwrap();
        let value = |c: usize, y: usize, x: usize| (c * 100 + y * 10 + x) as u8;
        let all = |f: &dyn Fn(usize) -> u8| -> Vec<u8> { (0..60).map(f).collect() };
        let planar = all(&|i| value(i / 20, i / 5 % 4, i % 5));
        let interleaved = all(&|i| value(i % 3, i / 15, i / 3 % 5));
        let read = |view: View<'_>| -> Vec<u8> {
            let rows = (0..view.planes() * view.rows()).map(|i| view.row(i / view.rows(), i % view.rows()));
            rows.flatten().copied().collect()
        };
        let view = View::window(&planar, stored, Layout::Nchw, (1, 2), shape);
        assert_eq!(
            read(view),
            [12, 13, 14, 22, 23, 24, 112, 113, 114, 122, 123, 124, 212, 213, 214, 222, 223, 224]
        );
        assert_eq!((view.len(), view.lanes(), view.width()), (18, 1, 3));
        let view = View::window(&interleaved, stored, Layout::Nhwc, (1, 2), shape);
        assert_eq!(
            read(view),
            [12, 112, 212, 13, 113, 213, 14, 114, 214, 22, 122, 222, 23, 123, 223, 24, 124, 224]
        );
        assert_eq!((view.len(), view.lanes(), view.width()), (18, 3, 9));
        for (image, layout) in [(&planar, Layout::Nchw), (&interleaved, Layout::Nhwc)] {
            let view = View::whole(image, stored, layout).joined();
            assert_eq!((read(view), view.width()), (image.clone(), 60));
        }
    }
}
