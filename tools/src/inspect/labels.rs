//! `rfx-inspect labels`: what a corruption does to every label, as CSV, JSON or npy.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use rfx_loader::{
    Recipe,
    corrupt::{LabelReport, LabelRow},
    digest::Digest,
};
use serde::Serialize;

use crate::{
    args::{CorruptionArgs, DatasetPath, labels_only},
    exit::{CliError, Outcome},
    output,
    report::{self, count},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-inspect labels packed/cifar10 --corrupt random-labels --seed 1 --out labels.csv
  rfx-inspect labels packed/cifar10 --corrupt labels=uniform:p=0.5,resample=1 --seed 1 --epoch 3
  rfx-inspect labels packed/cifar10 --corrupt random-labels --seed 1 --format npy --out labels.npy
  rfx-inspect labels packed/cifar10 --corrupt labels=asymmetric:p=0.4 --seed 1 --out a.csv
  rfx-inspect labels packed/cifar10 --corrupt labels=matrix:file=T.csv --seed 1 --format json
  rfx-inspect labels packed/cifar10 --corrupt labels=file:path=b.csv --seed 1 --out c.csv

Columns, in id order: id, old and new label, and rule: 0 untouched, 1 redrawn, flipped or from a \
file (perhaps as what it was), 2 redrawn for this epoch, 3 the target of a trigger. The npy file is an array of records with these fields, of types i8, \
i8, i8 and u1; the digest is BLAKE3 (derive_key, context `rfx v1 label-digest`) of exactly its data. \
The summary goes to stderr, or into the JSON.";

#[derive(Args, Debug)]
pub(super) struct LabelsArgs {
    #[command(flatten)]
    dataset: DatasetPath,
    #[command(flatten)]
    corruption: CorruptionArgs,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// File to write, which must not exist [default: stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
    Npy,
}

/// The JSON result (schema rfx.labels/1).
#[derive(Serialize)]
struct Document<'a> {
    content: Digest,
    generated: bool,
    corrupt: String,
    seed: u64,
    subset: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label_column: Option<&'a str>,
    #[serde(flatten)]
    report: &'a LabelReport,
    columns: [&'a str; 4],
    rows: Vec<[i64; 4]>,
}

const COLUMNS: [&str; 4] = ["id", "old", "new", "rule"];

pub(super) fn run(args: &LabelsArgs) -> anyhow::Result<Outcome> {
    if let Some(path) = &args.out {
        output::refuse_existing(path)?;
    } else if args.format == Format::Npy && io::stdout().is_terminal() {
        let what = "npy is binary, and stdout is a terminal".into();
        return Err(CliError::Usage { what, help: "give --out FILE, or send stdout to a file".into() }.into());
    }
    let dataset = args.dataset.open()?;
    let asked = &args.corruption;
    let spec = labels_only(&asked.split, &asked.corrupt, &asked.subset, asked.label_column.as_ref());
    let recipe = Recipe::new(&dataset, &spec, asked.seed)?;
    let report = recipe.label_report(asked.epoch);
    let rows = || recipe.labels(asked.epoch);
    match args.format {
        Format::Csv => write(args, |out| csv(rows(), out))?,
        Format::Npy => write(args, |out| npy(recipe.samples(), rows(), out))?,
        Format::Json => {
            let document = Document {
                content: dataset.content(),
                generated: dataset.is_generated(),
                corrupt: asked.corrupt.to_string(),
                seed: asked.seed,
                subset: asked.subset.to_string(),
                label_column: asked.label_column.as_deref(),
                report: &report,
                columns: COLUMNS,
                rows: rows().map(|r| [r.id, r.old, r.new, r.rule as i64]).collect(),
            };
            let text = json(&document)?;
            write(args, |out| out.write_all(text.as_bytes()))?;
        }
    }
    if args.format != Format::Json {
        report::tell(&summary(&report, asked.seed, recipe.class_names())?);
    }
    Ok(Outcome::Done)
}

fn write(args: &LabelsArgs, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CliError> {
    match &args.out {
        Some(path) => output::create(path, body),
        None => report::write_stdout(body),
    }
}

fn csv(rows: impl Iterator<Item = LabelRow>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", COLUMNS.join(","))?;
    for LabelRow { id, old, new, rule } in rows {
        writeln!(out, "{id},{old},{new},{}", rule as u8)?;
    }
    Ok(())
}

/// An array of records.
fn npy(samples: usize, rows: impl Iterator<Item = LabelRow>, out: &mut dyn Write) -> io::Result<()> {
    let fields = "[('id', '<i8'), ('old', '<i8'), ('new', '<i8'), ('rule', '|u1')]";
    out.write_all(&rfx_loader::npy::head(fields, &[samples as u64]))?;
    for row in rows {
        for value in [row.id, row.old, row.new] {
            out.write_all(&value.to_le_bytes())?;
        }
        out.write_all(&[row.rule as u8])?;
    }
    Ok(())
}

/// As any document, but with one row of the table on each line.
fn json(document: &Document<'_>) -> anyhow::Result<String> {
    let table: Vec<String> =
        document.rows.iter().map(|[a, b, c, d]| format!("    [{a},{b},{c},{d}]")).collect();
    let empty = Document {
        rows: Vec::new(),
        columns: document.columns,
        corrupt: document.corrupt.clone(),
        subset: document.subset.clone(),
        ..*document
    };
    let text = report::document("rfx.labels/1", &empty)?;
    Ok(text.replace("\"rows\": []", &format!("\"rows\": [\n{}\n  ]", table.join(",\n"))))
}

/// What a person wants to know: the noise, its rates, the realised matrix, and what is easily taken for something else.
/// Matrices of more than this many classes are left to the JSON.
const MATRIX_CLASSES: usize = 20;

fn summary(report: &LabelReport, seed: u64, classes: &[String]) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let LabelReport { split, epoch, labels, corruption_seed, samples, .. } = report;
    let redrawn = report.redrawn as f64 / (*samples).max(1) as f64;
    writeln!(out, "{split}, epoch {epoch}: labels {labels}, seed {seed}, corruption seed {corruption_seed}")?;
    let affected = match report.affected.is_empty() {
        true => "none".into(),
        false => report.affected.join(", "),
    };
    writeln!(out, "splits    labels changed: {affected}; all others keep their clean labels")?;
    writeln!(out, "chosen by {}", report.selection.name())?;
    writeln!(out, "samples   {}", count(*samples))?;
    writeln!(
        out,
        "redrawn   nominal  {:.6}  realised {redrawn:.6} ({})",
        report.nominal_rate,
        count(report.redrawn)
    )?;
    writeln!(
        out,
        "changed   expected {:.6}  realised {:.6} ({})",
        report.expected_changed,
        report.realised_changed,
        count(report.changed)
    )?;
    if classes.len() <= MATRIX_CLASSES {
        writeln!(
            out,
            "matrix    rows old label, columns new label, in samples; then T, in shares of the row"
        )?;
        let name = |c: usize| format!("{c} {}", classes[c]).chars().take(14).collect::<String>();
        let widest = report.matrix.iter().flatten().max().map_or(1, |n| n.to_string().len()).max(2);
        let numbers: Vec<_> = (0..classes.len()).map(|c| format!("{c:>widest$}")).collect();
        writeln!(out, "          {:14} {}", "", numbers.join(" "))?;
        for (old, row) in report.matrix.iter().enumerate() {
            let row: Vec<_> = row.iter().map(|n| format!("{n:>widest$}")).collect();
            writeln!(out, "          {:14} {}", name(old), row.join(" "))?;
        }
        for (old, row) in report.matrix.iter().enumerate() {
            let n = row.iter().sum::<u64>().max(1) as f64;
            let row: Vec<_> = row.iter().map(|&count| format!("{:.4}", count as f64 / n)).collect();
            writeln!(out, "T         {:14} {}", name(old), row.join(" "))?;
        }
    } else {
        let where_else = if report.matrix.is_empty() { "too many" } else { "see --format json" };
        writeln!(out, "matrix    {} classes: {where_else}", classes.len())?;
    }
    writeln!(out, "digest    {}", report.digest)?;
    for note in &report.notes {
        writeln!(out, "note      {note}")?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use rfx_loader::corrupt::LabelRule;

    use super::*;

    #[test]
    fn npy_has_an_aligned_header_and_25_bytes_a_row() {
        let row = LabelRow { id: -2, old: 1, new: 3, rule: LabelRule::Resampled };
        for count in [0, 1, 1000] {
            let mut out = Vec::new();
            npy(count, std::iter::repeat_n(row, count), &mut out).unwrap();
            let header = usize::from(u16::from_le_bytes([out[8], out[9]]));
            assert_eq!((10 + header) % 64, 0);
            assert_eq!(out[10 + header - 1], b'\n');
            assert_eq!(out.len(), 10 + header + 25 * count);
            if count > 0 {
                assert_eq!(out[out.len() - 25..][..8], (-2i64).to_le_bytes());
                assert_eq!(out.last(), Some(&2));
            }
        }
    }
}
