//! Which samples a trigger poisons, for the labels and the images alike: both ask the same words.

use super::InputSpec;
use crate::{
    digest::Hasher,
    rng::{Key, Threshold},
};

/// The samples of one split that get the trigger's patch.
pub(crate) struct Poison {
    pub target: u32,
    amount: Threshold,
    /// Samples that are of the target class anyway are left alone.
    spares_target: bool,
    key: Key,
}

impl Poison {
    /// Of the train split a share, each sample alike; of other splits every sample that is not of the target class,
    /// because whether the attack works is asked of all of them. `None` where the spec has no trigger.
    pub fn of(spec: &InputSpec, seed: u64, train: bool) -> Option<Poison> {
        let InputSpec::Trigger { target, amount, .. } = *spec else { return None };
        let share = Threshold::from_probability(amount).unwrap_or(Threshold::NEVER); // validated with the spec
        let amount = if train { share } else { Threshold::ALWAYS };
        let key = Key::derive("trigger/amount", seed);
        Some(Poison { target, amount, spares_target: !train, key })
    }

    /// Whether the sample of `id`, of the clean class `label`, gets the patch.
    #[inline]
    pub fn hits(&self, id: i64, label: i64) -> bool {
        match self.amount {
            _ if self.spares_target && i64::from(self.target) == label => false,
            Threshold::ALWAYS => true,
            amount => amount.hits(self.key.first::<1>(id as u64, 0)[0]),
        }
    }

    /// The share of samples that are not spared.
    pub fn amount(&self) -> f64 {
        self.amount.probability()
    }

    /// The probability that a sample of class `label` gets the patch.
    pub fn probability(&self, label: i64) -> f64 {
        if self.spares_target && i64::from(self.target) == label { 0.0 } else { self.amount.probability() }
    }

    pub fn hash_into(&self, hasher: &mut Hasher) {
        hasher.u64(self.amount.raw()).u32(self.spares_target.into()).u32(self.target);
    }
}
