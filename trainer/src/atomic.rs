//! Files that appear whole or not at all.
//!
//! A file is written beside its place under a name that no other writer has, synced and renamed, and the folder is
//! synced. A process that is killed on the way leaves its temporary file, which [`is_temporary`] tells from others.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Writes `bytes` to `path`: whatever happens, `path` is the old file or the new one, whole. If it fails, the temporary
/// file is removed.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static WRITTEN: AtomicU32 = AtomicU32::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed); // unique in this process, whatever the order
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}-{number}.tmp", process::id()));
    let written = (|| {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary); // the first error is the one to report
        return Err(error);
    }
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Whether a file of this name is one that [`write`] left behind.
pub(crate) fn is_temporary(name: &str) -> bool {
    let number =
        |n: &str| n.split_once('-').is_some_and(|(a, b)| [a, b].iter().all(|n| n.parse::<u32>().is_ok()));
    let inner = name.strip_prefix('.').and_then(|name| name.strip_suffix(".tmp"));
    inner.and_then(|inner| inner.rsplit_once('.')).is_some_and(|(_, n)| number(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_leftovers_are_temporary() {
        assert!(is_temporary(".run.json.4711-0.tmp"));
        for name in
            ["run.json", "run.tmp", ".run.tmp", ".thesis.4711.tmp", ".run.json.4711-0", "run.json.1-0.tmp"]
        {
            assert!(!is_temporary(name), "{name}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("taken")).unwrap(); // a file cannot be renamed onto a folder
        assert!(write(&dir.path().join("taken"), b"x").is_err());
        write(&dir.path().join("file"), b"y").unwrap();
        assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"y");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
