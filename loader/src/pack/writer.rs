//! One shard of a pack: written from the source, or found from an earlier run and compared with the source.
//!
//! Records are streamed, so memory stays at 24 bytes per sample and a buffer. The head comes first in the file but
//! is known last (it holds the records' hashes), so records are written at their offset and the head afterwards;
//! the file's digest is then taken by reading the file back, which also proves that it reads back.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    sync::atomic::{AtomicBool, Ordering},
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    error::{PackError, environment},
    folder::{Folder, Temp},
    options::PackProgress,
    plan::{Plan, PlanShard, RowOrder},
};
use crate::{
    dataset::{IndexShard, Moments, SampleKey},
    digest::Digest,
    shard::{COLUMN_BYTES, ShardMetadata, encode_header, head_bytes},
    source::Source,
};

const BUFFER_BYTES: usize = 1 << 20;

/// Samples between two reports of progress.
const REPORT_EVERY: u64 = 256;

/// What a finished shard contributes to the index.
pub(super) struct Packed {
    pub entry: IndexShard,
    pub keys: Vec<SampleKey>,
    pub moments: Moments,
    pub resumed: bool,
}

/// All that is the same for every shard.
pub(super) struct Work<'a> {
    pub source: &'a dyn Source,
    pub plan: &'a Plan,
    pub digest: Digest,
    pub folder: &'a Folder,
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
        let header = self.header(shard);
        let head_len = head_bytes(&header, shard.rows);
        let record = self.plan.shape.values();
        let bytes = head_len + (shard.rows * record) as u64;
        let mut temp = self.folder.create(&shard.name, bytes)?;
        let (keys, moments) = self.write_records(&mut temp, head_len, shard, order)?;
        let fail = |action| environment(&temp.path, action, bytes);
        let head = self.write_head(&temp.file, header, &keys).map_err(fail("write"))?;
        let blake3 = digest_file(&temp.file).map_err(fail("read back"))?;
        read_only(&temp.file).map_err(fail("make read-only"))?;
        temp.finish(self.folder)?;
        let entry = IndexShard { name: shard.name.clone(), samples: shard.rows, bytes, blake3, head };
        Ok(Packed { entry, keys, moments, resumed: false })
    }

    fn header(&self, shard: &PlanShard) -> Vec<u8> {
        let split = &self.plan.splits[shard.split];
        let metadata = ShardMetadata {
            split: split.name.clone(),
            shard: shard.shard,
            shards: split.shards,
            plan: self.digest,
        };
        encode_header(&metadata, shard.rows, self.plan.shape, self.plan.layout)
    }

    /// Reads the shard's records from the source, one after another, into `each`.
    fn records(
        &self,
        shard: &PlanShard,
        order: &RowOrder,
        mut each: impl FnMut(usize, SampleKey, &[u8]) -> Result<(), PackError>,
    ) -> Result<(), PackError> {
        let split = &self.plan.splits[shard.split];
        let classes = self.plan.classes.len();
        let mut record = vec![0; self.plan.shape.values()];
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
            self.source.read(shard.split, sample, &mut record)?;
            let id = (split.first_id + sample as u64) as i64; // below 64 x 2^32 by the plan
            each(row, SampleKey { id, label, hash: xxh3_64(&record) }, &record)?;
        }
        Ok(())
    }

    fn write_records(
        &self,
        temp: &mut Temp,
        head_len: u64,
        shard: &PlanShard,
        order: &RowOrder,
    ) -> Result<(Vec<SampleKey>, Moments), PackError> {
        let (path, needed) = (temp.path.clone(), temp.needed);
        let fail = |action| environment(&path, action, needed);
        temp.file.seek(SeekFrom::Start(head_len)).map_err(fail("write"))?;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &temp.file);
        let mut gathered = self.gather(shard);
        let mut report = Report::new(self.progress, self.plan.shape.values());
        let result = self.records(shard, order, |_, key, record| {
            out.write_all(record).map_err(fail("write"))?;
            gathered.add(self.plan, key, record);
            report.one();
            Ok(())
        });
        if result.is_err() {
            let _ = out.into_parts(); // what is buffered must not be written to a file that is being given up
            return result.map(|()| (Vec::new(), Moments::default()));
        }
        out.flush().map_err(fail("write"))?;
        report.flush();
        Ok((gathered.keys, gathered.moments))
    }

    fn write_head(&self, mut file: &File, header: Vec<u8>, keys: &[SampleKey]) -> io::Result<Digest> {
        let head = head(header, keys);
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&head)?;
        Ok(Digest::of(&head))
    }

    fn gather(&self, shard: &PlanShard) -> Gathered {
        let moments = Moments::new(&self.plan.splits[shard.split].name, self.plan.shape.channels);
        Gathered { keys: Vec::with_capacity(shard.rows), moments }
    }

    /// The shard, if an earlier run finished it and it says what the source says; anything else is written again.
    fn resume(&self, shard: &PlanShard, order: &RowOrder) -> Result<Option<Packed>, PackError> {
        let path = self.folder.file(&shard.name);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(environment(&path, "open", 0)(e)),
        };
        let header = self.header(shard);
        let head_len = head_bytes(&header, shard.rows);
        let bytes = head_len + (shard.rows * self.plan.shape.values()) as u64;
        let fail = |action| environment(&path, action, 0);
        if file.metadata().map_err(fail("stat"))?.len() != bytes {
            return Ok(None);
        }
        let mut found = vec![0; head_len as usize];
        file.read_exact(&mut found).map_err(fail("read"))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&found);
        let mut reader = io::BufReader::with_capacity(BUFFER_BYTES, &file);
        let mut stored = vec![0; self.plan.shape.values()];
        let mut gathered = self.gather(shard);
        let mut same = true;
        self.records(shard, order, |_, key, record| {
            reader.read_exact(&mut stored).map_err(fail("read"))?;
            hasher.update(&stored);
            same &= stored == record;
            gathered.add(self.plan, key, record);
            Ok(())
        })?;
        if !same || head(header, &gathered.keys) != found {
            return Ok(None);
        }
        self.progress.resumed(shard.rows as u64);
        let entry = IndexShard {
            name: shard.name.clone(),
            samples: shard.rows,
            bytes,
            blake3: Digest::from_bytes(hasher.finalize().into()),
            head: Digest::of(&found),
        };
        Ok(Some(Packed { entry, keys: gathered.keys, moments: gathered.moments, resumed: true }))
    }
}

