//! A disk that is full, or a place that cannot be written: one clear error, nothing half-made, and a rerun goes on.

#[path = "samples/mod.rs"]
mod samples;
mod support;

use std::{
    path::Path,
    process::{Command, Stdio},
};

use rfx_loader::{ErrorKind, pack::PackError};
use samples::{Small, options, pack_to, tree};

const CHILD_DIR: &str = "RFX_TEST_SMALL_DISK";

fn mount(args: &[&str]) {
    assert!(Command::new("mount").args(args).status().unwrap().success(), "mount {args:?}");
}

/// Not a test of its own: runs in a mount namespace of its own, made by the test below.
#[test]
#[ignore = "run by a_full_disk_is_one_clear_error_and_a_rerun_goes_on"]
fn child_fills_the_disk() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let (source, options) = (Small::new(5000, 100), options(2, 100_000));
    let whole = Path::new(&dir).join("whole");
    let disk = Path::new(&dir).join("disk");
    pack_to(&source, &whole, &options).unwrap();
    std::fs::create_dir(&disk).unwrap();
    let target = disk.to_str().unwrap();
    mount(&["-t", "tmpfs", "-o", "size=200k", "none", target]);
    let out = disk.join("out");
    for _ in 0..2 {
        let error = pack_to(&source, &out, &options).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Environment, "{text}");
        assert!(matches!(error, PackError::Environment { needed: 1.., .. }), "{text}");
        assert!(
            text.contains(".safetensors") && text.contains("bytes needed") && text.contains("space"),
            "{text}"
        );
        let left = tree(&out);
        assert!(
            !left.contains_key("dataset.json") && !left.keys().any(|n| n.ends_with(".rfx-tmp")),
            "{:?}",
            left.keys()
        );
    }
    mount(&["-o", "remount,size=20m", target]);
    pack_to(&source, &out, &options).unwrap();
    assert!(tree(&out) == tree(&whole));
}

#[test]
fn a_full_disk_is_one_clear_error_and_a_rerun_goes_on() {
    let test = "a_full_disk_is_one_clear_error_and_a_rerun_goes_on";
    let tmp = tempfile::tempdir().unwrap();
    // A namespace of its own: the mount is gone with the process, whatever happens, and works without root where
    // the system allows user namespaces.
    let namespace = ["--user", "--map-root-user", "--mount"];
    let probe = format!("mount -t tmpfs -o size=200k none '{}'", tmp.path().display());
    let probe =
        Command::new("unshare").args(namespace).args(["sh", "-c", &probe]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|s| s.success()) {
        return support::skip("mount", test, "cannot mount a small tmpfs in a namespace of its own");
    }
    let output = Command::new("unshare")
        .args(namespace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_fills_the_disk", "--ignored", "--nocapture"])
        .env(CHILD_DIR, tmp.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{text}"
    );
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let error = pack_to(&Small::new(5, 2), Path::new("/proc/rfx-out"), &options(1, 1 << 27)).unwrap_err();
    assert!(matches!(error, PackError::Environment { .. }), "{error}");
    assert!(error.to_string().contains("/proc/rfx-out"), "{error}");
    let tmp = tempfile::tempdir().unwrap();
    std::fs::write(tmp.path().join("file"), "").unwrap();
    let error = pack_to(&Small::new(5, 2), &tmp.path().join("file/out"), &options(1, 1 << 27)).unwrap_err();
    assert!(error.to_string().contains("file/out: cannot make the folder: Not a directory"), "{error}");
    assert!(error.to_string().ends_with("; choose another output folder"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Input, "waiting does not help: {error}");
}
