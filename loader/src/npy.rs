//! Headers of `.npy` files, versions 1.0 to 3.0: what array a file holds and where its elements begin; and the heads of
//! files that rfx writes, of version 1.0.
//!
//! A header is a Python dictionary in text form. It is not evaluated: the parser here knows exactly the dictionary that
//! NumPy writes (`descr`, `fortran_order` and `shape`, each once, in any order, spaces anywhere), of arrays whose
//! elements are plain numbers. The length of the header is bounded, and nothing is allocated but its few axes.
//!
//! Format: `numpy/lib/format.py`, "NPY format".

use crate::shard::shown;

/// What every file begins with.
const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// Longest header in bytes, magic and length included.
pub const MAX_HEADER_BYTES: usize = 1 << 16;

/// Most axes of an array; NumPy itself has no more than 64.
const MAX_AXES: usize = 8;

/// What an array file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The elements.
    pub element: Element,
    /// Whether the first axis varies fastest, instead of the last.
    pub fortran_order: bool,
    /// Length of each axis.
    pub shape: Vec<u64>,
    /// Byte of the file at which the first element begins.
    pub start: u64,
}

/// The type of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    /// NumPy's letter: `u` unsigned, `i` signed, `f` floating point, `b` boolean, and others.
    pub kind: char,
    /// Its size in bytes; 0 of objects (`O`), which are pickled.
    pub bytes: u32,
    /// Whether its most significant byte comes first.
    pub big_endian: bool,
}

/// A header that is no header, or of an array that is none of plain numbers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} at byte {offset}: expected {expected}, found {found}")]
pub struct NpyError {
    /// Byte of the file.
    pub offset: u64,
    /// The part of the header.
    pub field: &'static str,
    /// The rule.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Header {
    /// Reads the header at the beginning of `file`, of which at least [`MAX_HEADER_BYTES`] are given, or all there are.
    ///
    /// # Errors
    /// [`NpyError`] at the first byte that breaks the format.
    pub fn parse(file: &[u8]) -> Result<Header, NpyError> {
        let length = |n: usize| format!("{n} bytes");
        let Some((MAGIC, rest)) = file.split_first_chunk() else {
            let found = shown(&String::from_utf8_lossy(&file[..file.len().min(6)]));
            return Err(error(0, "magic", "\\x93NUMPY, as a .npy file begins", found));
        };
        let (text_start, text_bytes) = match *rest {
            [1, 0, a, b, ..] => (10, usize::from(u16::from_le_bytes([a, b]))),
            [2 | 3, 0, a, b, c, d, ..] => (12, u32::from_le_bytes([a, b, c, d]) as usize),
            [major, minor, _, _, ..] if !matches!((major, minor), (1..=3, 0)) => {
                return Err(error(6, "version", "1.0, 2.0 or 3.0", format!("{major}.{minor}")));
            }
            _ => return Err(error(file.len(), "header", "a version and a length", length(file.len()))),
        };
        let Some(end) = text_bytes.checked_add(text_start).filter(|&end| end <= MAX_HEADER_BYTES) else {
            let expected = format!("at most {MAX_HEADER_BYTES} bytes with what precedes it");
            return Err(error(8, "header length", expected, text_bytes.to_string()));
        };
        let Some(text) = file.get(text_start..end) else {
            return Err(error(file.len(), "header", length(end), length(file.len())));
        };
        Text { bytes: text, at: 0, start: text_start }.header(end as u64)
    }

    /// Bytes of all elements, or `None` where that is more than 2^64.
    pub fn data_bytes(&self) -> Option<u64> {
        let product = self.shape.iter().try_fold(1u64, |product, &n| product.checked_mul(n));
        product?.checked_mul(self.element.bytes.into())
    }
}

impl Element {
    /// An integer of this type from its bytes, `bytes.len()` being [`bytes`](Element::bytes), or `None` if it is none
    /// that fits 64 bits with a sign.
    pub fn integer(&self, bytes: &[u8]) -> Option<i64> {
        let mut word = [0; 8];
        let low = word.get_mut(..bytes.len())?;
        low.copy_from_slice(bytes);
        if self.big_endian {
            low.reverse();
        }
        let unsigned = u64::from_le_bytes(word);
        let unused = 64 - 8 * u32::try_from(bytes.len()).ok().filter(|&n| n > 0)?;
        match self.kind {
            'u' | 'b' => i64::try_from(unsigned).ok(),
            'i' => Some(((unsigned << unused) as i64) >> unused), // so that the sign fills the word
            _ => None,
        }
    }
}

