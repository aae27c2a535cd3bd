//! Every kernel against the definition, and the definition against the filter it approximates.

use super::*;
use crate::rng::{Key, Words};

fn below(words: &mut Words, n: usize) -> usize {
    (words.next_u32() as usize) % n
}

/// Values of which many are extreme, so that sums reach both ends.
fn noise(words: &mut Words, len: usize) -> Vec<u8> {
    let value = |word: u32| match word >> 30 {
        0 => 0,
        1 => 255,
        _ => word as u8,
    };
    (0..len).map(|_| value(words.next_u32())).collect()
}

/// A record, and a rectangle of it that becomes `shape`.
struct Case {
    record: Vec<u8>,
    layout: Layout,
    stored: ImageShape,
    placement: Placement,
    extent: Extent,
    shape: ImageShape,
}

impl Case {
    /// One of images of up to `most` a side, in squares of up to `most_out`.
    fn draw(words: &mut Words, most: usize, most_out: usize) -> Case {
        let mut side = |most| 1 + below(words, most);
        let stored = ImageShape::new(side(4), side(most), side(most)).unwrap();
        let extent = Extent { height: side(stored.height), width: side(stored.width) };
        let size = side(most_out);
        let placement = Placement {
            row: below(words, stored.height - extent.height + 1),
            column: below(words, stored.width - extent.width + 1),
            mirrored: below(words, 2) == 1,
            ..Placement::WHOLE
        };
        Case {
            record: noise(words, stored.values()),
            layout: if below(words, 2) == 0 { Layout::Nchw } else { Layout::Nhwc },
            stored,
            placement,
            extent,
            shape: ImageShape::new(stored.channels, size, size).unwrap(),
        }
    }

    fn resize(&self, resizer: &mut Resizer) -> Vec<u8> {
        let mut out = vec![0xEE; self.shape.values()];
        let source = Source { record: &self.record, layout: self.layout, stored: self.stored };
        resizer.resize(self.placement, self.extent, source, self.shape, &mut out);
        out
    }

    fn pixel(&self, channel: usize, y: usize, x: usize) -> i128 {
        let (y, x) = (self.placement.row + y, self.placement.column + x);
        self.record[super::super::planar_index(self.layout, self.stored, channel, y, x)].into()
    }

    /// `value(channel, y, x)` of the image before mirroring, for all places of the image after it.
    fn image(&self, value: impl Fn(usize, usize, usize) -> i128) -> Vec<u8> {
        let mut out = Vec::new();
        for channel in 0..self.shape.channels {
            for y in 0..self.shape.height {
                for x in 0..self.shape.width {
                    let x = if self.placement.mirrored { self.shape.width - 1 - x } else { x };
                    out.push(value(channel, y, x).try_into().unwrap());
                }
            }
        }
        out
    }

    /// Both passes as `RANDOM.md` has them: 15-bit weights, each pass rounded.
    fn naive(&self) -> Vec<u8> {
        let columns = fixed(self.extent.width, self.shape.width);
        let rows = fixed(self.extent.height, self.shape.height);
        let sum = |weights: &[i128], pixel: &dyn Fn(usize) -> i128| {
            let used = weights.iter().enumerate().filter(|(_, w)| **w > 0);
            (used.map(|(j, w)| w * pixel(j)).sum::<i128>() + (1 << 14)) >> 15
        };
        self.image(|c, y, x| sum(&rows[y], &|i| sum(&columns[x], &|j| self.pixel(c, i, j))))
    }

    /// The filter itself, in fractions, rounded once.
    fn exact(&self) -> Vec<u8> {
        let columns = counts(self.extent.width, self.shape.width);
        let rows = counts(self.extent.height, self.shape.height);
        self.image(|c, y, x| {
            let (mut sum, total) = (0, rows[y].iter().sum::<i128>() * columns[x].iter().sum::<i128>());
            for (i, n) in rows[y].iter().enumerate().filter(|(_, n)| **n > 0) {
                for (j, m) in columns[x].iter().enumerate().filter(|(_, m)| **m > 0) {
                    sum += n * m * self.pixel(c, i, j);
                }
            }
            (2 * sum + total) / (2 * total)
        })
    }
}

/// What each of `from` pixels counts for each of `to` outputs.
fn counts(from: usize, to: usize) -> Vec<Vec<i128>> {
    let (from, to) = (from as i128, to as i128);
    let count = |o: i128, j: i128| (2 * from.max(to) - ((2 * j + 1) * to - (2 * o + 1) * from).abs()).max(0);
    (0..to).map(|o| (0..from).map(|j| count(o, j)).collect()).collect()
}

/// The same as 15-bit fractions.
fn fixed(from: usize, to: usize) -> Vec<Vec<i128>> {
    let round = |counts: Vec<i128>| {
        let total: i128 = counts.iter().sum();
        let upto = |j: usize| (counts[..j].iter().sum::<i128>() * 65_536 + total) / (2 * total);
        (0..counts.len()).map(|j| (upto(j + 1) - upto(j)).min(32_767)).collect()
    };
    counts(from, to).into_iter().map(round).collect()
}

/// One for each set of instructions; each is used for many images, as a thread uses it.
fn resizers() -> Vec<Resizer> {
    Simd::available().map(Resizer::new).collect()
}

