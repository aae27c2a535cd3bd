//! One file from a server to its place: gone on with where it stopped, tried again where the network fails, and in its
//! place only when its SHA-256 is that of the published file.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use ureq::Agent;

use super::{
    catalogue::PublishedFile,
    error::DownloadError,
    http::{self, Head, Message, Response, Stopped},
    part::{Part, sha256_of},
};
use crate::progress::Progress;

/// Failures in a row, none of which brought a byte more, after which it is given up.
const TRIES: u32 = 6;

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How to download.
pub struct Transfer<'a> {
    /// How long to wait for a connection, or for bytes.
    pub patience: Duration,
    /// Pause after the first failure; each further one doubles it.
    pub pause: Duration,
    /// Asks to stop.
    pub cancel: &'a AtomicBool,
    /// Is told of bytes.
    pub progress: &'a Progress<'a>,
}

/// Why an attempt ended before the file.
enum Attempt {
    /// Another may do better.
    Failed(String),
    /// None will.
    Fatal(DownloadError),
}

impl From<DownloadError> for Attempt {
    fn from(error: DownloadError) -> Self {
        Attempt::Fatal(error)
    }
}

impl Transfer<'_> {
    /// Sees to it that `file` lies in `folder`, from `url` where it does not yet, and gives its path.
    ///
    /// # Errors
    /// [`DownloadError`].
    pub fn fetch(&self, file: &PublishedFile, url: &str, folder: &Path) -> Result<PathBuf, DownloadError> {
        let target = folder.join(file.name);
        if target.exists() {
            let (expected, found) = (file.sha256.to_owned(), sha256_of(&target)?);
            if found != expected {
                return Err(DownloadError::Present { path: target, expected, found });
            }
            self.progress.advance(0, file.bytes);
            return Ok(target);
        }
        let mut part = Part::open(&target)?;
        match self.fill(file, url, &mut part) {
            Ok(()) => part.finish(&target).map(|()| target),
            Err(error) => {
                if part.len == 0 {
                    part.remove()?;
                }
                Err(error)
            }
        }
    }

    /// Makes `part` the whole file, whatever it holds.
    fn fill(&self, file: &PublishedFile, url: &str, part: &mut Part) -> Result<(), DownloadError> {
        if part.len > file.bytes {
            part.clear()?;
        }
        self.progress.advance(0, part.len);
        // Bytes of an earlier run may be of another file: its tag is not known any more. The checksum decides.
        let mut pieced = part.len > 0;
        for begun_again in [false, true] {
            pieced |= self.complete(file, url, part)?;
            let found = part.sha256()?;
            if found == file.sha256 {
                return Ok(());
            }
            self.clear(part)?;
            if !pieced || begun_again {
                let (url, expected) = (url.to_owned(), file.sha256.to_owned());
                return Err(DownloadError::Checksum { url, expected, found });
            }
            self.progress.note(&format!("{}: the parts do not fit together, beginning again\n", file.name));
        }
        unreachable!("the second time ends in either way")
    }

    /// Gets what is missing of `part`. Says whether it came in more than one piece.
    fn complete(&self, file: &PublishedFile, url: &str, part: &mut Part) -> Result<bool, DownloadError> {
        let agent = http::agent(self.patience);
        let (mut etag, mut failures, mut furthest) = (None, 0, part.len);
        let mut pieced = false;
        while part.len < file.bytes {
            let reason = match self.attempt(&agent, file, url, part, &mut etag) {
                Ok(()) => return Ok(pieced),
                Err(Attempt::Fatal(error)) => return Err(error),
                Err(Attempt::Failed(reason)) => reason,
            };
            // A server that always begins anew and always fails brings bytes, but none that were not there before.
            failures = if part.len > furthest { 1 } else { failures + 1 };
            furthest = furthest.max(part.len);
            pieced |= part.len > 0;
            if failures >= TRIES {
                let (url, part, have) = (url.to_owned(), part.path.clone(), part.len);
                return Err(DownloadError::Network {
                    url,
                    reason,
                    tries: failures,
                    have,
                    bytes: file.bytes,
                    part,
                });
            }
            let pause = (self.pause * 2u32.pow(failures - 1)).min(LONGEST_PAUSE);
            self.progress.note(&format!("{url}: {reason}; trying again in {:.1} s\n", pause.as_secs_f64()));
            self.wait(pause).map_err(|_| self.interrupted(file, part))?;
        }
        Ok(pieced)
    }

    /// One request for what is missing of `part`.
    fn attempt(
        &self,
        agent: &Agent,
        file: &PublishedFile,
        url: &str,
        part: &mut Part,
        etag: &mut Option<String>,
    ) -> Result<(), Attempt> {
        let length = |found: String| {
            Attempt::Fatal(DownloadError::Length { url: url.to_owned(), expected: file.bytes, found })
        };
        let response = Response::ask(agent, url, part.len, etag.as_deref(), self.patience, self.cancel);
        let next = |part: &Part| {
            response.next().map_err(|stopped| match stopped {
                Stopped::Failed(reason) => Attempt::Failed(reason),
                Stopped::Interrupted => Attempt::Fatal(self.interrupted(file, part)),
            })
        };
        let Message::Head(head) = next(part)? else { unreachable!("a response begins with its head") };
        match head {
            Head { status: 200, length: Some(n), .. } if n != file.bytes => {
                return Err(length(n.to_string()));
            }
            Head { status: 200, .. } => self.clear(part)?, // the whole file, whatever was asked for
            Head { status: 206, range: Some((first, whole)), .. } if first == part.len => {
                if let Some(n) = whole.filter(|&n| n != file.bytes) {
                    return Err(length(n.to_string()));
                }
            }
            Head { status: 206 | 416, .. } => {
                self.clear(part)?;
                return Err(Attempt::Failed("the server gave another part than the one asked for".into()));
            }
            Head { status: status @ (408 | 425 | 429 | 500..=599), .. } => {
                return Err(Attempt::Failed(format!("HTTP status {status}")));
            }
            Head { status, .. } => {
                return Err(DownloadError::Status { url: url.to_owned(), status }.into());
            }
        }
        *etag = head.etag;
        loop {
            match next(part)? {
                Message::Bytes(bytes) if part.len + bytes.len() as u64 > file.bytes => {
                    self.clear(part)?;
                    return Err(length("more".into()));
                }
                Message::Bytes(bytes) => {
                    part.append(&bytes)?;
                    self.progress.advance(bytes.len() as u64, 0);
                }
                Message::End if part.len == file.bytes => return Ok(()),
                _ => {
                    let reason = format!("the answer ended after {} of {} bytes", part.len, file.bytes);
                    return Err(Attempt::Failed(reason));
                }
            }
        }
    }

    fn clear(&self, part: &mut Part) -> Result<(), DownloadError> {
        self.progress.retract(part.len);
        part.clear()
    }

    /// Waits, unless a signal asks to stop.
    fn wait(&self, pause: Duration) -> Result<(), ()> {
        let start = Instant::now();
        loop {
            // Relaxed: no other memory goes with the flag.
            if self.cancel.load(Ordering::Relaxed) {
                return Err(());
            }
            match pause.checked_sub(start.elapsed()) {
                Some(left) if !left.is_zero() => std::thread::sleep(left.min(Duration::from_millis(50))),
                _ => return Ok(()),
            }
        }
    }

    fn interrupted(&self, file: &PublishedFile, part: &Part) -> DownloadError {
        DownloadError::Interrupted { part: part.path.clone(), have: part.len, bytes: file.bytes }
    }
}
