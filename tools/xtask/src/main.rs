//! `cargo xtask`: sets rfx up on a fresh machine, shows what it does, runs its tests.

mod demo;
mod setup;
mod shell;
mod test;

use std::process::ExitCode;

const HELP: &str = "\
Set-up, demo and tests of rfx.

Usage: cargo xtask <COMMAND>

Commands:
  setup [--pytorch]     Install what building and testing need: system packages, libtorch, Python packages
      --pytorch           PyTorch too (5 GB), for the tests and benches that compare with it
  demo [OPTIONS]        Pack a data set, train a network on the paper's six variants, write a report
      --data DIR          CIFAR-10 (binary or Python), MNIST, or a data set made by rfx-pack
                          [default: a generated set]
      --out DIR           Where everything goes, a new or empty folder [default: demo-out, or demo-out-2, ...]
      --full              Train on the whole training split instead of 10,000 samples
      --epochs N          Epochs at most [default: 60]
      --seed N            Seed of everything [default: 1]
      --resume            Go on with the demo in --out [default: the last one] after Ctrl-C; other options as before
  test [STEP...]        Run the checks: fmt clippy docs test loom fuzz [default: all]
  bench [DATA_SET]      Measure the loader against this machine's copy rate
  help                  Print this

Examples:
  cargo xtask demo
  cargo xtask demo --data ~/data/cifar-10-batches-bin
  cargo xtask demo --resume
  cargo xtask test
  cargo xtask test clippy test

Exit codes: 0 done, 1 a check failed, 2 usage, 3 something could not be installed, 130 a demo was interrupted.";

/// Why a command did not end well.
pub struct Failure {
    /// The program's exit code.
    pub code: u8,
    /// One line for stderr, or nothing where the child has spoken already.
    pub message: String,
}

impl Failure {
    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure { code: 2, message: message.into() }
    }

    /// The environment lacks something.
    pub fn environment(message: impl Into<String>) -> Failure {
        Failure { code: 3, message: message.into() }
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = args.split_first().map_or(("help", &[][..]), |(c, r)| (c.as_str(), r));
    if rest.iter().any(|a| a == "--help" || a == "-h") || matches!(command, "help" | "--help" | "-h") {
        shell::print(HELP);
        return ExitCode::SUCCESS;
    }
    let result = shell::enter_workspace().and_then(|()| match command {
        "setup" if rest.is_empty() => setup::run(false),
        "setup" if rest == ["--pytorch"] => setup::run(true),
        "demo" => demo::run(rest),
        "test" => test::run(rest),
        "bench" => test::bench(rest),
        "setup" => Err(Failure::usage("setup takes --pytorch or nothing")),
        other => Err(Failure::usage(format!("unknown command `{other}`; see `cargo xtask help`"))),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.message.is_empty() {
                shell::complain(&failure.message);
            }
            ExitCode::from(failure.code)
        }
    }
}
