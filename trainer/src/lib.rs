//! rfx-trainer.
