//! Geometry of one image: crop, flip and rotation, on u8 values, before corruption and normalisation.
//!
//! Draws come from domain `augment`, stream = id, epoch e: word 0 the crop's row, word 1 its column, word 2 the
//! flip (`word < 2^31`), word 3 the angle, from word 4 on the area and ratio of a random resized crop. Each word has its
//! place, so turning one on never changes another.

mod crop;
mod resized;
mod rotate;

pub use crop::{Area, Crop};
pub(crate) use resized::{Extent, MAX_SIDE, Resizer};
pub use rotate::MAX_ROTATION;

use resized::{Source, Window};
use rotate::Turn;

use crate::{
    dtype::Layout,
    rng::{Key, mulshift},
    shape::{ImageShape, ShapeError},
};

/// What happens to an image before it is corrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Geometry {
    /// The part used.
    pub crop: Crop,
    /// Whether each image is mirrored left to right with probability 1/2, drawn per sample and epoch.
    pub flip: bool,
    /// Whether each image is turned about the centre of its crop by an angle from `-rotate` to `+rotate` degrees, drawn
    /// per sample and epoch; at most [`MAX_ROTATION`], 0 for never ("random rotation up to 25 degrees" of their Table 4).
    pub rotate: u8,
}

/// Where one sample's pixels come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placement {
    pub row: usize,
    pub column: usize,
    pub mirrored: bool,
    pub turn: Option<Turn>,
    /// The rectangle that is resized to the image's shape; `None` where it has that shape already.
    pub resized: Option<Extent>,
}

/// Index of a value in a record of this shape and layout.
#[inline]
fn planar_index(layout: Layout, shape: ImageShape, channel: usize, y: usize, x: usize) -> usize {
    match layout {
        Layout::Nchw => (channel * shape.height + y) * shape.width + x,
        Layout::Nhwc => (y * shape.width + x) * shape.channels + channel,
    }
}

impl Geometry {
    /// The shape this makes of an image of shape `stored`.
    ///
    /// # Errors
    /// [`ShapeError`] if the crop is empty, larger than the image (unless it is resized), or too large an image.
    pub fn shape(&self, stored: ImageShape) -> Result<ImageShape, ShapeError> {
        match self.crop {
            Crop::None => Ok(stored),
            Crop::Center(size) | Crop::Random(size) if size <= stored.height && size <= stored.width => {
                ImageShape::new(stored.channels, size, size)
            }
            Crop::RandomResized { size, .. } | Crop::CenterResized(size)
                if stored.height.max(stored.width).max(size) <= MAX_SIDE =>
            {
                ImageShape::new(stored.channels, size, size)
            }
            // Reported as the impossible shape itself.
            _ => ImageShape::new(stored.channels, 0, 0),
        }
    }

    /// Whether samples look different from epoch to epoch.
    pub fn is_random(&self) -> bool {
        self.flip || self.rotate > 0 || matches!(self.crop, Crop::Random(_) | Crop::RandomResized { .. })
    }

    pub(crate) fn place(
        &self,
        stored: ImageShape,
        shape: ImageShape,
        key: &Key,
        id: i64,
        epoch: u32,
    ) -> Placement {
        if let Crop::RandomResized { area, .. } = self.crop {
            let mut words = key.words(id as u64, epoch);
            let [row, column, flip, _angle] = std::array::from_fn(|_| words.next_u32());
            let Window { row, column, extent } = Window::draw(area, stored, row, column, &mut words);
            let mirrored = self.flip && flip < 1 << 31;
            return Placement { row, column, mirrored, turn: None, resized: Some(extent) };
        }
        if let Crop::CenterResized(_) = self.crop {
            let Window { row, column, extent } = Window::centred(stored);
            let mirrored = self.flip && key.first::<3>(id as u64, epoch)[2] < 1 << 31;
            return Placement { row, column, mirrored, turn: None, resized: Some(extent) };
        }
        let (free_rows, free_columns) = (stored.height - shape.height, stored.width - shape.width);
        let (row, column) = (free_rows / 2, free_columns / 2);
        let mut placement = Placement { row, column, mirrored: false, turn: None, resized: None };
        if self.is_random() {
            let [row, column, flip, angle] = key.first(id as u64, epoch);
            if matches!(self.crop, Crop::Random(_)) {
                placement.row = mulshift(row, free_rows as u32 + 1) as usize;
                placement.column = mulshift(column, free_columns as u32 + 1) as usize;
            }
            placement.mirrored = self.flip && flip < 1 << 31;
            placement.turn = Turn::draw(angle, self.rotate);
        }
        placement
    }
}

impl Placement {
    /// The image as it is.
    pub const WHOLE: Placement = Placement { row: 0, column: 0, mirrored: false, turn: None, resized: None };

    /// As [`Placement::copy`], of any placement: `resizer` resizes where there is something to resize.
    pub(crate) fn render(
        self,
        resizer: &mut Resizer,
        record: &[u8],
        layout: Layout,
        stored: ImageShape,
        shape: ImageShape,
        out: &mut [u8],
    ) {
        match self.resized {
            Some(extent) => resizer.resize(self, extent, Source { record, layout, stored }, shape, out),
            None => self.copy(record, layout, stored, shape, out),
        }
    }

    /// Row and column of the window, where the image is no more than that.
    pub(crate) fn window(self) -> Option<(usize, usize)> {
        (!self.mirrored && self.turn.is_none() && self.resized.is_none()).then_some((self.row, self.column))
    }

