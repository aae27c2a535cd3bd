//! The text form of label noise, both ways.

use std::fmt;

use super::{
    super::{
        SpecError,
        options::{Options, Refused, Written, shortened},
    },
    LabelSpec,
};

/// Kinds, as they are written after `labels=`.
pub(in super::super) const KINDS: [&str; 8] =
    ["clean", "uniform", "pair-flip", "asymmetric", "matrix", "file", "instance-dependent", "zhang2017"];

/// Why nothing can be redrawn where each class has one target.
const ONE_TARGET: Refused = (
    "resample",
    "a flipped label has one class to become, so nothing can be redrawn",
    "leave it out, or use uniform or matrix",
);
const GIVEN: Refused =
    ("resample", "the labels are those of the file, so nothing can be redrawn", "leave it out");
const PUBLISHED: Refused = (
    "resample",
    "the authors' labels are fixed, so nothing can be redrawn",
    "leave it out, or use uniform:p=...,resample=...",
);

impl LabelSpec {
    /// Reads what follows `labels=`.
    pub(in super::super) fn read(text: &str) -> Result<Self, SpecError> {
        let (kind, rest) = text.split_once(':').map_or((text, None), |(k, r)| (k, Some(r)));
        Ok(match kind {
            "clean" => match rest {
                None => LabelSpec::Clean {},
                Some(option) => return Err(clean_takes_no(option)),
            },
            "uniform" => {
                let o =
                    Options::read("labels=uniform", rest, &["p", "exclude-true", "exact", "resample"], &[])?;
                LabelSpec::Uniform {
                    p: o.needed_share("p", "labels=uniform:p=0.5")?,
                    exclude_true: o.flag("exclude-true")?,
                    exact: o.flag("exact")?,
                    resample: o.share("resample", 0.0)?,
                }
            }
            "pair-flip" => {
                let o = Options::read("labels=pair-flip", rest, &["p", "exact"], &[ONE_TARGET])?;
                LabelSpec::PairFlip {
                    p: o.needed_share("p", "labels=pair-flip:p=0.45")?,
                    exact: o.flag("exact")?,
                }
            }
            "asymmetric" => {
                let o = Options::read("labels=asymmetric", rest, &["p", "exact"], &[ONE_TARGET])?;
                LabelSpec::Asymmetric {
                    p: o.needed_share("p", "labels=asymmetric:p=0.4")?,
                    exact: o.flag("exact")?,
                }
            }
            "matrix" => {
                let o = Options::read("labels=matrix", rest, &["file", "amount", "exact", "resample"], &[])?;
                LabelSpec::Matrix {
                    file: o.needed_text("file", "labels=matrix:file=T.csv")?,
                    amount: o.share("amount", 1.0)?,
                    exact: o.flag("exact")?,
                    resample: o.share("resample", 0.0)?,
                }
            }
            "file" => {
                let o = Options::read("labels=file", rest, &["path", "column", "amount"], &[GIVEN])?;
                LabelSpec::File {
                    path: o.needed_text("path", "labels=file:path=labels.csv")?,
                    column: o.text("column"),
                    amount: o.share("amount", 1.0)?,
                }
            }
            "instance-dependent" => {
                let o = Options::read("labels=instance-dependent", rest, &["rate", "resample"], &[])?;
                LabelSpec::InstanceDependent {
                    rate: o.needed_share("rate", "labels=instance-dependent:rate=0.3")?,
                    resample: o.share("resample", 0.0)?,
                }
            }
            "zhang2017" => {
                let o = Options::read("labels=zhang2017", rest, &["p"], &[PUBLISHED])?;
                LabelSpec::Zhang2017 { p: o.needed_share("p", "labels=zhang2017:p=1")? }
            }
            _ => return Err(SpecError::unknown("label corruption", kind, &KINDS)),
        })
    }
}

pub(in super::super) fn clean_takes_no(option: &str) -> SpecError {
    SpecError::Contradiction {
        reason: format!("`clean` takes no options, found `{}`", shortened(option)),
        help: "leave it out, or name a corruption".into(),
    }
}

impl fmt::Display for LabelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written = match self {
            LabelSpec::Clean {} => Written::new("clean"),
            LabelSpec::Uniform { p, exclude_true, exact, resample } => Written::new("uniform")
                .value("p", p)
                .flag("exclude-true", *exclude_true)
                .flag("exact", *exact)
                .value_unless("resample", *resample, 0.0),
            LabelSpec::PairFlip { p, exact } => Written::new("pair-flip").value("p", p).flag("exact", *exact),
            LabelSpec::Asymmetric { p, exact } => {
                Written::new("asymmetric").value("p", p).flag("exact", *exact)
            }
            LabelSpec::Matrix { file, amount, exact, resample } => Written::new("matrix")
                .text("file", file)
                .value_unless("amount", *amount, 1.0)
                .flag("exact", *exact)
                .value_unless("resample", *resample, 0.0),
            LabelSpec::File { path, column, amount } => {
                let written = Written::new("file").text("path", path);
                let written = match column {
                    Some(column) => written.text("column", column),
                    None => written,
                };
                written.value_unless("amount", *amount, 1.0)
            }
            LabelSpec::InstanceDependent { rate, resample } => Written::new("instance-dependent")
                .value("rate", rate)
                .value_unless("resample", *resample, 0.0),
            LabelSpec::Zhang2017 { p } => Written::new("zhang2017").value("p", p),
        };
        f.write_str(&written.finish())
    }
}
