//! The folder of a run: `run.json`, `metrics.jsonl`, `checkpoint.safetensors`, with early stopping also
//! `best.safetensors`, with per-sample records `samples.csv` and `samples/` ([`crate::samples`]), and a file for TensorBoard
//! ([`crate::events`]).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use rfx_loader::{Dataset, corrupt::LabelReport, dataset::Verify, digest::Digest};
use serde::{Deserialize, Serialize};

use crate::{
    atomic,
    checkpoint::Best,
    config::RunConfig,
    error::{Result, TrainError},
    events::{self, EventFile},
    lock::FolderLock,
    metrics::EpochMetrics,
    stopping::Kept,
};

/// What a run is, for whoever finds its folder; `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// `rfx.run/1`.
    pub schema: String,
    /// The configuration.
    pub config: RunConfig,
    /// The data set.
    pub data: DataManifest,
    /// Digest of the training loader's spec.
    pub spec: Digest,
    /// The seed corruption was drawn with.
    pub corruption_seed: u64,
    /// The corruption applied to training labels and images, and to those of the test split.
    pub applied: Applied,
    /// The labels of epoch 0 that were trained on, without the transition matrix.
    pub labels: LabelManifest,
    /// The network in words: what was built for these images, and whether the paper has it.
    #[serde(default)]
    pub network: String,
    /// Number of trained values.
    pub parameters: usize,
    /// Training samples, test samples.
    pub samples: [u64; 2],
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Version of this program.
    pub rfx: String,
    /// Version of libtorch that this program was built for.
    pub libtorch: String,
    /// How the run ended, once it has.
    pub outcome: Option<Outcome>,
}

/// The data set of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataManifest {
    /// What kind of source it was packed from, for example `cifar10`.
    pub kind: String,
    /// Whether it was made by a generator.
    pub generated: bool,
    /// The data set id.
    pub content: Digest,
    /// The id of its files.
    pub pack: Digest,
    /// Number of classes.
    pub classes: usize,
    /// Shape of a stored image: channels, height, width.
    pub shape: [usize; 3],
}

impl DataManifest {
    /// Checks that the data set in the folder `path` is this one, wherever that is and however it was packed.
    ///
    /// # Errors
    /// [`TrainError::OtherData`]; the loader's own.
    pub fn check(&self, path: &Path) -> Result<()> {
        let found = Dataset::open(path, Verify::Once).map_err(rfx_loader::Error::from)?.content();
        if found == self.content {
            return Ok(());
        }
        let (found, expected) = (found.short(), self.content.short());
        Err(TrainError::OtherData { path: path.to_path_buf(), found, expected })
    }
}

/// What was done to each split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)] // the names say it
pub struct Applied {
    pub train_labels: String,
    pub train_inputs: String,
    pub test_labels: String,
    pub test_inputs: String,
}

/// Summary of the labels trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LabelManifest {
    /// Probability asked for.
    pub nominal_rate: f64,
    /// Expected fraction changed.
    pub expected_changed: f64,
    /// Fraction changed.
    pub realised_changed: f64,
    /// Digest over (id, old, new, rule).
    pub digest: Digest,
}

