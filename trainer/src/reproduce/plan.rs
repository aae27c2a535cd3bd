//! The runs of some experiments, each once, and the folders that they have.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rfx_loader::digest::{Digest, Hasher};

use super::{
    experiment::Experiment,
    grid::{Grid, Scale, Wanted},
    solve,
};
use crate::{
    atomic,
    config::RunConfig,
    error::{Result, TrainError},
    folder::RunFolder,
};

/// A file that a shipped grid reads from the folder that is written. Every label is 0 or 1 with probability 1/2, whatever the
/// class: each row of the matrix is the same.
const SIGNS: &str = "random-signs.csv";

/// Something to be done by a process of its own.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it is called, and its folder's name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// What is done.
    pub kind: Kind,
}

/// What a task does.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A training run.
    Train(Box<RunConfig>),
    /// Another subcommand of `rfx-train` with these arguments, without `--out` and `--resume`; it writes `result.json`.
    Solve(Vec<String>),
}

impl Task {
    /// Whether it reads a file of the folder that is written, by its bare name: a text of a corruption has no way to write
    /// a path with a space in it.
    pub fn starts_in_out(&self) -> bool {
        matches!(&self.kind, Kind::Train(config) if config.corruption.to_string().contains(SIGNS))
    }

    /// Whether it ended as it should.
    pub fn is_done(&self) -> bool {
        match self.kind {
            Kind::Train(_) => {
                RunFolder::at(&self.folder).read_manifest().is_ok_and(|manifest| manifest.outcome.is_some())
            }
            Kind::Solve(_) => self.folder.join("result.json").exists(),
        }
    }

    /// Whether it has begun, so that it goes on rather than begins.
    pub fn is_begun(&self) -> bool {
        match self.kind {
            Kind::Train(_) => self.folder.join("run.json").exists(),
            Kind::Solve(_) => self.is_done(),
        }
    }

    /// Epochs at most; 0 of what has none.
    pub fn epochs(&self) -> u32 {
        match &self.kind {
            Kind::Train(config) => config.epochs,
            Kind::Solve(_) => 0,
        }
    }
}

/// An experiment and its tasks.
#[derive(Clone, Debug)]
pub struct Part {
    /// The experiment; none for a grid of the user's.
    pub experiment: Option<Experiment>,
    /// Its heading.
    pub title: String,
    /// What was scaled down.
    pub scaled_down: String,
    /// Its tasks, in the order of its grid: places in [`Plan::tasks`].
    pub tasks: Vec<usize>,
}

/// Everything that is to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The folder that is written.
    pub out: PathBuf,
    /// The experiments.
    pub parts: Vec<Part>,
    /// The tasks, each once.
    pub tasks: Vec<Task>,
}

impl Plan {
    /// Nothing yet.
    pub fn new(out: &Path) -> Plan {
        Plan { out: out.to_path_buf(), parts: Vec::new(), tasks: Vec::new() }
    }

    /// Adds the runs of `grid` on the data set with the id `content`.
    ///
    /// # Errors
    /// [`TrainError::Grid`].
    pub fn add_grid(
        &mut self,
        experiment: Option<Experiment>,
        grid: &Grid,
        wanted: &Wanted,
        content: Digest,
        origin: &str,
    ) -> Result<()> {
        let mut tasks = Vec::new();
        for config in grid.runs(wanted, origin)? {
            let name = name(&config, content);
            tasks.push(self.add(Task {
                folder: self.out.join("runs").join(&name),
                name,
                kind: Kind::Train(Box::new(config)),
            }));
        }
        let (title, scaled_down) = (grid.title.clone(), grid.scaled_down(wanted.scale).to_owned());
        self.parts.push(Part { experiment, title, scaled_down, tasks });
        Ok(())
    }

    /// Adds what is computed in closed form, without training a network: subcommands of `rfx-train theory`.
    pub fn add_solutions(&mut self, experiment: Experiment, scale: Scale, data: &solve::Data) {
        let solutions = solve::solutions(experiment, scale, data);
        let tasks = solutions.into_iter().map(|(name, arguments)| {
            self.add(Task { folder: self.out.join("theory").join(&name), name, kind: Kind::Solve(arguments) })
        });
        let tasks = tasks.collect();
        let title = solve::title(experiment).to_owned();
        let scaled_down = solve::scaled_down(experiment, scale).to_owned();
        self.parts.push(Part { experiment: Some(experiment), title, scaled_down, tasks });
    }

    /// Adds a task, unless it is there already, and returns its place.
    pub fn add(&mut self, task: Task) -> usize {
        self.tasks.iter().position(|known| known.name == task.name).unwrap_or_else(|| {
            self.tasks.push(task);
            self.tasks.len() - 1
        })
    }

