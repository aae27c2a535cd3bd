//! JPEG records that anybody may have made: a region is the whole, cut, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rfx_fuzz::told;
use rfx_loader::decode::{Colour, DecodeOptions, Kind, Region, RegionDecoder, decode, probe};

/// What is decoded here, so that a run is not spent on a few large images.
const PIXELS: usize = 1 << 16;

fuzz_target!(|input: ([u16; 4], u8, &[u8])| {
    let (places, choice, jpeg) = input;
    let probe = match probe(jpeg) {
        Ok(probe) => probe,
        Err(error) => return told(&error),
    };
    let (height, width) = (probe.height, probe.width);
    if height * width > PIXELS {
        return;
    }
    let range = |first: u16, length: u16, side: usize| {
        let first = usize::from(first) % side;
        (first, 1 + usize::from(length) % (side - first))
    };
    let ((row, rows), (column, columns)) =
        (range(places[0], places[1], height), range(places[2], places[3], width));
    let region = Region { row, column, height: rows, width: columns };
    let colour = if choice & 4 == 0 { Colour::Rgb } else { Colour::Grey };
    let mut decoder = RegionDecoder::new();
    // Twice, so that a decoder that has failed is used again.
    for scale in [1 << (choice & 3), 1] {
        let found = match decoder.decode(jpeg, [height, width], region, scale, colour) {
            Ok(found) => found,
            Err(error) => {
                told(&error);
                let whole = decode(jpeg, &DecodeOptions { colour, exif: false });
                assert!(probe.kind != Kind::Jpeg || scale != 1 || whole.is_err(), "{error}");
                continue;
            }
        };
        let shrunk = region.shrunk(scale);
        assert_eq!((found.region.height, found.region.width), (shrunk.height, shrunk.width));
        assert_eq!(found.values.len(), found.height * found.width * found.channels);
        let Ok(whole) = decode(jpeg, &DecodeOptions { colour, exif: false }) else { continue };
        if scale == 1 {
            let channels = colour.channels();
            for y in 0..rows {
                let from = ((row + y) * width + column) * channels;
                let at = ((found.region.row + y) * found.width + found.region.column) * channels;
                let length = columns * channels;
                assert!(found.values[at..at + length] == whole.values[from..from + length], "{region:?}");
            }
        }
    }
});
