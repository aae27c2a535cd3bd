//! ILSVRC-2012's development kit: which class each id is (`meta.mat`), and the ids of the validation images
//! (`ILSVRC2012_validation_ground_truth.txt`).
//!
//! The ids of the kit, 1 to 1,000, are *not* the class indices of anybody's network: those are the ranks of the WordNet ids in
//! bytewise order, as PyTorch, timm and TensorFlow number them. Labels taken for the other train to chance.

use std::path::Path;

use super::matlab::{Synset, synsets};
use crate::{
    digest::Digest,
    source::{
        SourceError, SourceFile,
        archive::read_members,
        bytes::{Bytes, first_there},
    },
};

pub(super) const ARCHIVE: &str = "ILSVRC2012_devkit_t12.tar.gz";
const FOLDER: &str = "ILSVRC2012_devkit_t12";
const META: &str = "meta.mat";
const TRUTH: &str = "ILSVRC2012_validation_ground_truth.txt";

/// Largest file of the kit; the real ones have 0.1 and 0.2 MB.
const MAX_BYTES: u64 = 16 << 20;

/// The kit.
#[derive(Debug)]
pub(super) struct Devkit {
    /// In bytewise order of their WordNet ids, which is that of class indices.
    pub classes: Vec<Synset>,
    /// Class index of each validation image, in the order of their names.
    pub truth: Vec<usize>,
    pub files: Vec<SourceFile>,
    /// The archive, where it came out of one.
    pub archive: Option<std::path::PathBuf>,
}

impl Devkit {
    /// The kit in the folder `root`, as an archive or unpacked.
    pub fn find(root: &Path) -> Result<Option<Devkit>, SourceError> {
        let folders = [root.join(FOLDER).join("data"), root.join("data"), root.to_path_buf()];
        for folder in folders {
            if let Some(meta) = first_there([folder.join(META)])? {
                let (meta, truth) = (Bytes::file(&meta)?, Bytes::file(&folder.join(TRUTH))?);
                return Devkit::read(meta, truth, None).map(Some);
            }
        }
        let Some(archive) = first_there([root.join(ARCHIVE)])? else { return Ok(None) };
        let mut members = read_members(&archive, &[META, TRUTH])?;
        let (truth, meta) = (members.pop().flatten(), members.pop().flatten());
        let (Some(meta), Some(truth)) = (meta, truth) else {
            return Err(SourceError::NotFound {
                path: archive,
                expected: format!("{META} and {TRUTH} in it"),
                found: "an archive without".into(),
                hint: "get the devkit of ILSVRC-2012, tasks 1 and 2".into(),
            });
        };
        Devkit::read(meta, truth, Some(archive)).map(Some)
    }

    fn read(meta: Bytes, truth: Bytes, archive: Option<std::path::PathBuf>) -> Result<Devkit, SourceError> {
        let (meta_bytes, truth_bytes) = (whole(&meta)?, whole(&truth)?);
        let wrong =
            |file: &Bytes, field, offset: usize, expected: String, found: String| SourceError::Field {
                path: file.path.clone(),
                field,
                offset: offset as u64,
                expected,
                found: crate::shard::shown(&found),
            };
        let rows = synsets(&meta_bytes).map_err(|e| wrong(&meta, e.field, e.offset, e.expected, e.found))?;
        let mut classes: Vec<Synset> = rows.into_iter().filter(|s| s.children == 0).collect();
        classes.sort_by(|a, b| a.wnid.cmp(&b.wnid));
        let n = classes.len();
        let mut index_of = vec![None; n + 1]; // by id, from 1
        for (index, class) in classes.iter().enumerate() {
            let id = class.id as usize;
            if !is_wnid(&class.wnid) || (index > 0 && classes[index - 1].wnid == class.wnid) {
                let expected = "n and 8 digits, each once".into();
                return Err(wrong(&meta, "WNID", 0, expected, class.wnid.clone()));
            }
            match index_of.get_mut(id) {
                Some(slot @ None) if id > 0 => *slot = Some(index),
                _ => {
                    let expected = format!("1 to {n}, each once");
                    return Err(wrong(&meta, "ILSVRC2012_ID", 0, expected, id.to_string()));
                }
            }
        }
        let ids = ground_truth(&truth_bytes).map_err(|(offset, found)| {
            wrong(&truth, "line", offset, "one id, in digits, a line".into(), found)
        })?;
        let label = |(line, id): (usize, u32)| {
            let index = index_of.get(id as usize).copied().flatten();
            index.ok_or_else(|| SourceError::Record {
                path: truth.path.clone(),
                record: line,
                field: "id",
                offset: 0,
                expected: format!("1 to {n}"),
                found: id.to_string(),
            })
        };
        let labels = ids.into_iter().enumerate().map(label).collect::<Result<_, _>>()?;
        let files =
            vec![meta.listed(META, Digest::of(&meta_bytes)), truth.listed(TRUTH, Digest::of(&truth_bytes))];
        Ok(Devkit { classes, truth: labels, files, archive })
    }
}

/// Whether `name` is a WordNet id as ImageNet writes them.
pub(super) fn is_wnid(name: &str) -> bool {
    name.len() == 9 && name.starts_with('n') && name[1..].bytes().all(|b| b.is_ascii_digit())
}

fn whole(file: &Bytes) -> Result<Vec<u8>, SourceError> {
    if file.len > MAX_BYTES {
        return Err(SourceError::Field {
            path: file.path.clone(),
            field: "length",
            offset: 0,
            expected: format!("at most {MAX_BYTES} bytes"),
            found: file.len.to_string(),
        });
    }
    let mut bytes = vec![0; file.len as usize];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// Ids, one a line; or the byte and text of the first line that is none.
///
/// # Errors
/// Offset and text of the line.
pub fn ground_truth(bytes: &[u8]) -> Result<Vec<u32>, (usize, String)> {
    let mut ids = Vec::new();
    let mut offset = 0;
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
        let id = std::str::from_utf8(text).ok().filter(|_| digits).and_then(|t| t.parse().ok());
        ids.push(id.ok_or_else(|| (offset, text.escape_ascii().to_string()))?);
        offset += line.len();
    }
    Ok(ids)
}