    /// Writes what the tasks need: the configuration of each run, and files that corruptions read.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn write(&self) -> Result<()> {
        let io = |path: &Path, action| {
            let path = path.to_path_buf();
            move |source| TrainError::Io { path, action, source }
        };
        for folder in [self.configurations(), self.out.join("runs"), self.out.join("theory"), self.logs()] {
            fs::create_dir_all(&folder).map_err(io(&folder, "create"))?;
        }
        for task in &self.tasks {
            let Kind::Train(config) = &task.kind else { continue };
            let path = self.configuration(task);
            let text = toml::to_string(config.as_ref()).map_err(|e| TrainError::Report(e.to_string()))?;
            atomic::write(&path, text.as_bytes()).map_err(io(&path, "write"))?;
            if task.starts_in_out() {
                let path = self.out.join(SIGNS);
                let classes = rfx_loader::Dataset::open(&config.data, rfx_loader::dataset::Verify::Once)
                    .map_err(rfx_loader::Error::from)?
                    .classes()
                    .len();
                let row: Vec<&str> = (0..classes).map(|class| if class < 2 { "0.5" } else { "0" }).collect();
                let text = format!("{}\n", row.join(",")).repeat(classes);
                if fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
                    atomic::write(&path, text.as_bytes()).map_err(io(&path, "write"))?;
                }
            }
        }
        Ok(())
    }

    fn configurations(&self) -> PathBuf {
        self.out.join("plan")
    }

    /// The file with a run's options.
    pub fn configuration(&self, task: &Task) -> PathBuf {
        self.configurations().join(format!("{}.toml", task.name))
    }

    fn logs(&self) -> PathBuf {
        self.out.join("logs")
    }

    /// What the task's process says.
    pub fn log(&self, task: &Task) -> PathBuf {
        self.logs().join(format!("{}.log", task.name))
    }
}

/// A name that says what a run is, and differs from that of every other: its beginning is for people, its end a digest of
/// everything that decides its weights. Where the data lie, threads and device are no part of it.
fn name(config: &RunConfig, content: Digest) -> String {
    let mut identity = config.clone();
    identity.data = PathBuf::new();
    identity.threads = 1;
    identity.loader_threads = 0;
    identity.device = crate::device::DeviceName::Cpu;
    identity.checkpoint_every = 1;
    identity.cache_view = false;
    identity.ledger = false;
    let mut hasher = Hasher::new("rfx.sweep.run/1");
    hasher.bytes(content.to_string().as_bytes());
    hasher.bytes(toml::to_string(&identity).unwrap_or_default().as_bytes());
    let digest = hasher.finish().to_string();
    let mut words: Vec<String> = vec![config.model.to_string(), config.corruption.to_string()];
    words.push(format!("s{}", config.seed));
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".-".contains(c) { c } else { '-' };
    let text: String =
        words.join("_").chars().map(|c| if c == '_' { c } else { plain(c) }).take(90).collect();
    format!("{text}_{}", digest.get(..8).unwrap_or(&digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Options, reproduce::Scale};

    #[test]
    fn runs_that_several_experiments_need_are_planned_once() {
        let over = Options { data: Some("d".into()), threads: Some(1), ..Options::default() };
        let wanted = Wanted { scale: Some(Scale::Quick), over, ..Wanted::default() };
        let content = Hasher::new("test").finish();
        let mut plan = Plan::new(Path::new("o"));
        for experiment in [Experiment::Fig1a, Experiment::Fig1b, Experiment::Table1, Experiment::Rademacher] {
            let grid = experiment.grid().unwrap().unwrap();
            plan.add_grid(Some(experiment), &grid, &wanted, content, "x").unwrap();
        }
        let all: usize = plan.parts.iter().map(|part| part.tasks.len()).sum();
        // True labels are in three grids, random labels against clean test labels in two.
        assert_eq!((all, plan.tasks.len()), (7 + 11 + 3 + 3, 24 - 2 - 1));
        let mut names: Vec<&str> = plan.tasks.iter().map(|task| task.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), plan.tasks.len());
        let signs = plan.tasks.iter().find(|task| task.name.contains("random-signs")).unwrap();
        assert!(signs.starts_in_out() && !signs.name.contains('/'), "{}", signs.name);
        assert_eq!(plan.tasks.iter().filter(|task| task.starts_in_out()).count(), 3);
    }

    #[test]
    fn the_name_is_of_the_weights_and_not_of_the_machine() {
        let content = Hasher::new("test").finish();
        let named = |set: &str| {
            let options = Options::from_set(set).unwrap();
            let options = options.over(Options { data: Some("d".into()), ..Options::default() });
            name(&options.resolve().unwrap(), content)
        };
        let plain = named("seed=1");
        assert!(plain.starts_with("mlp-1x512_true-labels_s1_"), "{plain}");
        for same in [
            "threads=7",
            "loader-threads=2",
            "data='elsewhere'",
            "checkpoint-every=3",
            "cache-view=true",
            "ledger=true",
        ] {
            assert_eq!(named(same), plain, "{same}");
        }
        for other in ["seed=2", "lr=0.5", "epochs=3", "subset=100", "until-loss=0.1", "flip=true", "rotate=1"]
        {
            assert_ne!(named(other), plain, "{other}");
        }
        let other = Hasher::new("other").finish();
        let config = Options { data: Some("d".into()), ..Options::default() }.resolve().unwrap();
        assert_ne!(name(&config, other), plain);
    }
}
