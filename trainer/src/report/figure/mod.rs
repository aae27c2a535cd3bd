//! The figures, drawn as SVG text. What they share is in [`svg`] (the drawing), [`theme`] (colours, dashes, markers)
//! and [`axis`] (scales, ticks, grid); [`png`] makes the same picture of pixels.
//!
//! SVG is written directly: hatching, dashes, markers and ids that stay apart in one page are a few lines each, where a
//! plotting library's SVG back end has none of them.

pub(crate) mod axis;
mod bars;
mod curves;
mod histogram;
mod panels;
pub(crate) mod png;
pub(crate) mod svg;
pub(crate) mod theme;

use super::run::Run;

/// A figure, ready to be written.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// Its file's name without extension.
    pub name: &'static str,
    /// What it shows, in a few words.
    pub title: String,
    /// What exactly is drawn.
    pub caption: String,
    /// The picture.
    pub svg: String,
}

/// Every name a figure can have: what an older report left under one of them is out of date.
pub(crate) const NAMES: [&str; 5] = ["fig1a", "accuracy", "epochs-to-fit", "memorised", "forgetting"];

/// The figures of `runs`; `memorised` only if labels of a run are corrupted and its images are not, `forgetting` only if a
/// run has per-sample records.
pub(crate) fn all(runs: &[Run]) -> Vec<Figure> {
    let mut figures = vec![curves::loss(runs), panels::accuracy(runs), bars::epochs_to_fit(runs)];
    figures.extend(panels::memorised(runs));
    figures.extend(histogram::forgetting(runs));
    figures
}
