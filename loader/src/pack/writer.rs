//! One shard of a pack: written from the source, or found from an earlier run and compared with the source.
//!
//! Records are streamed, so memory stays at 24 bytes per sample (8 more for each column, and for compressed records) and a
//! buffer. The head comes first in the file but is known last (it holds the records' hashes), so records are written at
//! their offset and the head afterwards; the file's digest is then taken by reading the file back, which also proves that
//! it reads back.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    encode::{Compressor, Encoder},
    error::{PackError, environment},
    folder::{Folder, Temp},
    options::PackProgress,
    plan::{Plan, PlanShard, RowOrder},
};
use crate::{
    ElementShape,
    dataset::{IndexShard, Moments, SampleKey, Samples},
    decode::{DecodeError, Kind, Probe, RegionDecoder, probe},
    digest::Digest,
    shard::{Codec, ShardForm, ShardMetadata, encode_header, head_bytes},
    source::Source,
};

const BUFFER_BYTES: usize = 1 << 20;

/// Samples between two reports of progress.
const REPORT_EVERY: u64 = 256;

/// What a finished shard contributes to the index.
pub(super) struct Packed {
    pub entry: IndexShard,
    pub samples: Samples,
    pub moments: Moments,
    pub resumed: bool,
}

/// All that is the same for every shard.
pub(super) struct Work<'a> {
    pub source: &'a dyn Source,
    pub plan: &'a Plan,
    pub digest: Digest,
    pub folder: &'a Folder,
    /// None where records are raw.
    pub compressor: Option<&'a Compressor>,
    pub progress: &'a dyn PackProgress,
    /// The caller's request to stop.
    pub cancel: &'a AtomicBool,
    /// Set where another worker has failed.
    pub stop: &'a AtomicBool,
}

