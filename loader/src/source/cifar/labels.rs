//! The labels of one record after another, checked by the rules that both versions share.

use std::path::Path;

use super::set::Set;
use crate::source::error::SourceError;

/// What has been read of a set so far.
pub(super) struct Labels {
    superclasses: usize,
    /// Per class its coarse label, and the file and record that said so first.
    coarse_of: Vec<Option<(u8, String, usize)>>,
}

/// Where a record's labels are in its file.
pub(super) struct Place<'a> {
    pub path: &'a Path,
    pub record: usize,
    /// Bytes of the label and of the coarse label.
    pub offsets: [u64; 2],
}

impl Labels {
    pub fn new(set: &Set) -> Self {
        Labels { superclasses: set.superclasses.count(), coarse_of: vec![None; set.classes.count()] }
    }

    /// Checks the label of a record and, where the set has them, its coarse label, which must be the same for all
    /// records of a class.
    pub fn check(
        &mut self,
        place: &Place,
        label: i64,
        coarse: Option<i64>,
    ) -> Result<(u8, Option<u8>), SourceError> {
        let record = |field, offset: u64, expected: String, found: i64| SourceError::Record {
            path: place.path.to_path_buf(),
            record: place.record,
            field,
            offset,
            expected,
            found: found.to_string(),
        };
        let below = |field, offset, found: i64, classes: usize| match u8::try_from(found) {
            Ok(label) if usize::from(label) < classes => Ok(label),
            _ => Err(record(field, offset, format!("0 to {}", classes - 1), found)),
        };
        let [label_at, coarse_at] = place.offsets;
        let label = below("label", label_at, label, self.coarse_of.len())?;
        let Some(coarse) = coarse else { return Ok((label, None)) };
        let coarse = below("coarse label", coarse_at, coarse, self.superclasses)?;
        match &self.coarse_of[usize::from(label)] {
            Some((first, _, _)) if *first == coarse => {}
            Some((first, file, number)) => {
                let expected = format!("{first}, which record {number} of {file} has for label {label} too");
                return Err(record("coarse label", coarse_at, expected, coarse.into()));
            }
            unseen => {
                debug_assert!(unseen.is_none());
                let file = place.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                self.coarse_of[usize::from(label)] = Some((coarse, file, place.record));
            }
        }
        Ok((label, Some(coarse)))
    }

    /// Coarse label of each class; `None` where the set has none, or the class no record.
    pub fn superclasses(&self) -> impl Iterator<Item = Option<usize>> {
        self.coarse_of.iter().map(|c| c.as_ref().map(|(coarse, _, _)| usize::from(*coarse)))
    }
}
