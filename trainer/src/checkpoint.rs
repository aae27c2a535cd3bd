//! Everything a run needs to go on as if it had never stopped, in one safetensors file.
//!
//! | tensor | meaning |
//! |---|---|
//! | a parameter's or buffer's own name | weights and running statistics, as PyTorch's `load_state_dict` wants them |
//! | `momentum/<parameter>` | the optimiser's buffers |
//! | `running/sums` | F64 `[5]`, the sums behind the epoch's running means so far |
//!
//! `__metadata__` has one member, `rfx`, a JSON object of `format`, `digest` and `state` (a [`RunState`]); one, because
//! the order of several would differ from file to file. The digest is BLAKE3 over the state's text and every tensor's
//! name, dtype, shape and bytes, in order of name.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs, io,
    path::{Path, PathBuf},
};

use rfx_loader::{
    ErrorKind, State,
    digest::{Digest, Hasher},
};
use safetensors::{Dtype, SafeTensors, View};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tch::{Device, Kind, TchError, Tensor};

use crate::{
    atomic,
    metrics::Tally,
    model::{Model, ModelName},
    sgd::Sgd,
    stopping::Kept,
};

/// Value of the metadata's `format`.
pub const FORMAT: &str = "rfx-checkpoint/1";

/// The member of `__metadata__` that is ours.
const MEMBER: &str = "rfx";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    format: String,
    digest: Digest,
    state: Box<RawValue>,
}

/// What a checkpoint holds beside tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunState {
    /// The network, or none for one of your own.
    pub model: Option<ModelName>,
    /// Shape of an image: channels, height, width.
    pub shape: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Where the training loader stands.
    pub loader: State,
    /// Epochs finished, evaluation included: with `running_samples` and a loader at the beginning of an epoch, the
    /// evaluation of the epoch before is still to be made.
    pub epoch: u32,
    /// Steps finished since the beginning.
    pub step: u64,
    /// Samples behind `running/sums`.
    pub running_samples: u64,
    /// Seconds of the current epoch already spent.
    pub epoch_seconds: f64,
    /// Seconds of those in which training waited for the loader.
    pub epoch_wait_seconds: f64,
    /// Best test accuracy at the end of an epoch so far, and that epoch.
    pub best: Option<Best>,
    /// With early stopping: the epoch whose weights are in `best.safetensors`.
    #[serde(default)]
    pub kept: Option<Kept>,
    /// Threads of libtorch: sums on the CPU come out in other orders with other numbers.
    pub threads: usize,
    /// The device.
    pub device: String,
}

impl RunState {
    /// The epoch that was trained on last, from 0: with `resample`, corruption is that epoch's.
    pub fn last_epoch(&self) -> u32 {
        let begun = self.running_samples > 0;
        if begun { self.epoch } else { self.epoch.saturating_sub(1) }
    }
}

/// The best epoch so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The epoch, from 1.
    pub epoch: u32,
    /// Test accuracy after it, against clean labels.
    pub test_accuracy: f64,
}

/// A checkpoint that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The system failed.
    #[error("{}: {action}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// Not a checkpoint, or a damaged one.
    #[error("{}: {field}: expected {expected}, found {found}; use another checkpoint, or train again", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong: a tensor's name or a member of the metadata.
        field: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Of libtorch.
    #[error("libtorch: {}", crate::bridge::first_line(.0))]
    Torch(#[from] TchError),
}

impl CheckpointError {
    /// The kind of this failure.
    pub fn kind(&self) -> ErrorKind {
        match self {
            CheckpointError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ErrorKind::Input
            }
            CheckpointError::Io { .. } | CheckpointError::Torch(_) => ErrorKind::Environment,
            CheckpointError::Content { .. } => ErrorKind::Input,
        }
    }
}

/// A tensor's bytes on the host.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for &Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

