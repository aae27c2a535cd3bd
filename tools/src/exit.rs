//! How a program ends: exit codes by kind of failure, and the form of an error message.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | ran, and found something that does not match |
//! | 2 | wrong usage or bad input |
//! | 3 | the environment failed (disk full, permission, network): a retry may help |
//! | 101 | a bug in rfx |
//! | 130 | interrupted cleanly |

use std::{io, path::PathBuf, process::ExitCode};

use rfx_loader::{
    ErrorKind, corrupt::SpecError, pack::PackError, recipe::RecipeError, shard::FormatError,
    source::SourceError,
};

use crate::{download::DownloadError, report};

/// How a command ended, apart from errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was well.
    Done,
    /// The command ran and found something wrong, which it has told.
    Mismatch,
}

/// A failure of the programs themselves; those of the library keep their own types.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Nothing is overwritten without being asked.
    #[error("{}: it exists already, and nothing is overwritten; give another path, or delete it first", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The system refused to write a file.
    #[error("{}: cannot {action}: {source}; check that its folder exists, is writable and has space", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's own error.
        source: io::Error,
    },
    /// Stopped on request.
    #[error("{}: stopped before the end; nothing was written", path.display())]
    Interrupted {
        /// The file that was being written.
        path: PathBuf,
    },
    /// The standard output could not be written.
    #[error("standard output: cannot write: {0}; check where it goes")]
    Stdout(#[source] io::Error),
    /// Arguments that do not go together.
    #[error("{what}; {help}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What to do.
        help: String,
    },
}

impl CliError {
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            CliError::Exists { .. } | CliError::Usage { .. } => ErrorKind::Input,
            CliError::Interrupted { .. } => ErrorKind::Interrupted,
            // A folder that is not there, or is a file: the caller's mistake.
            CliError::Io { source, .. }
                if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
            {
                ErrorKind::Input
            }
            CliError::Io { .. } | CliError::Stdout(_) => ErrorKind::Environment,
        }
    }
}

/// Runs a program, prints its error if there is one, and gives its exit code.
pub fn run(body: impl FnOnce() -> anyhow::Result<Outcome>) -> ExitCode {
    let error = match body() {
        Ok(Outcome::Done) => return ExitCode::SUCCESS,
        Ok(Outcome::Mismatch) => return code(ErrorKind::Mismatch),
        Err(error) => error,
    };
    report::tell(&message(&error));
    code(kind(&error))
}

fn code(kind: ErrorKind) -> ExitCode {
    ExitCode::from(u8::try_from(kind.exit_code()).unwrap_or(101))
}

/// The kind of an error, from the first of its causes whose type has one. Anything else is a bug.
fn kind(error: &anyhow::Error) -> ErrorKind {
    let of = |cause: &(dyn std::error::Error + 'static)| {
        (cause.downcast_ref().map(CliError::kind))
            .or_else(|| cause.downcast_ref().map(DownloadError::kind))
            .or_else(|| cause.downcast_ref().map(rfx_loader::Error::kind))
            .or_else(|| cause.downcast_ref().map(PackError::kind))
            .or_else(|| cause.downcast_ref().map(FormatError::kind))
            .or_else(|| cause.downcast_ref().map(SourceError::kind))
            .or_else(|| cause.downcast_ref::<SpecError>().map(|_| ErrorKind::Input))
            .or_else(|| cause.downcast_ref::<RecipeError>().map(|_| ErrorKind::Input))
    };
    error.chain().find_map(of).unwrap_or(ErrorKind::Internal)
}

/// `error:`, the causes that say more, and as `help:` the first advice that one of them ends in (after its last `; `).
fn message(error: &anyhow::Error) -> String {
    let (mut text, mut told, mut help) = (String::new(), String::new(), None);
    for cause in error.chain().map(ToString::to_string) {
        if told.contains(&cause) {
            continue;
        }
        told.push_str(&cause);
        let (what, advice) = cause.rsplit_once("; ").map_or((cause.as_str(), None), |(w, a)| (w, Some(a)));
        let start = if text.is_empty() { "error" } else { "  caused by" };
        text.push_str(&format!("{start}: {what}\n"));
        help = help.or(advice.map(str::to_owned));
    }
    if let Some(help) = help {
        text.push_str(&format!("help: {help}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_becomes_a_help_line_and_causes_are_told_once() {
        let source = io::Error::other("no space");
        let error = anyhow::Error::from(CliError::Io { path: "a/b".into(), action: "write", source });
        let text = message(&error);
        assert_eq!(
            text,
            "error: a/b: cannot write: no space\nhelp: check that its folder exists, is writable and has space\n"
        );
        let text = message(&error.context("while making a sheet"));
        assert!(text.starts_with(
            "error: while making a sheet\n  caused by: a/b: cannot write: no space\nhelp: check"
        ));
    }

    #[test]
    fn every_kind_of_failure_keeps_its_code_through_anyhow() {
        let spec = "random-lables".parse::<rfx_loader::CorruptionSpec>().unwrap_err();
        assert_eq!(kind(&spec.clone().into()), ErrorKind::Input);
        assert_eq!(kind(&rfx_loader::Error::from(spec).into()), ErrorKind::Input);
        assert_eq!(kind(&PackError::Interrupted { path: "x".into() }.into()), ErrorKind::Interrupted);
        assert_eq!(kind(&CliError::Exists { path: "x".into() }.into()), ErrorKind::Input);
        assert_eq!(kind(&anyhow::anyhow!("something unforeseen")), ErrorKind::Internal);
    }
}
