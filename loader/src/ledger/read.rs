//! Reading ledgers: line by line, every field checked before it is used.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{
    LedgerError,
    entry::{BEGINNING, FORMAT, HEAD, Head, MAX_LINE, Taken},
    report::Torn,
    writer::check_beginning,
};
use crate::file::open_regular;

/// What one process wrote down.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub path: PathBuf,
    /// Number of its head's line.
    pub line: u64,
    pub head: Head,
    /// When it began, in microseconds since 1970, and not before the one above it in its file ended.
    pub began_us: u64,
    /// The batches it took, with the numbers of their lines.
    pub taken: Vec<(u64, Taken)>,
}

impl Process {
    /// When it took its last batch.
    pub fn ended_us(&self) -> u64 {
        let last = self.taken.iter().map(|(_, taken)| taken.us).max();
        self.began_us.saturating_add(last.unwrap_or(0))
    }
}

/// Reads the ledger at `path`. What a killed process left of its last line is added to `torn`.
pub(super) fn read(path: &Path, torn: &mut Vec<Torn>) -> Result<Vec<Process>, LedgerError> {
    let io = |source| LedgerError::Io { path: path.to_path_buf(), action: "read", source };
    let mut file = BufReader::new(open_regular(path).map_err(io)?);
    check_beginning(file.fill_buf().map_err(io)?, path)?;
    let mut processes: Vec<Process> = Vec::new();
    let (mut line, mut number) = (Vec::new(), 0);
    // A line that is no JSON: only a head may follow it, as a process ends with a line that it could not finish.
    let mut unfinished: Option<(u64, String)> = None;
    loop {
        line.clear();
        number += 1;
        file.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line).map_err(io)?;
        if line.is_empty() {
            break;
        }
        let broken = |field, expected: String, found| LedgerError::Line {
            path: path.to_path_buf(),
            line: number,
            field,
            expected,
            found,
        };
        if line.len() as u64 > MAX_LINE {
            return Err(broken("length", format!("at most {MAX_LINE} bytes"), "more".into()));
        }
        let head = &line[..line.len().min(HEAD.len())];
        if head.starts_with(BEGINNING.as_bytes()) && head.len() == HEAD.len() && head != HEAD.as_bytes() {
            let found = String::from_utf8_lossy(&head[BEGINNING.len()..]).into_owned();
            return Err(broken("format", FORMAT.into(), found));
        }
        match entry(&line) {
            Ok(Entry::Head(head)) => {
                torn.extend(unfinished.take().map(|(line, _)| Torn { file: path.to_path_buf(), line }));
                // Clocks are set; the file's order is not wrong.
                let began_us = processes.last().map_or(0, Process::ended_us).max(head.started_us);
                let (path, head) = (path.to_path_buf(), *head);
                processes.push(Process { path, line: number, head, began_us, taken: Vec::new() });
            }
            Ok(Entry::Taken(taken)) => {
                if let Some((line, why)) = unfinished {
                    let (path, expected) = (path.to_path_buf(), "a whole line of JSON".into());
                    return Err(LedgerError::Line { path, line, field: "line", expected, found: why });
                }
                let Some(process) = processes.last_mut() else {
                    return Err(broken("line", "the head of a process first".into(), "a batch".into()));
                };
                process.taken.push((number, taken));
            }
            // A second one in a row was not left by a process: each begins with a head.
            Err(error) if !error.is_data() && unfinished.is_none() => {
                unfinished = Some((number, error.to_string()));
            }
            Err(error) => {
                let expected = "the head of a process, or a batch".into();
                return Err(broken("line", expected, error.to_string()));
            }
        }
    }
    torn.extend(unfinished.map(|(line, _)| Torn { file: path.to_path_buf(), line }));
    Ok(processes)
}

enum Entry {
    Head(Box<Head>),
    Taken(Taken),
}

fn entry(line: &[u8]) -> Result<Entry, serde_json::Error> {
    // By its first member: a batch has another, and there are many more of them.
    if line.starts_with(br#"{"format""#) {
        return serde_json::from_slice(line).map(|head| Entry::Head(Box::new(head)));
    }
    serde_json::from_slice(line).map(Entry::Taken)
}
