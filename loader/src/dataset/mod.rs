//! A data set on disk: `dataset.json` and the shards it lists. Opening, reading, checking; `FORMAT.md` beside this
//! crate is the authority.

mod gaussian;
mod id;
mod index;
mod moments;
mod open;
mod split;
mod verify;

pub use gaussian::{CLIPPED_WARNING, Gaussian, GaussianTable, Thresholds};
pub use index::{
    Class, Element, INDEX_FILE, INDEX_FORMAT, INDEX_VERSION, Index, IndexPlan, IndexShard, IndexSource,
    IndexSourceFile, IndexSplit, MAX_CLASSES, MAX_INDEX_BYTES, MAX_SAMPLES, MAX_SHARDS, MAX_SPLITS,
    Parameter,
};
pub use moments::Moments;
pub use open::{Dataset, Verify};
pub use split::Split;
pub use verify::{Finding, VerifyProgress, VerifyReport};

pub(crate) use id::{ContentParts, PlanParts, SampleKey, content_id, pack_id, plan_digest, source_digest};
pub(crate) use index::is_split_name;
