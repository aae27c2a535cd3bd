//! The figures of the experiments, with the paper's own curves dashed beside ours.

mod chart;
mod curves;
mod shares;

use super::{experiment::Experiment, group::Group};
use crate::report::figure::Figure;

/// The figures of an experiment.
pub(super) fn figures(experiment: Option<Experiment>, groups: &[Group], subtitle: &str) -> Vec<Figure> {
    if groups.iter().all(|group| group.runs.is_empty()) {
        return Vec::new();
    }
    match experiment {
        Some(Experiment::Fig1a) => curves::fig1a(groups, subtitle),
        Some(Experiment::Fig1b) => vec![shares::fig1b(groups, subtitle), shares::fig1c(groups, subtitle)],
        Some(Experiment::Fig2b) => vec![curves::fig2b(groups, subtitle)],
        Some(Experiment::Table2) => vec![curves::fig2a(groups, subtitle)],
        None => vec![curves::loss("sweep", "Average train loss", groups, subtitle)],
        _ => Vec::new(),
    }
}
