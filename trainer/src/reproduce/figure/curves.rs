//! Curves over epochs: Figures 1a, 2a and 2b, and the train loss of a user's own sweep.

use super::chart::{Chart, Label, Series, ours, papers};
use crate::{
    metrics::EpochMetrics,
    model::ModelName,
    report::{Run, figure::Figure, figure::theme::Style},
    reproduce::{group::Group, paper, rules::share, table},
};

/// What a group's corruption is called.
fn corruption(group: &Group) -> String {
    match (share(group), group.config.corruption.inputs.to_string().as_str()) {
        (Some(0.0), _) => "true labels".into(),
        (Some(1.0), _) => "random labels".into(),
        (Some(p), _) => format!("labels redrawn with p = {p}"),
        (None, "shuffled-pixels") => "shuffled pixels".into(),
        (None, "random-pixels") => "random pixels".into(),
        (None, "gaussian") => "Gaussian images".into(),
        _ => group.config.corruption.to_string(),
    }
}

/// A value of each epoch, its mean over the runs that have reached it.
fn means(runs: &[Run], value: impl Fn(&EpochMetrics) -> f64) -> Vec<(f64, f64)> {
    let epochs = runs.iter().map(|run| run.metrics.len()).max().unwrap_or(0);
    (0..epochs)
        .map(|epoch| {
            let values: Vec<f64> = runs.iter().filter_map(|run| run.metrics.get(epoch)).map(&value).collect();
            ((epoch + 1) as f64, values.iter().sum::<f64>() / values.len().max(1) as f64)
        })
        .collect()
}

fn series(label: Label, points: Vec<(f64, f64)>, style: Style) -> Series {
    Series { label, points, style, deviations: Vec::new() }
}

fn seeds(groups: &[Group]) -> &'static str {
    if groups.iter().any(|group| group.runs.len() > 1) {
        " Curves of several seeds are their mean."
    } else {
        ""
    }
}

/// Train loss by epoch, a figure for each network.
pub(super) fn fig1a(groups: &[Group], subtitle: &str) -> Vec<Figure> {
    let mut models: Vec<ModelName> = groups.iter().map(|group| group.config.model).collect();
    models.dedup();
    let names = ["fig1a", "fig1a-2", "fig1a-3", "fig1a-4"];
    let figure = |(name, model): (&'static str, &ModelName)| {
        let of: Vec<Group> = groups.iter().filter(|group| group.config.model == *model).cloned().collect();
        let mut chart = loss_chart(name, &format!("Figure 1a: train loss, {}", model.title()), &of, subtitle);
        let paper = paper::FIG_1A.iter().filter_map(|(name, points)| {
            let place = of.iter().position(|group| match share(group) {
                Some(p) => *name == if p == 0.0 { "true-labels" } else { "random-labels" },
                None => group.config.corruption.inputs.to_string() == *name,
            })?;
            Some(series(Label::Paper, points.to_vec(), papers(place)))
        });
        let paper: Vec<Series> = paper.collect();
        chart.series.extend(paper);
        chart.caption.push_str(
            " Dotted: the paper's curves, which are of the small Inception on all 50,000 images of CIFAR-10.",
        );
        chart.draw()
    };
    names.into_iter().zip(&models).map(figure).collect()
}

/// Train loss by epoch of whatever was run.
pub(super) fn loss(name: &'static str, title: &str, groups: &[Group], subtitle: &str) -> Figure {
    loss_chart(name, title, groups, subtitle).draw()
}

fn loss_chart(name: &'static str, title: &str, groups: &[Group], subtitle: &str) -> Chart {
    let models =
        groups.iter().any(|group| Some(group.config.model) != groups.first().map(|g| g.config.model));
    let label = |group: &Group| match models {
        true => format!("{}, {}", group.config.model, corruption(group)),
        false => corruption(group),
    };
    let curves = groups.iter().enumerate().filter(|(_, group)| !group.runs.is_empty());
    Chart {
        name,
        title: title.into(),
        subtitle: subtitle.into(),
        caption: format!(
            "Mean cross-entropy over the whole training set with the labels trained on, at the end of each epoch in \
             evaluation mode.{}",
            seeds(groups)
        ),
        x: "epochs".into(),
        y: "train loss (nats)".into(),
        series: curves
            .map(|(place, group)| {
                series(Label::Own(label(group)), means(&group.runs, |m| m.train.loss), ours(place))
            })
            .collect(),
        y_most: 5.0,
        level: None,
    }
}

/// Test accuracy by epoch with and without batch normalisation.
pub(super) fn fig2b(groups: &[Group], subtitle: &str) -> Figure {
    let mut all = Vec::new();
    for (place, group) in groups.iter().enumerate().filter(|(_, group)| !group.runs.is_empty()) {
        all.push(series(
            Label::Own(format!("{}, test", group.config.model)),
            means(&group.runs, |m| m.test.accuracy),
            ours(place),
        ));
        let train = Style { dash: "9 3", width: 1.2, marker: None, ..ours(place) };
        all.push(series(
            Label::Own(format!("{}, train", group.config.model)),
            means(&group.runs, |m| m.train.accuracy),
            train,
        ));
    }
    for (place, (_, points)) in paper::FIG_2B.iter().enumerate() {
        all.push(series(Label::Paper, points.to_vec(), papers(place)));
    }
    Chart {
        name: "fig2b",
        title: "Figure 2b: batch normalisation".into(),
        subtitle: subtitle.into(),
        caption: format!(
            "Accuracy at the end of each epoch, on the training set and on the test set.{} Dotted: the paper's test \
             accuracy, of the small Inception on all 50,000 images of CIFAR-10.",
            seeds(groups)
        ),
        x: "epochs".into(),
        y: "accuracy".into(),
        series: all,
        y_most: 1.0,
        level: None,
    }
    .draw()
}

/// Test accuracy by epoch under each combination of regularisers, and the best so far.
pub(super) fn fig2a(groups: &[Group], subtitle: &str) -> Figure {
    let mut all = Vec::new();
    for (place, group) in groups.iter().enumerate().filter(|(_, group)| !group.runs.is_empty()) {
        let points = means(&group.runs, |m| m.test.accuracy);
        let mut best = 0.0f64;
        let so_far = points.iter().map(|(x, y)| {
            best = best.max(*y);
            (*x, best)
        });
        let so_far: Vec<(f64, f64)> = so_far.collect();
        all.push(series(Label::Own(table::regulariser(group)), points, ours(place)));
        all.push(series(Label::None, so_far, Style { dash: "", width: 0.9, marker: None, ..ours(place) }));
    }
    Chart {
        name: "fig2a",
        title: "Figure 2a: test accuracy under regularisers".into(),
        subtitle: subtitle.into(),
        caption: format!(
            "Test accuracy at the end of each epoch; thin: the best so far, which early stopping could have kept.{} The \
             paper's figure is of Inception v3 on ImageNet and has another scale.",
            seeds(groups)
        ),
        x: "epochs".into(),
        y: "test accuracy".into(),
        series: all,
        y_most: 1.0,
        level: None,
    }
    .draw()
}
