//! Where a loader stands, as small JSON.

use serde::{Deserialize, Serialize};

use super::{Position, StateError};
use crate::{digest::Digest, recipe::Recipe};

/// Where the next batch is. It says nothing of threads, ranks or world size, so a run resumes on any of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    version: u32,
    content: Digest,
    spec: Digest,
    seed: u64,
    epoch: u32,
    /// Samples of this epoch already handed out, over all ranks.
    position: u64,
    /// Samples of a global batch.
    batch: u64,
}

const VERSION: u32 = 1;

impl State {
    /// The state of a loader of `recipe` whose next batch is at `next`.
    pub fn new(recipe: &Recipe, next: Position) -> Self {
        let batch = recipe.spec().batch as u64;
        State {
            version: VERSION,
            content: recipe.dataset().content(),
            spec: recipe.digest(),
            seed: recipe.seed(),
            epoch: next.epoch,
            position: next.step * batch,
            batch,
        }
    }

    /// The epoch of the next batch.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Samples of that epoch already handed out, over all ranks.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Where to go on, for a loader of `recipe`.
    ///
    /// # Errors
    /// [`StateError`] naming what differs, with both values.
    pub fn resume(&self, recipe: &Recipe) -> Result<Position, StateError> {
        if self.version != VERSION {
            return Err(StateError::Version { found: self.version, expected: VERSION });
        }
        let content = recipe.dataset().content();
        if self.content != content {
            return Err(StateError::Content { found: self.content, expected: content });
        }
        // Before the spec, whose digest has the seed in it where a corruption is drawn with it.
        if self.seed != recipe.seed() {
            return Err(StateError::Seed { found: self.seed, expected: recipe.seed() });
        }
        if self.spec != recipe.digest() {
            return Err(StateError::Spec { found: self.spec, expected: recipe.digest() });
        }
        let (batch, samples) = (recipe.spec().batch as u64, recipe.samples() as u64);
        let step = self.position / batch;
        if self.batch != batch || !self.position.is_multiple_of(batch) || step >= recipe.steps_per_epoch() {
            return Err(StateError::Position { found: self.position, batch, samples });
        }
        Ok(Position { epoch: self.epoch, step })
    }
}
