//! A run's configuration: flags over `--set` over a TOML file over defaults.

use std::path::PathBuf;

use rfx_loader::{
    CorruptionSpec, Crop, Normalise, Subset, decode::Profile, geometry::MAX_ROTATION, recipe::OnBadRecord,
};
use serde::{Deserialize, Serialize};

use crate::{
    device::DeviceName,
    model::ModelName,
    stopping::{EarlyStopping, Monitor},
    weight_decay::WeightDecay,
};

/// What may be given: every key of the TOML file is also a flag (`corruption` is `--corrupt`).
#[derive(Clone, Debug, Default, PartialEq, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// Packed data set (made by rfx-pack)
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Network: mlp-1x512, mlp-3x512, alexnet, inception, inception-no-bn; inception-w4, inception-w4-no-bn (a
    /// quarter as wide: not the paper's networks); inception-v3, for images of 75 pixels and more; resnet-18, resnet-50,
    /// wrn-28-K (K from 1 to 32), which are not in the paper
    /// [default: mlp-1x512]
    #[arg(long, value_name = "NAME")]
    pub model: Option<ModelName>,
    /// Corruption, e.g. random-labels or "labels=uniform:p=0.5 seed=7" [default: true-labels]
    #[arg(long = "corrupt", value_name = "SPEC")]
    pub corruption: Option<CorruptionSpec>,
    /// Seed of order, augmentation, initialisation and, unless the corruption has its own, corruption [default: 1]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Epochs at most [default: 69]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u32>,
    /// Stop after the epoch whose train loss (evaluation mode, whole set) is below this
    #[arg(long, value_name = "LOSS")]
    pub until_loss: Option<f64>,
    /// Stop after N epochs in a row without a better one, and keep the best one's weights in best.safetensors; an N that
    /// is never reached only keeps them [default: never]
    #[arg(long, value_name = "N")]
    pub patience: Option<u32>,
    /// What has to be better for --patience: test-accuracy or test-loss [default: test-accuracy]
    #[arg(long, value_name = "WHAT")]
    pub monitor: Option<Monitor>,
    /// By more than how much it has to be better [default: 0]
    #[arg(long, value_name = "D")]
    pub min_delta: Option<f64>,
    /// Part of the train split: N, N:balanced, fraction:F, range:A..B, classes:C,.. [default: all]
    #[arg(long)]
    pub subset: Option<Subset>,
    /// Part of the test split that is evaluated at the end of each epoch, in the same words [default: all]
    #[arg(long, value_name = "SUBSET")]
    pub test_subset: Option<Subset>,
    /// Column of the data set that labels are taken from, e.g. coarse_label [default: its labels]
    #[arg(long, value_name = "NAME")]
    pub label_column: Option<String>,
    /// Samples of a step, over all ranks; the short last batch is kept [default: 128]
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Crop: none, center:S, random:S, random-resized:S[,area=A..B], center-resized:S (training; evaluation takes the
    /// centre). JPEG records need one of the resized ones [default: center:28 of 32x32 images]
    #[arg(long)]
    pub crop: Option<Crop>,
    /// Mirror training images at random [default: false]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub flip: Option<bool>,
    /// Turn training images at random by up to so many degrees to either side, at most 180; the paper's augmentation is
    /// --flip --rotate 25 [default: 0]
    #[arg(long, value_name = "DEGREES")]
    pub rotate: Option<u8>,
    /// Scaling: whiten (per image), channel, none [default: whiten]
    #[arg(long, value_name = "KIND")]
    pub normalise: Option<Normalise>,
    /// Of JPEG records: decode crops in full (exact), or shrunk by the decoder where they are larger than needed (fast)
    /// [default: exact]
    #[arg(long, value_name = "PROFILE")]
    pub decode: Option<Profile>,
    /// A JPEG record that cannot be decoded: fail, blank (zeros in its place) or substitute (the next sample that can be)
    /// [default: fail]
    #[arg(long, value_name = "POLICY")]
    pub on_bad_record: Option<OnBadRecord>,
    /// Initial learning rate [default: the paper's: 0.01 for MLPs and alexnet, 0.1 for the Inceptions; 0.045 for
    /// inception-v3 and 0.1 for the others, as is usual for them]
    #[arg(long)]
    pub lr: Option<f64>,
    /// Factor on the learning rate after each epoch [default: 0.95]
    #[arg(long, value_name = "FACTOR")]
    pub lr_decay: Option<f64>,
    /// Momentum [default: 0.9]
    #[arg(long)]
    pub momentum: Option<f64>,
    /// L2 in the loss, on weights only: a number, or `default` for 5e-4, with ResNets 1e-4, inception-v3 4e-5 (the paper speaks of "the
    /// default coefficient for each model" and gives none) [default: 0, as in the paper's runs on random labels]
    #[arg(long, value_name = "COEFFICIENT")]
    pub weight_decay: Option<WeightDecay>,
    /// Dropout: after hidden layers of MLPs and alexnet, before the last layer of Inceptions and ResNets, between the two
    /// convolutions of a wrn-28-K block [default: 0]
    #[arg(long, value_name = "P")]
    pub dropout: Option<f64>,
    /// cpu or cuda:N [default: cpu]
    #[arg(long)]
    pub device: Option<DeviceName>,
    /// Threads of libtorch [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Threads of each loader; 0: the training thread makes batches itself [default: 0 where libtorch has a thread on
    /// every core, else 1]
    #[arg(long, value_name = "N")]
    pub loader_threads: Option<usize>,
    /// Keep images in memory, in bytes, from the first time they are made, so that a corruption costs its time once:
    /// training images, the same in order, and test images. Needs a crop that is not random, no --flip, no --rotate
    /// [default: false]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub cache_view: Option<bool>,
    /// Record for each training sample, at the end of each epoch, whether it is predicted right and its loss: samples.csv
    /// and NumPy arrays in samples/ [default: false]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub per_sample: Option<bool>,
    /// Write down which samples each batch held, in rank-0.ledger: `rfx-inspect ledger RUN --data DIR` then proves that each
    /// was seen once per epoch, restarts included [default: false]
    #[arg(long, num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub ledger: Option<bool>,
    /// Epochs between checkpoints; one is always written at the end and on Ctrl-C [default: 10]
    #[arg(long, value_name = "N")]
    pub checkpoint_every: Option<u32>,
}

/// A configuration with nothing left open; saved in the `run.json` of the run's folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[allow(missing_docs)] // each field is the option of the same name
pub struct RunConfig {
    pub data: PathBuf,
    pub model: ModelName,
    pub seed: u64,
    pub epochs: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_loss: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<u32>,
    #[serde(default)]
    pub monitor: Monitor,
    #[serde(default)]
    pub min_delta: f64,
    pub subset: Subset,
    #[serde(default)]
    pub test_subset: Subset,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    pub batch: usize,
    /// None until the run begins: the default depends on the data. `run.json` has what that came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    pub flip: bool,
    #[serde(default)]
    pub rotate: u8,
    pub normalise: Normalise,
    #[serde(default, skip_serializing_if = "is_default")]
    pub decode: Profile,
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_bad_record: OnBadRecord,
    pub lr: f64,
    pub lr_decay: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    pub dropout: f64,
    pub device: DeviceName,
    pub threads: usize,
    pub loader_threads: usize,
    #[serde(default)]
    pub cache_view: bool,
    #[serde(default)]
    pub per_sample: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    pub ledger: bool,
    pub checkpoint_every: u32,
    /// Last, because TOML wants tables after values.
    pub corruption: CorruptionSpec,
}

/// A key that is left out where it has its default: it came later than others, and runs have names by what they hold.
fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A configuration that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file or `--set` that does not parse; the message has line and column.
    #[error("{origin}: {message}{}", hint(suggestion))]
    Parse {
        /// The file, or `--set TEXT`.
        origin: String,
        /// What the parser said.
        message: String,
        /// The known key nearest to an unknown one.
        suggestion: Option<String>,
    },
    /// A key without which there is no run.
    #[error("{key} is missing: give it as a flag or in the configuration file")]
    Missing {
        /// The key.
        key: &'static str,
    },
    /// A value outside its range.
    #[error("{key}={found}: expected {expected}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value found.
        found: String,
        /// The range.
        expected: &'static str,
    },
    /// A resumed run's configuration differs where it must not.
    #[error(
        "resume: {key} is {found} now and was {expected} when the run began: resume with the same, or start a new run in another folder"
    )]
    Changed {
        /// The key.
        key: &'static str,
        /// The value now.
        found: String,
        /// The value of the saved run.
        expected: String,
    },
}

