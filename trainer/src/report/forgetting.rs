//! How often samples were forgotten, where a run recorded it (Toneva et al. 2019, arXiv:1812.05159): the records themselves
//! are explained in [`crate::samples`].

use crate::{
    error::{Result, TrainError},
    folder::RunFolder,
    samples,
};

/// The samples of a run, by whether they were corrupted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Forgetting {
    pub clean: Part,
    pub corrupted: Part,
}

/// Some samples of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Part {
    /// How many.
    pub samples: u64,
    /// Of those, how many were correct after no epoch.
    pub never_learnt: u64,
    /// Of the others, how many had as many forgetting events as the place in this list says.
    pub by_events: Vec<u64>,
}

impl Part {
    fn add(&mut self, first_learnt: i64, forgotten: usize) {
        self.samples += 1;
        if first_learnt == 0 {
            self.never_learnt += 1;
            return;
        }
        if self.by_events.len() <= forgotten {
            self.by_events.resize(forgotten + 1, 0);
        }
        if let Some(count) = self.by_events.get_mut(forgotten) {
            *count += 1;
        }
    }

    /// The share of `count` among its samples; none of no samples.
    pub fn share(&self, count: u64) -> Option<f64> {
        (self.samples > 0).then(|| count as f64 / self.samples as f64)
    }

    /// Samples with one forgetting event or more.
    pub fn forgotten(&self) -> u64 {
        self.by_events.iter().skip(1).sum()
    }

    /// Forgetting events of a sample, on average; none of no samples.
    pub fn mean_events(&self) -> Option<f64> {
        let events = self.by_events.iter().zip(0u64..).map(|(count, events)| count * events).sum();
        self.share(events)
    }
}

/// Reads what the run in `folder` recorded; nothing if it recorded nothing, or has not ended.
///
/// # Errors
/// [`TrainError::Io`]; [`TrainError::RunFile`] if an array cannot be used.
pub(super) fn read(folder: &RunFolder, epochs: u32) -> Result<Option<Forgetting>> {
    let column = |name| samples::column(folder, name);
    let (Some(corrupted), Some(first_learnt), Some(forgotten)) =
        (column("corrupted")?, column("first_learnt")?, column("forgotten")?)
    else {
        return Ok(None);
    };
    let wrong = |name, reason: String| {
        let path = folder.sample_column(name);
        TrainError::RunFile { path, what: "per-sample records", reason }
    };
    if corrupted.len() != forgotten.len() || first_learnt.len() != forgotten.len() {
        let lengths = format!("{}, {} and {}", corrupted.len(), first_learnt.len(), forgotten.len());
        return Err(wrong("forgotten", format!("corrupted, first_learnt and this have {lengths} samples")));
    }
    let mut parts = Forgetting { clean: Part::default(), corrupted: Part::default() };
    for ((corrupted, first_learnt), forgotten) in corrupted.into_iter().zip(first_learnt).zip(forgotten) {
        // What an epoch forgets an epoch before it knew: bounds the list, whatever the file says.
        let events = usize::try_from(forgotten).ok().filter(|events| 2 * events <= epochs as usize);
        let events = events.ok_or_else(|| {
            wrong("forgotten", format!("{forgotten} forgetting events of a sample in {epochs} epochs"))
        })?;
        let part = if corrupted == 0 { &mut parts.clean } else { &mut parts.corrupted };
        part.add(first_learnt, events);
    }
    Ok(Some(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_count_what_they_are_given() {
        let mut part = Part::default();
        assert_eq!((part.share(0), part.mean_events()), (None, None));
        for (first_learnt, forgotten) in [(1, 0), (2, 3), (0, 0), (1, 1), (4, 3)] {
            part.add(first_learnt, forgotten);
        }
        let expected = Part { samples: 5, never_learnt: 1, by_events: vec![1, 1, 0, 2] };
        assert_eq!(part, expected);
        assert_eq!((part.forgotten(), part.mean_events()), (3, Some(1.4)));
        assert_eq!(part.share(part.never_learnt), Some(0.2));
    }
}
