//! The paper's Figure 1a of these runs: average train loss against steps.

use super::{
    Figure,
    axis::{Plot, round_up},
    svg::{Anchor, LABEL, NOTE, Svg, TICK},
    theme::{self, Style},
};
use crate::{
    metrics::EpochMetrics,
    report::{
        label,
        run::{Fit, Run, any_generated, thresholds},
        settings, text,
    },
};

const NAME: &str = "fig1a";
const LEGEND_ROW: f64 = 23.0;
const PLOT_HEIGHT: f64 = 300.0;
const MARGIN_RIGHT: f64 = 18.0;

pub(super) fn loss(runs: &[Run]) -> Figure {
    let generated = if any_generated(runs) { " (generated data)" } else { "" };
    let title = format!("Average train loss{generated}");
    let mut svg = Svg::new(NAME, &title, &settings::headline(runs));
    let legend_rows = runs.len().div_ceil(2);
    legend(&mut svg, runs);

    let per_epoch = steps_per_epoch(runs);
    let room = if per_epoch.is_some() { 50.0 } else { 16.0 };
    let top = 62.0 + LEGEND_ROW * legend_rows as f64 + room;
    let plot = Plot { left: 62.0, top, right: theme::WIDTH - MARGIN_RIGHT, bottom: top + PLOT_HEIGHT };
    let steps = runs.iter().filter_map(Run::last).map(|m| m.step).max().unwrap_or(0);
    let x = plot.x(1.02 * steps as f64 / 1000.0);
    let guess = guessing(runs);
    let cut = cut(runs);
    let y = plot.y(cut.end);
    let x_ticks = if steps > 0 { x.ticks(6) } else { vec![(0.0, "0".into())] };
    plot.draw_x(&mut svg, x, &x_ticks);
    plot.draw_y(&mut svg, y, &y.ticks(6));
    plot.name_x(&mut svg, "steps, thousands");
    plot.name_y(&mut svg, "train loss (nats)");

    // Epochs along the top, where one epoch is as many steps in every run.
    if let Some(per_epoch) = per_epoch.filter(|_| steps > 0) {
        let epochs = plot.x(1.02 * steps as f64 / per_epoch as f64);
        for (epoch, text) in epochs.whole_ticks(8) {
            let at = epochs.at(epoch);
            svg.line((at, plot.top - 4.0), (at, plot.top), Style::line(theme::AXIS, "", 1.0));
            svg.text((at, plot.top - 8.0), Anchor::Middle, TICK, &text);
        }
        svg.line((plot.left, plot.top), (plot.right, plot.top), Style::line(theme::AXIS, "", 1.0));
        svg.text(((plot.left + plot.right) / 2.0, plot.top - 27.0), Anchor::Middle, NOTE, "epochs");
    }
    if let Some((loss, classes)) = guess.filter(|(loss, _)| *loss < cut.end) {
        let at = y.at(loss);
        svg.line((plot.left, at), (plot.right, at), theme::CHANCE);
        let text = format!("ln {classes}: guessing evenly");
        svg.text((plot.right - 4.0, at - 6.0), Anchor::End, TICK, &text);
    }
    if steps == 0 {
        svg.text((plot.left + 20.0, plot.top + 40.0), Anchor::Start, LABEL, "no finished epoch");
    }
    let margin = 6.0; // markers on an axis stay whole
    let size = (plot.right - plot.left + 2.0 * margin, plot.bottom - plot.top + margin);
    svg.clip((plot.left - margin, plot.top), size);
    for (place, run) in runs.iter().enumerate() {
        // Not `min`, which would make a number of NaN.
        let near = |loss: f64| if loss > FAR * cut.end { FAR * cut.end } else { loss };
        let at = |m: &EpochMetrics| (x.at(m.step as f64 / 1000.0), y.at(near(m.train.loss)));
        let points: Vec<(f64, f64)> = run.metrics.iter().map(at).collect();
        plot.curve(&mut svg, &points, Style::of_run(place), (place % 2, 40.0));
    }
    svg.end_clip();

    Figure { name: NAME, caption: caption(runs, per_epoch, cut), title, svg: svg.finish(plot.bottom + 50.0) }
}

/// How far above the axis, in axes, a curve is followed: renderers lose what is drawn with it where places are huge.
const FAR: f64 = 20.0;

/// Two columns above the plot: curves that all end near 0 leave no room for names at their ends.
fn legend(svg: &mut Svg, runs: &[Run]) {
    for (place, run) in runs.iter().enumerate() {
        let column = (theme::WIDTH - 2.0 * theme::MARGIN) / 2.0;
        let left = theme::MARGIN + column * (place % 2) as f64;
        let y = 72.0 + LEGEND_ROW * (place / 2) as f64;
        svg.sample((left, y), Style::of_run(place));
        let end = match run.fit() {
            Fit::After(epoch) => text::epochs(epoch),
            other => other.cell(true), // shorter; the table says which runs go on
        };
        let text = format!("{}: {end}", label::in_figure(run, place));
        svg.text((left + 40.0, y + 5.0), Anchor::Start, NOTE, &text);
    }
}

/// Where the y axis ends.
#[derive(Clone, Copy)]
struct Cut {
    end: f64,
    /// Whether a curve goes on above.
    cuts: bool,
}

/// The highest loss, unless a curve goes far above guessing: then the others would lie flat on the axis.
fn cut(runs: &[Run]) -> Cut {
    let losses = runs.iter().flat_map(|run| run.metrics.iter().map(|m| m.train.loss));
    let highest = losses.filter(|loss| loss.is_finite()).fold(0.0, f64::max);
    let guess = guessing(runs).map_or(highest, |(loss, _)| 1.05 * loss);
    let limit = 2.0 * runs.iter().map(|run| -run.chance().ln()).fold(0.0, f64::max);
    let end = if limit > 0.0 { round_up(highest.max(guess).min(limit)) } else { round_up(highest) };
    Cut { end, cuts: highest > end }
}

/// Loss of giving every class the same probability, where all runs have as many classes.
fn guessing(runs: &[Run]) -> Option<(f64, usize)> {
    let classes = runs.first()?.manifest.data.classes;
    let same = classes > 1 && runs.iter().all(|run| run.manifest.data.classes == classes);
    same.then(|| ((classes as f64).ln(), classes))
}

fn steps_per_epoch(runs: &[Run]) -> Option<u64> {
    let steps = runs.first()?.manifest.steps_per_epoch;
    (steps > 0 && runs.iter().all(|run| run.manifest.steps_per_epoch == steps)).then_some(steps)
}

fn caption(runs: &[Run], per_epoch: Option<u64>, cut: Cut) -> String {
    let mut caption = "Mean cross-entropy over the whole training set with the labels trained on, at the end of each \
                       epoch in evaluation mode, against steps. A curve begins after its first epoch and ends where \
                       its run ended."
        .to_owned();
    caption.push_str(&match per_epoch {
        Some(steps) => format!(" One epoch is {} steps.", text::thousands(steps)),
        None => " The runs have different numbers of steps in an epoch.".into(),
    });
    let thresholds = thresholds(runs);
    if let [threshold] = thresholds.as_slice() {
        caption.push_str(&format!(
            " The number of epochs is the first after which the loss was below {threshold}."
        ));
    }
    if cut.cuts {
        caption.push_str(&format!(" Losses above {} are cut off.", cut.end));
    }
    if runs.iter().any(|run| run.metrics.iter().any(|m| !m.train.loss.is_finite())) {
        caption.push_str(" Where the loss is not a number there is no curve.");
    }
    caption
}
