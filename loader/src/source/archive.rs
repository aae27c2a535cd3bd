//! Members of a tar archive, gzipped or not, read into memory with hard limits; nothing is ever unpacked to disk.
//!
//! Only regular files are looked at, and only by the last component of their name, so links, devices and paths that
//! lead elsewhere have nothing to act on.

use std::{
    cell::Cell,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    bytes::{Bytes, gunzip, io_error, open},
    error::SourceError,
};

/// Largest entry of an archive in bytes: CIFAR-100's training images, as text-like bytes of Python 3, fit.
pub(super) const MAX_ENTRY_BYTES: u64 = 256 << 20;

/// Most entries of an archive.
pub(super) const MAX_ENTRIES: usize = 1000;

/// Most bytes an archive may decompress to.
const MAX_TOTAL_BYTES: u64 = 1 << 30;

/// Counts the bytes that come out of `reader`, so that an error can say how far the archive could be read.
struct Counted<R> {
    reader: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(out)?;
        self.count.set(self.count.get() + n as u64);
        Ok(n)
    }
}

/// Reads the members called `wanted` (by last name component) out of the archive at `path`, in the order of
/// `wanted`, `None` for those that are not there.
pub(super) fn read_members(path: &Path, wanted: &[&str]) -> Result<Vec<Option<Bytes>>, SourceError> {
    let mut file = open(path)?;
    let mut magic = [0; 2];
    let gzip = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    file.seek(SeekFrom::Start(0)).map_err(io_error(path, "seek"))?;
    let reader: Box<dyn Read> =
        if gzip { Box::new(gunzip(file)) } else { Box::new(io::BufReader::new(file)) };
    let count = Rc::new(Cell::new(0));
    let reader = Counted { reader, count: Rc::clone(&count) };
    let mut archive = tar::Archive::new(reader.take(MAX_TOTAL_BYTES));
    let mut found: Vec<Option<Bytes>> = wanted.iter().map(|_| None).collect();

    let damaged = |message: String| SourceError::Damaged {
        path: path.to_path_buf(),
        field: if gzip { "gzip or tar" } else { "tar" },
        offset: count.get(),
        message: crate::shard::shown(&message),
    };
    let entries = archive.entries().map_err(|e| damaged(e.to_string()))?;
    // Raw: long-name and PAX entries are then entries like any other, skipped here, instead of being read whole into
    // memory by the tar crate; the names looked for are short.
    for (number, entry) in entries.raw(true).enumerate() {
        let mut entry = entry.map_err(|e| damaged(e.to_string()))?;
        let (start, size) = (entry.raw_file_position(), entry.size());
        let field = |field, expected: String, found: String| SourceError::Field {
            path: path.to_path_buf(),
            field,
            offset: start,
            expected,
            found,
        };
        if number >= MAX_ENTRIES {
            return Err(field("archive entries", format!("at most {MAX_ENTRIES}"), "more".into()));
        }
        if size > MAX_ENTRY_BYTES {
            return Err(field("entry size", format!("at most {MAX_ENTRY_BYTES} bytes"), size.to_string()));
        }
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let name = entry.path().ok().and_then(|p| Some(p.file_name()?.to_str()?.to_owned()));
        let Some(slot) = name.as_deref().and_then(|n| wanted.iter().position(|w| *w == n)) else { continue };
        let member: PathBuf = path.join(wanted[slot]);
        if found[slot].is_some() {
            return Err(field("archive entries", format!("{} once", wanted[slot]), "it again".into()));
        }
        let mut bytes = Vec::new();
        (&mut entry).take(size).read_to_end(&mut bytes).map_err(|e| damaged(e.to_string()))?;
        if bytes.len() as u64 != size {
            return Err(damaged(format!("{} ends early: {size} bytes promised", wanted[slot])));
        }
        found[slot] = Some(Bytes::memory(member, bytes));
    }
    // Only at its end does gzip say whether the bytes were right, so the archive is read to the end.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|e| damaged(e.to_string()))?;
    if rest.limit() == 0 {
        return Err(damaged(format!("more than {MAX_TOTAL_BYTES} bytes: not this data set")));
    }
    Ok(found)
}
