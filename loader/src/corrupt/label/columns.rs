//! Columns of integers from a file of labels: CSV, NumPy, or a pickled dictionary. Which of them mean what, `file` decides.
//!
//! What a file is its first bytes tell, not its name.

use super::{
    super::{SpecError, named_file::NamedFile, options::shortened},
    pickled, torch,
};
use crate::npy::Header;

/// Columns of one length.
#[derive(Debug, PartialEq)]
pub(super) struct Columns {
    pub names: Vec<String>,
    pub values: Vec<Vec<i64>>,
}

/// Most columns, so that a file of commas is no table.
pub(super) const MAX_COLUMNS: usize = 64;

const HELP: &str =
    "a CSV file has a header, such as id,label, or one label a line, a .npy file one integer per sample";

impl Columns {
    /// # Errors
    /// [`SpecError::File`] where the file is none of those, with line, column or byte.
    pub fn read(file: &NamedFile) -> Result<Columns, SpecError> {
        if file.bytes.starts_with(b"\x93NUMPY") {
            npy(file)
        } else if file.bytes.starts_with(torch::MAGIC) {
            let (start, bytes) = torch::pickle(file)?;
            pickled::columns(file, bytes, start)
        } else {
            csv(file)
        }
    }

    pub fn get(&self, name: &str) -> Option<&[i64]> {
        let at = self.names.iter().position(|n| n == name)?;
        Some(&self.values[at])
    }

    /// Rows of the table.
    pub fn rows(&self) -> usize {
        self.values.first().map_or(0, Vec::len)
    }
}

fn csv(file: &NamedFile) -> Result<Columns, SpecError> {
    let mut lines = file.text()?.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty()).peekable();
    let Some((first, _)) = lines.peek() else {
        return Err(file.error("its beginning", "a header, or a label", "an empty file", HELP));
    };
    let cells: Vec<&str> = first.split(',').map(str::trim).collect();
    if cells.len() > MAX_COLUMNS {
        let expected = format!("at most {MAX_COLUMNS} columns");
        return Err(file.error("line 1", expected, cells.len().to_string(), HELP));
    }
    let headless = cells.iter().all(|cell| cell.parse::<i64>().is_ok());
    let names: Vec<String> = match cells.len() {
        1 if headless => vec!["label".into()],
        2 if headless => vec!["id".into(), "label".into()],
        n if headless => {
            return Err(file.error(
                "line 1",
                "a header, as there are more than two columns",
                format!("{n} numbers"),
                HELP,
            ));
        }
        _ => cells.iter().map(|&cell| cell.trim_matches('"').to_owned()).collect(),
    };
    if let Some(twice) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        return Err(file.error("line 1", "every column once", shortened(twice.1), HELP));
    }
    let mut values = vec![Vec::new(); names.len()];
    for (line, number) in lines.skip(usize::from(!headless)) {
        let mut cells = line.split(',').map(str::trim);
        for (column, (values, name)) in values.iter_mut().zip(&names).enumerate() {
            let cell = cells.next().unwrap_or_default();
            let value = cell.parse().map_err(|_| {
                let place = format!("line {number}, column {} ({})", column + 1, shortened(name));
                file.error(place, "an integer", format!("`{}`", shortened(cell)), HELP)
            })?;
            values.push(value);
        }
        if cells.next().is_some() {
            let expected = format!("{} columns, as in line 1", names.len());
            return Err(file.error(format!("line {number}"), expected, "more", HELP));
        }
    }
    Ok(Columns { names, values })
}