fn hint(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map(|s| format!("; did you mean `{s}`?")).unwrap_or_default()
}

const KEYS: [&str; 31] = [
    "data",
    "model",
    "corruption",
    "seed",
    "epochs",
    "until-loss",
    "patience",
    "monitor",
    "min-delta",
    "subset",
    "test-subset",
    "label-column",
    "batch",
    "crop",
    "flip",
    "rotate",
    "normalise",
    "decode",
    "on-bad-record",
    "lr",
    "lr-decay",
    "momentum",
    "weight-decay",
    "dropout",
    "device",
    "threads",
    "loader-threads",
    "cache-view",
    "per-sample",
    "ledger",
    "checkpoint-every",
];

/// The known key that `found` is a slip of: a third of its letters at most are wrong.
fn nearest_key(found: &str) -> Option<String> {
    let distance = |key: &&&str| strsim::damerau_levenshtein(found, key);
    let near = |key: &&&str| 3 * distance(key) <= found.chars().count();
    KEYS.iter().filter(near).min_by_key(distance).map(|key| (*key).to_owned())
}

impl Options {
    /// Reads TOML; `origin` names it in errors.
    ///
    /// # Errors
    /// [`ConfigError::Parse`] with line and column, and a suggestion for unknown keys.
    pub fn from_toml(text: &str, origin: &str) -> Result<Options, ConfigError> {
        toml::from_str(text).map_err(|e: toml::de::Error| {
            let message = e.to_string().trim_end().to_owned();
            let unknown = message.split("unknown field `").nth(1).and_then(|rest| rest.split('`').next());
            // Keys of nested tables have other names, and their own parser's words for them.
            let outermost =
                |found: &&str| toml::from_str::<toml::Table>(text).is_ok_and(|t| t.contains_key(*found));
            let suggestion = unknown.filter(outermost).and_then(nearest_key);
            ConfigError::Parse { origin: origin.into(), message, suggestion }
        })
    }

