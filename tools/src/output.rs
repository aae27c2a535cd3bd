//! New files: never over an old one, and whole or not at all.

use std::{
    fs::{File, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use crate::exit::CliError;

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
/// [`CliError::Exists`] or [`CliError::Io`]; nothing is left behind then.
pub fn create(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CliError> {
    refuse_existing(path)?;
    let error = |action| move |source| CliError::Io { path: path.into(), action, source };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".rfx-")
        .permissions(Permissions::from_mode(0o666)) // less the umask, as for any new file
        .tempfile_in(folder)
        .map_err(error("create"))?;
    let mut out = BufWriter::new(&mut temporary);
    write(&mut out).and_then(|()| out.flush()).map_err(error("write"))?;
    drop(out);
    temporary.as_file().sync_all().map_err(error("write"))?;
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
}