fn store(tensor: &Tensor) -> Result<Stored, TchError> {
    let tensor = tensor.f_detach()?.f_to(Device::Cpu)?.f_contiguous()?;
    let shape: Vec<usize> = tensor.size().iter().map(|&s| s.unsigned_abs() as usize).collect();
    let n = tensor.numel();
    let (dtype, bytes) = if tensor.kind() == Kind::Double {
        let mut values = vec![0f64; n];
        tensor.f_copy_data(&mut values, n)?;
        (Dtype::F64, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    } else {
        let mut values = vec![0f32; n];
        tensor.f_copy_data(&mut values, n)?;
        (Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    };
    Ok(Stored { dtype, shape, bytes })
}

/// Every tensor of a run, by name, in order of name.
fn named<'a>(model: &'a Model, sgd: &'a Sgd, running: &'a Tally) -> BTreeMap<String, &'a Tensor> {
    let parameters = model.parameters.list();
    let weights = parameters.iter().map(|p| (p.name.clone(), &p.tensor));
    let buffers = model.parameters.buffers().iter().map(|b| (b.name.clone(), &b.tensor));
    let momentum = parameters.iter().zip(sgd.buffers()).map(|(p, b)| (format!("momentum/{}", p.name), b));
    weights.chain(buffers).chain(momentum).chain([("running/sums".to_owned(), running.sums())]).collect()
}

fn digest<'a>(state: &str, tensors: impl Iterator<Item = (&'a str, Dtype, &'a [usize], &'a [u8])>) -> Digest {
    let mut hasher = Hasher::new("rfx v1 checkpoint");
    hasher.text(state);
    for (name, dtype, shape, bytes) in tensors {
        hasher.text(name).text(&format!("{dtype:?} {shape:?}")).u64(bytes.len() as u64).bytes(bytes);
    }
    hasher.finish()
}

/// Writes a checkpoint to `path`, atomically: whatever happens, `path` is the old one or the new one, whole.
///
/// # Errors
/// [`CheckpointError::Io`] naming the file; the temporary file is removed.
pub fn save(
    path: &Path,
    model: &Model,
    sgd: &Sgd,
    running: &Tally,
    state: &RunState,
) -> Result<(), CheckpointError> {
    let io = |action| move |source| CheckpointError::Io { path: path.to_path_buf(), action, source };
    let mut tensors = BTreeMap::new();
    for (name, tensor) in named(model, sgd, running) {
        tensors.insert(name, store(tensor)?);
    }
    let json = |e: serde_json::Error| io("write")(e.into());
    let state = serde_json::value::to_raw_value(state).map_err(json)?;
    let parts = tensors.iter().map(|(name, t)| (name.as_str(), t.dtype, &t.shape[..], &t.bytes[..]));
    let metadata = Metadata { format: FORMAT.into(), digest: digest(state.get(), parts), state };
    let metadata = HashMap::from([(MEMBER.to_owned(), serde_json::to_string(&metadata).map_err(json)?)]);
    let bytes = safetensors::serialize(tensors.iter().map(|(n, t)| (n.as_str(), t)), Some(metadata))
        .map_err(|e| io("write")(io::Error::other(e.to_string())))?;
    atomic::write(path, &bytes).map_err(io("write"))
}

/// What PyTorch's own files start with: a zip archive, or a pickle of protocol 2 and later. A safetensors file could start
/// like the latter, with the length of a header that then fits the file.
fn pickled(bytes: &[u8]) -> Option<&'static str> {
    let fits = |length: &[u8; 8]| u64::from_le_bytes(*length) <= bytes.len() as u64;
    let is = bytes.starts_with(b"PK\x03\x04")
        || matches!(bytes, [0x80, 2..=5, ..]) && !bytes.first_chunk().is_some_and(fits);
    is.then_some(
        "a pickle, as torch.save writes, which is never read here: save with safetensors.torch.save_file",
    )
}

/// A checkpoint read and checked, not yet copied into a model.
pub struct Checkpoint {
    path: PathBuf,
    bytes: Vec<u8>,
    /// What it holds beside tensors.
    pub state: RunState,
}