impl std::fmt::Display for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.kind {
            'u' => "uint",
            'i' => "int",
            'f' => "float",
            'c' => "complex",
            'b' => return f.write_str("bool"),
            other => return write!(f, "{other}{}", self.bytes),
        };
        write!(f, "{kind}{}{}", 8 * u64::from(self.bytes), if self.big_endian { " (big-endian)" } else { "" })
    }
}

/// The text of a header being read.
struct Text<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Byte of the file at which the text begins.
    start: usize,
}

impl<'a> Text<'a> {
    fn header(mut self, start: u64) -> Result<Header, NpyError> {
        let (mut element, mut fortran_order, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while self.peek() != Some(b'}') {
            let at = self.at;
            let key = self.quoted("key")?;
            self.expect(b':')?;
            let again = match key {
                "descr" => element.replace(self.element()?).is_some(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.shape()?).is_some(),
                _ => {
                    let (offset, key) = (self.start + at, shown(key));
                    return Err(error(offset, "key", "descr, fortran_order or shape", key));
                }
            };
            if again {
                return Err(error(self.start + at, "key", "each once", format!("{key} again")));
            }
            if self.peek() != Some(b'}') {
                self.expect(b',')?;
            }
        }
        self.expect(b'}')?;
        if let Some(byte) = self.peek() {
            return Err(self.error(
                "header",
                "nothing after the dictionary",
                shown(&char::from(byte).to_string()),
            ));
        }
        let missing = |key| error(self.start, "header", format!("a key {key}"), "none");
        Ok(Header {
            element: element.ok_or_else(|| missing("descr"))?,
            fortran_order: fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
            start,
        })
    }

    /// `'<i8'`: byte order, letter, bytes.
    fn element(&mut self) -> Result<Element, NpyError> {
        if matches!(self.peek(), Some(b'[' | b'(' | b'{')) {
            return Err(self.error("descr", "one number per element", "a record of several"));
        }
        let offset = self.start + self.at;
        let text = self.quoted("descr")?;
        let wrong = || error(offset, "descr", "byte order, letter and size, such as '<i8'", shown(text));
        let mut chars = text.chars();
        let (Some(order), Some(kind)) = (chars.next(), chars.next()) else { return Err(wrong()) };
        let size = chars.as_str();
        let digits = !size.is_empty() && size.len() <= 4 && size.bytes().all(|b| b.is_ascii_digit());
        let bytes = match kind {
            'O' if size.is_empty() => 0, // objects have no size: a pickle follows
            _ => size.parse().ok().filter(|&n| digits && n > 0).ok_or_else(wrong)?,
        };
        if !matches!(order, '<' | '>' | '|') || !kind.is_ascii_alphabetic() {
            return Err(wrong());
        }
        Ok(Element { kind, bytes, big_endian: order == '>' })
    }

    fn boolean(&mut self) -> Result<bool, NpyError> {
        self.peek();
        for (word, value) in [("True", true), ("False", false)] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("fortran_order", "True or False", "something else"))
    }

    /// `()`, `(3,)`, `(3, 4)` or `(3, 4,)`.
    fn shape(&mut self) -> Result<Vec<u64>, NpyError> {
        let mut shape = Vec::new();
        self.expect(b'(')?;
        while self.peek() != Some(b')') {
            if shape.len() == MAX_AXES {
                return Err(self.error("shape", format!("at most {MAX_AXES} axes"), "more"));
            }
            shape.push(self.number()?);
            if self.peek() != Some(b')') || shape.len() == 1 {
                self.expect(b',')?; // (3) is no tuple
            }
        }
        self.expect(b')')?;
        Ok(shape)
    }

    fn number(&mut self) -> Result<u64, NpyError> {
        self.peek();
        let rest = &self.bytes[self.at..];
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let number = str::from_utf8(&rest[..digits]).ok().and_then(|text| text.parse().ok());
        let number = number.ok_or_else(|| self.error("shape", "lengths below 2^64", "something else"))?;
        // Python 2 ends numbers of some machines in L.
        self.at += digits + usize::from(rest.get(digits) == Some(&b'L'));
        Ok(number)
    }

