//! Why a data set on disk was refused.

use std::{io, path::PathBuf};

use crate::{ErrorKind, digest::Digest};

/// A shard or an index that breaks the rules of `FORMAT.md`, or could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// The operating system refused.
    #[error("{}: cannot {action}: {source}; check that the file exists, is readable and its disk is sound", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's own error.
        source: io::Error,
    },
    /// The path is no data set directory.
    #[error("{}: not a data set: expected a folder with {expected}, found {found}; {hint}", path.display())]
    NotADataset {
        /// The path given.
        path: PathBuf,
        /// The file that makes a folder a data set.
        expected: &'static str,
        /// What is there instead.
        found: String,
        /// What to do.
        hint: &'static str,
    },
    /// The format or version is not one this reader knows.
    #[error("{}: {field}: expected {expected}, found {found}; another version of rfx wrote it: read it with that version or pack again", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// `format`, `version`, `codec` or the like.
        field: &'static str,
        /// What this reader knows.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// JSON that does not parse, or has an unknown, missing, repeated or mistyped member.
    #[error("{}: {field} at byte {offset}: {message}; the file is damaged or was edited: restore it or pack again", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// `index` or `header`.
        field: &'static str,
        /// Byte offset in the file.
        offset: u64,
        /// What the parser said.
        message: String,
    },
    /// A value that breaks a rule.
    #[error("{}: {field}{}: expected {expected}, found {found}; the file is damaged or not ours: restore it or pack again", path.display(), at_byte(*offset))]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, for example `label[17]` or `data.data_offsets`.
        field: String,
        /// Byte offset in the file, where one is known.
        offset: Option<u64>,
        /// The rule.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Bytes whose BLAKE3 digest is not the recorded one.
    #[error("{}: BLAKE3 of {what}: expected {expected}, found {found}; the file was changed after packing: restore it or pack again", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Which bytes: `the head`, `the file`, `the index`.
        what: &'static str,
        /// The recorded digest.
        expected: Digest,
        /// The digest of the bytes.
        found: Digest,
    },
    /// A record whose content is not what was packed.
    #[error("{}: shard {shard}, row {row} (id {id}) at byte {offset}: record hash: expected {expected:016x}, found {found:016x}; the file was changed after packing: restore it or pack again", path.display())]
    RecordHash {
        /// The shard's file.
        path: PathBuf,
        /// The shard's number in its split.
        shard: usize,
        /// The row in the shard.
        row: usize,
        /// The sample's id.
        id: i64,
        /// Byte offset of the record in the file.
        offset: u64,
        /// The recorded xxh3-64.
        expected: u64,
        /// The xxh3-64 of the bytes.
        found: u64,
    },
    /// A stored record that does not decompress to an image.
    #[error("{}: shard {shard}, row {row} (id {id}) at byte {offset}: expected {message}; the file was changed after packing: restore it or pack again", path.display())]
    RecordDecode {
        /// The shard's file.
        path: PathBuf,
        /// The shard's number in its split.
        shard: usize,
        /// The row in the shard.
        row: usize,
        /// The sample's id.
        id: i64,
        /// Byte offset of the stored record in the file.
        offset: u64,
        /// What was expected, and what was found.
        message: String,
    },
    /// An encoded image that cannot be decoded, though its bytes are those packed.
    #[error("{}: shard {shard}, row {row} (id {id}) at byte {offset}: image: {message}; leave its file out when packing (--on-bad skip), or read on without it (--on-bad-record substitute or blank)", path.display())]
    RecordImage {
        /// The shard's file.
        path: PathBuf,
        /// The shard's number in its split.
        shard: usize,
        /// The row in the shard.
        row: usize,
        /// The sample's id.
        id: i64,
        /// Byte offset of the record in the file.
        offset: u64,
        /// What the decoder said.
        message: String,
    },
    /// A split the data set does not have.
    #[error("{}: split `{found}` does not exist: expected one of {}", path.display(), expected.join(", "))]
    UnknownSplit {
        /// The data set.
        path: PathBuf,
        /// The splits it has.
        expected: Vec<String>,
        /// The split asked for.
        found: String,
    },
    /// Something was asked for that needs images of one shape.
    #[error("{}: images: expected one shape for all, found encoded images with sides of their own; pack them without --codec jpeg (with --resize and --crop) for this", path.display())]
    NoShape {
        /// The data set.
        path: PathBuf,
    },
    /// A column the data set does not have, or whose values are no classes.
    #[error("{}: column `{found}`: expected {expected}", path.display())]
    UnknownColumn {
        /// The data set.
        path: PathBuf,
        /// What would do.
        expected: String,
        /// The column asked for.
        found: String,
    },
    /// The data set has no Gaussian tables.
    #[error("{}: gaussian: expected noise tables, found none: {reason}; use another corruption", path.display())]
    GaussianUnreachable {
        /// The data set.
        path: PathBuf,
        /// Why the tables could not be solved when the set was packed.
        reason: String,
    },
    /// A position outside its split.
    #[error("{}: split {split}: position {found} is out of range: expected one below {expected}", path.display())]
    Position {
        /// The data set.
        path: PathBuf,
        /// The split.
        split: String,
        /// Number of samples.
        expected: usize,
        /// The position asked for.
        found: usize,
    },
    /// A shard lost bytes while it was mapped (only with [`install_sigbus_guard`](super::install_sigbus_guard)).
    #[error("{}: file shrank or failed while it was mapped: expected {expected} bytes, found {found}; nothing may rewrite a shard in use: restore it and start again", path.display())]
    ShrankWhileMapped {
        /// The shard's file.
        path: PathBuf,
        /// Bytes when it was mapped.
        expected: u64,
        /// Bytes now.
        found: u64,
    },
    /// A verification was stopped on request.
    #[error("{}: stopped before the end; nothing was changed", path.display())]
    Interrupted {
        /// The data set.
        path: PathBuf,
    },
}

impl FormatError {
    /// Whether this is bad input, a mismatch, or the environment.
    pub fn kind(&self) -> ErrorKind {
        match self {
            FormatError::Io { source, .. } => io_kind(source),
            FormatError::Checksum { .. }
            | FormatError::RecordHash { .. }
            | FormatError::RecordDecode { .. }
            | FormatError::RecordImage { .. } => ErrorKind::Mismatch,
            FormatError::ShrankWhileMapped { .. } => ErrorKind::Environment,
            FormatError::Interrupted { .. } => ErrorKind::Interrupted,
            _ => ErrorKind::Input,
        }
    }
}

/// A path that names nothing is the caller's mistake; every other refusal of the system may pass.
pub(crate) fn io_kind(error: &io::Error) -> ErrorKind {
    use io::ErrorKind as K;
    match error.kind() {
        K::NotFound
        | K::NotADirectory
        | K::IsADirectory
        | K::InvalidInput
        | K::InvalidData
        | K::UnexpectedEof => ErrorKind::Input,
        _ => ErrorKind::Environment,
    }
}

/// ` at byte N`, or nothing.
pub(crate) fn at_byte(offset: Option<u64>) -> String {
    offset.map_or(String::new(), |offset| format!(" at byte {offset}"))
}

/// At most 80 characters of text that came from a file, so that an error stays one line.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        out.push('…');
    }
    out
}
