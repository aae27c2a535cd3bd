//! The eight ways a camera may have been held, and turning an image upright.

use super::Pixels;

/// EXIF orientation: where the stored image's first row and column belong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orientation {
    /// 1: as it is.
    #[default]
    Upright,
    /// 2: left and right are exchanged.
    MirroredHorizontally,
    /// 3: upside down.
    Rotated180,
    /// 4: top and bottom are exchanged.
    MirroredVertically,
    /// 5: rows and columns are exchanged.
    Transposed,
    /// 6: to be turned a quarter clockwise.
    QuarterClockwise,
    /// 7: rows and columns are exchanged along the other diagonal.
    Transversed,
    /// 8: to be turned a quarter anticlockwise.
    QuarterAnticlockwise,
}

impl Orientation {
    /// The orientation of the tag's value, 1 to 8.
    pub const fn from_exif(value: u32) -> Option<Orientation> {
        Some(match value {
            1 => Orientation::Upright,
            2 => Orientation::MirroredHorizontally,
            3 => Orientation::Rotated180,
            4 => Orientation::MirroredVertically,
            5 => Orientation::Transposed,
            6 => Orientation::QuarterClockwise,
            7 => Orientation::Transversed,
            8 => Orientation::QuarterAnticlockwise,
            _ => return None,
        })
    }

    /// Whether the upright image is as wide as the stored one is high.
    pub const fn swaps_sides(self) -> bool {
        matches!(
            self,
            Orientation::Transposed
                | Orientation::QuarterClockwise
                | Orientation::Transversed
                | Orientation::QuarterAnticlockwise
        )
    }

    /// The image as it should be seen.
    pub fn upright(self, stored: Pixels) -> Pixels {
        if self == Orientation::Upright {
            return stored;
        }
        let (h, w, channels) = (stored.height, stored.width, stored.channels);
        let (height, width) = if self.swaps_sides() { (w, h) } else { (h, w) };
        let mut values = Vec::with_capacity(stored.values.len());
        for y in 0..height {
            for x in 0..width {
                // Which stored pixel is seen at row y, column x.
                let (row, column) = match self {
                    Orientation::Upright => (y, x),
                    Orientation::MirroredHorizontally => (y, w - 1 - x),
                    Orientation::Rotated180 => (h - 1 - y, w - 1 - x),
                    Orientation::MirroredVertically => (h - 1 - y, x),
                    Orientation::Transposed => (x, y),
                    Orientation::QuarterClockwise => (h - 1 - x, y),
                    Orientation::Transversed => (h - 1 - x, w - 1 - y),
                    Orientation::QuarterAnticlockwise => (x, w - 1 - y),
                };
                let at = (row * w + column) * channels;
                values.extend_from_slice(&stored.values[at..at + channels]);
            }
        }
        Pixels { width, height, channels, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each tag value makes of `ab / cd / ef`, by the EXIF standard's table of where row 0 and column 0 are.
    const SEEN: [(u32, &[&str]); 8] = [
        (1, &["ab", "cd", "ef"]), // top, left
        (2, &["ba", "dc", "fe"]), // top, right
        (3, &["fe", "dc", "ba"]), // bottom, right
        (4, &["ef", "cd", "ab"]), // bottom, left
        (5, &["ace", "bdf"]),     // left, top
        (6, &["eca", "fdb"]),     // right, top
        (7, &["fdb", "eca"]),     // right, bottom
        (8, &["bdf", "ace"]),     // left, bottom
    ];

    #[test]
    fn all_eight_orientations_are_turned_as_the_standard_says() {
        for (value, rows) in SEEN {
            for channels in [1, 3] {
                let wide = |text: &str| -> Vec<u8> {
                    text.bytes().flat_map(|b| (0..channels as u8).map(move |c| b + 32 * c)).collect()
                };
                let stored = Pixels { width: 2, height: 3, channels, values: wide("abcdef") };
                let seen = Orientation::from_exif(value).unwrap().upright(stored);
                let expected = wide(&rows.concat());
                assert_eq!((seen.height, seen.width), (rows.len(), rows[0].len()), "{value}");
                assert_eq!(seen.values, expected, "{value}");
            }
        }
        assert_eq!([0, 9, u32::MAX].map(Orientation::from_exif), [None; 3]);
    }
}