    /// Reads one `key=value` of `--set`; the value is TOML, or text where it is not.
    ///
    /// # Errors
    /// [`ConfigError::Parse`].
    pub fn from_set(assignment: &str) -> Result<Options, ConfigError> {
        let origin = format!("--set {assignment}");
        let Some((key, value)) = assignment.split_once('=') else {
            let message = "expected key=value".into();
            return Err(ConfigError::Parse { origin, message, suggestion: None });
        };
        let as_is = format!("{key} = {value}");
        match toml::from_str::<toml::Table>(&as_is) {
            Ok(_) => Options::from_toml(&as_is, &origin),
            Err(_) => Options::from_toml(&format!("{key} = {}", toml::Value::from(value)), &origin),
        }
    }

    /// `self`, and where it says nothing, `below`.
    pub fn over(self, below: Options) -> Options {
        Options {
            data: self.data.or(below.data),
            model: self.model.or(below.model),
            corruption: self.corruption.or(below.corruption),
            seed: self.seed.or(below.seed),
            epochs: self.epochs.or(below.epochs),
            until_loss: self.until_loss.or(below.until_loss),
            patience: self.patience.or(below.patience),
            monitor: self.monitor.or(below.monitor),
            min_delta: self.min_delta.or(below.min_delta),
            subset: self.subset.or(below.subset),
            test_subset: self.test_subset.or(below.test_subset),
            label_column: self.label_column.or(below.label_column),
            batch: self.batch.or(below.batch),
            crop: self.crop.or(below.crop),
            flip: self.flip.or(below.flip),
            rotate: self.rotate.or(below.rotate),
            normalise: self.normalise.or(below.normalise),
            decode: self.decode.or(below.decode),
            on_bad_record: self.on_bad_record.or(below.on_bad_record),
            lr: self.lr.or(below.lr),
            lr_decay: self.lr_decay.or(below.lr_decay),
            momentum: self.momentum.or(below.momentum),
            weight_decay: self.weight_decay.or(below.weight_decay),
            dropout: self.dropout.or(below.dropout),
            device: self.device.or(below.device),
            threads: self.threads.or(below.threads),
            loader_threads: self.loader_threads.or(below.loader_threads),
            cache_view: self.cache_view.or(below.cache_view),
            per_sample: self.per_sample.or(below.per_sample),
            ledger: self.ledger.or(below.ledger),
            checkpoint_every: self.checkpoint_every.or(below.checkpoint_every),
        }
    }