/// The bytes before `data`: header, then the columns `label`, `id` and `hash`.
fn head(header: Vec<u8>, keys: &[SampleKey]) -> Vec<u8> {
    let mut head = header;
    head.reserve_exact(keys.len() * COLUMN_BYTES as usize);
    keys.iter().for_each(|k| head.extend(k.label.to_le_bytes()));
    keys.iter().for_each(|k| head.extend(k.id.to_le_bytes()));
    keys.iter().for_each(|k| head.extend(k.hash.to_le_bytes()));
    head
}

struct Gathered {
    keys: Vec<SampleKey>,
    moments: Moments,
}

impl Gathered {
    fn add(&mut self, plan: &Plan, key: SampleKey, record: &[u8]) {
        self.keys.push(key);
        self.moments.add(record, plan.shape, plan.layout);
    }
}

/// BLAKE3 of a whole file.
fn digest_file(mut file: &File) -> io::Result<Digest> {
    file.seek(SeekFrom::Start(0))?;
    let digest = blake3::Hasher::new().update_reader(file)?.finalize();
    Ok(Digest::from_bytes(digest.into()))
}

/// A finished shard is never written again; the mode says so to others.
fn read_only(file: &File) -> io::Result<()> {
    let mut permissions = file.metadata()?.permissions();
    permissions.set_readonly(true);
    file.set_permissions(permissions)
}

/// Tells progress in steps, so that its cost stays far below a record's.
struct Report<'a> {
    progress: &'a dyn PackProgress,
    record_bytes: u64,
    pending: u64,
}

impl<'a> Report<'a> {
    fn new(progress: &'a dyn PackProgress, record_bytes: usize) -> Self {
        Report { progress, record_bytes: record_bytes as u64, pending: 0 }
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
