//! What a pack will write, fixed before the first record is read. Its digest is in every shard, in the journal of an
//! unfinished pack and in the index, so that files of two plans never mix.

use serde::{Deserialize, Serialize};

use super::{
    error::PackError,
    options::{PackCodec, PackOptions, PackOrder},
};
use crate::{
    ElementShape, Layout,
    dataset::{
        Class, IndexSource, IndexSourceFile, MAX_CLASSES, MAX_COLUMNS, MAX_DICTIONARY_BYTES, MAX_SAMPLES,
        MAX_SHARDS, MAX_SPLITS, PlanParts, ZstdPlan, is_split_name, plan_digest, source_digest,
    },
    digest::Digest,
    order::Feistel,
    shard::{COLUMN_BYTES, Codec, SHAPE_BYTES, ShardForm, ShardMetadata, is_column_name, shown},
    source::{Source, SourceFile},
};

/// The writer's name and the version of its byte layout; a change of one written byte needs a new version.
pub const WRITER: &str = "rfx-pack/1";

/// Key domain of the shuffled pack order.
const ORDER_DOMAIN: &str = "pack-order";

/// Everything that decides the bytes of a data set, except the samples themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub writer: String,
    pub codec: Codec,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zstd: Option<ZstdPlan>,
    pub order: String,
    pub layout: Layout,
    pub shape: ElementShape,
    pub classes: Vec<Class>,
    pub columns: Vec<String>,
    pub source: IndexSource,
    pub splits: Vec<PlanSplit>,
}

/// One split of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanSplit {
    pub name: String,
    pub samples: usize,
    /// Id of the split's first sample.
    pub first_id: u64,
    pub shards: usize,
}

/// One shard of a plan.
#[derive(Clone, Debug)]
pub(super) struct PlanShard {
    pub split: usize,
    pub shard: usize,
    pub name: String,
    /// Stored rows of the split that it holds.
    pub first_row: usize,
    pub rows: usize,
}

