//! What several test files share: where real data are, and how a test that cannot run says so.
#![allow(dead_code)] // each test file uses some of it

use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// The workspace's root folder.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate lies in the workspace").to_path_buf()
}

/// Records that `test` was skipped because `what` (`data`, `python`, `torch`, ...) is missing, or fails the test
/// where the environment variable `RFX_REQUIRE` lists `what`.
pub fn skip(what: &str, test: &str, reason: &str) {
    let required = std::env::var("RFX_REQUIRE").unwrap_or_default();
    assert!(!required.split(',').any(|r| r.trim() == what), "{test}: RFX_REQUIRE={required}, but {reason}");
    eprintln!("SKIPPED {test}: {reason}");
    if let Some(log) = std::env::var_os("RFX_SKIP_LOG") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(log).expect("RFX_SKIP_LOG");
        file.write_all(format!("{test}\t{reason}\n").as_bytes()).expect("RFX_SKIP_LOG");
    }
}

/// The folder `sub` of the real test data (`$RFX_DATA`, or `../shared/data` beside the workspace), or `None` after
/// a recorded skip.
pub fn real_data(sub: &str, test: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("RFX_DATA") {
        Some(dir) => PathBuf::from(dir),
        None => workspace().join("../shared/data"),
    };
    let path = root.join(sub);
    if path.exists() {
        return Some(path);
    }
    skip("data", test, &format!("no {}", path.display()));
    None
}

/// The Python that `cargo xtask setup` made, or `None` after a recorded skip.
pub fn python(test: &str) -> Option<PathBuf> {
    let path = workspace().join(".venv/bin/python");
    if path.exists() {
        return Some(path);
    }
    skip("python", test, &format!("no {} (cargo xtask setup makes it)", path.display()));
    None
}
