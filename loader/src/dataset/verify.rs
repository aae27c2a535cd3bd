//! A full check of a data set: all of `dataset.json` that follows from the shards' bytes, or from other parts of it, is
//! derived again. What only the source could tell (its files' digests, names of classes) cannot be checked.
//!
//! A shard's head is mapped and checked as by every reader; then every byte of the file is read, in order, with
//! ordinary reads, a megabyte at a time. 24 bytes a sample are held. It goes on after a finding, so that one report
//! tells all that is wrong.

use std::io::Read;

use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use super::{
    DICTIONARY_FILE,
    id::{ContentParts, PlanParts, SampleKey, Samples, content_id, pack_id, plan_digest, source_digest},
    moments::Moments,
    open::Dataset,
    shards::{check_columns, dictionary, expectation},
};
use crate::{
    decode::{Kind, RegionDecoder, probe},
    digest::Digest,
    shard::{Decoder, Dictionary, FormatError, MappedShard, open_file},
};

/// Hears how far a verification is.
pub trait VerifyProgress: Sync {
    /// How many bytes there are to read.
    fn planned(&self, _bytes: u64) {}
    /// `bytes` more were read.
    fn checked(&self, _bytes: u64) {}
    /// Whether to stop.
    fn cancelled(&self) -> bool {
        false
    }
}

/// Hears nothing and never stops.
impl VerifyProgress for () {}

/// What a verification found.
#[derive(Clone, Debug, Serialize)]
pub struct VerifyReport {
    /// The data set id, as recorded.
    pub content: Digest,
    /// The id of the files, as recorded.
    pub pack: Digest,
    /// Samples whose record was read.
    pub samples: u64,
    /// Shards that were opened.
    pub shards: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Everything that does not match, in file order; empty for a sound data set.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether nothing was found.
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// One thing that does not match.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Name of the file in the data set's folder.
    pub file: String,
    /// What, where, expected and found, as one sentence.
    pub message: String,
}

/// More findings of one shard than this are only counted.
const FINDINGS_PER_SHARD: usize = 20;

/// The writer whose plans can be derived: what decides them is in the index.
const KNOWN_WRITER: &str = "rfx-pack/1";

const CHUNK_BYTES: usize = 1 << 20;

/// What is gathered over all shards.
struct Gathered {
    samples: Samples,
    moments: Moments,
    /// False once a record could not be read: nothing derived from all of them can then be compared.
    whole: bool,
}

/// What every shard is read with.
struct Reading<'a> {
    dictionary: Option<Dictionary>,
    decoder: Decoder,
    /// Decodes images where moments were taken of encoded ones.
    images: RegionDecoder,
    progress: &'a dyn VerifyProgress,
}

/// What was found in one shard.
struct ShardFindings<'a> {
    file: &'a str,
    listed: Vec<Finding>,
    more: u64,
}

impl ShardFindings<'_> {
    fn add(&mut self, error: &FormatError) {
        if self.listed.len() < FINDINGS_PER_SHARD {
            self.listed.push(Finding { file: self.file.into(), message: error.to_string() });
        } else {
            self.more += 1;
        }
    }

    fn all(mut self) -> Vec<Finding> {
        if self.more > 0 {
            let message = format!("{} more findings in this shard", self.more);
            self.listed.push(Finding { file: self.file.into(), message });
        }
        self.listed
    }
}

impl Dataset {
    /// Checks every byte of the data set: lengths, headers, digests of heads and files, label range, record hashes,
    /// ids (unique over all splits), both data set ids, digests of source and plan, moments and noise tables.
    ///
    /// # Errors
    /// [`FormatError::Interrupted`] if `progress` says stop. What is wrong with the data set is no error but a
    /// finding.
    pub fn verify(&self, progress: &dyn VerifyProgress) -> Result<VerifyReport, FormatError> {
        let index = self.index();
        progress.planned(index.bytes());
        let mut report = VerifyReport {
            content: index.content,
            pack: index.pack,
            samples: 0,
            shards: 0,
            bytes: 0,
            findings: Vec::new(),
        };
        let moments = Moments::new(&index.moments.split, index.element.shape.channels());
        let samples = Samples::new(index.columns.len(), 0);
        let mut all = Gathered { samples, moments, whole: true };
        let (decoder, images) = (Decoder::new(), RegionDecoder::new());
        let mut reading = Reading { dictionary: None, decoder, images, progress };
        match dictionary(self.path(), index) {
            Ok(found) => reading.dictionary = found,
            Err(error) => {
                report.findings.push(Finding { file: DICTIONARY_FILE.into(), message: error.to_string() });
            }
        }
        for (number, split) in index.splits.iter().enumerate() {
            for (shard, entry) in split.shards.iter().enumerate() {
                let mut found = ShardFindings { file: &entry.name, listed: Vec::new(), more: 0 };
                let read =
                    self.verify_shard((number, shard), &mut reading, &mut all, &mut report, &mut found);
                if let Err(error) = read {
                    if matches!(error, FormatError::Interrupted { .. }) {
                        return Err(error);
                    }
                    all.whole = false;
                    found.add(&error);
                }
                report.findings.extend(found.all());
            }
        }
        self.verify_derived(all, &mut report);
        Ok(report)
    }

