//! A whole pack: plan, folder, shards in parallel, index last.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use super::{
    assemble::{Whole, report},
    encode::{Compressor, train_dictionary},
    error::PackError,
    folder::{Folder, Found},
    options::{PackOptions, PackOrder, PackProgress, PackReport},
    plan::{Plan, PlanShard},
    writer::{Packed, Work},
};
use crate::{
    dataset::{DICTIONARY_FILE, Dataset, INDEX_FILE, IndexDictionary, Verify},
    digest::Digest,
    shard::FormatError,
    source::Source,
};

/// Packs `source` into the folder `out`, which must be new, empty, or hold this very pack, finished or not.
///
/// The bytes written are the same for any number of jobs and however often the pack was stopped or killed on the
/// way: each shard appears whole or not at all, and a later run of the same plan compares it with the source and
/// goes on. `cancel` is looked at between records.
///
/// # Errors
/// [`PackError`]. A pack that was refused because of what is in the folder has changed nothing there. One that failed
/// later leaves no `dataset.json`, and the same call goes on from what is there.
pub fn pack(
    source: &dyn Source,
    out: &Path,
    options: &PackOptions,
    progress: &dyn PackProgress,
    cancel: &AtomicBool,
) -> Result<PackReport, PackError> {
    let plan = Plan::new(source, options)?;
    let (folder, found) = Folder::open(out, &plan, None)?;
    if found == Found::Finished {
        return already_complete(&folder, &plan);
    }
    let asked = Asked { source, jobs: options.jobs, order: options.order, progress, cancel };
    let (packed, dictionary) = asked.pack_shards(&plan, &folder, found, &plan.shards())?;
    let resumed_shards = packed.iter().filter(|p| p.resumed).count();
    let mut whole = Whole::new(&plan, dictionary);
    for (shard, packed) in plan.shards().iter().zip(packed) {
        if shard.split == plan.moments_split() {
            whole.moments.merge(&packed.moments);
        }
        whole.samples.append(packed.samples);
        whole.shards.push(packed.entry);
    }
    whole.finish(&plan, &folder, resumed_shards)
}

/// What the caller of a pack wants done, and how.
pub(super) struct Asked<'a> {
    pub source: &'a dyn Source,
    pub jobs: usize,
    pub order: PackOrder,
    pub progress: &'a dyn PackProgress,
    pub cancel: &'a AtomicBool,
}

impl Asked<'_> {
    /// Packs these shards of `plan` into `folder`, in which `found` was, and the dictionary if there is one.
    pub fn pack_shards(
        &self,
        plan: &Plan,
        folder: &Folder,
        found: Found,
        shards: &[PlanShard],
    ) -> Result<(Vec<Packed>, Option<IndexDictionary>), PackError> {
        folder.clean()?;
        if found == Found::Nothing {
            folder.begin(plan)?;
        }
        let samples: u64 = shards.iter().map(|s| s.rows as u64).sum();
        self.progress.planned(samples, plan.record_bytes(samples));
        let dictionary = train_dictionary(self.source, plan, folder.path(), self.cancel)?;
        if let Some(bytes) = &dictionary {
            folder.write(DICTIONARY_FILE, bytes)?;
        }
        let compressor = plan.zstd.as_ref().map(|zstd| Compressor::new(zstd, dictionary.as_deref()));
        let stop = AtomicBool::new(false);
        let work = Work {
            source: self.source,
            plan,
            digest: plan.digest(),
            folder,
            compressor: compressor.as_ref(),
            progress: self.progress,
            cancel: self.cancel,
            stop: &stop,
        };
        let packed = in_parallel(&work, shards, self.jobs, self.order)?;
        // Only now: labels and digests were taken when the source was opened, and images in between.
        self.source.unchanged()?;
        let listed =
            |bytes: Vec<u8>| IndexDictionary { bytes: bytes.len() as u64, blake3: Digest::of(&bytes) };
        Ok((packed, dictionary.map(listed)))
    }
}

/// Packs `shards` with `jobs` threads, this one among them, or as many as the system has to give. Of several
/// failures the one of the first shard is returned, so that the error does not depend on timing more than it must.
fn in_parallel(
    work: &Work<'_>,
    shards: &[PlanShard],
    jobs: usize,
    order: PackOrder,
) -> Result<Vec<Packed>, PackError> {
    let orders: Vec<_> = (0..work.plan.splits.len()).map(|s| work.plan.row_order(s, order)).collect();
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            // Relaxed: the counter only deals out numbers; results are published by joining the thread.
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(shard) = shards.get(i) else { return done };
            let result = work.shard(shard, &orders[shard.split]);
            let failed = result.is_err();
            done.push((i, result));
            if failed {
                work.stop.store(true, Ordering::Relaxed);
                return done;
            }
        }
    };
    let mut results = thread::scope(|scope| {
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, worker).ok();
        let handles: Vec<_> = (1..jobs.min(shards.len())).map_while(spawn).collect();
        let mut results = worker();
        for handle in handles {
            // A panic of a worker is a broken invariant (of rfx or of a foreign Source): it goes on in the caller.
            results.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    });
    results.sort_by_key(|(i, _)| *i);
    // Workers stopped because of another's failure report `Interrupted`: the failure itself comes before them.
    let cancelled = work.cancel.load(Ordering::Relaxed);
    let is_cause = |e: &PackError| cancelled || !matches!(e, PackError::Interrupted { .. });
    if let Some(at) = results.iter().position(|(_, r)| r.as_ref().is_err_and(is_cause)) {
        return results.swap_remove(at).1.map(|p| vec![p]);
    }
    results.into_iter().map(|(_, result)| result).collect()
}

/// The folder has an index: either it is this plan's, and everything is done, or it is refused. Of the shards only
/// the lengths are compared: reading them is for a verification.
pub(super) fn already_complete(folder: &Folder, plan: &Plan) -> Result<PackReport, PackError> {
    let path = folder.file(INDEX_FILE);
    let dataset = match Dataset::open(folder.path(), Verify::Once) {
        Ok(dataset) => dataset,
        // These advise to pack again, which is what was just tried.
        Err(e @ (FormatError::Json { .. } | FormatError::Field { .. } | FormatError::Checksum { .. })) => {
            return Err(PackError::DamagedIndex { path, source: Box::new(e) });
        }
        Err(error) => return Err(error.into()),
    };
    let index = dataset.index();
    let expected = plan.digest();
    if index.plan.digest != expected {
        return Err(PackError::OtherPlan { path, expected, found: index.plan.digest });
    }
    for shard in index.splits.iter().flat_map(|s| &s.shards) {
        let path = folder.file(&shard.name);
        let found = match std::fs::metadata(&path) {
            Ok(m) if m.len() == shard.bytes => continue,
            Ok(m) => m.len().to_string(),
            Err(e) => e.to_string(),
        };
        return Err(PackError::DamagedOutput { path, expected: shard.bytes, found });
    }
    folder.clean()?;
    folder.end()?; // a run killed between its last two steps has left the journal
    Ok(report(folder, index, 0, true))
}
