//! Which rectangle: torchvision's `RandomResizedCrop.get_params`, in integers (`RANDOM.md` section 3).
//!
//! The area is uniform in steps of 2^-32 of the image; the ratio of width to height is one of 1,024, log-uniform from 3/4
//! to 4/3, so that a side differs from torchvision's of the same real numbers by less than 0.015 percent before both are
//! rounded: by no pixel mostly, and by one at most in images of up to 4,096 a side (a test compares them).

use std::sync::LazyLock;

use super::Extent;
use crate::{
    geometry::crop::Area,
    rng::{Words, mulshift},
    shape::ImageShape,
};

/// Attempts before the central crop is taken; torchvision's number.
const ATTEMPTS: usize = 10;

/// Ratios of width to height.
const RATIOS: usize = 1024;

/// `round(2^16 sqrt(ratio))` of the ratios in the middle of 1,024 equal parts of `ln(3/4)..ln(4/3)`. One over a ratio is
/// the ratio as far from the other end. No value is nearer than 10^-3 to a half, so any machine's `exp` would do.
static ROOTS: LazyLock<[u32; RATIOS]> = LazyLock::new(|| {
    std::array::from_fn(|k| {
        let exponent = (2.0 * k as f64 + 1.0 - RATIOS as f64) / (2 * RATIOS) as f64;
        libm::round(65_536.0 * libm::exp(exponent * libm::log(4.0 / 3.0))) as u32
    })
});

/// A rectangle inside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::geometry) struct Window {
    pub row: usize,
    pub column: usize,
    pub extent: Extent,
}

impl Window {
    /// Draws one of `image`. `row` and `column` are words 0 and 1 of the sample, `words` those from word 4: two an
    /// attempt, of which nearly all images need one.
    pub fn draw(area: Area, image: ImageShape, row: u32, column: u32, words: &mut Words) -> Window {
        let [least, most] = area.bounds();
        for _ in 0..ATTEMPTS {
            let (share, ratio) = (words.next_u32(), words.next_u32());
            let share = least + ((u64::from(share) * (most - least)) >> 32);
            let extent = extent(share, (ratio >> 22) as usize, image);
            if (1..=image.height).contains(&extent.height) && (1..=image.width).contains(&extent.width) {
                let place = |word, side, within| mulshift(word, (within - side) as u32 + 1) as usize;
                return Window {
                    row: place(row, extent.height, image.height),
                    column: place(column, extent.width, image.width),
                    extent,
                };
            }
        }
        Window::central(image)
    }

    /// The square in the centre whose side is 7/8 of the shorter one, to nearest and at least 1.
    pub fn centred(image: ImageShape) -> Window {
        let side = ((7 * image.height.min(image.width) + 4) / 8).max(1);
        let (row, column) = ((image.height - side) / 2, (image.width - side) / 2);
        Window { row, column, extent: Extent { height: side, width: side } }
    }

    /// The largest rectangle in the centre with a ratio from 3/4 to 4/3.
    fn central(image: ImageShape) -> Window {
        let (height, width) = (image.height, image.width);
        let longer = |side: usize| (8 * side + 3) / 6; // round(4/3 side)
        let extent = Extent { height: height.min(longer(width)), width: width.min(longer(height)) };
        Window { row: (height - extent.height) / 2, column: (width - extent.width) / 2, extent }
    }
}