impl Work<'_> {
    /// Packs one shard.
    pub fn shard(&self, shard: &PlanShard, order: &RowOrder) -> Result<Packed, PackError> {
        if let Some(packed) = self.resume(shard, order)? {
            return Ok(packed);
        }
        let (metadata, form) = self.plan.header(shard, self.digest);
        let head_len = head_bytes(&metadata, &form);
        let needed = match form.codec {
            Codec::Raw => head_len + form.max_data_bytes(),
            Codec::Zstd | Codec::Jpeg => 0, // not known before
        };
        let mut temp = self.folder.create(&shard.name, needed)?;
        let gathered = self.write_records(&mut temp, head_len, shard, order)?;
        let fail = |action| environment(&temp.path, action, needed);
        let head = gathered.head(&metadata, &form);
        write_head(&temp.file, &head).map_err(fail("write"))?;
        let blake3 = digest_file(&temp.file).map_err(fail("read back"))?;
        temp.read_only()?;
        temp.finish(self.folder)?;
        Ok(gathered.packed(shard, &form, &head, blake3, false))
    }

    /// Reads the shard's records from the source, one after another, into `each`, with their values in each column.
    fn records(
        &self,
        shard: &PlanShard,
        order: &RowOrder,
        mut each: impl FnMut(SampleKey, &[i64], &[u8]) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        let split = &self.plan.splits[shard.split];
        let classes = self.plan.classes.len();
        let encoded = self.plan.codec == Codec::Jpeg;
        let mut record = vec![0; self.plan.shape.record_bytes().unwrap_or_default()];
        let mut values = vec![0; self.plan.columns.len()];
        for row in 0..shard.rows {
            // Relaxed: the flags publish nothing; a late look only packs one more record.
            if self.cancel.load(Ordering::Relaxed) || self.stop.load(Ordering::Relaxed) {
                return Err(PackError::Interrupted { path: self.folder.path().to_path_buf() });
            }
            let sample = order.sample(shard.first_row + row);
            let label = self.source.label(shard.split, sample)?;
            if !(0..classes as i64).contains(&label) {
                return Err(PackError::Plan {
                    what: format!("label of sample {sample} of split {}", split.name),
                    expected: format!("a class, 0..{classes}"),
                    found: label.to_string(),
                    hint: "the source is at fault",
                });
            }
            for (column, value) in values.iter_mut().enumerate() {
                *value = self.source.column(column, shard.split, sample)?;
            }
            if encoded {
                self.source.read_encoded(shard.split, sample, &mut record)?;
            } else {
                self.source.read(shard.split, sample, &mut record)?;
            }
            let id = (split.first_id + sample as u64) as i64; // below 64 x 2^32 by the plan
            each(SampleKey { id, label, hash: xxh3_64(&record) }, &values, &record)?;
        }
        Ok(())
    }

    fn write_records(
        &self,
        temp: &mut Temp,
        head_len: u64,
        shard: &PlanShard,
        order: &RowOrder,
    ) -> Result<Gathered, PackError> {
        let (path, needed) = (temp.path.clone(), temp.needed);
        let fail = |action| environment(&path, action, needed);
        temp.file.seek(SeekFrom::Start(head_len)).map_err(fail("write"))?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &temp.file);
        let mut gathered = self.gather(shard);
        let mut encoder = self.encoder();
        let mut report = Report::new(self.progress, self.plan.record_bytes(1));
        let result = self.records(shard, order, |key, values, record| {
            let stored = encoder.encode(record, &path)?;
            out.write_all(stored).map_err(fail("write"))?;
            report.one();
            let stored = stored.len();
            gathered.add(self.plan, key, values, record, stored)
        });
        if result.is_err() {
            let _ = out.into_parts(); // what is buffered must not be written to a file that is being given up
            return result.map(|()| gathered);
        }
        out.flush().map_err(fail("write"))?;
        report.flush();
        Ok(gathered)
    }

    fn gather(&self, shard: &PlanShard) -> Gathered {
        Gathered {
            samples: Samples::new(self.plan.columns.len(), shard.rows),
            moments: Moments::new(&self.plan.splits[shard.split].name, self.plan.shape.channels()),
            decoder: (shard.split == self.plan.moments_split() && self.source.takes_moments())
                .then(RegionDecoder::new),
            offsets: self.plan.codec.has_offsets().then(|| vec![0]),
            shapes: Vec::new(),
            data_bytes: 0,
        }
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder::new(self.compressor, self.plan.shape.record_bytes().unwrap_or_default())
    }

    /// The shard, if an earlier run finished it and it says what the source says; anything else is written again.
    fn resume(&self, shard: &PlanShard, order: &RowOrder) -> Result<Option<Packed>, PackError> {
        let path = self.folder.file(&shard.name);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(environment(&path, "open", 0)(e)),
        };
        let (metadata, form) = self.plan.header(shard, self.digest);
        let head_len = head_bytes(&metadata, &form);
        let fail = |action| environment(&path, action, 0);
        let data_bytes = match file.metadata().map_err(fail("stat"))?.len().checked_sub(head_len) {
            Some(bytes) if bytes <= form.max_data_bytes() => bytes,
            _ => return Ok(None),
        };
        let mut found = vec![0; head_len as usize];
        file.read_exact(&mut found).map_err(fail("read"))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&found);
        let mut reader = io::BufReader::with_capacity(BUFFER_BYTES, &file);
        let mut buffer = Vec::new();
        let mut gathered = self.gather(shard);
        let mut encoder = self.encoder();
        let mut same = true;
        self.records(shard, order, |key, values, record| {
            let expected = encoder.encode(record, &path)?;
            gathered.add(self.plan, key, values, record, expected.len())?;
            same &= gathered.data_bytes <= data_bytes;
            if same {
                buffer.resize(expected.len(), 0);
                let stored = &mut buffer[..];
                reader.read_exact(stored).map_err(fail("read"))?;
                hasher.update(stored);
                same = stored == expected;
            }
            Ok(())
        })?;
        if !same || gathered.data_bytes != data_bytes || gathered.head(&metadata, &form) != found {
            return Ok(None);
        }
        self.progress.resumed(shard.rows as u64);
        let blake3 = Digest::from_bytes(hasher.finalize().into());
        Ok(Some(gathered.packed(shard, &form, &found, blake3, true)))
    }
}

