//! Encoded images that cannot be decoded: what becomes of them, and a record of which they were.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{Mutex, PoisonError},
};

use serde::{Deserialize, Serialize};

use crate::{dtype::UnknownName, shard::FormatError};

/// What becomes of an encoded image that cannot be decoded. Bytes that are not those packed are always an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnBadRecord {
    /// An error in place of its batch.
    #[default]
    Fail,
    /// An image of zeros, with its own id and label.
    Blank,
    /// The next sample that can be decoded, by id and from the last on to the first, of those that are visited: its image, its
    /// id and its labels. No other sample moves.
    Substitute,
}

impl OnBadRecord {
    /// The name used in files and flags.
    pub const fn name(self) -> &'static str {
        match self {
            OnBadRecord::Fail => "fail",
            OnBadRecord::Blank => "blank",
            OnBadRecord::Substitute => "substitute",
        }
    }
}

impl fmt::Display for OnBadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for OnBadRecord {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let all = [OnBadRecord::Fail, OnBadRecord::Blank, OnBadRecord::Substitute];
        let expected = "fail, blank, substitute";
        let named = all.into_iter().find(|p| p.name() == text);
        named.ok_or_else(|| UnknownName { field: "on-bad-record", found: text.into(), expected })
    }
}

/// Most bad records that are named; all are counted.
const MAX_NAMED: usize = 1000;

/// Images that could not be decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BadRecords {
    /// How often one was met, the same one in another epoch included.
    pub met: u64,
    /// Ids and reasons, of at most 1,000.
    pub named: BTreeMap<i64, String>,
}

/// What all threads write down together. It is locked for bad records only.
#[derive(Debug, Default)]
pub(super) struct BadLog(Mutex<BadRecords>);

impl BadLog {
    /// Writes down the sample `id`.
    #[cold]
    pub fn note(&self, id: i64, error: &FormatError) {
        // A panic in here leaves a count too many at worst.
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.met += 1;
        if records.named.len() < MAX_NAMED {
            records.named.entry(id).or_insert_with(|| error.to_string());
        }
    }

    /// What was written down so far.
    pub fn read(&self) -> BadRecords {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
