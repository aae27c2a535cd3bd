//! What an audit found.

use std::path::PathBuf;

use serde::Serialize;

use crate::{digest::Digest, pipeline::Position};

/// What the ledgers of a run and its restarts prove.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LedgerReport {
    /// Whether each sample of each epoch was taken once, as far as the run has come.
    pub sound: bool,
    /// The data set.
    pub content: Digest,
    /// Digest of the loader spec.
    pub spec: Digest,
    /// The run's seed.
    pub seed: u64,
    /// The split.
    pub split: String,
    /// Samples of an epoch; without those that `drop-last` leaves out.
    pub samples: u64,
    /// Steps of an epoch.
    pub steps: u64,
    /// The run and its restarts, in the order in which they began.
    pub runs: Vec<RunReport>,
    /// Each epoch that something was taken of.
    pub epochs: Vec<EpochReport>,
    /// First and last of epochs that nothing was taken of, though of one before and of one after.
    pub untouched: Vec<[u32; 2]>,
    /// Lines that a killed process could not finish. What they were of counts as not taken.
    pub torn: Vec<Torn>,
}

/// The processes that began at one position, together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunReport {
    /// Where they began.
    pub start: Position,
    /// Ranks there should have been.
    pub world: u32,
    /// The ranks whose ledgers are there.
    pub ranks: Vec<u32>,
    /// Where the one that came furthest would have gone on; none where no batch was taken.
    pub end: Option<Position>,
    /// Samples that they took.
    pub samples: u64,
    /// Where a later run began, which took what comes from there on again.
    pub replaced_from: Option<Position>,
    /// Samples that they had taken of that.
    pub replaced: u64,
    /// Earlier runs, by their places in the list, that were still taking batches when this one began. That is no
    /// restart, so nothing was replaced.
    pub beside: Vec<usize>,
}

/// What became of one epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct EpochReport {
    /// The epoch.
    pub epoch: u32,
    /// Whether all of it has been taken by now; the last epoch of a run that was stopped is not.
    pub finished: bool,
    /// Steps that were looked at: all, or those the run has come to.
    pub steps: u64,
    /// Samples of these steps that were taken once.
    pub once: u64,
    /// Samples of the last of these steps that some rank has not taken yet.
    pub pending: u64,
    /// Samples that were taken before by a run that a restart replaced. They are counted nowhere else.
    pub replaced: u64,
    /// Samples of these steps that were not taken.
    pub missing: Tally,
    /// Samples that were taken more than once.
    pub doubled: Tally,
    /// Batches that held other samples than data set, spec and seed say. What they held counts as not taken.
    pub foreign: Tally,
}

/// Samples with something wrong with them, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// How many.
    pub samples: u64,
    /// The first [`Tally::PLACES`] steps with any of them.
    pub places: Vec<Place>,
}

/// A step of an epoch with something wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Place {
    /// The step.
    pub step: u64,
    /// Samples of it.
    pub samples: u64,
    /// The first [`Place::IDS`] of their ids.
    pub ids: Vec<i64>,
}

/// A line that its process could not finish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Torn {
    /// The ledger.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u64,
}

impl RunReport {
    /// How many ranks have no ledger.
    pub fn absent(&self) -> u64 {
        u64::from(self.world).saturating_sub(self.ranks.len() as u64)
    }

    /// The first few of them.
    pub fn first_absent(&self) -> impl Iterator<Item = u32> {
        (0..self.world).filter(|rank| self.ranks.binary_search(rank).is_err()).take(10)
    }
}

impl EpochReport {
    /// Whether every sample that was due was taken once.
    pub fn is_sound(&self) -> bool {
        [&self.missing, &self.doubled, &self.foreign].iter().all(|tally| tally.samples == 0)
    }
}

impl Tally {
    /// Most steps that are listed.
    pub const PLACES: usize = 100;

    /// Adds a sample of `step`; steps come in order.
    pub(super) fn add(&mut self, step: u64, id: i64) {
        self.samples += 1;
        if self.places.last().is_none_or(|place| place.step != step) {
            if self.places.len() == Tally::PLACES {
                return;
            }
            self.places.push(Place { step, samples: 0, ids: Vec::new() });
        }
        let Some(place) = self.places.last_mut() else { return };
        place.samples += 1;
        if place.ids.len() < Place::IDS {
            place.ids.push(id);
        }
    }
}

impl Place {
    /// Most ids that are listed.
    pub const IDS: usize = 10;
}
