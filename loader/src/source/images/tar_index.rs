//! Where the members of a tar archive are: one pass over its headers, nothing unpacked.
//!
//! Headers are read as old, ustar or GNU ones; long names come from GNU `L` entries or from pax records, both bounded.
//! An archive is refused for anything that a set of images has no use for and that an attack has: links, devices, sparse
//! files, names that are absolute or lead upwards, names that are not UTF-8 or hold a zero byte, lengths that run past the
//! end, checksums that are wrong, a pax size that contradicts the header's (two readers would then see two archives).

use std::io;

use tar::{EntryType, Header};

/// Longest name of a member in bytes.
const MAX_NAME_BYTES: u64 = 4096;

/// Longest set of pax records in bytes.
const MAX_PAX_BYTES: u64 = 1 << 16;

/// Most members of an archive.
const MAX_MEMBERS: usize = 1 << 24;

const BLOCK: u64 = 512;

/// A regular file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name, relative, `/` between folders.
    pub name: String,
    /// Its first byte, from where `read_at` counts.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
}

/// What is wrong with an archive.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// The archive cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A rule is broken.
    #[error("{field} at byte {offset}: expected {expected}, found {found}")]
    Field {
        /// Which part of an entry.
        field: &'static str,
        /// First byte of the entry's header.
        offset: u64,
        /// The rule.
        expected: &'static str,
        /// What is there.
        found: String,
    },
}

/// The regular files of the archive that lies in bytes `start..end` of what `read_at(offset, out)` fills `out` from.
/// `each` is asked after every member whether to go on.
///
/// # Errors
/// [`TarError`].
pub fn index(
    read_at: &dyn Fn(u64, &mut [u8]) -> io::Result<()>,
    start: u64,
    end: u64,
) -> Result<Vec<Member>, TarError> {
    let (mut members, mut at, mut long) = (Vec::new(), start, Long::default());
    loop {
        let wrong = |field, expected, found: String| TarError::Field {
            field,
            offset: at,
            expected,
            found: crate::shard::shown(&found),
        };
        if end - at < BLOCK {
            // Two blocks of zeros should end it; archives that end without are common, and nothing is missing.
            return if at == end && long.is_empty() {
                Ok(members)
            } else {
                Err(wrong("header", "512 bytes", format!("{} bytes", end - at)))
            };
        }
        let mut block = [0; BLOCK as usize];
        read_at(at, &mut block)?;
        if block.iter().all(|&b| b == 0) {
            return if long.is_empty() {
                Ok(members)
            } else {
                Err(wrong("entry", "a member after its long name", "the end".into()))
            };
        }
        let header = Header::from_byte_slice(&block);
        let sum = header.cksum().map_err(|e| wrong("checksum", "octal digits", e.to_string()))?;
        if sum != checksum(&block) {
            return Err(wrong("checksum", "the sum of the header's bytes", sum.to_string()));
        }
        let length = header.entry_size().map_err(|e| wrong("size", "a number", e.to_string()))?;
        let data = at + BLOCK; // at most `end`, as at least a block is left
        // The padding of the last member may be missing, its bytes not.
        if length > end - data {
            return Err(wrong("size", "at most what is left of the archive", length.to_string()));
        }
        let read = |most: u64, field, expected| -> Result<Vec<u8>, TarError> {
            if length > most {
                return Err(wrong(field, expected, format!("{length} bytes")));
            }
            let mut bytes = vec![0; length as usize];
            read_at(data, &mut bytes)?;
            Ok(bytes)
        };
        match header.entry_type() {
            EntryType::GNULongName => {
                let mut name = read(MAX_NAME_BYTES, "long name", "at most 4096 bytes")?;
                if name.last() == Some(&0) {
                    name.pop();
                }
                long.name = Some(name);
            }
            EntryType::XHeader => {
                let records = read(MAX_PAX_BYTES, "pax records", "at most 65536 bytes")?;
                pax(&records, &mut long)
                    .map_err(|found| wrong("pax records", "LENGTH KEY=VALUE lines", found))?;
            }
            EntryType::XGlobalHeader => {
                let records = read(MAX_PAX_BYTES, "pax records", "at most 65536 bytes")?;
                let mut all = Long::default();
                pax(&records, &mut all)
                    .map_err(|found| wrong("pax records", "LENGTH KEY=VALUE lines", found))?;
                if !all.is_empty() {
                    return Err(wrong("pax records", "no name or size for all members", "one".into()));
                }
            }
            kind @ (EntryType::Regular | EntryType::Continuous | EntryType::Directory) => {
                let name = long.name.take().unwrap_or_else(|| header.path_bytes().into_owned());
                let name =
                    safe_name(name).map_err(|found| wrong("name", "a relative path in UTF-8", found))?;
                if let Some(size) = long.size.take()
                    && size != length
                {
                    return Err(wrong("pax size", "the header's size", size.to_string()));
                }
                // An old archive marks a folder by the slash at the end of its name alone.
                if kind != EntryType::Directory && !name.ends_with('/') {
                    if members.len() >= MAX_MEMBERS {
                        return Err(wrong("members", "at most 16777216", "more".into()));
                    }
                    members.push(Member { name, offset: data, length });
                }
            }
            other => {
                return Err(wrong("kind of entry", "a file or folder", format!("{other:?}")));
            }
        }
        let padded = length.div_ceil(BLOCK).saturating_mul(BLOCK);
        at = data.saturating_add(padded).min(end);
    }
}

