//! The text form of a corruption, both ways.
//!
//! ```text
//! spec   := [preset] item*                     separated by spaces
//! preset := true-labels | partially-corrupted:P | random-labels           P or p=P
//!         | (shuffled-pixels | random-pixels | gaussian) [":" option ("," option)*]
//! item   := "labels=" kind | "inputs=" kind
//!         | "seed=" N | "test-inputs=" ("same" | "clean") | "test-labels=" ("clean" | "same")
//! kind   := name [":" option ("," option)*]
//! option := key "=" value | flag               values with spaces, commas or quotes: see `options`
//! ```

use std::{fmt, str::FromStr};

use super::{
    CorruptionSpec, InputSpec, LabelSpec, SpecError, TestInputs, TestLabels, input, label,
    options::{number, one_of, probability, shortened, split_unquoted},
};

const PRESETS: [&str; 6] =
    ["true-labels", "partially-corrupted", "random-labels", "shuffled-pixels", "random-pixels", "gaussian"];
/// Words that belong behind a kind's colon.
const OPTIONS: [&str; 20] = [
    "p",
    "rate",
    "amount",
    "resample",
    "exclude-true",
    "exact",
    "file",
    "path",
    "column",
    "values",
    "positions",
    "at",
    "sigma",
    "severity",
    "lambda",
    "target",
    "size",
    "pattern",
    "position",
    "blend",
];

impl FromStr for CorruptionSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut spec = CorruptionSpec::default();
        let mut preset = None;
        let mut given: Vec<&str> = Vec::new();
        for item in split_unquoted(text, char::is_whitespace)?.into_iter().filter(|item| !item.is_empty()) {
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
                "labels" => spec.labels = LabelSpec::read(value)?,
                "inputs" => spec.inputs = InputSpec::read(value)?,
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
            spec.inputs = InputSpec::read(item)?;
            Ok(())
        }
        _ if label::KINDS.contains(&name)
            || input::KINDS.contains(&name)
            || ["labels", "inputs"].contains(&name) =>
        {
            let what = if label::KINDS.contains(&name) { "labels" } else { "inputs" };
            Err(SpecError::Contradiction {
                reason: format!("`{}` is no preset", shortened(item)),
                help: match name {
                    "labels" | "inputs" => "write e.g. labels=uniform:p=0.5 or inputs=gaussian".into(),
                    _ => format!("write {what}={}", shortened(item)),
                },
            })
        }
        _ => Err(SpecError::unknown("corruption", name, &PRESETS)),
    }
}

impl fmt::Display for CorruptionSpec {
    /// The shortest text: a preset where one fits, else the long form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items = Vec::new();
        match (&self.labels, &self.inputs) {
            (LabelSpec::Clean {}, InputSpec::Clean {}) => items.push("true-labels".to_owned()),
            (
                LabelSpec::Clean {},
                InputSpec::ShuffledPixels { .. }
                | InputSpec::RandomPixels { .. }
                | InputSpec::Gaussian { .. },
            ) => items.push(self.inputs.to_string()),
            (LabelSpec::Clean {}, inputs) => items.push(format!("inputs={inputs}")),
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
            "labels=pair-flip:p=0.45,exact",
            "labels=asymmetric:p=0.4 inputs=additive:severity=3,at=stored",
            "labels=matrix:file=T.csv,amount=0.5,exact,resample=0.25",
            r#"labels=matrix:file="my ""best"" T,2.csv" seed=4"#,
            "labels=file:path=CIFAR-10_human.npy,column=worse_label,amount=0.75",
            r#"labels=file:path="a b.csv",column="of Tom, Dick""#,
            "labels=instance-dependent:rate=0.3,resample=1",
            "labels=zhang2017:p=0.5",
            "inputs=additive:sigma=0.1,amount=0.5,resample=0.25",
            "inputs=impulse:p=0.05",
            "inputs=impulse:severity=5,amount=0.5",
            "inputs=shot:lambda=60,at=stored",
            "inputs=trigger:target=3,amount=0.1",
            "inputs=trigger:target=0,amount=1,size=5,pattern=255,position=top-left,blend=0.2,at=stored",
            "gaussian:at=stored",
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
        assert!(message("uniform:p=0.5").contains("write labels=uniform:p=0.5"));
        assert!(message("shot:lambda=9").contains("write inputs=shot:lambda=9"));
        assert!(message("labels:uniform:p=0.5").contains("write e.g. labels=uniform:p=0.5"));
        assert!(message("random-labels p=0.5").contains("write e.g. labels=uniform:p=0.5"));
        assert!(message("labels=pair-flp:p=1").contains("did you mean `pair-flip`?"));
        assert!(message("inputs=additve:sigma=1").contains("did you mean `additive`?"));
        assert!(message("inputs=shot:lamda=1").contains("did you mean `lambda`?"));
        assert!(message("labels=matrix:path=T.csv").contains("expected file, amount"));
        assert!(message("labels=asymmetric:p=0.4,resample=1").contains("one class to become"));
        assert!(message("labels=zhang2017:p=1 seed=3").contains("12345"));
        assert!(message("inputs=additive:sigma=25").contains("25 levels are 0.098"));
        assert!(message("inputs=impulse").contains("inputs=impulse:p=0.05"));
        assert!(message("inputs=shot:lambda=5,severity=1").contains("keep one"));
        assert!(message("inputs=trigger:target=1").contains("needs `amount`"));
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
            "labels=pair-flip",
            "labels=matrix",
            "labels=matrix:file=",
            "labels=matrix:file=\"a b",
            "labels=matrix:file=a b",
            "labels=file:path=x,amount=2",
            "labels=file:path=x,resample=1",
            "labels=instance-dependent:p=0.5",
            "labels=zhang2017:p=1.5",
            "inputs=additive:sigma=0",
            "inputs=additive:severity=0",
            "inputs=additive:severity=6",
            "inputs=additive:severity=300",
            "inputs=shot:lambda=701",
            "inputs=shot:lambda=nan",
            "inputs=impulse:p=1.5",
            "inputs=trigger:target=-1,amount=1",
            "inputs=trigger:target=1,amount=1,size=0",
            "inputs=trigger:target=1,amount=1,pattern=256",
            "inputs=trigger:target=1,amount=1,position=middle",
            "inputs=trigger:target=1,amount=1,resample=1",
            "gaussian:at=disk",
        ] {
            assert!(bad.parse::<CorruptionSpec>().is_err(), "{bad:?}");
        }
        for bad in [
            r#"{"labels":{"kind":"uniform"}}"#,
            r#"{"labels":{"kind":"uniform","p":2}}"#,
            r#"{"lables":{}}"#,
            r#"{"labels":{"kind":"clean","p":1}}"#,
            r#"{"inputs":{"kind":"gaussian","unit":"values"}}"#,
            r#"{"inputs":{"kind":"additive"}}"#,
            r#"{"inputs":{"kind":"additive","sigma":0.1,"severity":1}}"#,
            r#"{"inputs":{"kind":"trigger","target":1,"amount":1,"pattern":"stripes"}}"#,
            r#"{"labels":{"kind":"pair-flip","p":0.1,"resample":1}}"#,
            r#"{"labels":{"kind":"matrix","file":""}}"#,
            r#"{"seed":-1}"#,
            r#"{"seed":"18446744073709551616"}"#,
            "3",
        ] {
            assert!(serde_json::from_str::<CorruptionSpec>(bad).is_err(), "{bad}");
        }
    }
}
