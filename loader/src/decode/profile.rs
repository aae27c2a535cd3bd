//! At which resolution a region of a JPEG is decoded before it is resized.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::dtype::UnknownName;

/// At which resolution a region of a JPEG is decoded before it is resized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// In full: its pixels are those of the whole image, decoded and cut.
    #[default]
    Exact,
    /// Shrunk 2, 4 or 8 times by the decoder where the region is at least so many times as large as what it is resized to:
    /// faster, and other pixels.
    Fast,
}

impl Profile {
    /// The name used in files and flags.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::Exact => "exact",
            Profile::Fast => "fast",
        }
    }

    /// How many times a region of `height` x `width` pixels that becomes `size` x `size` is shrunk.
    pub(crate) fn scale(self, height: usize, width: usize, size: usize) -> usize {
        let fits = |scale: &usize| height.min(width) >= scale * size;
        match self {
            Profile::Exact => 1,
            Profile::Fast => [8, 4, 2].into_iter().find(fits).unwrap_or(1),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Profile {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let named = [Profile::Exact, Profile::Fast].into_iter().find(|p| p.name() == text);
        named.ok_or_else(|| UnknownName { field: "decode", found: text.into(), expected: "exact, fast" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_shrunk_as_far_as_it_stays_as_large_as_its_image() {
        for (height, width, scale) in
            [(447, 900, 1), (448, 448, 2), (900, 895, 2), (896, 896, 4), (9000, 1792, 8)]
        {
            assert_eq!(Profile::Fast.scale(height, width, 224), scale);
            assert_eq!(Profile::Exact.scale(height, width, 224), 1);
        }
    }
}
