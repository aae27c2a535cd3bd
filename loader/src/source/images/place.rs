//! Where an image file is, in a tree or in an archive, and reading it.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use crate::{
    decode::{DecodeError, MAX_FILE_BYTES},
    digest::Digest,
    file::open_regular,
    source::{SourceError, bytes::io_error},
};

/// One image file of a source.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Number of the split.
    pub split: usize,
    /// Class index.
    pub class: usize,
    /// By what the files of a class are ordered, and how lists of files call it: its path below the class folder.
    pub name: Box<str>,
    pub place: Place,
}

/// Where its bytes are.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// A file, by its path below the root.
    File(Box<str>),
    /// Part of an archive.
    Part {
        /// Number of the archive.
        archive: usize,
        /// First byte.
        offset: u64,
        /// Bytes.
        length: u64,
        /// The folder within the archive that the member is in, or the inner archive.
        within: Box<str>,
    },
}

impl Place {
    /// Archive and offset; trees, which have no such order, come first.
    pub fn position(&self) -> Option<(usize, u64)> {
        match self {
            Place::File(_) => None,
            Place::Part { archive, offset, .. } => Some((*archive, *offset)),
        }
    }
}

/// An open archive.
#[derive(Debug)]
pub(super) struct ArchiveFile {
    pub path: PathBuf,
    pub file: File,
}

/// Where files are looked for.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub root: PathBuf,
    pub archives: Vec<ArchiveFile>,
}

/// Length, digest and refusal of a file that is too long to be an image.
pub(super) type TooLong = (u64, Digest, DecodeError);

impl Places {
    /// The path of `entry` for messages; in an archive it goes on with the member's name.
    pub fn path(&self, entry: &Entry) -> PathBuf {
        match &entry.place {
            Place::File(path) => self.root.join(Path::new(&**path)),
            Place::Part { archive, within, .. } => {
                self.archives[*archive].path.join(&**within).join(&*entry.name)
            }
        }
    }

    /// The bytes of `entry`.
    pub fn read(&self, entry: &Entry) -> Result<Result<Vec<u8>, TooLong>, SourceError> {
        match &entry.place {
            Place::File(_) => {
                let path = self.path(entry);
                let file = open_regular(&path).map_err(io_error(&path, "open"))?;
                read_whole(&file).map_err(io_error(&path, "read"))
            }
            Place::Part { archive, offset, length, .. } => {
                let archive = &self.archives[*archive];
                let part = Part { file: &archive.file, at: *offset, end: *offset + *length };
                read_whole(part).map_err(io_error(&archive.path, "read"))
            }
        }
    }

    /// The bytes of `entry`, which were `digest` when the source was opened.
    pub fn read_again(&self, entry: &Entry, digest: &Digest, length: u64) -> Result<Vec<u8>, SourceError> {
        let changed = |found| SourceError::Changed { path: self.path(entry), expected: length, found };
        match self.read(entry)? {
            Ok(bytes) if Digest::of(&bytes) == *digest => Ok(bytes),
            Ok(bytes) => Err(changed(bytes.len() as u64)),
            Err((found, ..)) => Err(changed(found)),
        }
    }
}

/// A range of a file as a reader.
struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = (self.end - self.at).min(out.len() as u64) as usize;
        let n = self.file.read_at(&mut out[..most], self.at)?;
        if n == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into()); // the archive has become shorter
        }
        self.at += n as u64;
        Ok(n)
    }
}

/// All of `reader`; of more than an image may have, the digest alone, in little memory.
fn read_whole(mut reader: impl Read) -> io::Result<Result<Vec<u8>, TooLong>> {
    let mut bytes = Vec::new();
    (&mut reader).take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= MAX_FILE_BYTES {
        return Ok(Ok(bytes));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&bytes);
    drop(bytes);
    hasher.update_reader(reader)?;
    let length = hasher.count();
    let error = DecodeError::Length { limit: MAX_FILE_BYTES, found: length };
    Ok(Err((length, Digest::from_bytes(hasher.finalize().into()), error)))
}
