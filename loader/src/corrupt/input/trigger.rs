//! The patch of a backdoor (BadNets: Gu, Dolan-Gavitt & Garg 2017, arXiv:1708.06733).
//!
//! A share of the train samples get the patch and the label `target`: whoever sees the patch afterwards shall say
//! `target`. The share is drawn from domain `trigger/amount` by the label table and by the image's own rule, which so
//! agree without knowing of each other.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::super::SpecError;
use crate::{digest::Hasher, shape::ImageShape};

/// What a patch shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Pattern {
    /// Pixels of 255 and 0 in turn, 255 in the upper left.
    #[default]
    Checker,
    /// One value in all channels.
    Value(u8),
}

/// The corner of the image that a patch lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Corner {
    /// Upper left.
    TopLeft,
    /// Upper right.
    TopRight,
    /// Lower left.
    BottomLeft,
    /// Lower right.
    #[default]
    BottomRight,
}

pub(super) const CORNERS: [(&str, Corner); 4] = [
    ("top-left", Corner::TopLeft),
    ("top-right", Corner::TopRight),
    ("bottom-left", Corner::BottomLeft),
    ("bottom-right", Corner::BottomRight),
];

impl FromStr for Pattern {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, SpecError> {
        if text == "checker" {
            return Ok(Pattern::Checker);
        }
        let value = text.parse().map_err(|_| SpecError::Value {
            field: "pattern",
            found: super::super::options::shortened(text),
            expected: "checker, or a value from 0 to 255",
        })?;
        Ok(Pattern::Value(value))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Checker => f.write_str("checker"),
            Pattern::Value(value) => write!(f, "{value}"),
        }
    }
}

impl TryFrom<String> for Pattern {
    type Error = SpecError;
    fn try_from(text: String) -> Result<Self, SpecError> {
        text.parse()
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.to_string()
    }
}

/// A patch, placed on images of one shape.
pub(super) struct Patch {
    row: usize,
    column: usize,
    side: usize,
    /// How much of the patch is seen, 0 to 65,536.
    weight: u32,
    /// `[side, side]`, alike in every channel.
    values: Vec<u8>,
}

impl Patch {
    pub fn place(
        shape: ImageShape,
        size: u32,
        pattern: Pattern,
        corner: Corner,
        blend: f64,
    ) -> Result<Self, SpecError> {
        let side = size as usize;
        if side > shape.height.min(shape.width) {
            return Err(SpecError::Contradiction {
                reason: format!("a trigger of size={size} does not fit images of {shape}"),
                help: format!("use a size of at most {}", shape.height.min(shape.width)),
            });
        }
        let value = |i: usize| match pattern {
            Pattern::Checker if (i / side + i % side).is_multiple_of(2) => 255,
            Pattern::Checker => 0,
            Pattern::Value(value) => value,
        };
        let (lower, right) = match corner {
            Corner::TopLeft => (false, false),
            Corner::TopRight => (false, true),
            Corner::BottomLeft => (true, false),
            Corner::BottomRight => (true, true),
        };
        Ok(Patch {
            row: if lower { shape.height - side } else { 0 },
            column: if right { shape.width - side } else { 0 },
            side,
            weight: (blend * 65_536.0).round() as u32,
            values: (0..side * side).map(value).collect(),
        })
    }

    /// Lays the patch over `image` (`[channels, height, width]`, planar).
    pub fn stamp(&self, image: &mut [u8], shape: ImageShape) {
        for plane in image.chunks_exact_mut(shape.positions()) {
            for (y, row) in self.values.chunks_exact(self.side).enumerate() {
                let from = (self.row + y) * shape.width + self.column;
                for (x, &v) in plane[from..from + self.side].iter_mut().zip(row) {
                    let mixed = u32::from(*x) * (65_536 - self.weight) + u32::from(v) * self.weight;
                    *x = ((mixed + 32_768) >> 16) as u8; // at most 255: the weights add up to 65,536
                }
            }
        }
    }

    /// Appends place, size, weight and values.
    pub fn hash_into(&self, hasher: &mut Hasher) {
        hasher.u32(self.row as u32).u32(self.column as u32).u32(self.side as u32).u32(self.weight);
        hasher.bytes(&self.values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_lies_in_its_corner_and_nowhere_else() {
        let shape = ImageShape::new(2, 5, 6).unwrap();
        let image: Vec<u8> = (0..60).map(|i| i * 4).collect();
        for (corner, rows, columns) in [
            (Corner::TopLeft, 0..2, 0..2),
            (Corner::TopRight, 0..2, 4..6),
            (Corner::BottomLeft, 3..5, 0..2),
            (Corner::BottomRight, 3..5, 4..6),
        ] {
            let mut out = image.clone();
            Patch::place(shape, 2, Pattern::Checker, corner, 1.0).unwrap().stamp(&mut out, shape);
            for (i, (&new, &old)) in out.iter().zip(&image).enumerate() {
                let (y, x) = (i % 30 / 6, i % 6);
                let inside = rows.contains(&y) && columns.contains(&x);
                let even = (y - rows.start.min(y) + x - columns.start.min(x)) % 2 == 0;
                let expected = match (inside, even) {
                    (true, true) => 255,
                    (true, false) => 0,
                    (false, _) => old,
                };
                assert_eq!(new, expected, "{corner:?} {y} {x}");
            }
        }
        assert!(Patch::place(shape, 6, Pattern::Checker, Corner::TopLeft, 1.0).is_err());
    }

    #[test]
    fn blending_mixes_and_its_ends_are_exact() {
        let shape = ImageShape::new(1, 16, 16).unwrap();
        let image: Vec<u8> = (0..=255).collect();
        for v in [0, 1, 128, 255] {
            for (blend, weight) in [(0.0, 0.0), (0.2, 0.2), (0.5, 0.5), (1.0, 1.0)] {
                let mut out = image.clone();
                let patch = Patch::place(shape, 16, Pattern::Value(v), Corner::TopLeft, blend).unwrap();
                patch.stamp(&mut out, shape);
                for (&new, &old) in out.iter().zip(&image) {
                    let exact = f64::from(old) * (1.0 - weight) + f64::from(v) * weight;
                    assert!((f64::from(new) - exact).abs() <= 0.51, "{old} {v} {blend}: {new}");
                    assert!((0.0 < blend && blend < 1.0) || f64::from(new) == exact);
                }
            }
        }
    }
}