    fn quoted(&mut self, field: &'static str) -> Result<&'a str, NpyError> {
        let (bytes, quote) = (self.bytes, self.peek());
        let rest = bytes.get(self.at + 1..).unwrap_or_default();
        let length = rest.iter().position(|&b| Some(b) == quote);
        match (quote, length) {
            (Some(b'\'' | b'"'), Some(length))
                if rest[..length].is_ascii() && !rest[..length].contains(&b'\\') =>
            {
                self.at += length + 2;
                Ok(str::from_utf8(&rest[..length]).expect("ASCII"))
            }
            _ => Err(self.error(field, "a plain text in quotes", "something else")),
        }
    }

    /// The next byte that is no space, which stays.
    fn peek(&mut self) -> Option<u8> {
        self.at += self.bytes[self.at..].iter().take_while(|b| matches!(b, b' ' | b'\n' | b'\t')).count();
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Result<(), NpyError> {
        match self.peek() {
            Some(found) if found == byte => {
                self.at += 1;
                Ok(())
            }
            found => {
                let found = found.map_or("its end".into(), |b| shown(&char::from(b).to_string()));
                Err(self.error("header", char::from(byte).to_string(), found))
            }
        }
    }

    fn error(&self, field: &'static str, expected: impl Into<String>, found: impl Into<String>) -> NpyError {
        error(self.start + self.at, field, expected, found)
    }
}

/// The beginning of a file of version 1.0, which the elements follow, the last axis varying fastest. `descr` is the type of
/// an element as Python writes it, quotes included (`'<i8'`), or a list of fields. The length is a multiple of 64, as
/// NumPy wants it, so that a mapped array is aligned.
///
/// # Panics
/// If `descr` and `shape` do not fit the 65,535 bytes that this version gives them.
pub fn head(descr: &str, shape: &[u64]) -> Vec<u8> {
    let axes: Vec<String> = shape.iter().map(u64::to_string).collect();
    let comma = if shape.len() == 1 { "," } else { "" }; // (3) is no tuple
    let axes = axes.join(", ");
    let mut text = format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ({axes}{comma}), }}");
    let before = MAGIC.len() + 2 + 2; // the version, the length
    let length = (before + text.len() + 1).next_multiple_of(64) - before;
    text.push_str(&" ".repeat(length - 1 - text.len()));
    text.push('\n');
    let length = u16::try_from(length).expect("a header of version 1.0");
    [MAGIC, &[1, 0][..], &length.to_le_bytes(), text.as_bytes()].concat()
}

