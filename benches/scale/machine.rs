//! What the system says of this process and of files.

use std::{path::Path, process::Command, time::Duration};

/// Processor time of this process so far, all threads, to a hundredth of a second.
pub fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name in brackets: fields 14 and 15 of proc(5), in ticks of a hundredth.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

/// Bytes that this process holds beside mapped files.
pub fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0)
    };
    1024 * (kilobytes("RssAnon:") + kilobytes("RssShmem:"))
}

/// Files of the data set in `dir`.
fn files(dir: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    std::fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Bytes of the data set in `dir`.
pub fn bytes(dir: &Path) -> std::io::Result<u64> {
    files(dir)?.iter().map(|file| file.metadata().map(|m| m.len())).sum()
}

/// Takes the files of `dir` out of the page cache, if nobody maps them (`dd`'s way needs no rights).
pub fn drop_cache(dir: &Path) -> std::io::Result<()> {
    Command::new("sync").status()?;
    for file in files(dir)? {
        let from = format!("if={}", file.display());
        Command::new("dd").args([&from, "iflag=nocache", "count=0", "status=none"]).status()?;
    }
    Ok(())
}

/// The share of the files of `dir` that lies in the page cache.
pub fn cached_share(dir: &Path) -> std::io::Result<f64> {
    let out = Command::new("fincore")
        .args(["--bytes", "--noheadings", "--output", "RES"])
        .args(files(dir)?)
        .output()?;
    let held: u64 =
        String::from_utf8_lossy(&out.stdout).split_whitespace().filter_map(|n| n.parse::<u64>().ok()).sum();
    Ok(held as f64 / bytes(dir)? as f64)
}
