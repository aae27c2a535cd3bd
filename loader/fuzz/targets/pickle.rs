//! Pickles of any bytes, read by the parser alone; `corpus/pickle` has what Python and NumPy write.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rfx_fuzz::told;
use rfx_loader::source::pickle::{Value, parse};

fuzz_target!(|bytes: &[u8]| {
    let pickle = match parse(bytes) {
        Ok(pickle) => pickle,
        Err(error) => return told(&error),
    };
    // Whatever a reader may ask for. Values may lie in each other in a circle: a few levels are enough.
    let mut level = vec![pickle.root()];
    for _ in 0..4 {
        let mut below = Vec::new();
        for id in level {
            assert!(pickle.offset(id) < bytes.len() as u64);
            match pickle.value(id) {
                Value::Tuple(items) | Value::List(items) => below.extend(items),
                Value::Dict(entries) => {
                    below.extend(entries.iter().flat_map(|&(key, value)| [key, value]));
                    for key in ["data", "labels"] {
                        if let Err(error) = pickle.entry(id, key) {
                            told(&error);
                        }
                    }
                }
                Value::Array { shape, data } => {
                    let length = pickle.bytes(*data).expect("an array's bytes").len() as u64;
                    assert_eq!(shape.iter().product::<u64>(), length);
                    assert!(length <= bytes.len() as u64);
                }
                _ => {}
            }
        }
        below.truncate(1000);
        level = below;
    }
});
