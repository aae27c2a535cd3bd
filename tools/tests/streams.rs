//! What goes to stdout and what to stderr, and what becomes of a program whose stdout or stderr is closed or full.

mod program;
#[path = "../../loader/tests/support/mod.rs"]
mod support;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use program::{BENCH, INSPECT, PACK, Ran, copy, finish, flip, generated, run};

const LABELS: &str = "labels --corrupt random-labels --seed 1";
const BATCH: &str = "batch --corrupt gaussian --seed 1 --batch 4";

fn inspect(args: &str) -> Ran {
    let (command, rest) = args.split_once(' ').unwrap_or((args, ""));
    run(INSPECT, &format!("{command} {} {rest}", generated("streams").display()), &[])
}

/// The commands that print something, with a new output file for those that also write one.
fn printing(folder: &Path) -> Vec<(&'static str, String)> {
    let data = generated("streams").display().to_string();
    let out = |name: &str| folder.join(name).display().to_string();
    vec![
        (INSPECT, "--help".into()),
        (INSPECT, format!("info {data}")),
        (INSPECT, format!("info {data} --json")),
        (INSPECT, format!("verify {data}")),
        (INSPECT, format!("{LABELS} {data}")),
        (INSPECT, format!("{LABELS} {data} --format json")),
        (INSPECT, format!("{LABELS} {data} --format npy")),
        (INSPECT, format!("{BATCH} {data} --out {}", out("batch"))),
        (INSPECT, format!("sheet {data} --corrupt gaussian --seed 1 --count 2 --out {}", out("sheet"))),
        (PACK, format!("generated --out {}", out("packed"))),
        (BENCH, format!("{data} --seconds 1e-6 --threads 1")),
        (BENCH, format!("{data} --seconds 1e-6 --threads 1 --json --figure {}", out("figure.svg"))),
    ]
}

#[test]
fn a_reader_of_stdout_that_has_seen_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for (program, args) in printing(folder.path()) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader); // before the program starts: every write of it fails
        let mut command = Command::new(program);
        let output = command.args(args.split(' ')).stdin(Stdio::null()).stdout(writer).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args}: {err}");
        assert!(!err.contains("error") && !err.contains("panicked"), "{args}: {err}");
    }
    // And as it is met in a shell, where the reader goes in the middle.
    let script = r#""$0" labels "$1" --corrupt random-labels --seed 1 | head -1; exit ${PIPESTATUS[0]}"#;
    let mut command = Command::new("bash");
    command.args(["-c", script, INSPECT]).arg(generated("streams"));
    let ran = finish(command).ended(0);
    assert_eq!(ran.out, "id,old,new,rule\n");
    assert!(!ran.err.contains("error") && !ran.err.contains("panicked"), "{}", ran.err);
}

#[test]
fn a_reader_of_stdout_that_has_gone_hides_no_mismatch() {
    let folder = tempfile::tempdir().unwrap();
    let (damaged, sound) = (folder.path().join("damaged"), generated("streams"));
    copy(sound, &damaged);
    flip(&damaged.join("test-00000-of-00001.safetensors"), 1);
    let digest = format!("--label-digest {} --corrupt random-labels --seed 1", "0".repeat(64));
    for args in [format!("verify {}", damaged.display()), format!("verify {} {digest}", sound.display())] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(INSPECT);
        let output = command.args(args.split(' ')).stdin(Stdio::null()).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{args}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_stdout_that_is_full_is_an_error_of_the_environment() {
    let test = "a_stdout_that_is_full_is_an_error_of_the_environment";
    let folder = tempfile::tempdir().unwrap();
    for (program, args) in printing(folder.path()).into_iter().skip(1) {
        let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
            return support::skip("dev-full", test, "no /dev/full");
        };
        let mut command = Command::new(program);
        let output = command.args(args.split(' ')).stdin(Stdio::null()).stdout(full).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args}: {err}");
        let message = "error: standard output: cannot write: No space left on device";
        assert!(err.contains(message) && err.contains("\nhelp: check where it goes\n"), "{args}: {err}");
    }
}