impl From<&LabelReport> for LabelManifest {
    fn from(report: &LabelReport) -> Self {
        LabelManifest {
            nominal_rate: report.nominal_rate,
            expected_changed: report.expected_changed,
            realised_changed: report.realised_changed,
            digest: report.digest,
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Epochs finished.
    pub epochs: u32,
    /// The first epoch after which the stopping loss was reached, if one was set and reached.
    pub fitted: Option<u32>,
    /// The best test accuracy and its epoch.
    pub best: Option<Best>,
    /// With early stopping: the epoch whose weights are in `best.safetensors`.
    #[serde(default)]
    pub kept: Option<Kept>,
    /// Whether it ended because the patience was over.
    #[serde(default)]
    pub stopped_early: bool,
}

/// Paths of a run's folder.
#[derive(Clone, Debug)]
pub struct RunFolder(PathBuf);

impl RunFolder {
    /// The folder at `path`, whatever is there.
    pub fn at(path: &Path) -> RunFolder {
        RunFolder(path.to_path_buf())
    }

    /// A new folder for a run, and its lock. What a killed process left of a file that it was writing is removed.
    ///
    /// # Errors
    /// [`TrainError::Exists`] if there is anything else at `path` but an empty folder; [`TrainError::Busy`].
    pub(crate) fn create(path: &Path) -> Result<(RunFolder, FolderLock)> {
        let io = |action| move |source| TrainError::Io { path: path.to_path_buf(), action, source };
        let folder = RunFolder(path.to_path_buf());
        match fs::create_dir_all(path) {
            Err(e) if matches!(e.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists) => {
                return Err(TrainError::Exists { path: path.to_path_buf() });
            }
            made => made.map_err(io("create"))?,
        }
        let lock = FolderLock::take(path)?;
        folder.remove_leftovers().map_err(io("open"))?;
        match fs::read_dir(path).map_err(io("open"))?.next() {
            Some(_) => Err(TrainError::Exists { path: path.to_path_buf() }),
            None => Ok((folder, lock)),
        }
    }

    /// The folder of a run that shall go on, its lock, and what it was begun as. Leftovers are removed, as above.
    ///
    /// # Errors
    /// [`TrainError::Busy`]; those of [`RunFolder::read_manifest`].
    pub(crate) fn reopen(path: &Path) -> Result<(RunFolder, FolderLock, RunManifest)> {
        let folder = RunFolder(path.to_path_buf());
        folder.read_manifest()?; // that there is a run is asked before anything is locked or removed
        let lock = FolderLock::take(path)?;
        let io = |source| TrainError::Io { path: path.to_path_buf(), action: "open", source };
        folder.remove_leftovers().map_err(io)?;
        let manifest = folder.read_manifest()?; // again: the process that had the lock may have changed it
        Ok((folder, lock, manifest))
    }

    fn remove_leftovers(&self) -> io::Result<()> {
        for folder in [&self.0, &self.samples()].into_iter().filter(|folder| folder.is_dir()) {
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if atomic::is_temporary(&entry.file_name().to_string_lossy()) {
                    fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The checkpoint's path.
    pub fn checkpoint(&self) -> PathBuf {
        self.0.join("checkpoint.safetensors")
    }

    /// The path of the best epoch's checkpoint.
    pub fn best(&self) -> PathBuf {
        self.0.join("best.safetensors")
    }

    /// The path of TensorBoard's file.
    pub fn events(&self) -> PathBuf {
        self.0.join(events::NAME)
    }

    /// The path of the ledger of what was trained on: of rank 0, the only one.
    pub fn ledger(&self) -> PathBuf {
        self.0.join("rank-0.ledger")
    }

    /// The folder of per-sample records.
    pub fn samples(&self) -> PathBuf {
        self.0.join("samples")
    }

    /// The path of a column of them.
    pub(crate) fn sample_column(&self, name: &str) -> PathBuf {
        self.samples().join(format!("{name}.npy"))
    }

    /// The path of their table.
    pub(crate) fn sample_table(&self) -> PathBuf {
        self.0.join("samples.csv")
    }

    /// The metrics' path.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    fn manifest(&self) -> PathBuf {
        self.0.join("run.json")
    }

    /// Writes `run.json`.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write_manifest(&self, manifest: &RunManifest) -> Result<()> {
        let path = self.manifest();
        let mut text = serde_json::to_string_pretty(manifest).map_err(|e| run_file(&path, "manifest", e))?;
        text.push('\n');
        atomic::write(&path, text.as_bytes()).map_err(|source| TrainError::Io {
            path,
            action: "write",
            source,
        })
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// [`TrainError::NoRun`] if it is not there; [`TrainError::RunFile`] if it is damaged.
    pub fn read_manifest(&self) -> Result<RunManifest> {
        let text = self.read(&self.manifest(), "run.json")?;
        serde_json::from_str(&text).map_err(|e| run_file(&self.manifest(), "manifest", e))
    }

    /// Reads `metrics.jsonl`.
    ///
    /// # Errors
    /// As [`RunFolder::read_manifest`]; the reason names the line.
    pub fn read_metrics(&self) -> Result<Vec<EpochMetrics>> {
        let text = self.read(&self.metrics(), "metrics.jsonl")?;
        self.parse_metrics(text.lines())
    }

    /// The first `epochs` lines of `metrics.jsonl`: those that a checkpoint after as many epochs knows of.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::RunFile`] if fewer lines are there.
    pub(crate) fn read_metrics_until(&self, epochs: u32) -> Result<Vec<EpochMetrics>> {
        self.parse_metrics(self.metrics_until(epochs)?.lines())
    }

    fn parse_metrics<'a>(&self, lines: impl Iterator<Item = &'a str>) -> Result<Vec<EpochMetrics>> {
        let line = |(number, line): (usize, &str)| {
            serde_json::from_str(line)
                .map_err(|e| run_file(&self.metrics(), "metrics", format!("line {}: {e}", number + 1)))
        };
        lines.enumerate().map(line).collect()
    }

    fn metrics_until(&self, epochs: u32) -> Result<String> {
        let path = self.metrics();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(TrainError::Io { path, action: "read", source }),
        };
        let kept: Vec<&str> = text.split_inclusive('\n').take(epochs as usize).collect();
        if kept.len() < epochs as usize {
            let reason = format!("{} lines, and the checkpoint was written after epoch {epochs}", kept.len());
            return Err(run_file(&path, "metrics", reason));
        }
        Ok(kept.concat())
    }

    /// Keeps the first `epochs` lines of `metrics.jsonl` and opens it for more: what a run wrote after the checkpoint
    /// it goes on from will be written again.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::RunFile`] if fewer lines are there.
    pub fn open_metrics(&self, epochs: u32) -> Result<File> {
        let path = self.metrics();
        let io = |action| {
            let path = path.clone();
            move |source| TrainError::Io { path, action, source }
        };
        let kept = self.metrics_until(epochs)?;
        atomic::write(&path, kept.as_bytes()).map_err(io("write"))?;
        OpenOptions::new().append(true).open(&path).map_err(io("open"))
    }

    /// Opens TensorBoard's file so that it holds what [`RunFolder::open_metrics`] keeps.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn open_events(&self, epochs: u32) -> Result<EventFile> {
        let io = |source| TrainError::Io { path: self.events(), action: "write", source };
        EventFile::open(&self.events(), &self.read_metrics_until(epochs)?).map_err(io)
    }

    /// Makes `best.safetensors` a copy of the checkpoint.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub(crate) fn keep_checkpoint(&self) -> Result<()> {
        let io = |path, action| move |source| TrainError::Io { path, action, source };
        let bytes = fs::read(self.checkpoint()).map_err(io(self.checkpoint(), "read"))?;
        atomic::write(&self.best(), &bytes).map_err(io(self.best(), "write"))
    }

    fn read(&self, path: &Path, file: &'static str) -> Result<String> {
        fs::read_to_string(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                TrainError::NoRun { path: self.0.clone(), file }
            }
            _ => TrainError::Io { path: path.to_path_buf(), action: "read", source },
        })
    }
}

/// Appends one line.
pub(crate) fn append(file: &mut File, metrics: &EpochMetrics) -> io::Result<()> {
    let mut line = serde_json::to_string(metrics)?;
    line.push('\n');
    file.write_all(line.as_bytes())
}

fn run_file(path: &Path, what: &'static str, reason: impl ToString) -> TrainError {
    TrainError::RunFile { path: path.to_path_buf(), what, reason: reason.to_string() }
}
