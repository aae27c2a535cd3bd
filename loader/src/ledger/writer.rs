//! Writing a ledger: one line, and one system call, per batch.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use serde::Serialize;

use super::{
    LedgerError,
    entry::{BEGINNING, Head, IdsHash, MAX_LINE, Taken},
};
use crate::{batch::BatchInfo, order::Partition, pipeline::Position, recipe::Recipe};

/// A ledger, open for the batches of one loader. Nobody else writes to it as long as it is.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    file: File,
    started: Instant,
    /// The line in hand; kept, so that a batch allocates nothing.
    line: Vec<u8>,
}

impl Ledger {
    /// Opens the ledger at `path`, which need not exist, and writes down that a loader begins.
    pub fn open(
        path: &Path,
        recipe: &Recipe,
        partition: Partition,
        start: Position,
    ) -> Result<Ledger, LedgerError> {
        let io = |action| move |source| LedgerError::Io { path: path.to_path_buf(), action, source };
        // Opening a FIFO would wait for somebody who reads it.
        if path.metadata().is_ok_and(|m| !m.is_file()) {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(io("open")(source));
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io("open"))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(LedgerError::Busy { path: path.to_path_buf() }),
            // Network file systems may have no locks; a ledger there must work all the same.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let ends = ends(&file, path)?;
        let since_1970 = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let started_us = u64::try_from(since_1970.as_micros()).unwrap_or(u64::MAX);
        let mut ledger = Ledger { path: path.to_path_buf(), file, started: Instant::now(), line: Vec::new() };
        let head = Head::new(recipe, partition, start, started_us);
        // What a killed process left of its last line stays one, and the head has a line of its own.
        ledger.append(if ends { b"" } else { b"\n" }, &head)?;
        Ok(ledger)
    }

    /// Writes down that the consumer is given the batch.
    pub fn taken(&mut self, info: &BatchInfo, ids: &[i64]) -> Result<(), LedgerError> {
        let us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let ids = IdsHash::of(ids.iter().copied());
        let &BatchInfo { epoch, step, offset, len, .. } = info;
        self.append(b"", &Taken { epoch, step, offset, len, ids, us })
    }

    fn append(&mut self, before: &[u8], line: &impl Serialize) -> Result<(), LedgerError> {
        self.line.clear();
        self.line.extend_from_slice(before);
        let written = serde_json::to_writer(&mut self.line, line).map_err(io::Error::from);
        let written = written.and_then(|()| {
            self.line.push(b'\n');
            if self.line.len() as u64 > MAX_LINE {
                return Err(io::Error::other(format!("a line of {} bytes is too long", self.line.len())));
            }
            self.file.write_all(&self.line)
        });
        written.map_err(|source| LedgerError::Io { path: self.path.clone(), action: "write", source })
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // Closing is not enough: the lock belongs to the open file, and a process that another thread is just starting
        // has it too.
        let _ = self.file.unlock();
    }
}

/// Whether the last line of the file has its end, or there is none. Refuses a file that is no ledger before anything is
/// appended to it.
fn ends(mut file: &File, path: &Path) -> Result<bool, LedgerError> {
    let io = |source| LedgerError::Io { path: path.to_path_buf(), action: "read", source };
    let mut first = Vec::new();
    Read::take(file, BEGINNING.len() as u64).read_to_end(&mut first).map_err(io)?;
    check_beginning(&first, path)?;
    if first.is_empty() {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).map_err(io)?;
    Ok(last == [b'\n'])
}

/// Refuses a file that does not begin as a ledger does. A first line that ends before it does so may be of a process that
/// was killed while it wrote that.
pub(super) fn check_beginning(first: &[u8], path: &Path) -> Result<(), LedgerError> {
    let first = &first[..first.len().min(BEGINNING.len())];
    let line = first.split_inclusive(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\n").filter(|line| !line.is_empty()).unwrap_or(line);
    if BEGINNING.as_bytes().starts_with(line) {
        return Ok(());
    }
    let found = String::from_utf8_lossy(first).into_owned();
    Err(LedgerError::NotALedger { path: path.to_path_buf(), expected: BEGINNING, found })
}
