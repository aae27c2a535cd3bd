//! The command line of `rfx-inspect`: one module per command.

mod audit;
mod batch;
mod canvas;
mod doctor;
mod info;
mod labels;
mod ledger;
mod order;
mod sheet;
mod verify;

use clap::{Parser, Subcommand};

use crate::{args::CORRUPTIONS, exit::Outcome, interrupt};

/// Looks into a data set: what it holds, whether it is sound, and what a corruption does to it.
#[derive(Parser, Debug)]
#[command(name = "rfx-inspect", version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rfx-inspect info packed/cifar10
  rfx-inspect verify packed/cifar10
  rfx-inspect sheet packed/cifar10 --corrupt random-pixels --seed 1 --out sheet.png

Results go to stdout, everything else to stderr. No file is ever overwritten.
Exit codes: 0 done, 1 something does not match, 2 wrong usage or bad input, 3 the environment failed, \
130 interrupted.";

#[derive(Subcommand, Debug)]
enum Command {
    /// What a data set holds: ids, splits, classes, moments, shards
    #[command(after_help = info::EXAMPLES)]
    Info(info::InfoArgs),
    /// Check every byte of a data set and derive both its ids again; or check a digest of corrupted labels
    #[command(after_help = verify::EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// What is wrong with the samples: class counts, duplicates, test images in train, contradicting labels
    #[command(after_help = format!("{}\n\n{CORRUPTIONS}", audit::EXAMPLES))]
    Audit(audit::AuditArgs),
    /// Whether this machine and a data set are fit: processor, memory, limits, libtorch, page cache, advice
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::DoctorArgs),
    /// The labels of every sample before and after corruption
    #[command(after_help = format!("{}\n\n{CORRUPTIONS}", labels::EXAMPLES))]
    Labels(labels::LabelsArgs),
    /// Any batch of any epoch, as a safetensors file
    #[command(after_help = format!("{}\n\n{CORRUPTIONS}", batch::EXAMPLES))]
    Batch(batch::BatchArgs),
    /// Whether each sample was seen exactly once per epoch, across restarts and world sizes
    #[command(after_help = ledger::EXAMPLES)]
    Ledger(ledger::LedgerArgs),
    /// How well an order of the epoch shuffles a data set: class mix of batches, neighbours that stay together
    #[command(after_help = order::EXAMPLES)]
    Order(order::OrderArgs),
    /// A picture of clean samples beside corrupted ones
    #[command(after_help = format!("{}\n\n{CORRUPTIONS}", sheet::EXAMPLES))]
    Sheet(sheet::SheetArgs),
}

/// Runs the command.
///
/// # Errors
/// Whatever stops it.
pub fn run(cli: Cli) -> anyhow::Result<Outcome> {
    interrupt::listen()?;
    interrupt::guard_mappings()?;
    match cli.command {
        Command::Info(args) => info::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Audit(args) => audit::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Labels(args) => labels::run(&args),
        Command::Batch(args) => batch::run(&args),
        Command::Ledger(args) => ledger::run(&args),
        Command::Order(args) => order::run(&args),
        Command::Sheet(args) => sheet::run(&args),
    }
}
