//! A file of a source: in memory (it came out of an archive or a gzip) or on disk, read at offsets.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use flate2::read::MultiGzDecoder;

use super::{SourceFile, error::SourceError};
use crate::{
    digest::Digest,
    file::{is_there, open_regular},
};

/// The bytes of one source file and where they came from.
#[derive(Debug)]
pub(super) struct Bytes {
    /// For messages: the path, or archive and member.
    pub path: PathBuf,
    pub len: u64,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Vec<u8>),
    /// A file, and when it had last been written to.
    File(File, SystemTime),
}

const CHUNK_BYTES: usize = 1 << 20;

impl Bytes {
    /// Bytes that are already in memory.
    pub fn memory(path: PathBuf, bytes: Vec<u8>) -> Self {
        Bytes { path, len: bytes.len() as u64, place: Place::Memory(bytes) }
    }

    /// A regular file, opened.
    pub fn file(path: &Path) -> Result<Self, SourceError> {
        let file = open(path)?;
        let (len, modified) = stamp(&file).map_err(io_error(path, "stat"))?;
        Ok(Bytes { path: path.to_path_buf(), len, place: Place::File(file, modified) })
    }

    /// Checks that the file has not been written to since it was opened.
    pub fn unchanged(&self) -> Result<(), SourceError> {
        let Place::File(file, modified) = &self.place else { return Ok(()) };
        let found = stamp(file).map_err(io_error(&self.path, "stat"))?;
        if found == (self.len, *modified) {
            return Ok(());
        }
        Err(SourceError::Changed { path: self.path.clone(), expected: self.len, found: found.0 })
    }

    /// Fills `out` from `offset`; the caller has checked the range against `len`.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), SourceError> {
        let io = io_error(&self.path, "read (did it change while it was packed?)");
        match &self.place {
            Place::File(file, _) => file.read_exact_at(out, offset).map_err(io),
            Place::Memory(bytes) => {
                let part = usize::try_from(offset).ok().and_then(|o| bytes.get(o..)?.get(..out.len()));
                let part = part.ok_or_else(|| io(io::ErrorKind::UnexpectedEof.into()))?;
                out.copy_from_slice(part);
                Ok(())
            }
        }
    }

    /// All bytes, of a file that must not be longer than `limit`, which `expected` describes.
    pub fn whole(&self, limit: u64, expected: &str) -> Result<Cow<'_, [u8]>, SourceError> {
        if self.len > limit {
            return Err(SourceError::Field {
                path: self.path.clone(),
                field: "length",
                offset: 0,
                expected: format!("{expected}, at most {limit} bytes"),
                found: format!("{} bytes", self.len),
            });
        }
        match &self.place {
            Place::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Place::File(..) => {
                let mut bytes = vec![0; self.len as usize];
                self.read_at(0, &mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    /// Hands the bytes from `start` on to `each`, in order, with the offset of each chunk; chunks are a multiple of `unit`
    /// long except the last.
    pub fn scan(
        &self,
        start: u64,
        unit: usize,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let step = (CHUNK_BYTES / unit).max(1) * unit;
        let mut buffer = vec![0; step];
        let mut offset = start;
        while offset < self.len {
            let n = (self.len - offset).min(step as u64) as usize;
            self.read_at(offset, &mut buffer[..n])?;
            each(offset, &buffer[..n])?;
            offset += n as u64;
        }
        Ok(())
    }

    /// BLAKE3 of all bytes.
    pub fn digest(&self) -> Result<Digest, SourceError> {
        let mut hasher = blake3::Hasher::new();
        self.scan(0, 1, |_, chunk| {
            hasher.update(chunk);
            Ok(())
        })?;
        Ok(Digest::from_bytes(hasher.finalize().into()))
    }

    /// How the file is listed in the data set: its name there, length and digest.
    pub fn listed(&self, name: &str, digest: Digest) -> SourceFile {
        SourceFile { name: name.into(), bytes: self.len, digest }
    }
}

/// Length and time of the last write.
fn stamp(file: &File) -> io::Result<(u64, SystemTime)> {
    let metadata = file.metadata()?;
    Ok((metadata.len(), metadata.modified()?))
}

/// Opens a regular file.
pub(super) fn open(path: &Path) -> Result<File, SourceError> {
    open_regular(path).map_err(io_error(path, "open"))
}

/// The first of `paths` that is there.
pub(super) fn first_there(paths: impl IntoIterator<Item = PathBuf>) -> Result<Option<PathBuf>, SourceError> {
    for path in paths {
        if is_there(&path).map_err(io_error(&path, "look at"))? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Makes an [`SourceError::Io`] about `path`.
pub(super) fn io_error(path: &Path, action: &'static str) -> impl Fn(io::Error) -> SourceError {
    let path = path.to_path_buf();
    move |source| SourceError::Io { path: path.clone(), action, source }
}

/// A gzip decoder over a buffered file.
pub(super) fn gunzip(file: File) -> MultiGzDecoder<io::BufReader<File>> {
    MultiGzDecoder::new(io::BufReader::with_capacity(1 << 16, file))
}

/// Appends at most `limit` bytes of `reader` to `out` and says whether there is more. Memory grows with what is
/// really there, so a length in a header is never trusted.
pub(super) fn read_bounded(reader: &mut dyn Read, limit: u64, out: &mut Vec<u8>) -> io::Result<bool> {
    let start = out.len();
    reader.take(limit + 1).read_to_end(out)?;
    let more = (out.len() - start) as u64 > limit;
    if more {
        out.pop();
    }
    Ok(more)
}
