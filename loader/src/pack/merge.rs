//! Joins the parts of a pack into the data set that one machine would have written, byte for byte.
//!
//! Nothing is packed again and no record is read, unless files have to be copied: shards are linked into place where the
//! file system can (a hard link, so that parts stay whole and take no space twice), else copied and compared with their
//! digest. Labels, ids, hashes and columns come from the shards' heads, which are checked; the index is written last.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    assemble::Whole,
    error::{PackError, environment},
    folder::{Folder, Found},
    options::{PackProgress, PackReport},
    part::{Part, PartFile},
    plan::{Plan, PlanShard},
    run::already_complete,
};
use crate::{
    dataset::{DICTIONARY_FILE, IndexShard, SampleKey, Samples},
    digest::Digest,
    shard::{Expected, FormatError, MappedShard},
};

const CHUNK_BYTES: usize = 1 << 20;

/// Joins the finished parts in the folders `parts` into the data set `out`, which must be new, empty, or hold this very
/// merge, finished or not. The parts are left as they are; where `out` is on their file system it shares its shards with them.
///
/// # Errors
/// [`PackError::Merge`] if the parts are of different plans, or one is missing, there twice, unfinished or damaged; otherwise
/// as [`pack`](super::pack()).
pub fn merge(
    parts: &[PathBuf],
    out: &Path,
    progress: &dyn PackProgress,
    cancel: &AtomicBool,
) -> Result<PackReport, PackError> {
    let (plan, parts) = complete(parts)?;
    let (folder, found) = Folder::open(out, &plan, None)?;
    if found == Found::Finished {
        return already_complete(&folder, &plan);
    }
    folder.clean()?;
    if found == Found::Nothing {
        folder.begin(&plan)?;
    }
    let samples: u64 = plan.splits.iter().map(|s| s.samples as u64).sum();
    progress.planned(samples, plan.record_bytes(samples));
    let dictionary = parts[0].1.dictionary.clone();
    let mut whole = Whole::new(&plan, dictionary);
    if let Some(dictionary) = &whole.dictionary {
        place(&folder, &parts[0].0, DICTIONARY_FILE, dictionary.bytes, dictionary.blake3)?;
    }
    for (path, part) in &parts {
        for (shard, entry) in part.part.shards(&plan).iter().zip(&part.shards) {
            if cancel.load(Ordering::Relaxed) {
                return Err(PackError::Interrupted { path: out.to_path_buf() });
            }
            place(&folder, path, &shard.name, entry.bytes, entry.blake3)?;
            whole.samples.append(samples_of(&plan, shard, entry, &folder.file(&shard.name))?);
            whole.shards.push(entry.clone());
            progress.packed(shard.rows as u64, plan.record_bytes(shard.rows as u64));
        }
        whole.moments.merge(&part.moments);
    }
    whole.finish(&plan, &folder, 0)
}

/// The parts in order, if they are all parts of one plan, each once.
fn complete(paths: &[PathBuf]) -> Result<(Plan, Vec<(PathBuf, PartFile)>), PackError> {
    let mut plan: Option<Plan> = None;
    let mut parts: Vec<(PathBuf, PartFile)> = Vec::new();
    for path in paths {
        let (its_plan, part) = PartFile::read(path)?;
        part.check_lengths(path)?;
        let wrong = |what, expected, found, hint| {
            Err(PackError::Merge { path: path.clone(), what, expected, found, hint })
        };
        if let Some((first, one)) = parts.first() {
            let as_in = |text: String| format!("{text}, as in {}", first.display());
            if part.plan != one.plan {
                let hint = "the parts were packed from different sources, with other options, or by other versions: pack them alike";
                return wrong("plan", as_in(one.plan.to_string()), part.plan.to_string(), hint);
            }
            if part.part.of() != one.part.of() {
                let hint = "pack all parts with the same N in --part K/N";
                return wrong(
                    "number of parts",
                    as_in(one.part.of().to_string()),
                    part.part.of().to_string(),
                    hint,
                );
            }
            if part.dictionary != one.dictionary {
                let text =
                    |p: &PartFile| p.dictionary.as_ref().map_or("none".into(), |d| d.blake3.to_string());
                let hint = "delete the part's folder and pack it again";
                return wrong("dictionary", as_in(text(one)), text(&part), hint);
            }
        }
        if let Some((twice, _)) = parts.iter().find(|(_, p)| p.part == part.part) {
            let found = format!("part {} in {} too", part.part, twice.display());
            return wrong("part", "each part once".into(), found, "give each part's folder once");
        }
        plan.get_or_insert(its_plan);
        parts.push((path.clone(), part));
    }
    let (Some(plan), Some((path, first))) = (plan, parts.first()) else {
        let (path, expected) = (PathBuf::from("merge"), "one or more folders of parts".into());
        let (found, hint) = ("none".into(), "give the folders that rfx-pack --part wrote");
        return Err(PackError::Merge { path, what: "parts", expected, found, hint });
    };
    let of = first.part.of();
    let there = |k: &u32| parts.iter().any(|(_, p)| Part::new(*k, of) == Some(p.part));
    let missing: Vec<_> = (0..of).filter(|k| !there(k)).collect();
    if !missing.is_empty() {
        let hint = "pack the missing parts, then merge all of them";
        let (expected, found) = (format!("all of 0 to {}", of - 1), format!("all but {}", ranges(&missing)));
        return Err(PackError::Merge { path: path.clone(), what: "parts", expected, found, hint });
    }
    parts.sort_by_key(|(_, p)| p.part);
    Ok((plan, parts))
}

