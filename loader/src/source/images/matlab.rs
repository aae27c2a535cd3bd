//! The table `synsets` of ILSVRC's `meta.mat`: a MATLAB 5 file (little-endian, elements compressed with zlib), read as far
//! as that table needs and no further.
//!
//! A file is a header of 128 bytes and elements; an element is a tag (type, length in bytes) and data, padded to 8 bytes,
//! or both in one word of 8 where the data have at most 4 bytes. A matrix is an element made of elements: flags with
//! its class, its sides, its name, then values. `synsets` is a matrix of structures: names of fields, each in as many bytes
//! as one element says, then for each structure one matrix per field. See MathWorks, "MAT-File Format", version 5.

use std::io::Read;

use flate2::read::ZlibDecoder;

/// Most bytes an element may decompress to; the real one has 2 MiB.
const MAX_INFLATED: u64 = 64 << 20;

/// Most structures: the real table has 1,860.
const MAX_STRUCTURES: usize = 1 << 16;

/// Most fields of a structure, and most bytes of a name of one, as MATLAB has it.
const MAX_FIELDS: usize = 64;
const MAX_FIELD_NAME: usize = 64;

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synset {
    /// `ILSVRC2012_ID`, from 1.
    pub id: u32,
    /// `WNID`: `n01440764`.
    pub wnid: String,
    /// `words`: `tench, Tinca tinca`.
    pub words: String,
    /// `num_children`: 0 for the classes of the challenge.
    pub children: u32,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} at byte {offset}{inside}: expected {expected}, found {found}")]
pub struct MatlabError {
    /// Which part.
    pub field: &'static str,
    /// Byte offset in the file, or in what an element decompresses to.
    pub offset: usize,
    /// Which of the two.
    pub inside: &'static str,
    /// The rule.
    pub expected: String,
    /// What is there.
    pub found: String,
}

// Types of elements.
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT16: u32 = 3;
const UINT16: u32 = 4;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const DOUBLE: u32 = 9;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;
const UTF8: u32 = 16;
const UTF16: u32 = 17;

// Classes of matrices.
const STRUCTURES: u8 = 2;
const CHARACTERS: u8 = 4;

const HEADER_BYTES: usize = 128;

/// Rows of `synsets` in the file `bytes`, in its order.
///
/// # Errors
/// [`MatlabError`] naming element and byte.
pub fn synsets(bytes: &[u8]) -> Result<Vec<Synset>, MatlabError> {
    let wrong = |field, offset, expected: &str, found: String| {
        Err(MatlabError { field, offset, inside: "", expected: expected.into(), found })
    };
    match bytes.get(124..HEADER_BYTES) {
        Some([0, 1, b'I', b'M']) => {}
        Some(other) => {
            let found = other.escape_ascii().to_string();
            return wrong("version", 124, "MATLAB 5, little-endian (00 01 IM)", found);
        }
        None => return wrong("header", 0, "128 bytes", format!("{} bytes", bytes.len())),
    }
    let mut file = Cursor { bytes, start: 0, at: HEADER_BYTES, inside: "" };
    while !file.is_empty() {
        let element = file.element()?;
        let inflated;
        let matrix = match element.kind {
            COMPRESSED => {
                inflated = inflate(&element)?;
                let mut inner =
                    Cursor { bytes: &inflated, start: 0, at: 0, inside: " of a compressed element" };
                inner.element()?
            }
            _ => element,
        };
        if let Some(mut matrix) = Matrix::open(&matrix)?
            && matrix.name == b"synsets"
        {
            return matrix.synsets();
        }
    }
    wrong("file", bytes.len(), "a variable `synsets`", "none".into())
}

fn inflate(element: &Element<'_>) -> Result<Vec<u8>, MatlabError> {
    let mut out = Vec::new();
    let decoder = ZlibDecoder::new(element.data);
    let error = |expected: String, found| MatlabError {
        field: "compressed element",
        offset: element.offset,
        inside: "",
        expected,
        found,
    };
    decoder
        .take(MAX_INFLATED + 1)
        .read_to_end(&mut out)
        .map_err(|e| error("zlib data".into(), e.to_string()))?;
    if out.len() as u64 > MAX_INFLATED {
        return Err(error(format!("at most {MAX_INFLATED} bytes when decompressed"), "more".into()));
    }
    Ok(out)
}

/// Bytes, and how far they have been read.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    bytes: &'a [u8],
    /// Where the first of them is, for messages.
    start: usize,
    at: usize,
    inside: &'static str,
}

