//! Scales, ticks, and the frame of a plot.

use super::{
    svg::{Anchor, NOTE, Svg, TICK},
    theme::{self, Style},
};

/// A linear scale from 0 to `end`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    end: f64,
    from: f64,
    to: f64,
}

impl Scale {
    /// 0 at the place `from`, `end` at `to`; an `end` that is no positive number counts as 1.
    pub fn new(end: f64, from: f64, to: f64) -> Scale {
        Scale { end: if end.is_finite() && end > 0.0 { end } else { 1.0 }, from, to }
    }

    /// The place of `value`.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * value / self.end
    }

    /// Ticks at round values, about `count` of them, with the texts beside them.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let rough = self.end / count.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0].map(|m| m * power).into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let decimals = (0..9).find(|d| {
            let scaled = step * 10f64.powi(*d);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        });
        let decimals = decimals.and_then(|d| usize::try_from(d).ok()).unwrap_or(9);
        let last = (self.end / step + 1e-9).floor() as u32;
        (0..=last).map(|i| f64::from(i) * step).map(|value| (value, format!("{value:.decimals$}"))).collect()
    }

    /// The same, at whole numbers.
    pub fn whole_ticks(&self, count: usize) -> Vec<(f64, String)> {
        let ticks = self.ticks(count);
        let whole = |value: f64| value.fract() == 0.0;
        if ticks.iter().all(|(value, _)| whole(*value)) {
            return ticks;
        }
        (0..=self.end.floor() as u32).map(|i| (f64::from(i), i.to_string())).collect()
    }
}

/// The smallest round number that is not below `value`, for the end of an axis.
pub(crate) fn round_up(value: f64) -> f64 {
    if !value.is_finite() || value <= 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(value.log10().floor());
    let steps = [1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0];
    steps.iter().map(|m| m * power).find(|end| *end >= value * 0.9999).unwrap_or(10.0 * power)
}

/// The rectangle that data are drawn in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plot {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Plot {
    /// A scale along the bottom.
    pub fn x(&self, end: f64) -> Scale {
        Scale::new(end, self.left, self.right)
    }

    /// A scale up the left side.
    pub fn y(&self, end: f64) -> Scale {
        Scale::new(end, self.bottom, self.top)
    }

    /// Grid lines with their numbers below, and the bottom axis.
    pub fn draw_x(&self, svg: &mut Svg, scale: Scale, ticks: &[(f64, String)]) {
        for (value, text) in ticks {
            let x = scale.at(*value);
            svg.line((x, self.top), (x, self.bottom), Style::line(theme::GRID, "", 1.0));
            svg.line((x, self.bottom), (x, self.bottom + 4.0), Style::line(theme::AXIS, "", 1.0));
            svg.text((x, self.bottom + 18.0), Anchor::Middle, TICK, text);
        }
        svg.line((self.left, self.bottom), (self.right, self.bottom), Style::line(theme::AXIS, "", 1.0));
    }

    /// Grid lines with their numbers to the left, and the left axis.
    pub fn draw_y(&self, svg: &mut Svg, scale: Scale, ticks: &[(f64, String)]) {
        for (value, text) in ticks {
            let y = scale.at(*value);
            svg.line((self.left, y), (self.right, y), Style::line(theme::GRID, "", 1.0));
            svg.text((self.left - 7.0, y + 4.5), Anchor::End, TICK, text);
        }
        svg.line((self.left, self.top), (self.left, self.bottom), Style::line(theme::AXIS, "", 1.0));
    }

    /// The name of the bottom axis.
    pub fn name_x(&self, svg: &mut Svg, name: &str) {
        svg.text(((self.left + self.right) / 2.0, self.bottom + 38.0), Anchor::Middle, NOTE, name);
    }

    /// The name of the left axis.
    pub fn name_y(&self, svg: &mut Svg, name: &str) {
        svg.text_upwards((18.0, (self.top + self.bottom) / 2.0), Anchor::Middle, NOTE, name);
    }

    /// A curve over `points`, which are places: broken where they are not numbers, with a marker at its end and every
    /// `spacing` units or so from its `first` point on. Curves that lie on each other begin at different ones, so that
    /// the markers of both are seen.
    pub fn curve(&self, svg: &mut Svg, points: &[(f64, f64)], style: Style, (first, spacing): (usize, f64)) {
        for piece in points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
            svg.path(piece, style);
            let mut free_from = f64::NEG_INFINITY;
            for (i, (x, y)) in piece.iter().enumerate() {
                if (i >= first && *x >= free_from) || i + 1 == piece.len() {
                    svg.marker((*x, *y), style);
                    free_from = x + spacing;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round() {
        let texts =
            |end: f64, n| Scale::new(end, 0.0, 1.0).ticks(n).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(texts(1.738, 4), ["0.0", "0.5", "1.0", "1.5"]);
        assert_eq!(texts(2.5, 5), ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]);
        assert_eq!(texts(100.0, 4), ["0", "25", "50", "75", "100"]);
        assert_eq!(texts(0.079, 4), ["0.00", "0.02", "0.04", "0.06"]);
        let whole = Scale::new(2.0, 0.0, 1.0).whole_ticks(6).into_iter().map(|t| t.1).collect::<Vec<_>>();
        assert_eq!(whole, ["0", "1", "2"]);
    }

    #[test]
    fn no_number_breaks_a_scale() {
        for end in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            assert!(Scale::new(end, 0.0, 10.0).at(0.5).is_finite());
            assert_eq!(round_up(end), 1.0);
        }
        assert_eq!([2.27, 2.5, 0.31, 99.0].map(round_up), [2.5, 2.5, 0.4, 100.0]);
    }
}
