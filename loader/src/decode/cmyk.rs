//! CMYK to RGB in integers, as Pillow converts.

/// Ink values, stored inverted (255 is no ink), to RGB.
pub(super) fn to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    // `k` is inverted ink: already the light that black leaves. The other inks take their share of it.
    [c, m, y].map(|inverted| k - scaled(255 - inverted, k))
}

/// `a * b / 255`, to nearest.
fn scaled(a: u8, b: u8) -> u8 {
    let t = u32::from(a) * u32::from(b) + 128;
    ((t + (t >> 8)) >> 8) as u8 // at most b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_exact_to_nearest_and_never_more_than_its_second_argument() {
        for a in 0..=255u8 {
            for b in 0..=255u8 {
                let exact = (u32::from(a) * u32::from(b) * 2 + 255) / 510; // no ties: 255 is odd
                assert_eq!(u32::from(scaled(a, b)), exact);
                assert!(scaled(a, b) <= b);
            }
        }
    }

    #[test]
    fn inks_become_the_colours_they_print() {
        assert_eq!(to_rgb([255; 4]), [255; 3]); // no ink
        assert_eq!(to_rgb([255, 255, 255, 0]), [0; 3]); // black alone
        assert_eq!(to_rgb([0, 255, 255, 255]), [0, 255, 255]); // cyan takes red
        assert_eq!(to_rgb([0, 0, 0, 255]), [0; 3]);
        assert_eq!(to_rgb([200, 100, 50, 180]), [141, 71, 35]);
    }
}
