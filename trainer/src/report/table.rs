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
    let head = ["variant", "epochs to fit", "train acc %", "test acc %", "gap"].map(str::to_owned);
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(runs.iter().map(row)).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let numbers: usize = widths.iter().skip(1).map(|w| w + 2).sum();
    let [label_width, ..] = widths;
    let label_width = label_width.min(WIDTH.saturating_sub(numbers));
    let mut out = String::new();
    let generated = if any_generated(runs) { "generated data: " } else { "" };
    push_wrapped(&mut out, &format!("{generated}{}", settings::headline(runs)));
    for (place, [label, cells @ ..]) in rows.iter().enumerate() {
        // A long label takes lines of its own above the numbers.
        let lines = wrap(label, label_width);
        for (i, line) in lines.iter().enumerate() {
            let _ = write!(out, "{line:label_width$}"); // writing to a String cannot fail
            if i + 1 == lines.len() {
                for (cell, width) in cells.iter().zip(widths.iter().skip(1)) {
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

fn row(run: &Run) -> [String; 5] {
    let fit = run.fit().cell(run.finished());
    match (run.last(), run.gap()) {
        (Some(last), Some(gap)) => [
            run.label.clone(),
            fit,
            text::percent(last.train.accuracy),
            text::percent(last.test.accuracy),
            text::percent(gap),
        ],
        _ => [run.label.clone(), fit, "-".into(), "-".into(), "-".into()],
    }
}

fn notes(runs: &[Run]) -> Vec<String> {
    let mut notes = vec![
        "epochs to fit: until the train loss at the end of an epoch is below the threshold; accuracies are of \
         the last epoch; gap: train less test, in points"
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
