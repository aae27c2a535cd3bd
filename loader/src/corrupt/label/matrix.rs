//! A transition matrix from a file: CSV, or a NumPy array.

use super::super::{MATRIX_CLASSES, SpecError, named_file::NamedFile, options::shortened};
use crate::npy::Header;

/// How far the sum of a row may be from 1: numbers that were printed with four decimals still pass.
const TOLERANCE: f64 = 1e-3;

/// Reads T, `K x K` numbers row by row, from the file at `path`.
///
/// # Errors
/// [`SpecError::File`] where the file is no such matrix: another size, a number below 0 or above 1, a row whose sum is
/// not 1, with a hint if the columns' sums are (Cleanlab's `noise_matrix` is the transpose).
pub(super) fn read(path: &str, classes: usize) -> Result<(Vec<f64>, NamedFile), SpecError> {
    if classes > MATRIX_CLASSES {
        return Err(SpecError::Contradiction {
            reason: format!("a matrix of {classes} classes is too large: at most {MATRIX_CLASSES}"),
            help: "use uniform, pair-flip or a file of labels".into(),
        });
    }
    // No number needs more than 64 characters; and a header.
    let file = NamedFile::read(path, (classes * classes * 64 + 65_536) as u64)?;
    let rows = if file.bytes.starts_with(b"\x93NUMPY") { npy(&file, classes) } else { csv(&file, classes) }?;
    check(&file, &rows, classes)?;
    Ok((rows, file))
}

const HELP: &str =
    "row y holds the probabilities of each label for the clean class y, in the order of classes";

fn csv(file: &NamedFile, classes: usize) -> Result<Vec<f64>, SpecError> {
    let mut rows = Vec::with_capacity(classes * classes);
    let lines = file.text()?.lines().zip(1..).filter(|(line, _)| !line.trim().is_empty());
    let mut count = 0;
    for (line, number) in lines {
        count += 1;
        let before = rows.len();
        for (cell, column) in line.split(',').zip(1..) {
            let value: f64 = cell.trim().parse().map_err(|_| {
                let place = format!("line {number}, column {column}");
                file.error(place, "a number", shortened(cell.trim()), HELP)
            })?;
            rows.push(value);
        }
        if rows.len() - before != classes || count > classes {
            let found = format!("{} numbers in row {count}", rows.len() - before);
            return Err(file.error(format!("line {number}"), sides(classes), found, HELP));
        }
    }
    if count != classes {
        return Err(file.error("its end", sides(classes), format!("{count} rows"), HELP));
    }
    Ok(rows)
}

fn sides(classes: usize) -> String {
    format!("{classes} rows of {classes} numbers, one row and column per class")
}

fn npy(file: &NamedFile, classes: usize) -> Result<Vec<f64>, SpecError> {
    let header = Header::parse(&file.bytes)
        .map_err(|e| file.error(format!("byte {}", e.offset), e.expected, e.found, HELP))?;
    let k = classes as u64;
    if header.shape != [k, k] {
        let found = format!("an array of shape {:?}", header.shape);
        return Err(file.error("shape", sides(classes), found, HELP));
    }
    if header.element.kind != 'f' || ![4, 8].contains(&header.element.bytes) {
        return Err(file.error(
            "descr",
            "float32 or float64",
            header.element.to_string(),
            "save it as float64",
        ));
    }
    let size = header.element.bytes as usize;
    let data = file.bytes.get(header.start as usize..).unwrap_or_default();
    if data.len() != classes * classes * size {
        let expected = format!("{} bytes of numbers", classes * classes * size);
        return Err(file.error("its end", expected, format!("{} bytes", data.len()), "save it again"));
    }
    let number = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if header.element.big_endian {
            bytes.reverse();
        }
        match bytes.first_chunk() {
            Some(&eight) => f64::from_le_bytes(eight),
            None => f64::from(f32::from_le_bytes(bytes.first_chunk().copied().unwrap_or_default())),
        }
    };
    let numbers: Vec<f64> = data.chunks_exact(size).map(number).collect();
    if !header.fortran_order {
        return Ok(numbers);
    }
    Ok((0..classes * classes).map(|i| numbers[i % classes * classes + i / classes]).collect())
}

