//! Counting how often each sample of each epoch was taken.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    LedgerError,
    entry::{Head, IdsHash, Taken},
    read::{Process, read},
    report::{EpochReport, LedgerReport, RunReport},
    runs::{Run, group},
};
use crate::{
    dataset::Dataset,
    error::Result,
    order::{OrderKind, Partition},
    pipeline::Position,
    recipe::{EpochOrder, Recipe},
};

/// Reads the ledgers in `files`, of a run and of its restarts in any order, and says for each epoch whether every sample
/// was taken exactly once. `dataset` is what they were read from; its records are not read.
///
/// How far the run has come is where the rank that came furthest stands. Of the step before that, a rank may lack its
/// part: whoever is stopped is stopped between two ranks. Whatever else was due and is in no ledger is missing.
///
/// Costs some 130 bytes of memory for every batch of every rank, one for every sample, and a few passes over the ids of what
/// was taken.
///
/// # Errors
/// [`LedgerError`] of a file that is no ledger, or one of something else; what is wrong with the data set.
pub fn audit(dataset: &Dataset, files: &[PathBuf]) -> Result<LedgerReport> {
    let (mut torn, mut processes) = (Vec::new(), Vec::new());
    for file in files {
        processes.extend(read(file, &mut torn)?);
    }
    let first = processes.first().ok_or(LedgerError::Nothing)?.head.clone();
    let path = processes[0].path.clone();
    let line = processes[0].line;
    identity(&path, line, "data set", dataset.content(), first.content)?;
    if matches!(first.loader.order, OrderKind::Windowed(_)) {
        identity(&path, line, "pack", dataset.pack(), first.pack)?;
    }
    let recipe = Recipe::new(dataset, &first.visits(), first.seed)?;
    let mut visits = Visits { recipe: &recipe, order: None, numbers: Vec::new() };
    for process in &processes {
        same_run(process, &first)?;
        let head = &process.head;
        position(process, process.line, head.start, &recipe)?;
        for &(line, taken) in &process.taken {
            position(process, line, taken.position(), &recipe)?;
            let slice = head.partition.slice(recipe.batch_len(taken.step));
            field(process, line, "offset and len", (slice.start, slice.len()), (taken.offset, taken.len))?;
        }
    }
    let runs = group(processes);
    let epochs = epochs(&runs, &mut visits);
    let between = epochs.windows(2).map(|pair| [pair[0].epoch + 1, pair[1].epoch - 1]);
    let untouched: Vec<_> = between.filter(|[from, to]| from <= to).collect();
    let runs: Vec<_> = runs.iter().map(|run| report(run, &recipe)).collect();
    let whole = |run: &RunReport| run.absent() == 0 || run.samples == run.replaced;
    Ok(LedgerReport {
        sound: epochs.iter().all(EpochReport::is_sound) && untouched.is_empty() && runs.iter().all(whole),
        content: first.content,
        spec: first.spec,
        seed: first.seed,
        split: first.loader.split.clone(),
        samples: (0..recipe.steps_per_epoch()).map(|step| recipe.batch_len(step) as u64).sum(),
        steps: recipe.steps_per_epoch(),
        runs,
        epochs,
        untouched,
        torn,
    })
}

/// Refuses a process of another data set, spec or seed than the first one's.
fn same_run(process: &Process, first: &Head) -> Result<(), LedgerError> {
    let (path, line, head) = (&process.path, process.line, &process.head);
    identity(path, line, "data set", first.content, head.content)?;
    // Before the spec, whose digest has the seed in it where a corruption is drawn with it.
    identity(path, line, "seed", first.seed, head.seed)?;
    identity(path, line, "loader spec", first.spec, head.spec)?;
    field(process, line, "loader", first.visits(), head.visits())
}

fn identity<T: PartialEq + std::fmt::Display>(
    path: &Path,
    line: u64,
    field: &'static str,
    expected: T,
    found: T,
) -> Result<(), LedgerError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (expected.to_string(), found.to_string());
    Err(LedgerError::Identity { path: path.to_path_buf(), line, field, expected, found })
}

fn field<T: PartialEq + std::fmt::Debug>(
    process: &Process,
    line: u64,
    field: &'static str,
    expected: T,
    found: T,
) -> Result<(), LedgerError> {
    if expected == found {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    Err(LedgerError::Line { path: process.path.clone(), line, field, expected, found })
}

/// Refuses a step that no epoch has, and a batch before the process began.
fn position(process: &Process, line: u64, at: Position, recipe: &Recipe) -> Result<(), LedgerError> {
    let steps = recipe.steps_per_epoch();
    let broken = |expected, found| LedgerError::Line {
        path: process.path.clone(),
        line,
        field: "epoch and step",
        expected,
        found,
    };
    if at.step >= steps {
        return Err(broken(format!("a step below {steps}"), at.step.to_string()));
    }
    let Position { epoch, step } = process.head.start;
    if at < process.head.start {
        let found = format!("epoch {}, step {}", at.epoch, at.step);
        return Err(broken(format!("epoch {epoch}, step {step} or later"), found));
    }
    Ok(())
}

/// Which samples lie where, derived again.
struct Visits<'a> {
    recipe: &'a Recipe,
    order: Option<(u32, EpochOrder)>,
    numbers: Vec<u32>,
}

