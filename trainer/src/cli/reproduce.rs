//! `rfx-train reproduce` and `rfx-train sweep`.

use std::{
    io::IsTerminal,
    path::PathBuf,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use rfx_loader::{Dataset, dataset::Verify};

use super::{Ended, print};
use crate::{
    config::Options,
    device::DeviceName,
    error::{Result, TrainError},
    model::ModelName,
    reproduce::{
        self, Ended as TaskEnded, Experiment, Grid, Plan, Progress, Scale, Schedule, Setting, Task, Wanted,
        Watch,
    },
    signal::Interrupt,
};

/// Seconds between lines where stderr is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train reproduce fig1a --data cifar10 --out results
  rfx-train reproduce all --data cifar10 --mnist mnist --scale quick --out results
  rfx-train reproduce table1 --data cifar10 --scale full --models mlp-1x512 --seeds 3 --out table1
  rfx-train reproduce fig1b --data cifar10 --scale full --device cuda:0 --budget 3000 --out fig1b
  rfx-train reproduce fig1a --print-grid > mine.toml      # to be changed, and run with `sweep`

The same command again goes on where it was stopped, and does not repeat what is done. The folder then holds index.html
(one page that opens offline), figures/, a CSV of each experiment, results.jsonl (a line a run), points.csv (a row an
epoch), verdicts.json, and runs/ with a folder for each run.")]
pub(super) struct Args {
    /// What to reproduce
    #[arg(value_enum)]
    experiment: Experiment,
    /// How much of it
    #[arg(long, value_enum, default_value = "quick")]
    scale: Scale,
    /// MNIST, packed, for min-norm [default: CIFAR-10 only]
    #[arg(long, value_name = "DIR")]
    mnist: Option<PathBuf>,
    /// Print the grid of runs as TOML, and do nothing
    #[arg(long)]
    print_grid: bool,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  rfx-train sweep mine.toml --data cifar10 --out mine
  rfx-train sweep mine.toml --data cifar10 --out mine --seeds 5 --jobs 4 --set epochs=20

The file is a grid as `rfx-train reproduce fig1a --print-grid` prints one:

  title = \"Weight decay against random labels\"
  models = [\"mlp-1x512\", \"alexnet\"]
  seeds = 3
  run = { subset = \"10000:balanced\", epochs = 60, until-loss = 0.05 }
  [[case]]
  corruption = [\"true-labels\", \"random-labels\"]
  weight-decay = [0, 1e-4, 5e-4]")]
pub(super) struct SweepArgs {
    /// The grid
    #[arg(value_name = "FILE")]
    grid: PathBuf,
    /// Its scale, if it has scales
    #[arg(long, value_enum)]
    scale: Option<Scale>,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, clap::Args)]
struct How {
    /// Packed data set (made by rfx-pack)
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder to write, new or of the same command
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Seeds 1 to K of every case [default: the grid's]
    #[arg(long, value_name = "K")]
    seeds: Option<u32>,
    /// Networks in place of the grid's
    #[arg(long, value_name = "NAME,..", value_delimiter = ',')]
    models: Option<Vec<ModelName>>,
    /// Runs at once [default: on the CPU one per core, on a card 1]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// cpu or cuda:N
    #[arg(long, default_value = "cpu")]
    device: DeviceName,
    /// Stop after so many seconds, with checkpoints
    #[arg(long, value_name = "SECONDS")]
    budget: Option<u64>,
    /// One option of all runs as key=value; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn reproduce(args: Args, interrupt: &Interrupt) -> Result<Ended> {
    if args.print_grid {
        for part in args.experiment.parts() {
            print::result(part.grid_text().unwrap_or("# no network is trained for it\n"))?;
        }
        return Ok(Ended::Done);
    }
    let place = args.how.open()?;
    let mut plan = Plan::new(&place.out);
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or(path.clone());
    let data = reproduce::Data {
        cifar: place.data.clone(),
        cifar_samples: place.dataset.split("train").map_err(rfx_loader::Error::from)?.len(),
        mnist: args.mnist.as_ref().map(absolute),
        device: args.how.device,
        threads: args.how.threads(),
    };
    // Table 2 has its own network where data and machine are fit for it.
    let for_imagenet = reproduce::is_like_imagenet(&place.dataset)? && args.how.has_means_for_imagenet();
    for part in args.experiment.parts() {
        let grid = match part {
            Experiment::Table2 if for_imagenet => reproduce::table2_of_imagenet().map(Some),
            _ => part.grid(),
        };
        let Some(grid) = grid.map_err(TrainError::Grid)? else {
            plan.add_solutions(part, args.scale, &data);
            continue;
        };
        let wanted = args.how.wanted(&place, Some(args.scale))?;
        let origin = format!("the grid of {}", part.name());
        // `all` leaves out what none of the networks asked for has a case in.
        match plan.add_grid(Some(part), &grid, &wanted, place.dataset.content(), &origin) {
            Err(_) if args.experiment == Experiment::All && args.how.models.is_some() => {}
            added => added?,
        }
    }
    carry_out(&args.how, place, plan, Some(args.scale), interrupt)
}

pub(super) fn sweep(args: SweepArgs, interrupt: &Interrupt) -> Result<Ended> {
    let origin = args.grid.display().to_string();
    let io = |source| TrainError::Io { path: args.grid.clone(), action: "read", source };
    let text = std::fs::read_to_string(&args.grid).map_err(io)?;
    let grid = Grid::from_toml(&text, &origin).map_err(TrainError::Grid)?;
    let place = args.how.open()?;
    let mut plan = Plan::new(&place.out);
    let wanted = args.how.wanted(&place, args.scale)?;
    plan.add_grid(None, &grid, &wanted, place.dataset.content(), &origin)?;
    carry_out(&args.how, place, plan, args.scale, interrupt)
}

/// What is read, and where it is written to.
struct Place {
    data: PathBuf,
    out: PathBuf,
    dataset: Dataset,
}

impl How {
    fn open(&self) -> Result<Place> {
        let missing = |key| TrainError::from(crate::config::ConfigError::Missing { key });
        let data = self.data.clone().ok_or_else(|| missing("data"))?;
        let out = self.out.clone().ok_or_else(|| missing("out"))?;
        let dataset = Dataset::open(&data, Verify::Once).map_err(rfx_loader::Error::from)?;
        reproduce::check_folder(&out)?;
        // The runs' processes find both wherever they are started.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Ok(Place { data: absolute(data), out: absolute(out), dataset })
    }

    fn jobs(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.unwrap_or(if self.device == DeviceName::Cpu { cores } else { 1 }).max(1)
    }

    /// A card, or the word of somebody who has time.
    fn has_means_for_imagenet(&self) -> bool {
        let named = |models: &Vec<ModelName>| models.contains(&ModelName::InceptionV3);
        self.device != DeviceName::Cpu || self.models.as_ref().is_some_and(named)
    }

    fn threads(&self) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        (cores / self.jobs()).max(1)
    }

    fn wanted(&self, place: &Place, scale: Option<Scale>) -> Result<Wanted> {
        let mut over = Options {
            data: Some(place.data.clone()),
            device: Some(self.device),
            // Runs that do not wait for each other use cores better than threads that do.
            threads: Some(self.threads()),
            ..Options::default()
        };
        for set in self.sets.iter().rev() {
            over = over.over(Options::from_set(set)?);
        }
        Ok(Wanted { scale, models: self.models.clone(), seeds: self.seeds, over })
    }
}

fn carry_out(
    how: &How,
    place: Place,
    plan: Plan,
    scale: Option<Scale>,
    interrupt: &Interrupt,
) -> Result<Ended> {
    plan.write()?;
    let program = std::env::current_exe().map_err(|source| TrainError::Io {
        path: "rfx-train".into(),
        action: "find",
        source,
    })?;
    let deadline = how.budget.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let schedule = Schedule { program, jobs: how.jobs(), deadline };
    let mut display = Display::new(how.quiet);
    let summary = schedule.carry_out(&plan, interrupt, &mut display);
    display.finish();
    let summary = summary?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let setting = Setting {
        command: format!("rfx-train {}", words.join(" ")),
        scale,
        machine: reproduce::machine(),
        sheet: reproduce::sample_sheet(&place.dataset)?,
    };
    let (page, text) = reproduce::write(&plan, &setting, &summary)?;
    print::result(&format!("{text}report: {}\n", page.display()))?;
    if summary.left > 0 {
        return Ok(Ended::Interrupted(format!(
            "stopped with {} of {} runs done; the same command goes on",
            summary.done,
            plan.tasks.len()
        )));
    }
    if let Some((name, why)) = summary.failed.first() {
        return Err(TrainError::RunsFailed {
            failed: summary.failed.len(),
            first: name.clone(),
            why: why.clone(),
        });
    }
    Ok(Ended::Done)
}

/// Shows how far things are: a bar on a terminal, lines elsewhere.
struct Display {
    quiet: bool,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

impl Display {
    fn new(quiet: bool) -> Display {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template("{bar:32} {pos}/{len} runs [{elapsed}] {msg}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Display { quiet, bar, last_line: None }
    }

    fn line(&self, line: &str) {
        match (&self.bar, self.quiet) {
            (_, true) => {}
            (Some(bar), _) => bar.println(line),
            (None, _) => print::note(line),
        }
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Display {
    fn ended(&mut self, task: &Task, how: &TaskEnded) {
        let what = match how {
            TaskEnded::Done => "done".to_owned(),
            TaskEnded::Failed(why) => format!("failed: {why}"),
            TaskEnded::Stopped => "stopped, with a checkpoint".to_owned(),
        };
        self.line(&format!("{}: {what}", task.name));
    }

    fn progressed(&mut self, progress: &Progress) {
        let left = match progress.left_s {
            Some(s) if s >= 90.0 => format!("at most {:.0} min left", s / 60.0),
            Some(s) => format!("at most {s:.0} s left"),
            None => "estimating".into(),
        };
        let running = progress.running.iter().map(|(name, done, all)| {
            let short = name.rsplit_once('_').map_or(name.as_str(), |(short, _)| short);
            if *all == 0 { short.to_owned() } else { format!("{short} {done}/{all}") }
        });
        let message = format!("{left}; {}", running.collect::<Vec<_>>().join(", "));
        if let Some(bar) = &self.bar {
            bar.set_length(progress.tasks as u64);
            bar.set_position(progress.ended as u64);
            bar.set_message(message);
        } else if !self.quiet && self.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            self.last_line = Some(Instant::now());
            self.line(&format!("{} of {} runs done, {message}", progress.ended, progress.tasks));
        }
    }
}
