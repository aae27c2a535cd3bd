//! Records as they are stored: as the source gives them, or each as a zstd frame.
//!
//! The frames are a function of the record, the level, the dictionary and the version of zstd, all of which are in the
//! plan: one record is compressed by one thread, alone. The dictionary is trained once, on samples that the plan fixes,
//! by zstd's own trainer on one thread, so that every part of a pack trains the same one.

use std::{
    io,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use zstd_safe::{CCtx, CDict};

use super::{
    error::{PackError, environment},
    plan::Plan,
};
use crate::{dataset::ZstdPlan, shard::Codec, source::Source};

/// Bytes of samples that a dictionary is trained on, per byte of it: what zstd's authors advise.
const TRAINING_BYTES: u64 = 100;

/// How all threads compress.
pub(super) struct Compressor {
    level: i32,
    dictionary: Option<CDict<'static>>,
}

impl Compressor {
    pub fn new(plan: &ZstdPlan, dictionary: Option<&[u8]>) -> Self {
        let prepare = |bytes| CDict::create(bytes, plan.level);
        Compressor { level: plan.level, dictionary: dictionary.map(prepare) }
    }
}

/// Stores records one after another, on one thread.
pub(super) struct Encoder<'a> {
    zstd: Option<(&'a Compressor, CCtx<'static>)>,
    frame: Vec<u8>,
}

impl<'a> Encoder<'a> {
    /// An encoder for records of `record_bytes` bytes.
    pub fn new(compressor: Option<&'a Compressor>, record_bytes: usize) -> Self {
        let longest = Codec::Zstd.max_stored_bytes(record_bytes as u64) as usize;
        Encoder {
            frame: if compressor.is_some() { vec![0; longest] } else { Vec::new() },
            zstd: compressor.map(|c| (c, CCtx::create())),
        }
    }

    /// The bytes to store for `record`; `path` is where they go, for the error.
    pub fn encode<'b>(&'b mut self, record: &'b [u8], path: &Path) -> Result<&'b [u8], PackError> {
        let Some((compressor, context)) = &mut self.zstd else { return Ok(record) };
        let written = match &compressor.dictionary {
            None => context.compress(&mut self.frame[..], record, compressor.level),
            Some(dictionary) => context.compress_using_cdict(&mut self.frame[..], record, dictionary),
        };
        // The frame has room for the worst case, so what is left is memory.
        let failed = |code| io::Error::other(format!("zstd: {}", zstd_safe::get_error_name(code)));
        let written = written.map_err(failed).map_err(environment(path, "compress a record of", 0))?;
        Ok(&self.frame[..written])
    }
}

/// Trains the dictionary of a plan that has one, on samples of the split that moments are taken of: m of its n samples,
/// those with the numbers floor(i n / m) in the source's order.
pub(super) fn train_dictionary(
    source: &dyn Source,
    plan: &Plan,
    out: &Path,
    cancel: &AtomicBool,
) -> Result<Option<Vec<u8>>, PackError> {
    let Some(zstd) = plan.zstd.as_ref().filter(|z| z.dictionary_bytes > 0) else { return Ok(None) };
    let split = plan.moments_split();
    let Some(record) = plan.shape.record_bytes().map(|bytes| bytes as u64) else { return Ok(None) };
    let n = plan.splits[split].samples as u64;
    let m = (TRAINING_BYTES * zstd.dictionary_bytes / record).clamp(1, n);
    let mut samples = vec![0; (m * record) as usize];
    for (i, out_record) in (0..m).zip(samples.chunks_exact_mut(record as usize)) {
        if cancel.load(Ordering::Relaxed) {
            return Err(PackError::Interrupted { path: out.to_path_buf() });
        }
        let sample = u128::from(i) * u128::from(n) / u128::from(m); // below n, but the product may pass 2^64
        source.read(split, sample as usize, out_record)?;
    }
    let mut dictionary = vec![0; zstd.dictionary_bytes as usize];
    let sizes = vec![record as usize; m as usize];
    let trained = zstd_safe::train_from_buffer(&mut dictionary[..], &samples, &sizes);
    let length = trained.map_err(|code| PackError::Plan {
        what: "zstd dictionary".into(),
        expected: format!("samples to train {} bytes on", zstd.dictionary_bytes),
        found: format!("{m} samples of {record} bytes (zstd: {})", zstd_safe::get_error_name(code)),
        hint: "leave the dictionary out, or ask for fewer bytes",
    })?;
    dictionary.truncate(length);
    Ok(Some(dictionary))
}
