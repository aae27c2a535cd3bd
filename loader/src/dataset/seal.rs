//! The check digest that ends every JSON file of rfx which must be known to be whole: an index, a finished part.

use std::path::Path;

use serde::Serialize;

use super::rules::field;
use crate::{digest::Digest, shard::FormatError};

/// The text before and after the digest.
const BEFORE: &[u8] = b"\"check\": \"";
const AFTER: &[u8] = b"\"\n}\n";

/// The JSON of `document`, whose last member is a digest `check` of zeros, with that filled in: BLAKE3 of the text with
/// the zeros in it.
pub(crate) fn sealed(document: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(document).expect("text keys and finite numbers only");
    text.push(b'\n');
    let digest = Digest::of(&text).to_string();
    let start = text.len() - AFTER.len() - digest.len();
    text[start..start + digest.len()].copy_from_slice(digest.as_bytes());
    text
}

/// Compares the check digest of a file's bytes; `what` is the file in a message.
pub(crate) fn check_seal(path: &Path, what: &'static str, bytes: &[u8]) -> Result<(), FormatError> {
    let (expected, found) = digests(path, bytes)?;
    if expected == found {
        return Ok(());
    }
    Err(FormatError::Checksum { path: path.to_path_buf(), what, expected, found })
}

/// The stored check digest, and the digest of the bytes with its digits as zeros.
fn digests(path: &Path, bytes: &[u8]) -> Result<(Digest, Digest), FormatError> {
    let shape = || {
        let expected = "the last member, 64 lowercase digits, then `\"`, newline, `}`, newline";
        field(path, "check", expected, "another end of the file".into())
    };
    let digits = 64;
    let start = bytes.len().checked_sub(AFTER.len() + digits).ok_or_else(shape)?;
    let (before, rest) = bytes.split_at(start);
    let (text, after) = rest.split_at(digits);
    if !before.ends_with(BEFORE) || after != AFTER {
        return Err(shape());
    }
    let stored = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).ok_or_else(shape)?;
    let mut zeroed = before.to_vec();
    zeroed.resize(start + digits, b'0');
    zeroed.extend(after);
    Ok((stored, Digest::of(&zeroed)))
}
