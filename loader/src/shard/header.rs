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

use super::codec::Codec;
use crate::{ElementShape, ImageShape, Layout, digest::Digest};

/// `data` starts at a multiple of this: every page size in use divides it.
pub const DATA_ALIGN: u64 = 65_536;

/// Longest header in bytes, the limit of the safetensors libraries.
pub const MAX_HEADER_BYTES: u64 = 100_000_000;

/// Bytes before the JSON: the length of the header.
pub const PREFIX_BYTES: u64 = 8;

/// Bytes per sample in the columns `label`, `id` and `hash`.
pub const COLUMN_BYTES: u64 = 8 + 8 + 8;

/// Bytes per sample in the column `shape` of encoded images: height, width and channels as I32.
pub const SHAPE_BYTES: u64 = 4 + 4 + 4;

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

/// What decides a shard's header besides its metadata.
#[derive(Clone, Copy, Debug)]
pub struct ShardForm<'a> {
    /// Number of samples.
    pub rows: usize,
    /// Shape of an image; encoded ones are of codec `jpeg`, and no others.
    pub image: ElementShape,
    /// Order of the axes in a record.
    pub layout: Layout,
    /// How records are stored.
    pub codec: Codec,
    /// Names of the I64 columns, in stored order.
    pub columns: &'a [String],
}

impl ShardForm<'_> {
    /// Bytes of the tensors before `data`.
    pub fn column_bytes(&self) -> u64 {
        let n = self.rows as u64;
        let offsets = if self.codec.has_offsets() { 8 * (n + 1) } else { 0 };
        let shapes = if self.codec == Codec::Jpeg { SHAPE_BYTES * n } else { 0 };
        n * (COLUMN_BYTES + 8 * self.columns.len() as u64) + offsets + shapes
    }

    /// Most bytes that `data` can take: what it takes, where records are raw.
    pub fn max_data_bytes(&self) -> u64 {
        let record = self.image.record_bytes().unwrap_or_default();
        self.rows as u64 * self.codec.max_stored_bytes(record as u64)
    }
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

/// Bytes before `data` of the shard that [`encode_header`] describes, a multiple of [`DATA_ALIGN`]. It does not depend on how
/// well records compress, so that they can be written before that is known.
pub fn head_bytes(metadata: &ShardMetadata, form: &ShardForm<'_>) -> u64 {
    let longest = header_text(metadata, form, form.max_data_bytes()).len() as u64;
    (PREFIX_BYTES + longest + form.column_bytes()).next_multiple_of(DATA_ALIGN)
}

/// The bytes before the first tensor: length, JSON and padding, so that `data`, `data_bytes` long, starts at
/// [`head_bytes`].
pub fn encode_header(metadata: &ShardMetadata, form: &ShardForm<'_>, data_bytes: u64) -> Vec<u8> {
    let mut json = header_text(metadata, form, data_bytes).into_bytes();
    let len = head_bytes(metadata, form) - form.column_bytes() - PREFIX_BYTES;
    json.resize(len as usize, b' ');
    let mut out = Vec::with_capacity(json.len() + PREFIX_BYTES as usize);
    out.extend(len.to_le_bytes());
    out.extend(json);
    out
}

fn header_text(metadata: &ShardMetadata, form: &ShardForm<'_>, data_bytes: u64) -> String {
    let n = form.rows as u64;
    let data_shape = match (form.codec, form.image, form.layout) {
        (Codec::Raw, ElementShape::Fixed(ImageShape { channels: c, height: h, width: w }), Layout::Nchw) => {
            format!("[{n},{c},{h},{w}]")
        }
        (Codec::Raw, ElementShape::Fixed(ImageShape { channels: c, height: h, width: w }), Layout::Nhwc) => {
            format!("[{n},{h},{w},{c}]")
        }
        _ => format!("[{data_bytes}]"),
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
    let rows = format!("[{n}]");
    let mut tensors = vec![tensor("label", "I64", &rows, 8 * n), tensor("id", "I64", &rows, 8 * n)];
    if form.codec.has_offsets() {
        tensors.push(tensor("offset", "I64", &format!("[{}]", n + 1), 8 * (n + 1)));
    }
    tensors.extend(form.columns.iter().map(|name| tensor(name, "I64", &rows, 8 * n)));
    if form.codec == Codec::Jpeg {
        tensors.push(tensor("shape", "I32", &format!("[{n},3]"), SHAPE_BYTES * n));
    }
    tensors.push(tensor("hash", "U8", &format!("[{n},8]"), 8 * n));
    tensors.push(tensor("data", "U8", &data_shape, data_bytes));
    let ShardMetadata { split, shard, shards, plan } = metadata;
    let (format, tensors) = (form.codec.shard_format(), tensors.join(","));
    format!(
        r#"{{"__metadata__":{{"format":"{format}","split":"{split}","shard":"{shard}","shards":"{shards}","plan":"{plan}"}},{tensors}}}"#
    )
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
        let fixed = ElementShape::Fixed(ImageShape::new(3, 2, 5).unwrap());
        let encoded = ElementShape::Encoded { channels: 3 };
        let names = ["coarse_label".to_owned(), "b".to_owned()];
        for rows in (1..400).chain([2_730, 2_731, 100_000]) {
            for (codec, image, columns) in [
                (Codec::Raw, fixed, &names[..0]),
                (Codec::Raw, fixed, &names),
                (Codec::Zstd, fixed, &names),
                (Codec::Jpeg, encoded, &names),
            ] {
                let form = ShardForm { rows, image, layout: Layout::Nhwc, codec, columns };
                let head = head_bytes(&metadata(), &form);
                assert_eq!(head % DATA_ALIGN, 0, "{rows}");
                for data_bytes in [form.max_data_bytes(), rows as u64] {
                    let header = encode_header(&metadata(), &form, data_bytes);
                    assert_eq!(header.len() as u64 + form.column_bytes(), head, "{rows}");
                    let aligned = if codec == Codec::Jpeg { 4 } else { 8 };
                    assert_eq!(header.len() % aligned, 0, "columns of i64 are aligned in a mapping");
                    let parsed = parse_header(&header[8..]).unwrap();
                    let found: Vec<_> = parsed.tensors.iter().map(|(n, _)| n.as_str()).collect();
                    let mut expected = vec!["label", "id"];
                    expected.extend(codec.has_offsets().then_some("offset"));
                    expected.extend(columns.iter().map(String::as_str));
                    expected.extend((codec == Codec::Jpeg).then_some("shape"));
                    expected.extend(["hash", "data"]);
                    assert_eq!(found, expected);
                    let (_, data) = parsed.tensors.last().unwrap();
                    match codec {
                        Codec::Raw => assert_eq!(data.shape, [rows as u64, 2, 5, 3]),
                        Codec::Zstd | Codec::Jpeg => assert_eq!(data.shape, [data_bytes]),
                    }
                }
            }
        }
    }

    #[test]
    fn column_names_are_plain_and_not_those_of_every_shard() {
        for good in ["coarse_label", "a", "0", "x-y", &"n".repeat(64)] {
            assert!(is_column_name(good), "{good}");
        }
        for bad in ["", "A", "a b", "a.b", "\"", "é", "label", "data", "__metadata__", &"n".repeat(65)] {
            assert!(!is_column_name(bad), "{bad}");
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
