//! The command line of `rfx-train`: what is asked for, and what is printed.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 ran and found something wrong, 2 usage or
//! bad input, 3 the environment failed, 130 interrupted with a checkpoint written.

mod demo;
mod eval;
mod print;
mod progress;
mod reproduce;
mod run;
mod theory;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use rfx_loader::shard::install_sigbus_guard;

use crate::{TrainError, error::Result, signal::Interrupt};

/// Train networks on data that are corrupted in a known way.
#[derive(Debug, Parser)]
#[command(name = "rfx-train", version, propagate_version = true, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  rfx-train run --data cifar10 --corrupt random-labels --out runs/random
  rfx-train eval runs/random --data cifar10
  rfx-train demo --data cifar10 --out demo-out
  rfx-train reproduce all --data cifar10 --scale quick --out results
  rfx-train report runs/* --out report
  rfx-train theory min-norm --data mnist --samples 10000 --out theory/mnist

Exit codes: 0 done, 1 found something wrong, 2 usage or bad input, 3 environment failed, 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Train one network on one corruption.
    Run(Box<run::Args>),
    /// Evaluate a run's checkpoint.
    Eval(eval::Args),
    /// Train MLP 1x512 on the paper's six variants and write a report.
    Demo(demo::Args),
    /// Reproduce an experiment of the paper: runs, figures, tables and verdicts.
    Reproduce(Box<reproduce::Args>),
    /// Run a grid of your own: any networks, corruptions, options and seeds.
    Sweep(Box<reproduce::SweepArgs>),
    /// Make figures, a table and an HTML page of finished runs.
    Report(ReportArgs),
    /// The paper's theory in numbers: expressivity, least norm, Rademacher complexity.
    Theory(Box<theory::Args>),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train report runs/true runs/random --out report
  rfx-train report demo-out/runs/* --out report")]
struct ReportArgs {
    /// Folders of runs, in the order in which they shall be shown
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<std::path::PathBuf>,
    /// Folder to write, which must be new or empty (but for --replace)
    #[arg(long, value_name = "DIR")]
    out: std::path::PathBuf,
    /// Write over an older report in --out; other files there stay
    #[arg(long)]
    replace: bool,
}

/// How a command ended well.
pub(crate) enum Ended {
    Done,
    /// With a checkpoint; what to tell about it.
    Interrupted(String),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse(); // clap's own exit code for usage is 2
    let result = install_sigbus_guard().map_err(signals).and_then(|()| match cli.command {
        Command::Run(args) => interruptible(|interrupt| run::run(*args, interrupt)),
        Command::Eval(args) => eval::eval(args),
        Command::Demo(args) => interruptible(|interrupt| demo::demo(args, interrupt)),
        Command::Reproduce(args) => interruptible(|interrupt| reproduce::reproduce(*args, interrupt)),
        Command::Sweep(args) => interruptible(|interrupt| reproduce::sweep(*args, interrupt)),
        Command::Report(args) => report(args),
        Command::Theory(args) => theory::theory(*args),
    });
    match result {
        Ok(Ended::Done) => ExitCode::SUCCESS,
        Ok(Ended::Interrupted(what)) => {
            print::note(&what);
            ExitCode::from(130)
        }
        Err(error) => {
            print::note(&format!("error: {error}"));
            ExitCode::from(u8::try_from(error.kind().exit_code()).unwrap_or(101))
        }
    }
}

fn signals(source: std::io::Error) -> TrainError {
    TrainError::Io { path: "signals".into(), action: "listen", source }
}

/// Runs a command that writes checkpoints: Ctrl-C lets it stop with one. The others have nothing to save, and end at once.
fn interruptible(command: impl FnOnce(&Interrupt) -> Result<Ended>) -> Result<Ended> {
    let heard = || {
        print::note("stopping after this step, with a checkpoint; a second signal ends at once, without one")
    };
    let (interrupt, listener) = Interrupt::from_signals(heard).map_err(signals)?;
    let ended = command(&interrupt)?;
    if matches!(ended, Ended::Interrupted(_)) && interrupt.came_by_signal() {
        let _ = listener.join(); // it has been told; waited for so that its line comes before ours
    }
    Ok(ended)
}

fn report(args: ReportArgs) -> Result<Ended> {
    let taken = std::fs::read_dir(&args.out).is_ok_and(|mut entries| entries.next().is_some());
    if taken && !args.replace {
        return Err(TrainError::Taken { path: args.out });
    }
    let paths = crate::report::write(&args.runs, &args.out)?;
    print::result(&format!("{}\n", paths.html.display()))?;
    Ok(Ended::Done)
}