/// What entries of their own say about the next member.
#[derive(Default)]
struct Long {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Long {
    fn is_empty(&self) -> bool {
        self.name.is_none() && self.size.is_none()
    }
}

/// Sum of the header's bytes, its own field counted as spaces.
fn checksum(block: &[u8; BLOCK as usize]) -> u32 {
    let byte = |(i, &b): (usize, &u8)| if (148..156).contains(&i) { 32 } else { u32::from(b) };
    block.iter().enumerate().map(byte).sum()
}

/// `LENGTH KEY=VALUE\n`, LENGTH counting all of it; `path` and `size` are kept. What is wrong otherwise.
fn pax(mut records: &[u8], long: &mut Long) -> Result<(), String> {
    let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
    while !records.is_empty() {
        let wrong = || shown(&records[..records.len().min(40)]);
        let space = records.iter().position(|&b| b == b' ').ok_or_else(wrong)?;
        let length = std::str::from_utf8(&records[..space]).ok().and_then(|t| t.parse::<usize>().ok());
        let length = length.filter(|l| (space + 2..=records.len()).contains(l)).ok_or_else(wrong)?;
        let record = records[space + 1..length].strip_suffix(b"\n").ok_or_else(wrong)?;
        let equals = record.iter().position(|&b| b == b'=').ok_or_else(wrong)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" if long.name.is_none() => {
                if value.len() as u64 > MAX_NAME_BYTES {
                    return Err(format!("a path of {} bytes", value.len()));
                }
                long.name = Some(value.to_vec());
            }
            b"size" if long.size.is_none() => {
                let size = std::str::from_utf8(value).ok().and_then(|t| t.parse().ok());
                long.size = Some(size.ok_or_else(wrong)?);
            }
            b"path" | b"size" => return Err(format!("{} twice", shown(key))),
            _ if key.starts_with(b"GNU.sparse") => return Err("a sparse file".into()),
            _ => {} // times, owners, comments
        }
        records = &records[length..];
    }
    Ok(())
}

