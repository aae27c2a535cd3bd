//! How things look: widths, colours, and the style of each curve.

/// Width of every figure. Narrow, so that its text can still be read on a phone.
pub(crate) const WIDTH: f64 = 640.0;
/// Space left and right of everything.
pub(crate) const MARGIN: f64 = 14.0;
/// Size of the title.
pub(crate) const TITLE: f64 = 18.0;
/// Size of labels.
pub(crate) const LABEL: f64 = 14.0;
/// Size of numbers at ticks.
pub(crate) const TICK: f64 = 13.0;
/// Text.
pub(crate) const INK: &str = "#1a1a1a";
/// Less important text.
pub(crate) const GREY: &str = "#5a5a5a";
/// Axes.
pub(crate) const AXIS: &str = "#8a8a8a";
/// Grid.
pub(crate) const GRID: &str = "#e4e4e4";

/// Okabe and Ito's colours, which differ under every colour blindness; their yellow does not show on white.
const COLOURS: [&str; 7] = ["#0072b2", "#e69f00", "#d55e00", "#56b4e9", "#009e73", "#cc79a7", "#000000"];
const DASHES: [&str; 5] = ["", "9 3", "", "4 3", "9 3 2 3"];
const MARKERS: [Marker; 6] =
    [Marker::Circle, Marker::Square, Marker::Triangle, Marker::Diamond, Marker::Inverted, Marker::Cross];

/// The shape that marks points of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Circle,
    Square,
    Triangle,
    Diamond,
    Inverted,
    Cross,
}

/// The look of a curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Style {
    /// `#rrggbb`.
    pub colour: &'static str,
    /// `stroke-dasharray`; empty for a whole line.
    pub dash: &'static str,
    /// Stroke width.
    pub width: f64,
    /// Marker, if points are marked.
    pub marker: Option<Marker>,
}

impl Style {
    /// The style of the run at `place`: the first 42 differ in colour or marker, and dashes help.
    pub fn of_run(place: usize) -> Style {
        Style {
            colour: pick(&COLOURS, place),
            dash: pick(&DASHES, place),
            width: 2.0,
            marker: Some(pick(&MARKERS, place)),
        }
    }

    /// A line without markers.
    pub fn line(colour: &'static str, dash: &'static str, width: f64) -> Style {
        Style { colour, dash, width, marker: None }
    }
}

/// Accuracy on what was trained on, or on the samples that kept their label.
pub(crate) const FIRST: Style =
    Style { colour: "#0072b2", dash: "", width: 2.0, marker: Some(Marker::Circle) };
/// Accuracy on the test set, or on the samples with a changed label.
pub(crate) const SECOND: Style =
    Style { colour: "#d55e00", dash: "7 3", width: 2.0, marker: Some(Marker::Square) };
/// The best of `SECOND` so far.
pub(crate) const BEST: Style = Style { colour: "#d55e00", dash: "", width: 1.0, marker: None };
/// Guessing.
pub(crate) const CHANCE: Style = Style { colour: "#777777", dash: "2 3", width: 1.4, marker: None };

fn pick<T: Copy, const N: usize>(from: &[T; N], place: usize) -> T {
    from[place % N] // below N, and no array here is empty
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_differ() {
        let looks: Vec<_> = (0..42).map(Style::of_run).map(|style| (style.colour, style.marker)).collect();
        assert!(looks.iter().enumerate().all(|(i, look)| !looks[..i].contains(look)));
    }
}
