//! The file of an experiment, `result.json`: made once, whole or not at all, and given back to whoever asks for the same.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{TheoryError, samples};
use crate::{
    atomic,
    error::{Result, TrainError},
    folder::{DataManifest, RunFolder},
    signal::Interrupt,
};

/// The schema of the file.
pub const SCHEMA: &str = "rfx.theory/1";
/// Name of the file.
pub const RESULT: &str = "result.json";

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document<S, R> {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name of the experiment.
    pub experiment: String,
    /// Version of this program.
    pub rfx: String,
    /// The settings that decide the numbers: no paths, threads or devices.
    pub settings: S,
    /// The data set.
    pub data: DataManifest,
    /// What came out.
    pub report: R,
}

/// An experiment: its settings, and how it is run.
pub trait Experiment: Clone + Serialize + DeserializeOwned {
    /// Its name in files and on the command line.
    const NAME: &'static str;
    /// What comes out.
    type Report: Serialize + DeserializeOwned;

    /// Folder of the data set.
    fn data(&self) -> &Path;

    /// Runs it; `note` gets a line now and then.
    ///
    /// # Errors
    /// [`TheoryError::Interrupted`] if `interrupt` is raised; those of the experiment.
    fn run(&self, interrupt: &Interrupt, note: &mut dyn FnMut(&str)) -> Result<Self::Report>;
}

/// Runs an experiment and writes `result.json` into the folder `out`, which must be new or empty. With `resume` a result
/// that is there already is given back, if it is that of the same settings and the same data.
///
/// # Errors
/// [`TrainError::Exists`], [`TrainError::Busy`]; with `resume` [`TheoryError::Changed`] and [`TheoryError::Result`]; those
/// of the experiment, after which the folder is empty.
pub fn kept<E: Experiment>(
    settings: &E,
    out: &Path,
    resume: bool,
    interrupt: &Interrupt,
    note: &mut dyn FnMut(&str),
) -> Result<Document<E, E::Report>> {
    let path = out.join(RESULT);
    let data = samples::manifest(&samples::open(settings.data())?);
    if resume && path.exists() {
        note(&format!("{}: there already", path.display()));
        return stored(settings, &data, &path);
    }
    let (_, _lock) = RunFolder::create(out)?;
    let document = Document {
        schema: SCHEMA.into(),
        experiment: E::NAME.into(),
        rfx: env!("CARGO_PKG_VERSION").into(),
        settings: settings.clone(),
        data,
        report: settings.run(interrupt, note)?,
    };
    let text = serde_json::to_string_pretty(&document).map_err(|error| unreadable(&path, error))? + "\n";
    atomic::write(&path, text.as_bytes()).map_err(|source| TrainError::Io {
        path,
        action: "write",
        source,
    })?;
    Ok(document)
}

fn stored<E: Experiment>(settings: &E, data: &DataManifest, path: &Path) -> Result<Document<E, E::Report>> {
    let text = fs::read_to_string(path).map_err(|source| TrainError::Io {
        path: path.to_path_buf(),
        action: "read",
        source,
    })?;
    let found: Value = serde_json::from_str(&text).map_err(|error| unreadable(path, error))?;
    let same = |key: &str, now: &Value, then: &Value| {
        if now == then {
            return Ok(());
        }
        let (path, key) = (path.to_path_buf(), key.to_owned());
        Err(TheoryError::Changed { path, key, found: now.to_string(), expected: then.to_string() })
    };
    same("schema", &SCHEMA.into(), &found["schema"])?;
    same("experiment", &E::NAME.into(), &found["experiment"])?;
    same("data set", &data.content.to_string().into(), &found["data"]["content"])?;
    let now = serde_json::to_value(settings).map_err(|error| unreadable(path, error))?;
    // Both sides: a setting that is none is in neither, and one of them may have it.
    for (of, other) in [(&now, &found["settings"]), (&found["settings"], &now)] {
        for key in of.as_object().into_iter().flat_map(|map| map.keys()) {
            let (now, then) =
                if std::ptr::eq(of, &now) { (&of[key], &other[key]) } else { (&other[key], &of[key]) };
            same(key, now, then)?;
        }
    }
    Ok(serde_json::from_str(&text).map_err(|error| unreadable(path, error))?)
}

fn unreadable(path: &Path, error: serde_json::Error) -> TheoryError {
    TheoryError::Result { path: path.to_path_buf(), reason: error.to_string() }
}
