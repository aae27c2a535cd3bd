//! Carries out a plan: a process per task, several at once, until all are done, a deadline, or an interrupt.
//!
//! A task that fails fails alone. A training process is told to stop by closing its standard input, and writes a
//! checkpoint then; it does so as well if this process dies, however that happens.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::plan::{Kind, Plan, Task};
use crate::{
    error::{Result, TrainError},
    signal::Interrupt,
};

/// Time between looks at the processes.
const POLL: Duration = Duration::from_millis(50);
/// Time between looks at what they have written.
const LOOK: Duration = Duration::from_secs(1);

/// How tasks are carried out.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// `rfx-train` itself.
    pub program: PathBuf,
    /// Processes at once.
    pub jobs: usize,
    /// When to stop in any case.
    pub deadline: Option<Instant>,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// As it should.
    Done,
    /// With an error, of which this is the last line.
    Failed(String),
    /// It was stopped, and goes on the next time.
    Stopped,
}

/// How far things are.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// Tasks that ended, well or not, this time or before.
    pub ended: usize,
    /// All.
    pub tasks: usize,
    /// Seconds that are left at most: of runs that stop once they fit, all epochs are counted. None until an epoch of some
    /// run tells.
    pub left_s: Option<f64>,
    /// What runs now: name, epochs finished, epochs at most.
    pub running: Vec<(String, u32, u32)>,
}

/// What became of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tasks that are done.
    pub done: usize,
    /// Those that failed: name, and the last line of their log.
    pub failed: Vec<(String, String)>,
    /// Those that were stopped, or not begun.
    pub left: usize,
}

/// Hears what happens.
pub trait Watch {
    /// A task begins.
    fn began(&mut self, _task: &Task) {}
    /// A task ended.
    fn ended(&mut self, _task: &Task, _how: &Ended) {}
    /// Every second or so.
    fn progressed(&mut self, _progress: &Progress) {}
}

/// Hears nothing.
impl Watch for () {}

struct Running {
    task: usize,
    child: Child,
    epochs: u32,
}

/// Dropped on every way out, also that of an error: no process goes on unwatched.
struct Children(Vec<Running>);

impl Drop for Children {
    fn drop(&mut self) {
        for running in &mut self.0 {
            stop(running);
            let _ = running.child.wait();
        }
    }
}

/// Asks a process to stop.
fn stop(running: &mut Running) {
    drop(running.child.stdin.take());
}

impl Schedule {
    /// Does what is not done yet of `plan`.
    ///
    /// # Errors
    /// [`TrainError::Io`] if a process cannot be started. A task that fails is in the summary.
    pub fn carry_out(&self, plan: &Plan, interrupt: &Interrupt, watch: &mut dyn Watch) -> Result<Summary> {
        let mut summary = Summary::default();
        let done: Vec<bool> = plan.tasks.iter().map(Task::is_done).collect();
        summary.done = done.iter().filter(|done| **done).count();
        let mut waiting: Vec<usize> =
            (0..plan.tasks.len()).rev().filter(|i| !done.get(*i).copied().unwrap_or(false)).collect();
        let mut running = Children(Vec::new());
        let mut clock = Clock::default();
        let mut looked = None;
        loop {
            let over = interrupt.is_raised() || self.deadline.is_some_and(|at| Instant::now() >= at);
            if over {
                running.0.iter_mut().for_each(stop);
            }
            while !over && running.0.len() < self.jobs.max(1) {
                let Some(next) = waiting.pop() else { break };
                let task = &plan.tasks[next];
                watch.began(task);
                running.0.push(Running { task: next, child: self.start(plan, task)?, epochs: 0 });
            }
            let mut i = 0;
            while i < running.0.len() {
                let Some(one) = running.0.get_mut(i) else { break };
                let task = &plan.tasks[one.task];
                let io = |source| TrainError::Io { path: task.folder.clone(), action: "wait for", source };
                match one.child.try_wait().map_err(io)? {
                    None => i += 1,
                    Some(status) => {
                        let how = match status.code() {
                            Some(0) if task.is_done() => Ended::Done,
                            Some(130) => Ended::Stopped,
                            _ => Ended::Failed(reason(&plan.log(task), &status.to_string())),
                        };
                        clock.ended(task);
                        watch.ended(task, &how);
                        match how {
                            Ended::Done => summary.done += 1,
                            Ended::Failed(why) => summary.failed.push((task.name.clone(), why)),
                            Ended::Stopped => summary.left += 1,
                        }
                        running.0.remove(i);
                    }
                }
            }
            if running.0.is_empty() && (over || waiting.is_empty()) {
                summary.left += waiting.len();
                return Ok(summary);
            }
            if looked.is_none_or(|at: Instant| at.elapsed() >= LOOK) {
                looked = Some(Instant::now());
                for one in &mut running.0 {
                    one.epochs = epochs(&plan.tasks[one.task].folder);
                }
                watch.progressed(&self.progress(plan, &summary, &waiting, &running.0, &clock));
            }
            thread::sleep(POLL);
        }
    }