    fn verify_shard(
        &self,
        (split, shard): (usize, usize),
        reading: &mut Reading<'_>,
        all: &mut Gathered,
        report: &mut VerifyReport,
        found: &mut ShardFindings<'_>,
    ) -> Result<(), FormatError> {
        let index = self.index();
        let entry = &index.splits[split].shards[shard];
        let path = &self.path().join(&entry.name);
        let expected = expectation(index, split, shard, path);
        let mapped = MappedShard::open(&expected, entry.head)?;
        report.shards += 1;
        let io = |source| FormatError::Io { path: path.to_path_buf(), action: "read", source };
        let in_moments = index.splits[split].name == index.moments.split;
        let columns = check_columns(&mapped, index);
        // The head was sound when it was digested. If it has gone since, columns read as zeros, here and below: nothing
        // is said of them before this has been asked.
        mapped.intact()?;
        if let Err(error) = columns {
            found.add(&error);
        }

        let mut file = open_file(path)?;
        let mut hasher = blake3::Hasher::new();
        // No longer than was checked when the shard was opened.
        let longest = (0..entry.samples).map(|row| mapped.stored_range(row).len()).max().unwrap_or_default();
        let mut left = mapped.data_offset();
        let mut buffer = vec![0; CHUNK_BYTES.max(longest)];
        while left > 0 {
            let n = left.min(buffer.len());
            file.read_exact(&mut buffer[..n]).map_err(io)?;
            hasher.update(&buffer[..n]);
            left -= n;
            reading.progress.checked(n as u64);
            report.bytes += n as u64;
        }
        let mut keys = mapped.ids().zip(mapped.labels());
        let mut columns: Vec<_> = (0..index.columns.len()).map(|c| mapped.column(c)).collect();
        let mut values = vec![0; columns.len()];
        let mut first = 0;
        while first < entry.samples {
            if reading.progress.cancelled() {
                return Err(FormatError::Interrupted { path: self.path().to_path_buf() });
            }
            // As many whole records as fit, and at least one: none is longer than the buffer.
            let start = mapped.stored_range(first).start;
            let (mut rows, mut chunk_bytes) = (0, 0);
            for row in first..entry.samples {
                let bytes = mapped.stored_range(row).end.wrapping_sub(start);
                if bytes > buffer.len() {
                    break;
                }
                (rows, chunk_bytes) = (rows + 1, bytes);
            }
            if rows == 0 {
                mapped.intact()?;
                return Err(expected.field("offset", 0, "those that were checked", "others"));
            }
            let chunk = &mut buffer[..chunk_bytes];
            file.read_exact(chunk).map_err(io)?;
            hasher.update(chunk);
            for row in first..first + rows {
                let (id, label) = keys.next().unwrap_or((-1, -1));
                for (value, column) in values.iter_mut().zip(&mut columns) {
                    *value = column.next().unwrap_or_default();
                }
                let stored = mapped.stored_range(row);
                let offset = stored.start as u64;
                let ends = stored.start.checked_sub(start).zip(stored.end.checked_sub(start));
                let stored = ends.and_then(|(begin, end)| chunk.get(begin..end)).unwrap_or_default();
                let image = match mapped.decode(stored, reading.dictionary.as_ref(), &mut reading.decoder) {
                    Ok(image) => image,
                    Err(message) => {
                        mapped.intact()?;
                        all.whole = false;
                        let path = path.to_path_buf();
                        found.add(&FormatError::RecordDecode { path, shard, row, id, offset, message });
                        continue;
                    }
                };
                let (expected, hash) = (mapped.record_hash(row), xxh3_64(image));
                if expected != hash {
                    mapped.intact()?;
                    let (path, found_hash) = (path.to_path_buf(), hash);
                    found.add(&FormatError::RecordHash {
                        path,
                        shard,
                        row,
                        id,
                        offset,
                        expected,
                        found: found_hash,
                    });
                }
                // The content id is over the stored hashes' values: with one record damaged it must not match.
                all.samples.push(SampleKey { id, label, hash }, &values);
                match mapped.shape(row) {
                    None if in_moments => {
                        if let Some(shape) = index.element.shape.fixed() {
                            all.moments.add(image, shape, index.element.layout);
                        }
                    }
                    None => {}
                    Some(shape) => {
                        let moments = (in_moments && index.moments.are_taken()).then_some(&mut all.moments);
                        if let Err(message) = encoded(image, shape, &mut reading.images, moments) {
                            mapped.intact()?;
                            all.whole = false;
                            let path = path.to_path_buf();
                            found.add(&FormatError::RecordDecode { path, shard, row, id, offset, message });
                        }
                    }
                }
            }
            first += rows;
            reading.progress.checked(chunk_bytes as u64);
            report.bytes += chunk_bytes as u64;
            report.samples += rows as u64;
        }
        mapped.intact()?;
        let digest = Digest::from_bytes(hasher.finalize().into());
        if digest != entry.blake3 {
            let (path, expected) = (path.to_path_buf(), entry.blake3);
            found.add(&FormatError::Checksum { path, what: "the file", expected, found: digest });
        }
        Ok(())
    }

