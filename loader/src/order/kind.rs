//! The orders of an epoch, and their text form.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::dtype::UnknownName;

/// In which order an epoch visits its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OrderKind {
    /// A full shuffle, another one in every epoch.
    Shuffled,
    /// By id, the same in every epoch (evaluation).
    Sequential,
    /// A shuffle that stays near to how samples are stored, another one in every epoch: blocks of stored rows in random
    /// order, and rows shuffled within windows of some blocks. For storage that hates random access. Part of its
    /// identity are the files that it reads. A recipe keeps 4 bytes for each sample that it visits, where these are not
    /// stored in id order.
    Windowed(Windows),
}

/// How far a windowed order shuffles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Windows {
    rows: u32,
    block: u32,
}

impl Windows {
    /// Rows of a block where no number is given.
    pub const BLOCK: u32 = 64;

    /// Windows of `rows` rows, which are `rows / block` blocks of consecutive ones; none unless both are above 0 and the
    /// first is a multiple of the second.
    pub const fn new(rows: u32, block: u32) -> Option<Windows> {
        if block > 0 && rows > 0 && rows.is_multiple_of(block) { Some(Windows { rows, block }) } else { None }
    }

    /// Rows of a window.
    pub const fn rows(self) -> u32 {
        self.rows
    }

    /// Consecutive rows of a block.
    pub const fn block(self) -> u32 {
        self.block
    }
}

impl OrderKind {
    /// Its number in the spec digest.
    pub(crate) const fn code(self) -> u32 {
        match self {
            OrderKind::Shuffled => 0,
            OrderKind::Sequential => 1,
            OrderKind::Windowed(_) => 2,
        }
    }
}

impl fmt::Display for OrderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrderKind::Shuffled => f.pad("shuffled"),
            OrderKind::Sequential => f.pad("sequential"),
            OrderKind::Windowed(Windows { rows, block }) => write!(f, "windowed:{rows},block={block}"),
        }
    }
}

impl FromStr for OrderKind {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let windowed = || {
            let (rows, block) = match text.strip_prefix("windowed:")?.split_once(",block=") {
                Some((rows, block)) => (rows, block.parse().ok()?),
                None => (text.strip_prefix("windowed:")?, Windows::BLOCK),
            };
            Windows::new(rows.parse().ok()?, block).map(OrderKind::Windowed)
        };
        match text {
            "shuffled" => Ok(OrderKind::Shuffled),
            "sequential" => Ok(OrderKind::Sequential),
            _ => windowed().ok_or_else(|| UnknownName {
                field: "order",
                found: text.into(),
                expected: "shuffled, sequential, or windowed:W[,block=B] with W a multiple of B (64 if not given), both \
                           from 1 to 4294967295",
            }),
        }
    }
}

impl TryFrom<String> for OrderKind {
    type Error = UnknownName;
    fn try_from(text: String) -> Result<Self, UnknownName> {
        text.parse()
    }
}

impl From<OrderKind> for String {
    fn from(order: OrderKind) -> String {
        order.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_windows_are_whole_blocks() {
        let windowed = |rows, block| OrderKind::Windowed(Windows::new(rows, block).unwrap());
        for (text, order) in [
            ("shuffled", OrderKind::Shuffled),
            ("sequential", OrderKind::Sequential),
            ("windowed:4096,block=16", windowed(4096, 16)),
            ("windowed:1,block=1", windowed(1, 1)),
        ] {
            assert_eq!((text.parse(), order.to_string().as_str()), (Ok(order), text));
            assert_eq!(serde_json::to_string(&order).unwrap(), format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<OrderKind>(&format!("\"{text}\"")).unwrap(), order);
        }
        assert_eq!("windowed:4096".parse(), Ok(windowed(4096, 64)));
        for bad in [
            "",
            "windowed",
            "windowed:",
            "windowed:100",
            "windowed:0,block=1",
            "windowed:8,block=0",
            "windowed:8,block=16",
            "windowed:8,block=3",
            "windowed:8,block=",
            "windowed:-8,block=4",
            "windowed:4294967296,block=1",
            "windowed:8,block=4,block=4",
            "windowed:8, block=4",
        ] {
            let error = bad.parse::<OrderKind>().unwrap_err().to_string();
            assert!(error.contains("windowed:W[,block=B]"), "{bad}: {error}");
        }
    }
}
