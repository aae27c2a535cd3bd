//! `cargo xtask test`: the scripts of `tools/ci`, one after another, and what was skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use crate::{
    Failure, setup,
    shell::{self, cargo, say},
};

/// The steps, in order; each is `tools/ci/<step>.sh` and can be run alone.
const STEPS: [&str; 6] = ["fmt", "clippy", "docs", "test", "loom", "fuzz"];

pub fn run(args: &[String]) -> Result<(), Failure> {
    if let Some(unknown) = args.iter().find(|a| !STEPS.contains(&a.as_str())) {
        return Err(Failure::usage(format!("unknown step `{unknown}`: expected {}", STEPS.join(", "))));
    }
    setup::prepare(true)?;
    let log = std::env::temp_dir().join(format!("rfx-skipped-{}", std::process::id()));
    let _ = fs::remove_file(&log);
    let mut failed = Vec::new();
    for step in STEPS.iter().filter(|s| args.is_empty() || args.iter().any(|a| a == *s)) {
        say(format!("tools/ci/{step}.sh"));
        let started = Instant::now();
        let mut command = Command::new("bash");
        command.arg(format!("tools/ci/{step}.sh")).stdin(Stdio::null()).env("RFX_SKIP_LOG", &log);
        match shell::run_command(command, 1) {
            Ok(()) => say(format!("{step}: passed in {} s", started.elapsed().as_secs())),
            Err(failure) => {
                say(format!("{step}: FAILED: {}", failure.message));
                failed.push(*step);
            }
        }
    }
    print_skipped(&log);
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure { code: 1, message: format!("failed: {}", failed.join(", ")) })
}

/// Tests note what they could not run in this file, a line each: name, tab, reason.
fn print_skipped(log: &Path) {
    let text = fs::read_to_string(log).unwrap_or_default();
    let _ = fs::remove_file(log);
    let lines: Vec<String> = text.lines().map(|l| l.replace('\t', ": ")).collect();
    let names = if lines.is_empty() { "none".into() } else { lines.join("; ") };
    shell::print(format!("{} skipped: {names}", lines.len()));
}

/// The loader's bench, on a packed data set or the generated one.
pub fn bench(args: &[String]) -> Result<(), Failure> {
    let data: Vec<PathBuf> = args.iter().map(|a| shell::absolute(a)).collect();
    let mut command = Command::new(cargo());
    command.args(["bench", "--locked", "-p", "rfx-benches", "--bench", "loader", "--"]).args(data);
    shell::run_command(command, 1)
}
