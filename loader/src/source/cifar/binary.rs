//! The binary version: records of label bytes (CIFAR-100: the coarse label, then the label) and an image, without any
//! header.

use super::{
    Batch,
    labels::{Labels, Place},
    set::{IMAGE_BYTES, Set},
};
use crate::{
    digest::Digest,
    source::{bytes::Bytes, error::SourceError},
};

/// Checks length and labels of one data file. `records` is how many there must be, if that is known.
pub(super) fn batch(
    set: &Set,
    file: Bytes,
    records: Option<usize>,
    rules: &mut Labels,
) -> Result<(Batch, Digest), SourceError> {
    let label_bytes = set.label_bytes();
    let record_bytes = label_bytes + IMAGE_BYTES;
    check_length(&file, record_bytes as u64, records)?;
    let mut hasher = blake3::Hasher::new();
    let (mut labels, mut coarse_labels) = (Vec::new(), Vec::new());
    file.scan(0, record_bytes, |offset, chunk| {
        hasher.update(chunk);
        for (i, record) in chunk.chunks_exact(record_bytes).enumerate() {
            let at = offset + (i * record_bytes) as u64;
            // The label comes last before the image, the coarse one first where there are two.
            let label_at = at + label_bytes as u64 - 1;
            let coarse = (label_bytes == 2).then_some(i64::from(record[0]));
            let place = Place { path: &file.path, record: labels.len(), offsets: [label_at, at] };
            let (label, coarse) = rules.check(&place, record[label_bytes - 1].into(), coarse)?;
            labels.push(label);
            coarse_labels.extend(coarse);
        }
        Ok(())
    })?;
    let digest = Digest::from_bytes(hasher.finalize().into());
    let (first, stride) = (label_bytes as u64, record_bytes as u64);
    Ok((Batch { bytes: file, first, stride, labels, coarse_labels }, digest))
}

fn check_length(file: &Bytes, record: u64, records: Option<usize>) -> Result<(), SourceError> {
    let expected = match records {
        Some(n) if file.len != n as u64 * record => {
            format!("{n} records of {record} bytes ({} bytes)", n as u64 * record)
        }
        _ if file.len == 0 || !file.len.is_multiple_of(record) => {
            format!("one or more records of {record} bytes")
        }
        _ => return Ok(()),
    };
    Err(SourceError::Field {
        path: file.path.clone(),
        field: "length",
        offset: file.len,
        expected,
        found: format!("{} bytes", file.len),
    })
}