impl Plan {
    /// The plan for `source`.
    pub fn new(source: &dyn Source, options: &PackOptions) -> Result<Plan, PackError> {
        let err = |what: &str, expected: String, found: String, hint| {
            Err(PackError::Plan { what: what.into(), expected, found: shown(&found), hint })
        };
        let bug = "the source is at fault: it has too many, or two of one name";
        if options.jobs == 0 || options.jobs > 1024 {
            let hint = "give a number of worker threads";
            return err("jobs", "1 to 1024".into(), options.jobs.to_string(), hint);
        }
        if options.shard_bytes == 0 {
            return err("shard bytes", "at least 1".into(), "0".into(), "about 128 MiB suit most disks");
        }
        let classes = source.classes().to_vec();
        let mut seen = std::collections::HashSet::new();
        if classes.len() > MAX_CLASSES {
            return err("classes", format!("at most {MAX_CLASSES}"), classes.len().to_string(), bug);
        }
        if classes.is_empty() || !classes.iter().all(|c| seen.insert(&c.name)) {
            let names: Vec<_> = classes.iter().map(|c| c.name.as_str()).collect();
            return err("classes", "at least one, all different".into(), names.join(", "), bug);
        }
        let columns = source.columns().to_vec();
        let mut seen = std::collections::HashSet::new();
        if columns.len() > MAX_COLUMNS || !columns.iter().all(|c| is_column_name(c) && seen.insert(c)) {
            let expected = format!(
                "at most {MAX_COLUMNS}, each of 1 to 64 of a-z, 0-9, _ and -, all different and none of every shard's"
            );
            return err("columns", expected, columns.join(", "), bug);
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = source.parameters().iter().find(|p| !seen.insert(&p.name)) {
            return err("parameters", "every name once".into(), twice.name.clone(), bug);
        }
        let zstd = zstd_plan(options.codec)?;
        let shape = source.element();
        let codec = match (shape, &zstd) {
            (ElementShape::Fixed(_), None) => Codec::Raw,
            (ElementShape::Fixed(_), Some(_)) => Codec::Zstd,
            (ElementShape::Encoded { .. }, None) => Codec::Jpeg,
            (ElementShape::Encoded { .. }, Some(_)) => {
                let hint = "encoded images are compressed already";
                return err("codec", "jpeg of encoded images".into(), "zstd".into(), hint);
            }
        };
        let key_bytes = COLUMN_BYTES + 8 * columns.len() as u64;
        let (mut splits, mut first_id) = (Vec::new(), 0u64);
        let mut names = std::collections::HashSet::new();
        for split in source.splits() {
            if !is_split_name(&split.name) || !names.insert(&split.name) {
                let expected = "names of 1 to 64 of a-z, 0-9, - and _, each once".into();
                return err("split name", expected, split.name.clone(), bug);
            }
            if split.samples == 0 || split.samples > MAX_SAMPLES {
                let what = format!("samples of split {}", split.name);
                return err(
                    &what,
                    format!("1 to {MAX_SAMPLES}"),
                    split.samples.to_string(),
                    "check the source",
                );
            }
            // Nearest number of shards, so that each is about the size asked for; never an empty one.
            let bytes = match shape {
                ElementShape::Fixed(image) => split.samples as u64 * (image.values() as u64 + key_bytes),
                ElementShape::Encoded { .. } => {
                    let keys = split.samples as u64 * (key_bytes + 8 + SHAPE_BYTES);
                    source.encoded_bytes(splits.len()).saturating_add(keys)
                }
            };
            let shards = (bytes.saturating_add(options.shard_bytes / 2) / options.shard_bytes).max(1);
            let shards = shards.min(split.samples as u64) as usize;
            splits.push(PlanSplit { name: split.name.clone(), samples: split.samples, first_id, shards });
            first_id += split.samples as u64;
        }
        if splits.len() > MAX_SPLITS {
            return err("splits", format!("at most {MAX_SPLITS}"), splits.len().to_string(), bug);
        }
        let shards: usize = splits.iter().map(|s| s.shards).sum();
        if splits.is_empty() || shards > MAX_SHARDS {
            let hint = "choose larger shards";
            return err("shards", format!("1 to {MAX_SHARDS}"), shards.to_string(), hint);
        }
        Ok(Plan {
            writer: WRITER.into(),
            codec,
            zstd,
            order: options.order.to_string(),
            layout: source.layout(),
            shape,
            classes,
            columns,
            source: listed(source),
            splits,
        })
    }

    /// The plan's digest, over resolved values only.
    pub fn digest(&self) -> Digest {
        plan_digest(&PlanParts {
            writer: &self.writer,
            codec: self.codec,
            order: &self.order,
            layout: self.layout,
            shape: self.shape,
            classes: &self.classes,
            source: self.source.digest,
            splits: self
                .splits
                .iter()
                .map(|s| (s.name.as_str(), s.samples as u64, s.first_id, s.shards as u64))
                .collect(),
            columns: self.columns.iter().map(String::as_str).collect(),
            zstd: self.zstd.as_ref(),
        })
    }

    /// Every shard, split after split.
    pub fn shards(&self) -> Vec<PlanShard> {
        let mut out = Vec::new();
        for (number, split) in self.splits.iter().enumerate() {
            // An equal split: sizes differ by one sample at most. u128: samples x shards may pass 2^64.
            let cut = |i: usize| (i as u128 * split.samples as u128 / split.shards as u128) as usize;
            for shard in 0..split.shards {
                out.push(PlanShard {
                    split: number,
                    shard,
                    name: format!("{}-{shard:05}-of-{:05}.safetensors", split.name, split.shards),
                    first_row: cut(shard),
                    rows: cut(shard + 1) - cut(shard),
                });
            }
        }
        out
    }

    /// Bytes of `samples` records, for progress; 0 where they are of any length.
    pub fn record_bytes(&self, samples: u64) -> u64 {
        samples * self.shape.record_bytes().unwrap_or_default() as u64
    }

    /// Whether records are compressed with a dictionary.
    pub fn has_dictionary(&self) -> bool {
        self.zstd.as_ref().is_some_and(|z| z.dictionary_bytes > 0)
    }

    /// Number of the split that moments are taken of and a dictionary is trained on: the one called train, else the first.
    pub fn moments_split(&self) -> usize {
        self.splits.iter().position(|s| s.name == "train").unwrap_or(0)
    }

    /// What a shard's header says of it, and what it is laid out by. `digest` is the plan's.
    pub fn header(&self, shard: &PlanShard, digest: Digest) -> (ShardMetadata, ShardForm<'_>) {
        let split = &self.splits[shard.split];
        let metadata = ShardMetadata {
            split: split.name.clone(),
            shard: shard.shard,
            shards: split.shards,
            plan: digest,
        };
        let form = ShardForm {
            rows: shard.rows,
            image: self.shape,
            layout: self.layout,
            codec: self.codec,
            columns: &self.columns,
        };
        (metadata, form)
    }

    /// Which sample of a split each stored row holds.
    pub fn row_order(&self, split: usize, order: PackOrder) -> RowOrder {
        match order {
            PackOrder::Source => RowOrder::Source,
            PackOrder::Shuffled { seed } => {
                // The split's first id as the epoch's place would tie two splits together; its number is the stream.
                let keys = crate::rng::Key::derive(ORDER_DOMAIN, seed).first(split as u64, 0);
                RowOrder::Shuffled(Feistel::new(keys, self.splits[split].samples as u64))
            }
        }
    }
}

/// Stored row to sample of the split.
pub(super) enum RowOrder {
    Source,
    Shuffled(Feistel),
}

impl RowOrder {
    pub fn sample(&self, row: usize) -> usize {
        match self {
            RowOrder::Source => row,
            RowOrder::Shuffled(feistel) => feistel.at(row as u64) as usize,
        }
    }
}

/// What a plan says of a codec, checked.
fn zstd_plan(codec: PackCodec) -> Result<Option<ZstdPlan>, PackError> {
    let PackCodec::Zstd { level, dictionary_bytes } = codec else { return Ok(None) };
    let err = |what: &str, expected: String, found: String| {
        Err(PackError::Plan { what: what.into(), expected, found, hint: "choose one in that range" })
    };
    if !(1..=22).contains(&level) {
        return err("zstd level", "1 to 22".into(), level.to_string());
    }
    if dictionary_bytes > MAX_DICTIONARY_BYTES {
        let expected = format!("at most {MAX_DICTIONARY_BYTES} bytes");
        return err("zstd dictionary", expected, dictionary_bytes.to_string());
    }
    Ok(Some(ZstdPlan { version: zstd_safe::version_string().into(), level, dictionary_bytes }))
}

fn listed(source: &dyn Source) -> IndexSource {
    let file = |f: &SourceFile| IndexSourceFile { name: f.name.clone(), bytes: f.bytes, blake3: f.digest };
    let files: Vec<_> = source.files().iter().map(file).collect();
    let mut listed = IndexSource {
        kind: source.kind().into(),
        generator: source.generator().into(),
        digest: Digest::from_bytes([0; 32]), // of the other members, below
        files,
        parameters: source.parameters().to_vec(),
    };
    listed.digest = source_digest(&listed);
    listed
}
