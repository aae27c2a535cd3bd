//! `rfx-inspect sheet`: clean samples beside corrupted ones, as a PNG.

use std::path::PathBuf;

use clap::Args;
use embedded_graphics::{
    mono_font::{
        MonoFont,
        iso_8859_1::{FONT_6X12, FONT_7X13_BOLD},
    },
    pixelcolor::Rgb888,
};
use rfx_loader::{
    Dataset, ImageShape, Partition, Recipe,
    batch::HostBatch,
    corrupt::{CorruptionSpec, InputRule, LabelRule},
};

use super::canvas::Canvas;
use crate::{
    args::{CorruptionArgs, DatasetArg, GeometryArgs},
    exit::{CliError, Outcome},
    output, report,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-inspect sheet packed/cifar10 --corrupt partially-corrupted:0.5 --seed 1 --out labels.png
  rfx-inspect sheet packed/cifar10 --corrupt shuffled-pixels --seed 1 --count 16 --out pixels.png
  rfx-inspect sheet packed/mnist --corrupt gaussian:amount=0.5 --seed 1 --split test --out noise.png
  rfx-inspect sheet packed/cifar10 --corrupt inputs=shot:severity=5 --seed 1 --out shot.png
  rfx-inspect sheet packed/cifar10 --corrupt inputs=trigger:target=0,amount=1 --seed 1 --out b.png
  rfx-inspect sheet packed/pets --corrupt true-labels --seed 1 --crop random-resized:224 --out c.png

Of each pair the left is the clean sample, the right the corrupted one; both are after crop, flip and rotation.";

/// Side in pixels that samples are enlarged to, about, unless --scale is given.
const SIDE: u32 = 96;

/// Largest picture.
const MAX_PIXELS: u64 = 1 << 26;

#[derive(Args, Debug)]
pub(super) struct SheetArgs {
    #[command(flatten)]
    dataset: DatasetArg,
    #[command(flatten)]
    corruption: CorruptionArgs,
    #[command(flatten)]
    geometry: GeometryArgs,
    /// Pairs shown: the first of the split or subset, in id order
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=4096))]
    count: u32,
    /// Pixels of the picture per pixel of a sample, in each direction [default: samples about 96 pixels large]
    #[arg(long, value_name = "F", value_parser = clap::value_parser!(u32).range(1..=32))]
    scale: Option<u32>,
    /// PNG file to write, which must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) fn run(args: &SheetArgs) -> anyhow::Result<Outcome> {
    output::refuse_existing(&args.out)?;
    let dataset = args.dataset.open()?;
    let CorruptionArgs { seed, epoch, .. } = args.corruption;
    let spec = args.geometry.apply(args.corruption.spec()).batch(args.count as usize);
    let corrupted = Recipe::new(&dataset, &spec, seed)?;
    let clean = Recipe::new(&dataset, &spec.corruption(CorruptionSpec::clean()), seed)?;
    let mut sheet = Sheet {
        clean: clean.batch(epoch, 0, Partition::WHOLE)?,
        corrupted: corrupted.batch(epoch, 0, Partition::WHOLE)?,
        classes: corrupted.class_names(),
        title: title(&dataset, args, &corrupted),
    };
    report::bad_records(&corrupted);
    if sheet.corrupted.rules().iter().any(|&r| r != LabelRule::Untouched as u8) {
        sheet
            .title
            .push("old label -> new label: red another one, grey drawn or given as what it was".into());
    }
    let shape = corrupted.sample_shape();
    let scale = args.scale.unwrap_or((SIDE / shape.height.max(shape.width) as u32).max(1));
    let png = sheet.draw(shape, scale)?.png()?;
    output::create(&args.out, |out| out.write_all(&png))?;
    let pairs = report::plural(sheet.clean.len() as u64, "pair");
    let bytes = report::bytes(png.len() as u64);
    report::print(&format!("{}\n{}: {pairs}, {bytes}\n", sheet.title.join("\n"), args.out.display()))?;
    Ok(Outcome::Done)
}

