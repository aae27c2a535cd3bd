//! How files of a data set or a source are looked for and opened.

use std::{fs::File, io, path::Path};

/// Whether there is something at `path`. Where the system does not let us look, that is an error: what cannot be seen
/// must not be called missing.
pub(crate) fn is_there(path: &Path) -> io::Result<bool> {
    match path.metadata() {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Opens a file for reading, refusing what is not a regular file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    // A FIFO would block in open, so the kind is asked first.
    if !path.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    File::open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_looked_at_is_not_called_missing() {
        let tmp = tempfile::tempdir().unwrap();
        let at = |name: &str| tmp.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("loop", at("loop")).unwrap();
        assert!(is_there(&at("file")).unwrap() && is_there(tmp.path()).unwrap());
        assert!(!is_there(&at("nothing")).unwrap() && !is_there(&at("file/below")).unwrap());
        assert!(is_there(&at("loop")).is_err() && is_there(&at(&"long".repeat(100))).is_err());
    }
}
