//! The training loop.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use rfx_loader::{
    Loader, Position, State,
    rng::{Key, Words},
};
use tch::Device;

use crate::{
    bridge::TorchBatch,
    checkpoint::{self, Best, Checkpoint, RunState},
    config::{ConfigError, RunConfig},
    error::Result,
    feed::{Against, Feed, cross_entropy},
    folder::{Applied, DataManifest, LabelManifest, Outcome, RunFolder, RunManifest},
    journal::Journal,
    lock::FolderLock,
    metrics::{EpochMetrics, Tally},
    model::Model,
    samples::SampleScores,
    sgd::Sgd,
    shim,
    signal::Interrupt,
    stopping::{EarlyStopping, Kept},
};

/// One process trains, as rank 0; libtorch's generator is seeded by rank too.
const RANK: u32 = 0;

/// Held from seeding libtorch's generator to the last draw that must come from that seed.
static GENERATOR: Mutex<()> = Mutex::new(());

/// What a run tells while it goes on.
pub trait Observer {
    /// The run is about to begin, or to go on after `epochs_done`.
    fn started(&mut self, _manifest: &RunManifest, _epochs_done: u32) {}
    /// Something that deserves attention but stops nothing.
    fn warned(&mut self, _message: &str) {}
    /// A step of the epoch is done.
    fn stepped(&mut self, _epoch: u32, _step: u64, _steps: u64) {}
    /// An epoch is done.
    fn finished_epoch(&mut self, _metrics: &EpochMetrics) {}
}

/// Hears nothing.
impl Observer for () {}

/// Why a run returned.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// It is over.
    Finished(Outcome),
    /// It was interrupted, and its checkpoint goes on from the next step.
    Interrupted(Position),
}

/// A run in progress.
pub struct Run {
    config: RunConfig,
    folder: RunFolder,
    _lock: FolderLock,
    feed: Feed,
    device: Device,
    model: Model,
    sgd: Sgd,
    manifest: RunManifest,
    progress: Progress,
}

/// How far a run is; the rest of what a checkpoint holds.
struct Progress {
    next: Position,
    step: u64,
    running: Tally,
    epoch_seconds: f64,
    epoch_wait_seconds: f64,
    best: Option<Best>,
    kept: Option<Kept>,
    fitted: Option<u32>,
}

impl Progress {
    fn beginning(device: Device) -> Result<Progress> {
        Ok(Progress {
            next: Position::default(),
            step: 0,
            running: Tally::new(device)?,
            epoch_seconds: 0.0,
            epoch_wait_seconds: 0.0,
            best: None,
            kept: None,
            fitted: None,
        })
    }

    /// Whether the last step of an epoch is done and its evaluation is not: the sums over its batches are still there. A
    /// run that is stopped meanwhile goes on with the evaluation.
    fn evaluation_is_due(&self) -> bool {
        self.next.step == 0 && self.running.samples() > 0
    }

    /// Epochs finished, evaluation included.
    fn epochs_done(&self) -> u32 {
        self.next.epoch - u32::from(self.evaluation_is_due())
    }
}

impl Run {
    /// Begins a run in the new folder `out`.
    ///
    /// # Errors
    /// [`crate::TrainError::Exists`] if `out` is taken, [`crate::TrainError::Busy`] if another run is in it; whatever keeps
    /// data, device or network from being set up, in which case nothing is left in `out`.
    pub fn begin(mut config: RunConfig, out: &std::path::Path) -> Result<Run> {
        let device = prepare(&config)?;
        let feed = Feed::open(&config)?;
        config.crop = Some(feed.train.spec().crop);
        let model = build(&config, &feed, device)?;
        let (folder, lock) = RunFolder::create(out)?;
        let sgd = Sgd::new(&model.parameters, config.momentum, config.weight_decay);
        let manifest = manifest(&config, &feed, &model);
        folder.write_manifest(&manifest)?;
        let progress = Progress::beginning(device)?;
        Ok(Run { config, folder, _lock: lock, feed, device, model, sgd, manifest, progress })
    }

