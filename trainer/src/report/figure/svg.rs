//! A picture being drawn: SVG text, with attributes only. Style sheets and ids of several pictures would meet in one
//! page, so there are none of the former, and the latter begin with the picture's name.

use std::fmt::Write;

use super::theme::{self, Marker, Style};
use crate::report::text::escape;

/// Where text stands beside its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Font {
    pub size: f64,
    pub colour: &'static str,
    pub bold: bool,
    /// Whether a white edge hides the lines behind it.
    pub halo: bool,
}

/// Labels.
pub(crate) const LABEL: Font = Font { size: theme::LABEL, colour: theme::INK, bold: false, halo: false };
/// Numbers at ticks.
pub(crate) const TICK: Font = Font { size: theme::TICK, colour: theme::GREY, bold: false, halo: false };
/// Names of axes, and what explains.
pub(crate) const NOTE: Font = Font { size: theme::TICK, colour: theme::INK, bold: false, halo: false };
/// The same over a grid.
pub(crate) const ON_GRID: Font = Font { halo: true, ..NOTE };
/// The name of a part of a picture.
pub(crate) const HEAD: Font = Font { size: theme::LABEL, colour: theme::INK, bold: true, halo: false };

/// A picture being drawn; y grows downwards.
#[derive(Debug)]
pub(crate) struct Svg {
    name: &'static str,
    title: String,
    body: String,
}

impl Svg {
    /// An empty picture of this name and title, the title and a line below it drawn.
    pub fn new(name: &'static str, title: &str, subtitle: &str) -> Svg {
        let mut svg = Svg { name, title: title.to_owned(), body: String::new() };
        let font = Font { size: theme::TITLE, colour: theme::INK, bold: true, halo: false };
        svg.text((theme::MARGIN, 26.0), Anchor::Start, font, title);
        let font = Font { size: theme::TICK, colour: theme::GREY, bold: false, halo: false };
        svg.text((theme::MARGIN, 46.0), Anchor::Start, font, subtitle);
        svg
    }