fn title(dataset: &Dataset, args: &SheetArgs, recipe: &Recipe) -> Vec<String> {
    let CorruptionArgs { corrupt, seed, epoch, split, .. } = &args.corruption;
    let source = if dataset.is_generated() { "generated data" } else { &dataset.index().source.kind };
    let seeds = match recipe.corruption_seed() {
        own if own != *seed => format!("seed {seed}, corruption seed {own}"),
        _ => format!("seed {seed}"),
    };
    // Not every split gets what the spec says: label noise is for train, unless test-labels=same.
    let (labels, inputs) = (recipe.label_spec(), recipe.input_spec());
    let here = if (labels, inputs) == (&corrupt.labels, &corrupt.inputs) {
        String::new()
    } else {
        format!(" (this split: labels {labels}, inputs {inputs})")
    };
    vec![
        format!("{source}, {split}: {corrupt}{here}"),
        format!(
            "left clean, right corrupted. {seeds}, epoch {epoch}, data set {}",
            dataset.content().short()
        ),
    ]
}

/// All that is on a sheet.
struct Sheet<'a> {
    clean: HostBatch,
    corrupted: HostBatch,
    classes: &'a [String],
    title: Vec<String>,
}

const MARGIN: u32 = 12;
/// Least width of a cell, in characters of its caption: two class names as long as most are stay whole, however
/// small the samples.
const CELL_CHARACTERS: u32 = 26;
/// Least width of a page, in characters of its title, so that a sheet of one pair does not wrap it word by word.
const PAGE_CHARACTERS: u32 = 72;
/// Between the two samples of a pair.
const GAP: u32 = 4;
/// Between pairs.
const SPACE: u32 = 16;
const CAPTION: &MonoFont<'_> = &FONT_6X12;
const TITLE: &MonoFont<'_> = &FONT_7X13_BOLD;
const LINE: u32 = 13;
const TITLE_LINE: u32 = 16;

const INK: Rgb888 = Rgb888::new(0x20, 0x20, 0x20);
const DIM: Rgb888 = Rgb888::new(0x80, 0x80, 0x80);
const ALARM: Rgb888 = Rgb888::new(0xc0, 0x30, 0x20);

impl Sheet<'_> {
    fn draw(&self, shape: ImageShape, scale: u32) -> Result<Canvas, CliError> {
        let (width, height) = (shape.width as u32 * scale, shape.height as u32 * scale);
        let cell_width = (2 * width + GAP).max(CELL_CHARACTERS * CAPTION.character_size.width);
        let cell_height = height + 2 * LINE + 2;
        let count = self.clean.len() as u32;
        let least = PAGE_CHARACTERS * TITLE.character_size.width;
        let beside = ((least + SPACE) / (cell_width + SPACE)).clamp(1, count);
        let columns = columns(count, cell_width + SPACE, cell_height + SPACE).max(beside);
        let page_width = 2 * MARGIN + (columns * (cell_width + SPACE) - SPACE).max(least);
        let fits = (page_width - 2 * MARGIN) / TITLE.character_size.width;
        let title: Vec<_> = self.title.iter().flat_map(|line| wrap(line, fits as usize)).collect();
        let top = MARGIN + title.len() as u32 * TITLE_LINE + SPACE / 2;
        let page_height = top + count.div_ceil(columns) * (cell_height + SPACE) - SPACE + MARGIN;
        if u64::from(page_width) * u64::from(page_height) > MAX_PIXELS {
            return Err(CliError::Usage {
                what: format!("a sheet of {page_width} x {page_height} pixels is too large"),
                help: "show fewer samples with --count, or smaller ones with --scale".into(),
            });
        }
        let mut canvas = Canvas::new(page_width, page_height);
        for (i, line) in title.iter().enumerate() {
            canvas.text(line, MARGIN, MARGIN + i as u32 * TITLE_LINE, TITLE, INK);
        }
        let values = shape.values();
        for i in 0..count {
            let x = MARGIN + i % columns * (cell_width + SPACE);
            let y = top + i / columns * (cell_height + SPACE);
            let sample = i as usize * values..(i as usize + 1) * values;
            canvas.image(&self.clean.input_bytes()[sample.clone()], shape, x, y, scale);
            canvas.image(&self.corrupted.input_bytes()[sample], shape, x + width + GAP, y, scale);
            self.caption(&mut canvas, i as usize, x, y + height + 2, cell_width);
        }
        Ok(canvas)
    }

    /// Two lines: the class, or old class -> new class where the label was redrawn; id and what was done.
    fn caption(&self, canvas: &mut Canvas, i: usize, x: u32, y: u32, width: u32) {
        let fits = (width / CAPTION.character_size.width) as usize;
        let (old, new) = (self.corrupted.clean_labels()[i], self.corrupted.labels()[i]);
        let name =
            |class: i64| usize::try_from(class).ok().and_then(|c| self.classes.get(c)).map_or("?", |n| n);
        if self.corrupted.rules()[i] == LabelRule::Untouched as u8 {
            canvas.text(&cut(name(old), fits), x, y, CAPTION, INK);
        } else {
            let arrow = " -> ";
            let (left, right) = share(name(old), name(new), fits.saturating_sub(arrow.len()));
            let colour = if old == new { DIM } else { ALARM };
            let x = canvas.text(&left, x, y, CAPTION, INK);
            let x = canvas.text(arrow, x, y, CAPTION, DIM);
            canvas.text(&right, x, y, CAPTION, colour);
        }
        let done = match self.corrupted.input_rules()[i] {
            rule if rule == InputRule::Untouched as u8 => "",
            rule if rule == InputRule::Resampled as u8 => ", image redrawn",
            _ if self.corrupted.rules()[i] == LabelRule::Poisoned as u8 => ", poisoned",
            _ => ", image corrupted",
        };
        let text = format!("id {}{done}", self.corrupted.ids()[i]);
        canvas.text(&cut(&text, fits), x, y + LINE, CAPTION, DIM);
    }
}

