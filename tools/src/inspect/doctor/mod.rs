//! `rfx-inspect doctor`: is this machine, and this data set, fit for what rfx does with them?
//!
//! Each question is a [`Check`] with what was found and, where something could be better, what to do. Linux tells
//! through /proc and /sys; what a system does not tell is left out, never guessed.

mod dataset;
mod libtorch;
mod limits;
mod machine;

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use serde::Serialize;

use crate::{
    exit::{CliError, Outcome},
    report,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-inspect doctor
  rfx-inspect doctor packed/cifar10
  rfx-inspect doctor packed/cifar10 --json

Exit code 1 where something is broken; advice alone is no failure.";

#[derive(Args, Debug)]
pub(super) struct DoctorArgs {
    /// Data set to look at: its health, its disk, how much of it is in memory
    #[arg(value_name = "DIR")]
    dataset: Option<PathBuf>,
    /// Print the result as JSON (schema rfx.doctor/1)
    #[arg(long)]
    json: bool,
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It works, and could be better.
    Advice,
    /// It does not work.
    Broken,
}

/// One answer.
#[derive(Debug, Serialize)]
struct Check {
    topic: &'static str,
    name: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Check {
    fn ok(topic: &'static str, name: &'static str, found: impl Into<String>) -> Check {
        Check { topic, name, state: State::Ok, found: found.into(), advice: None }
    }

    fn advice(self, advice: impl Into<String>) -> Check {
        Check { state: State::Advice, advice: Some(advice.into()), ..self }
    }

    /// Advice only where `needed`.
    fn advice_if(self, needed: bool, advice: impl Into<String>) -> Check {
        if needed { self.advice(advice) } else { self }
    }

    fn broken(self, advice: impl Into<String>) -> Check {
        Check { state: State::Broken, advice: Some(advice.into()), ..self }
    }
}

/// The JSON result.
#[derive(Serialize)]
struct Diagnosis {
    version: &'static str,
    state: State,
    checks: Vec<Check>,
}

pub(super) fn run(args: &DoctorArgs) -> anyhow::Result<Outcome> {
    let mut checks = machine::checks();
    checks.extend(limits::checks());
    checks.extend(libtorch::checks());
    if let Some(path) = &args.dataset {
        checks.extend(dataset::checks(path));
    }
    let state = checks.iter().map(|check| check.state).max().unwrap_or(State::Ok);
    let text = if args.json {
        report::document("rfx.doctor/1", &Diagnosis { version: env!("CARGO_PKG_VERSION"), state, checks })?
    } else {
        text(&checks, state)
    };
    report::print(&text)?;
    Ok(if state == State::Broken { Outcome::Mismatch } else { Outcome::Done })
}

fn text(checks: &[Check], state: State) -> String {
    let mut out = format!("rfx         {}\n", env!("CARGO_PKG_VERSION"));
    let mut topic = "";
    for check in checks {
        if check.topic != topic {
            topic = check.topic;
            let _ = writeln!(out, "\n{topic}"); // writing to a String cannot fail
        }
        let mark = match check.state {
            State::Ok => "  ",
            State::Advice => "- ",
            State::Broken => "! ",
        };
        let _ = writeln!(out, "{mark}{:<18} {}", check.name, check.found);
        if let Some(advice) = &check.advice {
            let _ = writeln!(out, "{:20} -> {advice}", "");
        }
    }
    let verdict = match state {
        State::Ok => "all is well",
        State::Advice => "it works; lines that begin with - could be better",
        State::Broken => "lines that begin with ! do not work",
    };
    out + "\n" + verdict + "\n"
}

/// What `program args` prints on its first lines, or why there is nothing.
fn ask(program: &str, args: &[&str]) -> Result<String, CliError> {
    let ran = std::process::Command::new(program).args(args).stdin(std::process::Stdio::null()).output();
    let ran = ran.map_err(|source| CliError::Io { path: program.into(), action: "run", source })?;
    Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_check_is_the_verdict_and_advice_stands_below_its_line() {
        let fine = Check::ok("machine", "cores", "2");
        let slow = Check::ok("data set", "disk", "nfs").advice("copy it to a local disk");
        let lost = Check::ok("data set", "index", "missing").broken("pack it again");
        assert_eq!(fine.state, State::Ok);
        let shown = text(&[fine, slow, lost], State::Broken);
        assert!(shown.contains("- disk") && shown.contains("-> copy it to a local disk"), "{shown}");
        assert!(shown.contains("! index") && shown.ends_with("do not work\n"), "{shown}");
        assert!(!Check::ok("a", "b", "c").advice_if(false, "x").found.is_empty());
    }
}
