//! The table as text, for a terminal.

use std::{fmt::Write, path::PathBuf};

use super::{
    run::{Run, any_generated, load},
    settings, text,
};
use crate::error::Result;

/// Columns at most: what a terminal and a mail show without breaking lines.
const WIDTH: usize = 100;

/// The results of `runs` as a table in plain text, at most 100 columns wide (but for labels without a space that are
/// longer), with a line about everything but the corruption in which the runs differ.
///
/// # Errors
/// Those of reading the folders.
pub fn table(runs: &[PathBuf]) -> Result<String> {
    Ok(render(&load(runs)?))
}

fn render(runs: &[Run]) -> String {
    // Against corrupted test labels is another number, and has a column of its own where there is any.
    let given = runs.iter().any(|run| run.last().is_some_and(|m| m.test_given.is_some()));
    let mut head = vec!["variant", "epochs to fit", "train acc %", "test acc %"];
    if given {
        head.push("corrupted test %");
    }
    head.extend(["best test %", "gap"]);
    let head = head.into_iter().map(str::to_owned).collect();
    let rows: Vec<Vec<String>> =
        std::iter::once(head).chain(runs.iter().map(|run| row(run, given))).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (1..rows.first().map_or(1, Vec::len)).map(width).collect();
    let numbers: usize = widths.iter().map(|w| w + 2).sum();
    let label_width = width(0).min(WIDTH.saturating_sub(numbers));
    let mut out = String::new();
    let generated = if any_generated(runs) { "generated data: " } else { "" };
    push_wrapped(&mut out, &format!("{generated}{}", settings::headline(runs)));
    for (place, row) in rows.iter().enumerate() {
        let Some((label, cells)) = row.split_first() else { continue };
        // A long label takes lines of its own above the numbers.
        let lines = wrap(label, label_width);
        for (i, line) in lines.iter().enumerate() {
            let _ = write!(out, "{line:label_width$}"); // writing to a String cannot fail
            if i + 1 == lines.len() {
                for (cell, width) in cells.iter().zip(&widths) {
                    let _ = write!(out, "  {cell:>width$}");
                }
            }
            out.push('\n');
        }
        if place == 0 {
            out.push_str(&"-".repeat(label_width + numbers));
            out.push('\n');
        }
    }
    for line in notes(runs) {
        push_wrapped(&mut out, &line);
    }
    out
}

fn row(run: &Run, given: bool) -> Vec<String> {
    let last = run.last();
    let percent = |accuracy: Option<f64>| accuracy.map_or("-".into(), text::percent);
    let mut cells = vec![run.label.clone(), run.fit().cell(run.finished())];
    cells.push(percent(last.map(|m| m.train.accuracy)));
    cells.push(percent(last.map(|m| m.test.accuracy)));
    if given {
        cells.push(percent(last.and_then(|m| m.test_given).map(|score| score.accuracy)));
    }
    cells.push(run.best().map_or("-".into(), text::best));
    cells.push(percent(run.gap()));
    cells
}

fn notes(runs: &[Run]) -> Vec<String> {
    let mut notes = vec![
        "epochs to fit: until the train loss at the end of an epoch is below the threshold; accuracies are of \
         the last epoch; best: the highest of all epochs (that epoch), which early stopping could have kept; gap: train less test, in points"
            .to_owned(),
    ];
    for difference in settings::differences(runs) {
        let value = |(value, labels): &(String, String)| format!("{value} ({labels})");
        let values: Vec<String> = difference.values.iter().map(value).collect();
        notes.push(format!("the runs differ in {}: {}", difference.key, values.join(", ")));
    }
    notes
}

fn push_wrapped(out: &mut String, text: &str) {
    for line in wrap(text, WIDTH) {
        out.push_str(&line);
        out.push('\n');
    }
}

/// `text` in lines of at most `width` characters, broken at spaces; a longer word stays whole.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("a bc def", 4), ["a bc", "def"]);
        assert_eq!(wrap("abcdef g", 4), ["abcdef", "g"]);
        assert_eq!(wrap("", 4), [""]);
    }
}