impl Visits<'_> {
    /// The samples of a slice of a batch, as numbers in id order.
    fn at(&mut self, at: Position, slice: Range<usize>) -> &[u32] {
        let kept = self.order.take().filter(|(epoch, _)| *epoch == at.epoch);
        let (_, order) =
            self.order.insert(kept.unwrap_or_else(|| (at.epoch, self.recipe.epoch_order(at.epoch))));
        let first = at.step * self.recipe.spec().batch as u64 + slice.start as u64;
        self.numbers.resize(slice.len(), 0);
        order.fill(self.recipe.simd(), first, &mut self.numbers);
        &self.numbers
    }
}

/// One batch that a restart did not take back.
struct Kept {
    partition: Partition,
    taken: Taken,
}

fn epochs(runs: &[Run], visits: &mut Visits<'_>) -> Vec<EpochReport> {
    let recipe = visits.recipe;
    let steps = recipe.steps_per_epoch();
    let (mut kept, mut replaced) = (Vec::new(), BTreeMap::<u32, u64>::new());
    for run in runs {
        for process in &run.processes {
            for &(_, taken) in &process.taken {
                if run.is_replaced(taken.position()) {
                    *replaced.entry(taken.epoch).or_default() += taken.len as u64;
                } else {
                    kept.push(Kept { partition: process.head.partition, taken });
                }
            }
        }
    }
    kept.sort_by_key(|kept| kept.taken.position()); // stable: in the order of runs and ranks
    let Some(last) = kept.last().map(|kept| kept.taken.position()) else { return Vec::new() };
    let late = late(runs, last, recipe);
    let mut counts = vec![0u8; recipe.samples()];
    let mut reports = Vec::new();
    for batches in kept.chunk_by(|a, b| a.taken.epoch == b.taken.epoch) {
        let epoch = batches[0].taken.epoch;
        let here = if epoch == last.epoch { last.step + 1 } else { steps };
        let mut report = EpochReport { epoch, steps: here, ..EpochReport::default() };
        report.replaced = replaced.get(&epoch).copied().unwrap_or(0);
        counts.fill(0);
        for Kept { partition, taken } in batches {
            let slice = partition.slice(recipe.batch_len(taken.step));
            let numbers = visits.at(taken.position(), slice);
            let ids = || numbers.iter().map(|&number| recipe.stored(number as usize).0);
            if IdsHash::of(ids()) == taken.ids {
                numbers.iter().for_each(|&n| counts[n as usize] = counts[n as usize].saturating_add(1));
            } else {
                ids().for_each(|id| report.foreign.add(taken.step, id));
            }
        }
        for step in 0..here {
            let at = Position { epoch, step };
            for (row, &number) in visits.at(at, 0..recipe.batch_len(step)).iter().enumerate() {
                let id = recipe.stored(number as usize).0;
                match counts[number as usize] {
                    0 if at == last && late.iter().any(|slice| slice.contains(&row)) => report.pending += 1,
                    0 => report.missing.add(step, id),
                    1 => report.once += 1,
                    _ => report.doubled.add(step, id),
                }
            }
        }
        report.finished = here == steps && report.pending == 0;
        reports.push(report);
    }
    reports
}

/// The slices of the step `last`, the last that any rank took, which others of its run have not come to.
fn late(runs: &[Run], last: Position, recipe: &Recipe) -> Vec<Range<usize>> {
    let furthest = |process: &Process| process.taken.iter().map(|(_, taken)| taken.position()).max();
    let came = |run: &&Run| {
        !run.is_replaced(last) && run.processes.iter().any(|process| furthest(process) == Some(last))
    };
    let Some(run) = runs.iter().rev().find(came) else { return Vec::new() };
    let late = run.processes.iter().filter(|process| furthest(process) < Some(last));
    late.map(|process| process.head.partition.slice(recipe.batch_len(last.step))).collect()
}

fn report(run: &Run, recipe: &Recipe) -> RunReport {
    let taken = || run.processes.iter().flat_map(|process| &process.taken).map(|(_, taken)| taken);
    let samples = |taken: &mut dyn Iterator<Item = &Taken>| taken.map(|taken| taken.len as u64).sum();
    let next = |at: Position| match at.step + 1 == recipe.steps_per_epoch() {
        true => Position { epoch: at.epoch.saturating_add(1), step: 0 },
        false => Position { step: at.step + 1, ..at },
    };
    RunReport {
        start: run.start,
        world: run.world,
        ranks: run.processes.iter().map(|process| process.head.partition.rank()).collect(),
        end: taken().map(Taken::position).max().map(next),
        samples: samples(&mut taken()),
        replaced_from: run.replaced_from,
        replaced: samples(&mut taken().filter(|taken| run.is_replaced(taken.position()))),
        beside: run.beside.clone(),
    }
}