/// A name that stays below where it is unpacked, without `./`; what is wrong otherwise.
fn safe_name(bytes: Vec<u8>) -> Result<String, String> {
    let name = String::from_utf8(bytes).map_err(|e| e.as_bytes().escape_ascii().to_string())?;
    let rest = name.trim_start_matches("./");
    let bad = rest.is_empty() && !name.starts_with("./")
        || rest.starts_with('/')
        || rest.contains('\0')
        || rest.split('/').any(|part| part == "..");
    if bad { Err(name) } else { Ok(rest.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_bytes(bytes: &[u8]) -> Result<Vec<Member>, TarError> {
        let read = |offset: u64, out: &mut [u8]| {
            let at = offset as usize;
            out.copy_from_slice(bytes.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        };
        index(&read, 0, bytes.len() as u64)
    }

    fn refused(bytes: &[u8]) -> String {
        index_bytes(bytes).unwrap_err().to_string()
    }

    fn header(kind: EntryType, name: &[u8], size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        header.set_cksum();
        header
    }

    fn entry(kind: EntryType, name: &[u8], data: &[u8]) -> Vec<u8> {
        let mut out = header(kind, name, data.len() as u64).as_bytes().to_vec();
        out.extend_from_slice(data);
        out.resize(out.len().next_multiple_of(512), 0);
        out
    }

    fn regular(name: &[u8]) -> Vec<u8> {
        entry(EntryType::Regular, name, b"data")
    }

    #[test]
    fn members_are_found_in_every_spelling_of_their_names() {
        let long = format!("{}/{}.JPEG", "folder".repeat(15), "name".repeat(30));
        let mut builder = tar::Builder::new(Vec::new()); // writes GNU long names
        for name in ["a.JPEG", "x/b.JPEG", &long] {
            let mut header = Header::new_gnu();
            header.set_size(3);
            builder.append_data(&mut header, name, &b"abc"[..]).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let members = index_bytes(&bytes).unwrap();
        let names: Vec<_> = members.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["a.JPEG", "x/b.JPEG", &long]);
        for member in &members {
            assert_eq!(&bytes[member.offset as usize..][..member.length as usize], b"abc");
        }
        let mut pax = tar::Builder::new(Vec::new());
        let records = [("path", long.as_bytes()), ("mtime", b"1.5"), ("size", b"4")];
        pax.append_pax_extensions(records).unwrap();
        let mut bytes = pax.into_inner().unwrap();
        bytes.truncate(1024); // without the end
        bytes.extend(entry(EntryType::Directory, b"folder/", b""));
        let error = refused(&bytes);
        assert!(error.contains("pax size"), "a size for a folder: {error}");
        bytes.truncate(1024);
        bytes.extend(regular(b"./short"));
        bytes.extend(regular(b"./next"));
        let names: Vec<_> = index_bytes(&bytes).unwrap().into_iter().map(|m| m.name).collect();
        assert_eq!(names, [long.as_str(), "next"]);
    }

    #[test]
    fn what_an_attack_needs_is_refused() {
        for name in [&b"../up"[..], b"/etc/passwd", b"a/../../b", b"a/..", b"\xff\xfe", b".//abs"] {
            assert!(refused(&regular(name)).contains("name at byte 0"), "{name:?}");
        }
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo,
            EntryType::GNUSparse,
            EntryType::GNULongLink,
            EntryType::new(b'Z'),
        ] {
            assert!(refused(&entry(kind, b"x", b"")).contains("kind of entry"), "{kind:?}");
        }
        let mut bytes = regular(b"a");
        bytes[3] ^= 1;
        assert!(refused(&bytes).contains("checksum"));
        for size in [513, 1 << 40, u64::MAX >> 1] {
            let mut bytes = header(EntryType::Regular, b"a", size).as_bytes().to_vec();
            bytes.extend([0; 512]);
            assert!(refused(&bytes).contains("at most what is left"), "{size}");
        }
        let long = entry(EntryType::GNULongName, b"././@LongLink", &[b'a'; 4097]);
        assert!(refused(&long).contains("long name"));
        let zero = [entry(EntryType::GNULongName, b"././@LongLink", b"a\0b\0"), regular(b"x")].concat();
        assert!(refused(&zero).contains("name at byte"));
        // A long name without its member, and half a header.
        let dangling = entry(EntryType::GNULongName, b"././@LongLink", b"name\0");
        assert!(refused(&dangling).contains("header at byte"));
        assert!(refused(&[dangling, vec![0; 1024]].concat()).contains("entry at byte"));
        assert!(refused(&[1; 100]).contains("512 bytes"));
    }

    #[test]
    fn pax_records_that_lie_are_refused() {
        for records in [
            &b"12 size=5\n"[..],
            b"11 size=5x\n",
            b"9 size=5\n9 size=5\n",
            b"x size=5\n",
            b"99 path=a\n",
            b"0 path=a\n",
            b"8 path a\n",
            b"22 GNU.sparse.major=1\n",
            b"18446744073709551616 a=b\n",
        ] {
            let bytes = [entry(EntryType::XHeader, b"pax", records), regular(b"a")].concat();
            assert!(refused(&bytes).contains("pax"), "{}", records.escape_ascii());
        }
        let global = [entry(EntryType::XGlobalHeader, b"pax", b"10 path=b\n"), regular(b"a")].concat();
        assert!(refused(&global).contains("for all members"));
        let comment = [entry(EntryType::XGlobalHeader, b"pax", b"13 comment=x\n"), regular(b"a")].concat();
        assert_eq!(index_bytes(&comment).unwrap().len(), 1);
    }

    #[test]
    fn every_cut_and_every_changed_header_byte_is_noticed_or_harmless() {
        let whole = [regular(b"first"), regular(b"second")].concat();
        let full = index_bytes(&whole).unwrap();
        for length in 0..whole.len() {
            match index_bytes(&whole[..length]) {
                // Cut between members, or within the padding of one: what is listed is there.
                Ok(members) => {
                    assert!(members.iter().zip(&full).all(|(a, b)| a == b));
                    assert!(members.iter().all(|m| m.offset + m.length <= length as u64));
                }
                Err(TarError::Field { .. }) => {}
                Err(TarError::Io(e)) => panic!("{length}: {e}"),
            }
        }
        for at in 0..512 {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                // The sum of bytes notices every single changed bit, but for spaces and zeros around its own digits.
                if !(148..156).contains(&at) {
                    assert!(index_bytes(&bytes).is_err(), "byte {at} bit {bit}");
                }
            }
        }
    }
}
