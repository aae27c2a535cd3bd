//! A file mapped into memory: the only place where a shard's bytes are reached without a copy.
//!
//! The promise behind every mapping is written once, here: **nobody truncates or rewrites a shard while a process
//! has it open.** rfx's own writers keep it (shards are written beside their place, renamed into it, and never
//! touched again). Where somebody else breaks it, reads of pages that are gone raise SIGBUS, which ends the process
//! unless [`install_sigbus_guard`](super::install_sigbus_guard) is on; bytes changed in place are caught by record
//! hashes only until they have been checked once.

use std::{fs::File, path::Path};

use memmap2::{Advice, Mmap, MmapOptions, UncheckedAdvice};

use super::{error::FormatError, sigbus::Registration};

/// A whole file, mapped read-only; the descriptor is closed.
#[derive(Debug)]
pub(crate) struct Map {
    // Dropped before `map`: a range must leave the register before its addresses can be reused.
    registration: Registration,
    map: Mmap,
}

impl Map {
    /// Maps the first `len` bytes of `file`, which must be the file's length.
    pub fn new(file: &File, path: &Path, len: usize) -> Result<Map, FormatError> {
        let io = |action| move |source| FormatError::Io { path: path.to_path_buf(), action, source };
        // SAFETY: the mapping is private to this module and only read. That the file keeps its bytes while it is
        // mapped is the promise of the module's text; `Dataset::open` passes it on to the user.
        let map = unsafe { MmapOptions::new().len(len).map(file) }.map_err(io("map"))?;
        // Shuffled reads: read-ahead would fetch neighbours that are not wanted. Only a hint, so errors are ignored.
        let _ = map.advise(Advice::Random);
        let registration = Registration::new(map.as_ptr() as usize, map.len());
        Ok(Map { registration, map })
    }

    /// The file's bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        &self.map
    }

    /// Whether a read of this mapping failed since it was made (known only while the guard is installed).
    #[inline]
    pub fn is_torn(&self) -> bool {
        self.registration.is_torn()
    }

    /// Asks the system to fetch `len` bytes from `offset`, which must lie in the mapping; only a hint.
    pub fn prefetch(&self, offset: usize, len: usize) {
        let _ = self.map.advise_range(Advice::WillNeed, offset, len);
    }

    /// Bytes of it that are in memory now; 0 where the system does not tell.
    pub fn resident_bytes(&self) -> u64 {
        // SAFETY: takes a constant, returns a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let Some(page) = usize::try_from(page).ok().filter(|&page| page > 0) else { return 0 };
        let mut pages = vec![0u8; self.map.len().div_ceil(page)];
        // SAFETY: the range is this mapping's, which starts at a page; `pages` has a byte for each of its pages.
        let told = unsafe {
            libc::mincore(self.map.as_ptr().cast_mut().cast(), self.map.len(), pages.as_mut_ptr().cast())
        };
        if told != 0 {
            return 0;
        }
        let count = pages.iter().filter(|&&flags| flags & 1 == 1).count() as u64;
        (count * page as u64).min(self.map.len() as u64)
    }

    /// Drops resident pages; they are read again from the file when touched.
    pub fn evict(&self) {
        // SAFETY: MADV_DONTNEED on a read-only file mapping loses nothing: the pages come back from the file.
        let _ = unsafe { self.map.unchecked_advise(UncheckedAdvice::DontNeed) };
    }
}
