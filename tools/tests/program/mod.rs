//! Running the real programs, for every test file here.
#![allow(dead_code)] // each test file uses some of it

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
};

/// `rfx-pack`.
pub const PACK: &str = env!("CARGO_BIN_EXE_rfx-pack");
/// `rfx-inspect`.
pub const INSPECT: &str = env!("CARGO_BIN_EXE_rfx-inspect");

/// `rfx-bench`.
pub const BENCH: &str = env!("CARGO_BIN_EXE_rfx-bench");

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub raw: Vec<u8>,
    pub err: String,
}

/// Runs `program` with `args` (split at spaces) and then `paths`.
pub fn run(program: &str, args: &str, paths: &[&dyn AsRef<std::ffi::OsStr>]) -> Ran {
    let mut command = Command::new(program);
    command.args(args.split_whitespace()).args(paths.iter().map(|p| p.as_ref().to_os_string()));
    finish(command)
}

pub fn finish(mut command: Command) -> Ran {
    Ran::of(command.stdin(Stdio::null()).output().expect("the program starts"))
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        Ran {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            raw: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Fails unless the program ended with `code`; gives itself back.
    #[track_caller]
    pub fn ended(self, code: i32) -> Ran {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Fails unless stderr is an `error:` line that holds all of `parts`, with exit code `code` and an empty stdout.
    #[track_caller]
    pub fn refused(self, code: i32, parts: &[&str]) {
        let ran = self.ended(code);
        assert!(ran.out.is_empty(), "{ran:#?}");
        let first = ran.err.lines().find(|l| l.starts_with("error: ")).unwrap_or_else(|| panic!("{ran:#?}"));
        assert!(!first.contains("panicked"), "{first}");
        for part in parts {
            assert!(ran.err.contains(part), "no {part:?} in {}", ran.err);
        }
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}", self.out))
    }
}

/// The data set that `rfx-pack` makes of `source` (and its path), packed once per test binary under the name
/// `name`, which must be the test file's own: other test files may run at the same time.
pub fn packed(name: &str, source: &str, path: Option<&Path>) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).expect("a folder of an earlier run can be removed");
    }
    let paths: Vec<&dyn AsRef<std::ffi::OsStr>> = path.iter().map(|p| p as _).collect();
    run(PACK, &format!("{source} -q --out {}", folder.display()), &paths).ended(0);
    folder
}

/// The generated set, packed once per test binary.
pub fn generated(file: &str) -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| packed(&format!("{file}-generated"), "generated", None))
}

/// Names and contents of the files of a folder.
pub fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Copies the files of a folder, so that a test can damage them.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for (name, bytes) in contents(from) {
        std::fs::write(to.join(name), bytes).unwrap();
    }
}

/// Flips one bit of the byte that is `from_end` before a file's end.
pub fn flip(path: &Path, from_end: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let at = bytes.len() - from_end;
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Names in a folder, sorted; none where there is no folder.
pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Runs `program` in a shell that lets no file grow beyond `kib` KiB. Writing more fails with "File too large", as
/// on a full disk; the signal that usually goes with it is ignored.
pub fn run_limited(kib: u32, program: &str, args: &str, paths: &[&dyn AsRef<std::ffi::OsStr>]) -> Ran {
    // In 512-byte blocks: POSIX, and what every shell called sh does.
    let script = format!(r#"trap '' XFSZ; ulimit -f {}; exec "$@""#, 2 * kib);
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", program]).args(args.split_whitespace());
    command.args(paths.iter().map(|p| p.as_ref().to_os_string()));
    finish(command)
}

/// Waits until `child` has mapped a file whose name ends in `file`; false if it ended before that was seen.
pub fn wait_until_mapped(child: &mut std::process::Child, file: &str) -> bool {
    let maps = format!("/proc/{}/maps", child.id());
    loop {
        if child.try_wait().expect("a child can be asked").is_some() {
            return false;
        }
        if std::fs::read_to_string(&maps).is_ok_and(|m| m.lines().any(|l| l.ends_with(file))) {
            return true;
        }
        std::thread::yield_now();
    }
}

/// Sends `signal` (`INT`, `TERM`) to a process of ours.
pub fn send(signal: &str, child: &std::process::Child) {
    let kill = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
}