/// Sides of a rectangle that covers `share` (of 2^32) of the image, with ratio number `ratio`; perhaps too large.
fn extent(share: u64, ratio: usize, image: ImageShape) -> Extent {
    // In units of 2^-16 pixels: below 2^32, since an image has at most 2^31 values and a share is at most 2^32.
    let root = (image.positions() as u64 * share).isqrt();
    let side = |ratio: usize| ((root * u64::from(ROOTS[ratio]) + (1 << 31)) >> 32) as usize;
    Extent { height: side(RATIOS - 1 - ratio), width: side(ratio) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Key;

    fn image(height: usize, width: usize) -> ImageShape {
        ImageShape::new(3, height, width).unwrap()
    }

    fn draw(area: Area, image: ImageShape, id: u64) -> Window {
        let mut words = Key::derive("augment", 1).words(id, 0);
        let [row, column, ..] = std::array::from_fn::<u32, 4, _>(|_| words.next_u32());
        Window::draw(area, image, row, column, &mut words)
    }

    #[test]
    fn roots_are_those_of_log_uniform_ratios() {
        assert_eq!((ROOTS[0], ROOTS[511], ROOTS[512], ROOTS[1023]), (56_764, 65_527, 65_545, 75_664));
        for k in 0..RATIOS {
            let ratio = 0.75 * (16.0f64 / 9.0).powf((k as f64 + 0.5) / 1024.0);
            assert!((f64::from(ROOTS[k]) - 65_536.0 * ratio.sqrt()).abs() < 0.5);
        }
    }

    /// torchvision's arithmetic in f64, with the same words as real numbers.
    fn torchvision(area: [f64; 2], image: ImageShape, words: &mut Words) -> Option<(usize, usize)> {
        let unit = |word: u32| f64::from(word) / 4_294_967_296.0;
        for _ in 0..10 {
            let (share, ratio) = (unit(words.next_u32()), unit(words.next_u32()));
            let target = image.positions() as f64 * (area[0] + share * (area[1] - area[0]));
            let ends = [(3.0f64 / 4.0).ln(), (4.0f64 / 3.0).ln()];
            let ratio = (ends[0] + ratio * (ends[1] - ends[0])).exp();
            let (w, h) = ((target * ratio).sqrt().round() as usize, (target / ratio).sqrt().round() as usize);
            if (1..=image.width).contains(&w) && (1..=image.height).contains(&h) {
                return Some((h, w));
            }
        }
        None
    }

    #[test]
    fn sides_are_torchvisions_but_for_a_pixel_now_and_then() {
        let area = Area::default();
        let (mut same, mut close, draws) = (0, 0, 20_000);
        for id in 0..draws {
            let image = [image(256, 256), image(375, 500), image(32, 32)][id as usize % 3];
            let found = draw(area, image, id).extent;
            let mut words = Key::derive("augment", 1).words(id, 0);
            let _: [u32; 4] = std::array::from_fn(|_| words.next_u32());
            let Some((height, width)) = torchvision([0.08, 1.0], image, &mut words) else { continue };
            same += usize::from((found.height, found.width) == (height, width));
            // Where an attempt just fits for one and just does not for the other, the next ones differ altogether.
            close += usize::from(found.height.abs_diff(height) <= 1 && found.width.abs_diff(width) <= 1);
        }
        // The draws are fixed: 97.8 percent are equal, and 2 of 20,000 are other attempts.
        assert!(same > 19_400 && close > 19_990, "{same} and {close} of {draws}");
    }

    #[test]
    fn rectangles_are_inside_of_the_right_area_and_reach_every_edge() {
        let (image, area) = (image(48, 64), Area::new(0.25, 0.5).unwrap());
        let mut reached = [false; 4];
        let (mut sum, mut ratios) = (0.0, 0.0);
        for id in 0..4000 {
            let Window { row, column, extent: Extent { height, width } } = draw(area, image, id);
            assert!(row + height <= 48 && column + width <= 64);
            // Each side is rounded by half a pixel.
            let (h, w) = (height as f64, width as f64);
            assert!((h + 0.5) * (w + 0.5) >= 0.25 * 3072.0 && (h - 0.5) * (w - 0.5) <= 0.5 * 3072.0);
            assert!((w + 0.5) / (h - 0.5) >= 0.75 && (w - 0.5) / (h + 0.5) <= 4.0 / 3.0);
            sum += h * w / 3072.0;
            ratios += (w / h).ln();
            let touched = [row == 0, row + height == 48, column == 0, column + width == 64];
            reached.iter_mut().zip(touched).for_each(|(all, now)| *all |= now);
        }
        assert_eq!(reached, [true; 4]);
        // Means of uniform draws, 0.375 and 0, whose means over 4,000 deviate by 0.0012 and 0.0026: 5 of each.
        assert!((sum / 4000.0 - 0.375).abs() < 0.006 && (ratios / 4000.0).abs() < 0.013);
    }

    #[test]
    fn the_centred_square_is_seven_eighths_of_the_shorter_side() {
        let square = |row, column, side| Window { row, column, extent: Extent { height: side, width: side } };
        for ((height, width), expected) in [
            ((256, 256), square(16, 16, 224)),
            ((375, 500), square(23, 86, 328)),
            ((500, 375), square(86, 23, 328)),
            ((1, 1), square(0, 0, 1)),
            ((4, 9), square(0, 2, 4)),
            ((5, 5), square(0, 0, 4)),
        ] {
            assert_eq!(Window::centred(image(height, width)), expected);
        }
    }

    #[test]
    fn after_ten_failures_the_centre_is_taken_with_the_ratio_clamped() {
        let all = Area::new(1.0, 1.0).unwrap();
        let window = |row, column, height, width| Window { row, column, extent: Extent { height, width } };
        for id in 0..20 {
            assert_eq!(draw(all, image(100, 10), id), window(43, 0, 13, 10));
            assert_eq!(draw(all, image(10, 101), id), window(0, 44, 10, 13));
            assert_eq!(draw(all, image(1, 1), id), window(0, 0, 1, 1));
        }
        assert_eq!(Window::central(image(4, 3)), window(0, 0, 4, 3));
        assert_eq!(Window::central(image(30, 31)), window(0, 0, 30, 31));
        assert_eq!(Window::central(image(65_535, 1)), window(32_767, 0, 1, 1));
        // Tiny shares of tiny images have no pixel in ten attempts.
        let dust = Area::new(1e-9, 2e-9).unwrap();
        assert_eq!(draw(dust, image(3, 4), 5), window(0, 0, 3, 4));
    }
}
