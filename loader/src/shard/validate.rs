//! The rules a shard's header must keep (`FORMAT.md`, "Rules for a shard"), each checked once, with checked
//! arithmetic, before any byte of a column is trusted.

use std::path::Path;

use super::{
    codec::Codec,
    error::{FormatError, shown},
    header::{DATA_ALIGN, MAX_HEADER_BYTES, PREFIX_BYTES, RawHeader, TensorInfo},
};
use crate::{ElementShape, ImageShape, Layout, digest::Digest};

/// What the index says about a shard.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    pub path: &'a Path,
    pub split: &'a str,
    pub shard: usize,
    pub shards: usize,
    pub samples: usize,
    pub bytes: u64,
    /// Bytes of `data`.
    pub data_bytes: u64,
    pub plan: Digest,
    pub image: ElementShape,
    pub layout: Layout,
    pub codec: Codec,
    /// Names of the columns it must have.
    pub columns: Vec<&'a str>,
}

/// Where the parts of a shard lie: byte offsets in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShardLayout {
    pub rows: usize,
    pub label: usize,
    pub id: usize,
    pub codec: Codec,
    /// Of records that are not raw.
    pub offset: Option<usize>,
    /// Of encoded images.
    pub shape: Option<usize>,
    /// The columns that the index tells of, in its order.
    pub columns: Vec<usize>,
    pub hash: usize,
    pub data: usize,
    /// Bytes of a decompressed record; 0 of encoded ones, which have none in common.
    pub record_bytes: usize,
}

/// What a tensor must be; `None` where anything of the right length will do.
struct Rule {
    dtype: Option<&'static str>,
    shape: Option<Vec<u64>>,
}

