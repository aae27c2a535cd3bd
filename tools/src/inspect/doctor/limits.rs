//! Limits of the system that rfx runs into.

use super::Check;
use crate::{host::read, report};

const TOPIC: &str = "limits";

/// Maps that a data set of the most shards needs, with room for a process's own.
const MAPS: u64 = 20_000;

/// Descriptors that packing needs at once: a few per thread.
const FILES: u64 = 1024;

pub fn checks() -> Vec<Check> {
    [maps(), files(), locked(), temporary()].into_iter().flatten().collect()
}

fn maps() -> Option<Check> {
    let maps: u64 = read("/proc/sys/vm/max_map_count")?.parse().ok()?;
    Some(
        Check::ok(TOPIC, "memory maps", format!("{} per process", report::count(maps)))
            .advice_if(maps < MAPS, "each shard is one: raise it with sysctl vm.max_map_count=65530"),
    )
}

/// Soft limit of `name` in /proc/self/limits; `None` where it is unlimited or unknown.
fn limit(name: &str) -> Option<u64> {
    let text = read("/proc/self/limits")?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line[name.len()..].split_whitespace().next()?.parse().ok()
}

fn files() -> Option<Check> {
    let files = limit("Max open files")?;
    Some(Check::ok(TOPIC, "open files", report::count(files)).advice_if(
        files < FILES,
        "packing image trees opens a few files per thread: raise it with ulimit -n",
    ))
}

fn locked() -> Option<Check> {
    let found = match limit("Max locked memory") {
        Some(bytes) => report::bytes(bytes),
        None => "unlimited".into(),
    };
    read("/proc/self/limits").map(|_| Check::ok(TOPIC, "locked memory", found))
}

fn temporary() -> Option<Check> {
    let folder = std::env::temp_dir();
    let check = Check::ok(TOPIC, "temporary files", folder.display().to_string());
    Some(match tempfile::tempfile_in(&folder) {
        Ok(_) => check,
        Err(error) => check.advice(format!("nothing can be written there ({error}): set TMPDIR")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_limits() {
        if read("/proc/self/limits").is_some() {
            assert!(files().is_some() && locked().is_some());
            assert_eq!(limit("No such limit"), None);
        }
        assert!(temporary().is_some());
    }
}
