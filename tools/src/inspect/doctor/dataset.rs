//! A data set's health: index and heads, how much is in memory, its disk.

use std::path::Path;

use rfx_loader::{Dataset, dataset::Verify};

use super::{Check, ask};
use crate::{host::available_memory, report};

const TOPIC: &str = "data set";

pub fn checks(path: &Path) -> Vec<Check> {
    let dataset = match Dataset::open(path, Verify::Once) {
        Ok(dataset) => dataset,
        Err(error) => return vec![broken("index", &error.to_string())],
    };
    let index = dataset.index();
    let samples = report::plural(index.samples(), "sample");
    let shards = index.splits.iter().map(|s| s.shards.len() as u64).sum();
    let mut checks = vec![Check::ok(
        TOPIC,
        "index",
        format!("{} {}: {samples}", index.source.kind, dataset.content().short()),
    )];
    checks.push(shard_sizes(index.bytes(), shards));
    let mut resident = 0;
    for name in dataset.split_names() {
        // Maps every shard and compares the digest of its head, which holds labels and ids.
        match dataset.split(name) {
            Ok(split) => resident += split.resident_bytes(),
            Err(error) => return checks.into_iter().chain([broken("shards", &error.to_string())]).collect(),
        }
    }
    checks.push(Check::ok(TOPIC, "heads", "all as packed (rfx-inspect verify checks every byte)"));
    checks.push(residency(resident, index.bytes()));
    checks.extend(disk(path));
    checks
}

/// A message of the library without its advice, which stands below instead.
fn broken(name: &'static str, message: &str) -> Check {
    let (what, help) = message.rsplit_once("; ").unwrap_or((message, "pack it again, or fetch it again"));
    Check::ok(TOPIC, name, what).broken(help)
}

fn shard_sizes(bytes: u64, shards: u64) -> Check {
    let mean = bytes / shards.max(1);
    let found = format!(
        "{}, {} in all, {} each",
        report::plural(shards, "shard"),
        report::bytes(bytes),
        report::bytes(mean)
    );
    let many = shards > 1 && mean < 16 << 20;
    Check::ok(TOPIC, "shards", found)
        .advice_if(many, "pack with a larger --shard-size: 64 to 256 MiB suit most disks")
}

fn residency(resident: u64, bytes: u64) -> Check {
    let share = 100.0 * resident as f64 / bytes.max(1) as f64;
    let found = format!("{} of {} ({share:.0} %)", report::bytes(resident.min(bytes)), report::bytes(bytes));
    let check = Check::ok(TOPIC, "in memory", found);
    match available_memory() {
        Some(available) if resident < bytes && available < bytes - resident => check.advice(
            "it does not fit the memory: every epoch reads from the disk; use a smaller --resize, or a machine with more",
        ),
        _ if resident < bytes => check.advice("the first epoch reads the rest from the disk: cat DIR/* > /dev/null fetches it"),
        _ => check,
    }
}

fn disk(path: &Path) -> Option<Check> {
    // `df` follows mounts as the kernel does.
    let shown = ask("df", &["-PT", "--", path.to_str()?]).ok()?;
    let fields: Vec<_> = shown.lines().nth(1)?.split_whitespace().collect();
    let (kind, free) = (*fields.get(1)?, fields.get(4)?.parse::<u64>().ok()? << 10);
    let remote = ["nfs", "nfs4", "cifs", "fuse.sshfs", "lustre", "ceph", "gpfs", "9p"].contains(&kind);
    Some(
        Check::ok(TOPIC, "disk", format!("{kind}, {} free", report::bytes(free))).advice_if(
            remote,
            "a file system over a network: shuffled reads wait for it until the pages are in memory; copy the set to a local disk",
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    #[test]
    fn a_folder_that_is_no_data_set_is_broken_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let checks = checks(folder.path());
        assert_eq!(checks.len(), 1);
        assert!(checks[0].state == State::Broken && checks[0].advice.is_some());
    }

    #[test]
    fn small_shards_and_cold_pages_get_advice() {
        assert_eq!(shard_sizes(64 << 20, 64).state, State::Advice);
        assert_eq!(shard_sizes(1 << 20, 1).state, State::Ok);
        assert_eq!(residency(10, 10).state, State::Ok);
        assert_eq!(residency(9, 10).state, State::Advice);
    }
}
