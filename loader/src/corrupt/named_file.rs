//! Files that a corruption names. They are read when a recipe is resolved, whole and once; what they say, as integers,
//! is part of the spec digest, and where they lie is not.

use std::{io::Read, path::Path};

use super::SpecError;
use crate::{digest::Digest, file::open_regular};

/// The bytes of a file that a corruption names.
#[derive(Debug)]
pub(super) struct NamedFile {
    /// As the user wrote it.
    pub path: String,
    pub bytes: Vec<u8>,
}

impl NamedFile {
    /// Reads the file, of which at most `most` bytes are taken in.
    ///
    /// # Errors
    /// [`SpecError::File`] if it cannot be read or is longer.
    pub fn read(path: &str, most: u64) -> Result<Self, SpecError> {
        let failed = |found: String| {
            let help = "check the path, which is relative to the folder the program was started in";
            error(path, "the file", "a file that can be read", found, help)
        };
        let file = open_regular(Path::new(path)).map_err(|e| failed(e.to_string()))?;
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes).map_err(|e| failed(e.to_string()))?;
        if bytes.len() as u64 > most {
            let help = "is it the file that was meant?";
            return Err(error(path, "its length", format!("at most {most} bytes"), "more", help));
        }
        Ok(NamedFile { path: path.into(), bytes })
    }

    /// BLAKE3 of the bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    pub fn error(
        &self,
        place: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
        help: impl Into<String>,
    ) -> SpecError {
        error(&self.path, place, expected, found, help)
    }

    /// The file as text.
    ///
    /// # Errors
    /// [`SpecError::File`] with the first byte that is no UTF-8.
    pub fn text(&self) -> Result<&str, SpecError> {
        // Spreadsheets put a byte order mark before their UTF-8.
        let bytes = self.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.bytes);
        str::from_utf8(bytes).map_err(|e| {
            let place = format!("byte {}", e.valid_up_to() + self.bytes.len() - bytes.len());
            self.error(place, "text in UTF-8", "something else", "give a CSV or .npy file")
        })
    }
}

fn error(
    path: &str,
    place: impl Into<String>,
    expected: impl Into<String>,
    found: impl Into<String>,
    help: impl Into<String>,
) -> SpecError {
    SpecError::File {
        path: path.into(),
        place: place.into().into_boxed_str(),
        expected: expected.into(),
        found: found.into(),
        help: help.into(),
    }
}
