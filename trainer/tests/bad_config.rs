//! Some two hundred and fifty configurations that are wrong in one way each: every one is refused with the file, line and
//! column, or the key and its range, and with a suggestion where a key is misspelt.

use rfx_trainer::config::{ConfigError, Options};

const FILE: &str = "wrong.toml";

/// Line 1 is right, line 2 is the case.
fn refuse(line: &str) -> ConfigError {
    let text = format!("data = 'd' # there need be no such folder\n{line}\n");
    match Options::from_toml(&text, FILE).and_then(Options::resolve) {
        Err(error) => error,
        Ok(config) => panic!("`{line}` was taken as {config:?}"),
    }
}

/// Refused by the parser, at line 2 of the file and a column.
fn refused_in_line_2(line: &str) -> String {
    let error = refuse(line);
    let text = error.to_string();
    assert!(matches!(error, ConfigError::Parse { .. }), "`{line}`: {text}");
    assert!(text.contains(FILE) && text.contains("line 2, column"), "`{line}`: {text}");
    text
}

const COUNTS: [&str; 8] =
    ["seed", "epochs", "batch", "threads", "loader-threads", "checkpoint-every", "patience", "rotate"];
const NUMBERS: [&str; 6] = ["lr", "lr-decay", "momentum", "dropout", "until-loss", "min-delta"];
const NAMES: [&str; 10] = [
    "model",
    "corruption",
    "crop",
    "normalise",
    "decode",
    "on-bad-record",
    "device",
    "subset",
    "test-subset",
    "monitor",
];

#[test]
fn values_of_another_type_are_refused_where_they_stand() {
    let mut cases = 0;
    let mut check = |keys: &[&str], values: &[&str]| {
        for (key, value) in keys.iter().flat_map(|key| values.iter().map(move |value| (key, value))) {
            refused_in_line_2(&format!("{key} = {value}"));
            cases += 1;
        }
    };
    check(&COUNTS, &["'many'", "-1", "1.5", "true", "[1]", "{ a = 1 }", "99999999999999999999", "nan"]);
    check(&NUMBERS, &["'small'", "true", "[0.1]", "{ a = 1 }", "1979-05-27"]);
    check(&NAMES, &["'nothing-of-that-name'", "1.5", "true", "[]", "''"]);
    check(&["flip", "cache-view", "per-sample", "ledger"], &["'yes'", "1", "0.5", "[]"]);
    check(&["data"], &["1", "true", "[]"]);
    assert!(cases > 110, "{cases}");
}

#[test]
fn numbers_outside_their_range_are_refused_with_key_value_and_range() {
    for (key, values) in [
        ("lr", &["0", "-0.1", "nan", "inf", "-inf"][..]),
        ("lr-decay", &["-0.5", "nan", "inf"]),
        ("momentum", &["1", "1.5", "-0.1", "nan"]),
        ("weight-decay", &["-1", "nan", "inf"]),
        ("dropout", &["1", "2", "-0.5", "nan"]),
        ("until-loss", &["-1", "nan", "inf"]),
        ("epochs", &["0"]),
        ("threads", &["0", "1025"]),
        ("loader-threads", &["1025"]),
        ("checkpoint-every", &["0"]),
    ] {
        for value in values {
            let error = refuse(&format!("{key} = {value}"));
            let text = error.to_string();
            assert!(matches!(error, ConfigError::Value { .. }), "{key} = {value}: {text}");
            assert!(text.starts_with(&format!("{key}=")) && text.contains("expected"), "{text}");
        }
    }
}

#[test]
fn a_misspelt_key_is_refused_with_the_right_one() {
    let keys = COUNTS.iter().chain(&NUMBERS).chain(&NAMES).chain(&["flip", "data"]);
    for key in keys {
        let letters: Vec<char> = key.chars().collect();
        let doubled: String = letters.iter().chain(letters.last()).collect();
        let mut swapped = letters.clone();
        swapped.swap(1, letters.len() - 1);
        let missing: String = letters[..letters.len() - 1].iter().collect();
        let wrong = [Some(doubled), Some(missing).filter(|m| m.len() > 2), Some(key.to_uppercase())];
        for (i, wrong) in wrong.into_iter().flatten().enumerate() {
            let text = refused_in_line_2(&format!("{wrong} = 1"));
            assert!(text.contains("unknown field"), "{text}");
            // Of two or three letters, one wrong is too much to guess from; capitals are too many wrong letters.
            if key.len() > 3 && i == 0 {
                assert!(text.contains(&format!("did you mean `{key}`?")), "{wrong}: {text}");
            }
        }
    }
}

#[test]
fn a_key_given_twice_and_text_that_is_no_toml_are_refused_where_they_stand() {
    for key in COUNTS {
        // The second one is in line 3.
        let error = refuse(&format!("{key} = 1\n{key} = 1")).to_string();
        assert!(error.contains("line 3, column") && error.contains("duplicate key"), "{error}");
    }
    for broken in [
        "seed",
        "seed =",
        "= 1",
        "seed = 1 2",
        "seed: 1",
        "seed = 'a",
        "seed = \"a",
        "[corruption",
        "seed = 01",
        "seed = 1_",
        "seed = 0x",
        "model = mlp-1x512",
        "a.b.c",
        "\"unclosed = 1",
        "lr = 1e",
        "lr = .5",
        "lr = 5.",
        "seed = 1,",
        "{}",
        "[]",
        "\u{feff}\u{0}",
        "seed = \u{1}",
    ] {
        let text = refuse(broken).to_string();
        assert!(text.contains(FILE) && text.contains("line 2"), "`{broken}`: {text}");
    }
    for table in [
        "[corruption]\nkind = 1",
        "[corruption.labels]\nkind = 'uniform'\np = 2.0",
        "[corruption]\nseed = -1",
    ] {
        assert!(refuse(table).to_string().contains(FILE), "{table}");
    }
}