    /// Goes on with the run in `out` from its checkpoint, or from the beginning where it has none yet. No crop in `config`
    /// means the one that the run began with.
    ///
    /// # Errors
    /// [`crate::TrainError::NoRun`]; [`crate::TrainError::Busy`] while another run is in it; [`ConfigError::Changed`] if
    /// `config` differs in what decides the weights, [`crate::TrainError::OtherData`] if the data do;
    /// [`checkpoint::CheckpointError`].
    pub fn resume(mut config: RunConfig, out: &std::path::Path, observer: &mut dyn Observer) -> Result<Run> {
        let (folder, lock, saved) = RunFolder::reopen(out)?;
        config.crop = config.crop.or(saved.config.crop);
        config.same_run_as(&saved.config)?;
        saved.data.check(&config.data)?;
        let device = prepare(&config)?;
        let feed = Feed::open(&config)?;
        let model = build(&config, &feed, device)?;
        let sgd = Sgd::new(&model.parameters, config.momentum, config.weight_decay);
        let manifest = manifest(&config, &feed, &model);
        let path = folder.checkpoint();
        let progress = if path.exists() {
            let checkpoint = Checkpoint::read(&path)?;
            let state = &checkpoint.state;
            let next = resume_position(&state.loader, &feed)?;
            if state.threads != config.threads || state.device != config.device.to_string() {
                observer.warned(&format!(
                    "the checkpoint was written with {} threads on {}, this run has {} on {}: the same samples \
                     follow, but sums may differ in the last bits",
                    state.threads, state.device, config.threads, config.device
                ));
            }
            let mut progress = Progress {
                next,
                step: state.step,
                running: checkpoint.restore(&model, &sgd, device)?,
                epoch_seconds: state.epoch_seconds,
                epoch_wait_seconds: state.epoch_wait_seconds,
                best: state.best,
                // Without patience nothing was kept; with it from now on, the next epoch is the first to be.
                kept: state.kept.filter(|_| config.patience.is_some()),
                fitted: None,
            };
            // The stopping loss may be another than before: the epochs so far say when this one was reached.
            let metrics = folder.read_metrics_until(progress.epochs_done())?;
            progress.fitted = metrics.iter().find(|m| config.is_fitted_by(m.train.loss)).map(|m| m.epoch);
            let done = (progress.running.samples() == 0).then(|| progress.epochs_done());
            if progress.kept.is_some_and(|kept| done == Some(kept.epoch)) {
                // A process that was killed between the two files left the best one as it was before.
                folder.keep_checkpoint()?;
            }
            progress
        } else {
            // Without a loader state to compare, the manifest says what the run was begun with.
            if manifest.spec != saved.spec {
                let (found, expected) = (manifest.spec.short(), saved.spec.short());
                return Err(ConfigError::Changed { key: "loader spec", found, expected }.into());
            }
            Progress::beginning(device)?
        };
        // Before the first step: if that is as far as it comes, the next resume goes on with this configuration.
        folder.write_manifest(&manifest)?;
        Ok(Run { config, folder, _lock: lock, feed, device, model, sgd, manifest, progress })
    }

    /// The network.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// What is being run.
    pub fn manifest(&self) -> &RunManifest {
        &self.manifest
    }

    /// Trains until the last epoch, the stopping loss, or an interrupt, which is looked at between steps and between the
    /// batches of an evaluation. An evaluation that is interrupted is made anew when the run goes on.
    ///
    /// # Errors
    /// Whatever stops it; the last checkpoint stays.
    pub fn train(&mut self, interrupt: &Interrupt, observer: &mut dyn Observer) -> Result<End> {
        observer.started(&self.manifest, self.progress.epochs_done());
        let recorded = self.config.per_sample.then(|| self.feed.train_evaluation.samples());
        let mut journal = Journal::open(&self.folder, self.progress.epochs_done(), recorded)?;
        let steps = self.feed.train.steps_per_epoch();
        let generator = Key::derive("dropout", self.config.seed);
        let ledger = self.config.ledger.then(|| self.folder.ledger());
        let mut loader = None;
        // Of the loader's own count, what earlier epochs waited.
        let mut waited = 0.0;
        let wait = |loader: &Option<Loader>| loader.as_ref().map_or(0.0, |loader| loader.stats().wait_s);
        let mut started = Instant::now();
        loop {
            if self.progress.evaluation_is_due() {
                let Some((line, scores)) = self.end_epoch(wait(&loader) - waited, started, interrupt)? else {
                    return self.stop(wait(&loader) - waited, started, &journal);
                };
                waited = wait(&loader);
                started = Instant::now();
                journal.append(&line, scores.as_ref())?;
                observer.finished_epoch(&line);
                let stopping = self.config.early_stopping();
                let better = stopping.and_then(|rule| rule.better(&line, self.progress.kept));
                self.progress.kept = better.or(self.progress.kept);
                if better.is_some() || line.epoch % self.config.checkpoint_every == 0 {
                    self.save(&journal)?;
                }
                if better.is_some() {
                    self.folder.keep_checkpoint()?;
                }
            }
            if self.is_over() {
                break;
            }
            if interrupt.is_raised() {
                return self.stop(wait(&loader) - waited, started, &journal);
            }
            let loader = match &mut loader {
                Some(loader) => loader,
                none => none.insert(self.feed.batches(
                    self.progress.next,
                    self.config.epochs,
                    ledger.as_deref(),
                )?),
            };
            let Some(batch) = loader.next() else { break };
            let at = self.progress.next;
            self.step(batch?, &generator)?;
            self.progress.next = loader.next_position();
            observer.stepped(at.epoch, at.step, steps);
        }
        self.save(&journal)?;
        journal.finish(&self.feed.train_evaluation)?;
        let outcome = Outcome {
            epochs: self.progress.next.epoch,
            fitted: self.progress.fitted,
            best: self.progress.best,
            kept: self.progress.kept,
            stopped_early: self.is_out_of_patience(),
        };
        self.manifest.outcome = Some(outcome.clone());
        self.folder.write_manifest(&self.manifest)?;
        Ok(End::Finished(outcome))
    }

