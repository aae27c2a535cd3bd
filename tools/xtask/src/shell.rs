//! Running other programs.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use crate::Failure;

static STARTED_IN: OnceLock<PathBuf> = OnceLock::new();

/// Goes to the workspace's root, wherever the program was started.
pub fn enter_workspace() -> Result<(), Failure> {
    let _ = STARTED_IN.set(env::current_dir().unwrap_or_default());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    env::set_current_dir(root).map_err(|e| {
        Failure::environment(format!("{}: {e}; was the checkout moved? rebuild xtask", root.display()))
    })
}

/// A path as the user meant it: from where the program was started.
pub fn absolute(path: &str) -> PathBuf {
    STARTED_IN.get().cloned().unwrap_or_default().join(path)
}

/// Says what is done now.
pub fn say(text: impl AsRef<str>) {
    let _ = writeln!(io::stderr(), "==> {}", text.as_ref()); // where stderr is closed, nobody listens
}

/// Says why it ends.
pub fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "error: {message}");
}

/// Prints a result to stdout; a reader that has gone away wanted no more.
pub fn print(text: impl AsRef<str>) {
    let _ = writeln!(io::stdout(), "{}", text.as_ref());
}

/// Whether a program of this name is on the path.
pub fn has(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Runs a program to its end, showing what it prints; its failure is ours, with code `code`.
pub fn run<S: AsRef<OsStr>>(
    program: &str,
    args: impl IntoIterator<Item = S>,
    code: u8,
) -> Result<(), Failure> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    run_command(command, code)
}

/// As [`run`], for a program of ours, which has said itself why it failed: its exit code becomes ours.
pub fn run_ours(program: &str, args: &[String]) -> Result<(), Failure> {
    let failed = |e| Failure { code: 3, message: format!("`{program}` could not be started: {e}") };
    let status = Command::new(program).args(args).stdin(Stdio::null()).status().map_err(failed)?;
    if status.success() {
        return Ok(());
    }
    // Without a code it was ended by a signal, which nobody has told of.
    let message = if status.code().is_some() { String::new() } else { format!("`{program}`: {status}") };
    Err(Failure { code: status.code().and_then(|c| u8::try_from(c).ok()).unwrap_or(1), message })
}

/// Runs a program of ours in this process's place; returns only if that cannot be done.
pub fn become_ours(program: &str, args: &[String]) -> Failure {
    let error = Command::new(program).args(args).stdin(Stdio::null()).exec();
    Failure { code: 3, message: format!("`{program}` could not be started: {error}") }
}

/// As [`run`], for a command with environment or folder of its own.
pub fn run_command(mut command: Command, code: u8) -> Result<(), Failure> {
    let shown = format!("{command:?}").replace('"', "");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure { code, message: format!("`{shown}` failed ({status})") }),
        Err(e) => Err(Failure { code: 3, message: format!("`{shown}` could not be started: {e}") }),
    }
}

/// What a program prints, if it succeeds.
pub fn output(program: &str, args: &[&str]) -> Option<String> {
    let out = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
}

/// The cargo that started us.
pub fn cargo() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// Where cargo shall put what it builds.
pub fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from)
}
