//! One mapped shard: its header checked, its head digest checked, its columns and records as slices.

use std::{
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    codec::{Codec, Decoder, Dictionary},
    error::FormatError,
    header::{PREFIX_BYTES, parse_header},
    map::Map,
    validate::{Expected, ShardLayout},
};
use crate::{decode::MAX_PIXELS, digest::Digest, file::open_regular};

/// Largest side that a JPEG can tell: 16 bits.
const MAX_JPEG_SIDE: i32 = 65_535;

/// A mapped shard whose head has been checked.
#[derive(Debug)]
pub(crate) struct MappedShard {
    path: PathBuf,
    map: Map,
    layout: ShardLayout,
}

impl MappedShard {
    /// Maps the shard and checks length, header and head digest; no record is touched.
    pub fn open(expected: &Expected<'_>, head: Digest) -> Result<MappedShard, FormatError> {
        let path = expected.path;
        let file = open_file(path)?;
        check_length(&file, expected)?;
        let len = usize::try_from(expected.bytes)
            .map_err(|_| expected.field("file length", 0, "a size this machine can map", expected.bytes))?;
        MappedShard::checked(Map::new(&file, path, len)?, expected, head)
    }

    fn checked(map: Map, expected: &Expected<'_>, head: Digest) -> Result<MappedShard, FormatError> {
        let path = expected.path;
        let layout = check_head(expected, head, map.bytes());
        // Asked before the result is looked at: pages that went away read as zeros, and the digest of those is no
        // news about the file.
        if map.is_torn() {
            return Err(torn(path, expected.bytes));
        }
        let layout = layout?;
        Ok(MappedShard { path: path.to_path_buf(), map, layout })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The labels, in row order.
    pub fn labels(&self) -> impl Iterator<Item = i64> {
        self.integers(self.layout.label)
    }

    /// The ids, in row order.
    pub fn ids(&self) -> impl Iterator<Item = i64> {
        self.integers(self.layout.id)
    }

    /// Column number `column` of those that the index tells of, in row order.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn column(&self, column: usize) -> impl Iterator<Item = i64> {
        self.integers(self.layout.columns[column])
    }

    /// Byte offset in the file of element `row` of column number `column`.
    pub fn column_offset(&self, column: usize, row: usize) -> u64 {
        (self.layout.columns[column] + 8 * row) as u64
    }

    fn integers(&self, start: usize) -> impl Iterator<Item = i64> {
        i64_column(&self.map.bytes()[start..start + 8 * self.layout.rows])
    }

    /// Byte offset in the file of element `row` of the column `label`.
    pub fn label_offset(&self, row: usize) -> u64 {
        (self.layout.label + 8 * row) as u64
    }

    /// Byte offset in the file of element `row` of the column `id`.
    pub fn id_offset(&self, row: usize) -> u64 {
        (self.layout.id + 8 * row) as u64
    }

    /// Byte offset in the file of `data`.
    pub fn data_offset(&self) -> usize {
        self.layout.data
    }

    /// Where record `row` is stored, as byte offsets in the file.
    ///
    /// # Panics
    /// If `row` is not below the number of rows.
    #[inline]
    pub fn stored_range(&self, row: usize) -> Range<usize> {
        assert!(row < self.layout.rows, "row {row} of {}", self.layout.rows);
        let ShardLayout { data, record_bytes, .. } = self.layout;
        match self.layout.offset {
            None => data + row * record_bytes..data + (row + 1) * record_bytes,
            Some(offset) => {
                // Checked when the shard was opened. If the pages have gone since, these are zeros, and the range is empty.
                let at = |i: usize| data.saturating_add(u64_at(&self.map.bytes()[offset + 8 * i..]) as usize);
                at(row)..at(row + 1)
            }
        }
    }

    /// The stored bytes of record `row`: the image's where records are raw, else what it is compressed to.
    ///
    /// # Panics
    /// If `row` is not below the number of rows.
    #[inline]
    pub fn stored(&self, row: usize) -> &[u8] {
        self.map.bytes().get(self.stored_range(row)).unwrap_or_default()
    }