/// What is known of a shard once its records have been read.
struct Gathered {
    samples: Samples,
    moments: Moments,
    /// What encoded images are decoded with for their moments, where these are asked for.
    decoder: Option<RegionDecoder>,
    /// Where each record that is not raw begins in `data`, and where the last one ends.
    offsets: Option<Vec<u64>>,
    /// Height, width and channels of encoded images.
    shapes: Vec<[i32; 3]>,
    data_bytes: u64,
}

impl Gathered {
    fn add(
        &mut self,
        plan: &Plan,
        key: SampleKey,
        values: &[i64],
        record: &[u8],
        stored: usize,
    ) -> Result<(), PackError> {
        match plan.shape {
            ElementShape::Fixed(shape) => self.moments.add(record, shape, plan.layout),
            ElementShape::Encoded { .. } => self.add_encoded(record).map_err(|error| PackError::Plan {
                what: format!("image of sample {}", key.id),
                expected: "a sound JPEG".into(),
                found: error.to_string(),
                hint: "leave the file out (--on-bad skip), or take no moments",
            })?,
        }
        self.samples.push(key, values);
        self.data_bytes += stored as u64;
        if let Some(offsets) = &mut self.offsets {
            offsets.push(self.data_bytes);
        }
        Ok(())
    }

    fn add_encoded(&mut self, jpeg: &[u8]) -> Result<(), DecodeError> {
        let Probe { kind, height, width, channels, .. } = probe(jpeg)?;
        if kind != Kind::Jpeg {
            let (expected, found) = ("a JPEG".into(), kind.to_string());
            return Err(DecodeError::Field { kind, field: "kind", offset: 0, expected, found });
        }
        // A JPEG's sides are of 16 bits.
        self.shapes.push([height, width, channels].map(|side| i32::try_from(side).unwrap_or(i32::MAX)));
        match &mut self.decoder {
            None => Ok(()),
            Some(decoder) => self.moments.add_encoded(jpeg, decoder),
        }
    }

    /// The bytes before `data`: header, then the columns.
    fn head(&self, metadata: &ShardMetadata, form: &ShardForm<'_>) -> Vec<u8> {
        let mut head = encode_header(metadata, form, self.data_bytes);
        head.reserve_exact(form.column_bytes() as usize);
        let keys = &self.samples.keys;
        keys.iter().for_each(|k| head.extend(k.label.to_le_bytes()));
        keys.iter().for_each(|k| head.extend(k.id.to_le_bytes()));
        self.offsets.iter().flatten().for_each(|offset| head.extend(offset.to_le_bytes()));
        self.samples.columns.iter().flatten().for_each(|value| head.extend(value.to_le_bytes()));
        self.shapes.iter().flatten().for_each(|side| head.extend(side.to_le_bytes()));
        keys.iter().for_each(|k| head.extend(k.hash.to_le_bytes()));
        head
    }

    fn packed(
        self,
        shard: &PlanShard,
        form: &ShardForm<'_>,
        head: &[u8],
        blake3: Digest,
        resumed: bool,
    ) -> Packed {
        let entry = IndexShard {
            name: shard.name.clone(),
            samples: shard.rows,
            bytes: head.len() as u64 + self.data_bytes,
            blake3,
            head: Digest::of(head),
            data_bytes: (form.codec != Codec::Raw).then_some(self.data_bytes),
        };
        Packed { entry, samples: self.samples, moments: self.moments, resumed }
    }
}

fn write_head(mut file: &File, head: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(head)
}

/// BLAKE3 of a whole file.
fn digest_file(mut file: &File) -> io::Result<Digest> {
    file.seek(SeekFrom::Start(0))?;
    let digest = blake3::Hasher::new().update_reader(file)?.finalize();
    Ok(Digest::from_bytes(digest.into()))
}

/// Tells progress in steps, so that its cost stays far below a record's.
struct Report<'a> {
    progress: &'a dyn PackProgress,
    record_bytes: u64,
    pending: u64,
}

impl<'a> Report<'a> {
    fn new(progress: &'a dyn PackProgress, record_bytes: u64) -> Self {
        Report { progress, record_bytes, pending: 0 }
    }

    fn one(&mut self) {
        self.pending += 1;
        if self.pending == REPORT_EVERY {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.pending > 0 {
            self.progress.packed(self.pending, self.pending * self.record_bytes);
            self.pending = 0;
        }
    }
}
