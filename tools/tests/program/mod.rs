//! Running the real programs, for every test file here.
#![allow(dead_code)] // each test file uses some of it

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// `rfx-pack`.
pub const PACK: &str = env!("CARGO_BIN_EXE_rfx-pack");
/// `rfx-inspect`.
pub const INSPECT: &str = env!("CARGO_BIN_EXE_rfx-inspect");

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
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        raw: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
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
