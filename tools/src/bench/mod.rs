//! `rfx-bench`: how fast the loader makes batches of a data set on this machine, and what keeps it from more.
//!
//! All rates are of one run, so that they can be compared: images a second, images per second of processor time, and
//! the share of what plain memory copies reach with as many threads. The consumer takes each batch, checks that it is
//! the one that is due, and drops it without reading the images, so nothing but the loader is timed. Each module here
//! answers one question: `row` how fast with so many threads, `copy` how fast memory is, `bytes` how many of
//! them a sample moves, `first` how soon the first batch comes, `stages` what its
//! time goes into, `gpus` how many GPUs that feeds. `report` puts
//! the answers together, and `figure` draws them.

mod args;
mod bytes;
mod copy;
mod decode;
mod figure;
mod first;
mod gpus;
mod progress;
mod report;
mod row;
mod stages;
mod text;

pub use args::Cli;
use args::figure_kind;
use report::Report;

use crate::{
    exit::Outcome,
    host, interrupt, output,
    report::{bad_records, document, print},
};

/// Runs the program.
///
/// # Errors
/// Whatever stops it.
pub fn run(cli: Cli) -> anyhow::Result<Outcome> {
    interrupt::listen()?;
    interrupt::guard_mappings()?;
    let figure = cli.figure.as_deref().map(|path| figure_kind(path).map(|kind| (path, kind))).transpose()?;
    let progress = progress::Progress::new();
    let (mut report, recipe) = first::open(&cli)?;
    for threads in cli.thread_counts(host::cores()) {
        report.rows.push(row::measure(&recipe, &cli, threads, &progress)?);
    }
    if cli.stages {
        progress.tell(1, "measuring the stages");
        report.stages = Some(stages::measure(&recipe, cli.length().time())?);
    }
    progress.finish();
    bad_records(&recipe);
    report.conclude(&recipe, &cli.gpu_rates)?;
    let picture = figure.map(|(path, kind)| anyhow::Ok((path, figure::draw(&report, kind)?))).transpose()?;
    print(&if cli.json { document(Report::SCHEMA, &report)? } else { text::table(&report)? })?;
    if let Some((path, bytes)) = picture {
        output::create(path, |out| out.write_all(&bytes))?;
    }
    Ok(Outcome::Done)
}
