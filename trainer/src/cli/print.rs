//! Printing that does not die with its reader: `rfx-train eval RUN | head -1` ends quietly.

use std::io::{self, Write};

use crate::error::{Result, TrainError};

/// Writes results to stdout. A reader that has gone away wanted no more of them.
///
/// # Errors
/// [`TrainError::Io`] of anything but a closed pipe: results that could not be written are no success.
pub(super) fn result(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(source) if source.kind() != io::ErrorKind::BrokenPipe => {
            Err(TrainError::Io { path: "stdout".into(), action: "write", source })
        }
        _ => Ok(()),
    }
}

/// Writes a line about what goes on to stderr; where that is closed, nobody listens.
pub(super) fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