    /// The whole document.
    pub fn finish(self, height: f64) -> String {
        let (width, title, body) = (theme::WIDTH, escape(&self.title), self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height:.0}\" width=\"{width}\" \
             height=\"{height:.0}\" role=\"img\" aria-label=\"{title}\" \
             font-family=\"'DejaVu Sans', Verdana, sans-serif\">\n<rect width=\"100%\" height=\"100%\" \
             fill=\"#ffffff\"/>\n{body}</svg>\n"
        )
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), style: Style) {
        self.push(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" {}/>\n",
            from.0,
            from.1,
            to.0,
            to.1,
            stroke(style)
        ));
    }

    /// Lines from point to point.
    pub fn path(&mut self, points: &[(f64, f64)], style: Style) {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let _ = write!(d, "{}{x:.1} {y:.1}", if i == 0 { "M" } else { " L" }); // a String takes everything
        }
        self.push(format_args!(
            "<path d=\"{d}\" fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"butt\" {}/>\n",
            stroke(style)
        ));
    }

    /// A filled rectangle; `fill` as in SVG.
    pub fn rect(&mut self, at: (f64, f64), size: (f64, f64), fill: &str, border: &str) {
        self.push(format_args!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{fill}\" stroke=\"{border}\"/>\n",
            at.0, at.1, size.0, size.1
        ));
    }

    /// Defines diagonal hatching and returns what to give as `fill`.
    pub fn hatch(&mut self, place: usize, colour: &str) -> String {
        let id = format!("{}-hatch-{place}", self.name);
        self.push(format_args!(
            "<pattern id=\"{id}\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"7\" height=\"7\" fill=\"#ffffff\"/><line x1=\"0\" y1=\"0\" \
             x2=\"0\" y2=\"7\" stroke=\"{colour}\" stroke-width=\"3\"/></pattern>\n"
        ));
        format!("url(#{id})")
    }

    /// From here to [`Svg::end_clip`], nothing is drawn outside the rectangle.
    pub fn clip(&mut self, at: (f64, f64), size: (f64, f64)) {
        let id = format!("{}-clip", self.name);
        self.push(format_args!(
            "<clipPath id=\"{id}\"><rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/></clipPath>\n\
             <g clip-path=\"url(#{id})\">\n",
            at.0, at.1, size.0, size.1
        ));
    }

    /// Ends [`Svg::clip`].
    pub fn end_clip(&mut self) {
        self.push(format_args!("</g>\n"));
    }

    /// A line of text whose baseline is at `at`.
    pub fn text(&mut self, at: (f64, f64), anchor: Anchor, font: Font, text: &str) {
        self.rotated(at, anchor, font, "", text);
    }

    /// The same, turned to be read upwards.
    pub fn text_upwards(&mut self, at: (f64, f64), anchor: Anchor, font: Font, text: &str) {
        let turn = format!(" transform=\"rotate(-90 {:.1} {:.1})\"", at.0, at.1);
        self.rotated(at, anchor, font, &turn, text);
    }

    fn rotated(&mut self, at: (f64, f64), anchor: Anchor, font: Font, turn: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if font.bold { " font-weight=\"bold\"" } else { "" };
        let halo = match font.halo {
            true => " stroke=\"#ffffff\" stroke-width=\"5\" stroke-linejoin=\"round\" paint-order=\"stroke\"",
            false => "",
        };
        self.push(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"{}\" fill=\"{}\" text-anchor=\"{anchor}\"{weight}{halo}{turn}>{}</text>\n",
            at.0,
            at.1,
            font.size,
            font.colour,
            escape(text)
        ));
    }

    /// The marker of `style`, if it has one, with a white edge that keeps crossing curves apart.
    pub fn marker(&mut self, (x, y): (f64, f64), style: Style) {
        let polygon = |corners: &[(f64, f64)]| {
            let points: Vec<String> =
                corners.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy)).collect();
            format!("<polygon points=\"{}\"", points.join(" "))
        };
        let shape = match style.marker {
            None => return,
            Some(Marker::Circle) => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.2\""),
            Some(Marker::Square) => polygon(&[(-3.8, -3.8), (3.8, -3.8), (3.8, 3.8), (-3.8, 3.8)]),
            Some(Marker::Triangle) => polygon(&[(0.0, -5.2), (4.7, 3.4), (-4.7, 3.4)]),
            Some(Marker::Diamond) => polygon(&[(0.0, -5.4), (5.4, 0.0), (0.0, 5.4), (-5.4, 0.0)]),
            Some(Marker::Inverted) => polygon(&[(0.0, 5.2), (4.7, -3.4), (-4.7, -3.4)]),
            Some(Marker::Cross) => polygon(&[
                (-1.6, -4.8),
                (1.6, -4.8),
                (1.6, -1.6),
                (4.8, -1.6),
                (4.8, 1.6),
                (1.6, 1.6),
                (1.6, 4.8),
                (-1.6, 4.8),
                (-1.6, 1.6),
                (-4.8, 1.6),
                (-4.8, -1.6),
                (-1.6, -1.6),
            ]),
        };
        self.push(format_args!(
            "{shape} fill=\"{}\" stroke=\"#ffffff\" stroke-width=\"0.8\"/>\n",
            style.colour
        ));
    }

    /// A piece of the line of `style` with its marker, as legends show it, `x` to `x + 34`.
    pub fn sample(&mut self, (x, y): (f64, f64), style: Style) {
        self.line((x, y), (x + 34.0, y), style);
        self.marker((x + 17.0, y), style);
    }

    fn push(&mut self, piece: std::fmt::Arguments<'_>) {
        let _ = self.body.write_fmt(piece); // a String takes everything
    }
}

fn stroke(style: Style) -> String {
    let dash =
        if style.dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{}\"", style.dash) };
    format!("stroke=\"{}\" stroke-width=\"{}\"{dash}", style.colour, style.width)
}
