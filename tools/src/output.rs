//! New files: never over an old one, and whole or not at all, also where a signal comes in between.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use crate::{exit::CliError, interrupt};

/// Bytes between two looks at the interrupt flag.
const PIECE_BYTES: usize = 1 << 20;

/// Writes until a signal has come.
struct Interruptible<'a> {
    out: &'a File,
    cancel: &'a AtomicBool,
}

impl Write for Interruptible<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.load(Ordering::Relaxed) {
            // Not of the kind Interrupted, which means that it shall be tried again.
            return Err(io::Error::other("interrupted"));
        }
        self.out.write(&bytes[..bytes.len().min(PIECE_BYTES)])
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Refuses a path that exists, before any work is done for it.
///
/// # Errors
/// [`CliError::Exists`].
pub fn refuse_existing(path: &Path) -> Result<(), CliError> {
    match path.symlink_metadata() {
        Ok(_) => Err(CliError::Exists { path: path.into() }),
        Err(_) => Ok(()), // whatever else is wrong with the path, creating it will say
    }
}

/// Creates the file `path` with what `write` writes: to a temporary sibling, synced, then renamed, which fails
/// where the name has been taken meanwhile.
///
/// # Errors
/// [`CliError::Exists`], [`CliError::Io`] or [`CliError::Interrupted`]; nothing is left behind then.
pub fn create(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CliError> {
    create_unless(&*interrupt::flag()?, path, write)
}

fn create_unless(
    cancel: &AtomicBool,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), CliError> {
    refuse_existing(path)?;
    let error = |action| move |source| CliError::Io { path: path.into(), action, source };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // Made and written as plain files: tempfile's own way adds the temporary name to every message, and leaves out
    // the permissions that any other new file has.
    let temporary = tempfile::Builder::new().prefix(".rfx-").make_in(folder, |path| File::create_new(path));
    let temporary = temporary.map_err(error("create"))?;
    let mut out = BufWriter::new(Interruptible { out: temporary.as_file(), cancel });
    let written = write(&mut out).and_then(|()| out.flush());
    let _ = out.into_parts(); // what is buffered must not be written to a file that is being given up
    let synced = written.and_then(|()| temporary.as_file().sync_all());
    if cancel.load(Ordering::Relaxed) {
        return Err(CliError::Interrupted { path: path.into() });
    }
    synced.map_err(error("write"))?;
    temporary.persist_noclobber(path).map_err(|e| match e.error.kind() {
        io::ErrorKind::AlreadyExists => CliError::Exists { path: path.into() },
        _ => error("create")(e.error),
    })?;
    File::open(folder).and_then(|f| f.sync_all()).map_err(error("create"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_whole_or_not_at_all_and_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let names = || std::fs::read_dir(folder.path()).unwrap().count();
        assert!(create(&path, |_| Err(io::Error::other("stop"))).is_err());
        assert_eq!(names(), 0);
        let nowhere = create(&folder.path().join("no/a"), |_| Ok(())).unwrap_err().to_string();
        assert!(nowhere.contains("no/a: cannot create") && !nowhere.contains(".rfx-"), "{nowhere}");
        create(&path, |out| out.write_all(b"first")).unwrap();
        assert!(matches!(create(&path, |_| Ok(())), Err(CliError::Exists { .. })));
        // The name may also be taken while the file is being written.
        let other = folder.path().join("b");
        let taken = create(&other, |_| std::fs::write(&other, b"theirs"));
        assert!(matches!(taken, Err(CliError::Exists { .. })));
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read(&other).unwrap(), b"theirs");
        assert_eq!(names(), 2);
    }

    #[test]
    fn a_signal_while_a_file_is_written_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for before_end in [true, false] {
            let cancel = AtomicBool::new(false);
            let stopped = create_unless(&cancel, &path, |out| {
                out.write_all(&vec![1; 3 * PIECE_BYTES])?;
                cancel.store(true, Ordering::Relaxed);
                if before_end { out.write_all(&vec![1; 3 * PIECE_BYTES]) } else { Ok(()) }
            });
            assert!(matches!(stopped, Err(CliError::Interrupted { .. })), "{stopped:?}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
