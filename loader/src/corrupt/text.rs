//! The text form of a corruption, both ways.
//!
//! ```text
//! spec   := [preset] item*                     separated by spaces
//! preset := true-labels | partially-corrupted:P | random-labels           P or p=P
//!         | (shuffled-pixels | random-pixels | gaussian) [":" option ("," option)*]
//! item   := "labels=" ("clean" | "uniform" ":" option ("," option)*)
//!         | "inputs=" ("clean" | input [":" option ("," option)*])
//!         | "seed=" N | "test-inputs=" ("same" | "clean") | "test-labels=" ("clean" | "same")
//! option := key "=" value | flag                 flags: exclude-true, exact, values, positions
//! ```

use std::{fmt, str::FromStr};

use super::{CorruptionSpec, InputSpec, LabelSpec, PermuteUnit, SpecError, TestInputs, TestLabels};

const PRESETS: [&str; 6] =
    ["true-labels", "partially-corrupted", "random-labels", "shuffled-pixels", "random-pixels", "gaussian"];
const LABELS: [&str; 2] = ["clean", "uniform"];
const INPUTS: [&str; 4] = ["clean", "shuffled-pixels", "random-pixels", "gaussian"];
const OPTIONS: [&str; 7] = ["p", "amount", "resample", "exclude-true", "exact", "values", "positions"];

impl FromStr for CorruptionSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut spec = CorruptionSpec::default();
        let mut preset = None;
        let mut given: Vec<&str> = Vec::new();
        for item in text.split_whitespace() {
            // An option's own `=` comes after a `:`.
            let is_preset = item.find('=').is_none_or(|equals| item[..equals].contains(':'));
            if is_preset {
                if let Some(first) = preset.replace(item) {
                    return Err(SpecError::Contradiction {
                        reason: format!("two presets, `{first}` and `{item}`"),
                        help: "combine them as labels=... inputs=...".into(),
                    });
                }
                read_preset(item, &mut spec)?;
                continue;
            }
            let Some((key, value)) = item.split_once('=') else { continue };
            const KEYS: [&str; 5] = ["labels", "inputs", "seed", "test-inputs", "test-labels"];
            if OPTIONS.contains(&key) {
                return Err(SpecError::Contradiction {
                    reason: format!("`{item}` stands alone, and options belong to a kind"),
                    help: "write e.g. labels=uniform:p=0.5 or random-pixels:amount=0.5,resample=0.1".into(),
                });
            }
            if !KEYS.contains(&key) {
                return Err(SpecError::unknown("item", key, &KEYS));
            }
            if given.contains(&key) {
                return Err(SpecError::Twice { field: key.into() });
            }
            given.push(key);
            match key {
                "labels" => spec.labels = read_labels(value)?,
                "inputs" => spec.inputs = read_inputs(value)?,
                "seed" => spec.seed = Some(number("seed", value, "an integer, 0 to 2^64 - 1")?),
                "test-inputs" => spec.test_inputs = one_of("test-inputs", value, &TEST_INPUTS)?,
                _ => spec.test_labels = one_of("test-labels", value, &TEST_LABELS)?,
            }
        }
        if let (Some(preset), Some(item)) = (preset, given.iter().find(|k| ["labels", "inputs"].contains(k)))
        {
            return Err(SpecError::Contradiction {
                reason: format!("the preset `{preset}` already says what `{item}=` says"),
                help: "write both as labels=... inputs=..., without a preset".into(),
            });
        }
        if preset.is_none() && given.is_empty() {
            return Err(SpecError::unknown("corruption", text.trim(), &PRESETS));
        }
        spec.validate()?;
        Ok(spec)
    }
}

const TEST_INPUTS: [(&str, TestInputs); 2] = [("same", TestInputs::Same), ("clean", TestInputs::Clean)];
const TEST_LABELS: [(&str, TestLabels); 2] = [("clean", TestLabels::Clean), ("same", TestLabels::Same)];

fn one_of<T: Copy>(field: &'static str, found: &str, choices: &[(&str, T)]) -> Result<T, SpecError> {
    let words: Vec<&str> = choices.iter().map(|c| c.0).collect();
    choices.iter().find(|c| c.0 == found).map(|c| c.1).ok_or_else(|| SpecError::unknown(field, found, &words))
}

fn number<T: FromStr>(field: &'static str, found: &str, expected: &'static str) -> Result<T, SpecError> {
    found.parse().map_err(|_| SpecError::Value { field, found: found.chars().take(80).collect(), expected })
}

