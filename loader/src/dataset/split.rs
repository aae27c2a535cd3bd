//! One split of a data set: ids and labels in memory, records in the maps.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use xxhash_rust::xxh3::xxh3_64;

use super::{
    index::Index,
    open::Verify,
    shards::{check_columns, dictionary, expectation, unknown_column},
};
use crate::{
    decode::DecodeError,
    shard::{Decoder, Dictionary, FormatError, MappedShard},
};

/// A split, mapped. Cheap to clone. A *position* is the rank of a sample's id in the split, from 0.
///
/// Costs 16 bytes of memory per sample for ids and labels, 4 more where rows are not stored in id order, and one
/// bit for [`Verify::Once`], and 8 for each column that was asked for. Reading a raw record costs no copy and no system
/// call; a compressed one is decompressed by the reading thread's [`Decoder`].
#[derive(Clone)]
pub struct Split(Arc<Inner>);

struct Inner {
    dataset: PathBuf,
    name: String,
    ids: Vec<i64>,
    labels: Arc<[i64]>,
    /// Name and values in id order of each column, once they were asked for.
    columns: Vec<(String, OnceLock<Arc<[i64]>>)>,
    dictionary: Option<Dictionary>,
    /// Stored row (over all shards) of each position; `None` where rows are stored in id order.
    rows: Option<Vec<u32>>,
    shards: Vec<MappedShard>,
    /// First stored row of each shard.
    starts: Vec<usize>,
    verify: Verify,
    /// One bit per stored row: its hash was compared and agreed.
    checked: Vec<AtomicU64>,
}

