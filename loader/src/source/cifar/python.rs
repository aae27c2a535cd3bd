//! The Python version: a pickled dictionary per file, with the images as an array of bytes `[n, 3072]` and the labels as
//! lists of integers. What else is in it (file names, a title) is not looked at.
//!
//! Pickles of Python 2 hold the images as they are, so they are read at offsets like those of the binary version; where
//! Python 3 spells bytes as text, they are decoded and held in memory.

use std::{borrow::Cow, path::Path};

use super::{
    Batch,
    labels::{Labels, Place},
    set::{IMAGE_BYTES, Set},
};
use crate::{
    digest::Digest,
    shard::shown,
    source::{
        archive::MAX_ENTRY_BYTES,
        bytes::Bytes,
        error::SourceError,
        pickle::{self, Id, Pickle, PickleError, Value},
    },
};

/// The key under which a batch has its images.
const IMAGES_KEY: &str = "data";

/// The key under which a batch has its coarse labels.
const COARSE_KEY: &str = "coarse_labels";

/// What is read of a batch.
struct Contents {
    images: Images,
    labels: Vec<u8>,
    coarse_labels: Vec<u8>,
    digest: Digest,
}

/// Where the images of a batch are.
enum Images {
    /// In the file, one after another from this byte on.
    At(u64),
    /// Not in the file as they are.
    Decoded(Vec<u8>),
}

/// Reads one data file. `records` is how many there must be, if that is known.
pub(super) fn batch(
    set: &Set,
    file: Bytes,
    records: Option<usize>,
    rules: &mut Labels,
) -> Result<(Batch, Digest), SourceError> {
    let Contents { images, labels, coarse_labels, digest } = contents(set, &file, records, rules)?;
    let (bytes, first) = match images {
        Images::At(first) => (file, first),
        Images::Decoded(images) => (Bytes::memory(file.path, images), 0),
    };
    Ok((Batch { bytes, first, stride: IMAGE_BYTES as u64, labels, coarse_labels }, digest))
}

fn contents(
    set: &Set,
    file: &Bytes,
    records: Option<usize>,
    rules: &mut Labels,
) -> Result<Contents, SourceError> {
    let whole = file.whole(MAX_ENTRY_BYTES, "a pickled batch of images")?;
    let dict = Dict::read(&file.path, &whole)?;
    let (shape, data) = dict.array(IMAGES_KEY)?;
    let count = match *shape {
        [n, image] if image == IMAGE_BYTES as u64 && n > 0 && records.is_none_or(|r| r as u64 == n) => {
            n as usize
        }
        _ => {
            let expected = records.map_or("n".into(), |n| n.to_string());
            let expected = format!("an array of shape [{expected}, {IMAGE_BYTES}]");
            return Err(dict.wrong(data, IMAGES_KEY, expected, format!("{shape:?}")));
        }
    };
    let label_ids = dict.list(set.label_key, count)?;
    let coarse_ids = if set.has_superclasses() { Some(dict.list(COARSE_KEY, count)?) } else { None };
    let (mut labels, mut coarse_labels) = (Vec::with_capacity(count), Vec::new());
    for record in 0..count {
        let (id, coarse_id) = (label_ids[record], coarse_ids.map(|ids| ids[record]));
        let offsets = [id, coarse_id.unwrap_or(id)].map(|id| dict.pickle.offset(id));
        let place = Place { path: &file.path, record, offsets };
        let coarse = coarse_id.map(|id| dict.int(id, COARSE_KEY)).transpose()?;
        let (label, coarse) = rules.check(&place, dict.int(id, set.label_key)?, coarse)?;
        labels.push(label);
        coarse_labels.extend(coarse);
    }
    let images = match dict.pickle.value(data) {
        // A part of the file: how far into it, the addresses tell.
        Value::Bytes(Cow::Borrowed(part)) => {
            Images::At((part.as_ptr().addr() - whole.as_ptr().addr()) as u64)
        }
        _ => Images::Decoded(dict.pickle.bytes(data).expect("an array's bytes").to_vec()),
    };
    Ok(Contents { images, labels, coarse_labels, digest: Digest::of(&whole) })
}

