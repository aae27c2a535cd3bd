//! What happened to each training sample, epoch by epoch (`--per-sample`).
//!
//! At the end of an epoch every training sample is evaluated anyway. A run with per-sample records also notes for each
//! whether the largest logit is that of the label trained on, and its loss. In the run's folder are then, `n` being the
//! number of training samples, rows and elements in order of id:
//!
//! | file | dtype, shape | meaning | written |
//! |---|---|---|---|
//! | `samples/correct.npy` | u8 `[epochs, n]` | 1 where the prediction is the label, else 0 | each epoch |
//! | `samples/loss.npy` | f32 `[epochs, n]` | cross-entropy in nats | each epoch |
//! | `samples/id.npy` | i64 `[n]` | the sample's id | at the end |
//! | `samples/clean_label.npy`, `label.npy` | i64 `[n]` | label before corruption, label trained on | at the end |
//! | `samples/rule.npy` | u8 `[n]` | what was done to the label: codes of [`rfx_loader::corrupt::LabelRule`] | at the end |
//! | `samples/corrupted.npy` | bool `[n]` | the label differs from the clean one, or the image was corrupted | at the end |
//! | `samples/first_learnt.npy` | u32 `[n]` | first epoch, from 1, after which it was correct; 0: none | at the end |
//! | `samples/forgotten.npy` | u32 `[n]` | forgetting events | at the end |
//! | `samples/correct_last.npy`, `loss_last.npy` | bool, f32 `[n]` | the last rows of the first two | at the end |
//! | `samples.csv` | | a row per sample, the columns above by their names | at the end |
//!
//! A forgetting event is a sample that was correct and, at the next evaluation, is not (Toneva et al. 2019, "An empirical
//! study of example forgetting during deep neural network learning", arXiv:1812.05159, sec. 3). There a sample is looked
//! at whenever it is trained on, in a mini-batch and with the weights of that step; here at the end of every epoch, all
//! with the same weights and in evaluation mode. Where a corruption is redrawn from epoch to epoch, correctness is against
//! the labels of each epoch, and label, rule and `corrupted` are those of the last.
//!
//! On the CPU these files have the same bits for the same configuration, interrupted or not: the two that grow are cut back
//! to the checkpoint by a resumed run, as `metrics.jsonl` is, and the others are made from them at the end.
//!
//! Costs 5 bytes of disk per sample and epoch (17 MB for 69 epochs of CIFAR-10), 5 bytes of memory per sample during an
//! evaluation, and about 150 at the end; the time of copying these bytes. Without the option, nothing.

mod files;
mod history;
mod read;
mod rows;
mod scores;
mod summary;

pub(crate) use files::SampleFiles;
pub(crate) use read::column;
pub(crate) use scores::SampleScores;
