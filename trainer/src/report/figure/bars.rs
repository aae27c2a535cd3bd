//! Epochs until a run fitted, as bars beside each other.

use super::{
    Figure,
    axis::{Plot, round_up},
    svg::{Anchor, LABEL, ON_GRID, Svg},
    theme::{self, Style},
};
use crate::report::{
    label,
    run::{Fit, Run, any_generated, relative, thresholds},
    settings, text,
};

const NAME: &str = "epochs-to-fit";
const ROW: f64 = 36.0;
const BAR: f64 = 22.0;
/// Room for a bar's text at its end.
const TEXT: f64 = 136.0;

pub(super) fn epochs_to_fit(runs: &[Run]) -> Figure {
    let generated = if any_generated(runs) { " (generated data)" } else { "" };
    let title = format!("Epochs to fit the training set{generated}");
    let mut svg = Svg::new(NAME, &title, &settings::headline(runs));
    let top = 66.0;
    let plot =
        Plot { left: 206.0, top, right: theme::WIDTH - TEXT, bottom: top + ROW * runs.len() as f64 + 8.0 };
    let longest = runs.iter().map(Run::epochs).max().unwrap_or(0);
    let x = plot.x(round_up(f64::from(longest)));
    plot.draw_x(&mut svg, x, &x.whole_ticks(5));
    plot.name_x(&mut svg, "epochs");
    for (place, run) in runs.iter().enumerate() {
        let y = plot.top + 8.0 + ROW * place as f64;
        let baseline = y + BAR / 2.0 + 5.0;
        svg.text((plot.left - 10.0, baseline), Anchor::End, LABEL, &label::in_figure(run, place));
        let colour = Style::of_run(place).colour;
        let length = |epochs: u32| x.at(f64::from(epochs)) - plot.left;
        let (end, words) = match run.fit() {
            Fit::After(epoch) => {
                svg.rect((plot.left, y), (length(epoch), BAR), colour, colour);
                let ratio = relative(runs, run).filter(|_| !run.is_true_labels());
                let ratio = ratio.map(|r| format!(" ({r:.2} ×)")).unwrap_or_default();
                (length(epoch), format!("{epoch}{ratio}"))
            }
            Fit::NotIn(epoch) => {
                let fill = svg.hatch(place, colour);
                svg.rect((plot.left, y), (length(epoch), BAR), &fill, colour);
                let end = if run.finished() { ", not fitted" } else { " so far" };
                (length(epoch), format!("> {epoch}{end}"))
            }
            Fit::Diverged(epoch) => (0.0, format!("diverged in epoch {epoch}")),
            Fit::NoEpochs => (0.0, "no finished epoch".into()),
        };
        svg.text((plot.left + end + 8.0, baseline), Anchor::Start, ON_GRID, &words);
    }
    svg.line((plot.left, plot.top), (plot.left, plot.bottom), Style::line(theme::AXIS, "", 1.0));
    Figure { name: NAME, caption: caption(runs), title, svg: svg.finish(plot.bottom + 50.0) }
}

fn caption(runs: &[Run]) -> String {
    let thresholds = thresholds(runs);
    let threshold = match thresholds.as_slice() {
        [threshold] => format!("below {threshold}"),
        _ => format!("below the threshold of the run ({})", text::list(&thresholds)),
    };
    let mut caption = format!(
        "The first epoch at whose end the train loss (whole training set, evaluation mode) was {threshold}."
    );
    if runs.iter().any(|run| relative(runs, run).is_some() && !run.is_true_labels()) {
        caption.push_str(
            " In brackets: times as many as with true labels, where the runs differ in nothing but the corruption.",
        );
    }
    if runs.iter().any(|run| matches!(run.fit(), Fit::NotIn(_))) {
        caption.push_str(" Hatched bars: not fitted in the epochs there are.");
    }
    caption
}
