//! Why a pickle was refused.

/// A pickle that is cut short, damaged, or asks for anything but plain data. Nothing of it was executed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// A name of Python that no data set needs.
    #[error(
        "byte {offset}: refused {module}.{name}, which is no part of this data set; nothing was executed"
    )]
    Refused {
        /// Byte of the file at which the instruction starts.
        offset: u64,
        /// The module.
        module: String,
        /// The name in it.
        name: String,
    },
    /// An instruction that no data set needs.
    #[error(
        "byte {offset}: refused instruction {instruction}, which is no part of this data set; nothing was executed"
    )]
    Instruction {
        /// Byte of the file at which it starts.
        offset: u64,
        /// Its name, or its code where it has none.
        instruction: String,
    },
    /// A rule that is broken.
    #[error("byte {offset}, {field}: expected {expected}, found {found}")]
    Rule {
        /// Byte of the file at which the instruction starts.
        offset: u64,
        /// What the rule is about.
        field: &'static str,
        /// The rule.
        expected: String,
        /// What is there.
        found: String,
    },
}