impl Expected<'_> {
    /// An error about `field`; `offset` is in the file.
    pub fn field(
        &self,
        field: impl Into<String>,
        offset: u64,
        expected: impl ToString,
        found: impl ToString,
    ) -> FormatError {
        FormatError::Field {
            path: self.path.to_path_buf(),
            field: field.into(),
            offset: Some(offset),
            expected: expected.to_string(),
            found: shown(&found.to_string()),
        }
    }

    /// Checks the first 8 bytes and returns the length of the header in bytes.
    pub fn header_len(&self, prefix: [u8; 8]) -> Result<usize, FormatError> {
        let len = u64::from_le_bytes(prefix);
        let room = self.bytes.saturating_sub(PREFIX_BYTES);
        if len > MAX_HEADER_BYTES || len > room {
            let limit = MAX_HEADER_BYTES.min(room);
            return Err(self.field("header length", 0, format!("at most {limit} bytes"), len));
        }
        Ok(len as usize)
    }

    /// Checks every rule of the header and returns where things lie.
    pub fn validate(&self, json: &[u8], header: &RawHeader) -> Result<ShardLayout, FormatError> {
        self.metadata(json, header)?;
        let rows = self.samples as u64;
        let data_start = PREFIX_BYTES + json.len() as u64;
        let overflow = |name: &str| self.field(name, PREFIX_BYTES, "a size below 2^63", "an overflow");
        let required = self.required();

        let (mut begin, mut width) = (0u64, 8u64);
        let mut starts = vec![None; required.len()];
        let last = header.tensors.len().saturating_sub(1);
        for (i, (name, info)) in header.tensors.iter().enumerate() {
            let err = |field: &str, expected: &dyn ToString, found: &dyn ToString| {
                let at = key_offset(json, name); // a search of the whole header: for the one error, not per tensor
                self.field(format!("{}.{field}", shown(name)), at, expected.to_string(), found.to_string())
            };
            self.position(i, i == last, name).map_err(|expected| match expected {
                None => err("name", &format!("no such tensor in a data set of codec {}", self.codec), name),
                Some(order) => err("position", &order, &format!("number {i}")),
            })?;
            let rule = self.rule(name);
            if rule.dtype.is_some_and(|e| e != info.dtype) {
                return Err(err("dtype", &rule.dtype.unwrap_or_default(), &info.dtype));
            }
            let Some(item) = element_bytes(&info.dtype) else {
                return Err(err("dtype", &"I64, F64, I32, F32, I16, F16, BF16, U8, I8 or BOOL", &info.dtype));
            };
            if item > width {
                let expected = format!("at most {width} bytes an element (wide first)");
                return Err(err("dtype", &expected, &info.dtype));
            }
            width = item;
            let fits = match &rule.shape {
                Some(shape) => *shape == info.shape,
                None => info.shape.first() == Some(&rows),
            };
            if !fits {
                let expected = rule.shape.map_or(format!("[{rows}, ...]"), |s| format!("{s:?}"));
                return Err(err("shape", &expected, &format!("{:?}", info.shape)));
            }
            let end =
                tensor_bytes(info, item).and_then(|b| begin.checked_add(b)).ok_or_else(|| overflow(name))?;
            if info.data_offsets != [begin, end] {
                let expected = format!("[{begin}, {end}]");
                return Err(err("data_offsets", &expected, &format!("{:?}", info.data_offsets)));
            }
            if let Some(slot) = required.iter().position(|r| r == name) {
                starts[slot] = Some(data_start.checked_add(begin).ok_or_else(|| overflow(name))?);
            }
            begin = end;
        }
        let mut at = Vec::with_capacity(required.len());
        for (name, start) in required.iter().zip(starts) {
            let missing = || self.field("header", PREFIX_BYTES, format!("tensor {name}"), "none");
            at.push(usize::try_from(start.ok_or_else(missing)?).map_err(|_| overflow(name))?);
        }
        let (label, id, hash, data) = (at[0], at[1], at[2], at[3]);
        if !(data as u64).is_multiple_of(DATA_ALIGN) {
            let expected = format!("a start at a multiple of {DATA_ALIGN}");
            return Err(self.field("data", data as u64, expected, data));
        }
        let end = data_start.checked_add(begin).ok_or_else(|| overflow("data"))?;
        if end != self.bytes {
            return Err(self.field("file length", end, format!("{end} bytes by the header"), self.bytes));
        }
        let mut rest = at.into_iter().skip(4);
        let offset = if self.codec.has_offsets() { rest.next() } else { None };
        let shape = if self.codec == Codec::Jpeg { rest.next() } else { None };
        let (rows, record_bytes) = (self.samples, self.image.record_bytes().unwrap_or_default());
        let (codec, columns) = (self.codec, rest.collect());
        Ok(ShardLayout { rows, label, id, codec, offset, shape, columns, hash, data, record_bytes })
    }

    /// The tensors that must be there: label, id, hash, data, offsets of records that are not raw, shapes of encoded
    /// images, the columns.
    fn required(&self) -> Vec<&str> {
        let mut names = vec!["label", "id", "hash", "data"];
        names.extend(self.codec.has_offsets().then_some("offset"));
        names.extend((self.codec == Codec::Jpeg).then_some("shape"));
        names.extend(&self.columns);
        names
    }

    /// Whether a tensor of this name may be number `i`; else the order it breaks, or `None` where no tensor may have it.
    fn position(&self, i: usize, is_last: bool, name: &str) -> Result<(), Option<&'static str>> {
        let offsets = self.codec.has_offsets();
        if name == "codec" || name == "shape" && self.codec != Codec::Jpeg || name == "offset" && !offsets {
            return Err(None);
        }
        let expected = match i {
            0 => Some("label"),
            1 => Some("id"),
            2 if offsets => Some("offset"),
            _ if is_last => Some("data"),
            _ => None,
        };
        let order = match self.codec {
            Codec::Raw => "label first, id second, data last",
            Codec::Zstd | Codec::Jpeg => "label first, id second, offset third, data last",
        };
        let right = expected.map_or(name != "data", |e| e == name);
        if right { Ok(()) } else { Err(Some(order)) }
    }

    fn rule(&self, name: &str) -> Rule {
        let rows = self.samples as u64;
        let rule = |dtype, shape| Rule { dtype: Some(dtype), shape: Some(shape) };
        match name {
            "label" | "id" => rule("I64", vec![rows]),
            "offset" => rule("I64", vec![rows + 1]),
            "shape" => rule("I32", vec![rows, 3]),
            "hash" => rule("U8", vec![rows, 8]),
            "data" => rule("U8", self.data_shape()),
            column if self.columns.contains(&column) => rule("I64", vec![rows]),
            _ => Rule { dtype: None, shape: None },
        }
    }

    fn metadata(&self, json: &[u8], header: &RawHeader) -> Result<(), FormatError> {
        let get = |key: &str| header.metadata.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        let (shard, shards, plan) = (self.shard.to_string(), self.shards.to_string(), self.plan.to_string());
        let rules = [
            ("format", self.codec.shard_format()),
            ("split", self.split),
            ("shard", &shard),
            ("shards", &shards),
            ("plan", &plan),
        ];
        for (key, expected) in rules {
            let found = get(key);
            if found != Some(expected) {
                let field = format!("__metadata__.{key}");
                return Err(self.field(field, key_offset(json, key), expected, found.unwrap_or("nothing")));
            }
        }
        Ok(())
    }

    fn data_shape(&self) -> Vec<u64> {
        let (Codec::Raw, Some(image)) = (self.codec, self.image.fixed()) else {
            return vec![self.data_bytes];
        };
        let ImageShape { channels, height, width } = image;
        let [n, c, h, w] = [self.samples, channels, height, width].map(|v| v as u64);
        match self.layout {
            Layout::Nchw => vec![n, c, h, w],
            Layout::Nhwc => vec![n, h, w, c],
        }
    }
}