    /// Fills in the defaults and checks ranges.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] without a data set; [`ConfigError::Value`].
    pub fn resolve(self) -> Result<RunConfig, ConfigError> {
        let model = self.model.unwrap_or(ModelName::Mlp1x512);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let device = self.device.unwrap_or(DeviceName::Cpu);
        let threads = self.threads.unwrap_or(cores);
        let config = RunConfig {
            data: self.data.ok_or(ConfigError::Missing { key: "data" })?,
            model,
            seed: self.seed.unwrap_or(1),
            epochs: self.epochs.unwrap_or(69), // 26,774 steps of 391, where the paper's Fig. 1a stops
            until_loss: self.until_loss,
            patience: self.patience,
            monitor: self.monitor.unwrap_or_default(),
            min_delta: self.min_delta.unwrap_or(0.0),
            subset: self.subset.unwrap_or_default(),
            test_subset: self.test_subset.unwrap_or_default(),
            label_column: self.label_column,
            batch: self.batch.unwrap_or(128),
            crop: self.crop,
            flip: self.flip.unwrap_or(false),
            rotate: self.rotate.unwrap_or(0),
            normalise: self.normalise.unwrap_or(Normalise::Whiten),
            decode: self.decode.unwrap_or_default(),
            on_bad_record: self.on_bad_record.unwrap_or_default(),
            lr: self.lr.unwrap_or(model.default_lr()),
            lr_decay: self.lr_decay.unwrap_or(0.95),
            momentum: self.momentum.unwrap_or(0.9),
            weight_decay: self.weight_decay.map_or(0.0, |decay| decay.of(model)),
            dropout: self.dropout.unwrap_or(0.0),
            device,
            threads,
            // libtorch's threads wait for each other at the end of every operation: one more thread than cores would
            // take the core of one of them, and hold up all.
            loader_threads: self
                .loader_threads
                .unwrap_or(usize::from(device != DeviceName::Cpu || threads < cores)),
            cache_view: self.cache_view.unwrap_or(false),
            per_sample: self.per_sample.unwrap_or(false),
            ledger: self.ledger.unwrap_or(false),
            checkpoint_every: self.checkpoint_every.unwrap_or(10),
            corruption: self.corruption.unwrap_or_default(),
        };
        config.validate()?;
        Ok(config)
    }
}

impl From<RunConfig> for Options {
    /// Everything given: what a resumed run falls back on.
    fn from(c: RunConfig) -> Options {
        Options {
            data: Some(c.data),
            model: Some(c.model),
            corruption: Some(c.corruption),
            seed: Some(c.seed),
            epochs: Some(c.epochs),
            until_loss: c.until_loss,
            patience: c.patience,
            monitor: Some(c.monitor),
            min_delta: Some(c.min_delta),
            subset: Some(c.subset),
            test_subset: Some(c.test_subset),
            label_column: c.label_column,
            batch: Some(c.batch),
            crop: c.crop,
            flip: Some(c.flip),
            rotate: Some(c.rotate),
            normalise: Some(c.normalise),
            decode: Some(c.decode),
            on_bad_record: Some(c.on_bad_record),
            lr: Some(c.lr),
            lr_decay: Some(c.lr_decay),
            momentum: Some(c.momentum),
            weight_decay: Some(WeightDecay::Coefficient(c.weight_decay)),
            dropout: Some(c.dropout),
            device: Some(c.device),
            threads: Some(c.threads),
            loader_threads: Some(c.loader_threads),
            cache_view: Some(c.cache_view),
            per_sample: Some(c.per_sample),
            ledger: Some(c.ledger),
            checkpoint_every: Some(c.checkpoint_every),
        }
    }
}

