//! The safetensors header of a shard: how it is written, and a strict parser for it.
//!
//! Layout of the file: u64 little-endian header length, JSON padded with spaces, tensors without holes. Everything
//! before tensor `data` is the *head*; `data` starts at a multiple of [`DATA_ALIGN`]. The parser bounds the length
//! before anything is allocated, refuses repeated keys, and keeps the order of the tensors.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{ImageShape, Layout, digest::Digest};

/// Value of `format` in a shard's metadata.
pub const SHARD_FORMAT: &str = "rfx-shard/1";

/// `data` starts at a multiple of this: every page size in use divides it.
pub const DATA_ALIGN: u64 = 65_536;

/// Longest header in bytes, the limit of the safetensors libraries.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Bytes before the JSON: the length of the header.
pub const PREFIX_BYTES: u64 = 8;

/// Bytes per sample in the columns `label`, `id` and `hash`.
pub const COLUMN_BYTES: u64 = 8 + 8 + 8;

/// What a shard's `__metadata__` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardMetadata {
    /// Name of the split.
    pub split: String,
    /// The shard's number in its split, from 0.
    pub shard: usize,
    /// Number of shards of the split.
    pub shards: usize,
    /// Digest of the plan it was packed by.
    pub plan: Digest,
}

/// One tensor's entry.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TensorInfo {
    pub dtype: String,
    pub shape: Vec<u64>,
    pub data_offsets: [u64; 2],
}

/// A parsed header, as written: nothing about it has been checked but its grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawHeader {
    pub metadata: Vec<(String, String)>,
    /// In the order of the text.
    pub tensors: Vec<(String, TensorInfo)>,
}

/// Names in a shard's header that no column may have.
const RESERVED: [&str; 8] = ["label", "id", "offset", "shape", "hash", "codec", "data", "__metadata__"];

/// Whether `name` can name a column: 1 to 64 of `a-z`, `0-9`, `_` and `-`, and nothing that every shard has, or may have,
/// under that name.
pub fn is_column_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed) && !RESERVED.contains(&name)
}

/// The bytes before the first tensor: length, JSON and padding, so that `data` of `rows` records of shape `image`
/// starts at a multiple of [`DATA_ALIGN`].
pub fn encode_header(metadata: &ShardMetadata, rows: usize, image: ImageShape, layout: Layout) -> Vec<u8> {
    let n = rows as u64;
    let ImageShape { channels: c, height: h, width: w } = image;
    let data_shape = match layout {
        Layout::Nchw => format!("[{n},{c},{h},{w}]"),
        Layout::Nhwc => format!("[{n},{h},{w},{c}]"),
    };
    let mut begin = 0;
    let mut tensor = |name: &str, dtype: &str, shape: &str, bytes: u64| {
        let entry = format!(
            r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{}]}}"#,
            begin + bytes
        );
        begin += bytes;
        entry
    };
    let tensors = [
        tensor("label", "I64", &format!("[{n}]"), 8 * n),
        tensor("id", "I64", &format!("[{n}]"), 8 * n),
        tensor("hash", "U8", &format!("[{n},8]"), 8 * n),
        tensor("data", "U8", &data_shape, n * image.values() as u64),
    ]
    .join(",");
    let ShardMetadata { split, shard, shards, plan } = metadata;
    let mut json = format!(
        r#"{{"__metadata__":{{"format":"{SHARD_FORMAT}","split":"{split}","shard":"{shard}","shards":"{shards}","plan":"{plan}"}},{tensors}}}"#
    )
    .into_bytes();
    let used = PREFIX_BYTES + json.len() as u64 + n * COLUMN_BYTES;
    json.resize(json.len() + (used.next_multiple_of(DATA_ALIGN) - used) as usize, b' ');
    let mut out = Vec::with_capacity(json.len() + PREFIX_BYTES as usize);
    out.extend((json.len() as u64).to_le_bytes());
    out.extend(json);
    out
}

/// Bytes before `data` of a shard that [`encode_header`] describes.
pub fn head_bytes(header: &[u8], rows: usize) -> u64 {
    header.len() as u64 + rows as u64 * COLUMN_BYTES
}

