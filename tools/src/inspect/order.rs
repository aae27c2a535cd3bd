//! `rfx-inspect order`: how well an order shuffles a data set, measured on the batches of an epoch.

use std::fmt::Write;

use clap::Args;
use rfx_loader::{Dataset, LoaderSpec, OrderKind, Recipe, Subset};
use serde::Serialize;

use crate::{args::DatasetPath, exit::Outcome, report};

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-inspect order packed/imagenet --order windowed:16384
  rfx-inspect order packed/cifar10 --order windowed:4096 --order windowed:4096,block=16 --batch 256

Of each order, and of `shuffled` beside it:
  mix       chi-square of a batch's classes against the split's shares, over its degrees of freedom; mean of all \
whole batches. A full shuffle has 1; more means that batches are too much of some classes.
  worst     the largest of these
  moved     distance of a sample's place in the epoch from its place in the files, mean, as a share of all: 1/3 \
of a full shuffle
  together  neighbours in the files that come in one batch, as a share of all neighbours";

#[derive(Args, Debug)]
pub(super) struct OrderArgs {
    #[command(flatten)]
    dataset: DatasetPath,
    /// Order to measure: windowed:W[,block=B], shuffled or sequential; may be given several times
    #[arg(long = "order", value_name = "ORDER", required = true)]
    orders: Vec<OrderKind>,
    /// Seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Epoch, from 0
    #[arg(long, value_name = "E", default_value_t = 0)]
    epoch: u32,
    /// Split
    #[arg(long, default_value = "train")]
    split: String,
    /// Part of the split: N, N:balanced, fraction:F, range:A..B, classes:0,3 or ids:5,17
    #[arg(long, default_value = "all")]
    subset: Subset,
    /// Samples of a batch
    #[arg(long, value_name = "B", default_value_t = 128)]
    batch: usize,
    /// Print the result as JSON (schema rfx.order/1)
    #[arg(long)]
    json: bool,
}

/// What was measured (schema rfx.order/1).
#[derive(Serialize)]
struct Measured {
    split: String,
    samples: u64,
    batch: usize,
    seed: u64,
    epoch: u32,
    orders: Vec<Quality>,
}

/// How well one order shuffles. What needs two classes, or two samples, is absent where there is one.
#[derive(Serialize)]
struct Quality {
    order: OrderKind,
    /// Mean over whole batches of chi-square over degrees of freedom.
    mix: Option<f64>,
    /// The largest of these.
    worst: Option<f64>,
    /// Mean distance of places in the epoch and in the files, as a share of the samples.
    moved: f64,
    /// Share of neighbours in the files that come in one batch.
    together: Option<f64>,
}

pub(super) fn run(args: &OrderArgs) -> anyhow::Result<Outcome> {
    let dataset = args.dataset.open()?;
    let mut orders = args.orders.clone();
    if !orders.contains(&OrderKind::Shuffled) {
        orders.push(OrderKind::Shuffled);
    }
    let mut measured = Measured {
        split: args.split.clone(),
        samples: 0,
        batch: args.batch,
        seed: args.seed,
        epoch: args.epoch,
        orders: Vec::new(),
    };
    for order in orders {
        let recipe = recipe(args, &dataset, order)?;
        measured.samples = recipe.samples() as u64;
        measured.orders.push(quality(&recipe, args.epoch)?);
    }
    let text = if args.json { report::document("rfx.order/1", &measured)? } else { text(&measured)? };
    report::print(&text)?;
    Ok(Outcome::Done)
}

fn recipe(args: &OrderArgs, dataset: &Dataset, order: OrderKind) -> rfx_loader::Result<Recipe> {
    let spec = LoaderSpec::new(&args.split).subset(args.subset.clone()).batch(args.batch).order(order);
    Recipe::new(dataset, &spec, args.seed)
}

