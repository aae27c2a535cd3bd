//! `--help` of every command, and that its examples are commands.

mod program;

use clap::{CommandFactory, Parser};
use program::{BENCH, INSPECT, PACK, run};
use rfx_tools::{bench, inspect, pack};

/// Command lines shown as examples: indented lines that start with the program's name.
fn examples<'a>(help: &'a str, program: &str) -> Vec<&'a str> {
    help.lines().filter(|l| l.starts_with(&format!("  {program} "))).map(str::trim).collect()
}

fn check<T: Parser + CommandFactory>(path: &str, program: &str) {
    T::command().debug_assert();
    let commands: Vec<String> = T::command().get_subcommands().map(|c| c.get_name().to_owned()).collect();
    for command in commands.iter().map(String::as_str).chain([""]) {
        let help = run(path, &format!("{command} --help"), &[]).ended(0).out;
        assert!(help.is_ascii(), "{help}");
        let examples = examples(&help, program);
        assert!((2..=6).contains(&examples.len()), "{program} {command}: {examples:?}\n{help}");
        // Lines are wrapped at 100: an example that is wrapped cannot be copied.
        let mut unwrapped = T::command().term_width(0);
        let whole =
            if command.is_empty() { Some(&mut unwrapped) } else { unwrapped.find_subcommand_mut(command) };
        let whole = whole.expect("a command").render_long_help().to_string();
        for example in examples {
            assert!(whole.lines().any(|l| l.trim() == example), "wrapped: {example}");
            assert!(example.starts_with(&format!("{program} {command}")), "{example}");
            if let Err(error) = T::try_parse_from(example.split_whitespace()) {
                panic!("{example}: {error}");
            }
        }
    }
}

#[test]
fn every_example_of_rfx_pack_is_a_command() {
    check::<pack::Cli>(PACK, "rfx-pack");
}

#[test]
fn every_example_of_rfx_inspect_is_a_command() {
    check::<inspect::Cli>(INSPECT, "rfx-inspect");
}

#[test]
fn every_example_of_rfx_bench_is_a_command() {
    check::<bench::Cli>(BENCH, "rfx-bench");
}

#[test]
fn corruptions_are_explained_where_they_are_asked_for() {
    let inspect = ["labels", "batch", "sheet"].map(|command| (INSPECT, command));
    for (program, command) in inspect.into_iter().chain([(BENCH, "")]) {
        let help = run(program, &format!("{command} --help"), &[]).ended(0).out;
        for word in ["partially-corrupted:P", "exclude-true", "test-labels"] {
            assert!(help.contains(word), "{command}: {word}");
        }
    }
}

#[test]
fn every_program_tells_its_version() {
    for (program, name) in [(PACK, "rfx-pack "), (INSPECT, "rfx-inspect "), (BENCH, "rfx-bench ")] {
        assert!(run(program, "--version", &[]).ended(0).out.starts_with(name));
    }
}
