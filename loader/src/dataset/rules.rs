//! The rules of an index that its types do not hold (`FORMAT.md`, section 3), each checked once.

use std::{collections::HashSet, path::Path};

use super::{
    gaussian::Gaussian,
    index::{
        DICTIONARY_FILE, INDEX_FILE, Index, IndexShard, IndexSplit, MAX_BYTES, MAX_CLASSES, MAX_COLUMNS,
        MAX_DICTIONARY_BYTES, MAX_SAMPLES, MAX_SHARDS, MAX_SPLITS,
    },
};
use crate::{
    Layout,
    decode::MAX_PIXELS,
    shard::{COLUMN_BYTES, Codec, FormatError, is_column_name, shown},
};

impl Index {
    /// The version that has a word for everything that is here.
    pub(crate) fn least_version(&self) -> u32 {
        let element = &self.element;
        if element.codec == Codec::Jpeg {
            return 3;
        }
        let only_old = element.codec == Codec::Raw
            && element.dictionary.is_none()
            && self.columns.is_empty()
            && self.source.parameters.is_empty()
            && self.plan.zstd.is_none()
            && self.splits.iter().flat_map(|s| &s.shards).all(|s| s.data_bytes.is_none());
        if only_old { 1 } else { 2 }
    }

    /// Every rule that the types do not hold.
    pub(super) fn validate(&self, path: &Path) -> Result<(), FormatError> {
        let err = |name: &str, expected: &str, found: String| Err(field(path, name, expected, found));
        if self.classes.is_empty() || self.classes.len() > MAX_CLASSES {
            return err("classes", "1 to 2^20 classes", self.classes.len().to_string());
        }
        let mut names = HashSet::new();
        if let Some(class) = self.classes.iter().find(|c| !names.insert(&c.name)) {
            return err("classes", "every name once", class.name.clone());
        }
        if self.version != self.least_version() {
            let expected = format!("{}, for what is in the index", self.least_version());
            return err("version", &expected, self.version.to_string());
        }
        let encoded = self.element.codec == Codec::Jpeg;
        if encoded != self.element.shape.fixed().is_none() {
            let found = format!("{} of codec {}", self.element.shape, self.element.codec);
            return err("element.shape", "[c, 0, 0] for codec jpeg, and only there", found);
        }
        if encoded && self.element.layout != Layout::Nhwc {
            return err("element.layout", "nhwc for codec jpeg", self.element.layout.to_string());
        }
        self.validate_additions(path)?;
        if self.splits.is_empty() || self.splits.len() > MAX_SPLITS {
            return err("splits", "1 to 64 splits", self.splits.len().to_string());
        }
        let (mut names, mut files) = (HashSet::new(), HashSet::new());
        let mut total = 0u64;
        for split in &self.splits {
            if !is_split_name(&split.name) || !names.insert(&split.name) {
                return err("splits", "names of 1 to 64 of a-z, 0-9, - and _, each once", split.name.clone());
            }
            let at = |name: &str| format!("splits.{}.{name}", split.name);
            if split.samples == 0 || split.samples > MAX_SAMPLES {
                return err(&at("samples"), "1 to 2^32", split.samples.to_string());
            }
            let mut samples = 0usize;
            for shard in &split.shards {
                if !is_file_name(&shard.name) || !files.insert(&shard.name) {
                    return err(&at("shards.name"), "plain file names, each once", shard.name.clone());
                }
                self.validate_shard(path, split, shard)?;
                samples = samples.saturating_add(shard.samples);
                total = total.saturating_add(shard.bytes);
                if total > MAX_BYTES {
                    let expected = "less than 2^63 in all shards together";
                    return err(&at("shards.bytes"), expected, total.to_string());
                }
            }
            if samples != split.samples {
                let expected = format!("{} samples in its shards", split.samples);
                return err(&at("samples"), &expected, samples.to_string());
            }
        }
        let shards = self.splits.iter().map(|s| s.shards.len()).sum::<usize>();
        if shards > MAX_SHARDS {
            return err("splits", &format!("at most {MAX_SHARDS} shards"), shards.to_string());
        }
        self.validate_statistics(path)
    }

    /// The rules of the lengths of one shard.
    fn validate_shard(&self, path: &Path, split: &IndexSplit, shard: &IndexShard) -> Result<(), FormatError> {
        let err = |name: &str, expected: &str, found: String| {
            Err(field(path, &format!("splits.{}.shards.{name}", split.name), expected, found))
        };
        if shard.data_bytes.is_some() != (self.element.codec != Codec::Raw) {
            let found = shard.data_bytes.map_or("none".into(), |b| b.to_string());
            return err("data_bytes", "it for records that are not raw, and only there", found);
        }
        let rows = shard.samples as u64;
        let raw = || rows.checked_mul(self.element.shape.fixed()?.values() as u64);
        let data = shard.data_bytes.or_else(raw).filter(|&bytes| bytes >= rows); // no record is empty
        let least = data.zip(rows.checked_mul(COLUMN_BYTES)).and_then(|(d, columns)| d.checked_add(columns));
        if rows == 0 || least.is_none_or(|least| shard.bytes <= least) {
            let expected = format!("more than {} bytes for {rows} samples", least.unwrap_or(u64::MAX));
            return err("bytes", &expected, shard.bytes.to_string());
        }
        Ok(())
    }

