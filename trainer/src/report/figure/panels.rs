//! Small plots of accuracy over epochs, one per run, all with the same axes.

use super::{
    Figure,
    axis::Plot,
    svg::{Anchor, HEAD, NOTE, Svg, TICK},
    theme::{self, BEST, CHANCE, FIRST, SECOND, Style},
};
use crate::{
    metrics::EpochMetrics,
    report::{
        label,
        run::{Run, any_generated},
        settings, text,
    },
};

const PLOT_HEIGHT: f64 = 132.0;
const ROW: f64 = PLOT_HEIGHT + 82.0;
const GAP: f64 = 26.0;

/// What the two curves of every panel are.
struct Pair {
    /// In the legend.
    names: [&'static str; 2],
    /// In front of numbers.
    short: [&'static str; 2],
    values: fn(&EpochMetrics) -> [Option<f64>; 2],
    /// What the highest of the second curve so far is called, where it is drawn.
    best: Option<&'static str>,
}

/// Train and test accuracy of every run.
pub(super) fn accuracy(runs: &[Run]) -> Figure {
    let pair = Pair {
        names: ["training samples", "test samples"],
        short: ["train", "test"],
        values: |m| [Some(m.train.accuracy), Some(m.test.accuracy)],
        best: Some("best test so far"),
    };
    let all: Vec<(usize, &Run)> = runs.iter().enumerate().collect();
    let caption = "Accuracy in evaluation mode at the end of each epoch: on the training samples with the labels \
                   trained on (circles), and on the test samples with their true labels (squares). The thin line is the \
                   best test accuracy so far, which early stopping would keep (the paper's Figure 2). The numbers are \
                   of the last epoch; the dotted line is guessing, 1 / number of classes."
        .into();
    figure("accuracy", "Train and test accuracy", runs, &all, &pair, caption)
}

/// Train accuracy of samples whose label was changed and of those that kept it, of the runs that have both.
pub(super) fn memorised(runs: &[Run]) -> Option<Figure> {
    let pair = Pair {
        names: ["kept labels", "changed labels"],
        short: ["kept", "changed"],
        values: |m| [m.train.clean_accuracy, m.train.corrupted_accuracy],
        best: None,
    };
    let noisy = |(_, run): &(usize, &Run)| {
        run.has_noisy_labels_only() && run.last().is_some_and(|m| m.train.corrupted_accuracy.is_some())
    };
    let some: Vec<(usize, &Run)> = runs.iter().enumerate().filter(noisy).collect();
    if some.is_empty() {
        return None;
    }
    let caption = "Of the runs with corrupted labels, accuracy on the training samples at the end of each epoch in \
                   evaluation mode, against the labels trained on: samples whose label is still the true one \
                   (circles), and samples whose label was changed (squares), which can only be memorised. The dotted \
                   line is guessing."
        .into();
    Some(figure("memorised", "Memorising changed labels", runs, &some, &pair, caption))
}

fn figure(
    name: &'static str,
    title: &str,
    all: &[Run],
    runs: &[(usize, &Run)],
    pair: &Pair,
    caption: String,
) -> Figure {
    let generated = if any_generated(all) { " (generated data)" } else { "" };
    let title = format!("{title}{generated}");
    let mut svg = Svg::new(name, &title, &settings::headline(all));
    let [first, second] = pair.names;
    let mut legend = vec![(FIRST, first), (SECOND, second)];
    legend.extend(pair.best.map(|name| (BEST, name)));
    legend.push((CHANCE, "guessing"));
    let mut x = theme::MARGIN;
    for (style, text) in legend {
        svg.sample((x, 70.0), style);
        svg.text((x + 42.0, 75.0), Anchor::Start, NOTE, text);
        x += 56.0 + 0.58 * theme::TICK * text.len() as f64; // about as wide as the font's letters
    }
    let columns = if runs.len() == 1 { 1 } else { 2 };
    let left = 52.0;
    let width = (theme::WIDTH - left - theme::MARGIN - 4.0 - GAP * (columns - 1) as f64) / columns as f64;
    let epochs = runs.iter().map(|(_, run)| run.epochs()).max().unwrap_or(0);
    let mut bottom = 90.0;
    for (i, (place, run)) in runs.iter().enumerate() {
        let top = 128.0 + ROW * (i / columns) as f64;
        let left = left + (width + GAP) * (i % columns) as f64;
        let plot = Plot { left, top, right: left + width, bottom: top + PLOT_HEIGHT };
        let frame = Frame { epochs, has_numbers: i % columns == 0 };
        panel(&mut svg, plot, frame, run, &label::in_figure(run, *place), pair);
        bottom = plot.bottom;
    }
    svg.text(
        ((left + theme::WIDTH - theme::MARGIN) / 2.0, bottom + 38.0),
        Anchor::Middle,
        NOTE,
        "epochs (all panels to the same scale)",
    );
    let middle = f64::midpoint(128.0, bottom);
    svg.text_upwards((16.0, middle), Anchor::Middle, NOTE, "accuracy, %");
    Figure { name, title, caption, svg: svg.finish(bottom + 50.0) }
}

struct Frame {
    /// Where the x axis ends.
    epochs: u32,
    /// Whether numbers stand left of the plot.
    has_numbers: bool,
}

fn panel(svg: &mut Svg, plot: Plot, frame: Frame, run: &Run, label: &str, pair: &Pair) {
    let x = plot.x(1.03 * f64::from(frame.epochs.max(1)));
    let y = plot.y(102.0);
    plot.draw_x(svg, x, &x.whole_ticks(5));
    let mut ticks = [0.0, 25.0, 50.0, 75.0, 100.0].map(|p: f64| (p, p.to_string()));
    if !frame.has_numbers {
        ticks.iter_mut().for_each(|(_, text)| text.clear());
    }
    plot.draw_y(svg, y, &ticks);
    svg.text((plot.left, plot.top - 22.0), Anchor::Start, HEAD, label);
    let chance = y.at(100.0 * run.chance());
    svg.line((plot.left, chance), (plot.right, chance), CHANCE);
    let last = run.last().map(|m| (pair.values)(m));
    let [first, second] = pair.short;
    let numbers = match last {
        None => "no finished epoch".to_owned(),
        Some(values) => {
            let part = |(name, value): (&str, Option<f64>)| {
                value.map_or(format!("{name}: none"), |v| format!("{name} {} %", text::percent(v)))
            };
            [(first, values[0]), (second, values[1])].map(part).join(", ")
        }
    };
    svg.text((plot.left, plot.top - 6.0), Anchor::Start, TICK, &numbers);
    if pair.best.is_some() {
        let mut best = f64::NEG_INFINITY;
        let mut steps = Vec::new();
        for m in &run.metrics {
            let (at, before) = (x.at(f64::from(m.epoch)), best);
            best = best.max((pair.values)(m)[1].unwrap_or(f64::NAN));
            // A step, not a slope: until the end of an epoch the best is that of the epochs before.
            steps.extend([before, best].into_iter().filter(|b| b.is_finite()).map(|b| (at, y.at(100.0 * b))));
        }
        svg.path(&steps, BEST);
    }
    let styles: [Style; 2] = [FIRST, SECOND];
    for (curve, style) in styles.into_iter().enumerate() {
        let at = |m: &EpochMetrics| {
            let value = (pair.values)(m).get(curve).copied().flatten();
            (x.at(f64::from(m.epoch)), y.at(100.0 * value.unwrap_or(f64::NAN)))
        };
        let points: Vec<(f64, f64)> = run.metrics.iter().map(at).collect();
        plot.curve(svg, &points, style, (0, 22.0));
    }
}
