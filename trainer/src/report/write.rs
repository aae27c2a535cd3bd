//! Writes the report's folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{csv, figure, html, run};
use crate::{
    atomic,
    error::{Result, TrainError},
};

/// What a report consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportPaths {
    /// The page, complete in itself.
    pub html: PathBuf,
    /// The figures, each as SVG and PNG.
    pub figures: Vec<PathBuf>,
    /// `results.csv`, a row per run and epoch, and `summary.csv`, a row per run.
    pub csv: Vec<PathBuf>,
}

/// Writes a report of `runs`, folders that `rfx-train run` wrote, in the order given, into the folder `out`. Files of an
/// older report there are replaced one by one, each atomically, and figures that this report does not have are removed;
/// other files stay.
///
/// # Errors
/// [`TrainError::Report`] without runs, or if a figure cannot be drawn; [`TrainError::NoRun`] and
/// [`TrainError::RunFile`] naming what cannot be read; [`TrainError::Io`] naming what cannot be written. All runs are
/// read and all figures drawn before anything is written.
pub fn write(runs: &[PathBuf], out: &Path) -> Result<ReportPaths> {
    let runs = run::load(runs)?;
    let figures = figure::all(&runs);
    let pictures =
        figures.iter().map(|figure| figure::png::render(&figure.svg)).collect::<Result<Vec<_>>>()?;
    let page = html::page(&runs, &figures);

    fs::create_dir_all(out).map_err(|source| io_error(out, "create", source))?;
    let put = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let path = out.join(name);
        atomic::write(&path, bytes).map_err(|source| io_error(&path, "write", source))?;
        Ok(path)
    };
    let mut paths = ReportPaths { html: out.join("index.html"), figures: Vec::new(), csv: Vec::new() };
    for (figure, picture) in figures.iter().zip(&pictures) {
        paths.figures.push(put(&format!("{}.svg", figure.name), figure.svg.as_bytes())?);
        paths.figures.push(put(&format!("{}.png", figure.name), picture)?);
    }
    for name in figure::NAMES.iter().filter(|name| figures.iter().all(|figure| figure.name != **name)) {
        remove(&out.join(format!("{name}.svg")))?;
        remove(&out.join(format!("{name}.png")))?;
    }
    paths.csv.push(put("results.csv", csv::results(&runs).as_bytes())?);
    paths.csv.push(put("summary.csv", csv::summary(&runs).as_bytes())?);
    // Last: whoever sees the page finds all that it speaks of.
    put("index.html", page.as_bytes())?;
    Ok(paths)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(io_error(path, "remove", source)),
        _ => Ok(()),
    }
}

fn io_error(path: &Path, action: &'static str, source: io::Error) -> TrainError {
    TrainError::Io { path: path.to_path_buf(), action, source }
}
