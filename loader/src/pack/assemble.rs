//! From finished shards to the index: the same for one machine's pack and for parts that are merged.

use super::{error::PackError, folder::Folder, options::PackReport, plan::Plan};
use crate::{
    dataset::{
        ContentParts, Element, Gaussian, INDEX_FILE, INDEX_FORMAT, Index, IndexColumn, IndexDictionary,
        IndexPlan, IndexShard, IndexSplit, Moments, Samples, content_id, pack_id,
    },
    digest::Digest,
};

/// What all shards of a plan add up to.
pub(super) struct Whole {
    /// One entry per shard of the plan, in its order.
    pub shards: Vec<IndexShard>,
    pub samples: Samples,
    /// Of the plan's split of moments.
    pub moments: Moments,
    pub dictionary: Option<IndexDictionary>,
}

impl Whole {
    /// Nothing of `plan` yet.
    pub fn new(plan: &Plan, dictionary: Option<IndexDictionary>) -> Whole {
        let split = &plan.splits[plan.moments_split()].name;
        Whole {
            shards: Vec::new(),
            samples: Samples::new(plan.columns.len(), 0),
            moments: Moments::new(split, plan.shape.channels()),
            dictionary,
        }
    }

    /// Writes the index into `folder`, whose other files are in place, and ends the pack there.
    pub fn finish(
        self,
        plan: &Plan,
        folder: &Folder,
        resumed_shards: usize,
    ) -> Result<PackReport, PackError> {
        let index = self.index(plan);
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
        Ok(report(folder, &index, resumed_shards, false))
    }

    fn index(mut self, plan: &Plan) -> Index {
        let split = |s: &super::plan::PlanSplit| IndexSplit {
            name: s.name.clone(),
            samples: s.samples,
            shards: Vec::new(),
        };
        let mut splits: Vec<IndexSplit> = plan.splits.iter().map(split).collect();
        for (shard, entry) in plan.shards().iter().zip(self.shards) {
            splits[shard.split].shards.push(entry);
        }
        self.samples.sort();
        let names: Vec<_> = plan.splits.iter().map(|s| (s.name.as_str(), s.samples as u64)).collect();
        let parts = ContentParts {
            generator: &plan.source.generator,
            splits: &names,
            classes: &plan.classes,
            layout: plan.layout,
            shape: plan.shape,
            columns: plan.columns.iter().map(String::as_str).collect(),
        };
        let content = content_id(&parts, &self.samples);
        let column = |(number, name): (usize, &String)| {
            let (min, max) = self.samples.range(number);
            IndexColumn { name: name.clone(), min, max }
        };
        let mut index = Index {
            format: INDEX_FORMAT.into(),
            version: 0, // filled in below
            content,
            pack: pack_id(content, &splits, self.dictionary.as_ref()),
            element: Element {
                codec: plan.codec,
                dictionary: self.dictionary,
                dtype: "u8".into(),
                layout: plan.layout,
                shape: plan.shape,
            },
            classes: plan.classes.clone(),
            columns: plan.columns.iter().enumerate().map(column).collect(),
            splits,
            gaussian: Gaussian::solve(&self.moments),
            moments: self.moments,
            source: plan.source.clone(),
            plan: IndexPlan {
                digest: plan.digest(),
                writer: plan.writer.clone(),
                order: plan.order.clone(),
                zstd: plan.zstd.clone(),
            },
            check: Digest::from_bytes([0; 32]), // filled in by Index::to_bytes
        };
        index.version = index.least_version();
        index
    }
}

/// The report on a folder whose index is `index`.
pub(super) fn report(
    folder: &Folder,
    index: &Index,
    resumed_shards: usize,
    already_complete: bool,
) -> PackReport {
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
