//! `rfx-inspect audit`: what is wrong with a data set before anybody trains on it: unbalanced classes, duplicates,
//! test images that are in the train split, labels that contradict each other, records that cannot be read.

mod labels;
mod picture;
mod samples;
mod text;
mod thumbnail;

use std::path::PathBuf;

use clap::Args;
use rfx_loader::{CorruptionSpec, digest::Digest};
use serde::Serialize;

use crate::{
    args::DatasetArg,
    exit::{CliError, Outcome},
    interrupt, output,
    progress::{Progress, Unit},
    report,
};
use labels::Ceiling;
use samples::Samples;
use thumbnail::near_pairs;

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-inspect audit packed/cifar10
  rfx-inspect audit packed/cifar10 --sheet duplicates.png --pairs duplicates.csv
  rfx-inspect audit packed/cifar10 --corrupt random-labels --seed 1
  rfx-inspect audit packed/mnist --near 0.999 --json -q

Two images are near each other where their 8 x 8 thumbnails correlate by at least --near, as they are or in a mirror: \
the same picture after recompression, a change of brightness, or a small shift. On CIFAR-10 nearly all pairs above \
0.97 are that; on MNIST digits of one class are, so there it says little.
Exit code 1 where a record cannot be read; duplicates and contradictions alone are no failure.";

/// Pairs kept at most: beyond that a threshold is too loose to tell anything.
const MAX_PAIRS: usize = 1_000_000;

#[derive(Args, Debug)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    dataset: DatasetArg,
    /// Least correlation of near duplicates, above 0.9 and up to 1
    #[arg(long, value_name = "R", default_value_t = 0.97, value_parser = correlation)]
    near: f64,
    /// Judge contradictions with the train labels of this corruption instead of the stored ones
    #[arg(long, value_name = "SPEC", requires = "seed")]
    corrupt: Option<CorruptionSpec>,
    /// Seed of the corruption
    #[arg(long, value_name = "S", requires = "corrupt")]
    seed: Option<u64>,
    /// Write every pair to this CSV file, which must not exist
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Draw the first pairs to this PNG file, which must not exist
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Print the result as JSON (schema rfx.audit/1)
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

fn correlation(text: &str) -> Result<f64, String> {
    // Below 0.9 the hashing misses a third of the pairs, and what it finds looks alike by chance.
    let value = text.parse().ok().filter(|r| (0.9..=1.0).contains(r));
    value.ok_or_else(|| "expected a correlation, 0.9 to 1".into())
}

/// What was found.
#[derive(Debug, Serialize)]
struct Audit {
    source: String,
    generated: bool,
    content: Digest,
    classes: Vec<ClassCount>,
    splits: Vec<SplitCount>,
    unreadable: Vec<Unreadable>,
    /// Images of one value only.
    flat: Vec<i64>,
    identical: Duplicates,
    /// Beside the identical ones; null where there were too many to tell anything.
    near: Option<Duplicates>,
    labels: Ceiling,
}

/// Samples of one class in each split, in the order of the splits.
#[derive(Debug, Serialize)]
struct ClassCount {
    name: String,
    samples: Vec<u64>,
}

#[derive(Debug, Serialize)]
struct SplitCount {
    name: String,
    samples: u64,
    /// Most samples of a class over fewest; null where a class has none.
    imbalance: Option<f64>,
}

/// A record that could not be read, and why.
#[derive(Debug, Serialize)]
struct Unreadable {
    split: String,
    id: i64,
    message: String,
}

/// Pairs of samples that are the same picture.
#[derive(Debug, Default, Serialize)]
struct Duplicates {
    /// Samples that are one of a pair.
    samples: u64,
    /// Samples of other splits that have a partner in the first split: test images that were trained on.
    leaked: u64,
    /// Pairs whose labels differ.
    contradictions: u64,
    pairs: Vec<Duplicate>,
}

/// Two samples that are the same picture; the first has the lower id. Of a group of n identical images the n - 1 pairs
/// with its first are listed.
#[derive(Clone, Debug, Serialize)]
struct Duplicate {
    ids: [i64; 2],
    splits: [String; 2],
    labels: [String; 2],
    /// Correlation of their thumbnails; 1 of identical ones.
    correlation: f64,
    mirrored: bool,
    #[serde(skip)]
    indices: [usize; 2],
}