fn probability(field: &'static str, found: &str) -> Result<f64, SpecError> {
    number(field, found, "a probability, 0 to 1")
}

fn read_preset(item: &str, spec: &mut CorruptionSpec) -> Result<(), SpecError> {
    let (name, options) = item.split_once(':').map_or((item, None), |(n, o)| (n, Some(o)));
    let uniform = |p| LabelSpec::Uniform { p, exclude_true: false, exact: false, resample: 0.0 };
    let takes_none = |options: Option<&str>| match options {
        None => Ok(()),
        Some(o) => Err(SpecError::Contradiction {
            reason: format!("`{name}` takes no options, found `{o}`"),
            help: "write labels=uniform:p=... for other label noise".into(),
        }),
    };
    match name {
        "true-labels" => takes_none(options),
        "random-labels" => {
            spec.labels = uniform(1.0);
            takes_none(options)
        }
        "partially-corrupted" => {
            let p = options.ok_or(SpecError::Missing {
                item: "partially-corrupted",
                field: "p",
                example: "partially-corrupted:0.5",
            })?;
            if p.contains(',') {
                return Err(SpecError::Contradiction {
                    reason: format!("`{name}` takes a probability alone, found `{p}`"),
                    help: "write labels=uniform:p=0.5,... for other label noise".into(),
                });
            }
            spec.labels = uniform(probability("p", p.strip_prefix("p=").unwrap_or(p))?);
            Ok(())
        }
        _ if PRESETS.contains(&name) => {
            spec.inputs = read_inputs(item)?;
            Ok(())
        }
        "uniform" | "labels" | "inputs" => Err(SpecError::Contradiction {
            reason: format!("`{item}` is no preset"),
            help: "write e.g. labels=uniform:p=0.5 or inputs=gaussian".into(),
        }),
        _ => Err(SpecError::unknown("corruption", name, &PRESETS)),
    }
}

/// Splits `a=1,b` into `(a, 1)` and `(b, "")`, refusing repeats.
fn options(text: Option<&str>) -> Result<Vec<(&str, &str)>, SpecError> {
    let mut list: Vec<(&str, &str)> = Vec::new();
    for option in text.into_iter().flat_map(|t| t.split(',')) {
        let pair = option.split_once('=').unwrap_or((option, ""));
        if list.iter().any(|o| o.0 == pair.0) {
            return Err(SpecError::Twice { field: pair.0.into() });
        }
        list.push(pair);
    }
    Ok(list)
}

fn flag(field: &'static str, value: &str) -> Result<bool, SpecError> {
    match value {
        "" => Ok(true),
        _ => Err(SpecError::Value { field, found: value.into(), expected: "the word alone, or nothing" }),
    }
}

fn clean_takes_no(option: &str) -> SpecError {
    SpecError::Contradiction {
        reason: format!("`clean` takes no options, found `{option}`"),
        help: "leave it out, or name a corruption".into(),
    }
}

fn read_labels(text: &str) -> Result<LabelSpec, SpecError> {
    let (kind, rest) = text.split_once(':').map_or((text, None), |(k, r)| (k, Some(r)));
    match (kind, rest) {
        ("clean", None) => Ok(LabelSpec::Clean {}),
        ("uniform", _) => {
            let (mut p, mut exclude_true, mut exact, mut resample) = (None, false, false, 0.0);
            for (key, value) in options(rest)? {
                match key {
                    "p" => p = Some(probability("p", value)?),
                    "exclude-true" => exclude_true = flag("exclude-true", value)?,
                    "exact" => exact = flag("exact", value)?,
                    "resample" => resample = probability("resample", value)?,
                    _ => {
                        return Err(SpecError::unknown(
                            "option",
                            key,
                            &["p", "exclude-true", "exact", "resample"],
                        ));
                    }
                }
            }
            let example = "labels=uniform:p=0.5";
            let p = p.ok_or(SpecError::Missing { item: "labels=uniform", field: "p", example })?;
            Ok(LabelSpec::Uniform { p, exclude_true, exact, resample })
        }
        ("clean", Some(option)) => Err(clean_takes_no(option)),
        _ => Err(SpecError::unknown("label corruption", kind, &LABELS)),
    }
}

