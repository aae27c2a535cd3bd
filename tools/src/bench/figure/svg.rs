//! A picture being drawn: SVG text, with attributes only.

use std::fmt::Write;

/// Width and height of the picture.
pub(super) const SIZE: (f64, f64) = (640.0, 430.0);
pub(super) const INK: &str = "#1a1a1a";
pub(super) const GREY: &str = "#5a5a5a";
pub(super) const AXIS: &str = "#8a8a8a";
pub(super) const GRID: &str = "#e4e4e4";
pub(super) const WHITE: &str = "#ffffff";

/// The look of a line: colour, width, and dashes as in SVG (empty for a whole line).
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke(pub &'static str, pub f64, pub &'static str);

/// The look of text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Font {
    pub size: f64,
    pub colour: &'static str,
    pub bold: bool,
    /// `start`, `middle` or `end`: which part of it stands at its place.
    pub anchor: &'static str,
}

impl Font {
    pub const SMALL: Font = Font { size: 13.0, colour: GREY, bold: false, anchor: "start" };

    pub fn middle(self) -> Font {
        Font { anchor: "middle", ..self }
    }

    pub fn end(self) -> Font {
        Font { anchor: "end", ..self }
    }
}

/// A picture being drawn; y grows downwards.
#[derive(Debug, Default)]
pub(super) struct Svg(String);

impl Svg {
    /// Lines from point to point.
    pub fn path(&mut self, points: &[(f64, f64)], Stroke(colour, width, dash): Stroke) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.push(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
             stroke-dasharray=\"{}\"/>\n",
            points.join(" "),
            if dash.is_empty() { "none" } else { dash }
        ));
    }

    /// A dot of these colours.
    pub fn dot(&mut self, (x, y): (f64, f64), fill: &str, edge: &str) {
        self.push(format_args!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.6\" fill=\"{fill}\" stroke=\"{edge}\" stroke-width=\"1.6\"/>\n"
        ));
    }

    /// A line of text whose baseline is at `at`, with a white edge that hides lines behind it; `upwards` turns it.
    pub fn text(&mut self, at: (f64, f64), font: Font, upwards: bool, text: &str) {
        let turn = if upwards {
            format!(" transform=\"rotate(-90 {:.1} {:.1})\"", at.0, at.1)
        } else {
            String::new()
        };
        self.push(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{}\" font-weight=\"{}\" fill=\"{}\" text-anchor=\"{}\" \
             stroke=\"#ffffff\" stroke-width=\"4\" stroke-linejoin=\"round\" paint-order=\"stroke\"{turn}>{}</text>\n",
            at.0,
            at.1,
            font.size,
            if font.bold { "bold" } else { "normal" },
            font.colour,
            font.anchor,
            escape(text)
        ));
    }

    /// The whole document.
    pub fn finish(self, title: &str) -> String {
        let ((width, height), title) = (SIZE, escape(title));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\" aria-label=\"{title}\" \
             font-family=\"'DejaVu Sans', Verdana, sans-serif\">\n<rect width=\"100%\" height=\"100%\" \
             fill=\"#ffffff\"/>\n{}</svg>\n",
            self.0
        )
    }

    fn push(&mut self, piece: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(piece); // a String takes everything
    }
}

/// Text as it stands in SVG; what no document may contain becomes a space.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
