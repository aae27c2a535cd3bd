//! The files of a set, wherever under a path they are and in whichever version.

use std::path::Path;

use super::set::{Files, Set};
use crate::source::{
    archive::read_members,
    bytes::{Bytes, first_there, io_error},
    error::SourceError,
};

/// Which version was found. They differ in their files, not in their samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Records of label bytes and an image.
    Binary,
    /// Pickled dictionaries.
    Python,
}

/// The files that were found.
pub(super) struct Found {
    pub version: Version,
    /// In the order of [`Files::data`].
    pub data: Vec<Bytes>,
    /// In the order of [`Files::names`]; `None` where there is none.
    pub names: Vec<Option<Bytes>>,
}

impl Set {
    pub fn files(&self, version: Version) -> &Files {
        match version {
            Version::Binary => &self.binary,
            Version::Python => &self.python,
        }
    }
}

/// The binary version first: it needs no parser of pickles.
const VERSIONS: [Version; 2] = [Version::Binary, Version::Python];

/// Finds the files of `set`: `path` is an archive, the folder with the files, or a folder that holds either.
pub(super) fn find(set: &Set, path: &Path) -> Result<Found, SourceError> {
    if !std::fs::metadata(path).map_err(io_error(path, "open"))?.is_dir() {
        return from_archive(set, path);
    }
    for version in VERSIONS {
        let files = set.files(version);
        for folder in [path.to_path_buf(), path.join(files.folder)] {
            if any_file(files, &folder)? {
                let data =
                    files.data.iter().map(|f| Bytes::file(&folder.join(f))).collect::<Result<_, _>>()?;
                let name = |f: &&str| first_there([folder.join(f)])?.map(|p| Bytes::file(&p)).transpose();
                let names = files.names.iter().map(name).collect::<Result<_, _>>()?;
                return Ok(Found { version, data, names });
            }
        }
    }
    for version in VERSIONS {
        if let Some(archive) = first_there(set.files(version).archives.map(|a| path.join(a)))? {
            return from_archive(set, &archive);
        }
    }
    Err(not_found(set, path, "none of them".into()))
}

/// Whether a data file of the version is in `folder`: any one makes it the folder of the set, so that a missing file
/// is named, not the whole set.
fn any_file(files: &Files, folder: &Path) -> Result<bool, SourceError> {
    for file in files.data {
        // A folder `train` is one of an image tree.
        if first_there([folder.join(file)])?.is_some_and(|path| path.is_file()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn from_archive(set: &Set, path: &Path) -> Result<Found, SourceError> {
    let wanted: Vec<&str> = VERSIONS.iter().flat_map(|&v| set.files(v).all()).collect();
    let mut members = read_members(path, &wanted)?;
    let mut python = members.split_off(set.binary.all().count());
    // As in a folder: any one data file makes it that version.
    let has_data =
        |members: &[Option<Bytes>], files: &Files| members[..files.data.len()].iter().any(Option::is_some);
    let version = if !has_data(&members, &set.binary) && has_data(&python, &set.python) {
        std::mem::swap(&mut members, &mut python);
        Version::Python
    } else {
        Version::Binary
    };
    let files = set.files(version);
    let names = members.split_off(files.data.len());
    let missing: Vec<&str> =
        members.iter().zip(files.data).filter(|(m, _)| m.is_none()).map(|(_, &f)| f).collect();
    if !missing.is_empty() {
        return Err(not_found(set, path, format!("an archive without {}", missing.join(", "))));
    }
    Ok(Found { version, data: members.into_iter().flatten().collect(), names })
}

fn not_found(set: &Set, path: &Path, found: String) -> SourceError {
    let (binary, python) = (&set.binary, &set.python);
    SourceError::NotFound {
        path: path.to_path_buf(),
        expected: format!(
            "{} or {}, a folder with {} or {}, or a folder that holds one of these",
            binary.archives[0], python.archives[0], binary.data[0], python.data[0]
        ),
        found,
        hint: format!(
            "get {} from https://www.cs.toronto.edu/~kriz/cifar.html, or let rfx-pack do it: --download",
            set.title
        ),
    }
}
