//! Names of classes: a text file with one a line.

use std::{collections::HashSet, path::Path};

use super::{bytes::Bytes, error::SourceError};
use crate::{dataset::MAX_CLASSES, digest::Digest, shard::shown};

/// Sixteen bytes for each of the most classes there may be.
const MAX_BYTES: u64 = 16 * MAX_CLASSES as u64;

/// The lines of `file` that are not empty, and the file's digest.
pub(super) fn lines(file: &Bytes) -> Result<(Vec<String>, Digest), SourceError> {
    let bytes = file.whole(MAX_BYTES, "a list of class names")?;
    let text = str::from_utf8(&bytes).map_err(|e| SourceError::Field {
        path: file.path.clone(),
        field: "class names",
        offset: e.valid_up_to() as u64,
        expected: "UTF-8 text".into(),
        found: e.to_string(),
    })?;
    let names = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(String::from).collect();
    Ok((names, Digest::of(&bytes)))
}

/// Checks that names are all different, and `count` of them or at least one.
pub(super) fn check(path: &Path, names: &[String], count: Option<usize>) -> Result<(), SourceError> {
    let distinct = names.iter().collect::<HashSet<_>>().len();
    if distinct == names.len() && count.map_or(distinct > 0, |count| distinct == count) {
        return Ok(());
    }
    let count = count.map_or("one or more".into(), |count| count.to_string());
    Err(SourceError::Field {
        path: path.to_path_buf(),
        field: "class names",
        offset: 0,
        expected: format!("{count} different names"),
        found: format!("{} ({distinct} different): {}", names.len(), shown(&names.join(", "))),
    })
}
