//! `rfx-inspect info`: the index of a data set, for people or as JSON.

use std::fmt::Write;

use clap::Args;
use rfx_loader::{Dataset, dataset::Gaussian};

use crate::{args::DatasetPath, exit::Outcome, report};

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-inspect info packed/cifar10
  rfx-inspect info packed/cifar10 --json";

#[derive(Args, Debug)]
pub(super) struct InfoArgs {
    #[command(flatten)]
    dataset: DatasetPath,
    /// Print the whole index as JSON (schema rfx.info/1)
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &InfoArgs) -> anyhow::Result<Outcome> {
    let dataset = args.dataset.open()?;
    let text = if args.json { report::document("rfx.info/1", dataset.index())? } else { text(&dataset)? };
    report::print(&text)?;
    Ok(Outcome::Done)
}

fn text(dataset: &Dataset) -> Result<String, std::fmt::Error> {
    let index = dataset.index();
    let mut out = String::new();
    let generated = if dataset.is_generated() {
        format!(" (generated data: {})", index.source.generator)
    } else {
        String::new()
    };
    writeln!(out, "source    {}{generated}", index.source.kind)?;
    writeln!(out, "content   {}", index.content)?;
    writeln!(out, "pack      {}", index.pack)?;
    let element = &index.element;
    writeln!(
        out,
        "element   {} {} {}, stored {} in {} order",
        element.dtype, element.shape, element.layout, element.codec, index.plan.order
    )?;
    if let Some(zstd) = &index.plan.zstd {
        let dictionary = match &element.dictionary {
            None => "no dictionary".into(),
            Some(dictionary) => format!("a dictionary of {}", report::bytes(dictionary.bytes)),
        };
        writeln!(
            out,
            "zstd      level {}, {dictionary}, compressed by version {}",
            zstd.level, zstd.version
        )?;
    }
    for parameter in &index.source.parameters {
        writeln!(out, "made with {}: {}", parameter.name, parameter.value)?;
    }
    for split in &index.splits {
        let bytes = split.shards.iter().map(|s| s.bytes).sum();
        let shards = report::plural(split.shards.len() as u64, "shard");
        let samples = report::plural(split.samples as u64, "sample");
        writeln!(out, "split     {}: {samples}, {shards}, {}", split.name, report::bytes(bytes))?;
    }
    let mut names: Vec<&str> = dataset.classes().iter().take(20).map(String::as_str).collect();
    if dataset.classes().len() > names.len() {
        names.push("...");
    }
    writeln!(out, "classes   {}: {}", dataset.classes().len(), names.join(", "))?;
    for column in &index.columns {
        let classes = dataset.label_classes(Some(&column.name)).ok();
        let named = classes.filter(|names| names.len() <= 20).map(|names| format!(" ({})", names.join(", ")));
        let named = named.unwrap_or_default();
        writeln!(out, "column    {}: {} to {}{named}", column.name, column.min, column.max)?;
    }
    let moments = dataset.moments();
    if moments.are_taken() {
        let count = report::count(moments.count);
        writeln!(out, "moments   of {}, {count} values per channel", moments.split)?;
    } else {
        writeln!(out, "moments   none")?;
    }
    for channel in (0..moments.sum.len()).filter(|_| moments.are_taken()) {
        let (mean, deviation) = (moments.mean(channel), moments.deviation(channel));
        write!(out, "          channel {channel}: mean {mean:.4}, deviation {deviation:.4}")?;
        match &index.gaussian {
            Gaussian::Channels(tables) => {
                let t = &tables[channel];
                writeln!(
                    out,
                    "; noise: mu {:.4}, sigma {:.4}, {:.1} % clipped",
                    t.mu,
                    t.sigma,
                    100.0 * t.clipped
                )?;
            }
            Gaussian::Unreachable(_) => writeln!(out)?,
        }
    }
    if let Gaussian::Unreachable(reason) = &index.gaussian {
        writeln!(out, "noise     no Gaussian tables: {reason}")?;
    }
    Ok(out)
}
