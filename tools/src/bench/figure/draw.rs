//! The one figure there is.

use super::{
    axis::{Scale, round_up, short},
    svg::{AXIS, Font, GRID, INK, SIZE, Stroke, Svg, WHITE},
};
use crate::bench::{report::Report, row::Row, text::batches};

/// Okabe and Ito's blue and vermilion, which differ under every colour blindness.
const MEASURED: Stroke = Stroke("#0072b2", 2.2, "");
const COPIES: Stroke = Stroke("#d55e00", 1.8, "8 4");
const IDEAL: Stroke = Stroke("#6b6b6b", 1.4, "2 3");

const MARGIN: f64 = 14.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = SIZE.0 - 30.0;
const TOP: f64 = 116.0;
const BOTTOM: f64 = SIZE.1 - 50.0;
/// Characters of a line below the title, about.
const FITS: usize = 84;
/// Least distance of two numbers below the plot.
const APART: f64 = 28.0;
/// A copy bound of more than so many times the best rate is told, not drawn: the rest could not be told apart below it.
const FAR: f64 = 3.0;

/// Rates of `report` over threads.
pub(super) fn scaling(report: &Report) -> String {
    let rows = &report.rows;
    let most = rows.iter().map(|row| row.threads).max().unwrap_or(1).max(1) as f64;
    let best = report.images_per_s;
    let bound = rows.iter().map(|row| row.copy_bound_images_per_s).fold(0.0, f64::max);
    let drawn = bound <= FAR * best;
    let x = Scale { end: most, from: LEFT, to: RIGHT };
    let y = Scale { end: round_up(1.04 * if drawn { best.max(bound) } else { best }), from: BOTTOM, to: TOP };
    // A consumer that makes its batches is no part of a curve: it is the same work without a thread.
    let (alone, threaded) = rows.split_at(rows.iter().take_while(|row| row.threads == 0).count());
    let place = |row: &Row| (x.at(row.threads as f64), y.at(row.images_per_s));

    let mut svg = Svg::default();
    let title = "Loader throughput over threads";
    head(&mut svg, report, title);
    grid(&mut svg, x, y, rows.iter().map(|row| row.threads));
    // So many times the rate of the fewest threads.
    if let Some(row) = threaded.first() {
        let slope = row.images_per_s / row.threads as f64;
        let end = most.min(y.end / slope);
        svg.path(&[(x.at(0.0), y.at(0.0)), (x.at(end), y.at(end * slope))], IDEAL);
    }
    if drawn {
        let of = if threaded.is_empty() { alone } else { threaded };
        let copies = of.iter().map(|row| (x.at(row.threads as f64), y.at(row.copy_bound_images_per_s)));
        let mut copies: Vec<_> = copies.collect();
        if let [(_, height)] = copies[..] {
            copies = vec![(LEFT, height), (RIGHT, height)]; // one row is no line: its bound goes across
        }
        svg.path(&copies, COPIES);
    }
    svg.path(&threaded.iter().map(place).collect::<Vec<_>>(), MEASURED);
    threaded.iter().for_each(|row| svg.dot(place(row), MEASURED.0, WHITE));
    alone.iter().for_each(|row| svg.dot(place(row), WHITE, MEASURED.0));
    if let Some(row) = rows.iter().find(|row| row.threads == report.threads) {
        let (x, y) = place(row);
        let font = Font { colour: MEASURED.0, bold: true, ..Font::SMALL };
        let (x, font) = if x > (LEFT + RIGHT) / 2.0 { (x + 4.0, font.end()) } else { (x + 6.0, font) };
        svg.text((x, y - 12.0), font, false, &short(row.images_per_s));
    }
    legend(&mut svg, drawn, bound);
    svg.finish(title)
}

fn head(svg: &mut Svg, report: &Report, title: &str) {
    svg.text((MARGIN, 27.0), Font { size: 18.0, colour: INK, bold: true, anchor: "start" }, false, title);
    let what = format!("{}, {}: {}", report.source, report.spec.split, batches(report));
    svg.text((MARGIN, 48.0), Font::SMALL, false, &cut(&what));
    let processor = report.processor.as_deref().unwrap_or("unknown processor");
    let machine = format!("{}; {processor}, {} cores", report.spec.corruption, report.cores);
    svg.text((MARGIN, 66.0), Font::SMALL, false, &cut(&machine));
}

/// As much of a line below the title as the picture is wide.
fn cut(text: &str) -> String {
    if text.chars().count() <= FITS {
        return text.to_owned();
    }
    text.chars().take(FITS - 3).chain("...".chars()).collect()
}

fn grid(svg: &mut Svg, x: Scale, y: Scale, threads: impl Iterator<Item = usize>) {
    for value in y.ticks() {
        svg.path(&[(LEFT, y.at(value)), (RIGHT, y.at(value))], Stroke(GRID, 1.0, ""));
        svg.text((LEFT - 9.0, y.at(value) + 4.5), Font::SMALL.end(), false, &short(value));
    }
    let mut free_from = f64::NEG_INFINITY;
    for threads in threads {
        let at = x.at(threads as f64);
        svg.path(&[(at, BOTTOM), (at, BOTTOM + 4.0)], Stroke(AXIS, 1.0, ""));
        if at >= free_from {
            svg.text((at, BOTTOM + 19.0), Font::SMALL.middle(), false, &threads.to_string());
            free_from = at + APART;
        }
    }
    svg.path(&[(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], Stroke(AXIS, 1.0, ""));
    let font = Font { colour: INK, ..Font::SMALL }.middle();
    svg.text(((LEFT + RIGHT) / 2.0, BOTTOM + 39.0), font, false, "loader threads");
    svg.text((22.0, (TOP + BOTTOM) / 2.0), font, true, "images/s");
}

fn legend(svg: &mut Svg, drawn: bool, bound: f64) {
    let font = Font { colour: INK, ..Font::SMALL };
    let height = TOP - 22.0;
    let mut entry = |x: f64, stroke: Stroke, text: &str| {
        svg.path(&[(x, height - 4.5), (x + 30.0, height - 4.5)], stroke);
        svg.text((x + 37.0, height), font, false, text);
    };
    entry(LEFT, MEASURED, "measured");
    entry(LEFT + 120.0, IDEAL, "ideal scaling");
    match drawn {
        true => entry(LEFT + 258.0, COPIES, "memory copies of the same bytes"),
        false => entry(LEFT + 258.0, COPIES, &format!("memory copies: {}, above", short(bound))),
    }
    svg.dot((LEFT + 15.0, height - 4.5), MEASURED.0, WHITE);
}
