//! Images a second over loader threads, with what memory copies and ideal scaling would give, as SVG or PNG.
//!
//! SVG is written as text, like the figures of `rfx-train report` and in their look; PNG is that picture rendered with a
//! font of our own, as a bare machine has none.

mod axis;
mod draw;
mod png;
mod svg;

use super::report::Report;

/// What the picture is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Svg,
    Png,
}

/// The figure of `report`, as the bytes of a file.
///
/// # Errors
/// A renderer that refuses what we drew: a bug.
pub(super) fn draw(report: &Report, kind: Kind) -> anyhow::Result<Vec<u8>> {
    let svg = draw::scaling(report);
    match kind {
        Kind::Svg => Ok(svg.into_bytes()),
        Kind::Png => png::render(&svg),
    }
}