    /// The record of row `row`, decompressed by `decoder` where it has to be; else what was expected and found.
    ///
    /// # Panics
    /// If `row` is not below the number of rows.
    #[inline]
    pub fn record<'a>(
        &'a self,
        row: usize,
        dictionary: Option<&Dictionary>,
        decoder: &'a mut Decoder,
    ) -> Result<&'a [u8], String> {
        self.decode(self.stored(row), dictionary, decoder)
    }

    /// As [`MappedShard::record`], of stored bytes that came another way.
    #[inline]
    pub fn decode<'a>(
        &self,
        stored: &'a [u8],
        dictionary: Option<&Dictionary>,
        decoder: &'a mut Decoder,
    ) -> Result<&'a [u8], String> {
        match self.layout.codec {
            Codec::Raw | Codec::Jpeg => Ok(stored),
            Codec::Zstd => decoder.zstd(stored, self.layout.record_bytes, dictionary),
        }
    }

    /// Height, width and channels that the encoded image of record `row` says it has; `None` where images are not encoded.
    ///
    /// # Panics
    /// If `row` is not below the number of rows.
    pub fn shape(&self, row: usize) -> Option<[usize; 3]> {
        assert!(row < self.layout.rows, "row {row} of {}", self.layout.rows);
        let at = self.layout.shape? + 12 * row;
        // Checked when the shard was opened: none is negative.
        Some(i32_triple(&self.map.bytes()[at..at + 12]).map(|side| usize::try_from(side).unwrap_or_default()))
    }

    /// The recorded xxh3-64 of record `row`.
    ///
    /// # Panics
    /// If `row` is not below the number of rows.
    pub fn record_hash(&self, row: usize) -> u64 {
        assert!(row < self.layout.rows, "row {row} of {}", self.layout.rows);
        let start = self.layout.hash + 8 * row;
        u64_at(&self.map.bytes()[start..start + 8])
    }

    /// Asks the system to fetch record `row`, which must exist.
    pub fn prefetch(&self, row: usize) {
        let range = self.stored_range(row);
        if range.end <= self.map.bytes().len() {
            self.map.prefetch(range.start, range.len());
        }
    }

    /// Bytes of the file that are in memory.
    pub fn resident_bytes(&self) -> u64 {
        self.map.resident_bytes()
    }

    /// Drops resident pages.
    pub fn evict(&self) {
        self.map.evict();
    }

    /// # Errors
    /// [`FormatError::ShrankWhileMapped`] if a read of the mapping failed and the guard is installed.
    #[inline]
    pub fn intact(&self) -> Result<(), FormatError> {
        if self.map.is_torn() { Err(torn(&self.path, self.map.bytes().len() as u64)) } else { Ok(()) }
    }
}

#[cold]
fn torn(path: &Path, expected: u64) -> FormatError {
    let found = std::fs::metadata(path).map_or(0, |m| m.len());
    FormatError::ShrankWhileMapped { path: path.to_path_buf(), expected, found }
}

/// Opens a file of a data set for reading, refusing what is not a regular file.
pub(crate) fn open_file(path: &Path) -> Result<File, FormatError> {
    open_regular(path).map_err(|source| FormatError::Io { path: path.to_path_buf(), action: "open", source })
}

/// Checks that the file is exactly as long as the index says.
fn check_length(file: &File, expected: &Expected<'_>) -> Result<(), FormatError> {
    let io = |source| FormatError::Io { path: expected.path.to_path_buf(), action: "stat", source };
    let found = file.metadata().map_err(io)?.len();
    if found != expected.bytes {
        let at = found.min(expected.bytes);
        return Err(expected.field("file length", at, format!("{} bytes", expected.bytes), found));
    }
    Ok(())
}

/// Checks head digest, prefix and header of a shard whose bytes are `bytes`. The digest comes first, so that a
/// damaged file is called damaged; the rules then catch files that were made wrong.
fn check_head(expected: &Expected<'_>, head: Digest, bytes: &[u8]) -> Result<ShardLayout, FormatError> {
    let data_bytes = expected.data_bytes;
    let head_bytes = expected
        .bytes
        .checked_sub(data_bytes)
        .and_then(|len| bytes.get(..usize::try_from(len).ok()?))
        .ok_or_else(|| {
            expected.field("file length", 0, format!("over {data_bytes} bytes of data"), expected.bytes)
        })?;
    let found = Digest::of(head_bytes);
    if found != head {
        let path = expected.path.to_path_buf();
        return Err(FormatError::Checksum { path, what: "the head", expected: head, found });
    }
    let json = header_json(expected, head_bytes)?;
    let header = parse_header(json).map_err(|(message, offset)| FormatError::Json {
        path: expected.path.to_path_buf(),
        field: "header",
        offset: PREFIX_BYTES + offset,
        message,
    })?;
    let layout = expected.validate(json, &header)?;
    check_offsets(expected, &layout, head_bytes)?;
    check_shapes(expected, &layout, head_bytes)?;
    Ok(layout)
}

/// Checks that encoded images have sides and channels that a JPEG can have and a decoder is asked for.
fn check_shapes(expected: &Expected<'_>, layout: &ShardLayout, head: &[u8]) -> Result<(), FormatError> {
    let Some(start) = layout.shape else { return Ok(()) };
    for row in 0..layout.rows {
        let at = start + 12 * row;
        let [height, width, channels] = i32_triple(&head[at..at + 12]);
        let sides = 1..=MAX_JPEG_SIDE;
        let pixels = i64::from(height) * i64::from(width);
        let sound = sides.contains(&height) && sides.contains(&width) && pixels <= MAX_PIXELS as i64;
        if !sound || !matches!(channels, 1 | 3 | 4) {
            let rule = format!(
                "height and width of 1 to {MAX_JPEG_SIDE} and at most {MAX_PIXELS} together, and 1, 3 or 4 channels"
            );
            let found = format!("{height}, {width}, {channels}");
            return Err(expected.field(format!("shape[{row}]"), at as u64, rule, found));
        }
    }
    Ok(())
}