#[test]
fn a_stderr_that_nobody_reads_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut commands: Vec<_> = printing(folder.path()).into_iter().map(|(p, a)| (p, a, 0)).collect();
    commands.push((INSPECT, format!("info {}", folder.path().join("nowhere").display()), 2));
    for (program, args, code) in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(program);
        let output = command.args(args.split(' ')).stdin(Stdio::null()).stderr(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args}");
        assert_eq!(output.stdout.is_empty(), code != 0, "{args}");
    }
}

#[test]
fn json_is_one_document_on_stdout_that_names_its_schema() {
    let folder = tempfile::tempdir().unwrap();
    let packed = folder.path().join("packed");
    let pack = || run(PACK, "generated --json --out", &[&packed]);
    let digest = inspect(&format!("{LABELS} --format json")).json()["digest"].as_str().unwrap().to_owned();
    let verify_labels = format!("verify --label-digest {digest} --corrupt random-labels --seed 1 --json");
    let out = folder.path().join("batch");
    for (ran, schema) in [
        (pack(), "rfx.pack/1"),
        (pack(), "rfx.pack/1"), // once more, where nothing is left to do
        (inspect("info --json"), "rfx.info/1"),
        (inspect("verify --json"), "rfx.verify/1"),
        (inspect(&verify_labels), "rfx.verify-labels/1"),
        (inspect(&format!("{LABELS} --format json")), "rfx.labels/1"),
        (inspect(&format!("{BATCH} --out {}", out.display())), "rfx.batch/1"),
        (run(BENCH, "--seconds 1e-6 --threads 1 --json", &[&generated("streams")]), "rfx.bench/1"),
    ] {
        let ran = ran.ended(0);
        // The parser refuses whatever comes before or after the one document.
        assert_eq!(ran.json()["schema"], schema);
        assert!(ran.out.ends_with("}\n"), "{}", ran.out);
    }
}

#[test]
fn quiet_commands_say_nothing_on_stderr_and_others_do_so_in_plain_lines() {
    let folder = tempfile::tempdir().unwrap();
    let quiet = run(PACK, "generated -q --out", &[&folder.path().join("quiet")]).ended(0);
    assert_eq!(quiet.err, "");
    assert_eq!(inspect("verify -q").ended(0).err, "");
    let plain = run(PACK, "generated --out", &[&folder.path().join("plain")]).ended(0);
    assert!(
        plain.err.starts_with("packing: 12,000 samples in ") && plain.err.ends_with(" samples/s\n"),
        "{}",
        plain.err
    );
    let verify = inspect("verify").ended(0);
    assert!(
        verify.err.starts_with("verifying: 35.5 MiB in ") && verify.err.ends_with("/s\n"),
        "{}",
        verify.err
    );
    for text in [plain.err, plain.out, verify.err, verify.out] {
        assert!(!text.contains(['\r', '\x1b']), "no terminal, so nothing for one: {text:?}");
    }
}

#[test]
fn a_terminal_gets_a_progress_bar() {
    let test = "a_terminal_gets_a_progress_bar";
    let folder = tempfile::tempdir().unwrap();
    if Command::new("script").arg("--version").output().is_err() {
        return support::skip("script", test, "no script (util-linux)");
    }
    let on_terminal = |options: &str| {
        let out = folder.path().join(format!("out{options}"));
        let line = format!("'{PACK}' generated --jobs 1 {options} --out '{}'", out.display());
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
        finish(command).ended(0).out
    };
    let bar = on_terminal("");
    assert!(bar.contains("\r") && bar.contains("packing") && bar.contains(" of 12,000 samples"), "{bar:?}");
    assert!(bar.contains("content  ") && !bar.contains("packing: "), "{bar:?}");
    let quiet = on_terminal("-q");
    assert!(quiet.contains("content  ") && !quiet.contains("packing"), "{quiet:?}");
}
