//! Options of one kind in the text form, `kind:key=value,flag`, and the rule by which values are quoted.
//!
//! A value that is empty or holds white space, a comma or a double quote stands in double quotes, and each quote of
//! its own is doubled: `file="my runs/T ""a"".csv"`. Separators inside quotes separate nothing.

use std::{borrow::Cow, fmt, str::FromStr};

use super::SpecError;

/// Splits `text` at the characters that `separates` names, outside double quotes.
///
/// # Errors
/// [`SpecError::Value`] if a quote is never closed.
pub(super) fn split_unquoted(text: &str, separates: fn(char) -> bool) -> Result<Vec<&str>, SpecError> {
    let mut quoted = false;
    let parts: Vec<&str> = text
        .split(|c: char| {
            quoted ^= c == '"'; // a doubled quote opens and closes again, or the other way round
            !quoted && separates(c)
        })
        .collect();
    if quoted {
        return Err(SpecError::Value {
            field: "quotes",
            found: shortened(text),
            expected: "a closing double quote (a quote that is meant is written twice)",
        });
    }
    Ok(parts)
}

/// The value a text stands for, quoted or not.
fn unquoted<'a>(field: &str, text: &'a str) -> Result<Cow<'a, str>, SpecError> {
    let Some(rest) = text.strip_prefix('"') else {
        return if text.contains('"') { Err(misquoted(field, text)) } else { Ok(text.into()) };
    };
    let inside = rest.strip_suffix('"').ok_or_else(|| misquoted(field, text))?;
    let plain = inside.replace("\"\"", "\"");
    // Only doubled quotes may be inside.
    if inside.len() - plain.len() != plain.matches('"').count() {
        return Err(misquoted(field, text));
    }
    Ok(plain.into())
}

fn misquoted(field: &str, text: &str) -> SpecError {
    SpecError::Contradiction {
        reason: format!("{field}={}: quotes in the middle of a value", shortened(text)),
        help: "put the whole value in double quotes, and write each quote of its own twice".into(),
    }
}

fn quoted(value: &str) -> Cow<'_, str> {
    if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c == ',' || c == '"') {
        format!("\"{}\"", value.replace('"', "\"\"")).into()
    } else {
        value.into()
    }
}

/// At most 80 characters of what was found, for a message.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

pub(super) fn number<T: FromStr>(
    field: &'static str,
    found: &str,
    expected: &'static str,
) -> Result<T, SpecError> {
    found.parse().map_err(|_| SpecError::Value { field, found: shortened(found), expected })
}

pub(super) fn probability(field: &'static str, found: &str) -> Result<f64, SpecError> {
    number(field, found, PROBABILITY)
}

/// What a probability has to be.
pub(super) const PROBABILITY: &str = "a probability, 0 to 1";

