//! Batches as tensors: their memory stays as long as any tensor needs it, and goes back when none does.

mod support;

use rfx_loader::{
    Dtype, Layout, Loader, LoaderSpec, Normalise, OrderKind, Partition, Recipe, shard::Decoder,
};
use rfx_trainer::bridge::TorchBatch;
use tch::{Device, Kind, Tensor};

fn bytes(tensor: &Tensor) -> Vec<u8> {
    let flat = tensor.contiguous().view([-1]).view_dtype(Kind::Uint8);
    Vec::try_from(flat).unwrap()
}

#[test]
fn a_batch_kept_over_two_epochs_does_not_change() {
    let tmp = tempfile::tempdir().unwrap();
    let spec = LoaderSpec::new("train").corruption("random-pixels".parse().unwrap()).batch(32);
    let recipe = Recipe::new(&support::small(tmp.path()), &spec, 3).unwrap();
    let steps = recipe.steps_per_epoch();
    let mut loader = Loader::builder(recipe.clone()).threads(2).slots(3).epochs(3).start().unwrap();
    let first = TorchBatch::new(loader.next().unwrap().unwrap(), Device::Cpu).unwrap();
    let expected = recipe.batch(0, 0, Partition::WHOLE).unwrap();
    let view = first.input.select(0, 5); // the batch lives on in a view alone
    let labels = first.labels.shallow_clone();
    drop(first);
    // Two epochs go by through the other two slots.
    let mut seen = 0;
    for batch in loader.by_ref().take(2 * steps as usize) {
        drop(TorchBatch::new(batch.unwrap(), Device::Cpu).unwrap());
        seen += 1;
    }
    assert_eq!(seen, 2 * steps);
    let sample = expected.input_bytes().len() / expected.len();
    assert_eq!(bytes(&view), &expected.input_bytes()[5 * sample..6 * sample]);
    assert_eq!(Vec::<i64>::try_from(&labels).unwrap(), expected.labels());
}

#[test]
fn a_slot_goes_back_when_the_last_view_is_gone() {
    let tmp = tempfile::tempdir().unwrap();
    let spec = LoaderSpec::new("train").batch(32);
    let recipe = Recipe::new(&support::small(tmp.path()), &spec, 3).unwrap();
    let mut loader = Loader::builder(recipe).threads(1).slots(2).epochs(9).start().unwrap();
    let mut next = || loader.next().unwrap().map(|b| TorchBatch::new(b, Device::Cpu).unwrap());
    let (a, b) = (next().unwrap(), next().unwrap());
    let view = a.input.narrow(0, 1, 2);
    drop((a, b.labels, b.clean_labels, b.corrupted)); // a's view and b's input hold both slots
    let error = next().unwrap_err().to_string();
    assert!(error.contains("slots are held"), "{error}");
    drop(view);
    next().unwrap();
}

/// Autograd saves a layer's input for the backward pass: the memory must last until then.
#[test]
fn autograd_keeps_the_batch_it_saved() {
    let tmp = tempfile::tempdir().unwrap();
    let spec = LoaderSpec::new("train").batch(32).dtype(Dtype::F32).normalise(Normalise::Whiten);
    let recipe = Recipe::new(&support::small(tmp.path()), &spec, 3).unwrap();
    let mut loader = Loader::builder(recipe.clone()).threads(2).slots(2).epochs(4).start().unwrap();
    let weight = Tensor::ones([5, 3072], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let batch = TorchBatch::new(loader.next().unwrap().unwrap(), Device::Cpu).unwrap();
    let output = batch.input.flatten(1, -1).linear(&weight, None::<&Tensor>).sum(Kind::Float);
    drop(batch);
    loader.by_ref().take(10).for_each(|b| drop(b.unwrap()));
    output.backward();
    let first = recipe.batch(0, 0, Partition::WHOLE).unwrap();
    let input = Tensor::from_slice(first.input_f32().unwrap()).view([32, 3072]);
    let expected = input.sum_dim_intlist(&[0i64][..], false, Kind::Float);
    let off = (weight.grad().select(0, 0) - expected).abs().max().double_value(&[]);
    assert!(off < 1e-4, "{off}");
}

#[test]
fn every_dtype_and_layout_becomes_the_same_numbers() {
    let tmp = tempfile::tempdir().unwrap();
    let dataset = support::small(tmp.path());
    let mut floats = Vec::new();
    for (layout, channels_last) in [(Layout::Nchw, false), (Layout::Nhwc, true)] {
        for (dtype, kind) in [
            (Dtype::U8, Kind::Uint8),
            (Dtype::F32, Kind::Float),
            (Dtype::F16, Kind::Half),
            (Dtype::Bf16, Kind::BFloat16),
        ] {
            let normalise = if dtype == Dtype::U8 { Normalise::None } else { Normalise::Whiten };
            let spec = LoaderSpec::new("train")
                .batch(16)
                .order(OrderKind::Sequential)
                .dtype(dtype)
                .layout(layout)
                .normalise(normalise);
            let recipe = Recipe::new(&dataset, &spec, 1).unwrap();
            let mut loader = Loader::builder(recipe).epochs(1).start().unwrap();
            let batch = TorchBatch::new(loader.next().unwrap().unwrap(), Device::Cpu).unwrap();
            assert_eq!((batch.input.kind(), batch.input.size()), (kind, vec![16, 3, 32, 32]));
            assert_eq!(batch.input.stride()[1] == 1, channels_last);
            if dtype != Dtype::U8 {
                floats.push(batch.input.to_kind(Kind::Float).contiguous());
            }
        }
    }
    for other in &floats {
        // bf16 keeps 8 bits: 1/256 of the largest value.
        let off = (&floats[0] - other).abs().max().double_value(&[]);
        assert!(off < 0.02, "{off}");
    }
}

#[test]
fn a_shard_opens_with_tch() {
    let tmp = tempfile::tempdir().unwrap();
    let dataset = support::small(tmp.path());
    let split = dataset.split("train").unwrap();
    let (mut ids, mut labels, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let shards: Vec<String> = support::names(tmp.path())
        .into_iter()
        .filter(|n| n.starts_with("train") && n.ends_with(".safetensors"))
        .collect();
    assert!(shards.len() > 1);
    for shard in shards {
        let tensors = Tensor::read_safetensors(tmp.path().join(shard)).unwrap();
        let tensor = |name: &str| tensors.iter().find(|(n, _)| n == name).map(|(_, t)| t).unwrap();
        assert_eq!(tensor("data").size()[1..], [32, 32, 3]);
        ids.extend(Vec::<i64>::try_from(tensor("id")).unwrap());
        labels.extend(Vec::<i64>::try_from(tensor("label")).unwrap());
        rows.extend(bytes(tensor("data")));
    }
    assert_eq!(ids, split.ids());
    assert_eq!(labels, split.labels());
    for (i, row) in rows.chunks(3072).enumerate() {
        assert_eq!(row, split.record(i, &mut Decoder::new()).unwrap());
    }
}