    /// What follows from all shards together.
    fn verify_derived(&self, mut all: Gathered, report: &mut VerifyReport) {
        let index = self.index();
        let file = super::index::INDEX_FILE;
        let mut add = |what: &str, expected: String, found: String| {
            let message = format!(
                "{}: {what}: expected {expected}, found {found}; restore the data set or pack again",
                self.path().join(file).display()
            );
            report.findings.push(Finding { file: file.into(), message });
        };
        let pack = pack_id(index.content, &index.splits, index.element.dictionary.as_ref());
        if pack != index.pack {
            add("pack id", index.pack.to_string(), pack.to_string());
        }
        let source = &index.source;
        let digest = source_digest(source);
        if digest != source.digest {
            add("source digest", source.digest.to_string(), digest.to_string());
        }
        if index.plan.writer == KNOWN_WRITER {
            let digest = self.plan_digest();
            if digest != index.plan.digest {
                add("plan digest", index.plan.digest.to_string(), digest.to_string());
            }
        }
        if !all.whole {
            add("content id", index.content.to_string(), "shards that cannot be read".into());
            return;
        }
        all.samples.sort();
        if let Some(pair) = all.samples.keys.windows(2).find(|p| p[0].id == p[1].id) {
            add("ids", "every id once over all splits".into(), format!("{} twice", pair[0].id));
        }
        let splits: Vec<_> = index.splits.iter().map(|s| (s.name.as_str(), s.samples as u64)).collect();
        let parts = ContentParts {
            generator: &index.source.generator,
            splits: &splits,
            classes: &index.classes,
            layout: self.layout(),
            shape: self.element_shape(),
            columns: index.columns.iter().map(|c| c.name.as_str()).collect(),
        };
        let content = content_id(&parts, &all.samples);
        if content != index.content {
            add("content id", index.content.to_string(), content.to_string());
        }
        for (number, column) in index.columns.iter().enumerate() {
            let (min, max) = all.samples.range(number);
            if (min, max) != (column.min, column.max) {
                let (expected, found) =
                    (format!("{} to {}", column.min, column.max), format!("{min} to {max}"));
                add(&format!("range of column {}", column.name), expected, found);
            }
        }
        if all.moments != index.moments {
            add("moments", format!("{:?}", index.moments), format!("{:?}", all.moments));
        }
        if !index.gaussian.fits(&all.moments) {
            add("gaussian", "tables with the moments".into(), "others".into());
        }
    }

    /// The digest of the plan that the index tells of, for a writer whose ids run from 0, split after split.
    fn plan_digest(&self) -> Digest {
        let index = self.index();
        let (mut splits, mut first_id) = (Vec::new(), 0);
        for split in &index.splits {
            splits.push((split.name.as_str(), split.samples as u64, first_id, split.shards.len() as u64));
            first_id += split.samples as u64;
        }
        plan_digest(&PlanParts {
            writer: &index.plan.writer,
            codec: index.element.codec,
            order: &index.plan.order,
            layout: self.layout(),
            shape: self.element_shape(),
            classes: &index.classes,
            source: index.source.digest,
            splits,
            columns: index.columns.iter().map(|c| c.name.as_str()).collect(),
            zstd: index.plan.zstd.as_ref(),
        })
    }
}

/// Checks that the header of the encoded image `jpeg` says `shape`, and adds its pixels to `moments` where there are such;
/// else what was expected and found.
fn encoded(
    jpeg: &[u8],
    shape: [usize; 3],
    images: &mut RegionDecoder,
    moments: Option<&mut Moments>,
) -> Result<(), String> {
    let found = probe(jpeg).map_err(|e| format!("a JPEG, found one with {e}"))?;
    if found.kind != Kind::Jpeg || [found.height, found.width, found.channels] != shape {
        let [height, width, channels] = shape;
        return Err(format!(
            "a jpeg of {height} x {width} x {channels} as in `shape`, found a {} of {} x {} x {}",
            found.kind, found.height, found.width, found.channels
        ));
    }
    match moments {
        None => Ok(()),
        Some(moments) => {
            moments.add_encoded(jpeg, images).map_err(|e| format!("a sound JPEG, found one with {e}"))
        }
    }
}
