//! When a sample was first learnt, and how often it was forgotten: Toneva et al. 2019 (arXiv:1812.05159), sec. 3.

/// What became of each sample so far. Takes 9 bytes per sample, and a pass over them per epoch.
#[derive(Debug)]
pub(super) struct History {
    epochs: u32,
    /// First epoch, from 1, after which the sample was correct; 0 while there is none.
    pub first_learnt: Vec<u32>,
    /// Times that it was correct and, after the next epoch, was not.
    pub forgotten: Vec<u32>,
    /// Whether it was correct after the last epoch.
    pub correct: Vec<bool>,
}

impl History {
    /// Before the first epoch, when nothing is learnt.
    pub fn new(samples: usize) -> History {
        let zeros = || vec![0; samples];
        History { epochs: 0, first_learnt: zeros(), forgotten: zeros(), correct: vec![false; samples] }
    }

    /// Counts an epoch: 1 for each sample that is correct after it, else 0.
    pub fn add(&mut self, row: &[u8]) {
        self.epochs += 1;
        let counts = self.first_learnt.iter_mut().zip(&mut self.forgotten);
        for ((before, (first, forgotten)), &now) in self.correct.iter_mut().zip(counts).zip(row) {
            let now = now != 0;
            if now && *first == 0 {
                *first = self.epochs;
            }
            *forgotten += u32::from(*before && !now);
            *before = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use rfx_loader::rng::Key;

    use super::*;

    fn history(epochs: &[Vec<u8>]) -> History {
        let mut history = History::new(epochs[0].len());
        epochs.iter().for_each(|row| history.add(row));
        history
    }

    #[test]
    fn learning_and_forgetting_are_counted() {
        // A column per sample: never, always, learnt late, forgotten for good, forgotten twice, forgotten in between.
        let epochs = [[0, 1, 0, 1, 1, 1], [0, 1, 0, 0, 0, 0], [0, 1, 1, 0, 1, 1], [0, 1, 1, 0, 0, 1]];
        let history = history(&epochs.map(Vec::from));
        assert_eq!(history.first_learnt, [0, 1, 3, 1, 1, 1]);
        assert_eq!(history.forgotten, [0, 0, 0, 1, 2, 1]);
        assert_eq!(history.correct, [false, true, true, false, false, true]);
    }

    /// The definition, sample by sample: pairs (1, 0) in its column, and the first 1.
    #[test]
    fn counts_are_those_of_the_definition() {
        for (case, (epochs, samples)) in [(1, 7), (2, 64), (9, 100), (40, 33)].into_iter().enumerate() {
            let mut words = Key::derive("history", case as u64).words(0, 0);
            let rows: Vec<Vec<u8>> = (0..epochs)
                .map(|_| (0..samples).map(|_| u8::from(!words.next_u32().is_multiple_of(3))).collect())
                .collect();
            let history = history(&rows);
            for sample in 0..samples {
                let column: Vec<u8> = rows.iter().map(|row| row[sample]).collect();
                let first = column.iter().position(|&c| c == 1).map_or(0, |epoch| epoch as u32 + 1);
                let forgotten = column.windows(2).filter(|pair| *pair == [1, 0]).count() as u32;
                assert_eq!((history.first_learnt[sample], history.forgotten[sample]), (first, forgotten));
                assert_eq!(history.correct[sample], column.last() == Some(&1));
            }
        }
    }
}
