//! `rfx-inspect verify`: every checksum, both ids, and digests of corrupted labels, derived again.

use clap::Args;
use rfx_loader::{
    CorruptionSpec, Recipe, Subset,
    dataset::{Finding, INDEX_FILE, VerifyReport},
    digest::Digest,
    shard::FormatError,
};
use serde::Serialize;

use crate::{
    args::{DatasetPath, labels_only},
    exit::Outcome,
    interrupt,
    progress::{Progress, Unit},
    report,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-inspect verify packed/cifar10
  rfx-inspect verify packed/cifar10 --json -q

With --label-digest HEX --corrupt SPEC --seed S the labels of that corruption are drawn again, instead \
of the files being read, and their digest is compared with HEX, which a run or `rfx-inspect labels` \
told.
Exit code 1 where anything does not match.";

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    #[command(flatten)]
    dataset: DatasetPath,
    /// Print the result as JSON (schema rfx.verify/1)
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Digest of corrupted labels to check, instead of the files
    #[arg(long, value_name = "HEX", requires_all = ["corrupt", "seed"])]
    label_digest: Option<Digest>,
    /// Corruption the digest is of
    #[arg(long, value_name = "SPEC", requires = "label_digest")]
    corrupt: Option<CorruptionSpec>,
    /// Seed of the run, or of the corruption
    #[arg(long, value_name = "S", requires = "label_digest")]
    seed: Option<u64>,
    /// Epoch
    #[arg(long, value_name = "E", default_value_t = 0, requires = "label_digest")]
    epoch: u32,
    /// Split
    #[arg(long, default_value = "train", requires = "label_digest")]
    split: String,
    /// Part of the split
    #[arg(long, default_value = "all", requires = "label_digest")]
    subset: Subset,
    /// Column that labels are taken from
    #[arg(long, value_name = "NAME", requires = "label_digest")]
    label_column: Option<String>,
}

pub(super) fn run(args: &VerifyArgs) -> anyhow::Result<Outcome> {
    match (args.label_digest, &args.corrupt, args.seed) {
        (Some(expected), Some(corruption), Some(seed)) => verify_labels(args, expected, corruption, seed),
        _ => verify_files(args),
    }
}

/// The JSON result of a check of files.
#[derive(Serialize)]
struct Files<'a> {
    sound: bool,
    #[serde(flatten)]
    report: &'a VerifyReport,
}

fn verify_files(args: &VerifyArgs) -> anyhow::Result<Outcome> {
    let dataset = match args.dataset.open() {
        Ok(dataset) => dataset,
        Err(error) => return damaged_index(args, error),
    };
    let cancel = interrupt::flag()?;
    let progress = Progress::new("verifying", Unit::Bytes, args.quiet, &cancel);
    let verified = dataset.verify(&progress);
    progress.finish();
    let verified = verified?;
    let text = if args.json {
        report::document("rfx.verify/1", &Files { sound: verified.is_sound(), report: &verified })?
    } else if verified.is_sound() {
        format!(
            "sound    {} in {}, {}: every byte, both ids, all digests, moments and noise tables\ncontent  {}\npack     {}\n",
            report::plural(verified.samples, "sample"),
            report::plural(verified.shards, "shard"),
            report::bytes(verified.bytes),
            verified.content,
            verified.pack,
        )
    } else {
        let lines: Vec<_> = verified.findings.iter().map(|f| line(&f.file, &f.message)).collect();
        format!("{}damaged  {}\n", lines.concat(), report::plural(verified.findings.len() as u64, "finding"))
    };
    report::print(&text)?;
    Ok(if verified.is_sound() { Outcome::Done } else { Outcome::Mismatch })
}

/// A finding on one line, its file named once.
fn line(file: &str, message: &str) -> String {
    let bare = message.rsplit_once("; ").map_or(message, |(what, _)| what);
    if bare.contains(file) { format!("{bare}\n") } else { format!("{file}: {bare}\n") }
}

/// The JSON result where the index itself is broken.
#[derive(Serialize)]
struct NoIndex {
    sound: bool,
    findings: [Finding; 1],
}

/// An index that breaks a rule is a finding; one that is not there, or not readable, an error as everywhere.
fn damaged_index(args: &VerifyArgs, error: anyhow::Error) -> anyhow::Result<Outcome> {
    match error.downcast_ref() {
        Some(FormatError::Json { .. } | FormatError::Field { .. } | FormatError::Checksum { .. }) => {
            let message = error.to_string();
            let text = if args.json {
                let findings = [Finding { file: INDEX_FILE.into(), message }];
                report::document("rfx.verify/1", &NoIndex { sound: false, findings })?
            } else {
                format!(
                    "{}damaged  {INDEX_FILE} itself; nothing else was checked\n",
                    line(INDEX_FILE, &message)
                )
            };
            report::print(&text)?;
            Ok(Outcome::Mismatch)
        }
        _ => Err(error),
    }
}

/// The JSON result of a check of labels.
#[derive(Serialize)]
struct Labels {
    matches: bool,
    expected: Digest,
    found: Digest,
}

fn verify_labels(
    args: &VerifyArgs,
    expected: Digest,
    corruption: &CorruptionSpec,
    seed: u64,
) -> anyhow::Result<Outcome> {
    let dataset = args.dataset.open()?;
    let spec = labels_only(&args.split, corruption, &args.subset, args.label_column.as_ref());
    let found = Recipe::new(&dataset, &spec, seed)?.label_report(args.epoch).digest;
    let matches = found == expected;
    report::print(&if args.json {
        report::document("rfx.verify-labels/1", &Labels { matches, expected, found })?
    } else if matches {
        format!("same     {found}\n")
    } else {
        format!("differs  expected {expected}\n         found    {found}\n")
    })?;
    Ok(if matches { Outcome::Done } else { Outcome::Mismatch })
}
