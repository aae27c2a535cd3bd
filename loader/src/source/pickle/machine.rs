//! The stack machine: instructions in, values out.

use std::borrow::Cow;

use super::{
    Global, Id, MAX_DEPTH, MAX_INSTRUCTIONS, Node, Pickle, PickleError, Value, numpy::known, opcode,
};
use crate::shard::shown;

/// Longest module or name, its end of line included.
const MAX_LINE_BYTES: usize = 256;

/// A pickle being read.
pub(super) struct Machine<'a> {
    pub(super) bytes: &'a [u8],
    /// The next byte.
    at: usize,
    /// Where the instruction being carried out starts.
    start: usize,
    pub(super) nodes: Vec<Node<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at which a mark lies.
    marks: Vec<usize>,
    memo: Vec<Option<Id>>,
    /// Bytes of texts that were encoded anew so far.
    pub(super) encoded: usize,
    /// Whether arrays may have elements other than bytes.
    pub(super) numbers: bool,
}

/// The empty tuple, which the shape of an array without axes is.
const EMPTY_TUPLE: u8 = b')';

pub(super) type Result<T> = std::result::Result<T, PickleError>;

impl<'a> Machine<'a> {
    pub fn new(bytes: &'a [u8], numbers: bool) -> Self {
        let (nodes, stack, marks, memo) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Machine { bytes, at: 0, start: 0, nodes, stack, marks, memo, encoded: 0, numbers }
    }

