//! The pickle in a file of `torch.save`: a zip file whose member `NAME/data.pkl` it is, stored as it is.
//!
//! Only that member is looked for, by the directory at the file's end; tensors, which lie in members of their own, are
//! not read.

use super::super::{SpecError, named_file::NamedFile};

/// What a zip file begins with, and its directory's entries, and the directory's end.
pub(super) const MAGIC: &[u8; 4] = b"PK\x03\x04";
const ENTRY: &[u8; 4] = b"PK\x01\x02";
const END: &[u8; 4] = b"PK\x05\x06";

/// Length of the parts of a zip file without names and comments.
const LOCAL_BYTES: usize = 30;
const ENTRY_BYTES: usize = 46;
const END_BYTES: usize = 22;

/// Most members that are looked through.
const MAX_MEMBERS: usize = 4096;

/// Where the pickle begins, and its bytes.
///
/// # Errors
/// [`SpecError::File`] for a zip file that has no such member, or is cut short, packed, or damaged.
pub(super) fn pickle(file: &NamedFile) -> Result<(usize, &[u8]), SpecError> {
    let bytes = &file.bytes[..];
    let error = |place: &str, expected: &str, found: String| {
        file.error(place, expected, found, "save it again with torch.save, or as a .npy array or CSV")
    };
    let last = bytes.len().saturating_sub(END_BYTES);
    let first = last.saturating_sub(usize::from(u16::MAX)); // a comment may follow
    let end = (first..=last).rev().find(|&at| bytes[at..].starts_with(END));
    let end = end.ok_or_else(|| error("its end", "the directory of a zip file", "none".into()))?;
    let short = || error("its directory", "members inside the file", "one that is cut short".into());
    let members = usize::from(u16_at(bytes, end + 10).ok_or_else(short)?).min(MAX_MEMBERS);
    let mut at = u32_at(bytes, end + 16).ok_or_else(short)? as usize;
    for _ in 0..members {
        let entry =
            bytes.get(at..).filter(|e| e.starts_with(ENTRY) && e.len() >= ENTRY_BYTES).ok_or_else(short)?;
        let half = |offset| u16_at(entry, offset).map(usize::from).unwrap_or_default();
        let word = |offset| u32_at(entry, offset).unwrap_or_default();
        let (name, extra, comment) = (half(28), half(30), half(32));
        let is_pickle = entry[ENTRY_BYTES..].get(..name).is_some_and(|n| n.ends_with(b"/data.pkl"));
        if !is_pickle {
            at += ENTRY_BYTES + name + extra + comment;
            continue;
        }
        if half(10) != 0 {
            return Err(error(
                "data.pkl",
                "a member that is stored, not packed",
                format!("method {}", half(10)),
            ));
        }
        let (crc, length, local) = (word(16), word(24) as usize, word(42) as usize);
        let head = bytes
            .get(local..)
            .filter(|h| h.starts_with(MAGIC) && h.len() >= LOCAL_BYTES)
            .ok_or_else(short)?;
        let skip = |offset| u16_at(head, offset).map(usize::from).unwrap_or_default();
        let start = LOCAL_BYTES + skip(26) + skip(28);
        let data = head.get(start..).and_then(|data| data.get(..length)).ok_or_else(short)?;
        let mut found = flate2::Crc::new();
        found.update(data);
        if found.sum() != crc {
            let expected = format!("the CRC-32 {crc:08x}");
            return Err(error("data.pkl", &expected, format!("{:08x}", found.sum())));
        }
        return Ok((local + start, data));
    }
    Err(error("its directory", "a member data.pkl, as torch.save writes", "none".into()))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|&b| u16::from_le_bytes(b))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|&b| u32::from_le_bytes(b))
}