/// A tag and its data.
#[derive(Clone, Copy)]
struct Element<'a> {
    kind: u32,
    data: &'a [u8],
    /// Where its tag is.
    offset: usize,
    /// Where its data are, so that what is in them can be placed.
    data_at: usize,
    inside: &'static str,
}

impl<'a> Cursor<'a> {
    fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn wrong<T>(
        &self,
        field: &'static str,
        at: usize,
        expected: impl ToString,
        found: impl ToString,
    ) -> Result<T, MatlabError> {
        let (expected, found) = (expected.to_string(), found.to_string());
        Err(MatlabError { field, offset: self.start + at, inside: self.inside, expected, found })
    }

    fn word(&self, at: usize) -> Result<u32, MatlabError> {
        match self.bytes.get(at..).and_then(|b| b.first_chunk::<4>()) {
            Some(word) => Ok(u32::from_le_bytes(*word)),
            None => self.wrong("element", at, "a tag of 8 bytes", "the end"),
        }
    }

    fn element(&mut self) -> Result<Element<'a>, MatlabError> {
        let offset = self.at;
        let (first, second) = (self.word(offset)?, self.word(offset + 4)?);
        // A small element has its length in the upper half of the first word and its data in the second.
        let (kind, length, data_at) = match first >> 16 {
            0 => (first, second as usize, offset + 8),
            small => (first & 0xffff, small as usize, offset + 4),
        };
        if first >> 16 != 0 && length > 4 {
            return self.wrong("small element", offset, "at most 4 bytes", length);
        }
        let Some(data) = self.bytes.get(data_at..).and_then(|b| b.get(..length)) else {
            return self.wrong("element length", offset, "at most what is left", length);
        };
        // Compressed elements alone are not padded.
        let padded = if kind == COMPRESSED { length } else { length.next_multiple_of(8) };
        self.at = if first >> 16 == 0 { data_at + padded } else { offset + 8 };
        let (offset, data_at) = (self.start + offset, self.start + data_at);
        Ok(Element { kind, data, offset, data_at, inside: self.inside })
    }
}

impl<'a> Element<'a> {
    fn wrong<T>(
        &self,
        field: &'static str,
        expected: impl ToString,
        found: impl ToString,
    ) -> Result<T, MatlabError> {
        let (expected, found) = (expected.to_string(), found.to_string());
        Err(MatlabError { field, offset: self.offset, inside: self.inside, expected, found })
    }

    /// Its values as whole numbers.
    fn integers(&self, field: &'static str) -> Result<Vec<u32>, MatlabError> {
        let each = |width: usize, read: &dyn Fn(&[u8]) -> Option<u32>| {
            let values: Option<Vec<u32>> = self.data.chunks(width).map(read).collect();
            match values {
                Some(values) => Ok(values),
                None => self.wrong(field, "whole numbers from 0", "others"),
            }
        };
        match self.kind {
            UINT8 | UTF8 => each(1, &|b| Some(b[0].into())),
            INT8 => each(1, &|b| u32::try_from(b[0] as i8).ok()),
            UINT16 | UTF16 => each(2, &|b| Some(u16::from_le_bytes(b.try_into().ok()?).into())),
            INT16 => each(2, &|b| u32::try_from(i16::from_le_bytes(b.try_into().ok()?)).ok()),
            UINT32 => each(4, &|b| Some(u32::from_le_bytes(b.try_into().ok()?))),
            INT32 => each(4, &|b| u32::try_from(i32::from_le_bytes(b.try_into().ok()?)).ok()),
            DOUBLE => each(8, &|b| {
                let value = f64::from_le_bytes(b.try_into().ok()?);
                (value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value)).then_some(value as u32)
            }),
            other => self.wrong(field, "numbers", format!("an element of type {other}")),
        }
    }
}

/// A matrix whose values have not been read.
struct Matrix<'a> {
    class: u8,
    elements: usize,
    name: &'a [u8],
    rest: Cursor<'a>,
}

