//! A data set on disk: `dataset.json` and the shards it lists. Opening, reading, checking; `FORMAT.md` beside this
//! crate is the authority.

mod gaussian;
mod id;
mod index;
mod moments;
mod open;
mod rules;
mod seal;
mod shards;
mod split;
mod verify;

pub use gaussian::{CLIPPED_WARNING, Gaussian, GaussianTable, Thresholds};
pub use index::{
    Class, DICTIONARY_FILE, Element, INDEX_FILE, INDEX_FORMAT, INDEX_VERSIONS, Index, IndexColumn,
    IndexDictionary, IndexPlan, IndexShard, IndexSource, IndexSourceFile, IndexSplit, MAX_CLASSES,
    MAX_COLUMNS, MAX_DICTIONARY_BYTES, MAX_INDEX_BYTES, MAX_SAMPLES, MAX_SHARDS, MAX_SPLITS, Parameter,
    ZstdPlan,
};
pub use moments::Moments;
pub use open::{Dataset, Verify};
pub use split::Split;
pub use verify::{Finding, VerifyProgress, VerifyReport};

pub(crate) use id::{
    ContentParts, PlanParts, SampleKey, Samples, content_id, pack_id, plan_digest, source_digest,
};
pub(crate) use rules::is_split_name;
pub(crate) use seal::{check_seal, sealed};
