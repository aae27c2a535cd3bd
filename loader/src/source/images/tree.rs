//! Walking a folder that somebody else has made: which folders and files are there, in bytewise order of their names.
//!
//! Names that start with a dot are not looked at (`.DS_Store`, `._x`). A link is followed where it leads to something
//! inside the tree; one that leads out of it is refused unless it may, one that leads nowhere or around in a circle always.
//! Whatever is neither file nor folder (a pipe, a device) is refused, and so is a name that is not UTF-8: ids would depend
//! on it, and no list could show it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::source::{SourceError, bytes::io_error};

/// Most folders below each other in a class.
const MAX_DEPTH: usize = 16;

/// A tree, and how far links may lead.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    /// The root without links; `None` where links may lead anywhere.
    bounds: Option<PathBuf>,
}

/// What is in a folder.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub folders: Vec<String>,
    pub files: Vec<String>,
}

impl Tree {
    /// The tree at `root`.
    pub fn open(root: &Path, follow_links: bool) -> Result<Tree, SourceError> {
        let whole = fs::canonicalize(root).map_err(io_error(root, "open"))?;
        Ok(Tree { root: root.to_path_buf(), bounds: (!follow_links).then_some(whole) })
    }

    fn at(&self, folder: &str) -> PathBuf {
        if folder.is_empty() { self.root.clone() } else { self.root.join(folder) }
    }

    /// What is in `folder`, a path below the root, sorted bytewise.
    pub fn list(&self, folder: &str) -> Result<Listing, SourceError> {
        let path = self.at(folder);
        let mut listing = Listing::default();
        for entry in fs::read_dir(&path).map_err(io_error(&path, "list"))? {
            let entry = entry.map_err(io_error(&path, "list"))?;
            let at = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                let found = entry.file_name().to_string_lossy().into_owned();
                return Err(refused(&path, "a name", "UTF-8", found, "rename it"));
            };
            if name.starts_with('.') {
                continue;
            }
            let kind = entry.file_type().map_err(io_error(&at, "look at"))?;
            let kind = if kind.is_symlink() { self.follow(&at)?.file_type() } else { kind };
            if kind.is_dir() {
                listing.folders.push(name);
            } else if kind.is_file() {
                listing.files.push(name);
            } else {
                let found = "a pipe, socket or device".into();
                return Err(refused(&at, "kind", "a file or folder", found, "remove it from the tree"));
            }
        }
        // A String compares by its bytes.
        listing.folders.sort_unstable();
        listing.files.sort_unstable();
        Ok(listing)
    }

    /// What the link at `path` leads to, if it may.
    fn follow(&self, path: &Path) -> Result<fs::Metadata, SourceError> {
        let target = fs::canonicalize(path).map_err(io_error(path, "follow the link"))?;
        if let Some(bounds) = &self.bounds
            && !target.starts_with(bounds)
        {
            let found = format!("one to {}", target.display());
            let hint = "allow it with --follow-links (ImageOptions::follow_links), or copy what it leads to";
            return Err(refused(path, "link", "one that stays inside the tree", found, hint));
        }
        target.metadata().map_err(io_error(path, "follow the link"))
    }

    /// All files below `folder`, however deep, by their paths below it, sorted bytewise.
    pub fn files_below(&self, folder: &str) -> Result<Vec<String>, SourceError> {
        let mut out = Vec::new();
        self.descend(folder, "", &mut Vec::new(), &mut out)?;
        out.sort_unstable();
        Ok(out)
    }

    fn descend(
        &self,
        folder: &str,
        below: &str,
        above: &mut Vec<PathBuf>,
        out: &mut Vec<String>,
    ) -> Result<(), SourceError> {
        let path = self.at(folder);
        let whole = fs::canonicalize(&path).map_err(io_error(&path, "open"))?;
        let hint = "remove the link, or move the files up";
        if above.contains(&whole) {
            let found = "one that leads to a folder it is in".into();
            return Err(refused(&path, "link", "one that leads in no circle", found, hint));
        }
        if above.len() >= MAX_DEPTH {
            let (expected, found) = (format!("at most {MAX_DEPTH} folders deep"), "a folder more".into());
            return Err(refused(&path, "depth", &expected, found, hint));
        }
        above.push(whole);
        let listing = self.list(folder)?;
        out.extend(listing.files.into_iter().map(|name| format!("{below}{name}")));
        for name in listing.folders {
            self.descend(&format!("{folder}/{name}"), &format!("{below}{name}/"), above, out)?;
        }
        above.pop();
        Ok(())
    }
}

/// A [`SourceError::Refused`].
pub(super) fn refused(
    path: &Path,
    what: &'static str,
    expected: &str,
    found: String,
    hint: &'static str,
) -> SourceError {
    SourceError::Refused {
        path: path.to_path_buf(),
        what,
        expected: expected.into(),
        found: crate::shard::shown(&found),
        hint,
    }
}