impl<'a> Matrix<'a> {
    /// The matrix in `element`, if it is one. An empty element is an empty matrix.
    fn open(element: &Element<'a>) -> Result<Option<Matrix<'a>>, MatlabError> {
        if element.kind != MATRIX {
            return Ok(None);
        }
        let mut rest = Cursor { bytes: element.data, start: element.data_at, at: 0, inside: element.inside };
        if rest.is_empty() {
            return Ok(Some(Matrix { class: 0, elements: 0, name: b"", rest }));
        }
        let flags = rest.element()?;
        let class = match (flags.kind, flags.data) {
            (UINT32, [class, ..]) => *class,
            _ => return flags.wrong("matrix flags", "two words", format!("type {}", flags.kind)),
        };
        let sides = rest.element()?.integers("matrix sides")?;
        let product = sides.iter().try_fold(1usize, |p, &s| p.checked_mul(s as usize));
        let Some(elements) = product.filter(|_| (1..=8).contains(&sides.len())) else {
            return element.wrong("matrix sides", "1 to 8 sides", format!("{sides:?}"));
        };
        let name = rest.element()?.data;
        Ok(Some(Matrix { class, elements, name, rest }))
    }

    /// The matrix in the next element of `cursor`.
    fn next(cursor: &mut Cursor<'a>) -> Result<Matrix<'a>, MatlabError> {
        let element = cursor.element()?;
        match Matrix::open(&element)? {
            Some(matrix) => Ok(matrix),
            None => element.wrong("field", "a matrix", format!("an element of type {}", element.kind)),
        }
    }

    fn synsets(&mut self) -> Result<Vec<Synset>, MatlabError> {
        let cursor = self.rest;
        if self.class != STRUCTURES {
            return cursor.wrong("synsets", cursor.at, "structures (class 2)", self.class);
        }
        if self.elements > MAX_STRUCTURES {
            return cursor.wrong("synsets", cursor.at, format!("at most {MAX_STRUCTURES}"), self.elements);
        }
        let width = self.rest.element()?.integers("length of field names")?;
        let names = self.rest.element()?;
        let width = match width[..] {
            [w] if (1..=MAX_FIELD_NAME).contains(&(w as usize)) => w as usize,
            _ => return names.wrong("length of field names", format!("1 to {MAX_FIELD_NAME}"), "another"),
        };
        let fields: Vec<&[u8]> =
            names.data.chunks(width).map(|n| n.split(|&b| b == 0).next().unwrap_or(n)).collect();
        if fields.len() > MAX_FIELDS {
            return names.wrong("fields", format!("at most {MAX_FIELDS}"), fields.len());
        }
        let place = |field: &'static str| match fields.iter().position(|f| *f == field.as_bytes()) {
            Some(at) => Ok(at),
            None => names.wrong(field, "a field of that name", "none"),
        };
        let wanted = [place("ILSVRC2012_ID")?, place("WNID")?, place("words")?, place("num_children")?];
        let mut out = Vec::new();
        for _ in 0..self.elements {
            let mut row = [None, None, None, None];
            for field in 0..fields.len() {
                let matrix = Matrix::next(&mut self.rest)?;
                if let Some(at) = wanted.iter().position(|w| *w == field) {
                    row[at] = Some(matrix);
                }
            }
            let [Some(id), Some(wnid), Some(words), Some(children)] = row else {
                unreachable!("the wanted fields are among the fields")
            };
            out.push(Synset {
                id: id.number("ILSVRC2012_ID")?,
                wnid: wnid.text("WNID")?,
                words: words.text("words")?,
                children: children.number("num_children")?,
            });
        }
        Ok(out)
    }

    fn number(mut self, field: &'static str) -> Result<u32, MatlabError> {
        let at = self.rest;
        match (self.class, self.elements) {
            (6..=15, 1) => match self.rest.element()?.integers(field)?[..] {
                [value] => Ok(value),
                _ => at.wrong(field, at.at, "one number", "another count"),
            },
            _ => at.wrong(field, at.at, "one number", format!("{} of class {}", self.elements, self.class)),
        }
    }

    fn text(mut self, field: &'static str) -> Result<String, MatlabError> {
        let at = self.rest;
        if self.class != CHARACTERS {
            return at.wrong(field, at.at, "text", format!("class {}", self.class));
        }
        if self.elements == 0 {
            return Ok(String::new());
        }
        let element = self.rest.element()?;
        let text = if element.kind == UTF8 {
            String::from_utf8(element.data.to_vec()).ok()
        } else {
            let units =
                element.integers(field)?.into_iter().map(u16::try_from).collect::<Result<Vec<_>, _>>();
            units.ok().and_then(|u| String::from_utf16(&u).ok())
        };
        match text {
            Some(text) => Ok(text),
            None => element.wrong(field, "text in Unicode", "other bytes"),
        }
    }
}
