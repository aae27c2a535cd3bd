//! A `dataset.json` that somebody wrote: edited, and its check digest made right again.
#![no_main]

use std::cell::OnceCell;

use libfuzzer_sys::fuzz_target;
use rfx_fuzz::{DataSet, Edit, apply};
use rfx_loader::digest::Digest;

thread_local!(static SET: OnceCell<DataSet> = const { OnceCell::new() });

fuzz_target!(|edits: Vec<Edit>| SET.with(|set| {
    let set = set.get_or_init(DataSet::pack);
    let end = set.index.len() - "\"check\": \"\"\n}\n".len() - 64;
    let mut body = set.index[..end].to_vec();
    apply(&edits, &mut body);
    let sealed = |check: &str| [&body[..], format!("\"check\": \"{check}\"\n}}\n").as_bytes()].concat();
    let check = Digest::of(&sealed(&"0".repeat(64))).to_string();
    set.write(&sealed(&check), &set.shard);
    set.read_all();
}));