/// Names of the classes, and of the superclasses where the set has them, and the digest of the file.
pub(super) fn names(set: &Set, file: &Bytes) -> Result<([Vec<String>; 2], Digest), SourceError> {
    let whole = file.whole(MAX_ENTRY_BYTES, "a pickled list of class names")?;
    let dict = Dict::read(&file.path, &whole)?;
    let names = if set.has_superclasses() {
        [dict.names("fine_label_names")?, dict.names("coarse_label_names")?]
    } else {
        [dict.names("label_names")?, Vec::new()]
    };
    Ok((names, Digest::of(&whole)))
}

/// The dictionary that a file is.
struct Dict<'a> {
    path: &'a Path,
    pickle: Pickle<'a>,
}

impl<'a> Dict<'a> {
    fn read(path: &'a Path, bytes: &'a [u8]) -> Result<Self, SourceError> {
        let pickle = pickle::parse(bytes).map_err(|e| refused(path, e))?;
        let dict = Dict { path, pickle };
        let root = dict.pickle.root();
        match dict.pickle.value(root) {
            Value::Dict(_) => Ok(dict),
            _ => Err(dict.wrong(root, "pickle", "a dictionary", "something else")),
        }
    }

    fn entry(&self, key: &'static str) -> Result<Id, SourceError> {
        let root = self.pickle.root();
        let entry = self.pickle.entry(root, key).map_err(|e| refused(self.path, e))?;
        entry.ok_or_else(|| self.wrong(root, "keys of the dictionary", format!("{key} among them"), "none"))
    }

    /// Shape and bytes of an array.
    fn array(&self, key: &'static str) -> Result<(&[u64], Id), SourceError> {
        let id = self.entry(key)?;
        match self.pickle.value(id) {
            Value::Array { shape, data } => Ok((shape, *data)),
            _ => Err(self.wrong(id, key, "an array of unsigned bytes", "something else")),
        }
    }

    /// The items of a list of `count` items.
    fn list(&self, key: &'static str, count: usize) -> Result<&[Id], SourceError> {
        let id = self.entry(key)?;
        match self.pickle.value(id) {
            Value::List(items) if items.len() == count => Ok(items),
            Value::List(items) => {
                let expected = format!("{count} items, as many as images");
                Err(self.wrong(id, key, expected, items.len().to_string()))
            }
            _ => Err(self.wrong(id, key, "a list", "something else")),
        }
    }

    fn int(&self, id: Id, key: &'static str) -> Result<i64, SourceError> {
        match *self.pickle.value(id) {
            Value::Int(int) => Ok(int),
            _ => Err(self.wrong(id, key, "an integer", "something else")),
        }
    }

    fn names(&self, key: &'static str) -> Result<Vec<String>, SourceError> {
        let id = self.entry(key)?;
        let Value::List(items) = self.pickle.value(id) else {
            return Err(self.wrong(id, key, "a list of names", "something else"));
        };
        let name = |&id: &Id| {
            let text = self.pickle.bytes(id).and_then(|bytes| str::from_utf8(bytes).ok());
            text.map(String::from).ok_or_else(|| self.wrong(id, key, "a name", "something else"))
        };
        items.iter().map(name).collect()
    }

    fn wrong(
        &self,
        id: Id,
        field: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> SourceError {
        let (path, offset) = (self.path.to_path_buf(), self.pickle.offset(id));
        SourceError::Field { path, field, offset, expected: expected.into(), found: found.into() }
    }
}

fn refused(path: &Path, error: PickleError) -> SourceError {
    let path = path.to_path_buf();
    match error {
        PickleError::Refused { offset, module, name } => {
            SourceError::PickleRefused { path, offset, module, name }
        }
        PickleError::Instruction { offset, ref instruction } => SourceError::Field {
            path,
            field: "pickle instruction",
            offset,
            expected: "one that numbers, texts, lists and arrays need".into(),
            found: instruction.clone(),
        },
        PickleError::Rule { offset, field, expected, found } => {
            SourceError::Field { path, field, offset, expected, found: shown(&found) }
        }
    }
}
