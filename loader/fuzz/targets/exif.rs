//! EXIF blocks: whatever they are, there is an orientation, and it turns an image into one of as many pixels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rfx_loader::decode::{Orientation, Pixels};

fuzz_target!(|block: &[u8]| {
    let orientation = Orientation::of_exif_block(block);
    let stored = Pixels { width: 3, height: 2, channels: 1, values: (0..6).collect() };
    let mut seen = orientation.upright(stored);
    assert_eq!(seen.width == 2, orientation.swaps_sides());
    seen.values.sort_unstable();
    assert_eq!(seen.values, (0..6).collect::<Vec<u8>>());
});
