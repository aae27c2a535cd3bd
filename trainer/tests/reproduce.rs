//! `rfx-train reproduce` and `sweep`: every run once, however often the command is given, stopped or killed; a run that
//! fails fails alone; what is written says all of it.

mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use rfx_trainer::folder::RunFolder;
use serde_json::Value;
use support::{fails_with, skip, succeeds, text};

const GRID: &str = "
title = 'Weight decay against <random> labels'
seeds = 2
run = { epochs = 2, batch = 32 }
[[case]]
corruption = ['true-labels', 'random-labels']
weight-decay = [0, 'default']
";

/// A grid, data to run it on, and a place for the results.
struct Place {
    _tmp: tempfile::TempDir,
    grid: PathBuf,
    data: PathBuf,
    out: PathBuf,
}

fn place(grid: &str) -> Place {
    let tmp = tempfile::tempdir().unwrap();
    let path = |name| tmp.path().join(name);
    let (grid_path, data, out) = (path("grid.toml"), path("data"), path("out"));
    fs::write(&grid_path, grid).unwrap();
    support::tiny(&data);
    Place { grid: grid_path, data, out, _tmp: tmp }
}

impl Place {
    fn sweep(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = support::command();
        let fixed =
            ["sweep", text(&self.grid), "--data", text(&self.data), "--out", text(&self.out), "--jobs", "2"];
        command.args(fixed).args(more).stdin(Stdio::null());
        command
    }

