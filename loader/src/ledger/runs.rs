//! Which processes belong together, which run came first, and what a restart took back.

use super::read::Process;
use crate::pipeline::Position;

/// Processes that began at one position with one world size, each rank once.
#[derive(Debug)]
pub(super) struct Run {
    pub start: Position,
    pub world: u32,
    /// In the order of their ranks.
    pub processes: Vec<Process>,
    /// Where the first restart after it began: what it took from there on was taken back.
    pub replaced_from: Option<Position>,
    /// Earlier runs that were not over when it began.
    pub beside: Vec<usize>,
}

impl Run {
    fn began_us(&self) -> u64 {
        self.processes.iter().map(|process| process.began_us).min().unwrap_or(0)
    }

    fn ended_us(&self) -> u64 {
        self.processes.iter().map(Process::ended_us).max().unwrap_or(0)
    }

    /// Whether what it took at `position` was taken back.
    pub fn is_replaced(&self, position: Position) -> bool {
        self.replaced_from.is_some_and(|from| position >= from)
    }
}

/// Puts processes together to runs, in the order in which these began.
///
/// One that began next joins the run before it if that began at the same position with the same world size, and lacks
/// its rank. A run that began after another had ended is a restart, and replaces what that took at or after its start. One
/// that began before is none: somebody started two at once, and what both took was taken twice.
pub(super) fn group(mut processes: Vec<Process>) -> Vec<Run> {
    processes.sort_by_key(|process| process.began_us); // stable: processes of one file stay in order
    let mut runs: Vec<Run> = Vec::new();
    for process in processes {
        let (start, world) = (process.head.start, process.head.partition.world());
        let rank = |process: &Process| process.head.partition.rank();
        match runs.last_mut() {
            Some(run)
                if (run.start, run.world) == (start, world)
                    && run.processes.iter().all(|other| rank(other) != rank(&process)) =>
            {
                run.processes.push(process);
            }
            _ => runs.push(Run {
                start,
                world,
                processes: vec![process],
                replaced_from: None,
                beside: Vec::new(),
            }),
        }
    }
    for later in 0..runs.len() {
        runs[later].processes.sort_by_key(|process| process.head.partition.rank());
        let (began, start) = (runs[later].began_us(), runs[later].start);
        for earlier in 0..later {
            if runs[earlier].ended_us() > began {
                runs[later].beside.push(earlier);
                continue;
            }
            let from = &mut runs[earlier].replaced_from;
            *from = Some(from.map_or(start, |from| from.min(start)));
        }
    }
    runs
}
