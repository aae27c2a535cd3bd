//! Getting the published files of a data set: `rfx-pack ... --download`.
//!
//! A file is in its place only when it is complete and its SHA-256 is the published one; until then it is `NAME.part`
//! beside it, which a later run goes on with. Files that are in their place are checked and not fetched again.

mod catalogue;
mod error;
mod http;
mod part;
mod transfer;

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::atomic::AtomicBool,
    time::Duration,
};

use clap::Args;

pub use catalogue::{CIFAR10, CIFAR100, FASHION_MNIST, MNIST, Published, PublishedFile};
pub use error::DownloadError;
pub use transfer::Transfer;

use crate::{
    exit::CliError,
    progress::{Progress, Unit},
};

/// How long to wait for a server.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pause after the first failure.
const PAUSE: Duration = Duration::from_millis(500);

/// Whether files are to be downloaded, and from where.
#[derive(Args, Debug)]
pub struct DownloadArgs {
    /// First get the published files, and compare their SHA-256; SRC is the folder to keep them in [default:
    /// ~/.cache/rfx/NAME]. What was begun is gone on with, what is there is not fetched again
    #[arg(long)]
    download: bool,
    /// Server to get them from instead of the official one: URL/FILE
    #[arg(long, value_name = "URL", requires = "download")]
    mirror: Option<Mirror>,
}

/// Address of the folder that holds the files on a server, with a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror(String);

impl FromStr for Mirror {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        if !matches!(scheme, "http" | "https")
            || rest.is_empty()
            || rest.starts_with('/')
            || text.contains(['?', '#'])
        {
            return Err("expected an address such as https://example.org/data/".into());
        }
        Ok(Mirror(format!("{}/", text.trim_end_matches('/'))))
    }
}

impl DownloadArgs {
    /// Where the data set is to be read from: `source`, or, if asked for, what was downloaded to it or to the cache.
    ///
    /// # Errors
    /// [`DownloadError`], or [`CliError::Usage`] where there is no place for a cache.
    pub fn source(
        &self,
        set: &Published,
        source: Option<&Path>,
        quiet: bool,
        cancel: &AtomicBool,
    ) -> anyhow::Result<PathBuf> {
        let folder = match source {
            Some(folder) => folder.to_path_buf(),
            None => cache(set)?,
        };
        if !self.download {
            return Ok(folder);
        }
        std::fs::create_dir_all(&folder).map_err(|source| CliError::Io {
            path: folder.clone(),
            action: "create",
            source,
        })?;
        let base = self.mirror.as_ref().map_or(set.base, |m| &m.0);
        let progress = Progress::new("downloading", Unit::Bytes, quiet, cancel);
        progress.note(&format!("{}: {base} to {}\n", set.name, folder.display()));
        progress.plan(set.bytes());
        let transfer = Transfer { patience: PATIENCE, pause: PAUSE, cancel, progress: &progress };
        let fetch = |file: &PublishedFile| transfer.fetch(file, &format!("{base}{}", file.name), &folder);
        let fetched: Result<Vec<PathBuf>, _> = set.files.iter().map(fetch).collect();
        progress.finish();
        // Of an archive its path, so that nothing else in the folder is taken for it.
        let mut fetched = fetched?;
        Ok(if fetched.len() == 1 { fetched.remove(0) } else { folder })
    }
}

/// The folder that downloads are kept in where none is given, as the XDG Base Directory Specification has it.
fn cache(set: &Published) -> Result<PathBuf, CliError> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    match cache {
        Some(cache) => Ok(cache.join("rfx").join(set.name)),
        None => Err(CliError::Usage {
            what: "no folder to download to: neither XDG_CACHE_HOME nor HOME is set".into(),
            help: "name one as SRC".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirrors_are_addresses_of_folders() {
        for text in ["http://127.0.0.1:80", "https://example.org/a/b/", "http://h//"] {
            let Mirror(mirror) = text.parse().unwrap();
            assert!(mirror.ends_with('/') && !mirror.ends_with("//"), "{mirror}");
        }
        for text in
            ["", "example.org", "ftp://example.org/", "http://", "http:///x", "http://h/?x", "file:///etc"]
        {
            assert!(text.parse::<Mirror>().is_err(), "{text}");
        }
    }
}
