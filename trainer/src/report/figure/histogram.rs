//! Forgetting events of training samples, as a histogram per run.

use super::{
    Figure,
    axis::{Plot, Scale, round_up},
    svg::{Anchor, HEAD, NOTE, Svg, TICK},
    theme::{self, FIRST, SECOND, Style},
};
use crate::report::{
    finding,
    forgetting::{Forgetting, Part},
    label,
    run::{Run, any_generated},
    settings,
};

const NAME: &str = "forgetting";
const PLOT_HEIGHT: f64 = 132.0;
const ROW: f64 = PLOT_HEIGHT + 82.0;
const GAP: f64 = 26.0;
/// Most events that have bars of their own; the bars at their right are of all that have more.
const LAST: usize = 7;
/// The least, so that bars are not as wide as the plot.
const FIRST_FEW: usize = 3;
/// How much wider the room of the samples that were never learnt is, for its name.
const NEVER_WIDTH: f64 = 1.7;

/// The runs that recorded it; none if no run did.
pub(super) fn forgetting(runs: &[Run]) -> Option<Figure> {
    let recorded = |(place, run): (usize, &'_ Run)| Some((place, run.forgetting.clone()?));
    let all: Vec<(usize, Forgetting)> = runs.iter().enumerate().filter_map(recorded).collect();
    if all.is_empty() {
        return None;
    }
    let generated = if any_generated(runs) { " (generated data)" } else { "" };
    let title = format!("Forgetting events of training samples{generated}");
    let mut svg = Svg::new(NAME, &title, &settings::headline(runs));
    let fills = [FIRST.colour.to_owned(), svg.hatch(0, SECOND.colour)];
    let mut x = theme::MARGIN;
    for ((fill, style), text) in fills.iter().zip([FIRST, SECOND]).zip(["clean samples", "corrupted samples"])
    {
        svg.rect((x, 63.0), (22.0, 14.0), fill, style.colour);
        svg.text((x + 30.0, 75.0), Anchor::Start, NOTE, text);
        x += 48.0 + 0.58 * theme::TICK * text.len() as f64; // about as wide as the font's letters
    }
    let bins = Bins::of(all.iter().flat_map(|(_, f)| [&f.clean, &f.corrupted]));
    let highest = all.iter().flat_map(|(_, f)| [&f.clean, &f.corrupted]).flat_map(|part| bins.shares(part));
    let end = round_up(100.0 * highest.flatten().fold(0.0, f64::max));
    let columns = if all.len() == 1 { 1 } else { 2 };
    let left = 52.0;
    let width = (theme::WIDTH - left - theme::MARGIN - 4.0 - GAP * (columns - 1) as f64) / columns as f64;
    let mut bottom = 90.0;
    for (i, (place, forgetting)) in all.iter().enumerate() {
        let top = 128.0 + ROW * (i / columns) as f64;
        let left = left + (width + GAP) * (i % columns) as f64;
        let plot = Plot { left, top, right: left + width, bottom: top + PLOT_HEIGHT };
        let Some(run) = runs.get(*place) else { continue };
        svg.text((left, top - 22.0), Anchor::Start, HEAD, &label::in_figure(run, *place));
        svg.text((left, top - 6.0), Anchor::Start, TICK, &means(forgetting));
        let y = plot.y(end);
        let mut ticks = y.ticks(4);
        if i % columns > 0 {
            ticks.iter_mut().for_each(|(_, text)| text.clear()); // they stand left of the first column
        }
        plot.draw_y(&mut svg, y, &ticks);
        panel(&mut svg, plot, y, &bins, forgetting, &fills);
        bottom = plot.bottom;
    }
    let name =
        if bins.never { "forgetting events (never: not learnt in any epoch)" } else { "forgetting events" };
    svg.text(((left + theme::WIDTH - theme::MARGIN) / 2.0, bottom + 38.0), Anchor::Middle, NOTE, name);
    svg.text_upwards((16.0, f64::midpoint(128.0, bottom)), Anchor::Middle, NOTE, "share of samples, %");
    Some(Figure { name: NAME, title, caption: caption(runs), svg: svg.finish(bottom + 50.0) })
}

fn caption(runs: &[Run]) -> String {
    let what = "How many times a training sample was forgotten: predicted right at the end of an epoch, and wrong at the \
                end of the next (Toneva et al. 2019), in evaluation mode and against the labels trained on. Shares are of \
                the clean samples and of the corrupted ones of the run, whose label was changed or whose image was \
                corrupted; samples that were right after no epoch are counted apart.";
    let sentences = finding::forgetting(runs);
    std::iter::once(what.to_owned()).chain(sentences).collect::<Vec<_>>().join(" ")
}

/// What the bars stand for, the same in all panels.
struct Bins {
    /// Numbers of events with bars of their own: 0 to below this.
    single: usize,
    /// Whether there are samples with more.
    more: bool,
    /// Whether there are samples that were never learnt.
    never: bool,
}

impl Bins {
    fn of<'a>(parts: impl Iterator<Item = &'a Part> + Clone) -> Bins {
        let longest = parts.clone().map(|part| part.by_events.len()).max().unwrap_or(0);
        Bins {
            single: longest.clamp(FIRST_FEW, LAST + 1),
            more: longest > LAST + 1,
            never: parts.clone().any(|part| part.never_learnt > 0),
        }
    }

    /// Share of the samples in each bin, in the order of [`Bins::names`].
    fn shares(&self, part: &Part) -> Vec<Option<f64>> {
        let count = |events: usize| part.by_events.get(events).copied().unwrap_or(0);
        let more = self.more.then(|| part.by_events.iter().skip(self.single).sum());
        let counts = (0..self.single).map(count).chain(more).chain(self.never.then_some(part.never_learnt));
        counts.map(|count| part.share(count)).collect()
    }

    fn names(&self) -> Vec<String> {
        let more = self.more.then(|| format!("{}+", self.single));
        let never = self.never.then(|| "never".to_owned());
        (0..self.single).map(|events| events.to_string()).chain(more).chain(never).collect()
    }

    /// Room of all bins, in those of the single ones.
    fn room(&self) -> f64 {
        (self.single + usize::from(self.more)) as f64 + if self.never { NEVER_WIDTH } else { 0.0 }
    }
}

