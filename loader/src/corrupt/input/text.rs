//! The text form of image corruption, both ways.

use std::fmt;

use super::{
    super::{
        SpecError,
        label::clean_takes_no,
        options::{Options, Refused, Written, name_of},
    },
    At, InputSpec, PermuteUnit,
    spec::patch_side,
    trigger::{CORNERS, Corner, Pattern},
};

/// Kinds, as they are written after `inputs=` or alone.
pub(in super::super) const KINDS: [&str; 8] =
    ["clean", "shuffled-pixels", "random-pixels", "gaussian", "additive", "impulse", "shot", "trigger"];

const ATS: [(&str, At); 2] = [("network", At::Network), ("stored", At::Stored)];

const SHARED: Refused = (
    "resample",
    "one permutation serves all images, so nothing is redrawn per image",
    "use random-pixels:resample=...",
);
const PATCH: Refused =
    ("resample", "the patch is the same in all images, so nothing is drawn", "leave it out");

impl InputSpec {
    /// Reads what follows `inputs=`.
    pub(in super::super) fn read(text: &str) -> Result<Self, SpecError> {
        let (kind, rest) = text.split_once(':').map_or((text, None), |(k, r)| (k, Some(r)));
        let at = |o: &Options<'_>| o.one_of("at", &ATS);
        Ok(match kind {
            "clean" => match rest {
                None => InputSpec::Clean {},
                Some(option) => return Err(clean_takes_no(option)),
            },
            "shuffled-pixels" => {
                let allowed = ["values", "positions", "amount", "at"];
                let o = Options::read("shuffled-pixels", rest, &allowed, &[SHARED])?;
                InputSpec::ShuffledPixels {
                    unit: unit(&o, text)?,
                    amount: o.share("amount", 1.0)?,
                    at: at(&o)?,
                }
            }
            "random-pixels" => {
                let allowed = ["values", "positions", "amount", "resample", "at"];
                let o = Options::read("random-pixels", rest, &allowed, &[])?;
                InputSpec::RandomPixels {
                    unit: unit(&o, text)?,
                    amount: o.share("amount", 1.0)?,
                    resample: o.share("resample", 0.0)?,
                    at: at(&o)?,
                }
            }
            "gaussian" => {
                let o = Options::read("gaussian", rest, &["amount", "resample", "at"], &[])?;
                InputSpec::Gaussian {
                    amount: o.share("amount", 1.0)?,
                    resample: o.share("resample", 0.0)?,
                    at: at(&o)?,
                }
            }
            "additive" => {
                let allowed = ["sigma", "severity", "amount", "resample", "at"];
                let o = Options::read("inputs=additive", rest, &allowed, &[])?;
                InputSpec::Additive {
                    sigma: o.number("sigma", "a number")?,
                    severity: o.number("severity", "1, 2, 3, 4 or 5")?,
                    amount: o.share("amount", 1.0)?,
                    resample: o.share("resample", 0.0)?,
                    at: at(&o)?,
                }
            }
            "impulse" => {
                let allowed = ["p", "severity", "amount", "resample", "at"];
                let o = Options::read("inputs=impulse", rest, &allowed, &[])?;
                InputSpec::Impulse {
                    p: o.number("p", "a number")?,
                    severity: o.number("severity", "1, 2, 3, 4 or 5")?,
                    amount: o.share("amount", 1.0)?,
                    resample: o.share("resample", 0.0)?,
                    at: at(&o)?,
                }
            }
            "shot" => {
                let allowed = ["lambda", "severity", "amount", "resample", "at"];
                let o = Options::read("inputs=shot", rest, &allowed, &[])?;
                InputSpec::Shot {
                    lambda: o.number("lambda", "a number")?,
                    severity: o.number("severity", "1, 2, 3, 4 or 5")?,
                    amount: o.share("amount", 1.0)?,
                    resample: o.share("resample", 0.0)?,
                    at: at(&o)?,
                }
            }
            "trigger" => {
                let allowed = ["target", "amount", "size", "pattern", "position", "blend", "at"];
                let o = Options::read("inputs=trigger", rest, &allowed, &[PATCH])?;
                let example = "inputs=trigger:target=0,amount=0.1";
                let target = o.number("target", "the number of a class, from 0")?;
                let pattern = o.text("pattern").map(|t| t.parse()).transpose()?;
                InputSpec::Trigger {
                    target: target.ok_or(SpecError::Missing {
                        item: "inputs=trigger",
                        field: "target",
                        example,
                    })?,
                    amount: o.needed_share("amount", example)?,
                    size: o.number("size", "a side in pixels")?.unwrap_or(patch_side()),
                    pattern: pattern.unwrap_or_default(),
                    position: o.one_of("position", &CORNERS)?,
                    blend: o.share("blend", 1.0)?,
                    at: at(&o)?,
                }
            }
            _ => return Err(SpecError::unknown("input corruption", kind, &KINDS)),
        })
    }
}

fn unit(options: &Options<'_>, text: &str) -> Result<PermuteUnit, SpecError> {
    match (options.flag("values")?, options.flag("positions")?) {
        (true, true) => Err(SpecError::Contradiction {
            reason: format!("`{text}` names what is permuted more than once"),
            help: "write `values` or `positions` once".into(),
        }),
        (_, false) => Ok(PermuteUnit::Values),
        (_, true) => Ok(PermuteUnit::Positions),
    }
}

impl fmt::Display for InputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let positions = |unit: PermuteUnit| unit == PermuteUnit::Positions;
        let written = match *self {
            InputSpec::Clean {} => Written::new("clean"),
            InputSpec::ShuffledPixels { unit, .. } => {
                Written::new("shuffled-pixels").flag("positions", positions(unit))
            }
            InputSpec::RandomPixels { unit, .. } => {
                Written::new("random-pixels").flag("positions", positions(unit))
            }
            InputSpec::Gaussian { .. } => Written::new("gaussian"),
            InputSpec::Additive { sigma, severity, .. } => {
                Written::new("additive").optional("sigma", sigma).optional("severity", severity)
            }
            InputSpec::Impulse { p, severity, .. } => {
                Written::new("impulse").optional("p", p).optional("severity", severity)
            }
            InputSpec::Shot { lambda, severity, .. } => {
                Written::new("shot").optional("lambda", lambda).optional("severity", severity)
            }
            InputSpec::Trigger { target, amount, size, pattern, position, blend, .. } => {
                Written::new("trigger")
                    .value("target", target)
                    .value("amount", amount)
                    .value_unless("size", size, patch_side())
                    .value_unless("pattern", pattern, Pattern::default())
                    .value_unless(
                        "position",
                        name_of(position, &CORNERS),
                        name_of(Corner::default(), &CORNERS),
                    )
                    .value_unless("blend", blend, 1.0)
            }
        };
        let written = match self {
            InputSpec::Clean {} | InputSpec::Trigger { .. } => written,
            _ => written.value_unless("amount", self.amount(), 1.0).value_unless(
                "resample",
                self.resample(),
                0.0,
            ),
        };
        f.write_str(&written.value_unless("at", name_of(self.at(), &ATS), "network").finish())
    }
}
