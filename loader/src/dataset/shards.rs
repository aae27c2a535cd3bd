//! What an index says of the files beside it, and checks of them that readers and a verification share.

use std::{io::Read, path::Path};

use super::index::{DICTIONARY_FILE, Index};
use crate::{
    digest::Digest,
    shard::{Dictionary, Expected, FormatError, MappedShard, open_file},
};

/// What the index says about shard `shard` of split number `split`.
pub(super) fn expectation<'a>(index: &'a Index, split: usize, shard: usize, path: &'a Path) -> Expected<'a> {
    let s = &index.splits[split];
    let entry = &s.shards[shard];
    Expected {
        path,
        split: &s.name,
        shard,
        shards: s.shards.len(),
        samples: entry.samples,
        bytes: entry.bytes,
        // The product was checked with the index; where there is no shape there is a length.
        data_bytes: entry
            .data_bytes
            .unwrap_or(entry.samples as u64 * index.element.shape.record_bytes().unwrap_or_default() as u64),
        plan: index.plan.digest,
        image: index.element.shape,
        layout: index.element.layout,
        codec: index.element.codec,
        columns: index.columns.iter().map(|c| c.name.as_str()).collect(),
    }
}

/// Reads and prepares the dictionary of a data set that has one, checked against its digest.
pub(super) fn dictionary(dataset: &Path, index: &Index) -> Result<Option<Dictionary>, FormatError> {
    let Some(expected) = &index.element.dictionary else { return Ok(None) };
    let path = dataset.join(DICTIONARY_FILE);
    let io = |source| FormatError::Io { path: path.clone(), action: "read", source };
    let mut bytes = Vec::new();
    open_file(&path)?.take(expected.bytes + 1).read_to_end(&mut bytes).map_err(io)?;
    let field = |field: &str, expected: String, found: String| FormatError::Field {
        path: path.clone(),
        field: field.into(),
        offset: Some(0),
        expected,
        found,
    };
    if bytes.len() as u64 != expected.bytes {
        let found = file_length(&path).map_or("another length".into(), |n| n.to_string());
        return Err(field("file length", format!("{} bytes", expected.bytes), found));
    }
    let found = Digest::of(&bytes);
    if found != expected.blake3 {
        return Err(FormatError::Checksum { path, what: "the file", expected: expected.blake3, found });
    }
    let wrong = || field("dictionary", "a zstd dictionary".into(), "other bytes".into());
    Dictionary::new(&bytes).map(Some).ok_or_else(wrong)
}

fn file_length(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|m| m.len())
}

/// Checks the labels, ids and columns of a mapped shard; the error names the first bad row.
pub(super) fn check_columns(shard: &MappedShard, index: &Index) -> Result<(), FormatError> {
    let classes = index.classes.len();
    let err = |field: String, offset, expected: String, found: i64| FormatError::Field {
        path: shard.path().to_path_buf(),
        field,
        offset: Some(offset),
        expected,
        found: found.to_string(),
    };
    if let Some((row, label)) = shard.labels().enumerate().find(|(_, l)| !(0..classes as i64).contains(l)) {
        let expected = format!("a class, 0..{classes}");
        return Err(err(format!("label[{row}]"), shard.label_offset(row), expected, label));
    }
    if let Some((row, id)) = shard.ids().enumerate().find(|(_, id)| *id < 0) {
        return Err(err(format!("id[{row}]"), shard.id_offset(row), "an id of 0 or more".into(), id));
    }
    for (number, column) in index.columns.iter().enumerate() {
        let range = column.min..=column.max;
        if let Some((row, value)) = shard.column(number).enumerate().find(|(_, v)| !range.contains(v)) {
            let (offset, expected) = (shard.column_offset(number, row), format!("{range:?}"));
            return Err(err(format!("{}[{row}]", column.name), offset, expected, value));
        }
    }
    Ok(())
}

/// The error for a column that is not there.
pub(super) fn unknown_column<'a>(
    dataset: &Path,
    columns: impl Iterator<Item = &'a String>,
    found: &str,
) -> FormatError {
    let names: Vec<_> = columns.map(String::as_str).collect();
    let expected = if names.is_empty() {
        "none: the data set has no columns".to_owned()
    } else {
        format!("one of {}", names.join(", "))
    };
    FormatError::UnknownColumn { path: dataset.to_path_buf(), expected, found: found.into() }
}