impl RunConfig {
    fn validate(&self) -> Result<(), ConfigError> {
        let check = |ok: bool, key, found: String, expected| {
            if ok { Ok(()) } else { Err(ConfigError::Value { key, found, expected }) }
        };
        let finite = |x: f64| x.is_finite() && x >= 0.0;
        check(self.lr.is_finite() && self.lr > 0.0, "lr", self.lr.to_string(), "a number above 0")?;
        check(finite(self.lr_decay), "lr-decay", self.lr_decay.to_string(), "a number of 0 or more")?;
        check((0.0..1.0).contains(&self.momentum), "momentum", self.momentum.to_string(), "0 to below 1")?;
        check(
            finite(self.weight_decay),
            "weight-decay",
            self.weight_decay.to_string(),
            "a number of 0 or more",
        )?;
        check((0.0..1.0).contains(&self.dropout), "dropout", self.dropout.to_string(), "0 to below 1")?;
        check(self.rotate <= MAX_ROTATION, "rotate", self.rotate.to_string(), "0 to 180")?;
        check(self.epochs >= 1, "epochs", self.epochs.to_string(), "1 or more")?;
        check(
            self.checkpoint_every >= 1,
            "checkpoint-every",
            self.checkpoint_every.to_string(),
            "1 or more",
        )?;
        check((1..=1024).contains(&self.threads), "threads", self.threads.to_string(), "1 to 1024")?;
        let threads = self.loader_threads;
        check(threads <= 1024, "loader-threads", threads.to_string(), "0 to 1024")?;
        let patience = format!("{:?}", self.patience);
        check(self.patience.is_none_or(|epochs| epochs >= 1), "patience", patience, "1 or more")?;
        check(finite(self.min_delta), "min-delta", self.min_delta.to_string(), "a number of 0 or more")?;
        check(self.until_loss.is_none_or(finite), "until-loss", format!("{:?}", self.until_loss), "0 or more")
    }

    /// Whether a train loss at the end of an epoch is the one to stop at.
    pub(crate) fn is_fitted_by(&self, loss: f64) -> bool {
        self.until_loss.is_some_and(|threshold| loss < threshold)
    }

    /// The rule of early stopping, if there is one.
    pub fn early_stopping(&self) -> Option<EarlyStopping> {
        let rule = |patience| EarlyStopping { monitor: self.monitor, min_delta: self.min_delta, patience };
        self.patience.map(rule)
    }