    fn results(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.out.join("results.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn runs(&self) -> Vec<PathBuf> {
        support::names(&self.out.join("runs")).iter().map(|name| self.out.join("runs").join(name)).collect()
    }
}

#[test]
fn a_sweep_runs_everything_once_and_writes_what_it_found() {
    let place = place(GRID);
    let printed = succeeds(&place.sweep(&[]));
    assert!(printed.contains("random labels") && printed.contains("index.html"), "{printed}");
    let results = place.results();
    assert_eq!(results.len(), 8);
    for line in &results {
        assert_eq!(line["state"], "done", "{line}");
        assert_eq!((&line["epochs"], &line["fit"]), (&2.into(), &"not-fitted".into()), "{line}");
        assert!(line["last"]["train"]["loss"].as_f64().unwrap() > 0.0, "{line}");
        assert_eq!(line["label_digest"].as_str().unwrap().len(), 64, "{line}");
    }
    let seeds = |seed: u64| results.iter().filter(|line| line["config"]["seed"] == seed).count();
    assert_eq!([seeds(1), seeds(2)], [4, 4]);
    assert_eq!(fs::read_to_string(place.out.join("points.csv")).unwrap().lines().count(), 1 + 8 * 2);
    let page = fs::read_to_string(place.out.join("index.html")).unwrap();
    assert!(page.contains("Weight decay against &lt;random&gt; labels") && page.contains("</html>"));
    assert_eq!(support::names(&place.out.join("figures")), ["sweep.png", "sweep.svg"]);

    // Nothing is done again, and the same bytes say so.
    let before: Vec<_> = place
        .runs()
        .iter()
        .map(|run| fs::metadata(run.join("run.json")).unwrap().modified().unwrap())
        .collect();
    succeeds(&place.sweep(&[]));
    let after: Vec<_> = place
        .runs()
        .iter()
        .map(|run| fs::metadata(run.join("run.json")).unwrap().modified().unwrap())
        .collect();
    assert_eq!(before, after);
    // A third seed adds its own runs alone.
    succeeds(&place.sweep(&["--seeds", "3"]));
    assert_eq!((place.results().len(), place.runs().len()), (12, 12));
}

#[test]
fn a_run_that_fails_fails_alone() {
    let place = place(&format!("{GRID}\n[[case]]\nlabel-column = 'nothing-of-that-name'\n"));
    let output = place.sweep(&["--seeds", "1"]);
    let said = fails_with(1, &output);
    assert!(said.contains("1 of the runs failed") && said.contains("nothing-of-that-name"), "{said}");
    let results = place.results();
    let count = |state: &str| results.iter().filter(|line| line["state"] == state).count();
    assert_eq!([count("done"), count("failed")], [4, 1]);
    let page = fs::read_to_string(place.out.join("index.html")).unwrap();
    assert!(page.contains("These runs failed") && page.contains("nothing-of-that-name"));
}

const LONG: &str = "
title = 'long'
run = { epochs = 100000, checkpoint-every = 100000 }
[[case]]
";

fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < patience, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lines(run: &Path) -> usize {
    fs::read_to_string(run.join("metrics.jsonl")).map_or(0, |text| text.lines().count())
}

#[test]
fn a_budget_stops_with_a_checkpoint_and_the_same_command_goes_on() {
    let place = place(LONG);
    let said = fails_with(130, &place.sweep(&["--budget", "2"]));
    assert!(said.contains("0 of 1 runs done; the same command goes on"), "{said}");
    let run = place.runs().remove(0);
    let first = lines(&run);
    assert!(first > 0 && run.join("checkpoint.safetensors").exists());
    assert_eq!(place.results()[0]["state"], "begun");
    fails_with(130, &place.sweep(&["--budget", "2"]));
    assert!(lines(&run) > first, "{} after {first}", lines(&run));
}

/// Neither Ctrl-C on the sweep nor its sudden death leaves a run that goes on unwatched: both write a checkpoint.
#[test]
fn runs_stop_with_the_sweep_that_started_them_however_it_ends() {
    for signal in [libc::SIGINT, libc::SIGKILL] {
        let place = place(LONG);
        let mut sweep =
            place.command(&["--quiet"]).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let runs = place.out.join("runs");
        wait_for("a run begins", || runs.is_dir() && place.runs().first().is_some_and(|run| lines(run) > 2));
        let pid = i32::try_from(sweep.id()).unwrap();
        let killed = Command::new("kill").args([format!("-{signal}"), pid.to_string()]).status().unwrap();
        assert!(killed.success());
        let status = sweep.wait().unwrap();
        assert_eq!(status.code(), if signal == libc::SIGINT { Some(130) } else { None });
        let run = place.runs().remove(0);
        wait_for("its checkpoint", || run.join("checkpoint.safetensors").exists());
        assert!(RunFolder::at(&run).read_manifest().unwrap().outcome.is_none());
        let before = lines(&run);
        wait_for("it goes on", || {
            // The process of the run may need a moment to end, and to give its folder free.
            let output = place.sweep(&["--budget", "2"]);
            output.status.code() == Some(130)
        });
        assert!(lines(&run) > before);
    }
}

#[test]
fn what_cannot_be_run_is_refused_before_anything_is_written() {
    let place = place("title = 't'\n[[case]]\nmomentun = 0.9\n");
    let said = fails_with(2, &place.sweep(&[]));
    assert!(said.contains("grid.toml") && said.contains("did you mean `momentum`"), "{said}");
    assert!(!place.out.exists());
    fs::write(&place.grid, GRID).unwrap();
    fs::create_dir(&place.out).unwrap();
    fs::write(place.out.join("mine.txt"), "mine").unwrap();
    let said = fails_with(2, &place.sweep(&[]));
    assert!(said.contains("something here already"), "{said}");
    assert_eq!(support::names(&place.out), ["mine.txt"]);
    let output = support::rfx_train(["reproduce", "fig1a", "--out", text(&place.out)]);
    assert!(fails_with(2, &output).contains("data is missing"));
}

#[test]
fn shipped_grids_can_be_printed_changed_and_run() {
    let grid = succeeds(&support::rfx_train(["reproduce", "fig1a", "--print-grid"]));
    let place = place(&grid);
    let few = [
        "--scale",
        "full",
        "--models",
        "mlp-1x512",
        "--seeds",
        "1",
        "--set",
        "epochs=1",
        "--set",
        "crop=none",
    ];
    succeeds(&place.sweep(&few));
    assert_eq!(place.results().len(), 5);
}

/// Also in a folder whose name is no word of a corruption's text.
#[test]
fn random_signs_are_fitted_wherever_the_results_lie() {
    let place = place("title = 't'\n[[case]]\n");
    let out = place.out.with_file_name("my results");
    let few = ["--set", "epochs=1", "--set", "subset=all", "--set", "crop=none", "--seeds", "1", "--quiet"];
    let base = ["reproduce", "rademacher", "--data", text(&place.data), "--out", text(&out)];
    let said = succeeds(&support::command().args(base).args(few).output().unwrap());
    assert!(said.contains("complexity (draws of signs)") && said.contains("fits random signs"), "{said}");
    let labels = fs::read_to_string(out.join("results.jsonl")).unwrap();
    let line: Value = serde_json::from_str(labels.trim()).unwrap();
    assert_eq!(line["state"], "done", "{line}");
}

/// Theorem 1 and the kernels stand beside the runs: computed once, judged, and in the page.
#[test]
fn what_is_solved_without_training_is_shown_too() {
    let place = place("title = 't'\n[[case]]\n");
    let reproduce = |experiment: &str| {
        let base =
            ["reproduce", experiment, "--data", text(&place.data), "--out", text(&place.out), "--quiet"];
        succeeds(&support::command().args(base).output().unwrap())
    };
    let said = reproduce("theorem1");
    assert!(said.contains("[pass] Theorem 1") && said.contains("[pass] Corollary 1"), "{said}");
    let result = place.out.join("theory/theorem1/result.json");
    let before = fs::metadata(&result).unwrap().modified().unwrap();
    assert_eq!(reproduce("theorem1"), said);
    assert_eq!(fs::metadata(&result).unwrap().modified().unwrap(), before);
    let page = fs::read_to_string(place.out.join("index.html")).unwrap();
    assert!(page.contains("depth 2, n = 40") && page.contains("Corollary 1"), "{page}");
    let results = place.results();
    assert_eq!((results.len(), &results[0]["state"]), (1, &"done".into()));
    assert_eq!(results[0]["result"]["report"]["fits"][0]["exact_share"], 1.0);
}

/// The page of the paper's experiments, in a browser without a network: it shows its figures, and asks for nothing.
#[test]
fn the_page_opens_in_a_browser() {
    let test = "the_page_opens_in_a_browser";
    let place = place(GRID);
    let few =
        ["--scale", "quick", "--set", "epochs=1", "--set", "subset=all", "--set", "crop=none", "--quiet"];
    let base = ["reproduce", "fig1b", "--data", text(&place.data), "--out", text(&place.out), "--jobs", "2"];
    succeeds(&support::command().args(base).args(few).output().unwrap());
    let page = place.out.join("index.html");
    let source = fs::read_to_string(&page).unwrap();
    for asks in ["src=\"http", "href=\"http", "@import", "url(http", "<script", "<link"] {
        assert!(!source.contains(asks), "{asks}");
    }
    let verdicts: Value =
        serde_json::from_slice(&fs::read(place.out.join("verdicts.json")).unwrap()).unwrap();
    assert!(verdicts["claims"].as_array().unwrap().len() >= 4, "{verdicts}");
    let profile = place.out.with_file_name("profile");
    let browser = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
            "--disable-sync",
        ])
        .args(["--no-first-run", "--disable-component-update", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", page.display()))
        .output();
    let Ok(browser) = browser else { return skip("browser", test, "no chromium") };
    let dom = String::from_utf8_lossy(&browser.stdout);
    for shown in
        ["Figures 1b and 1c", "<svg", "Figure 1c: test error", "not comparable at this scale", "</html>"]
    {
        assert!(dom.contains(shown), "{shown}: {dom:.400}");
    }
    assert_eq!(dom.matches("<figure>").count(), 3, "two figures and the sheet");
}

/// Images as large as the paper's, enough of them, and the network named: the paper's rows, planned with its network. Without
/// its name, on a machine without a card, the stand-in.
#[test]
fn table_2_is_inception_v3s_where_there_is_an_imagenet() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    support::of_side_and_count(&data, 300, 500);
    let plan = |out: &str, more: &[&str]| {
        let out = tmp.path().join(out);
        let fixed =
            ["reproduce", "table2", "--budget", "0", "--data", text(&data), "--out", text(&out), "--quiet"];
        let output = support::command().args(fixed).args(more).output().unwrap();
        fails_with(130, &output);
        let names = support::names(&out.join("plan"));
        names.iter().map(|name| fs::read_to_string(out.join("plan").join(name)).unwrap()).collect::<Vec<_>>()
    };
    let own = plan("own", &["--models", "inception-v3"]);
    assert_eq!(own.len(), 11);
    assert!(own.iter().all(|run| run.contains("model = \"inception-v3\"")), "{own:?}");
    assert_eq!(own.iter().filter(|run| run.contains("random-resized:299")).count(), 4);
    let stand_in = plan("stand-in", &[]);
    assert!(stand_in.len() == 8 && stand_in.iter().all(|run| run.contains("inception-w4")), "{stand_in:?}");
}
