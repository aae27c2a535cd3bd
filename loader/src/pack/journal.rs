//! The journal of a pack at work, `plan.json`: the whole plan and its digest, and which part of it is packed in this folder.
//! It makes a folder known as an unfinished pack of that plan, and tells a merge what the parts are parts of.

use std::{fs::File, io::Read, path::Path};

use serde::{Deserialize, Serialize};

use super::{
    error::{PackError, environment},
    part::Part,
    plan::Plan,
};
use crate::{
    digest::Digest,
    shard::{json_message, json_offset, shown},
};

/// Its name.
pub(super) const JOURNAL_FILE: &str = "plan.json";
const JOURNAL_FORMAT: &str = "rfx-plan/2";
const MAX_JOURNAL_BYTES: u64 = 64 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Journal {
    format: String,
    digest: Digest,
    /// Which part of the plan is packed here, if not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<Part>,
    plan: Plan,
}

/// Reads the journal in the folder `path`: the plan, checked against its digest, and which part of it is packed there.
pub(super) fn read_journal(path: &Path) -> Result<(Plan, Option<Part>), PackError> {
    let path = path.join(JOURNAL_FILE);
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|f| f.take(MAX_JOURNAL_BYTES).read_to_end(&mut bytes))
        .map_err(environment(&path, "read", 0))?;
    let bad = |field, offset, message| PackError::Journal { path: path.clone(), field, offset, message };
    let journal: Journal = serde_json::from_slice(&bytes)
        .map_err(|e| bad("journal", Some(json_offset(&bytes, &e)), json_message(&e)))?;
    let differs = |field, expected: &str, found: &str| {
        Err(bad(field, None, format!("expected {expected}, found {}", shown(found))))
    };
    if journal.format != JOURNAL_FORMAT {
        return differs("format", JOURNAL_FORMAT, &journal.format);
    }
    let digest = journal.plan.digest();
    if journal.digest != digest {
        return differs("digest", &format!("{digest} of the plan"), &journal.digest.to_string());
    }
    Ok((journal.plan, journal.part))
}

/// The bytes of the journal of `plan`, or of a part of it.
pub(super) fn journal(plan: &Plan, part: Option<Part>) -> Result<Vec<u8>, PackError> {
    let (digest, plan) = (plan.digest(), plan.clone());
    let journal = Journal { format: JOURNAL_FORMAT.into(), digest, part, plan };
    let mut bytes = serde_json::to_vec_pretty(&journal).expect("a plan has text keys and integers only");
    bytes.push(b'\n');
    if bytes.len() as u64 > MAX_JOURNAL_BYTES {
        return Err(PackError::Plan {
            what: "names of classes and files".into(),
            expected: format!("a plan of at most {MAX_JOURNAL_BYTES} bytes"),
            found: bytes.len().to_string(),
            hint: "the source is at fault",
        });
    }
    Ok(bytes)
}
