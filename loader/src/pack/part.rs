//! One part of a pack, for machines that share the work: whole shards of the one plan, in a folder of their own.
//!
//! Every part makes the same plan from the same source and packs a run of its shards; `part.json`, written last, is what
//! [`merge`](super::merge()) needs to know of them. The bytes of a shard do not depend on who packs it.

use std::{fmt, fs, io::Read, path::Path, str::FromStr, sync::atomic::AtomicBool};

use serde::{Deserialize, Serialize};

use super::{
    error::{PackError, environment},
    folder::{Folder, Found},
    journal::read_journal,
    options::{PackOptions, PackProgress},
    plan::{Plan, PlanShard},
    run::Asked,
};
use crate::{
    dataset::{IndexDictionary, IndexShard, MAX_SHARDS, Moments, check_seal, sealed},
    digest::Digest,
    dtype::UnknownName,
    file::{is_there, open_regular},
    shard::{FormatError, json_message, json_offset},
    source::Source,
};

/// Name of the file that makes a part a finished one.
pub(super) const PART_FILE: &str = "part.json";
const PART_FORMAT: &str = "rfx-part/1";
const MAX_PART_BYTES: u64 = 64 << 20;

/// Part number `number` of `of`, counted from 0: `0/4` to `3/4`. It holds a run of the plan's shards, counted over all
/// splits: from floor(number S / of) up to floor((number + 1) S / of) of S, which may be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    number: u32,
    of: u32,
}

impl Part {
    /// Part `number` of `of`; `None` unless `number < of`, and `of` at most the most shards a data set can have.
    pub fn new(number: u32, of: u32) -> Option<Part> {
        (number < of && of as usize <= MAX_SHARDS).then_some(Part { number, of })
    }

    /// Its number, from 0.
    pub fn number(self) -> u32 {
        self.number
    }

    /// How many parts there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// The shards of `plan` that it holds.
    pub(super) fn shards(self, plan: &Plan) -> Vec<PlanShard> {
        let all = plan.shards();
        let cut = |number: u32| number as usize * all.len() / self.of as usize;
        let (first, end) = (cut(self.number), cut(self.number + 1));
        all.into_iter().take(end).skip(first).collect()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Part {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        numbers.and_then(|(number, of)| Part::new(number, of)).ok_or_else(|| UnknownName {
            field: "part",
            found: text.into(),
            expected: "K/N, parts numbered from 0: 0/4, 1/4, 2/4, 3/4",
        })
    }
}

impl Serialize for Part {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What packing a part made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartReport {
    /// The part.
    pub part: Part,
    /// Digest of the plan that all parts share.
    pub plan: Digest,
    /// Samples of the part's shards.
    pub samples: u64,
    /// Bytes of the part's shards.
    pub bytes: u64,
    /// Number of the part's shards; may be 0.
    pub shards: usize,
    /// Shards of all parts together.
    pub plan_shards: usize,
    /// Shards that were there from an earlier run.
    pub resumed_shards: usize,
    /// Whether the part was already there, with shards of the right lengths, and nothing was written.
    pub already_complete: bool,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// What `part.json` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartFile {
    format: String,
    /// Digest of the plan.
    pub plan: Digest,
    pub part: Part,
    pub dictionary: Option<IndexDictionary>,
    /// Of those of the part's samples that count for them.
    pub moments: Moments,
    pub shards: Vec<IndexShard>,
    check: Digest,
}

impl PartFile {
    /// Reads the plan and the summary of the finished part in the folder `path`.
    pub fn read(path: &Path) -> Result<(Plan, PartFile), PackError> {
        let file = path.join(PART_FILE);
        if !is_there(&file).map_err(environment(&file, "look at", 0))? {
            let expected = format!("a finished part of a pack, with a {PART_FILE}");
            let hint = "give the folders that rfx-pack --part wrote, each finished; an unfinished one goes on with the same command";
            let (path, found) = (path.to_path_buf(), "none".into());
            return Err(PackError::Merge { path, what: "folder", expected, found, hint });
        }
        let mut bytes = Vec::new();
        open_regular(&file)
            .and_then(|f| f.take(MAX_PART_BYTES).read_to_end(&mut bytes))
            .map_err(environment(&file, "read", 0))?;
        check_seal(&file, "the part's summary", &bytes)?;
        let part: PartFile = serde_json::from_slice(&bytes).map_err(|e| FormatError::Json {
            path: file.clone(),
            field: "part",
            offset: json_offset(&bytes, &e),
            message: json_message(&e),
        })?;
        let (plan, journalled) = read_journal(path)?;
        let wrong = |what, expected: String, found: String| {
            let hint = "delete the part's folder and pack it again";
            Err(PackError::Merge { path: file.clone(), what, expected, found, hint })
        };
        if part.format != PART_FORMAT {
            return wrong("format", PART_FORMAT.into(), crate::shard::shown(&part.format));
        }
        if part.plan != plan.digest() {
            return wrong("plan", format!("{} of plan.json", plan.digest()), part.plan.to_string());
        }
        if journalled != Some(part.part) {
            let found = journalled.map_or("none".into(), |p| p.to_string());
            return wrong("part", format!("{} in plan.json", part.part), found);
        }
        let expected = part.part.shards(&plan);
        let same = |(p, e): (&PlanShard, &IndexShard)| p.name == e.name && p.rows == e.samples;
        if expected.len() != part.shards.len() || !expected.iter().zip(&part.shards).all(same) {
            let names: Vec<_> = part.shards.iter().map(|s| s.name.as_str()).collect();
            let found = crate::shard::shown(&names.join(", "));
            return wrong("shards", format!("those of part {}", part.part), found);
        }
        Ok((plan, part))
    }