/// Bytes of one element of a column, or `None` for a dtype no column may have (U64, U32, U16: libtorch's readers
/// refuse a whole file for one such tensor).
fn element_bytes(dtype: &str) -> Option<u64> {
    match dtype {
        "I64" | "F64" => Some(8),
        "I32" | "F32" => Some(4),
        "I16" | "F16" | "BF16" => Some(2),
        "U8" | "I8" | "BOOL" => Some(1),
        _ => None,
    }
}

/// The one place where a shape becomes bytes; `None` on overflow.
fn tensor_bytes(info: &TensorInfo, item: u64) -> Option<u64> {
    info.shape.iter().try_fold(item, |bytes, &side| bytes.checked_mul(side))
}

/// Byte offset in the file of the key `name`, for the error message.
fn key_offset(json: &[u8], name: &str) -> u64 {
    let quoted = format!("\"{name}\"");
    let at = json.windows(quoted.len()).position(|w| w == quoted.as_bytes()).unwrap_or(0);
    PREFIX_BYTES + at as u64
}

#[cfg(test)]
mod tests {
    use super::super::header::{ShardForm, ShardMetadata, encode_header, head_bytes, parse_header};
    use super::*;

    const ROWS: usize = 5;

    fn image() -> ElementShape {
        ElementShape::Fixed(ImageShape::new(1, 2, 2).unwrap())
    }

