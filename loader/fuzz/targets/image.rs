//! Image files that anybody may have made.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rfx_fuzz::told;
use rfx_loader::decode::{Colour, DecodeOptions, MAX_PIXELS, decode, probe};

/// What is decoded here, so that a run is not spent on a few large images; larger ones are probed.
const PIXELS: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    assert!(MAX_PIXELS > PIXELS as u64);
    let probe = match probe(bytes) {
        Ok(probe) => probe,
        Err(error) => return told(&error),
    };
    if probe.width * probe.height > PIXELS {
        return;
    }
    for options in [DecodeOptions::default(), DecodeOptions { colour: Colour::Grey, exif: false }] {
        match decode(bytes, &options) {
            Ok(pixels) => {
                assert_eq!((pixels.width, pixels.height), probe.size(&options));
                assert_eq!(pixels.channels, options.colour.channels());
                assert_eq!(pixels.values.len(), pixels.width * pixels.height * pixels.channels);
            }
            Err(error) => told(&error),
        }
    }
});