fn check(file: &NamedFile, rows: &[f64], classes: usize) -> Result<(), SpecError> {
    if let Some((i, bad)) = rows.iter().enumerate().find(|(_, p)| !(0.0..=1.0).contains(*p)) {
        let place = format!("row {}, column {}", i / classes, i % classes);
        return Err(file.error(place, "a probability, 0 to 1", bad.to_string(), HELP));
    }
    let is_one = |sum: f64| (sum - 1.0).abs() <= TOLERANCE;
    let row_sum = |y: usize| rows[y * classes..][..classes].iter().sum::<f64>();
    let column_sum = |k: usize| (0..classes).map(|y| rows[y * classes + k]).sum::<f64>();
    let Some(y) = (0..classes).find(|&y| !is_one(row_sum(y))) else { return Ok(()) };
    let help = if (0..classes).all(|k| is_one(column_sum(k))) {
        "its columns add up to 1: it is the transpose that is needed (Cleanlab's noise_matrix has the clean class in \
         its columns)"
    } else {
        HELP
    };
    let expected = format!("a sum of 1 (within {TOLERANCE})");
    Err(file.error(format!("row {y}"), expected, format!("{:.6}", row_sum(y)), help))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{super::columns::tests::npy_file_in_order as npy_file, *};

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn read_bytes(bytes: &[u8], classes: usize) -> Result<Vec<f64>, String> {
        let (_folder, path) = written("T", bytes);
        read(path.to_str().unwrap(), classes).map(|r| r.0).map_err(|e| e.to_string())
    }

    #[test]
    fn csv_and_npy_in_every_order_and_width_are_the_same_matrix() {
        let expected = vec![0.75, 0.25, 0.5, 0.5];
        let floats = |order: [usize; 4]| order.map(|i| expected[i]);
        let le8 = |o| floats(o).iter().flat_map(|v: &f64| v.to_le_bytes()).collect::<Vec<_>>();
        let be4 = |o| floats(o).iter().flat_map(|v: &f64| (*v as f32).to_be_bytes()).collect::<Vec<_>>();
        for file in [
            b"0.75,0.25\n0.5,0.5\n".to_vec(),
            b"\xef\xbb\xbf 0.75 , 2.5e-1\r\n\r\n.5,5e-1".to_vec(),
            npy_file("<f8", "False", "(2, 2)", &le8([0, 1, 2, 3])),
            npy_file("<f8", "True", "(2, 2)", &le8([0, 2, 1, 3])),
            npy_file(">f4", "False", "(2, 2)", &be4([0, 1, 2, 3])),
        ] {
            assert_eq!(read_bytes(&file, 2).unwrap(), expected);
        }
    }

    #[test]
    fn the_transpose_is_told_from_nonsense() {
        let transposed = read_bytes(b"0.9,0.5\n0.1,0.5\n", 2).unwrap_err();
        assert!(transposed.contains("row 0") && transposed.contains("1.400000"), "{transposed}");
        assert!(transposed.contains("transpose") && transposed.contains("Cleanlab"), "{transposed}");
        let nonsense = read_bytes(b"0.9,0.5\n0.1,0.6\n", 2).unwrap_err();
        assert!(!nonsense.contains("transpose"), "{nonsense}");
    }

    #[test]
    fn what_is_no_matrix_is_refused_with_its_place() {
        for (bytes, part) in [
            (&b"0.5,0.5\n1,x\n"[..], "line 2, column 2: expected a number, found x"),
            (b"0.5,0.5\n", "its end: expected 2 rows of 2 numbers"),
            (b"1,0,0\n0,1,0\n0,0,1\n", "line 1: expected 2 rows"),
            (b"1,0\n0,1\n0,1\n", "line 3: expected 2 rows"),
            (b"1.5,-0.5\n0,1\n", "row 0, column 0: expected a probability"),
            (b"NaN,1\n0,1\n", "row 0, column 0: expected a probability"),
            (b"\xff\xfe", "byte 0: expected text"),
            (b"", "its end"),
            (b"\x93NUMPY", "expected"),
        ] {
            let error = read_bytes(bytes, 2).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        for (file, part) in [
            (npy_file("<i8", "False", "(2, 2)", &[0; 32]), "float32 or float64, found int64"),
            (npy_file("<f8", "False", "(4,)", &[0; 32]), "an array of shape [4]"),
            (npy_file("<f8", "False", "(2, 2)", &[0; 31]), "32 bytes of numbers"),
        ] {
            let error = read_bytes(&file, 2).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(read_bytes(&b"1,0\n0,1\n".repeat(20_000), 2).unwrap_err().contains("at most"));
        assert!(read("/nowhere/T.csv", 2).unwrap_err().to_string().contains("/nowhere/T.csv"));
        assert!(read("T.csv", 4096).unwrap_err().to_string().contains("at most 2048"));
    }
}