    /// Copies the placed window of `record` (in `layout`), which is not resized, into `out`, planar: `[channels, height, width]`.
    pub(crate) fn copy(
        self,
        record: &[u8],
        layout: Layout,
        stored: ImageShape,
        shape: ImageShape,
        out: &mut [u8],
    ) {
        if let Some(turn) = self.turn {
            return turn.copy(self, record, layout, stored, shape, out);
        }
        let (height, width) = (shape.height, shape.width);
        for channel in 0..shape.channels {
            for y in 0..height {
                let to = &mut out[(channel * height + y) * width..][..width];
                match layout {
                    Layout::Nchw => {
                        let from = (channel * stored.height + self.row + y) * stored.width + self.column;
                        copy_row(&record[from..from + width], to);
                    }
                    Layout::Nhwc => {
                        let from = ((self.row + y) * stored.width + self.column) * stored.channels;
                        let pixels =
                            record[from..from + width * stored.channels].chunks_exact(stored.channels);
                        for (value, pixel) in to.iter_mut().zip(pixels) {
                            *value = pixel[channel];
                        }
                    }
                }
                if self.mirrored {
                    to.reverse();
                }
            }
        }
    }
}

/// Copies a row of an image. Rows of 16 to 32 values, as CIFAR's and MNIST's are, are two moves of 16 bytes that
/// overlap, in place of a call of `memmove` each: 84 calls an image took a third of a whitened crop's time.
#[inline(always)]
fn copy_row(from: &[u8], to: &mut [u8]) {
    let width = from.len();
    if (16..=32).contains(&width) && to.len() == width {
        let head: [u8; 16] = *from.first_chunk().expect("16 values or more");
        let tail: [u8; 16] = *from.last_chunk().expect("16 values or more");
        to[..16].copy_from_slice(&head);
        to[width - 16..].copy_from_slice(&tail);
    } else {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One value at a time, straight from the definition.
    fn naive(record: &[u8], layout: Layout, stored: ImageShape, shape: ImageShape, at: Placement) -> Vec<u8> {
        let mut out = Vec::new();
        for c in 0..shape.channels {
            for y in 0..shape.height {
                for x in 0..shape.width {
                    let from_x = at.column + if at.mirrored { shape.width - 1 - x } else { x };
                    let from_y = at.row + y;
                    out.push(match layout {
                        Layout::Nchw => record[(c * stored.height + from_y) * stored.width + from_x],
                        Layout::Nhwc => record[(from_y * stored.width + from_x) * stored.channels + c],
                    });
                }
            }
        }
        out
    }

    #[test]
    fn copies_equal_the_naive_twin() {
        let stored = ImageShape::new(3, 9, 7).unwrap();
        let record: Vec<u8> = (0..stored.values()).map(|i| (i * 37 % 251) as u8).collect();
        let key = Key::derive("augment", 1);
        for layout in [Layout::Nchw, Layout::Nhwc] {
            for crop in [Crop::None, Crop::Center(5), Crop::Random(5), Crop::Random(7)] {
                for flip in [false, true] {
                    let geometry = Geometry { crop, flip, rotate: 0 };
                    let shape = geometry.shape(stored).unwrap();
                    for id in 0..20 {
                        let placement = geometry.place(stored, shape, &key, id, 3);
                        let mut out = vec![0; shape.values()];
                        placement.copy(&record, layout, stored, shape, &mut out);
                        assert_eq!(out, naive(&record, layout, stored, shape, placement));
                    }
                }
            }
        }
    }

    #[test]
    fn random_crops_reach_every_position_and_half_are_mirrored() {
        let stored = ImageShape::new(1, 32, 32).unwrap();
        let geometry = Geometry { crop: Crop::Random(28), flip: true, rotate: 0 };
        let shape = geometry.shape(stored).unwrap();
        let key = Key::derive("augment", 5);
        let mut seen = std::collections::HashSet::new();
        let mut mirrored = 0;
        for id in 0..2000 {
            let p = geometry.place(stored, shape, &key, id, 0);
            seen.insert((p.row, p.column));
            mirrored += usize::from(p.mirrored);
        }
        assert_eq!(seen.len(), 25);
        assert!((900..1100).contains(&mirrored), "{mirrored}");
    }

    #[test]
    fn a_rotation_is_the_same_of_either_layout_and_moves_no_crop_or_flip() {
        let stored = ImageShape::new(3, 10, 12).unwrap();
        let planar: Vec<u8> = (0..stored.values()).map(|i| (i * 37 % 251) as u8).collect();
        let mut interleaved = vec![0; planar.len()];
        for c in 0..3 {
            for p in 0..stored.positions() {
                interleaved[p * 3 + c] = planar[c * stored.positions() + p];
            }
        }
        let key = Key::derive("augment", 2);
        let (still, turning) = (0, 25);
        let geometry = |rotate| Geometry { crop: Crop::Random(8), flip: true, rotate };
        let shape = geometry(turning).shape(stored).unwrap();
        let mut turned = 0;
        for id in 0..200 {
            let placement = geometry(turning).place(stored, shape, &key, id, 1);
            assert_eq!(
                Placement { turn: None, ..placement },
                geometry(still).place(stored, shape, &key, id, 1)
            );
            let mut copies = [vec![0; shape.values()], vec![0; shape.values()], vec![0; shape.values()]];
            placement.copy(&planar, Layout::Nchw, stored, shape, &mut copies[0]);
            placement.copy(&interleaved, Layout::Nhwc, stored, shape, &mut copies[1]);
            assert_eq!(copies[0], copies[1]);
            Placement { turn: None, ..placement }.copy(&planar, Layout::Nchw, stored, shape, &mut copies[2]);
            turned += usize::from(copies[0] != copies[2]);
        }
        assert!(turned > 190, "{turned}");
    }

    #[test]
    fn a_crop_larger_than_the_image_is_refused() {
        let stored = ImageShape::new(3, 32, 32).unwrap();
        assert!(Geometry { crop: Crop::Center(33), flip: false, rotate: 0 }.shape(stored).is_err());
    }
}
