//! Values over the share of redrawn labels: Figures 1b and 1c.

use super::chart::{Chart, Label, Series, ours, papers};
use crate::{
    model::ModelName,
    report::figure::{Figure, theme::Style},
    reproduce::{
        group::{Group, Mean},
        paper,
        rules::share,
    },
};

fn models(groups: &[Group]) -> Vec<ModelName> {
    let mut models = Vec::new();
    for group in groups.iter().filter(|group| !group.runs.is_empty()) {
        if !models.contains(&group.config.model) {
            models.push(group.config.model);
        }
    }
    models
}

/// (p, mean, deviation) of a network's groups, by p.
fn points(groups: &[Group], model: ModelName, value: impl Fn(&Group) -> Option<Mean>) -> Vec<(f64, Mean)> {
    let of = groups.iter().filter(|group| group.config.model == model);
    let mut points: Vec<(f64, Mean)> = of.filter_map(|group| Some((share(group)?, value(group)?))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

fn series(label: String, points: &[(f64, Mean)], scale: f64, style: Style) -> Series {
    Series {
        label: Label::Own(label),
        points: points.iter().map(|(p, mean)| (*p, mean.mean / scale)).collect(),
        style,
        deviations: points.iter().map(|(_, mean)| mean.sd.unwrap_or(0.0) / scale).collect(),
    }
}

fn paper_series(values: &[f64; 11], scale: f64, style: Style) -> Series {
    let points = paper::SHARES.iter().zip(values).map(|(p, value)| (*p, value / scale)).collect();
    Series { label: Label::Paper, points, style, deviations: Vec::new() }
}

/// Time to overfit over that for p = 0.
pub(super) fn fig1b(groups: &[Group], subtitle: &str) -> Figure {
    let mut all = Vec::new();
    let mut open = 0;
    for (place, model) in models(groups).into_iter().enumerate() {
        let points = points(groups, model, Group::fit);
        open += groups
            .iter()
            .filter(|g| g.config.model == model && !g.runs.is_empty() && g.fit().is_none())
            .count();
        let first = points.iter().find(|(p, _)| *p == 0.0).map(|(_, mean)| mean.mean);
        if let Some(first) = first {
            all.push(series(model.title(), &points, first, ours(place)));
        }
        if let Some((_, epochs)) = paper::FIG_1B.iter().find(|(name, _)| *name == model) {
            all.push(paper_series(epochs, epochs[0], papers(place)));
        }
    }
    let missing = match open {
        0 => String::new(),
        n => format!(" {n} of the points did not fit within their epochs, and are not drawn: see the table."),
    };
    Chart {
        name: "fig1b",
        title: "Figure 1b: time to overfit over that with true labels".into(),
        subtitle: subtitle.into(),
        caption: format!(
            "Epochs until the train loss at the end of an epoch is below 0.05, over those for p = 0; bars are one \
             deviation over seeds.{missing} Dotted: the paper's, where it has the network (all 50,000 images)."
        ),
        x: "share p of labels redrawn at random".into(),
        y: "relative time to overfit".into(),
        series: all,
        y_most: f64::INFINITY,
        level: None,
    }
    .draw()
}

/// Test error, against clean labels and against labels corrupted with the same p.
pub(super) fn fig1c(groups: &[Group], subtitle: &str) -> Figure {
    let mut all = Vec::new();
    let error = |mean: Option<Mean>| mean.map(|mean| Mean { mean: 1.0 - mean.mean, ..mean });
    for (place, model) in models(groups).into_iter().enumerate() {
        let given = points(groups, model, |group| error(group.test_given()));
        all.push(series(format!("{}, same-p test labels", model.title()), &given, 1.0, ours(2 * place)));
        let clean = points(groups, model, |group| error(group.test()));
        all.push(series(format!("{}, clean test labels", model.title()), &clean, 1.0, ours(2 * place + 1)));
        if let Some((_, errors)) = paper::FIG_1C.iter().find(|(name, _)| *name == model) {
            all.push(paper_series(errors, 1.0, papers(2 * place)));
        }
    }
    Chart {
        name: "fig1c",
        title: "Figure 1c: test error over the share of redrawn labels".into(),
        subtitle: subtitle.into(),
        caption: "Test error at the end, measured against test labels that are corrupted with the same p, as the paper's \
                  figure is, and against the clean ones. Dotted: the paper's, where it has the network (all 50,000 images)."
            .into(),
        x: "share p of labels redrawn at random".into(),
        y: "test error".into(),
        series: all,
        y_most: 1.0,
        level: Some((0.9, "guessing".into())),
    }
    .draw()
}
