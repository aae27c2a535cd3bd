//! The names that may occur, and what stands for calling them.

use std::borrow::Cow;

use super::{
    Global, Id, Value,
    machine::{Machine, Result},
};
use crate::shard::shown;

/// Most axes of an array.
const MAX_AXES: usize = 4;

/// The names that may occur, as NumPy before and from version 2 spells them.
pub(super) fn known(module: &[u8], name: &[u8]) -> Option<Global> {
    Some(match (module, name) {
        (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Global::Reconstruct,
        (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => Global::FromBuffer,
        (b"numpy", b"ndarray") => Global::Ndarray,
        (b"numpy", b"dtype") => Global::Dtype,
        (b"_codecs", b"encode") => Global::Encode,
        _ => return None,
    })
}

impl<'a> Machine<'a> {
    /// The value that calling `function` with `arguments` stands for.
    pub(super) fn reduce(&mut self, function: Id, arguments: Id) -> Result<Value<'a>> {
        let &Value::Global(function) = self.value(function) else {
            return Err(self.rule("call", "one of the names of a data set", "something else"));
        };
        let Value::Tuple(arguments) = self.value(arguments) else {
            return Err(self.rule("arguments", "a tuple", "something else"));
        };
        let wrong = |expected: &str| Err(self.rule("arguments", expected, "others"));
        match (function, &arguments[..]) {
            (Global::Reconstruct, &[class, shape, kind]) => {
                let ndarray = *self.value(class) == Value::Global(Global::Ndarray);
                let zero = matches!(self.value(shape), Value::Tuple(axes) if self.are_ints(axes, &[0]));
                if !ndarray || !zero || self.text(kind) != Some(b"b") {
                    return wrong("numpy.ndarray, (0,) and 'b'");
                }
                Ok(Value::EmptyArray)
            }
            (Global::Dtype, &[name, align, copy]) => {
                let flag = |id| matches!(self.value(id), Value::Bool(_) | Value::Int(0..=1));
                if self.text(name) != Some(b"u1") || !flag(align) || !flag(copy) {
                    let found = self.text(name).unwrap_or(b"others");
                    let found = String::from_utf8_lossy(&found[..found.len().min(80)]);
                    return Err(self.rule("dtype", "u1, unsigned bytes", shown(&found)));
                }
                Ok(Value::Dtype)
            }
            (Global::Encode, &[text, encoding]) => {
                let (&Value::Text(text), Some(b"latin1")) = (self.value(text), self.text(encoding)) else {
                    return wrong("a text and 'latin1'");
                };
                self.encode(text)
            }
            (Global::FromBuffer, &[data, dtype, shape, order]) => {
                if *self.value(dtype) != Value::Dtype || self.text(order) != Some(b"C") {
                    return wrong("a buffer, the dtype u1, a shape and 'C'");
                }
                self.array_of(shape, data)
            }
            _ => wrong("those of a data set"),
        }
    }

    /// Gives the array or dtype on the stack its state.
    pub(super) fn build(&mut self, state: Id) -> Result<()> {
        let object = self.top()?;
        let Value::Tuple(state) = self.value(state) else {
            return Err(self.rule("state", "a tuple", "something else"));
        };
        let built = match (self.value(object), &state[..]) {
            (Value::EmptyArray, &[version, shape, dtype, fortran, data]) => {
                if !self.are_ints(&[version], &[1]) || *self.value(dtype) != Value::Dtype {
                    return Err(self.rule("array", "version 1 and a dtype", "others"));
                }
                if !matches!(self.value(fortran), Value::Bool(false) | Value::Int(0)) {
                    return Err(self.rule("array", "C order", "Fortran order"));
                }
                self.array_of(shape, data)?
            }
            // Byte order, no parts, no names, no fields, size, alignment, flags: none matters to single bytes.
            (Value::Dtype, &[version, order, a, b, c, size, alignment, flags]) => {
                let none = [a, b, c].iter().all(|&id| *self.value(id) == Value::None);
                let ints = [size, alignment, flags].iter().all(|&id| matches!(self.value(id), Value::Int(_)));
                if !self.are_ints(&[version], &[3]) || self.text(order).is_none() || !none || !ints {
                    return Err(self.rule("dtype", "the state of a plain dtype", "another"));
                }
                Value::Dtype
            }
            _ => return Err(self.rule("state", "an array or a dtype, and its state", "something else")),
        };
        self.nodes[object.0 as usize].value = built;
        Ok(())
    }

    /// An array of `shape` (a tuple) whose bytes are `data`.
    fn array_of(&self, shape: Id, data: Id) -> Result<Value<'a>> {
        let Value::Tuple(axes) = self.value(shape) else {
            return Err(self.rule("shape", "a tuple", "something else"));
        };
        let axis = |&id: &Id| match *self.value(id) {
            Value::Int(n) => u64::try_from(n).ok(),
            _ => None,
        };
        let shape: Option<Vec<u64>> =
            if axes.len() <= MAX_AXES { axes.iter().map(axis).collect() } else { None };
        let shape =
            shape.ok_or_else(|| self.rule("shape", format!("at most {MAX_AXES} integers"), "others"))?;
        let Value::Bytes(bytes) = self.value(data) else {
            return Err(self.rule("array", "a byte string", "something else"));
        };
        let product = shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n));
        if product != Some(bytes.len() as u64) {
            return Err(self.rule(
                "array",
                format!("the bytes of the shape {shape:?}"),
                format!("{} bytes", bytes.len()),
            ));
        }
        Ok(Value::Array { shape, data })
    }

    /// Each character of `text` as the byte of its number.
    fn encode(&mut self, text: &str) -> Result<Value<'a>> {
        let length = text.chars().count();
        self.encoded += length;
        if self.encoded > self.bytes.len() {
            return Err(self.rule(
                "texts",
                "together no longer than the file",
                "the same text again and again",
            ));
        }
        let bytes: std::result::Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        let bytes = bytes.map_err(|_| self.rule("text", "characters of Latin-1", "another"))?;
        Ok(Value::Bytes(Cow::Owned(bytes)))
    }

    fn are_ints(&self, ids: &[Id], ints: &[i64]) -> bool {
        ids.len() == ints.len() && ids.iter().zip(ints).all(|(&id, &int)| *self.value(id) == Value::Int(int))
    }

    /// The bytes of a text or byte string.
    fn text(&self, id: Id) -> Option<&[u8]> {
        match self.value(id) {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(text) => Some(text.as_bytes()),
            _ => None,
        }
    }
}