fn npy(file: &NamedFile) -> Result<Columns, SpecError> {
    let header = Header::parse(&file.bytes)
        .map_err(|e| file.error(format!("byte {}", e.offset), e.expected, e.found, HELP))?;
    if header.element.kind == 'O' {
        let start = header.start as usize; // inside the file, which has that header
        return pickled::columns(file, file.bytes.get(start..).unwrap_or_default(), start);
    }
    let &[rows] = &header.shape[..] else {
        let found = format!("an array of shape {:?}", header.shape);
        return Err(file.error("shape", "one axis, a label per sample", found, HELP));
    };
    let element = header.element;
    if !matches!(element.kind, 'i' | 'u') || element.bytes > 8 {
        return Err(file.error("descr", "integers", element.to_string(), "save it as int64"));
    }
    let size = element.bytes as usize;
    let data = file.bytes.get(header.start as usize..).unwrap_or_default();
    if Some(data.len() as u64) != header.data_bytes() {
        let expected = format!("{rows} x {size} bytes of labels");
        return Err(file.error("its end", expected, format!("{} bytes", data.len()), "save it again"));
    }
    let value = |bytes: &[u8]| element.integer(bytes);
    let values: Option<Vec<i64>> = data.chunks_exact(size).map(value).collect();
    let values = values
        .ok_or_else(|| file.error("its labels", "numbers below 2^63", "a larger one", "save it as int64"))?;
    Ok(Columns { names: vec!["label".into()], values: vec![values] })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn named(bytes: impl Into<Vec<u8>>) -> NamedFile {
        NamedFile { path: "labels".into(), bytes: bytes.into() }
    }

    pub fn npy_file(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        npy_file_in_order(descr, "False", shape, data)
    }

    /// `fortran` is Python's `True` or `False`.
    pub fn npy_file_in_order(descr: &str, fortran: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}\n");
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((text.len() as u16).to_le_bytes());
        file.extend(text.as_bytes());
        file.extend(data);
        file
    }

    #[test]
    fn tables_with_and_without_a_header_and_arrays_of_every_width_are_read() {
        let read = |bytes: &[u8]| Columns::read(&named(bytes)).unwrap();
        let labels = Columns { names: vec!["label".into()], values: vec![vec![3, 0, 2]] };
        let words = |size: usize, big: bool| -> Vec<u8> {
            let word = |v: u64| match big {
                true => v.to_be_bytes()[8 - size..].to_vec(),
                false => v.to_le_bytes()[..size].to_vec(),
            };
            [3, 0, 2].map(word).concat()
        };
        for bytes in [
            b"3\n0\n2\n".to_vec(),
            b"label\r\n3\r\n0\r\n\r\n2".to_vec(),
            npy_file("<i8", "(3,)", &words(8, false)),
            npy_file("<i4", "(3,)", &words(4, false)),
            npy_file(">u2", "(3,)", &words(2, true)),
            npy_file("|u1", "(3,)", &words(1, false)),
        ] {
            assert_eq!(read(&bytes), labels);
        }
        let table = read(b"id,old,new,rule\n5,1,2,1\n6,0,0,0\n");
        assert_eq!(table.get("new"), Some(&[2, 0][..]));
        assert_eq!((table.rows(), table.get("label")), (2, None));
        assert_eq!(read(b"7,1\n8,2\n").get("id"), Some(&[7, 8][..]));
        assert_eq!(read(b"label\n").rows(), 0);
    }

    #[test]
    fn what_is_no_table_is_refused_with_its_place() {
        for (bytes, part) in [
            (b"".to_vec(), "a header, or a label"),
            (b"1,2,3\n".to_vec(), "line 1: expected a header"),
            (b"a,a\n1,2\n".to_vec(), "every column once, found a"),
            (b"label\n1\nx\n".to_vec(), "line 3, column 1 (label): expected an integer, found `x`"),
            (b"id,label\n1\n".to_vec(), "line 2, column 2 (label)"),
            (b"id,label\n1,2,3\n".to_vec(), "line 2: expected 2 columns"),
            (b"label\n1.0\n".to_vec(), "found `1.0`"),
            (b"label\n99999999999999999999\n".to_vec(), "an integer"),
            (vec![b','; 1000], "at most 64 columns"),
            (npy_file("<f8", "(1,)", &[0; 8]), "expected integers, found float64"),
            (npy_file("<i8", "(2, 2)", &[0; 32]), "one axis"),
            (npy_file("<i8", "(2,)", &[0; 15]), "2 x 8 bytes of labels"),
            (npy_file("<i8", "(4611686018427387904,)", &[0; 8]), "bytes of labels"),
            (npy_file("<u8", "(1,)", &[0xff; 8]), "numbers below 2^63"),
            (npy_file("<i16", "(1,)", &[0; 16]), "expected integers"),
        ] {
            let error = Columns::read(&named(bytes)).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