    /// Carries out all instructions.
    pub fn run(mut self) -> Result<Pickle<'a>> {
        self.protocol()?;
        for _ in 0..MAX_INSTRUCTIONS {
            self.start = self.at;
            match self.byte()? {
                opcode::STOP => return self.stop(),
                other => self.step(other)?,
            }
        }
        Err(self.rule("instructions", format!("at most {MAX_INSTRUCTIONS}"), "more"))
    }

    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            opcode::FRAME => {
                let length = self.u64()?;
                self.room(length, "frame")?;
            }
            opcode::MARK => {
                if self.marks.len() >= usize::from(MAX_DEPTH) {
                    return Err(self.too_deep());
                }
                self.marks.push(self.stack.len());
            }
            opcode::NONE => self.push(Value::None)?,
            opcode::NEWTRUE => self.push(Value::Bool(true))?,
            opcode::NEWFALSE => self.push(Value::Bool(false))?,
            opcode::BININT => {
                let int = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(int.into()))?;
            }
            opcode::BININT1 => {
                let int = self.byte()?;
                self.push(Value::Int(int.into()))?;
            }
            opcode::BININT2 => {
                let int = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(int.into()))?;
            }
            opcode::BINSTRING => {
                let length = i32::from_le_bytes(self.array()?);
                let length = u64::try_from(length)
                    .map_err(|_| self.rule("length", "0 or more", length.to_string()))?;
                self.push_bytes(length)?;
            }
            opcode::SHORT_BINSTRING | opcode::SHORT_BINBYTES => {
                let length = self.byte()?;
                self.push_bytes(length.into())?;
            }
            opcode::BINBYTES => {
                let length = self.u32()?;
                self.push_bytes(length.into())?;
            }
            opcode::BINBYTES8 | opcode::BYTEARRAY8 => {
                let length = self.u64()?;
                self.push_bytes(length)?;
            }
            opcode::SHORT_BINUNICODE => {
                let length = self.byte()?;
                self.push_text(length.into())?;
            }
            opcode::BINUNICODE => {
                let length = self.u32()?;
                self.push_text(length.into())?;
            }
            opcode::BINUNICODE8 => {
                let length = self.u64()?;
                self.push_text(length)?;
            }
            EMPTY_TUPLE if self.numbers => self.push(Value::Tuple(Vec::new()))?,
            opcode::TUPLE => {
                let items = self.pop_to_mark()?;
                self.push(Value::Tuple(items))?;
            }
            opcode::TUPLE1 => self.tuple::<1>()?,
            opcode::TUPLE2 => self.tuple::<2>()?,
            opcode::TUPLE3 => self.tuple::<3>()?,
            opcode::EMPTY_LIST => self.push(Value::List(Vec::new()))?,
            opcode::APPEND => {
                let item = self.pop()?;
                self.append(&[item])?;
            }
            opcode::APPENDS => {
                let items = self.pop_to_mark()?;
                self.append(&items)?;
            }
            opcode::EMPTY_DICT => self.push(Value::Dict(Vec::new()))?,
            opcode::SETITEM => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            opcode::SETITEMS => {
                let items = self.pop_to_mark()?;
                self.set(&items)?;
            }
            opcode::BINGET => {
                let index = self.byte()?;
                self.get(index.into())?;
            }
            opcode::LONG_BINGET => {
                let index = self.u32()?;
                self.get(index)?;
            }
            opcode::BINPUT => {
                let index = self.byte()?;
                self.put(index as usize)?;
            }
            opcode::LONG_BINPUT => {
                let index = self.u32()?;
                self.put(index as usize)?;
            }
            opcode::MEMOIZE => self.put(self.memo.len())?,
            opcode::GLOBAL | opcode::INST => {
                let (module, name) = (self.line()?, self.line()?);
                // INST calls what it names, and nothing that may be named is ever called that way.
                let global = if opcode == opcode::GLOBAL { known(module, name) } else { None };
                self.push_global(global, module, name)?;
            }
            opcode::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (&Value::Text(module), &Value::Text(name)) = (self.value(module), self.value(name))
                else {
                    return Err(self.rule("module and name", "two texts", "something else"));
                };
                self.push_global(
                    known(module.as_bytes(), name.as_bytes()),
                    module.as_bytes(),
                    name.as_bytes(),
                )?;
            }
            opcode::REDUCE => {
                let (arguments, function) = (self.pop()?, self.pop()?);
                let value = self.reduce(function, arguments)?;
                self.push(value)?;
            }
            opcode::BUILD => {
                let state = self.pop()?;
                self.build(state)?;
            }
            other => {
                let instruction = opcode::name(other);
                return Err(PickleError::Instruction { offset: self.start as u64, instruction });
            }
        }
        Ok(())
    }

    fn protocol(&mut self) -> Result<()> {
        match (self.byte(), self.byte()) {
            (Ok(opcode::PROTO), Ok(2..=5)) => Ok(()),
            (first, second) => {
                let found = [first, second].into_iter().flatten().map(|b| format!("{b:02x}"));
                let found = found.collect::<Vec<_>>().join(" ");
                let found = if found.is_empty() { "an empty file".into() } else { format!("bytes {found}") };
                Err(self.rule("pickle", "80 02 to 80 05, as a pickle of protocol 2 to 5 begins", found))
            }
        }
    }

    fn stop(self) -> Result<Pickle<'a>> {
        if self.at < self.bytes.len() {
            let rest = self.bytes.len() - self.at;
            return Err(self.rule("end", "nothing after the pickle", format!("{rest} bytes more")));
        }
        match (&self.stack[..], &self.marks[..]) {
            (&[root], []) => Ok(Pickle { nodes: self.nodes, root }),
            (stack, _) => Err(self.rule("end", "one value", format!("{} values or marks", stack.len()))),
        }
    }

    // Bytes of the file.

    fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.bytes[self.at..].first_chunk() {
            Some(&array) => {
                self.at += N;
                Ok(array)
            }
            None => Err(self.rule("length", format!("{N} bytes more"), self.left())),
        }
    }

    /// Checks that `length` bytes more are there.
    fn room(&self, length: u64, field: &'static str) -> Result<usize> {
        let left = self.bytes.len() - self.at;
        match usize::try_from(length) {
            Ok(length) if length <= left => Ok(length),
            _ => Err(self.rule(field, format!("{length} bytes more"), self.left())),
        }
    }

    fn left(&self) -> String {
        format!("{} bytes to the end of the file", self.bytes.len() - self.at)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let length = self.room(length, "length")?;
        let taken = &self.bytes[self.at..self.at + length];
        self.at += length;
        Ok(taken)
    }

    fn line(&mut self) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        match rest.iter().take(MAX_LINE_BYTES).position(|&b| b == b'\n') {
            Some(end) => {
                self.at += end + 1;
                Ok(&rest[..end])
            }
            None => Err(self.rule(
                "name",
                format!("a line of less than {MAX_LINE_BYTES} bytes"),
                "no end of line",
            )),
        }
    }

    // The stack.

    fn push(&mut self, value: Value<'a>) -> Result<()> {
        let deepest = |ids: &[Id]| ids.iter().map(|id| self.nodes[id.0 as usize].depth + 1).max();
        let depth = match &value {
            Value::Tuple(items) => deepest(items).unwrap_or(0),
            _ => 0, // lists and dictionaries are empty when they are made
        };
        if depth > MAX_DEPTH {
            return Err(self.too_deep());
        }
        // At most one value per instruction: the number fits.
        self.stack.push(Id(self.nodes.len() as u32));
        self.nodes.push(Node { value, offset: self.start, depth });
        Ok(())
    }

    fn push_bytes(&mut self, length: u64) -> Result<()> {
        let bytes = self.take(length)?;
        self.push(Value::Bytes(Cow::Borrowed(bytes)))
    }

    fn push_text(&mut self, length: u64) -> Result<()> {
        let bytes = self.take(length)?;
        let text = str::from_utf8(bytes).map_err(|e| self.rule("text", "UTF-8", e.to_string()))?;
        self.push(Value::Text(text))
    }

    fn push_global(&mut self, global: Option<Global>, module: &[u8], name: &[u8]) -> Result<()> {
        let text = |bytes| shown(&String::from_utf8_lossy(bytes));
        match global {
            Some(global) => self.push(Value::Global(global)),
            None => Err(PickleError::Refused {
                offset: self.start as u64,
                module: text(module),
                name: text(name),
            }),
        }
    }

    fn pop(&mut self) -> Result<Id> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(self.rule("stack", "a value", "none"));
        }
        Ok(self.stack.pop().expect("above the last mark"))
    }

    /// The value that an instruction changes.
    pub(super) fn top(&self) -> Result<Id> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack[floor..].last().copied().ok_or_else(|| self.rule("stack", "a value", "none"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        let mark = self.marks.pop().ok_or_else(|| self.rule("stack", "a mark", "none"))?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple<const N: usize>(&mut self) -> Result<()> {
        let mut items = vec![Id(0); N];
        for item in items.iter_mut().rev() {
            *item = self.pop()?;
        }
        self.push(Value::Tuple(items))
    }

    pub(super) fn value(&self, id: Id) -> &Value<'a> {
        &self.nodes[id.0 as usize].value
    }

    fn get(&mut self, index: u32) -> Result<()> {
        match self.memo.get(index as usize) {
            Some(&Some(id)) => {
                self.stack.push(id);
                Ok(())
            }
            _ => Err(self.rule("memo", "a number that was given to a value", index.to_string())),
        }
    }

    fn put(&mut self, index: usize) -> Result<()> {
        let top = self.top()?;
        // Python counts from 0 or 1, so no number exceeds that of the values made so far.
        if index > self.nodes.len() {
            return Err(self.rule("memo", format!("numbers up to {}", self.nodes.len()), index.to_string()));
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(top);
        Ok(())
    }

    // Containers.

    fn append(&mut self, items: &[Id]) -> Result<()> {
        let (list, depth) = (self.top()?, self.depth_around(items)?);
        let node = &mut self.nodes[list.0 as usize];
        let Value::List(list) = &mut node.value else {
            return Err(self.rule("append", "a list", "something else"));
        };
        list.extend_from_slice(items);
        node.depth = node.depth.max(depth);
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<()> {
        let (dict, depth) = (self.top()?, self.depth_around(items)?);
        let (pairs, []) = items.as_chunks() else {
            return Err(self.rule("items", "keys with values", "a key alone"));
        };
        let node = &mut self.nodes[dict.0 as usize];
        let Value::Dict(dict) = &mut node.value else {
            return Err(self.rule("items", "a dictionary", "something else"));
        };
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        node.depth = node.depth.max(depth);
        Ok(())
    }

    /// Depth of a container of `items`.
    fn depth_around(&self, items: &[Id]) -> Result<u8> {
        match items.iter().map(|id| self.nodes[id.0 as usize].depth + 1).max() {
            Some(depth) if depth > MAX_DEPTH => Err(self.too_deep()),
            depth => Ok(depth.unwrap_or(0)),
        }
    }

    fn too_deep(&self) -> PickleError {
        self.rule("nesting", format!("at most {MAX_DEPTH} levels"), "more")
    }

    pub(super) fn rule(
        &self,
        field: &'static str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> PickleError {
        PickleError::Rule { offset: self.start as u64, field, expected: expected.into(), found: found.into() }
    }
}