/// Columns of cells that make a page of about 4 to 3; among those near it, one that leaves few cells empty.
fn columns(count: u32, cell_width: u32, cell_height: u32) -> u32 {
    let best = (f64::from(count) * f64::from(cell_height) * 4.0 / (f64::from(cell_width) * 3.0)).sqrt();
    let near = |share: f64| ((best * share).round() as u32).clamp(1, count);
    let empty = |columns: u32| count.div_ceil(columns) * columns - count;
    let off = |columns: u32| (f64::from(columns) - best).abs() as u32;
    (near(0.75)..=near(1.35)).min_by_key(|&c| (empty(c), off(c))).unwrap_or(1)
}

/// At most `fits` characters.
fn cut(text: &str, fits: usize) -> String {
    if text.chars().count() <= fits {
        return text.to_owned();
    }
    text.chars().take(fits.saturating_sub(2)).chain("..".chars()).take(fits).collect()
}

/// Both texts in `fits` characters together: the longer one is cut first.
fn share(left: &str, right: &str, fits: usize) -> (String, String) {
    let (l, r) = (left.chars().count(), right.chars().count());
    if l + r <= fits {
        return (left.into(), right.into());
    }
    let half = fits / 2;
    let left_fits = if l <= half { l } else { fits - r.min(half) };
    (cut(left, left_fits), cut(right, fits - left_fits.min(l)))
}

/// `text` in lines of at most `fits` characters, broken at spaces where there are any.
fn wrap(text: &str, fits: usize) -> Vec<String> {
    let fits = fits.max(1);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        loop {
            let last = lines.last_mut().expect("there is a line from the start");
            let used = last.chars().count();
            let space = usize::from(used > 0);
            if used + space + word.len() <= fits {
                last.extend((0..space).map(|_| ' '));
                last.extend(word);
                break;
            }
            if used == 0 {
                last.extend(word.drain(..fits));
            }
            lines.push(String::new());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_are_cut_to_fit() {
        assert_eq!(cut("automobile", 10), "automobile");
        assert_eq!(cut("automobile", 6), "auto..");
        assert_eq!(cut("automobile", 1), ".");
        assert_eq!(share("cat", "dog", 10), ("cat".into(), "dog".into()));
        for (a, b) in
            [("automobile", "dog"), ("cat", "automobile"), ("automobile", "automobile"), ("", "automobile")]
        {
            for fits in 0..12 {
                let (left, right) = share(a, b, fits);
                assert!(left.len() + right.len() <= fits.max(2), "{a} {b} {fits}: {left} {right}");
            }
        }
    }

    #[test]
    fn titles_are_wrapped_at_spaces_and_lose_nothing() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one", 80), ["one"]);
        let text = "cifar10, train: labels=uniform:p=0.5,exclude-true,exact inputs=gaussian";
        for fits in 1..80 {
            let lines = wrap(text, fits);
            assert!(lines.iter().all(|l| l.chars().count() <= fits), "{fits}: {lines:?}");
            assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }

    #[test]
    fn a_page_has_no_empty_columns_and_few_empty_cells() {
        assert_eq!(columns(1, 200, 130), 1);
        assert_eq!(columns(32, 212, 140), 4);
        assert_eq!(columns(31, 212, 140), 4);
        for count in 1..100 {
            assert!((1..=count).contains(&columns(count, 212, 140)));
        }
    }
}