fn error(
    offset: usize,
    field: &'static str,
    expected: impl Into<String>,
    found: impl Into<String>,
) -> NpyError {
    NpyError { offset: offset as u64, field, expected: expected.into(), found: found.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(version: u8, text: &str) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend([version, 0]);
        match version {
            1 => file.extend((text.len() as u16).to_le_bytes()),
            _ => file.extend((text.len() as u32).to_le_bytes()),
        }
        file.extend(text.as_bytes());
        file
    }

    #[test]
    fn headers_in_every_spelling_are_read() {
        for (text, kind, bytes, fortran_order, shape) in [
            ("{'descr': '<i8', 'fortran_order': False, 'shape': (3, 4), }   \n", 'i', 8, false, vec![3, 4]),
            ("{\"shape\": (), \"fortran_order\": True, \"descr\": '|u1'}\n", 'u', 1, true, vec![]),
            ("{'descr':'>f4','fortran_order':False,'shape':(7,)}", 'f', 4, false, vec![7]),
            ("{'descr': '<u2', 'fortran_order': False, 'shape': (10L, 2L,)}", 'u', 2, false, vec![10, 2]),
        ] {
            for version in 1..=3 {
                let mut file = file(version, text);
                let start = file.len() as u64;
                file.extend([0; 9]);
                let header = Header::parse(&file).unwrap_or_else(|e| panic!("{text}: {e}"));
                let element = Element { kind, bytes, big_endian: text.contains('>') };
                assert_eq!(header, Header { element, fortran_order, shape: shape.clone(), start });
            }
        }
    }

    #[test]
    fn a_head_is_read_back_and_ends_where_elements_are_aligned() {
        for shape in [vec![], vec![0], vec![50_000], vec![69, 50_000], vec![u64::MAX; 3]] {
            for (descr, kind, bytes) in [("'<i8'", 'i', 8), ("'|u1'", 'u', 1), ("'<f4'", 'f', 4)] {
                let head = head(descr, &shape);
                let header = Header::parse(&head).unwrap();
                let element = Element { kind, bytes, big_endian: false };
                assert_eq!((header.element, &header.shape, header.fortran_order), (element, &shape, false));
                assert_eq!(
                    (header.start, head.len() % 64, head.last()),
                    (head.len() as u64, 0, Some(&b'\n'))
                );
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused_with_its_byte() {
        let text = |text: &str| Header::parse(&file(1, text)).expect_err(text).to_string();
        let rest = "'fortran_order': False, 'shape': (3,), }";
        for (descr, part) in [
            ("'descr': [('a', '<i8')], ", "descr at byte 20: expected one number per element"),
            ("'descr': '<i8', 'descr': '<i8', ", "key at byte 27: expected each once, found descr again"),
            (
                "'descr': '<i8', 'extra': 3, ",
                "key at byte 27: expected descr, fortran_order or shape, found extra",
            ),
            ("'descr': 'i8', ", "found i8"),
            ("'descr': '<i99999', ", "found <i99999"),
            ("'descr': '<i', ", "found <i"),
            ("'descr': '=i8', ", "found =i8"),
            ("'descr': '\\x3ci8', ", "a plain text in quotes"),
            ("'descr': __import__('os'), ", "a plain text in quotes"),
            ("", "header at byte 10: expected a key descr, found none"),
        ] {
            let error = text(&format!("{{{descr}{rest}"));
            assert!(error.contains(part), "{descr}: {error}");
        }
        for shape in
            ["(3)", "(-1,)", "(3,", "[3]", "(18446744073709551616,)", "(1,1,1,1,1,1,1,1,1)", "(3,,)", "(,)"]
        {
            let error = text(&format!("{{'descr': '<i8', 'fortran_order': False, 'shape': {shape}}}"));
            assert!(error.contains(" at byte "), "{shape}: {error}");
        }
        let whole = "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }";
        for end in 0..whole.len() {
            text(&whole[..end]);
        }
        assert!(text(&format!("{whole}x")).contains("nothing after the dictionary, found x"));
        let bytes = file(1, whole);
        for end in 0..bytes.len() {
            assert!(Header::parse(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(Header::parse(&file(4, whole)).unwrap_err().to_string().contains("found 4.0"));
        let mut long = file(2, whole);
        long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Header::parse(&long).unwrap_err().to_string().contains("header length at byte 8"));
    }

    #[test]
    fn lengths_that_overflow_are_told() {
        let header = |shape: Vec<u64>| Header {
            element: Element { kind: 'i', bytes: 8, big_endian: false },
            fortran_order: false,
            shape,
            start: 0,
        };
        assert_eq!(header(vec![1 << 40, 1 << 30]).data_bytes(), None);
        assert_eq!(header(vec![1 << 61]).data_bytes(), None);
        assert_eq!(header(vec![5, 2]).data_bytes(), Some(80));
        assert_eq!(header(vec![]).data_bytes(), Some(8));
    }

    #[test]
    fn integers_of_every_size_and_order_keep_their_value() {
        for (kind, bytes, text, expected) in [
            ('u', &[200][..], "uint8", Some(200)),
            ('i', &[200], "int8", Some(-56)),
            ('i', &[0xfe, 0xff], "int16", Some(-2)),
            ('u', &[0xfe, 0xff], "uint16", Some(65_534)),
            ('i', &[1, 0, 0, 0, 0, 0, 0, 0x80], "int64", Some(i64::MIN + 1)),
            ('u', &[1, 0, 0, 0, 0, 0, 0, 0x80], "uint64", None),
            ('f', &[0, 0, 0, 0], "float32", None),
        ] {
            let mut element = Element { kind, bytes: bytes.len() as u32, big_endian: false };
            assert_eq!(element.to_string(), text);
            assert_eq!(element.integer(bytes), expected, "{text}");
            element.big_endian = true;
            let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
            assert_eq!(element.integer(&reversed), expected, "{text}");
        }
        assert_eq!(Element { kind: 'i', bytes: 16, big_endian: false }.integer(&[0; 16]), None);
        assert_eq!(Element { kind: 'i', bytes: 0, big_endian: false }.integer(&[]), None);
    }
}