    /// Writes a checkpoint in the middle of an epoch that began at `started`, or before its evaluation.
    fn stop(&mut self, waited: f64, started: Instant, journal: &Journal) -> Result<End> {
        self.progress.epoch_wait_seconds += waited;
        self.progress.epoch_seconds += started.elapsed().as_secs_f64();
        self.save(journal)?;
        Ok(End::Interrupted(self.progress.next))
    }

    /// Whether there is nothing left to do: at the end of an epoch, the last one, or one that fits, or the last that
    /// patience waits for.
    fn is_over(&self) -> bool {
        let Position { epoch, step } = self.progress.next;
        let ended =
            epoch >= self.config.epochs || self.progress.fitted.is_some() || self.is_out_of_patience();
        step == 0 && ended
    }

    fn is_out_of_patience(&self) -> bool {
        let is_over = |rule: EarlyStopping| rule.is_over(self.progress.epochs_done(), self.progress.kept);
        self.config.early_stopping().is_some_and(is_over)
    }

    /// One update of the weights.
    fn step(&mut self, batch: rfx_loader::Batch, generator: &Key) -> Result<()> {
        let lr = self.learning_rate(batch.epoch());
        let batch = TorchBatch::new(batch, self.device)?;
        let logits = if self.config.dropout > 0.0 {
            // Dropout draws from libtorch's generator. Seeding it before every step makes its draws a function of
            // (seed, step), so a resumed run repeats them; it is the process's own, so runs take turns.
            let _turn = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
            tch::manual_seed(generator_seed(&mut generator.words(self.progress.step, RANK)));
            self.model.forward(&batch.input, true)?
        } else {
            self.model.forward(&batch.input, true)?
        };
        let losses = cross_entropy(&logits, &batch.labels)?;
        losses.f_mean(tch::Kind::Float)?.f_backward()?;
        self.sgd.step(&self.model.parameters, lr)?;
        self.progress.running.add(&losses.detach(), &logits.detach(), &batch.labels, &batch.corrupted)?;
        self.progress.step += 1;
        Ok(())
    }

    fn learning_rate(&self, epoch: u32) -> f64 {
        self.config.lr * self.config.lr_decay.powi(i32::try_from(epoch).unwrap_or(i32::MAX))
    }

    /// Evaluates the epoch whose last step is done, and each training sample where that is recorded; nothing has changed if
    /// `interrupt` is raised before the end.
    fn end_epoch(
        &mut self,
        waited: f64,
        started: Instant,
        interrupt: &Interrupt,
    ) -> Result<Option<(EpochMetrics, Option<SampleScores>)>> {
        let epoch = self.progress.epochs_done();
        let evaluating = Instant::now();
        let (feed, model, device) = (&self.feed, &self.model, self.device);
        let tally = |recipe, against, each| -> Result<Option<Tally>> {
            let mut tally = Tally::of_evaluation(device, each)?;
            let whole = feed.evaluate_until(interrupt, model, recipe, epoch, against, &mut tally)?;
            Ok(whole.then_some(tally))
        };
        let each = self.config.per_sample;
        let Some(of_train) = tally(&feed.train_evaluation, Against::Given, each)? else { return Ok(None) };
        let Some(of_test) = tally(&feed.test, Against::Clean, false)? else { return Ok(None) };
        let (train, test, mut test_given) = (of_train.score()?, of_test.score()?, None);
        if feed.has_corrupted_test_labels() {
            let Some(given) = tally(&feed.test, Against::Given, false)? else { return Ok(None) };
            test_given = Some(given.score()?);
        }
        let running = std::mem::replace(&mut self.progress.running, Tally::new(self.device)?).score()?;
        let done = epoch + 1;
        if self.progress.fitted.is_none() && self.config.is_fitted_by(train.loss) {
            self.progress.fitted = Some(done);
        }
        if self.progress.best.is_none_or(|best| test.accuracy > best.test_accuracy) {
            self.progress.best = Some(Best { epoch: done, test_accuracy: test.accuracy });
        }
        let before = std::mem::take(&mut self.progress.epoch_seconds);
        let waited_before = std::mem::take(&mut self.progress.epoch_wait_seconds);
        let metrics = EpochMetrics {
            epoch: done,
            step: self.progress.step,
            lr: self.learning_rate(epoch),
            running,
            train,
            test,
            test_given,
            seconds: before + started.elapsed().as_secs_f64(),
            evaluation_seconds: evaluating.elapsed().as_secs_f64(),
            loader_wait_seconds: waited_before + waited,
        };
        Ok(Some((metrics, of_train.into_samples())))
    }

