//! Reading a column of a finished run back, for reports.

use std::{fs, io};

use rfx_loader::npy::Header;

use crate::{
    error::{Result, TrainError},
    folder::RunFolder,
};

/// The column `name` of integers or flags, or nothing where the run has none. Takes 8 bytes per sample.
///
/// # Errors
/// [`TrainError::Io`]; [`TrainError::RunFile`] if it is no array of that.
pub(crate) fn column(folder: &RunFolder, name: &str) -> Result<Option<Vec<i64>>> {
    let path = folder.sample_column(name);
    let bytes = match fs::read(&path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|source| TrainError::Io { path: path.clone(), action: "read", source })?,
    };
    let wrong =
        |reason: String| TrainError::RunFile { path: path.clone(), what: "per-sample records", reason };
    let header = Header::parse(&bytes).map_err(|e| wrong(e.to_string()))?;
    let data = usize::try_from(header.start).ok().and_then(|start| bytes.get(start..)).unwrap_or_default();
    let [samples] = header.shape[..] else {
        return Err(wrong(format!("an array of shape {:?}, expected one axis", header.shape)));
    };
    if header.data_bytes() != Some(data.len() as u64) {
        let (bytes, size) = (data.len(), header.element.bytes);
        return Err(wrong(format!("{bytes} bytes, expected {samples} elements of {size}")));
    }
    let size = (header.element.bytes as usize).max(1);
    let values: Option<Vec<i64>> =
        data.chunks_exact(size).map(|bytes| header.element.integer(bytes)).collect();
    values.map(Some).ok_or_else(|| wrong(format!("elements of {}, expected integers", header.element)))
}