/// Parses the JSON of a header. The error is the parser's text and the byte offset in `json`.
pub(crate) fn parse_header(json: &[u8]) -> Result<RawHeader, (String, u64)> {
    serde_json::from_slice(json).map_err(|e| (json_message(&e), json_offset(json, &e)))
}

/// serde_json's message without its line and column, which mean little in a file of one line.
pub(crate) fn json_message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => super::error::shown(&text[..end]),
        None => super::error::shown(&text),
    }
}

/// Byte offset of a JSON error in its text.
pub(crate) fn json_offset(json: &[u8], error: &serde_json::Error) -> u64 {
    let start: usize =
        json.split_inclusive(|&b| b == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    (start + error.column().saturating_sub(1)) as u64
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = RawHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
        let mut metadata = None;
        let mut tensors: Vec<(String, TensorInfo)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("key `{key}` appears twice")));
            }
            if key == "__metadata__" {
                metadata = Some(map.next_value::<UniqueMap>()?.0);
            } else {
                tensors.push((key, map.next_value()?));
            }
        }
        let metadata = metadata.ok_or_else(|| A::Error::missing_field("__metadata__"))?;
        Ok(RawHeader { metadata, tensors })
    }
}

/// A map of text to text whose keys differ.
struct UniqueMap(Vec<(String, String)>);

impl<'de> Deserialize<'de> for UniqueMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = UniqueMap;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of text to text")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueMap, A::Error> {
                let mut out: Vec<(String, String)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, String>()? {
                    // Quadratic in the number of keys, so that number is bounded.
                    if out.len() == 64 {
                        return Err(A::Error::custom("more than 64 metadata keys"));
                    }
                    if out.iter().any(|(k, _)| *k == key) {
                        return Err(A::Error::custom(format!("key `{key}` appears twice")));
                    }
                    out.push((key, value));
                }
                Ok(UniqueMap(out))
            }
        }
        deserializer.deserialize_map(V)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata() -> ShardMetadata {
        ShardMetadata { split: "train".into(), shard: 1, shards: 3, plan: Digest::of(b"plan") }
    }

    #[test]
    fn data_starts_at_a_multiple_of_64_kib_for_every_row_count() {
        let image = ImageShape::new(3, 2, 5).unwrap();
        for rows in (1..400).chain([2_730, 2_731, 100_000]) {
            let header = encode_header(&metadata(), rows, image, Layout::Nhwc);
            assert_eq!(head_bytes(&header, rows) % DATA_ALIGN, 0, "{rows}");
            assert_eq!(header.len() % 8, 0, "columns of i64 must be aligned in a mapping");
            let parsed = parse_header(&header[8..]).unwrap();
            let names: Vec<_> = parsed.tensors.iter().map(|(n, _)| n.as_str()).collect();
            assert_eq!(names, ["label", "id", "hash", "data"]);
            assert_eq!(parsed.tensors[3].1.shape, [rows as u64, 2, 5, 3]);
        }
    }

    #[test]
    fn repeated_keys_are_refused_at_every_level() {
        let tensor = r#"{"dtype":"U8","shape":[1],"data_offsets":[0,1]}"#;
        let good = format!(r#"{{"__metadata__":{{"a":"b"}},"x":{tensor}}}"#);
        assert!(parse_header(good.as_bytes()).is_ok());
        for bad in [
            format!(r#"{{"__metadata__":{{"a":"b"}},"x":{tensor},"x":{tensor}}}"#),
            format!(r#"{{"__metadata__":{{"a":"b"}},"__metadata__":{{"a":"b"}},"x":{tensor}}}"#),
            format!(r#"{{"__metadata__":{{"a":"b","a":"c"}},"x":{tensor}}}"#),
            r#"{"__metadata__":{},"x":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#.into(),
            format!(r#"{{"x":{tensor}}}"#),
            format!(r#"{{"__metadata__":{{"a":"b"}},"x":{tensor}}} junk"#),
        ] {
            assert!(parse_header(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