fn quality(recipe: &Recipe, epoch: u32) -> anyhow::Result<Quality> {
    let samples = recipe.samples();
    let mut stored: Vec<usize> = (0..samples).collect(); // the samples, by their places in the files
    stored.sort_by_key(|&number| recipe.stored_row(number));
    let mut place = vec![0; samples];
    stored.iter().enumerate().for_each(|(at, &number)| place[number] = at);
    let mut shares = vec![0.0; recipe.classes()];
    (0..samples).for_each(|number| shares[recipe.stored(number).1 as usize] += 1.0 / samples as f64);

    let (mut mixes, mut moved, mut position) = (Vec::new(), 0.0, 0usize);
    let mut batch_of = vec![0; samples];
    for step in 0..recipe.steps_per_epoch() {
        let numbers = recipe.visits(epoch, step)?;
        let mut counts = vec![0.0; shares.len()];
        for number in numbers.iter().map(|&number| number as usize) {
            counts[recipe.stored(number).1 as usize] += 1.0;
            moved += place[number].abs_diff(position) as f64;
            batch_of[number] = step;
            position += 1;
        }
        if numbers.len() == recipe.spec().batch.min(samples) {
            mixes.extend(mix(&counts, &shares));
        }
    }
    let pairs = stored.windows(2).filter(|pair| batch_of[pair[0]] == batch_of[pair[1]]).count();
    Ok(Quality {
        order: recipe.spec().order,
        mix: (!mixes.is_empty()).then(|| mixes.iter().sum::<f64>() / mixes.len() as f64),
        worst: mixes.iter().copied().max_by(f64::total_cmp),
        moved: moved / samples as f64 / samples as f64,
        together: (samples > 1).then(|| pairs as f64 / (samples - 1) as f64),
    })
}

/// Chi-square of one batch's classes over its degrees of freedom; none where there is but one class.
fn mix(counts: &[f64], shares: &[f64]) -> Option<f64> {
    let batch: f64 = counts.iter().sum();
    let present = shares.iter().filter(|&&share| share > 0.0).count();
    let expected = shares.iter().map(|share| batch * share);
    let terms = counts.iter().zip(expected).filter(|(_, expected)| *expected > 0.0);
    let chi: f64 = terms.map(|(count, expected)| (count - expected).powi(2) / expected).sum();
    (present > 1).then(|| chi / (present - 1) as f64)
}

fn text(measured: &Measured) -> Result<String, std::fmt::Error> {
    let Measured { split, samples, batch, seed, epoch, orders } = measured;
    let mut out = String::new();
    let samples = report::plural(*samples, "sample");
    writeln!(out, "{split}: {samples} in batches of {batch}, epoch {epoch} of seed {seed}\n")?;
    let width = orders.iter().map(|quality| quality.order.to_string().len()).max().unwrap_or(0);
    writeln!(out, "{:width$} {:>7} {:>7} {:>7} {:>9}", "order", "mix", "worst", "moved", "together")?;
    for Quality { order, mix, worst, moved, together } in orders {
        let number = |value: &Option<f64>| value.map_or("-".into(), |value| format!("{value:.2}"));
        let together = together.map_or("-".into(), |share| format!("{:.2} %", 100.0 * share));
        let order = order.to_string();
        writeln!(out, "{order:width$} {:>7} {:>7} {moved:>7.3} {together:>9}", number(mix), number(worst))?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_in_the_splits_proportions_has_no_chi_square_and_one_class_the_most() {
        let shares = [0.5, 0.25, 0.25, 0.0];
        assert_eq!(mix(&[4.0, 2.0, 2.0, 0.0], &shares), Some(0.0));
        // (0 - 4)^2 / 4 + (8 - 2)^2 / 2 + (0 - 2)^2 / 2 over 2 degrees of freedom.
        assert_eq!(mix(&[0.0, 8.0, 0.0, 0.0], &shares), Some(12.0));
        assert_eq!(mix(&[8.0], &[1.0]), None);
    }
}
