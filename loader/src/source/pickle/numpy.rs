//! The names that may occur, and what stands for calling them.

use std::borrow::Cow;

use super::{
    Global, Id, Value,
    machine::{Machine, Result},
};
use crate::{npy::Element, shard::shown};

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

/// The dtypes beside bytes that files of labels use: integers, little-endian until their state says otherwise, and
/// objects.
fn wider(name: &[u8]) -> Option<Value<'static>> {
    let integer = |kind, bytes| Some(Value::NumberDtype(Element { kind, bytes, big_endian: false }));
    match name {
        b"i1" => integer('i', 1),
        b"i2" => integer('i', 2),
        b"i4" => integer('i', 4),
        b"i8" => integer('i', 8),
        b"u2" => integer('u', 2),
        b"u4" => integer('u', 4),
        b"u8" => integer('u', 8),
        b"O8" => Some(Value::ObjectDtype),
        _ => None,
    }
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
                if flag(align)
                    && flag(copy)
                    && let Some(dtype) = self.text(name).and_then(wider).filter(|_| self.numbers)
                {
                    return Ok(dtype);
                }
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
                if self.text(order) != Some(b"C") {
                    return wrong("a buffer, a dtype, a shape and 'C'");
                }
                self.array_of(dtype, shape, data)
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
                if !self.are_ints(&[version], &[1]) {
                    return Err(self.rule("array", "version 1 and a dtype", "others"));
                }
                if !matches!(self.value(fortran), Value::Bool(false) | Value::Int(0)) {
                    return Err(self.rule("array", "C order", "Fortran order"));
                }
                self.array_of(dtype, shape, data)?
            }
            // Byte order, no parts, no names, no fields, size, alignment, flags: the first alone matters, and not to bytes.
            (
                dtype @ (Value::Dtype | Value::NumberDtype(_) | Value::ObjectDtype),
                &[version, order, a, b, c, size, alignment, flags],
            ) => {
                let none = [a, b, c].iter().all(|&id| *self.value(id) == Value::None);
                let ints = [size, alignment, flags].iter().all(|&id| matches!(self.value(id), Value::Int(_)));
                if !self.are_ints(&[version], &[3]) || self.text(order).is_none() || !none || !ints {
                    return Err(self.rule("dtype", "the state of a plain dtype", "another"));
                }
                match (dtype, self.text(order)) {
                    (&Value::NumberDtype(element), Some(b"<" | b"|")) => Value::NumberDtype(element),
                    (&Value::NumberDtype(element), Some(b">")) => {
                        Value::NumberDtype(Element { big_endian: true, ..element })
                    }
                    (Value::NumberDtype(_), _) => {
                        return Err(self.rule("byte order", "'<', '>' or '|'", "another"));
                    }
                    (other, _) => other.clone(),
                }
            }
            _ => return Err(self.rule("state", "an array or a dtype, and its state", "something else")),
        };
        self.nodes[object.0 as usize].value = built;
        Ok(())
    }

    /// An array of `dtype` and `shape` (a tuple) whose bytes or items are `data`.
    fn array_of(&self, dtype: Id, shape: Id, data: Id) -> Result<Value<'a>> {
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
        let (field, found) = ("array", "something else");
        let size = match *self.value(dtype) {
            Value::Dtype => 1,
            Value::NumberDtype(element) => u64::from(element.bytes),
            Value::ObjectDtype => 1,
            _ => return Err(self.rule(field, "version 1 and a dtype", "others")),
        };
        let length = match (self.value(dtype), self.value(data)) {
            (Value::ObjectDtype, Value::List(items)) => items.len(),
            (Value::ObjectDtype, _) => return Err(self.rule(field, "a list", found)),
            (_, Value::Bytes(bytes)) => bytes.len(),
            _ => return Err(self.rule(field, "a byte string", found)),
        };
        let product = shape.iter().try_fold(size, |product, &n| product.checked_mul(n));
        if product != Some(length as u64) {
            let what = if *self.value(dtype) == Value::ObjectDtype { "items" } else { "bytes" };
            let expected = format!("the {what} of the shape {shape:?}");
            return Err(self.rule(field, expected, format!("{length} {what}")));
        }
        Ok(match *self.value(dtype) {
            Value::NumberDtype(element) => Value::Numbers { element, shape, data },
            Value::ObjectDtype => Value::Objects { shape, items: data },
            _ => Value::Array { shape, data },
        })
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