/// Checks that the offsets of records run from 0 to the end of `data`, each record with at least one byte and
/// none with more than it can need.
fn check_offsets(expected: &Expected<'_>, layout: &ShardLayout, head: &[u8]) -> Result<(), FormatError> {
    let Some(offset) = layout.offset else { return Ok(()) };
    let longest = expected.codec.max_stored_bytes(layout.record_bytes as u64);
    let (mut at_least, mut at_most) = (0, 0);
    for (i, found) in i64_column(&head[offset..offset + 8 * (layout.rows + 1)]).enumerate() {
        if i == layout.rows {
            (at_least, at_most) = (at_least.max(expected.data_bytes), at_most.min(expected.data_bytes));
        }
        let Some(value) = u64::try_from(found).ok().filter(|v| (at_least..=at_most).contains(v)) else {
            let rule = format!("{at_least} to {at_most}");
            return Err(expected.field(format!("offset[{i}]"), (offset + 8 * i) as u64, rule, found));
        };
        (at_least, at_most) = (value.saturating_add(1), value.saturating_add(longest));
    }
    Ok(())
}

fn header_json<'a>(expected: &Expected<'_>, bytes: &'a [u8]) -> Result<&'a [u8], FormatError> {
    let short = || expected.field("header length", 0, "a header before the data", bytes.len());
    let prefix = bytes.first_chunk::<8>().ok_or_else(short)?;
    let len = expected.header_len(*prefix)?;
    bytes.get(8..8 + len).ok_or_else(short)
}

/// A column of little-endian i64; `bytes` is a multiple of 8 long.
fn i64_column(bytes: &[u8]) -> impl Iterator<Item = i64> {
    bytes.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b))
}

/// Three little-endian i32 (zeros where there are fewer bytes, which no caller passes).
fn i32_triple(bytes: &[u8]) -> [i32; 3] {
    let mut values = bytes.as_chunks::<4>().0.iter().map(|b| i32::from_le_bytes(*b));
    std::array::from_fn(|_| values.next().unwrap_or_default())
}

/// The first 8 of `bytes` as a little-endian u64 (0 where there are fewer, which no caller passes).
fn u64_at(bytes: &[u8]) -> u64 {
    bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ElementShape, ImageShape, Layout,
        shard::{Codec, install_sigbus_guard},
    };

    #[test]
    fn shapes_that_no_jpeg_has_are_refused_with_their_row() {
        let folder = Path::new("s");
        let expected = Expected {
            path: folder,
            split: "train",
            shard: 0,
            shards: 1,
            samples: 2,
            bytes: 1 << 20,
            data_bytes: 60,
            plan: Digest::of(b""),
            image: ElementShape::Encoded { channels: 3 },
            layout: Layout::Nhwc,
            codec: Codec::Jpeg,
            columns: Vec::new(),
        };
        let layout = ShardLayout {
            rows: 2,
            label: 0,
            id: 0,
            codec: Codec::Jpeg,
            offset: None,
            shape: Some(4),
            columns: Vec::new(),
            hash: 0,
            data: 0,
            record_bytes: 0,
        };
        let check = |second: [i32; 3]| {
            let values = [7, 1, 1, 1].into_iter().chain(second);
            let head: Vec<u8> = values.flat_map(i32::to_le_bytes).collect();
            check_shapes(&expected, &layout, &head).map_err(|e| e.to_string())
        };
        for good in [[1, 65_535, 1], [65_535, 1, 3], [8192, 8192, 4]] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in
            [[0, 5, 3], [5, 0, 3], [-1, 5, 3], [5, 65_536, 3], [65_535, 65_535, 3], [5, 5, 0], [5, 5, 2]]
        {
            let error = check(bad).unwrap_err();
            assert!(
                error.contains("shape[1] at byte 16") && error.contains(&format!("{}, ", bad[0])),
                "{error}"
            );
        }
    }

    #[test]
    fn a_head_that_went_away_under_the_mapping_is_not_called_a_wrong_digest() {
        install_sigbus_guard().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard");
        let bytes = 4 * 65_536;
        std::fs::write(&path, vec![1; bytes]).unwrap();
        let map = Map::new(&open_file(&path).unwrap(), &path, bytes).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        let expected = Expected {
            path: &path,
            split: "train",
            shard: 0,
            shards: 1,
            samples: 10,
            bytes: bytes as u64,
            data_bytes: 60,
            plan: Digest::of(b""),
            image: ElementShape::Fixed(ImageShape::new(1, 2, 3).unwrap()),
            layout: Layout::Nchw,
            codec: Codec::Raw,
            columns: Vec::new(),
        };
        let error = MappedShard::checked(map, &expected, Digest::of(b"the head")).unwrap_err();
        assert!(matches!(error, FormatError::ShrankWhileMapped { found: 0, .. }), "{error}");
    }
}
