//! A shard that somebody wrote, raw or compressed: header, columns and records edited, and every digest of the index made right again.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use rfx_fuzz::{DataSet, Edit, apply, samples};

#[derive(Arbitrary, Debug)]
struct Input {
    compressed: bool,
    header: Vec<Edit>,
    tensors: Vec<Edit>,
    /// The header's length as the file says it, if not the right one.
    length: Option<u64>,
    /// Fill the header up with spaces, so that the tensors stay where they were.
    pad: bool,
}

thread_local!(static SETS: OnceCell<[DataSet; 2]> = const { OnceCell::new() });

fuzz_target!(|input: Input| SETS.with(|sets| {
    let sets = sets.get_or_init(|| [DataSet::pack(), DataSet::compressed()]);
    let set = &sets[usize::from(input.compressed)];
    let length = u64::from_le_bytes(*set.shard.first_chunk().expect("a prefix")) as usize;
    let mut header = set.shard[8..8 + length].trim_ascii_end().to_vec();
    let mut tensors = set.shard[8 + length..].to_vec();
    apply(&input.header, &mut header);
    apply(&input.tensors, &mut tensors);
    if input.pad && header.len() < length {
        header.resize(length, b' ');
    }
    let said = input.length.unwrap_or(header.len() as u64);
    let shard = [&said.to_le_bytes()[..], &header, &tensors].concat();
    set.write(&set.index, &shard);
    samples::reseal_shard(set.path(), 0, 0, shard.len().saturating_sub(set.data));
    set.read_all();
}));
