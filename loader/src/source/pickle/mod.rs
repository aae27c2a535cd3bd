//! Python pickles that hold plain data and NumPy arrays of bytes, read and never executed.
//!
//! A pickle is a program for a stack machine whose instructions can name and call any Python function. [`parse`] knows
//! only the instructions and the six names that CIFAR's Python version consists of (`data_batch_1` and its like, as
//! Python 2 wrote them, and as any later Python and NumPy writes the same dictionary, protocols 2 to 5). It has no
//! function to call: each name stands for one fixed way to read its arguments, and everything else is refused with the
//! module and name, or the instruction, that was asked for.
//!
//! [`parse_numbers`] also reads arrays of wider integers and of objects, which files of labels consist of.
//!
//! Bounds: [`MAX_INSTRUCTIONS`], each of which makes at most one value; [`MAX_DEPTH`] of nesting; no length in the file
//! is allocated before as many bytes are known to be there; texts that are decoded anew are together no longer than the
//! file. Byte strings are borrowed from the file, so parsing copies no pixels. Values lie in one flat table and refer to
//! each other by number: a value that contains itself is harmless, and nothing recurses.
//!
//! Format: CPython's `Lib/pickletools.py` describes each instruction; `numpy/_core/src/multiarray/methods.c` and
//! `descriptor.c` the state of arrays and dtypes.

mod error;
mod machine;
mod numpy;
mod opcode;

use std::borrow::Cow;

pub use error::PickleError;

use crate::npy::Element;

/// Most instructions of a pickle: twice those of CIFAR-100's training file with every name a byte string.
pub const MAX_INSTRUCTIONS: usize = 1 << 20;

/// How deep values may lie in each other; CIFAR's files need three.
pub const MAX_DEPTH: u8 = 16;

/// A value of the table of a [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(u32);

/// What a pickle can hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of 32 bits.
    Int(i64),
    /// A byte string: a `str` of Python 2, `bytes` or a `bytearray`.
    Bytes(Cow<'a, [u8]>),
    /// A text.
    Text(&'a str),
    /// A tuple.
    Tuple(Vec<Id>),
    /// A list.
    List(Vec<Id>),
    /// A dictionary, in the order in which it was filled.
    Dict(Vec<(Id, Id)>),
    /// One of the names that may occur.
    Global(Global),
    /// The dtype of unsigned bytes.
    Dtype,
    /// The dtype of wider integers.
    NumberDtype(Element),
    /// The dtype of Python's objects.
    ObjectDtype,
    /// An array that has no contents yet.
    EmptyArray,
    /// An array of unsigned bytes in C order.
    Array {
        /// Its axes; their product is the number of bytes.
        shape: Vec<u64>,
        /// A [`Value::Bytes`].
        data: Id,
    },
    /// An array of wider integers in C order.
    Numbers {
        /// Its elements.
        element: Element,
        /// Its axes; their product is the number of elements.
        shape: Vec<u64>,
        /// A [`Value::Bytes`].
        data: Id,
    },
    /// An array of objects.
    Objects {
        /// Its axes; their product is the number of items.
        shape: Vec<u64>,
        /// A [`Value::List`].
        items: Id,
    },
}

/// The names that may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Global {
    /// `numpy.core.multiarray._reconstruct`, or of `numpy._core`: an array without contents.
    Reconstruct,
    /// `numpy.core.numeric._frombuffer`, or of `numpy._core`: an array and its contents.
    FromBuffer,
    /// `numpy.ndarray`.
    Ndarray,
    /// `numpy.dtype`.
    Dtype,
    /// `_codecs.encode`: how protocol 2 of Python 3 spells a byte string.
    Encode,
}

#[derive(Debug)]
struct Node<'a> {
    value: Value<'a>,
    /// Byte of the file at which the instruction that made it starts.
    offset: usize,
    depth: u8,
}

/// A pickle that was read.
#[derive(Debug)]
pub struct Pickle<'a> {
    nodes: Vec<Node<'a>>,
    root: Id,
}

/// Reads the pickle `bytes`, which must be one from its first byte to its last.
///
/// # Errors
/// [`PickleError`] at the first instruction that is cut short, unknown, or asks for anything but plain data.
pub fn parse(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    machine::Machine::new(bytes, false).run()
}

/// As [`parse`], with arrays of integers of any width and of objects: what `numpy.save` and `torch.save` make of a
/// dictionary of label arrays.
///
/// # Errors
/// As [`parse`].
pub fn parse_numbers(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
    machine::Machine::new(bytes, true).run()
}

impl<'a> Pickle<'a> {
    /// The object that was pickled.
    pub fn root(&self) -> Id {
        self.root
    }

    /// A value.
    ///
    /// # Panics
    /// If `id` is of another pickle.
    pub fn value(&self, id: Id) -> &Value<'a> {
        &self.nodes[id.0 as usize].value
    }

    /// Byte of the file at which the instruction that made the value starts.
    ///
    /// # Panics
    /// If `id` is of another pickle.
    pub fn offset(&self, id: Id) -> u64 {
        self.nodes[id.0 as usize].offset as u64
    }

    /// The entry `key` of the dictionary `dict`, whether the key is a text or a byte string; `None` if there is none, or
    /// if `dict` is no dictionary.
    ///
    /// # Errors
    /// [`PickleError::Rule`] if the key occurs twice.
    pub fn entry(&self, dict: Id, key: &str) -> Result<Option<Id>, PickleError> {
        let Value::Dict(entries) = self.value(dict) else { return Ok(None) };
        let mut found = None;
        for &(k, value) in entries {
            if self.bytes(k) == Some(key.as_bytes()) && found.replace(value).is_some() {
                return Err(PickleError::Rule {
                    offset: self.offset(k),
                    field: "key",
                    expected: format!("{key} once"),
                    found: "it again".into(),
                });
            }
        }
        Ok(found)
    }

    /// The bytes of a text or byte string.
    pub fn bytes(&self, id: Id) -> Option<&[u8]> {
        match self.value(id) {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
}