impl Checkpoint {
    /// Reads `path` and checks format and digest.
    ///
    /// # Errors
    /// [`CheckpointError::Io`]; [`CheckpointError::Content`] if it is no checkpoint or not the one written.
    pub fn read(path: &Path) -> Result<Checkpoint, CheckpointError> {
        let bytes = fs::read(path).map_err(|source| CheckpointError::Io {
            path: path.to_path_buf(),
            action: "read",
            source,
        })?;
        let content = |field: &str, expected: &str, found: String| CheckpointError::Content {
            path: path.to_path_buf(),
            field: field.into(),
            expected: expected.into(),
            found,
        };
        let whole = "a whole safetensors file";
        if let Some(pickled) = pickled(&bytes) {
            return Err(content("header", whole, pickled.into()));
        }
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|e| content("header", whole, e.to_string()))?;
        let tensors =
            SafeTensors::deserialize(&bytes).map_err(|e| content("tensors", whole, e.to_string()))?;
        let metadata = header.metadata().as_ref().and_then(|m| m.get(MEMBER));
        let metadata = metadata.ok_or_else(|| content("__metadata__", "a member `rfx`", "none".into()))?;
        let metadata: Metadata = serde_json::from_str(metadata)
            .map_err(|e| content("__metadata__.rfx", "format, digest and state", e.to_string()))?;
        if metadata.format != FORMAT {
            return Err(content("format", FORMAT, metadata.format));
        }
        let mut names = tensors.names();
        names.sort_unstable();
        let mut views = Vec::new();
        for name in names {
            let view = tensors.tensor(name).map_err(|e| content(name, whole, e.to_string()))?;
            views.push((name, view));
        }
        let parts = views.iter().map(|(name, v)| (*name, v.dtype(), v.shape(), v.data()));
        let found = digest(metadata.state.get(), parts);
        if found != metadata.digest {
            let what = "digest of tensors and state";
            return Err(content(what, &metadata.digest.to_string(), found.to_string()));
        }
        let state = serde_json::from_str(metadata.state.get())
            .map_err(|e| content("state", "the state of a run", e.to_string()))?;
        Ok(Checkpoint { path: path.to_path_buf(), bytes, state })
    }

    /// Copies every tensor into a run of the same network, and returns the running sums.
    ///
    /// # Errors
    /// [`CheckpointError::Content`] if a tensor is missing or has another shape; nothing is copied then.
    pub fn restore(&self, model: &Model, sgd: &Sgd, device: Device) -> Result<Tally, CheckpointError> {
        let running = Tally::new(device)?;
        let wanted = named(model, sgd, &running);
        let content = |field: &str, expected: String, found: String| CheckpointError::Content {
            path: self.path.clone(),
            field: field.into(),
            expected,
            found,
        };
        let tensors = SafeTensors::deserialize(&self.bytes)
            .map_err(|e| content("tensors", "a whole safetensors file".into(), e.to_string()))?;
        if let Some(extra) = tensors.names().into_iter().find(|n| !wanted.contains_key(*n)) {
            return Err(content(extra, "no such tensor in this network".into(), "one".into()));
        }
        let mut values = Vec::new();
        for (name, to) in &wanted {
            let shape: Vec<usize> = to.size().iter().map(|&s| s.unsigned_abs() as usize).collect();
            let dtype = if to.kind() == Kind::Double { Dtype::F64 } else { Dtype::F32 };
            let expected = format!("{dtype:?} {shape:?}");
            let view = tensors.tensor(name).map_err(|_| content(name, expected.clone(), "nothing".into()))?;
            if view.dtype() != dtype || view.shape() != shape {
                return Err(content(name, expected, format!("{:?} {:?}", view.dtype(), view.shape())));
            }
            values.push(Tensor::f_from_data_size(view.data(), &to.size(), to.kind())?);
        }
        tch::no_grad(|| -> Result<(), TchError> {
            for (to, from) in wanted.values().zip(&values) {
                to.shallow_clone().f_copy_(from)?;
            }
            Ok(())
        })?;
        drop(wanted);
        Ok(Tally::from_parts(running.sums().shallow_clone(), self.state.running_samples))
    }
}
