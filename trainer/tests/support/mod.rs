//! What the trainer's tests share: the loader's test support, small data sets, and `rfx-train` as a process.
#![allow(dead_code, unused_imports)] // each test file uses some of it

#[path = "../../../loader/tests/support/mod.rs"]
mod loader;
#[path = "../../../loader/tests/support/synthetic.rs"]
mod synthetic;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub use loader::{python, real_data, skip, workspace};
use rfx_loader::{
    Dataset, Layout,
    dataset::Verify,
    pack::{PackOptions, PackOrder, pack},
    source::Generated,
};
use rfx_trainer::{
    config::Options, folder::RunFolder, metrics::EpochMetrics, model::ModelName, signal::Interrupt,
    train::Observer,
};
use synthetic::Synthetic;

/// Packs 200 train and 60 test images of 3 x 32 x 32 into `dir`: noise, which a network can only memorise.
pub fn small(dir: &Path) -> Dataset {
    synthetic::packed(&Synthetic::new(200, 60, [3, 32, 32], Layout::Nhwc), dir, 1 << 17, PackOrder::Source)
}

/// As [`small`], with images of 3 x 6 x 6: a checkpoint of which is small enough to be damaged in many ways.
pub fn tiny(dir: &Path) -> Dataset {
    of_side(dir, 6)
}

/// 40 and 20 images of 3 x `side` x `side`.
pub fn of_side(dir: &Path, side: usize) -> Dataset {
    of_side_and_count(dir, side, 40)
}

/// `count` and 20 images of 3 x `side` x `side`.
pub fn of_side_and_count(dir: &Path, side: usize, count: usize) -> Dataset {
    synthetic::packed(
        &Synthetic::new(count, 20, [3, side, side], Layout::Nchw),
        dir,
        1 << 20,
        PackOrder::Source,
    )
}

/// Packs the generated set into `dir`.
pub fn generated(dir: &Path) -> Dataset {
    let options =
        PackOptions { jobs: 2, shard_bytes: 1 << 30, order: PackOrder::Source, ..Default::default() };
    pack(&Generated::new(), dir, &options, &(), &Default::default()).unwrap();
    Dataset::open(dir, Verify::Once).unwrap()
}

/// A short run of MLP 1x512 on one thread of everything.
pub fn options(data: &Path) -> Options {
    Options {
        data: Some(data.to_path_buf()),
        model: Some(ModelName::Mlp1x512),
        epochs: Some(2),
        batch: Some(32),
        threads: Some(1),
        ..Options::default()
    }
}

/// Raises the interrupt after a step, which is counted from 0 as its epoch is.
pub struct StopAfter<'a>(pub &'a Interrupt, pub u32, pub u64);

impl Observer for StopAfter<'_> {
    fn stepped(&mut self, epoch: u32, step: u64, _steps: u64) {
        if (epoch, step) == (self.1, self.2) {
            self.0.raise();
        }
    }
}

/// `rfx-train` with `args`, without colours or progress.
pub fn rfx_train<const N: usize>(args: [&str; N]) -> Output {
    command().args(args).output().unwrap()
}

/// `rfx-train`, to be given arguments.
pub fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_rfx-train"))
}

/// stderr of `output`, which must have ended with `code`.
pub fn fails_with(code: i32, output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

/// stdout of `output`, which must have succeeded.
pub fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The metrics of the run in `out` without what a clock wrote.
pub fn timeless_metrics(out: &Path) -> Vec<EpochMetrics> {
    let mut lines = RunFolder::at(out).read_metrics().unwrap();
    for line in &mut lines {
        (line.seconds, line.evaluation_seconds, line.loader_wait_seconds) = (0.0, 0.0, 0.0);
    }
    lines
}

/// `path` as text, for arguments.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The file names in `dir`, sorted.
pub fn names(dir: &Path) -> Vec<String> {
    let name = |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = std::fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

/// A Python with TensorBoard: `$RFX_TENSORBOARD`, or the one of `cargo xtask setup`; `None` after a recorded skip.
pub fn tensorboard(test: &str) -> Option<PathBuf> {
    let python = std::env::var_os("RFX_TENSORBOARD")
        .map_or_else(|| workspace().join(".venv/bin/python"), PathBuf::from);
    let probe = Command::new(&python).args(["-c", "import tensorboard"]).output();
    if probe.is_ok_and(|o| o.status.success()) {
        return Some(python);
    }
    skip("tensorboard", test, &format!("{} has no TensorBoard (pip install tensorboard)", python.display()));
    None
}

/// A Python with PyTorch: `$RFX_PYTORCH`, or the one of `cargo xtask setup --pytorch`; `None` after a recorded skip.
pub fn pytorch(test: &str) -> Option<PathBuf> {
    let python =
        std::env::var_os("RFX_PYTORCH").map_or_else(|| workspace().join(".venv/bin/python"), PathBuf::from);
    let probe = Command::new(&python).args(["-c", "import torch, safetensors"]).output();
    if probe.is_ok_and(|o| o.status.success()) {
        return Some(python);
    }
    skip("torch", test, &format!("{} has no PyTorch (cargo xtask setup --pytorch)", python.display()));
    None
}