    fn save(&self, journal: &Journal) -> Result<()> {
        journal.sync()?;
        let train = &self.feed.train;
        let state = RunState {
            model: Some(self.config.model),
            shape: train.sample_shape().into(),
            classes: train.classes(),
            loader: State::new(train, self.progress.next),
            epoch: self.progress.epochs_done(),
            step: self.progress.step,
            running_samples: self.progress.running.samples(),
            epoch_seconds: self.progress.epoch_seconds,
            epoch_wait_seconds: self.progress.epoch_wait_seconds,
            best: self.progress.best,
            kept: self.progress.kept,
            threads: self.config.threads,
            device: self.config.device.to_string(),
        };
        Ok(checkpoint::save(
            &self.folder.checkpoint(),
            &self.model,
            &self.sgd,
            &self.progress.running,
            &state,
        )?)
    }
}

/// Sets threads, determinism and device.
fn prepare(config: &RunConfig) -> Result<Device> {
    let device = config.device.prepare()?;
    tch::set_num_threads(i32::try_from(config.threads).unwrap_or(1));
    shim::deterministic();
    Ok(device)
}

fn build(config: &RunConfig, feed: &Feed, device: Device) -> Result<Model> {
    let (shape, classes) = (feed.train.sample_shape(), feed.train.classes());
    if shape.height.min(shape.width) < config.model.least_side() {
        return Err(ConfigError::Value {
            key: "model",
            found: format!("{} for images of {} x {}", config.model, shape.height, shape.width),
            expected: "images of 75 x 75 or more for inception-v3, after the crop",
        }
        .into());
    }
    Ok(Model::build(config.model, shape, classes, config.dropout, config.seed, device)?)
}

/// Where the checkpoint's loader state says to go on, if it is of this data set, spec and seed.
fn resume_position(state: &State, feed: &Feed) -> Result<Position> {
    let position = state.resume(&feed.train).map_err(rfx_loader::pipeline::PipelineError::from);
    Ok(position.map_err(rfx_loader::Error::from)?)
}

fn generator_seed(words: &mut Words) -> i64 {
    let (low, high) = (words.next_u32(), words.next_u32());
    (u64::from(high) << 32 | u64::from(low)).cast_signed()
}

fn manifest(config: &RunConfig, feed: &Feed, model: &Model) -> RunManifest {
    let dataset = feed.train.dataset();
    RunManifest {
        schema: "rfx.run/1".into(),
        config: config.clone(),
        data: DataManifest {
            kind: dataset.index().source.kind.clone(),
            generated: dataset.is_generated(),
            content: dataset.content(),
            pack: dataset.pack(),
            classes: feed.train.classes(),
            shape: dataset.element_shape().into(),
        },
        spec: feed.train.digest(),
        corruption_seed: feed.train.corruption_seed(),
        applied: Applied {
            train_labels: feed.train.label_spec().to_string(),
            train_inputs: feed.train.input_spec().to_string(),
            test_labels: feed.test.label_spec().to_string(),
            test_inputs: feed.test.input_spec().to_string(),
        },
        labels: LabelManifest::from(&feed.train.label_report(0)),
        network: config.model.describe(feed.train.sample_shape()),
        parameters: model.parameters.count(),
        samples: [feed.train.samples() as u64, feed.test.samples() as u64],
        steps_per_epoch: feed.train.steps_per_epoch(),
        rfx: env!("CARGO_PKG_VERSION").into(),
        libtorch: "2.11.0".into(),
        outcome: None,
    }
}
