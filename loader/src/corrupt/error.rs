//! What can be wrong with a corruption or subset that somebody asked for.

/// A corruption or subset that is unknown, contradictory or out of range.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A word that is not part of the language.
    #[error("{field} `{found}` is unknown: expected {expected}{}", did_you_mean(suggestion))]
    Unknown {
        /// What was being named.
        field: &'static str,
        /// The word found.
        found: String,
        /// The words accepted here.
        expected: String,
        /// The accepted word nearest to the one found, if one is near.
        suggestion: Option<String>,
    },
    /// A value outside its range, or not a number.
    #[error("{field}={found}: expected {expected}")]
    Value {
        /// The parameter.
        field: &'static str,
        /// The text or number found.
        found: String,
        /// The range accepted.
        expected: &'static str,
    },
    /// A parameter or item given twice.
    #[error("`{field}` is given twice: keep one")]
    Twice {
        /// What was repeated.
        field: String,
    },
    /// A parameter that must be there is not.
    #[error("{item} needs `{field}`: write {example}")]
    Missing {
        /// The item that lacks it.
        item: &'static str,
        /// The parameter.
        field: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// Two demands that cannot both hold.
    #[error("{reason}: {help}")]
    Contradiction {
        /// What clashes.
        reason: String,
        /// What to write instead.
        help: String,
    },
    /// A file that a corruption names and that cannot be used.
    #[error("{path}: {place}: expected {expected}, found {found}; {help}")]
    File {
        /// The file, as it was named.
        path: String,
        /// Line, column, row, byte or what else. (Boxed, which keeps all errors of the crate below 128 bytes.)
        place: Box<str>,
        /// The rule.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        help: String,
    },
    /// A subset that the split cannot give.
    #[error("subset `{text}`: found {found}, expected {expected}")]
    Subset {
        /// The subset as text.
        text: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default()
}

impl SpecError {
    /// An [`SpecError::Unknown`] that suggests the nearest of `words`.
    pub(crate) fn unknown(field: &'static str, found: &str, words: &[&str]) -> Self {
        let nearest = words
            .iter()
            .map(|word| (strsim::damerau_levenshtein(found, word), word))
            .filter(|(distance, word)| *distance <= 1 + word.len() / 4)
            .min_by_key(|(distance, _)| *distance);
        SpecError::Unknown {
            field,
            found: found.chars().take(80).collect(),
            expected: words.join(", "),
            suggestion: nearest.map(|(_, word)| (*word).to_owned()),
        }
    }
}