    /// Checks that nothing differs from `saved` that decides the weights, which of them are kept as the best, or what is
    /// measured and recorded of them. The
    /// folder of the data set, the number of epochs, the stopping loss, the patience, threads, device, kept images and
    /// checkpoints may: data are compared by content id.
    ///
    /// # Errors
    /// [`ConfigError::Changed`] with the first key that differs, and both values.
    pub fn same_run_as(&self, saved: &RunConfig) -> Result<(), ConfigError> {
        let crop = |config: &RunConfig| config.crop.map_or("default".into(), |crop| crop.to_string());
        let labels =
            |config: &RunConfig| config.label_column.clone().unwrap_or_else(|| "the data set's".into());
        // Without patience on both sides nothing was kept that the other would not have kept.
        let keeps = self.patience.is_some() && saved.patience.is_some();
        let rule = |value: String| if keeps { value } else { String::new() };
        let pairs = [
            ("monitor", rule(self.monitor.to_string()), rule(saved.monitor.to_string())),
            ("min-delta", rule(self.min_delta.to_string()), rule(saved.min_delta.to_string())),
            ("model", self.model.to_string(), saved.model.to_string()),
            ("corruption", self.corruption.to_string(), saved.corruption.to_string()),
            ("seed", self.seed.to_string(), saved.seed.to_string()),
            ("subset", self.subset.to_string(), saved.subset.to_string()),
            ("test-subset", self.test_subset.to_string(), saved.test_subset.to_string()),
            ("label-column", labels(self), labels(saved)),
            ("batch", self.batch.to_string(), saved.batch.to_string()),
            ("crop", crop(self), crop(saved)),
            ("flip", self.flip.to_string(), saved.flip.to_string()),
            ("rotate", self.rotate.to_string(), saved.rotate.to_string()),
            ("normalise", self.normalise.name().into(), saved.normalise.name().into()),
            ("decode", self.decode.to_string(), saved.decode.to_string()),
            ("on-bad-record", self.on_bad_record.to_string(), saved.on_bad_record.to_string()),
            ("lr", self.lr.to_string(), saved.lr.to_string()),
            ("lr-decay", self.lr_decay.to_string(), saved.lr_decay.to_string()),
            ("momentum", self.momentum.to_string(), saved.momentum.to_string()),
            ("weight-decay", self.weight_decay.to_string(), saved.weight_decay.to_string()),
            ("dropout", self.dropout.to_string(), saved.dropout.to_string()),
            // Of the epochs before, nothing was recorded; of those after, nothing would be.
            ("per-sample", self.per_sample.to_string(), saved.per_sample.to_string()),
            ("ledger", self.ledger.to_string(), saved.ledger.to_string()),
        ];
        match pairs.into_iter().find(|(_, now, then)| now != then) {
            None => Ok(()),
            Some((key, found, expected)) => Err(ConfigError::Changed { key, found, expected }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_over_set_over_file_over_defaults() {
        let file = Options::from_toml("data = 'd'\nlr = 0.5\nseed = 3\nbatch = 64\n", "f.toml").unwrap();
        let set = Options::from_set("lr=0.25").unwrap().over(Options::from_set("seed=4").unwrap());
        let flags = Options { seed: Some(5), ..Options::default() };
        let config = flags.over(set).over(file).resolve().unwrap();
        assert_eq!((config.seed, config.lr, config.batch, config.epochs), (5, 0.25, 64, 69));
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<RunConfig>(&text).unwrap(), config);
    }

    #[test]
    fn corruption_is_text_or_table_and_set_takes_bare_words() {
        let text = Options::from_set("corruption=random-labels seed=3").unwrap().corruption.unwrap();
        assert_eq!(text.to_string(), "random-labels seed=3");
        let table = "[corruption.labels]\nkind = 'uniform'\np = 0.5\n";
        let table = Options::from_toml(table, "f").unwrap().corruption.unwrap();
        assert_eq!(table.to_string(), "partially-corrupted:0.5");
        assert_eq!(
            Options::from_set("subset=100:balanced").unwrap().subset.unwrap().to_string(),
            "100:balanced"
        );
    }

    #[test]
    fn weight_decay_is_a_number_or_the_networks_own() {
        let resolved = |set: &str, model: &str| {
            let set = Options::from_set(&format!("weight-decay={set}")).unwrap();
            let model = Options::from_set(&format!("model={model}")).unwrap();
            let options = set.over(model).over(Options { data: Some("d".into()), ..Options::default() });
            options.resolve().unwrap().weight_decay
        };
        assert_eq!(resolved("default", "alexnet"), 5e-4);
        assert_eq!(resolved("'default'", "resnet-18"), 1e-4);
        assert_eq!([resolved("0", "resnet-18"), resolved("1e-5", "mlp-1x512")], [0.0, 1e-5]);
        let error = Options::from_set("weight-decay=usual").unwrap_err().to_string();
        assert!(error.contains("expected a number or `default`"), "{error}");
        assert!(Options::from_set("weight-decay=[1]").is_err());
    }

    #[test]
    fn a_subset_may_be_a_bare_number() {
        for options in [Options::from_set("subset=500"), Options::from_toml("subset = 500\n", "f.toml")] {
            assert_eq!(options.unwrap().subset.unwrap().to_string(), "500");
        }
    }

    #[test]
    fn unknown_keys_are_refused_with_line_and_suggestion() {
        let error = Options::from_toml("seed = 1\nmomentun = 0.9\n", "f.toml").unwrap_err().to_string();
        assert!(error.contains("f.toml") && error.contains("line 2"), "{error}");
        assert!(error.contains("did you mean `momentum`?"), "{error}");
        let suggested = |text: &str| match Options::from_toml(text, "f").unwrap_err() {
            ConfigError::Parse { suggestion, .. } => suggestion,
            other => panic!("{other}"),
        };
        for (key, near) in [
            ("epoch", Some("epochs")),
            ("lrr", Some("lr")),
            ("xy", None),
            ("a", None),
            ("learning-rate", None),
        ] {
            assert_eq!(suggested(&format!("{key} = 1\n")).as_deref(), near, "{key}");
        }
        // A key of the corruption's own table is nothing like a key of ours.
        assert_eq!(suggested("[corruption]\nseedd = 1\n"), None);
        assert!(Options::from_set("momentum").is_err() && Options::from_set("lr=fast").is_err());
        assert!(matches!(Options::default().resolve(), Err(ConfigError::Missing { key: "data" })));
        for bad in [
            "lr=0",
            "lr=nan",
            "momentum=1",
            "dropout=1.0",
            "epochs=0",
            "threads=0",
            "weight-decay=-1.0",
            "patience=0",
            "rotate=181",
            "min-delta=-0.5",
        ] {
            let options = Options::from_set(bad).unwrap();
            let options = Options { data: Some("d".into()), ..options };
            assert!(options.resolve().is_err(), "{bad}");
        }
    }
}