impl fmt::Debug for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Split").field("name", &self.0.name).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Split {
    pub(super) fn open(
        dataset: &Path,
        index: &Index,
        number: usize,
        verify: Verify,
    ) -> Result<Split, FormatError> {
        let split = &index.splits[number];
        let dictionary = dictionary(dataset, index)?;
        let (mut shards, mut starts) = (Vec::new(), Vec::new());
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        for (i, entry) in split.shards.iter().enumerate() {
            let path = dataset.join(&entry.name);
            let shard = MappedShard::open(&expectation(index, number, i, &path), entry.head)?;
            let columns = check_columns(&shard, index);
            starts.push(ids.len());
            ids.extend(shard.ids());
            labels.extend(shard.labels());
            // The head was sound when it was digested; if it has gone since, these are zeros and not labels.
            shard.intact()?;
            columns?;
            shards.push(shard);
        }
        let mut rows = None;
        if !ids.is_sorted_by(|a, b| a < b) {
            let mut order: Vec<u32> = (0..ids.len()).map(|r| r as u32).collect(); // at most 2^32 rows by the index
            order.sort_unstable_by_key(|&r| (ids[r as usize], r));
            let at = |r: u32| (ids[r as usize], r);
            if let Some(pair) = order.windows(2).find(|p| at(p[0]).0 == at(p[1]).0) {
                let row = pair[1] as usize;
                let shard = starts.partition_point(|&s| s <= row) - 1;
                return Err(FormatError::Field {
                    path: shards[shard].path().to_path_buf(),
                    field: format!("id[{}]", row - starts[shard]),
                    offset: Some(shards[shard].id_offset(row - starts[shard])),
                    expected: "an id that no other sample of the split has".into(),
                    found: ids[row].to_string(),
                });
            }
            ids = order.iter().map(|&r| ids[r as usize]).collect();
            labels = order.iter().map(|&r| labels[r as usize]).collect();
            rows = Some(order);
        }
        let words = if verify == Verify::Once { ids.len().div_ceil(64) } else { 0 };
        Ok(Split(Arc::new(Inner {
            dataset: dataset.to_path_buf(),
            name: split.name.clone(),
            checked: (0..words).map(|_| AtomicU64::new(0)).collect(),
            ids,
            labels: labels.into(),
            columns: index.columns.iter().map(|c| (c.name.clone(), OnceLock::new())).collect(),
            dictionary,
            rows,
            shards,
            starts,
            verify,
        })))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Number of samples.
    pub fn len(&self) -> usize {
        self.0.ids.len()
    }

    /// Never true: a split has at least one sample.
    pub fn is_empty(&self) -> bool {
        self.0.ids.is_empty()
    }

    /// Ids, rising.
    pub fn ids(&self) -> &[i64] {
        &self.0.ids
    }

    /// Labels in id order, each below the number of classes.
    pub fn labels(&self) -> &[i64] {
        &self.0.labels
    }

    /// The column `name` in id order, read when it is first asked for.
    ///
    /// # Errors
    /// [`FormatError::UnknownColumn`]; [`FormatError::ShrankWhileMapped`] with the SIGBUS guard on.
    pub fn column(&self, name: &str) -> Result<&[i64], FormatError> {
        self.shared_column(name).map(|values| &values[..])
    }

    /// The labels, or the column that is to be taken for them.
    pub(crate) fn label_values(&self, column: Option<&str>) -> Result<Arc<[i64]>, FormatError> {
        column.map_or(Ok(&self.0.labels), |name| self.shared_column(name)).cloned()
    }

    fn shared_column(&self, name: &str) -> Result<&Arc<[i64]>, FormatError> {
        let inner = &*self.0;
        let Some(number) = inner.columns.iter().position(|(n, _)| n == name) else {
            return Err(unknown_column(&inner.dataset, inner.columns.iter().map(|(n, _)| n), name));
        };
        let values = &inner.columns[number].1;
        if let Some(values) = values.get() {
            return Ok(values);
        }
        let stored: Arc<[i64]> = inner.shards.iter().flat_map(|s| s.column(number)).collect();
        self.intact()?; // else these may be zeros and not values
        let in_id_order = match &inner.rows {
            None => stored,
            Some(rows) => rows.iter().map(|&r| stored[r as usize]).collect(),
        };
        Ok(values.get_or_init(|| in_id_order))
    }

    /// The record of the sample at `position`: its image, `u8` in the data set's shape and layout, decompressed into
    /// `decoder`'s memory where records are compressed; or the JPEG, where images are encoded.
    ///
    /// # Errors
    /// [`FormatError::Position`] outside `0..len`; [`FormatError::RecordDecode`] if a compressed record is damaged;
    /// [`FormatError::RecordHash`] if the image is not the one packed (checked as the data set's [`Verify`] says);
    /// [`FormatError::ShrankWhileMapped`] with the SIGBUS guard on.
    #[inline]
    pub fn record<'a>(&'a self, position: usize, decoder: &'a mut Decoder) -> Result<&'a [u8], FormatError> {
        let (shard, row, stored) = self.locate(position)?;
        let shard_at = &self.0.shards[shard];
        shard_at.intact()?;
        let record = shard_at
            .record(row, self.0.dictionary.as_ref(), decoder)
            .map_err(|message| self.undecoded(shard, row, message))?;
        match self.0.verify {
            Verify::Never => {}
            Verify::Always => self.check(shard, row, record)?,
            Verify::Once => {
                // Relaxed: the bit guards no other memory (the record's bytes never change); at worst two threads
                // both check one record.
                let (word, bit) = (&self.0.checked[stored / 64], 1 << (stored % 64));
                if word.load(Ordering::Relaxed) & bit == 0 {
                    self.check(shard, row, record)?;
                    word.fetch_or(bit, Ordering::Relaxed);
                }
            }
        }
        Ok(record)
    }

    /// Height, width and channels of the encoded image at `position`, as stored; `None` where images are not encoded.
    ///
    /// # Errors
    /// [`FormatError::Position`] outside `0..len`; [`FormatError::ShrankWhileMapped`] with the SIGBUS guard on.
    #[inline]
    pub fn encoded_shape(&self, position: usize) -> Result<Option<[usize; 3]>, FormatError> {
        let (shard, row, _) = self.locate(position)?;
        let shape = self.0.shards[shard].shape(row);
        self.0.shards[shard].intact()?; // else these may be zeros
        Ok(shape)
    }

    /// The stored bytes of the record at `position`, unchecked and perhaps compressed; empty if out of range.
    #[inline]
    pub(crate) fn stored(&self, position: usize) -> &[u8] {
        self.locate(position).map_or(&[], |(shard, row, _)| self.0.shards[shard].stored(row))
    }

    /// The row over all shards that the record at `position` is stored in.
    ///
    /// # Panics
    /// If `position` is out of range.
    #[inline]
    pub(crate) fn stored_row(&self, position: usize) -> usize {
        assert!(position < self.len(), "position {position} of {}", self.len());
        self.0.rows.as_ref().map_or(position, |rows| rows[position] as usize)
    }

    /// Asks the system to fetch the record at `position` before it is needed; only a hint, nothing if out of range.
    pub fn prefetch(&self, position: usize) {
        if let Ok((shard, row, _)) = self.locate(position) {
            self.0.shards[shard].prefetch(row);
        }
    }

    /// Bytes of its shards that are in the page cache now; 0 where the system does not tell. Costs a byte per page for
    /// as long as it takes.
    pub fn resident_bytes(&self) -> u64 {
        self.0.shards.iter().map(MappedShard::resident_bytes).sum()
    }

    /// Drops the split's pages from this process; they are read again when needed. For measurements of cold reads.
    pub fn evict(&self) {
        self.0.shards.iter().for_each(MappedShard::evict);
    }

    /// Whether no shard was found torn since it was mapped. Costs one load per shard.
    ///
    /// # Errors
    /// [`FormatError::ShrankWhileMapped`]; only ever with the guard installed
    /// ([`install_sigbus_guard`](crate::shard::install_sigbus_guard)).
    pub fn intact(&self) -> Result<(), FormatError> {
        self.0.shards.iter().try_for_each(MappedShard::intact)
    }

    /// Shard, row in it, and stored row of `position`.
    #[inline]
    fn locate(&self, position: usize) -> Result<(usize, usize, usize), FormatError> {
        if position >= self.len() {
            return Err(self.out_of_range(position));
        }
        let stored = self.0.rows.as_ref().map_or(position, |rows| rows[position] as usize);
        let shard = self.0.starts.partition_point(|&s| s <= stored) - 1;
        Ok((shard, stored - self.0.starts[shard], stored))
    }

    #[cold]
    fn out_of_range(&self, position: usize) -> FormatError {
        let (path, split) = (self.0.dataset.clone(), self.0.name.clone());
        FormatError::Position { path, split, expected: self.len(), found: position }
    }

    /// That the encoded image at `position` cannot be decoded.
    #[cold]
    pub(crate) fn no_image(&self, position: usize, error: &DecodeError) -> FormatError {
        let (shard, row, _) = match self.locate(position) {
            Ok(found) => found,
            Err(error) => return error,
        };
        let at = &self.0.shards[shard];
        // Pages that went away read as zeros under the guard: say that, not that the bytes are wrong.
        if let Err(gone) = at.intact() {
            return gone;
        }
        FormatError::RecordImage {
            path: at.path().to_path_buf(),
            shard,
            row,
            id: self.0.ids[position],
            offset: at.stored_range(row).start as u64,
            message: error.to_string(),
        }
    }

    #[cold]
    fn undecoded(&self, shard: usize, row: usize, message: String) -> FormatError {
        let at = &self.0.shards[shard];
        // Pages that went away read as zeros under the guard: say that, not that the bytes are wrong.
        if let Err(gone) = at.intact() {
            return gone;
        }
        FormatError::RecordDecode {
            path: at.path().to_path_buf(),
            shard,
            row,
            id: self.id_of_stored(shard, row),
            offset: at.stored_range(row).start as u64,
            message,
        }
    }

    fn id_of_stored(&self, shard: usize, row: usize) -> i64 {
        let stored = self.0.starts[shard] + row;
        let position =
            self.0.rows.as_ref().map_or(Some(stored), |rows| rows.iter().position(|&r| r as usize == stored));
        position.map_or(-1, |p| self.0.ids[p])
    }

    fn check(&self, shard: usize, row: usize, record: &[u8]) -> Result<(), FormatError> {
        let at = &self.0.shards[shard];
        let (expected, found) = (at.record_hash(row), xxh3_64(record));
        if expected == found {
            return Ok(());
        }
        // Pages that went away read as zeros under the guard: say that, not that the bytes are wrong.
        at.intact()?;
        Err(FormatError::RecordHash {
            path: at.path().to_path_buf(),
            shard,
            row,
            id: self.id_of_stored(shard, row),
            offset: at.stored_range(row).start as u64,
            expected,
            found,
        })
    }
}
