//! Results on stdout, remarks on stderr, and numbers as people read them.

use std::io::{self, Write};

use rfx_loader::Recipe;
use serde::Serialize;

use crate::exit::CliError;

/// A JSON document that says which schema it follows.
#[derive(Serialize)]
struct Document<'a, T> {
    schema: &'a str,
    #[serde(flatten)]
    body: &'a T,
}

/// `body`, which must be a map or a struct, as JSON with `"schema": schema` in front.
///
/// # Errors
/// [`CliError::Usage`] never in practice: a body whose keys are no texts.
pub fn document<T: Serialize>(schema: &str, body: &T) -> Result<String, CliError> {
    serde_json::to_string_pretty(&Document { schema, body })
        .map(|text| text + "\n")
        .map_err(|e| CliError::Usage { what: format!("{schema}: {e}"), help: "this is a bug in rfx".into() })
}

/// Writes `text` to stdout, as [`write_stdout`] does.
///
/// # Errors
/// [`CliError::Stdout`].
pub fn print(text: &str) -> Result<(), CliError> {
    write_stdout(|out| out.write_all(text.as_bytes()))
}

/// Writes `text` to stderr, which may be closed or full: that is no reason to fail, and `eprint!` would panic.
pub fn tell(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Tells on stderr of the JPEG records that could not be decoded and were replaced.
pub fn bad_records(recipe: &Recipe) {
    for error in recipe.bad_records().named.values() {
        tell(&format!("replaced: {error}\n"));
    }
}

/// Lets `write` write to stdout, buffered, and flushes. A reader that has gone, such as `head`, has seen enough: that
/// is no error, so that the exit code still says what the command found.
///
/// # Errors
/// [`CliError::Stdout`].
pub fn write_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), CliError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(CliError::Stdout),
    }
}

/// `1234567` as `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes in the largest binary unit that leaves at least one: `184.3 MiB`.
pub fn bytes(n: u64) -> String {
    let mut value = n as f64;
    let mut units = ["bytes", "KiB", "MiB", "GiB", "TiB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for larger in units {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "bytes" { format!("{n} bytes") } else { format!("{value:.1} {unit}") }
}

/// `things` in words: `1 shard`, `2 shards`.
pub fn plural(n: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(n), text);
        }
        assert_eq!(bytes(1023), "1023 bytes");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(u64::MAX), "16777216.0 TiB");
        assert_eq!(plural(1, "shard"), "1 shard");
    }

    #[test]
    fn documents_start_with_their_schema() {
        #[derive(Serialize)]
        struct Body {
            a: u8,
        }
        let text = document("rfx.test/1", &Body { a: 1 }).unwrap();
        assert_eq!(text, "{\n  \"schema\": \"rfx.test/1\",\n  \"a\": 1\n}\n");
    }
}