fn panel(svg: &mut Svg, plot: Plot, y: Scale, bins: &Bins, forgetting: &Forgetting, fills: &[String; 2]) {
    let step = (plot.right - plot.left) / bins.room();
    let names = bins.names();
    let [clean, corrupted] = [&forgetting.clean, &forgetting.corrupted].map(|part| bins.shares(part));
    for (i, ((name, clean), corrupted)) in names.iter().zip(clean).zip(corrupted).enumerate() {
        let width = if bins.never && i + 1 == names.len() { NEVER_WIDTH * step } else { step };
        let middle = plot.left + step * i as f64 + width / 2.0;
        svg.text((middle, plot.bottom + 18.0), Anchor::Middle, TICK, name);
        // Side by side where there are both.
        let bars = [(clean, FIRST, &fills[0]), (corrupted, SECOND, &fills[1])];
        let bars: Vec<_> =
            bars.into_iter().filter_map(|(share, style, fill)| Some((share?, style, fill))).collect();
        let bar = (0.8 * step / bars.len().max(1) as f64).min(28.0);
        let left = middle - bar * bars.len() as f64 / 2.0;
        for (place, (share, style, fill)) in bars.into_iter().enumerate() {
            let top = y.at(100.0 * share);
            if share > 0.0 {
                let at = (left + bar * place as f64, top);
                svg.rect(at, (bar, plot.bottom - top), fill, style.colour);
            }
        }
    }
    svg.line((plot.left, plot.bottom), (plot.right, plot.bottom), Style::line(theme::AXIS, "", 1.0));
}

/// Events on average, below a panel's name.
fn means(forgetting: &Forgetting) -> String {
    let parts = [("clean", &forgetting.clean), ("corrupted", &forgetting.corrupted)];
    let means = parts.iter().filter_map(|(name, part)| Some(format!("{name} {:.2}", part.mean_events()?)));
    format!("on average: {}", means.collect::<Vec<_>>().join(", "))
}
