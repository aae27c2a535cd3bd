//! Pairs of duplicates side by side.

use embedded_graphics::{mono_font::iso_8859_1::FONT_6X12, pixelcolor::Rgb888};

use super::{Duplicate, samples::Samples};
use crate::inspect::canvas::Canvas;

/// Pairs drawn at most.
pub const MAX_PAIRS: usize = 96;

const SIDE: u32 = 96;
const GAP: u32 = 4;
const SPACE: u32 = 16;
const MARGIN: u32 = 12;
const LINE: u32 = 13;
const COLUMNS: u32 = 6;
/// Width of a cell in characters of its caption, at least.
const CHARACTERS: u32 = 36;

const INK: Rgb888 = Rgb888::new(0x20, 0x20, 0x20);
const DIM: Rgb888 = Rgb888::new(0x80, 0x80, 0x80);
const ALARM: Rgb888 = Rgb888::new(0xc0, 0x30, 0x20);

/// The pairs, six in a row: splits and ids, labels (red where they differ), and how far apart they are.
pub fn draw(samples: &Samples, pairs: &[Duplicate]) -> anyhow::Result<Canvas> {
    let shape = samples.shape();
    let scale = (SIDE / shape.height.max(shape.width) as u32).max(1);
    let (width, height) = (shape.width as u32 * scale, shape.height as u32 * scale);
    let cell_width = (2 * width + GAP).max(CHARACTERS * FONT_6X12.character_size.width);
    let cell_height = height + 3 * LINE + 2;
    let columns = COLUMNS.min(pairs.len() as u32).max(1);
    let rows = (pairs.len() as u32).div_ceil(columns);
    let mut canvas = Canvas::new(
        2 * MARGIN + columns * (cell_width + SPACE) - SPACE,
        2 * MARGIN + rows * (cell_height + SPACE) - SPACE,
    );
    for (i, pair) in (0..).zip(pairs) {
        let x = MARGIN + i % columns * (cell_width + SPACE);
        let y = MARGIN + i / columns * (cell_height + SPACE);
        for (side, &index) in (0..).zip(&pair.indices) {
            canvas.image(&samples.image(index)?, shape, x + side * (width + GAP), y, scale);
        }
        let both = |of: &[String; 2]| if of[0] == of[1] { of[0].clone() } else { of.join(" / ") };
        let text = y + height + 2;
        let ids = format!("{} {}, {} {}", pair.splits[0], pair.ids[0], pair.splits[1], pair.ids[1]);
        canvas.text(&ids, x, text, &FONT_6X12, INK);
        let colour = if pair.labels[0] == pair.labels[1] { INK } else { ALARM };
        canvas.text(&both(&pair.labels), x, text + LINE, &FONT_6X12, colour);
        let mirrored = if pair.mirrored { ", mirrored" } else { "" };
        let how = format!("correlation {:.3}{mirrored}", pair.correlation);
        canvas.text(&how, x, text + 2 * LINE, &FONT_6X12, DIM);
    }
    Ok(canvas)
}