/// Rising numbers as text, runs of them shortened: `1, 4 to 6`.
fn ranges(numbers: &[u32]) -> String {
    let runs = numbers.chunk_by(|a, b| a + 1 == *b);
    let text = runs.map(|run| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first} to {last}"),
        [] => String::new(),
    });
    text.collect::<Vec<_>>().join(", ")
}

/// Puts the file `name` of the folder `from` into `folder`, unless it is there already, whole.
fn place(folder: &Folder, from: &Path, name: &str, bytes: u64, digest: Digest) -> Result<(), PackError> {
    let (source, target) = (from.join(name), folder.file(name));
    match File::open(&target) {
        Ok(file) if digest_of(&file).map_err(environment(&target, "read", 0))? == digest => return Ok(()),
        Ok(_) => fs::remove_file(&target).map_err(environment(&target, "remove a damaged file at", 0))?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(environment(&target, "open", 0)(e)),
    }
    // Shards are never written to again, so two names for one file are as good as two files. A link is there at once
    // and whole. Any failure of it (another file system, one without links, no permission) is a reason to copy.
    if fs::hard_link(&source, &target).is_ok() {
        // A part that came here by a copy may not be durable yet.
        let synced = File::open(&target).and_then(|file| file.sync_all());
        synced.map_err(environment(&target, "sync", bytes))?;
        return folder.sync();
    }
    let mut temp = folder.create(name, bytes)?;
    let mut reader = File::open(&source).map_err(environment(&source, "open", 0))?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let n = reader.read(&mut buffer).map_err(environment(&source, "read", 0))?;
        if n == 0 {
            break;
        }
        hasher.update(&buffer[..n]);
        temp.file.write_all(&buffer[..n]).map_err(environment(&temp.path, "write", bytes))?;
    }
    let found = Digest::from_bytes(hasher.finalize().into());
    if found != digest {
        return Err(FormatError::Checksum { path: source, what: "the file", expected: digest, found }.into());
    }
    temp.read_only()?;
    temp.finish(folder)
}

fn digest_of(file: &File) -> io::Result<Digest> {
    Ok(Digest::from_bytes(blake3::Hasher::new().update_reader(file)?.finalize().into()))
}

/// The samples of a shard, from its head, which is checked.
fn samples_of(plan: &Plan, shard: &PlanShard, entry: &IndexShard, path: &Path) -> Result<Samples, PackError> {
    let (split, digest) = (&plan.splits[shard.split], plan.digest());
    let raw_bytes = plan.record_bytes(shard.rows as u64);
    let expected = Expected {
        path,
        split: &split.name,
        shard: shard.shard,
        shards: split.shards,
        samples: shard.rows,
        bytes: entry.bytes,
        data_bytes: entry.data_bytes.unwrap_or(raw_bytes),
        plan: digest,
        image: plan.shape,
        layout: plan.layout,
        codec: plan.codec,
        columns: plan.columns.iter().map(String::as_str).collect(),
    };
    let mapped = MappedShard::open(&expected, entry.head)?;
    let mut samples = Samples::new(plan.columns.len(), shard.rows);
    let keys = mapped.ids().zip(mapped.labels()).enumerate();
    samples.keys.extend(keys.map(|(row, (id, label))| SampleKey {
        id,
        label,
        hash: mapped.record_hash(row),
    }));
    for (number, column) in samples.columns.iter_mut().enumerate() {
        column.extend(mapped.column(number));
    }
    mapped.intact()?; // else these may be zeros
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_as_runs() {
        assert_eq!(ranges(&[1]), "1");
        assert_eq!(ranges(&[0, 1, 2, 4, 7, 8]), "0 to 2, 4, 7 to 8");
    }
}