#[test]
fn every_kernel_equals_the_naive_twin() {
    let mut words = Key::derive("resized test", 1).words(0, 0);
    let mut resizers = resizers();
    for case in 0..700 {
        // Sides around the loads of vectors; some scales beyond what shuffles reach.
        let (most, most_out) = [(24, 40), (90, 70), (150, 20), (12, 150)][case % 4];
        let drawn = Case::draw(&mut words, most, most_out);
        let expected = drawn.naive();
        for resizer in &mut resizers {
            let found = drawn.resize(resizer);
            let (kernel, extent, shape) = (resizer.kernel, drawn.extent, drawn.shape);
            assert!(found == expected, "case {case}, {kernel:?}: {extent:?} to {shape:?}");
        }
    }
}

#[test]
fn every_kernel_makes_the_same_of_photographs_sides() {
    let mut words = Key::derive("resized test", 2).words(0, 0);
    let mut resizers = resizers();
    for side in [224, 192, 299] {
        for stored in [256, 500, 700] {
            let mut drawn = Case::draw(&mut words, 1, 1);
            drawn.stored = ImageShape::new(3, stored, stored + 13).unwrap();
            drawn.record = noise(&mut words, drawn.stored.values());
            drawn.shape = ImageShape::new(3, side, side).unwrap();
            for _ in 0..6 {
                drawn.extent =
                    Extent { height: 1 + below(&mut words, stored), width: 1 + below(&mut words, stored) };
                drawn.placement.row = stored - drawn.extent.height; // the record's last row among them
                drawn.placement.column = stored + 13 - drawn.extent.width;
                drawn.placement.mirrored ^= true;
                let mut found = resizers.iter_mut().map(|resizer| drawn.resize(resizer));
                let portable = found.next().unwrap();
                assert!(found.all(|f| f == portable), "{:?} of {stored} to {side}", drawn.extent);
            }
        }
    }
}

/// Each pass rounds by half a level at most, and weights are off by less than 2^-15: so the value is less than 1.5 levels
/// from the filter's, and less than 2 from that rounded.
#[test]
fn values_are_within_a_level_of_the_filters() {
    let mut words = Key::derive("resized test", 3).words(0, 0);
    let mut resizer = Resizer::new(Simd::best());
    let (mut off, mut values) = (0, 0);
    for case in 0..400 {
        let (most, most_out) = [(24, 40), (60, 60), (120, 9), (9, 60)][case % 4];
        let drawn = Case::draw(&mut words, most, most_out);
        let found = drawn.resize(&mut resizer);
        for (a, b) in found.iter().zip(drawn.exact()) {
            assert!(a.abs_diff(b) <= 1, "case {case}: {a}, exactly {b}");
            off += usize::from(*a != b);
            values += 1;
        }
    }
    // Rounding rows to u8 moves some values over a half; Pillow and torchvision do the same.
    assert!(off * 4 < values, "{off} of {values} differ");
}

#[test]
fn flat_images_stay_flat_at_any_scale_and_equal_sides_are_a_copy() {
    let mut words = Key::derive("resized test", 4).words(0, 0);
    let mut resizers = resizers();
    for (stored, size) in [(1, 7), (7, 1), (40, 40), (256, 224), (300, 1), (2000, 3), (3, 200)] {
        for value in [0, 1, 127, 128, 254, 255] {
            let mut drawn = Case::draw(&mut words, 1, 1);
            drawn.stored = ImageShape::new(2, stored, stored).unwrap();
            drawn.record = vec![value; drawn.stored.values()];
            drawn.extent = Extent { height: stored, width: stored };
            drawn.shape = ImageShape::new(2, size, size).unwrap();
            for resizer in &mut resizers {
                assert!(drawn.resize(resizer).iter().all(|&x| x == value), "{stored} to {size}");
            }
        }
    }
    for _ in 0..50 {
        let mut drawn = Case::draw(&mut words, 70, 1);
        let side = drawn.extent.height.min(drawn.extent.width);
        drawn.extent = Extent { height: side, width: side };
        drawn.shape = ImageShape::new(drawn.stored.channels, side, side).unwrap();
        let mut copy = vec![0; drawn.shape.values()];
        drawn.placement.copy(&drawn.record, drawn.layout, drawn.stored, drawn.shape, &mut copy);
        for resizer in &mut resizers {
            assert!(drawn.resize(resizer) == copy);
        }
    }
}

/// Loaders promise to allocate nothing once they run: a larger rectangle than any before needs no more memory.
#[test]
fn the_first_image_of_a_shape_reserves_for_all() {
    let mut words = Key::derive("resized test", 5).words(0, 0);
    for layout in [Layout::Nchw, Layout::Nhwc] {
        let mut resizer = Resizer::new(Simd::best());
        let mut drawn = Case::draw(&mut words, 1, 1);
        drawn.layout = layout;
        drawn.stored = ImageShape::new(3, 90, 140).unwrap();
        drawn.record = noise(&mut words, drawn.stored.values());
        drawn.shape = ImageShape::new(3, 33, 33).unwrap();
        let mut capacities = Vec::new();
        for extent in [(1, 1), (40, 7), (90, 140), (3, 139), (89, 20)] {
            drawn.extent = Extent { height: extent.0, width: extent.1 };
            drawn.resize(&mut resizer);
            let Resizer { columns, rows, planes, band, .. } = &resizer;
            capacities.push([
                columns.first.capacity(),
                columns.weights.capacity(),
                rows.first.capacity(),
                rows.weights.capacity(),
                planes.capacity(),
                band.memory(),
                #[cfg(target_arch = "x86_64")]
                resizer.lanes.memory(),
            ]);
        }
        assert!(capacities.iter().all(|c| *c == capacities[0]), "{capacities:?}");
    }
}