pub(super) fn run(args: &AuditArgs) -> anyhow::Result<Outcome> {
    for file in args.pairs.iter().chain(&args.sheet) {
        output::refuse_existing(file)?;
    }
    let dataset = args.dataset.open()?;
    let cancel = interrupt::flag()?;
    let progress = Progress::new("auditing", Unit::Samples, args.quiet, &cancel);
    let samples = Samples::read(&dataset, &progress)?;
    progress.finish();
    let audit = audit(args, &samples)?;
    if let Some(file) = &args.pairs {
        output::create(file, |out| text::csv(&audit, out))?;
    }
    if let Some(file) = &args.sheet {
        let pairs: Vec<_> = audit.all_pairs().take(picture::MAX_PAIRS).cloned().collect();
        if pairs.is_empty() {
            report::tell("no duplicates: no sheet was drawn\n");
        } else {
            let png = picture::draw(&samples, &pairs)?.png()?;
            output::create(file, |out| out.write_all(&png))?;
        }
    }
    report::print(&if args.json {
        report::document("rfx.audit/1", &audit)?
    } else {
        text::text(&audit, args)?
    })?;
    Ok(if audit.unreadable.is_empty() { Outcome::Done } else { Outcome::Mismatch })
}

fn audit(args: &AuditArgs, samples: &Samples) -> anyhow::Result<Audit> {
    let dataset = samples.dataset();
    let groups = samples.identical();
    let mut identical = Duplicates::default();
    for group in &groups {
        for &other in &group[1..] {
            identical.pairs.push(samples.pair([group[0], other], 1.0, false));
        }
    }
    identical.count(&dataset.index().splits[0].name);
    // Of identical images one stands for all: otherwise each would be near whatever the others are near.
    let mut stands = vec![true; samples.len()];
    groups.iter().flat_map(|group| &group[1..]).for_each(|&index| stands[index] = false);
    let of: Vec<usize> = (0..samples.len()).filter(|&i| stands[i] && samples.is_readable(i)).collect();
    let (images, mirrors): (Vec<_>, Vec<_>) = of.iter().map(|&i| samples.thumbnails(i)).unzip();
    let near = near_pairs(&images, &mirrors, args.near, MAX_PAIRS).ok().map(|pairs| {
        let mut near = Duplicates::default();
        let pair = |p: &thumbnail::Pair| samples.pair([of[p.a], of[p.b]], p.correlation, p.mirrored);
        near.pairs.extend(pairs.iter().map(pair));
        near.count(&dataset.index().splits[0].name);
        near
    });
    let index = dataset.index();
    Ok(Audit {
        source: index.source.kind.clone(),
        generated: dataset.is_generated(),
        content: dataset.content(),
        classes: samples.class_counts(),
        splits: samples.split_counts(),
        unreadable: samples.unreadable(),
        flat: samples.flat(),
        labels: Ceiling::of(samples, &groups, args.corrupt.as_ref().zip(args.seed))?,
        identical,
        near,
    })
}

impl Duplicates {
    fn count(&mut self, train: &str) {
        let mut seen = std::collections::HashSet::new();
        let mut leaked = std::collections::HashSet::new();
        for pair in &self.pairs {
            seen.extend(pair.ids);
            self.contradictions += u64::from(pair.labels[0] != pair.labels[1]);
            for (mine, other) in [(0, 1), (1, 0)] {
                if pair.splits[mine] != train && pair.splits[other] == train {
                    leaked.insert(pair.ids[mine]);
                }
            }
        }
        (self.samples, self.leaked) = (seen.len() as u64, leaked.len() as u64);
    }
}

impl Audit {
    fn all_pairs(&self) -> impl Iterator<Item = &Duplicate> {
        self.identical.pairs.iter().chain(self.near.iter().flat_map(|near| &near.pairs))
    }
}

/// Threads end, records do not: what stops an audit half way.
fn interrupted() -> CliError {
    CliError::Interrupted { path: "audit".into() }
}
