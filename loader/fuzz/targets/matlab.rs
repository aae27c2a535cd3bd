//! The devkit's `meta.mat` and ground truth, as anybody may have made them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rfx_fuzz::told;
use rfx_loader::source::parsers::{ground_truth, synsets};

fuzz_target!(|bytes: &[u8]| {
    if let Err(error) = synsets(bytes) {
        told(&error);
    }
    match ground_truth(bytes) {
        Ok(ids) => assert!(ids.len() <= bytes.len()),
        Err((offset, _)) => assert!(offset < bytes.len()),
    }
});