fn read_inputs(text: &str) -> Result<InputSpec, SpecError> {
    let (kind, rest) = text.split_once(':').map_or((text, None), |(k, r)| (k, Some(r)));
    if !INPUTS.contains(&kind) {
        return Err(SpecError::unknown("input corruption", kind, &INPUTS));
    }
    if let ("clean", Some(option)) = (kind, rest) {
        return Err(clean_takes_no(option));
    }
    let allowed: &[&str] = match kind {
        "shuffled-pixels" => &["values", "positions", "amount"],
        "random-pixels" => &["values", "positions", "amount", "resample"],
        "gaussian" => &["amount", "resample"],
        _ => &[],
    };
    let (mut unit, mut amount, mut resample) = (None, 1.0, 0.0);
    for (key, value) in options(rest)? {
        if kind == "shuffled-pixels" && key == "resample" {
            return Err(SpecError::Contradiction {
                reason: "shuffled-pixels has one permutation for all images, so nothing is redrawn per image"
                    .into(),
                help: "use random-pixels:resample=...".into(),
            });
        }
        if !allowed.contains(&key) {
            return Err(SpecError::unknown("option", key, allowed));
        }
        match key {
            "amount" => amount = probability("amount", value)?,
            "resample" => resample = probability("resample", value)?,
            _ => {
                let this = if key == "values" { PermuteUnit::Values } else { PermuteUnit::Positions };
                if !value.is_empty() || unit.replace(this).is_some() {
                    return Err(SpecError::Contradiction {
                        reason: format!(
                            "`{text}` names what is permuted more than once, or gives it a value"
                        ),
                        help: "write `values` or `positions` once, alone".into(),
                    });
                }
            }
        }
    }
    let unit = unit.unwrap_or_default();
    Ok(match kind {
        "shuffled-pixels" => InputSpec::ShuffledPixels { unit, amount },
        "random-pixels" => InputSpec::RandomPixels { unit, amount, resample },
        "gaussian" => InputSpec::Gaussian { amount, resample },
        _ => InputSpec::Clean {},
    })
}

impl fmt::Display for CorruptionSpec {
    /// The shortest text: a preset where one fits, else the long form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        match (&self.labels, &self.inputs) {
            (LabelSpec::Clean {}, InputSpec::Clean {}) => items.push("true-labels".to_owned()),
            (LabelSpec::Clean {}, inputs) => items.push(inputs.to_string()),
            (
                LabelSpec::Uniform { p, exclude_true: false, exact: false, resample: 0.0 },
                InputSpec::Clean {},
            ) => {
                items.push(if *p == 1.0 {
                    "random-labels".into()
                } else {
                    format!("partially-corrupted:{p}")
                });
            }
            (labels, InputSpec::Clean {}) => items.push(format!("labels={labels}")),
            (labels, inputs) => items.extend([format!("labels={labels}"), format!("inputs={inputs}")]),
        }
        if let Some(seed) = self.seed {
            items.push(format!("seed={seed}"));
        }
        if self.test_inputs == TestInputs::Clean {
            items.push("test-inputs=clean".into());
        }
        if self.test_labels == TestLabels::Same {
            items.push("test-labels=same".into());
        }
        f.write_str(&items.join(" "))
    }
}

/// `kind` alone, or `kind:option,option`.
fn join(kind: &str, options: &[String]) -> String {
    if options.is_empty() { kind.into() } else { format!("{kind}:{}", options.join(",")) }
}

fn push_share(options: &mut Vec<String>, field: &str, value: f64, default: f64) {
    if value != default {
        options.push(format!("{field}={value}"));
    }
}

impl fmt::Display for LabelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LabelSpec::Clean {} => f.write_str("clean"),
            LabelSpec::Uniform { p, exclude_true, exact, resample } => {
                let mut options = vec![format!("p={p}")];
                options.extend(exclude_true.then(|| "exclude-true".into()));
                options.extend(exact.then(|| "exact".into()));
                push_share(&mut options, "resample", *resample, 0.0);
                f.write_str(&join("uniform", &options))
            }
        }
    }
}

