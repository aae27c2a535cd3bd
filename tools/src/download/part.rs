//! The unfinished file.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use super::error::DownloadError;
use crate::exit::CliError;

/// `NAME.part`: what has come so far, from the first byte on. One process at a time has it.
pub(super) struct Part {
    pub path: PathBuf,
    file: File,
    pub len: u64,
}

impl Part {
    /// Opens the part of `target`, or begins one.
    pub fn open(target: &Path) -> Result<Part, DownloadError> {
        let mut path = target.as_os_str().to_owned();
        path.push(".part");
        let path = PathBuf::from(path);
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(error(&path, "create"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DownloadError::Busy { part: path }),
            // A file system without locks: two downloads of one file would end in a wrong checksum, no worse.
            Err(TryLockError::Error(_)) => {}
        }
        let mut part = Part { path, file, len: 0 };
        part.len = part.file.seek(SeekFrom::End(0)).map_err(error(&part.path, "look at"))?;
        Ok(part)
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.file.write_all(bytes).map_err(error(&self.path, "write"))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Throws away what has come.
    pub fn clear(&mut self) -> Result<(), DownloadError> {
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        cleared.map_err(error(&self.path, "write"))?;
        self.len = 0;
        Ok(())
    }

    pub fn sha256(&mut self) -> Result<String, DownloadError> {
        let start = self.file.rewind();
        start.and_then(|()| sha256(&mut self.file)).map_err(error(&self.path, "read"))
    }

    /// Makes it the file `target`.
    pub fn finish(self, target: &Path) -> Result<(), DownloadError> {
        self.file.sync_all().map_err(error(&self.path, "write"))?;
        std::fs::rename(&self.path, target).map_err(error(target, "create"))?;
        let folder = target.parent().filter(|f| *f != Path::new("")).unwrap_or(Path::new("."));
        File::open(folder).and_then(|f| f.sync_all()).map_err(error(target, "create"))
    }

    /// Deletes it.
    pub fn remove(self) -> Result<(), DownloadError> {
        std::fs::remove_file(&self.path).map_err(error(&self.path, "delete"))
    }
}

/// SHA-256 of the file at `path`.
pub(super) fn sha256_of(path: &Path) -> Result<String, DownloadError> {
    let hashed = File::open(path).and_then(|mut file| sha256(&mut file));
    hashed.map_err(error(path, "read"))
}

fn sha256(reader: &mut dyn Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => hasher.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn error(path: &Path, action: &'static str) -> impl Fn(io::Error) -> DownloadError {
    let path = path.to_path_buf();
    move |source| CliError::Io { path: path.clone(), action, source }.into()
}
