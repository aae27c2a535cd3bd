//! Curves in a frame, with a legend above.

use crate::report::figure::{
    Figure,
    axis::{Plot, round_up},
    svg::{Anchor, NOTE, Svg, TICK},
    theme::{self, Style},
};

/// Height of a row of the legend.
const ROW: f64 = 23.0;
const HEIGHT: f64 = 300.0;

/// What the legend says of a curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Its name.
    Own(String),
    /// It is one of the paper's: they share a line that explains them.
    Paper,
    /// It goes with the curve of the same colour; the caption explains it.
    None,
}

/// A curve.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub label: Label,
    /// In the units of the axes.
    pub points: Vec<(f64, f64)>,
    pub style: Style,
    /// Deviation of each point, drawn as a bar; as many as points, or none.
    pub deviations: Vec<f64>,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    pub name: &'static str,
    pub title: String,
    pub subtitle: String,
    pub caption: String,
    pub x: String,
    pub y: String,
    pub series: Vec<Series>,
    /// The largest value that y goes to, however high a curve is.
    pub y_most: f64,
    /// A level to compare with, and what it is.
    pub level: Option<(f64, String)>,
}

/// The look of the curve at `place` among ours.
pub(super) fn ours(place: usize) -> Style {
    Style::of_run(place)
}

/// The paper's curve beside it: the same colour, thin, dashed, without markers.
pub(super) fn papers(place: usize) -> Style {
    Style { dash: "2 3", width: 1.6, marker: None, ..Style::of_run(place) }
}

impl Chart {
    /// Draws it.
    pub fn draw(self) -> Figure {
        let mut svg = Svg::new(self.name, &self.title, &self.subtitle);
        let column = (theme::WIDTH - 2.0 * theme::MARGIN) / 2.0;
        let named = self.series.iter().filter_map(|series| match &series.label {
            Label::Own(name) => Some((series.style, short(name))),
            _ => None,
        });
        let mut legend: Vec<(Style, String)> = named.collect();
        if self.series.iter().any(|series| series.label == Label::Paper) {
            let style = Style { colour: theme::INK, ..papers(0) };
            legend.push((style, "the paper's curve, in the same colour".into()));
        }
        for (place, (style, label)) in legend.iter().enumerate() {
            let at = (theme::MARGIN + column * (place % 2) as f64, 72.0 + ROW * (place / 2) as f64);
            svg.sample(at, *style);
            svg.text((at.0 + 40.0, at.1 + 5.0), Anchor::Start, NOTE, label);
        }
        let top = 62.0 + ROW * legend.len().div_ceil(2) as f64 + 20.0;
        let plot = Plot { left: 62.0, top, right: theme::WIDTH - 18.0, bottom: top + HEIGHT };
        let finite = |value: &f64| value.is_finite();
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x_end = points().map(|point| point.0).filter(finite).fold(0.0, f64::max);
        let level = self.level.as_ref().map_or(0.0, |level| level.0);
        let y_end = points().map(|point| point.1).filter(finite).fold(level, f64::max);
        let x = plot.x(1.02 * x_end);
        let y = plot.y(round_up(y_end).min(self.y_most));
        plot.draw_x(&mut svg, x, &x.ticks(8));
        plot.draw_y(&mut svg, y, &y.ticks(6));
        plot.name_x(&mut svg, &self.x);
        plot.name_y(&mut svg, &self.y);
        if let Some((value, what)) = &self.level {
            let at = y.at(*value);
            svg.line((plot.left, at), (plot.right, at), theme::CHANCE);
            svg.text((plot.right - 4.0, at - 6.0), Anchor::End, TICK, what);
        }
        let margin = 6.0; // markers on an axis stay whole
        svg.clip(
            (plot.left - margin, plot.top - margin),
            (plot.right - plot.left + 2.0 * margin, plot.bottom - plot.top + 2.0 * margin),
        );
        for (place, series) in self.series.iter().enumerate() {
            let places: Vec<(f64, f64)> = series.points.iter().map(|(a, b)| (x.at(*a), y.at(*b))).collect();
            for ((value, at), sd) in series.points.iter().zip(&places).zip(&series.deviations) {
                let bar = Style { dash: "", width: 1.2, marker: None, ..series.style };
                svg.line((at.0, y.at(value.1 - sd)), (at.0, y.at(value.1 + sd)), bar);
            }
            match series.style.marker {
                Some(_) => plot.curve(&mut svg, &places, series.style, (place % 2, 24.0)),
                None => svg.path(&places, series.style),
            }
        }
        svg.end_clip();
        Figure {
            name: self.name,
            title: self.title,
            caption: self.caption,
            svg: svg.finish(plot.bottom + 50.0),
        }
    }
}

/// What fits a column of the legend.
fn short(label: &str) -> String {
    const MOST: usize = 36;
    if label.chars().count() <= MOST {
        return label.to_owned();
    }
    format!("{}…", label.chars().take(MOST - 1).collect::<String>().trim_end())
}
