//! Element types and memory layouts of a batch.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Element type of a batch's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// Unsigned byte, the stored pixel itself.
    U8,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16, rounded to nearest even from `F32`.
    F16,
    /// bfloat16, rounded to nearest even from `F32`.
    Bf16,
}

impl Dtype {
    /// Every dtype, in the order of their codes.
    pub const ALL: [Dtype; 4] = [Dtype::U8, Dtype::F32, Dtype::F16, Dtype::Bf16];

    /// Bytes of one element: 1, 4, 2 or 2.
    pub const fn size_bytes(self) -> usize {
        match self {
            Dtype::U8 => 1,
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::Bf16 => 2,
        }
    }

    /// The name used in specs, flags and files: `u8`, `f32`, `f16`, `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::U8 => "u8",
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
            Dtype::Bf16 => "bf16",
        }
    }
}

/// Order of the axes of an image batch in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `[n, channels, height, width]`.
    Nchw,
    /// `[n, height, width, channels]`, PyTorch's `channels_last`.
    Nhwc,
}

impl Layout {
    /// The name used in specs, flags and files: `nchw` or `nhwc`.
    pub const fn name(self) -> &'static str {
        match self {
            Layout::Nchw => "nchw",
            Layout::Nhwc => "nhwc",
        }
    }
}

/// A word that names no value of the type asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} `{found}` is unknown: expected one of {expected}")]
pub struct UnknownName {
    /// What was being named.
    pub field: &'static str,
    /// The word found.
    pub found: String,
    /// The words that would have been accepted.
    pub expected: &'static str,
}

impl FromStr for Dtype {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Dtype::ALL.into_iter().find(|d| d.name() == text).ok_or_else(|| UnknownName {
            field: "dtype",
            found: text.into(),
            expected: "u8, f32, f16, bf16",
        })
    }
}

impl FromStr for Layout {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        match text {
            "nchw" => Ok(Layout::Nchw),
            "nhwc" => Ok(Layout::Nhwc),
            _ => Err(UnknownName { field: "layout", found: text.into(), expected: "nchw, nhwc" }),
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