/// An option that a kind cannot have: its name, why, and what to write instead.
pub(super) type Refused = (&'static str, &'static str, &'static str);

/// The options written after a kind.
#[derive(Debug)]
pub(super) struct Options<'a> {
    kind: &'static str,
    given: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

impl<'a> Options<'a> {
    /// Reads `a=1,b`.
    ///
    /// # Errors
    /// [`SpecError`] for an option that is not `allowed`, with the reason if it is `refused`; for one given twice; for
    /// quotes that are wrong.
    pub fn read(
        kind: &'static str,
        text: Option<&'a str>,
        allowed: &[&str],
        refused: &[Refused],
    ) -> Result<Self, SpecError> {
        let mut given: Vec<(&str, Option<Cow<'_, str>>)> = Vec::new();
        let written = text.map_or(Ok(Vec::new()), |t| split_unquoted(t, |c| c == ','))?;
        for option in written {
            let (key, value) = option.split_once('=').map_or((option, None), |(k, v)| (k, Some(v)));
            if let Some((_, reason, help)) = refused.iter().find(|r| r.0 == key) {
                return Err(SpecError::Contradiction {
                    reason: format!("{kind}:{key}: {reason}"),
                    help: (*help).into(),
                });
            }
            if !allowed.contains(&key) {
                return Err(SpecError::unknown("option", key, allowed));
            }
            if given.iter().any(|o| o.0 == key) {
                return Err(SpecError::Twice { field: key.into() });
            }
            given.push((key, value.map(|v| unquoted(key, v)).transpose()?));
        }
        Ok(Options { kind, given })
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.given.iter().find(|o| o.0 == key).map(|o| o.1.as_deref().unwrap_or_default())
    }

    /// The number after `key=`, if it is given.
    pub fn number<T: FromStr>(
        &self,
        key: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, SpecError> {
        self.value(key).map(|found| number(key, found, expected)).transpose()
    }

    /// The probability after `key=`, or `default`.
    pub fn share(&self, key: &'static str, default: f64) -> Result<f64, SpecError> {
        Ok(self.number(key, PROBABILITY)?.unwrap_or(default))
    }

    /// The probability after `key=`, which must be there.
    pub fn needed_share(&self, key: &'static str, example: &'static str) -> Result<f64, SpecError> {
        self.number(key, PROBABILITY)?.ok_or(SpecError::Missing { item: self.kind, field: key, example })
    }

    /// The text after `key=`, if it is given.
    pub fn text(&self, key: &'static str) -> Option<String> {
        self.value(key).map(str::to_owned)
    }

    /// The text after `key=`, which must be there.
    pub fn needed_text(&self, key: &'static str, example: &'static str) -> Result<String, SpecError> {
        self.text(key).filter(|t| !t.is_empty()).ok_or(SpecError::Missing {
            item: self.kind,
            field: key,
            example,
        })
    }

    /// Whether the word stands there, alone.
    pub fn flag(&self, key: &'static str) -> Result<bool, SpecError> {
        match self.given.iter().find(|o| o.0 == key) {
            None => Ok(false),
            Some((_, None)) => Ok(true),
            Some((_, Some(value))) => Err(SpecError::Value {
                field: key,
                found: shortened(value),
                expected: "the word alone, or nothing",
            }),
        }
    }

    /// The choice that stands after `key=`, or its default.
    pub fn one_of<T: Copy + Default>(
        &self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Result<T, SpecError> {
        self.value(key).map_or(Ok(T::default()), |found| one_of(key, found, choices))
    }
}

/// The choice that a word names.
pub(super) fn one_of<T: Copy>(
    field: &'static str,
    found: &str,
    choices: &[(&str, T)],
) -> Result<T, SpecError> {
    let words: Vec<&str> = choices.iter().map(|c| c.0).collect();
    choices.iter().find(|c| c.0 == found).map(|c| c.1).ok_or_else(|| SpecError::unknown(field, found, &words))
}

/// The word that names a choice.
pub(super) fn name_of<T: Copy + PartialEq>(value: T, choices: &[(&'static str, T)]) -> &'static str {
    choices.iter().find(|c| c.1 == value).map_or("", |c| c.0)
}

/// A kind and its options, to be written: `kind` alone, or `kind:option,option`.
pub(super) struct Written {
    text: String,
    separator: char,
}

impl Written {
    pub fn new(kind: &str) -> Self {
        Written { text: kind.into(), separator: ':' }
    }

    fn push(mut self, option: fmt::Arguments<'_>) -> Self {
        self.text.push(self.separator);
        self.text.push_str(&option.to_string());
        self.separator = ',';
        self
    }

    /// `key=value`.
    pub fn value(self, key: &str, value: impl fmt::Display) -> Self {
        self.push(format_args!("{key}={value}"))
    }

    /// `key=value` unless it is the default.
    pub fn value_unless<T: fmt::Display + PartialEq>(self, key: &str, value: T, default: T) -> Self {
        if value == default { self } else { self.value(key, value) }
    }

    /// `key=value` if there is one.
    pub fn optional(self, key: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.value(key, value),
            None => self,
        }
    }

    /// `key=text`, quoted where that is needed.
    pub fn text(self, key: &str, text: &str) -> Self {
        self.value(key, quoted(text))
    }

    /// The word alone, where it holds.
    pub fn flag(self, key: &str, holds: bool) -> Self {
        if holds { self.push(format_args!("{key}")) } else { self }
    }

    pub fn finish(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_value_is_read_back_as_it_was_written() {
        for value in ["a", "", " ", "a b,c", "\"", "\"\"", "x\"y", ",\"", "a=b:c", "ä\n\t", "\" \""] {
            let text = Written::new("kind").text("path", value).flag("exact", true).finish();
            let (_, rest) = text.split_once(':').unwrap();
            let options = Options::read("kind", Some(rest), &["path", "exact"], &[]).unwrap();
            assert_eq!(options.text("path").as_deref(), Some(value), "{text}");
            assert!(options.flag("exact").unwrap());
            // And it is one item to who splits at white space.
            let spec = format!("{text} seed=1");
            assert_eq!(split_unquoted(&spec, char::is_whitespace).unwrap(), [text.as_str(), "seed=1"]);
        }
    }

    #[test]
    fn quotes_out_of_place_are_refused() {
        let read = |text| Options::read("kind", Some(text), &["path"], &[]);
        for bad in ["path=\"", "path=a\"b\"", "path=\"a\"b", "path=\"a\"b\"c\"", "path=\"a\",\"b"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
