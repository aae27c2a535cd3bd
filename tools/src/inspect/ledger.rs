//! `rfx-inspect ledger`: whether each sample was seen exactly once per epoch, across restarts and world sizes.

use std::{fmt::Write, path::PathBuf};

use clap::Args;
use rfx_loader::{
    Dataset, Position,
    dataset::Verify,
    ledger::{EpochReport, LedgerReport, RunReport, Tally, audit},
};

use crate::{
    exit::{CliError, Outcome},
    report,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-inspect ledger runs/random --data packed/cifar10
  rfx-inspect ledger rank-0.ledger rank-1.ledger --data packed/cifar10 --json

A ledger is what a loader writes down as it hands out batches (rfx-train run --ledger, rfx-bench --ledger, the library's \
LoaderBuilder::ledger): one file per rank, which a restarted rank appends to. Give those of all ranks and all \
restarts of one run. What a restart took again, because it began at an earlier checkpoint, is told and is no \
fault; a sample that was taken twice otherwise, or not at all, is.
Exit code 1 where anything is missing, doubled or strange.";

#[derive(Args, Debug)]
pub(super) struct LedgerArgs {
    /// Ledgers, or folders: of a folder all files named *.ledger
    #[arg(value_name = "FILE|DIR", required = true)]
    ledgers: Vec<PathBuf>,
    /// The data set they are of, a folder that rfx-pack wrote
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Print the result as JSON (schema rfx.ledger/1)
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &LedgerArgs) -> anyhow::Result<Outcome> {
    let files = files(&args.ledgers)?;
    let dataset = Dataset::open(&args.data, Verify::Never)?; // no record is read
    let found = audit(&dataset, &files)?;
    report::print(&if args.json { report::document("rfx.ledger/1", &found)? } else { text(&found)? })?;
    Ok(if found.sound { Outcome::Done } else { Outcome::Mismatch })
}

/// The files named, and in place of each folder its ledgers in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let io = |source| CliError::Io { path: path.clone(), action: "read", source };
        let mut found = Vec::new();
        for entry in path.read_dir().map_err(io)? {
            let file = entry.map_err(io)?.path();
            if file.extension().is_some_and(|extension| extension == "ledger") {
                found.push(file);
            }
        }
        if found.is_empty() {
            return Err(CliError::Usage {
                what: format!("{}: no file there is named *.ledger", path.display()),
                help: "name the ledgers themselves".into(),
            });
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn text(found: &LedgerReport) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    writeln!(
        out,
        "data set  {}, {}: {} in {}; spec {}, seed {}",
        found.content.short(),
        found.split,
        report::plural(found.samples, "sample"),
        report::plural(found.steps, "step"),
        found.spec.short(),
        found.seed
    )?;
    for (number, run) in found.runs.iter().enumerate() {
        write_run(number, run, &mut out)?;
    }
    for torn in &found.torn {
        writeln!(
            out,
            "torn      {}: line {} was not finished",
            torn.file.display(),
            report::count(torn.line)
        )?;
    }
    for epoch in &found.epochs {
        if let Some([from, to]) =
            found.untouched.iter().find(|[_, to]| to.checked_add(1) == Some(epoch.epoch))
        {
            writeln!(out, "epoch     {from} to {to}: nothing was taken")?;
        }
        write_epoch(epoch, found.steps, &mut out)?;
    }
    let verdict = if found.sound { "sound" } else { "wrong" };
    let finished = found.epochs.iter().filter(|epoch| epoch.finished && epoch.is_sound()).count();
    let epochs = report::plural(finished as u64, "epoch");
    writeln!(out, "{verdict:<10}{epochs} of which every sample was taken exactly once")?;
    Ok(out)
}

fn place(at: Position) -> String {
    format!("epoch {}, step {}", at.epoch, at.step)
}

fn write_run(number: usize, run: &RunReport, out: &mut String) -> std::fmt::Result {
    let end = run.end.map_or("nothing taken".into(), |end| format!("to {}", place(end)));
    let ranks = report::plural(run.world.into(), "rank");
    let samples = report::plural(run.samples, "sample");
    write!(out, "run {:<6}{ranks}, from {} {end}: {samples}", number + 1, place(run.start))?;
    if let Some(from) = run.replaced_from {
        write!(out, "; {} from {} on replaced by a restart", report::count(run.replaced), place(from))?;
    }
    if run.absent() > 0 {
        let first: Vec<_> = run.first_absent().map(|rank| rank.to_string()).collect();
        let more = if run.absent() > first.len() as u64 { ", ..." } else { "" };
        write!(out, "; no ledger of {}: {}{more}", report::plural(run.absent(), "rank"), first.join(", "))?;
    }
    for earlier in &run.beside {
        write!(out, "; run {} was not over when it began", earlier + 1)?;
    }
    writeln!(out)
}

fn write_epoch(epoch: &EpochReport, steps: u64, out: &mut String) -> std::fmt::Result {
    let once = report::plural(epoch.once, "sample");
    write!(out, "epoch {:<4}", epoch.epoch)?;
    match (epoch.is_sound(), epoch.finished) {
        (true, true) => write!(out, "every sample once ({})", report::count(epoch.once))?,
        (true, false) => {
            write!(out, "unfinished: {once} of {} of {steps} once", report::plural(epoch.steps, "step"))?;
        }
        (false, _) => write!(out, "{once} of {} once", report::plural(epoch.steps, "step"))?,
    }
    if epoch.pending > 0 {
        write!(out, "; {} of the last step not yet", report::count(epoch.pending))?;
    }
    if epoch.replaced > 0 {
        write!(out, "; {} taken again after a restart", report::count(epoch.replaced))?;
    }
    writeln!(out)?;
    write_tally("missing", &epoch.missing, out)?;
    write_tally("doubled", &epoch.doubled, out)?;
    write_tally("strange", &epoch.foreign, out)
}

/// The number of samples, and the first steps that have some, with the first of their ids.
fn write_tally(what: &str, tally: &Tally, out: &mut String) -> std::fmt::Result {
    const SHOWN: usize = 5;
    if tally.samples == 0 {
        return Ok(());
    }
    writeln!(out, "  {what:<8}{}", report::plural(tally.samples, "sample"))?;
    for place in tally.places.iter().take(SHOWN) {
        let ids: Vec<_> = place.ids.iter().map(i64::to_string).collect();
        let more = if place.samples > place.ids.len() as u64 { ", ..." } else { "" };
        let samples = report::plural(place.samples, "sample");
        writeln!(out, "    step {}: {samples}: id {}{more}", place.step, ids.join(", "))?;
    }
    if tally.places.len() > SHOWN {
        writeln!(out, "    and in other steps (--json lists {})", Tally::PLACES)?;
    }
    Ok(())
}
