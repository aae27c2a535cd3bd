//! Texts and documents that a user writes: what is accepted means the same after it was printed and read again.
#![no_main]

use std::{fmt::Display, str::FromStr};

use libfuzzer_sys::fuzz_target;
use rfx_fuzz::told;
use rfx_loader::{CorruptionSpec, Crop, LoaderSpec, OrderKind, State, Subset, digest::Digest};

fn text<T: FromStr<Err: std::error::Error> + Display + PartialEq>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => assert!(value.to_string().parse::<T>().is_ok_and(|again| again == value), "{value}"),
        Err(error) => told(&error),
    }
}

fuzz_target!(|input: &str| {
    text::<CorruptionSpec>(input);
    text::<Subset>(input);
    text::<Crop>(input);
    text::<OrderKind>(input);
    text::<Digest>(input);
    if let Ok(spec) = input.parse::<CorruptionSpec>() {
        let toml = toml::to_string(&spec).expect("a spec is a table");
        assert_eq!(toml::from_str::<CorruptionSpec>(&toml).expect("its own TOML"), spec);
        let json = serde_json::to_string(&spec).expect("a spec is an object");
        assert_eq!(serde_json::from_str::<CorruptionSpec>(&json).expect("its own JSON"), spec);
    }
    if let Ok(spec) = toml::from_str::<CorruptionSpec>(input) {
        assert_eq!(spec.to_string().parse::<CorruptionSpec>().expect("its own text"), spec);
    }
    if let Ok(spec) = serde_json::from_str::<LoaderSpec>(input) {
        let json = serde_json::to_string(&spec).expect("a spec is an object");
        assert_eq!(serde_json::from_str::<LoaderSpec>(&json).expect("its own JSON"), spec);
    }
    if let Ok(state) = serde_json::from_str::<State>(input) {
        let json = serde_json::to_string(&state).expect("a state is an object");
        assert_eq!(serde_json::from_str::<State>(&json).expect("its own JSON"), state);
    }
});
