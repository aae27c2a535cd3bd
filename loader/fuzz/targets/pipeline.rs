//! Any sequence of what a consumer may do, against the single-threaded definition of a batch.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use rfx_fuzz::DataSet;
use rfx_loader::{
    Batch, Crop, Dataset, Dtype, Error, Layout, Loader, LoaderSpec, Normalise, Partition, Position, Recipe,
    State, dataset::Verify, pipeline::PipelineError,
};

#[derive(Arbitrary, Debug)]
enum Step {
    Take,
    /// Gives back the held batch of this number, modulo how many there are.
    Drop(u8),
    /// The same on another thread.
    Send(u8),
    /// A new loader goes on from the state of this one.
    Resume {
        threads: u8,
        slots: u8,
        rank: u8,
        world: u8,
    },
}

#[derive(Arbitrary, Debug)]
struct Input {
    batch: u8,
    drop_last: bool,
    subset: u8,
    corruption: u8,
    layout: bool,
    steps: Vec<Step>,
}

const CORRUPTIONS: [&str; 9] = [
    "true-labels",
    "labels=uniform:p=0.5,resample=0.5",
    "random-pixels:amount=0.5,resample=0.5",
    "gaussian:resample=1",
    "labels=instance-dependent:rate=0.5,resample=0.5 inputs=additive:sigma=0.3,resample=1",
    "labels=pair-flip:p=0.5,exact inputs=shot:lambda=9,at=stored",
    "labels=zhang2017:p=0.5 inputs=impulse:p=0.5,amount=0.5,at=stored",
    "inputs=trigger:target=1,amount=0.5,size=2",
    "random-pixels:positions,resample=1,at=stored",
];
const EPOCHS: u32 = 3;

thread_local!(static SET: OnceCell<(DataSet, Dataset)> = const { OnceCell::new() });

fn check(batch: &Batch, recipe: &Recipe, at: Position, partition: Partition) {
    let expected = recipe.batch(at.epoch, at.step, partition).expect("a step of the epoch");
    assert_eq!((batch.epoch(), batch.step()), (at.epoch, at.step));
    assert_eq!(batch.input_bytes(), expected.input_bytes());
    assert_eq!((batch.ids(), batch.labels()), (expected.ids(), expected.labels()));
    assert_eq!((batch.rules(), batch.input_rules()), (expected.rules(), expected.input_rules()));
}

fuzz_target!(|input: Input| SET.with(|set| {
    let (_, dataset) = set.get_or_init(|| {
        let set = DataSet::pack();
        let dataset = Dataset::open(set.path(), Verify::Once).expect("just packed");
        (set, dataset)
    });
    let spec = LoaderSpec::new("train")
        .batch(usize::from(input.batch % 8))
        .drop_last(input.drop_last)
        .crop(Crop::Random(3))
        .flip(true)
        .normalise(Normalise::Whiten)
        .dtype(Dtype::F32)
        .layout(if input.layout { Layout::Nhwc } else { Layout::Nchw })
        .subset(format!("{}", input.subset % 8).parse().expect("a number"))
        .corruption(CORRUPTIONS[usize::from(input.corruption) % CORRUPTIONS.len()].parse().expect("known"));
    let Ok(recipe) = Recipe::new(dataset, &spec, 1) else { return };
    let mut partition = Partition::WHOLE;
    let mut slots = 3;
    let mut loader =
        Loader::builder(recipe.clone()).slots(slots).epochs(EPOCHS).start().expect("sound options");
    let mut held: Vec<(Batch, Position, Partition)> = Vec::new();
    let mut held_here = 0; // of the present loader: older ones gave their slots with them
    for step in input.steps.iter().take(100) {
        match *step {
            Step::Take => {
                let at = loader.next_position();
                match loader.next() {
                    Some(Ok(batch)) => {
                        check(&batch, &recipe, at, partition);
                        held.push((batch, at, partition));
                        held_here += 1;
                    }
                    Some(Err(Error::Pipeline(PipelineError::AllSlotsHeld { .. }))) => {
                        assert_eq!(held_here, slots)
                    }
                    Some(Err(error)) => panic!("{error}"),
                    None => assert_eq!(at, Position { epoch: EPOCHS, step: 0 }),
                }
            }
            Step::Drop(n) | Step::Send(n) if !held.is_empty() => {
                let n = usize::from(n) % held.len();
                held_here -= usize::from(n >= held.len() - held_here);
                let (batch, at, partition) = held.remove(n);
                check(&batch, &recipe, at, partition); // however long it was held
                match step {
                    Step::Send(_) => std::thread::spawn(move || drop(batch)).join().expect("a drop"),
                    _ => drop(batch),
                }
            }
            Step::Drop(_) | Step::Send(_) => {}
            Step::Resume { threads, slots: n, rank, world } => {
                let json = serde_json::to_string(&loader.state()).expect("an object");
                let state: State = serde_json::from_str(&json).expect("its own JSON");
                let world = 1 + u32::from(world % 12);
                partition = Partition::new(u32::from(rank) % world, world).expect("below the world size");
                slots = 2 + usize::from(n % 4);
                let next = Loader::builder(recipe.clone()).threads(usize::from(threads % 4)).slots(slots);
                let next = next.partition(partition).resume(&state).expect("its own state").epochs(EPOCHS);
                loader = next.start().expect("sound options");
                held_here = 0;
            }
        }
    }
    drop(loader);
    held.iter().for_each(|(batch, at, partition)| check(batch, &recipe, *at, *partition));
}));