    fn start(&self, plan: &Plan, task: &Task) -> Result<Child> {
        let mut command = Command::new(&self.program);
        match &task.kind {
            Kind::Train(_) => {
                command
                    .args(["run", "--quiet", "--stop-with-stdin", "--config"])
                    .arg(plan.configuration(task));
            }
            Kind::Solve(arguments) => {
                command.args(arguments).arg("--stop-with-stdin");
            }
        }
        command.arg("--out").arg(&task.folder);
        if task.starts_in_out() {
            command.current_dir(&plan.out); // all other paths are absolute
        }
        if task.is_begun() {
            command.arg("--resume");
        }
        let log = plan.log(task);
        let io = |source| TrainError::Io { path: log.clone(), action: "write", source };
        let out = File::create(&log).map_err(io)?;
        command.stdin(Stdio::piped()).stdout(out.try_clone().map_err(io)?).stderr(out);
        // A group of its own: Ctrl-C reaches this process, which then tells the others once.
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let program = self.program.clone();
        command.spawn().map_err(|source| TrainError::Io { path: program, action: "start", source })
    }

    fn progress(
        &self,
        plan: &Plan,
        summary: &Summary,
        waiting: &[usize],
        running: &[Running],
        clock: &Clock,
    ) -> Progress {
        let all = |task: &Task, done: u32| {
            clock.seconds(task).map(|s| s * f64::from(task.epochs().saturating_sub(done)))
        };
        let ahead = waiting.iter().map(|i| all(&plan.tasks[*i], 0));
        let now = running.iter().map(|one| {
            clock.live(&plan.tasks[one.task], one.epochs).or(all(&plan.tasks[one.task], one.epochs))
        });
        let left: Vec<Option<f64>> = ahead.chain(now).collect();
        // What no run like it has told of counts as the mean of the others.
        let known: Vec<f64> = left.iter().flatten().copied().collect();
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        let left_s = (!known.is_empty()).then(|| {
            left.iter().map(|seconds| seconds.unwrap_or(mean)).sum::<f64>() / self.jobs.max(1) as f64
        });
        Progress {
            ended: summary.done + summary.failed.len(),
            tasks: plan.tasks.len(),
            left_s,
            running: running
                .iter()
                .map(|one| {
                    let task = &plan.tasks[one.task];
                    (task.name.clone(), one.epochs, task.epochs())
                })
                .collect(),
        }
    }
}

/// What an epoch takes, by network and number of samples.
#[derive(Default)]
struct Clock(Vec<(String, f64)>);

impl Clock {
    fn key(task: &Task) -> String {
        match &task.kind {
            Kind::Train(config) => format!("{} {} {}", config.model, config.subset, config.test_subset),
            Kind::Solve(arguments) => arguments.join(" "),
        }
    }

    fn ended(&mut self, task: &Task) {
        if let Some(seconds) = per_epoch(&task.folder) {
            self.0.push((Self::key(task), seconds));
        }
    }

    fn seconds(&self, task: &Task) -> Option<f64> {
        let key = Self::key(task);
        self.0.iter().rev().find(|(known, _)| *known == key).map(|(_, seconds)| *seconds)
    }

    /// What is left of a run that is under way, by its own epochs.
    fn live(&self, task: &Task, epochs: u32) -> Option<f64> {
        per_epoch(&task.folder).map(|s| s * f64::from(task.epochs().saturating_sub(epochs)))
    }
}

fn metrics(folder: &Path) -> String {
    fs::read_to_string(folder.join("metrics.jsonl")).unwrap_or_default()
}

fn epochs(folder: &Path) -> u32 {
    u32::try_from(metrics(folder).lines().count()).unwrap_or(u32::MAX)
}

/// Seconds of the last epoch.
fn per_epoch(folder: &Path) -> Option<f64> {
    let text = metrics(folder);
    let line: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
    line.get("seconds")?.as_f64()
}

/// Why a process failed: the last line that it said, or how it ended.
fn reason(log: &Path, status: &str) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    match text.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => line.trim().trim_start_matches("error: ").to_owned(),
        None => status.to_owned(),
    }
}
