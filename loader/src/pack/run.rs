//! A whole pack: plan, folder, shards in parallel, index last.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

use super::{
    error::PackError,
    folder::{Folder, Found},
    options::{PackOptions, PackOrder, PackProgress, PackReport},
    plan::Plan,
    writer::{Packed, Work},
};
use crate::{
    dataset::{
        ContentParts, Dataset, Element, Gaussian, INDEX_FILE, INDEX_FORMAT, INDEX_VERSION, Index, IndexPlan,
        IndexSplit, Moments, SampleKey, Verify, content_id, pack_id,
    },
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
    let (folder, found) = Folder::open(out, &plan)?;
    match found {
        Found::Finished => return already_complete(&folder, &plan),
        Found::Unfinished => folder.clean()?,
        Found::Nothing => {
            folder.clean()?;
            folder.begin(&plan)?;
        }
    }
    let samples: u64 = plan.splits.iter().map(|s| s.samples as u64).sum();
    progress.planned(samples, samples * plan.shape.values() as u64);
    let stop = AtomicBool::new(false);
    let work =
        Work { source, plan: &plan, digest: plan.digest(), folder: &folder, progress, cancel, stop: &stop };
    let packed = pack_shards(&work, options.jobs, options.order)?;
    // Only now: labels and digests were taken when the source was opened, and images in between.
    source.unchanged()?;
    let resumed_shards = packed.iter().filter(|p| p.resumed).count();
    let index = build_index(&plan, packed);
    let bytes = index.to_bytes();
    // Read as it will be by whoever opens it, so that nothing is ever written that is then refused.
    Index::parse(&folder.file(INDEX_FILE), &bytes).map_err(|e| PackError::Plan {
        what: "the index of this data set".into(),
        expected: "one that can be opened".into(),
        found: e.to_string(),
        hint: "the source is at fault",
    })?;
    folder.write(INDEX_FILE, &bytes)?;
    folder.end()?;
    Ok(report(&folder, &index, resumed_shards, false))
}

/// Packs every shard with `jobs` threads, this one among them, or as many as the system has to give. Of several
/// failures the one of the first shard is returned, so that the error does not depend on timing more than it must.
fn pack_shards(work: &Work<'_>, jobs: usize, order: PackOrder) -> Result<Vec<Packed>, PackError> {
    let shards = work.plan.shards();
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

fn build_index(plan: &Plan, packed: Vec<Packed>) -> Index {
    // The split called train; a source without one has its first split instead.
    let train = plan.splits.iter().position(|s| s.name == "train").unwrap_or(0);
    let mut moments = Moments::new(&plan.splits[train].name, plan.shape.channels);
    let mut splits: Vec<IndexSplit> = plan
        .splits
        .iter()
        .map(|s| IndexSplit { name: s.name.clone(), samples: s.samples, shards: Vec::new() })
        .collect();
    let mut keys: Vec<SampleKey> = Vec::new();
    for (shard, packed) in plan.shards().iter().zip(packed) {
        splits[shard.split].shards.push(packed.entry);
        keys.extend(packed.keys);
        if shard.split == train {
            moments.merge(&packed.moments);
        }
    }
    keys.sort_unstable();
    let names: Vec<_> = plan.splits.iter().map(|s| (s.name.as_str(), s.samples as u64)).collect();
    let parts = ContentParts {
        generator: &plan.source.generator,
        splits: &names,
        classes: &plan.classes,
        layout: plan.layout,
        shape: plan.shape,
    };
    let content = content_id(&parts, keys.into_iter());
    Index {
        format: INDEX_FORMAT.into(),
        version: INDEX_VERSION,
        content,
        pack: pack_id(content, &splits),
        element: Element {
            codec: plan.codec.clone(),
            dtype: "u8".into(),
            layout: plan.layout,
            shape: plan.shape,
        },
        classes: plan.classes.clone(),
        splits,
        gaussian: Gaussian::solve(&moments),
        moments,
        source: plan.source.clone(),
        plan: IndexPlan { digest: plan.digest(), writer: plan.writer.clone(), order: plan.order.clone() },
        check: Digest::from_bytes([0; 32]), // filled in by Index::to_bytes
    }
}

/// The folder has an index: either it is this plan's, and everything is done, or it is refused. Of the shards only
/// the lengths are compared: reading them is for a verification.
fn already_complete(folder: &Folder, plan: &Plan) -> Result<PackReport, PackError> {
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

fn report(folder: &Folder, index: &Index, resumed_shards: usize, already_complete: bool) -> PackReport {
    PackReport {
        content: index.content,
        pack: index.pack,
        plan: index.plan.digest,
        samples: index.samples(),
        bytes: index.bytes(),
        shards: index.splits.iter().map(|s| s.shards.len()).sum(),
        resumed_shards,
        already_complete,
        warnings: folder.warning().map(str::to_owned).into_iter().chain(index.gaussian.warnings()).collect(),
    }
}
