//! A shard that shrinks under a live mapping. With the guard it is an error; without, the process ends as it always
//! would; and faults that are not ours stay what they were. Each case runs in a process of its own.

#[path = "samples/mod.rs"]
mod samples;

use std::{
    fs::File,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
};

use rfx_loader::{
    ErrorKind,
    dataset::{Dataset, Split, Verify},
    shard::{Decoder, FormatError, install_sigbus_guard},
};
use samples::{Small, options, overwrite, pack_to, shard_path};

const CHILD_DIR: &str = "RFX_TEST_SHRUNK_DIR";
const SIGBUS: i32 = 7; // Linux

/// The folder, if this is a child process.
fn child_dir() -> Option<PathBuf> {
    std::env::var_os(CHILD_DIR).map(PathBuf::from)
}

fn run_child(name: &str) -> std::process::Output {
    let tmp = tempfile::tempdir().unwrap();
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture"])
        .env(CHILD_DIR, tmp.path())
        .output()
        .unwrap()
}

/// A mapped split whose file has just been cut to `len` bytes.
fn shrunk(dir: &Path, verify: Verify, len: u64) -> Split {
    pack_to(&Small::new(4000, 3), dir, &options(1, 1 << 27)).unwrap();
    let path = shard_path(dir, "train");
    overwrite(&path, &std::fs::read(&path).unwrap()); // writable
    let split = Dataset::open(dir, verify).unwrap().split("train").unwrap();
    split.evict();
    split.record(0, &mut Decoder::new()).unwrap();
    File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
    split
}

#[test]
#[ignore = "child of with_the_guard_a_shrunk_shard_is_an_error"]
fn child_with_guard() {
    let Some(dir) = child_dir() else { return };
    install_sigbus_guard().unwrap();
    install_sigbus_guard().unwrap(); // a second call does nothing
    for (name, verify, len) in
        [("a", Verify::Once, 0), ("b", Verify::Always, 4096), ("c", Verify::Once, 140_000)]
    {
        let split = shrunk(&dir.join(name), verify, len);
        let error = split.record(3999, &mut Decoder::new()).unwrap_err();
        let FormatError::ShrankWhileMapped { expected, found, .. } = &error else { panic!("{error}") };
        assert!(*found == len && *expected > 180_000, "{error}");
        assert!(error.to_string().contains("train-00000-of-00001") && error.kind() == ErrorKind::Environment);
        assert!(split.intact().is_err() && split.record(0, &mut Decoder::new()).is_err());
    }
    // Unchecked records read as zeros; the next look says why.
    let split = shrunk(&dir.join("d"), Verify::Never, 0);
    assert!(split.intact().is_ok());
    assert!(split.record(3999, &mut Decoder::new()).unwrap().iter().all(|&b| b == 0));
    assert!(split.intact().is_err() && split.record(1, &mut Decoder::new()).is_err());
    // The register outlives its maps: a new, sound mapping is not taken for the torn one.
    drop(split);
    pack_to(&Small::new(4000, 3), &dir.join("e"), &options(1, 1 << 27)).unwrap();
    let sound = Dataset::open(dir.join("e"), Verify::Once).unwrap().split("train").unwrap();
    assert!(sound.record(3999, &mut Decoder::new()).is_ok() && sound.intact().is_ok());
    println!("guarded");
}

#[test]
fn with_the_guard_a_shrunk_shard_is_an_error() {
    let output = run_child("child_with_guard");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("guarded"), "{out}{err}");
}

#[test]
#[ignore = "child of without_the_guard_the_process_ends"]
fn child_without_guard() {
    let Some(dir) = child_dir() else { return };
    let split = shrunk(&dir, Verify::Once, 0);
    let _ = split.record(3999, &mut Decoder::new());
    println!("survived");
}

#[test]
fn without_the_guard_the_process_ends() {
    let output = run_child("child_without_guard");
    assert_eq!(output.status.signal(), Some(SIGBUS), "{output:?}");
}

#[test]
#[ignore = "child of a_fault_that_is_not_ours_still_ends_the_process"]
fn child_with_a_foreign_fault() {
    let Some(dir) = child_dir() else { return };
    install_sigbus_guard().unwrap();
    let path = dir.join("foreign");
    std::fs::write(&path, vec![1; 100_000]).unwrap();
    let file = File::options().read(true).write(true).open(&path).unwrap();
    // SAFETY: the test is about what happens when this promise is broken, in a process made for it.
    #[allow(unsafe_code)]
    let map = unsafe { memmap2::Mmap::map(&file) }.unwrap();
    file.set_len(0).unwrap();
    println!("survived {}", map[90_000]);
}

#[test]
fn a_fault_that_is_not_ours_still_ends_the_process() {
    let output = run_child("child_with_a_foreign_fault");
    assert_eq!(output.status.signal(), Some(SIGBUS), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("survived"));
}
