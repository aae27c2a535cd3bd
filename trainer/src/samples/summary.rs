//! What a run's epochs come to for each sample: an array per column, and one table.

use std::{fmt::Write, fs, io};

use rfx_loader::{
    Recipe,
    corrupt::{InputRule, LabelRow},
    npy,
};

use super::history::History;
use crate::{
    atomic,
    error::{Result, TrainError},
    folder::RunFolder,
};

/// The columns of `samples.csv`, each also an array of its own.
const COLUMNS: [&str; 9] = [
    "id",
    "clean_label",
    "label",
    "rule",
    "corrupted",
    "first_learnt",
    "forgotten",
    "correct_last",
    "loss_last",
];

/// Removes the table and the arrays.
///
/// # Errors
/// [`TrainError::Io`].
pub(super) fn remove(folder: &RunFolder) -> Result<()> {
    let arrays = COLUMNS.map(|name| folder.sample_column(name));
    for path in arrays.into_iter().chain([folder.sample_table()]) {
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(TrainError::Io { path, action: "remove", source });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Writes them: labels and rules of `epoch`, counted from 0, the last there is, and its losses as little-endian f32.
///
/// # Errors
/// [`TrainError::Io`]; each file is whole or not there.
pub(super) fn write(
    folder: &RunFolder,
    recipe: &Recipe,
    epoch: u32,
    history: &History,
    losses: &[[u8; 4]],
) -> Result<()> {
    let labels: Vec<LabelRow> = recipe.labels(epoch).collect();
    // As batches have it for metrics.
    let corrupted: Vec<bool> = (labels.iter().zip(recipe.input_rules(epoch)))
        .map(|(label, image)| label.new != label.old || image != InputRule::Untouched)
        .collect();
    let put = |name, descr, bytes: Vec<u8>| {
        let path = folder.sample_column(name);
        let file = [npy::head(descr, &[labels.len() as u64]), bytes].concat();
        atomic::write(&path, &file).map_err(|source| TrainError::Io { path, action: "write", source })
    };
    let integers = |of: fn(&LabelRow) -> i64| labels.iter().flat_map(|row| of(row).to_le_bytes()).collect();
    let flags = |flags: &[bool]| flags.iter().map(|&flag| u8::from(flag)).collect();
    let counts = |counts: &[u32]| counts.iter().flat_map(|n| n.to_le_bytes()).collect();
    put("id", "'<i8'", integers(|row| row.id))?;
    put("clean_label", "'<i8'", integers(|row| row.old))?;
    put("label", "'<i8'", integers(|row| row.new))?;
    put("rule", "'|u1'", labels.iter().map(|row| row.rule as u8).collect())?;
    put("corrupted", "'|b1'", flags(&corrupted))?;
    put("first_learnt", "'<u4'", counts(&history.first_learnt))?;
    put("forgotten", "'<u4'", counts(&history.forgotten))?;
    put("correct_last", "'|b1'", flags(&history.correct))?;
    put("loss_last", "'<f4'", losses.concat())?;

    let mut table = COLUMNS.join(",") + "\n";
    let counts = history.first_learnt.iter().zip(&history.forgotten);
    let rows = labels.iter().zip(&corrupted).zip(counts).zip(history.correct.iter().zip(losses));
    for (((row, corrupted), (first, forgotten)), (correct, loss)) in rows {
        let LabelRow { id, old, new, rule } = row;
        let [corrupted, correct] = [corrupted, correct].map(|flag| u8::from(*flag));
        // Writing to a String cannot fail. The shortest form of a loss that reads back the same.
        let _ = writeln!(
            table,
            "{id},{old},{new},{},{corrupted},{first},{forgotten},{correct},{}",
            *rule as u8,
            f32::from_le_bytes(*loss)
        );
    }
    let path = folder.sample_table();
    atomic::write(&path, table.as_bytes()).map_err(|source| TrainError::Io { path, action: "write", source })
}