impl fmt::Display for InputSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut options: Vec<String> = Vec::new();
        if let InputSpec::ShuffledPixels { unit, .. } | InputSpec::RandomPixels { unit, .. } = self {
            options.extend((*unit == PermuteUnit::Positions).then(|| "positions".into()));
        }
        match *self {
            InputSpec::Clean {} => f.write_str("clean"),
            InputSpec::ShuffledPixels { amount, .. } => {
                push_share(&mut options, "amount", amount, 1.0);
                f.write_str(&join("shuffled-pixels", &options))
            }
            InputSpec::RandomPixels { amount, resample, .. } => {
                push_share(&mut options, "amount", amount, 1.0);
                push_share(&mut options, "resample", resample, 0.0);
                f.write_str(&join("random-pixels", &options))
            }
            InputSpec::Gaussian { amount, resample } => {
                push_share(&mut options, "amount", amount, 1.0);
                push_share(&mut options, "resample", resample, 0.0);
                f.write_str(&join("gaussian", &options))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_mean_what_the_paper_says_and_print_as_themselves() {
        for (name, spec) in CorruptionSpec::paper_variants() {
            assert_eq!(name.parse::<CorruptionSpec>().unwrap(), spec);
            assert_eq!(spec.to_string(), name);
        }
    }

    #[test]
    fn text_toml_and_json_round_trip() {
        for text in [
            "true-labels",
            "random-labels seed=18446744073709551615",
            "labels=uniform:p=0.3,exclude-true,exact,resample=0.25 inputs=gaussian:amount=0.1,resample=1 seed=7",
            "random-pixels:positions,amount=0.5,resample=0.125 test-inputs=clean",
            "shuffled-pixels:amount=0.75",
            "partially-corrupted:0.1 test-labels=same",
        ] {
            let spec: CorruptionSpec = text.parse().unwrap();
            assert_eq!(spec.to_string().parse::<CorruptionSpec>().unwrap(), spec, "{text}");
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<CorruptionSpec>(&json).unwrap(), spec, "{json}");
            let toml = toml::to_string(&spec).unwrap();
            assert_eq!(toml::from_str::<CorruptionSpec>(&toml).unwrap(), spec, "{toml}");
        }
        #[derive(serde::Deserialize)]
        struct File {
            corruption: CorruptionSpec,
        }
        let file: File = toml::from_str("corruption = 'random-labels seed=3'").unwrap();
        assert_eq!(file.corruption.seed, Some(3));
    }

    #[test]
    fn nonsense_is_refused_with_a_suggestion() {
        let message = |text: &str| text.parse::<CorruptionSpec>().unwrap_err().to_string();
        assert!(message("random-lables").contains("did you mean `random-labels`?"));
        assert!(message("labels=unifrom:p=1").contains("did you mean `uniform`?"));
        assert!(message("gaussian:ammount=1").contains("did you mean `amount`?"));
        assert!(message("sede=3").contains("did you mean `seed`?"));
        assert!(message("random-labels inputs=gaussian").contains("without a preset"));
        assert!(message("random-labels gaussian").contains("two presets"));
        assert!(message("shuffled-pixels:resample=1").contains("random-pixels:resample"));
        assert!(message("partially-corrupted").contains("partially-corrupted:0.5"));
        assert!(message("partially-corrupted:0.5,exact").contains("write labels=uniform:p=0.5,..."));
        assert!(message("uniform:p=0.5").contains("write e.g. labels=uniform:p=0.5"));
        assert!(message("labels:uniform:p=0.5").contains("write e.g. labels=uniform:p=0.5"));
        assert!(message("random-labels p=0.5").contains("write e.g. labels=uniform:p=0.5"));
        assert!(message("labels=clean:p=1").contains("`clean` takes no options"));
        assert!(message("inputs=clean:amount=1").contains("`clean` takes no options"));
        for bad in [
            "",
            " ",
            "labels=uniform",
            "labels=uniform:p=1.5",
            "labels=uniform:p=nan",
            "labels=uniform:p=0.5,p=0.6",
            "labels=uniform:p=-0.1",
            "seed=1 seed=2",
            "seed=-1",
            "labels=uniform:p=0.5,exact=true",
            "inputs=gaussian:positions",
            "random-pixels:values,positions",
            "true-labels:0.5",
            "test-inputs=dirty",
            "labels=",
            "partially-corrupted:",
            "random-labels=1",
            "gaussian:",
            "random-pixels:positions=3",
        ] {
            assert!(bad.parse::<CorruptionSpec>().is_err(), "{bad:?}");
        }
        for bad in [
            r#"{"labels":{"kind":"uniform"}}"#,
            r#"{"labels":{"kind":"uniform","p":2}}"#,
            r#"{"lables":{}}"#,
            r#"{"labels":{"kind":"clean","p":1}}"#,
            r#"{"inputs":{"kind":"gaussian","unit":"values"}}"#,
            r#"{"seed":-1}"#,
            r#"{"seed":"18446744073709551616"}"#,
            "3",
        ] {
            assert!(serde_json::from_str::<CorruptionSpec>(bad).is_err(), "{bad}");
        }
    }
}