    /// The rules of columns, parameters and compression.
    fn validate_additions(&self, path: &Path) -> Result<(), FormatError> {
        let err = |name: &str, expected: &str, found: String| Err(field(path, name, expected, found));
        if self.columns.len() > MAX_COLUMNS {
            return err("columns", "at most 64", self.columns.len().to_string());
        }
        let mut names = HashSet::new();
        for column in &self.columns {
            if !is_column_name(&column.name) || !names.insert(&column.name) {
                let expected = "names of 1 to 64 of a-z, 0-9, - and _, none of every shard's, each once";
                return err("columns.name", expected, column.name.clone());
            }
            if column.min > column.max {
                let found = format!("{} to {}", column.min, column.max);
                return err(&format!("columns.{}", column.name), "a min of at most the max", found);
            }
        }
        let mut names = HashSet::new();
        if let Some(parameter) = self.source.parameters.iter().find(|p| !names.insert(&p.name)) {
            return err("source.parameters", "every name once", parameter.name.clone());
        }
        let compressed = self.element.codec == Codec::Zstd;
        if self.plan.zstd.is_some() != compressed {
            let found = if compressed { "none" } else { "it" };
            return err("plan.zstd", "it for codec zstd, and only there", found.into());
        }
        let Some(dictionary) = &self.element.dictionary else { return Ok(()) };
        if !compressed {
            return err("element.dictionary", "none for records that are not compressed", "one".into());
        }
        if dictionary.bytes == 0 || dictionary.bytes > MAX_DICTIONARY_BYTES {
            let expected = format!("1 to {MAX_DICTIONARY_BYTES} bytes");
            return err("element.dictionary.bytes", &expected, dictionary.bytes.to_string());
        }
        Ok(())
    }

    fn validate_statistics(&self, path: &Path) -> Result<(), FormatError> {
        let err = |name: &str, expected: String, found: String| Err(field(path, name, expected, found));
        let shape = self.element.shape;
        let split = self.splits.iter().find(|s| s.name == "train").unwrap_or(&self.splits[0]);
        if self.moments.split != split.name {
            return err("moments.split", split.name.clone(), self.moments.split.clone());
        }
        let (channels, samples) = (shape.channels(), split.samples as u64);
        let found = self.moments.count;
        match shape.fixed().map(|image| samples * image.positions() as u64) {
            Some(count) if found != count => {
                return err("moments.count", count.to_string(), found.to_string());
            }
            None if found != 0 && !(samples..=samples * MAX_PIXELS).contains(&found) => {
                let expected = format!("0, or {samples} to {}", samples * MAX_PIXELS);
                return err("moments.count", expected, found.to_string());
            }
            _ => {}
        }
        let lengths = [self.moments.sum.len(), self.moments.sum_of_squares.len()];
        if lengths != [channels; 2] {
            return err("moments", format!("{channels} channels"), format!("{lengths:?}"));
        }
        if let Gaussian::Channels(tables) = &self.gaussian {
            if !self.moments.are_taken() {
                return err("gaussian", "no tables where no moments were taken".into(), "tables".into());
            }
            if tables.len() != channels {
                return err("gaussian", format!("{channels} channels"), tables.len().to_string());
            }
            for (c, table) in tables.iter().enumerate() {
                let t = &table.thresholds;
                if t.len() != 255 || !t.is_sorted() || t.last().is_some_and(|&t| t > 65_536) {
                    let expected = "255 rising thresholds of at most 65536".into();
                    return err(
                        &format!("gaussian.{c}.thresholds"),
                        expected,
                        format!("{} of them", t.len()),
                    );
                }
            }
        }
        Ok(())
    }
}

/// Of a parsed index no offsets are known; the name of the field is enough to find it.
pub(super) fn field(path: &Path, name: &str, expected: impl Into<String>, found: String) -> FormatError {
    let (path, expected, found) = (path.to_path_buf(), expected.into(), shown(&found));
    FormatError::Field { path, field: name.into(), offset: None, expected, found }
}

/// Whether `name` can name a split: it is part of file names and of JSON written without escapes.
pub(crate) fn is_split_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(allowed)
}

/// Whether `name` is a file in the folder itself: no separator, no `..`, nothing hidden, not the index.
fn is_file_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=200).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('.')
        && name != INDEX_FILE
        && name != DICTIONARY_FILE
}
