//! `rfx-inspect batch`: any batch of any epoch as a safetensors file, so that anyone can check rfx from anywhere.

use std::{collections::HashMap, path::PathBuf};

use clap::Args;
use rfx_loader::{Dtype, Partition, Recipe, batch::HostBatch, digest::Digest};
use safetensors::{Dtype as TensorDtype, View};
use serde::Serialize;

use crate::{
    args::{BatchFormArgs, CorruptionArgs, DatasetArg, GeometryArgs},
    exit::{CliError, Outcome},
    output, report,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  rfx-inspect batch packed/cifar10 --corrupt gaussian --seed 1 --crop 28 --out b.safetensors
  rfx-inspect batch packed/cifar10 --corrupt true-labels --seed 1 --step 390 --dtype u8 --out b.st
  rfx-inspect batch packed/mnist --corrupt random-pixels --seed 1 --split test --out test.st
  rfx-inspect batch packed/pets --corrupt true-labels --seed 1 --crop random-resized:224 --out c.st

Tensors: input, label, clean_label and id, and rule and input_rule (what was done to label and image: \
0 nothing, 1 corrupted, 2 corrupted anew for this epoch, 3 of a label: the target of a trigger). The member `rfx` of the file's metadata is \
JSON that says which batch it is, with the digest of the loader spec; stdout has the same.";

#[derive(Args, Debug)]
pub(super) struct BatchArgs {
    #[command(flatten)]
    dataset: DatasetArg,
    #[command(flatten)]
    corruption: CorruptionArgs,
    /// Step of the epoch, from 0
    #[arg(long, value_name = "K", default_value_t = 0)]
    step: u64,
    #[command(flatten)]
    geometry: GeometryArgs,
    #[command(flatten)]
    form: BatchFormArgs,
    /// Leave out the short last batch
    #[arg(long)]
    drop_last: bool,
    /// This rank's part of the batch
    #[arg(long, value_name = "R", default_value_t = 0)]
    rank: u32,
    /// Number of ranks
    #[arg(long, value_name = "W", default_value_t = 1)]
    world: u32,
    /// File to write, which must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What the file's metadata say (schema rfx.batch/1): all that is needed to make it again.
#[derive(Serialize)]
struct About {
    content: Digest,
    generated: bool,
    spec_digest: Digest,
    spec: rfx_loader::LoaderSpec,
    seed: u64,
    corruption_seed: u64,
    /// What this split's labels and images get.
    labels: String,
    inputs: String,
    epoch: u32,
    step: u64,
    rank: u32,
    world: u32,
    samples: usize,
    global_samples: usize,
}

pub(super) fn run(args: &BatchArgs) -> anyhow::Result<Outcome> {
    output::refuse_existing(&args.out)?;
    let partition = Partition::new(args.rank, args.world)
        .map_err(|e| CliError::Usage { what: e.to_string(), help: "ranks are numbered from 0".into() })?;
    let dataset = args.dataset.open()?;
    let CorruptionArgs { seed, epoch, .. } = args.corruption;
    let spec = args.form.apply(args.geometry.apply(args.corruption.spec())).drop_last(args.drop_last);
    let recipe = Recipe::new(&dataset, &spec, seed)?;
    let batch = recipe.batch(epoch, args.step, partition)?;
    report::bad_records(&recipe);
    let about = About {
        content: dataset.content(),
        generated: dataset.is_generated(),
        spec_digest: recipe.digest(),
        spec,
        seed,
        corruption_seed: recipe.corruption_seed(),
        labels: recipe.label_spec().to_string(),
        inputs: recipe.input_spec().to_string(),
        epoch,
        step: args.step,
        rank: args.rank,
        world: args.world,
        samples: batch.len(),
        global_samples: batch.global_len(),
    };
    let about = report::document("rfx.batch/1", &about)?;
    // One member: safetensors writes a map of them in no fixed order, and equal batches shall be equal files.
    let metadata = HashMap::from([("rfx".to_owned(), about.clone())]);
    let bytes = safetensors::serialize(tensors(&batch), Some(metadata)).map_err(|e| CliError::Usage {
        what: format!("{}: {e}", args.out.display()),
        help: "this is a bug in rfx".into(),
    })?;
    output::create(&args.out, |out| out.write_all(&bytes))?;
    report::print(&about)?;
    Ok(Outcome::Done)
}

fn tensors(batch: &HostBatch) -> Vec<(&'static str, Tensor)> {
    let dtype = match batch.info().dtype {
        Dtype::U8 => TensorDtype::U8,
        Dtype::F32 => TensorDtype::F32,
        Dtype::F16 => TensorDtype::F16,
        Dtype::Bf16 => TensorDtype::BF16,
    };
    let column = |dtype, bytes| Tensor { dtype, shape: vec![batch.len()], bytes };
    let integers =
        |values: &[i64]| column(TensorDtype::I64, values.iter().flat_map(|v| v.to_le_bytes()).collect());
    vec![
        ("input", Tensor { dtype, shape: batch.shape().to_vec(), bytes: batch.input_bytes().to_vec() }),
        ("label", integers(batch.labels())),
        ("clean_label", integers(batch.clean_labels())),
        ("id", integers(batch.ids())),
        ("rule", column(TensorDtype::U8, batch.rules().to_vec())),
        ("input_rule", column(TensorDtype::U8, batch.input_rules().to_vec())),
    ]
}

struct Tensor {
    dtype: TensorDtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Tensor {
    fn dtype(&self) -> TensorDtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> std::borrow::Cow<'_, [u8]> {
        (&self.bytes).into()
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}
