//! Columns from a pickled dictionary of arrays, as CIFAR-10N and CIFAR-100N are published: `CIFAR-10_human.npy` is an
//! array of one object, `CIFAR-10_human.pt` what `torch.save` writes, a zip file with the pickle in `data.pkl`.
//!
//! Nothing is executed: see [`pickle`].

use std::collections::HashSet;

use super::{
    super::{SpecError, named_file::NamedFile, options::shortened},
    columns::{Columns, MAX_COLUMNS},
};
use crate::source::pickle::{self, Id, Pickle, Value};

const HELP: &str = "give a file as it is published, or a .npy array or CSV of the labels alone";

/// The columns of the pickle that is the file from `start` on, or a part of it of which `start` is the place.
///
/// # Errors
/// [`SpecError::File`] for a pickle that is no dictionary of one-dimensional arrays of integers, or asks for more.
pub(super) fn columns(file: &NamedFile, bytes: &[u8], start: usize) -> Result<Columns, SpecError> {
    let at = |offset: u64| format!("byte {}", start as u64 + offset);
    let pickle = pickle::parse_numbers(bytes).map_err(|e| {
        let place = format!("the pickle from byte {start} on");
        file.error(place, "a dictionary of arrays of integers", e.to_string(), HELP)
    })?;
    let root = object(&pickle, pickle.root());
    let Value::Dict(entries) = pickle.value(root) else {
        return Err(file.error(at(pickle.offset(root)), "a dictionary of columns", "something else", HELP));
    };
    if entries.is_empty() || entries.len() > MAX_COLUMNS {
        let expected = format!("1 to {MAX_COLUMNS} columns");
        return Err(file.error(at(pickle.offset(root)), expected, entries.len().to_string(), HELP));
    }
    let (mut columns, mut seen) = (Columns { names: Vec::new(), values: Vec::new() }, HashSet::new());
    for &(key, value) in entries {
        let place = || at(pickle.offset(value));
        let name = pickle.bytes(key).and_then(|bytes| str::from_utf8(bytes).ok());
        let name = name.filter(|name| seen.insert(*name));
        let name = name.ok_or_else(|| {
            file.error(at(pickle.offset(key)), "a name, every one once", "something else", HELP)
        })?;
        let numbers = numbers(&pickle, value).ok_or_else(|| {
            let expected = format!("an array of integers with one axis as `{}`", shortened(name));
            file.error(place(), expected, "something else", HELP)
        })?;
        if columns.values.first().is_some_and(|first: &Vec<i64>| first.len() != numbers.len()) {
            let expected = format!("{} numbers as `{}`", columns.rows(), shortened(name));
            return Err(file.error(place(), expected, numbers.len().to_string(), HELP));
        }
        columns.names.push(name.to_owned());
        columns.values.push(numbers);
    }
    Ok(columns)
}

/// What an array of one object holds, or the value itself.
fn object(pickle: &Pickle<'_>, id: Id) -> Id {
    if let Value::Objects { shape, items } = pickle.value(id)
        && shape.iter().all(|&n| n == 1)
        && let Value::List(items) = pickle.value(*items)
        && let &[item] = &items[..]
    {
        return item;
    }
    id
}

fn numbers(pickle: &Pickle<'_>, id: Id) -> Option<Vec<i64>> {
    match pickle.value(id) {
        Value::Array { shape, data } if shape.len() == 1 => {
            Some(pickle.bytes(*data)?.iter().map(|&b| b.into()).collect())
        }
        Value::Numbers { element, shape, data } if shape.len() == 1 => {
            let elements = pickle.bytes(*data)?.chunks_exact(element.bytes as usize);
            elements.map(|bytes| element.integer(bytes)).collect()
        }
        _ => None,
    }
}