    /// Checks that the shards in the folder `path` have the lengths they were packed with.
    pub fn check_lengths(&self, path: &Path) -> Result<(), PackError> {
        for shard in &self.shards {
            let path = path.join(&shard.name);
            let found = match fs::metadata(&path) {
                Ok(m) if m.len() == shard.bytes => continue,
                Ok(m) => m.len().to_string(),
                Err(e) => e.to_string(),
            };
            return Err(PackError::DamagedOutput { path, expected: shard.bytes, found });
        }
        Ok(())
    }
}

/// Packs one part of `source` into the folder `out`, as [`pack`](super::pack()) packs all of it: the same bytes for any number
/// of jobs, going on from where it was stopped or killed. All parts need the same source and options, `jobs` apart, and each a
/// folder of its own. [`merge`](super::merge()) makes the data set of them.
///
/// # Errors
/// As [`pack`](super::pack()); [`PackError::OtherPart`] if the folder is another part's.
pub fn pack_part(
    source: &dyn Source,
    part: Part,
    out: &Path,
    options: &PackOptions,
    progress: &dyn PackProgress,
    cancel: &AtomicBool,
) -> Result<PartReport, PackError> {
    let plan = Plan::new(source, options)?;
    let (folder, found) = Folder::open(out, &plan, Some(part))?;
    let report = |file: &PartFile, resumed_shards, already_complete| PartReport {
        part,
        plan: file.plan,
        samples: file.shards.iter().map(|s| s.samples as u64).sum(),
        bytes: file.shards.iter().map(|s| s.bytes).sum(),
        shards: file.shards.len(),
        plan_shards: plan.shards().len(),
        resumed_shards,
        already_complete,
        warnings: folder.warning().map(str::to_owned).into_iter().collect(),
    };
    if found == Found::Finished {
        let (_, file) = PartFile::read(out)?;
        file.check_lengths(out)?;
        folder.clean()?;
        return Ok(report(&file, 0, true));
    }
    let asked = Asked { source, jobs: options.jobs, order: options.order, progress, cancel };
    let (packed, dictionary) = asked.pack_shards(&plan, &folder, found, &part.shards(&plan))?;
    let mut moments = Moments::new(&plan.splits[plan.moments_split()].name, plan.shape.channels());
    let mut shards = Vec::new();
    let resumed_shards = packed.iter().filter(|p| p.resumed).count();
    for (shard, packed) in part.shards(&plan).iter().zip(packed) {
        if shard.split == plan.moments_split() {
            moments.merge(&packed.moments);
        }
        shards.push(packed.entry);
    }
    let check = Digest::from_bytes([0; 32]); // filled in when it is sealed
    let format = PART_FORMAT.into();
    let file = PartFile { format, plan: plan.digest(), part, dictionary, moments, shards, check };
    folder.write(PART_FILE, &sealed(&file))?;
    Ok(report(&file, resumed_shards, false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Generated;

    #[test]
    fn parts_are_written_as_text_and_numbered_from_0() {
        for (text, part) in
            [("0/1", Part::new(0, 1)), ("3/4", Part::new(3, 4)), ("0/16384", Part::new(0, 16_384))]
        {
            assert_eq!(text.parse().ok(), part);
            assert_eq!(part.unwrap().to_string(), text);
        }
        for bad in ["", "1", "1/1", "4/4", "-1/4", "0/0", "0/16385", "1/2/3", "0/4294967297"] {
            assert!(bad.parse::<Part>().is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_are_runs_of_shards_that_cover_the_plan_once() {
        let options = PackOptions { shard_bytes: 3 << 20, ..PackOptions::default() };
        let plan = Plan::new(&Generated::new(), &options).unwrap();
        let names = |shards: Vec<PlanShard>| shards.into_iter().map(|s| s.name).collect::<Vec<_>>();
        let all = names(plan.shards());
        assert!(all.len() > 8);
        for of in [1, 2, 3, all.len() as u32, 50] {
            let parts = (0..of).map(|k| names(Part::new(k, of).unwrap().shards(&plan)));
            let sizes: Vec<_> = parts.clone().map(|p| p.len()).collect();
            assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1, "{sizes:?}");
            assert_eq!(parts.flatten().collect::<Vec<_>>(), all);
        }
    }
}
