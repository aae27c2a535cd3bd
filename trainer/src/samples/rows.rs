//! An array in a `.npy` file that grows by a row per epoch.
//!
//! The head has a fixed length, in which any number of rows can be written, and is written again after each row: NumPy
//! reads, and maps, the whole rows of a run that goes on. A row that was being written when the process died is not
//! counted by the head, and is overwritten.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rfx_loader::npy::{self, Header};

use crate::error::{Result, TrainError};

/// Bytes of the head. Between 65 and 128 are needed for two axes and an element of one letter and digit, and [`npy::head`]
/// rounds up.
const HEAD: u64 = 128;

/// The array `[epochs, samples]`, of elements of a fixed size.
#[derive(Debug)]
pub(super) struct Rows {
    path: PathBuf,
    file: File,
    descr: &'static str,
    samples: u64,
    row_bytes: u64,
    epochs: u32,
}

impl Rows {
    /// Opens the array at `path` so that it holds the first `epochs` rows and no others; without any, whatever was there
    /// is replaced. `descr` is `'|u1'` or the like, with its size in bytes.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::RunFile`] if there are fewer rows, or those of another array.
    pub fn open(
        path: PathBuf,
        (descr, bytes): (&'static str, u64),
        samples: u64,
        epochs: u32,
    ) -> Result<Rows> {
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = options.map_err(|source| io_error(&path, "open", source))?;
        let row_bytes = samples * bytes;
        let rows = Rows { path, file, descr, samples, row_bytes, epochs };
        if epochs > 0 {
            rows.check()?;
        }
        rows.file.set_len(rows.end()).map_err(|source| rows.error("write", source))?;
        rows.write_head()?;
        Ok(rows)
    }

    /// Whether these many rows of this array are there.
    fn check(&self) -> Result<()> {
        let wrong = |reason: String| {
            Err(TrainError::RunFile { path: self.path.clone(), what: "per-sample records", reason })
        };
        let length = self.file.metadata().map_err(|source| self.error("read", source))?.len();
        if length < self.end() {
            let rows = length.saturating_sub(HEAD) / self.row_bytes.max(1);
            return wrong(format!("{rows} rows, and the checkpoint was written after epoch {}", self.epochs));
        }
        let mut head = [0; HEAD as usize];
        self.file.read_exact_at(&mut head, 0).map_err(|source| self.error("read", source))?;
        let expected = Header::parse(&npy::head(self.descr, &[0, self.samples]));
        match (Header::parse(&head), expected) {
            (Ok(found), Ok(expected))
                if found.element == expected.element
                    && matches!(found.shape[..], [_, samples] if samples == self.samples) =>
            {
                Ok(())
            }
            (Ok(found), _) => wrong(format!(
                "an array of {} of shape {:?}, and the run has {} samples",
                found.element, found.shape, self.samples
            )),
            (Err(error), _) => wrong(error.to_string()),
        }
    }

    /// Appends a row, which has [`Rows::row_bytes`] bytes.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn append(&mut self, row: &[u8]) -> Result<()> {
        self.file.write_all_at(row, self.end()).map_err(|source| self.error("write", source))?;
        self.epochs += 1;
        self.write_head()
    }

    /// Reads row `epoch`, from 0, into `row`, which is as long as one.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn read(&self, epoch: u32, row: &mut [u8]) -> Result<()> {
        let at = HEAD + u64::from(epoch) * self.row_bytes;
        self.file.read_exact_at(row, at).map_err(|source| self.error("read", source))
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> usize {
        self.row_bytes as usize // of a split whose labels are in memory
    }

    /// Rows there are.
    pub fn epochs(&self) -> u32 {
        self.epochs
    }

    /// Waits until all rows are on disk.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|source| self.error("write", source))
    }

    /// Byte after the last row.
    fn end(&self) -> u64 {
        HEAD + u64::from(self.epochs) * self.row_bytes
    }

    fn write_head(&self) -> Result<()> {
        let head = npy::head(self.descr, &[self.epochs.into(), self.samples]);
        self.file.write_all_at(&head, 0).map_err(|source| self.error("write", source))
    }

    fn error(&self, action: &'static str, source: io::Error) -> TrainError {
        io_error(&self.path, action, source)
    }
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> TrainError {
    TrainError::Io { path: path.to_path_buf(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const U1: (&str, u64) = ("'|u1'", 1);

    fn shape(path: &Path) -> Vec<u64> {
        Header::parse(&std::fs::read(path).unwrap()).unwrap().shape
    }

    #[test]
    fn every_head_has_the_same_length() {
        for descr in ["'|u1'", "'<f4'"] {
            for (epochs, samples) in [(0, 1), (u32::MAX, 1), (0, u64::MAX), (u32::MAX, u64::MAX)] {
                assert_eq!(npy::head(descr, &[epochs.into(), samples]).len() as u64, HEAD);
            }
        }
    }

    #[test]
    fn an_array_grows_and_is_cut_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npy");
        let open = |epochs| Rows::open(path.clone(), U1, 3, epochs);
        let mut rows = open(0).unwrap();
        assert_eq!(shape(&path), [0, 3]);
        for row in [[1, 2, 3], [4, 5, 6], [7, 8, 9]] {
            rows.append(&row).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        assert_eq!((shape(&path), &whole[128..]), (vec![3, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9][..]));
        // A row that is half there is not counted, and goes.
        std::fs::write(&path, [&whole[..], &[1, 2]].concat()).unwrap();
        let mut rows = open(2).unwrap();
        assert_eq!((shape(&path), std::fs::metadata(&path).unwrap().len()), (vec![2, 3], 128 + 6));
        rows.append(&[7, 8, 9]).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        let mut row = [0; 3];
        rows.read(1, &mut row).unwrap();
        assert_eq!((row, rows.epochs()), ([4, 5, 6], 3));
        drop(open(0).unwrap());
        assert_eq!((shape(&path), std::fs::metadata(&path).unwrap().len()), (vec![0, 3], 128));
    }

    #[test]
    fn rows_that_are_missing_or_of_another_array_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.npy");
        let mut rows = Rows::open(path.clone(), U1, 3, 0).unwrap();
        rows.append(&[1, 1, 1]).unwrap();
        let refused = |kind, samples, epochs, part: &str| {
            let error = Rows::open(path.clone(), kind, samples, epochs).unwrap_err();
            assert!(matches!(error, TrainError::RunFile { .. }), "{error}");
            assert!(error.to_string().contains(part), "{error}");
        };
        refused(U1, 3, 2, "1 rows, and the checkpoint was written after epoch 2");
        refused(U1, 2, 1, "uint8 of shape [1, 3], and the run has 2 samples");
        refused(("'|i1'", 1), 3, 1, "uint8");
        std::fs::write(&path, [b'x'; 200]).unwrap();
        refused(U1, 3, 1, "magic");
        std::fs::remove_file(&path).unwrap();
        refused(U1, 3, 1, "0 rows");
    }
}