    fn expected(bytes: u64) -> Expected<'static> {
        Expected {
            path: Path::new("s"),
            split: "train",
            shard: 0,
            shards: 1,
            samples: ROWS,
            bytes,
            data_bytes: 20,
            plan: Digest::of(b"plan"),
            image: image(),
            layout: Layout::Nchw,
            codec: Codec::Raw,
            columns: Vec::new(),
        }
    }

    /// A header with 20 bytes of data, and the length of its file.
    fn header_of(codec: Codec, columns: &[String]) -> (String, u64) {
        let metadata =
            ShardMetadata { split: "train".into(), shard: 0, shards: 1, plan: Digest::of(b"plan") };
        let form = ShardForm { rows: ROWS, image: image(), layout: Layout::Nchw, codec, columns };
        let header = encode_header(&metadata, &form, 20);
        (String::from_utf8(header[8..].to_vec()).unwrap(), head_bytes(&metadata, &form) + 20)
    }

    fn json() -> (String, u64) {
        header_of(Codec::Raw, &[])
    }

    fn check(json: &str, bytes: u64) -> Result<ShardLayout, FormatError> {
        let header = parse_header(json.as_bytes()).expect("test headers parse");
        expected(bytes).validate(json.as_bytes(), &header)
    }

    #[test]
    fn compressed_shards_and_columns_have_their_places_and_every_rule_refuses_its_mutant() {
        let (json, bytes) = header_of(Codec::Zstd, &["coarse".into(), "b".into()]);
        let expected = Expected { codec: Codec::Zstd, columns: vec!["b", "coarse"], ..expected(bytes) };
        let check = |json: &str| {
            let header = parse_header(json.as_bytes()).expect("test headers parse");
            expected.validate(json.as_bytes(), &header)
        };
        let layout = check(&json).unwrap();
        let after = |at: usize| at - layout.label;
        assert_eq!(layout.offset.map(after), Some(80));
        assert_eq!(layout.columns.iter().map(|&c| after(c)).collect::<Vec<_>>(), [168, 128]);
        assert_eq!((after(layout.hash), after(layout.data)), (208, 248));
        let mutants = [
            ("shape", r#""shape":[6]"#, r#""shape":[5]"#),
            ("shape", r#""shape":[20]"#, r#""shape":[21]"#),
            ("dtype", r#""coarse":{"dtype":"I64""#, r#""coarse":{"dtype":"F64""#),
            ("tensor coarse", r#""coarse":{"#, r#""course":{"#),
            ("position", r#""offset":{"#, r#""offsets":{"#),
            ("name", r#""coarse":{"#, r#""shape":{"#),
            ("__metadata__.format", "rfx-shard/2", "rfx-shard/1"),
        ];
        for (field, from, to) in mutants {
            assert!(json.contains(from), "{from}");
            let error = check(&json.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(error.contains(field), "{to}: {error}");
        }
    }

    #[test]
    fn encoded_shards_have_shapes_before_the_hashes_and_every_rule_refuses_its_mutant() {
        let image = ElementShape::Encoded { channels: 3 };
        let metadata =
            ShardMetadata { split: "train".into(), shard: 0, shards: 1, plan: Digest::of(b"plan") };
        let columns = ["coarse".into()];
        let form =
            ShardForm { rows: ROWS, image, layout: Layout::Nhwc, codec: Codec::Jpeg, columns: &columns };
        let header = encode_header(&metadata, &form, 20);
        let json = String::from_utf8(header[8..].to_vec()).unwrap();
        let bytes = head_bytes(&metadata, &form) + 20;
        let expected = Expected { codec: Codec::Jpeg, image, columns: vec!["coarse"], ..expected(bytes) };
        let check = |json: &str| {
            let header = parse_header(json.as_bytes()).expect("test headers parse");
            expected.validate(json.as_bytes(), &header)
        };
        let layout = check(&json).unwrap();
        let after = |at: usize| at - layout.label;
        assert_eq!((layout.offset.map(after), layout.shape.map(after)), (Some(80), Some(168)));
        assert_eq!((after(layout.columns[0]), after(layout.hash), after(layout.data)), (128, 228, 268));
        let mutants = [
            ("shape.dtype", r#""shape":{"dtype":"I32""#, r#""shape":{"dtype":"F32""#),
            ("shape.shape", r#""shape":[5,3]"#, r#""shape":[15,1]"#),
            ("tensor shape", r#""shape":{"#, r#""shapes":{"#),
            ("codec.name", r#""shape":{"#, r#""codec":{"#),
            ("data.shape", r#""shape":[20]"#, r#""shape":[1,20]"#),
            ("__metadata__.format", "rfx-shard/3", "rfx-shard/2"),
        ];
        for (field, from, to) in mutants {
            assert!(json.contains(from), "{from}");
            let error = check(&json.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(error.contains(field), "{to}: {error}");
        }
    }

    #[test]
    fn our_own_header_passes() {
        let (json, bytes) = json();
        let layout = check(&json, bytes).unwrap();
        assert_eq!(
            (layout.id - layout.label, layout.hash - layout.id, layout.data - layout.hash),
            (40, 40, 40)
        );
    }

    /// One mutant per rule; each must be refused, and name the field.
    #[test]
    fn every_rule_refuses_its_mutant() {
        let (json, bytes) = json();
        let mutants = [
            ("dtype", r#""label":{"dtype":"I64""#, r#""label":{"dtype":"F64""#),
            ("dtype", r#""hash":{"dtype":"U8""#, r#""hash":{"dtype":"I8""#),
            ("shape", r#""shape":[5,8]"#, r#""shape":[5,9]"#),
            ("shape", r#""shape":[5,1,2,2]"#, r#""shape":[5,2,2,1]"#),
            ("shape", r#""shape":[5,1,2,2]"#, r#""shape":[18446744073709551615,1,2,2]"#),
            ("data_offsets", r#""data_offsets":[40,80]"#, r#""data_offsets":[39,79]"#), // overlap
            ("data_offsets", r#""data_offsets":[80,120]"#, r#""data_offsets":[88,128]"#), // hole
            ("data_offsets", r#""data_offsets":[120,140]"#, r#""data_offsets":[120,18446744073709551615]"#),
            ("__metadata__.format", "rfx-shard/1", "rfx-shard/2"),
            ("__metadata__.split", r#""split":"train""#, r#""split":"test""#),
            ("__metadata__.shard", r#""shard":"0""#, r#""shard":"1""#),
            ("__metadata__.shards", r#""shards":"1""#, r#""shards":"2""#),
            ("__metadata__.plan", r#""plan":""#, r#""plan":"0"#),
            ("position", r#""id":{"#, r#""ident":{"#),
            ("position", r#""label":{"#, r#""id2":{"#),
            ("header", r#""hash":{"#, r#""hush":{"#),
            ("name", r#""hash":{"#, r#""offset":{"#),
        ];
        for (field, from, to) in mutants {
            assert!(json.contains(from), "{from}");
            let error = check(&json.replace(from, to), bytes).expect_err(to).to_string();
            assert!(error.contains(field), "{to}: {error}");
        }
        assert!(check(&json, bytes + 1).is_err() && check(&json, bytes - 1).is_err());
        let error = check(&format!("{json} "), bytes + 1).expect_err("data one byte later").to_string();
        assert!(error.contains("multiple"), "{error}");
    }

    #[test]
    fn unknown_columns_with_the_leading_dimension_are_accepted_wide_first() {
        let entry = |name: &str, dtype: &str, shape: &str, a: u64, b: u64| {
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{a},{b}]}}"#)
        };
        let build = |columns: [String; 2]| {
            let (json, _) = json();
            let metadata = &json[..json.find(r#","label""#).unwrap()];
            let [first, second] = columns;
            let text = [
                entry("label", "I64", "[5]", 0, 40),
                entry("id", "I64", "[5]", 40, 80),
                first,
                second,
                entry("hash", "U8", "[5,8]", 110, 150),
                entry("data", "U8", "[5,1,2,2]", 150, 170),
            ]
            .join(",");
            let mut json = format!("{metadata},{text}}}");
            let used = json.len() as u64 + 8 + 150;
            let data = used.next_multiple_of(DATA_ALIGN);
            json.extend(std::iter::repeat_n(' ', (data - used) as usize));
            check(&json, data + 20)
        };
        let coarse = entry("coarse", "F32", "[5]", 80, 100);
        assert!(build([coarse.clone(), entry("b", "F16", "[5,1]", 100, 110)]).is_ok());
        assert!(
            build([coarse.clone(), entry("b", "U16", "[5,1]", 100, 110)]).is_err(),
            "no unsigned wide types"
        );
        assert!(build([coarse, entry("b", "U8", "[10]", 100, 110)]).is_err(), "leading dimension");
        let narrow = entry("b", "F16", "[5,1]", 80, 90);
        assert!(build([narrow, entry("coarse", "F32", "[5]", 90, 110)]).is_err(), "wide first");
    }

    /// A search of the header for every column took minutes here, and days for a header of the longest length.
    #[test]
    fn a_header_of_very_many_columns_is_checked_in_one_pass() {
        let (json, _) = json();
        let metadata = &json[..json.find(r#","label""#).unwrap()];
        let entry = |name: &str, dtype: &str, shape: &str, a: u64, b: u64| {
            format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{a},{b}]}}"#)
        };
        let mut text = vec![entry("label", "I64", "[5]", 0, 40), entry("id", "I64", "[5]", 40, 80)];
        let columns = 30_000;
        text.extend((0..columns).map(|i| entry(&format!("c{i}"), "U8", "[5]", 80 + 5 * i, 85 + 5 * i)));
        let end = 80 + 5 * columns;
        text.push(entry("hash", "U8", "[5,8]", end, end + 40));
        text.push(entry("data", "U8", "[5,1,2,2]", end + 40, end + 60));
        let mut json = format!("{metadata},{}}}", text.join(","));
        let used = json.len() as u64 + 8 + end + 40;
        let data = used.next_multiple_of(DATA_ALIGN);
        json.extend(std::iter::repeat_n(' ', (data - used) as usize));
        let started = std::time::Instant::now();
        check(&json, data + 20).unwrap();
        assert!(started.elapsed() < std::time::Duration::from_secs(30), "{:?}", started.elapsed());
    }

    #[test]
    fn header_lengths_are_bounded_before_anything_is_allocated() {
        let e = expected(1 << 40);
        for len in [u64::MAX, 1 << 63, MAX_HEADER_BYTES + 1] {
            assert!(e.header_len(len.to_le_bytes()).is_err());
        }
        assert!(expected(100).header_len(93u64.to_le_bytes()).is_err());
        assert!(expected(100).header_len(92u64.to_le_bytes()).is_ok());
    }
}
