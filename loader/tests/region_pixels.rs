//! Pixels of part of a JPEG are those of the whole, cut: every sampling, coding and size, and real photographs.
#![cfg(feature = "jpeg")]

mod support;

use rfx_loader::{
    decode::{
        Colour, DecodeError, DecodeOptions, Pixels, Region, RegionDecoder, conformance::CASES, decode, probe,
    },
    rng::{Key, Words, mulshift},
};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

const SAMPLINGS: [Subsamp; 7] = [
    Subsamp::None,
    Subsamp::Sub2x1,
    Subsamp::Sub2x2,
    Subsamp::Sub1x2,
    Subsamp::Sub4x1,
    Subsamp::Sub1x4,
    Subsamp::Gray,
];

/// A name, and what makes a compressor code so.
type Coding<'a> = (&'a str, &'a dyn Fn(&mut Compressor));

/// Edges and noise in every channel, so that a wrong neighbour shows.
fn picture(height: usize, width: usize, words: &mut Words) -> Vec<u8> {
    let mut pixels = vec![0; height * width * 3];
    for (i, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let (y, x, noise) = (i / width, i % width, words.next_u32());
        *pixel = [
            if (x / 5 + y / 7) % 2 == 0 { 230 } else { 20 },
            (x * 3 + y) as u8 ^ (noise as u8 & 31),
            if (x + 2 * y) % 11 < 5 { 200 } else { noise as u8 },
        ];
    }
    pixels
}

fn jpeg(height: usize, width: usize, sampling: Subsamp, change: impl Fn(&mut Compressor)) -> Vec<u8> {
    let mut words = Key::derive("region pictures", 1).words((height * 1000 + width) as u64, 0);
    let pixels = picture(height, width, &mut words);
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(85).unwrap();
    compressor.set_subsamp(sampling).unwrap();
    change(&mut compressor);
    let image = Image { pixels: &pixels[..], width, pitch: 3 * width, height, format: PixelFormat::RGB };
    compressor.compress_to_vec(image).unwrap()
}

/// The rectangle `region` of `whole`.
fn cut(whole: &Pixels, region: Region) -> Vec<u8> {
    let Region { row, column, height, width } = region;
    let values = |y: usize| {
        let at = (y * whole.width + column) * whole.channels;
        whole.values[at..at + width * whole.channels].to_vec()
    };
    (row..row + height).flat_map(values).collect()
}

/// Rectangles of an image: some at its edges, some of a pixel, most anywhere.
fn region(height: usize, width: usize, words: &mut Words) -> Region {
    let mut range = |side: usize| {
        let length = match words.next_u32() % 4 {
            0 => 1 + mulshift(words.next_u32(), side.min(9) as u32) as usize,
            _ => 1 + mulshift(words.next_u32(), side as u32) as usize,
        };
        let length = length.min(side);
        let first = mulshift(words.next_u32(), (side - length + 1) as u32) as usize;
        match words.next_u32() % 6 {
            0 => (0, length),
            1 => (side - length, length),
            _ => (first, length),
        }
    };
    let ((row, height), (column, width)) = (range(height), range(width));
    Region { row, column, height, width }
}

fn owned(decoder: &mut RegionDecoder, jpeg: &[u8], at: Region, scale: usize, colour: Colour) -> Vec<u8> {
    let probe = probe(jpeg).unwrap();
    let found = decoder.decode(jpeg, [probe.height, probe.width], at, scale, colour).unwrap();
    let whole = Pixels {
        width: found.width,
        height: found.height,
        channels: found.channels,
        values: found.values.to_vec(),
    };
    let shrunk = at.shrunk(scale);
    assert_eq!((found.region.height, found.region.width), (shrunk.height, shrunk.width));
    cut(&whole, found.region)
}

/// Compares `regions` rectangles of `jpeg` with the whole, at every scale.
fn check(name: &str, jpeg: &[u8], regions: usize, decoder: &mut RegionDecoder, words: &mut Words) {
    for colour in [Colour::Rgb, Colour::Grey] {
        let whole = decode(jpeg, &DecodeOptions { colour, exif: false }).unwrap();
        let all = Region { row: 0, column: 0, height: whole.height, width: whole.width };
        for scale in [1, 2, 4, 8] {
            let (height, width) = (whole.height.div_ceil(scale), whole.width.div_ceil(scale));
            let values = owned(decoder, jpeg, all, scale, colour);
            let shrunk = Pixels { width, height, channels: colour.channels(), values };
            if scale == 1 {
                assert_eq!(shrunk, whole, "{name}");
            }
            for _ in 0..regions.div_ceil(if colour == Colour::Grey { 4 } else { 1 }) {
                let at = region(whole.height, whole.width, words);
                let found = owned(decoder, jpeg, at, scale, colour);
                assert!(
                    found == cut(&shrunk, at.shrunk(scale)),
                    "{name}: {at:?} of {}x{} at 1/{scale}, {}",
                    whole.height,
                    whole.width,
                    colour.name()
                );
            }
        }
    }
}

#[test]
fn a_region_is_the_whole_decoded_and_cut_for_every_sampling_coding_and_size() {
    let sizes = [
        (1, 1),
        (1, 200),
        (200, 1),
        (7, 9),
        (16, 16),
        (17, 33),
        (31, 65),
        (64, 64),
        (63, 130),
        (90, 127),
        (130, 97),
        (97, 193),
        (333, 211),
        (48, 400),
    ];
    let (mut decoder, mut words) = (RegionDecoder::new(), Key::derive("regions", 1).words(0, 0));
    for sampling in SAMPLINGS {
        for (height, width) in sizes {
            let codings: [Coding<'_>; 3] = [
                ("baseline", &|_| {}),
                ("progressive", &|c| c.set_progressive(true).unwrap()),
                ("arithmetic", &|c| c.set_arithmetic(true).unwrap()),
            ];
            for (coding, change) in codings {
                let jpeg = jpeg(height, width, sampling, change);
                check(&format!("{sampling:?} {coding}"), &jpeg, 12, &mut decoder, &mut words);
            }
        }
    }
}

/// A progressive JPEG may end after any of its scans; the library then smooths blocks by their neighbours.
#[test]
fn a_region_of_a_progressive_jpeg_with_few_scans_is_the_whole_decoded_and_cut() {
    let (mut decoder, mut words) = (RegionDecoder::new(), Key::derive("regions", 2).words(0, 0));
    for sampling in SAMPLINGS {
        for (height, width) in [(64, 64), (97, 193), (333, 211)] {
            let jpeg = jpeg(height, width, sampling, |c| c.set_progressive(true).unwrap());
            let scans: Vec<_> =
                jpeg.windows(2).enumerate().filter(|(_, w)| *w == [0xff, 0xda]).map(|(at, _)| at).collect();
            // Tables come before the scan that uses them, and are left out with it only where nothing follows.
            for &end in &scans[1..] {
                let few = [&jpeg[..end], &[0xff, 0xd9]].concat();
                check(&format!("{sampling:?}, {end} bytes"), &few, 4, &mut decoder, &mut words);
            }
        }
    }
}

#[test]
fn regions_of_every_conformance_jpeg_and_of_factors_that_do_not_matter() {
    let (mut decoder, mut words) = (RegionDecoder::new(), Key::derive("regions", 3).words(0, 0));
    for case in CASES.iter().filter(|c| c.name.ends_with(".jpg")) {
        check(case.name, case.bytes, 40, &mut decoder, &mut words);
    }
    // One channel with factors of 2: read as if they were 1.
    let mut grey = jpeg(97, 193, Subsamp::Gray, |_| {});
    let frame = grey.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    assert_eq!(grey[frame + 11], 0x11);
    grey[frame + 11] = 0x22;
    check("grey with factors of 2", &grey, 40, &mut decoder, &mut words);
}

#[test]
fn regions_of_real_photographs() {
    const TEST: &str = "regions_of_real_photographs";
    let Some(root) = support::real_data("imagenet-sample", TEST) else { return };
    let folders = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir());
    let mut files: Vec<_> =
        folders.flat_map(|f| std::fs::read_dir(f).unwrap().map(|e| e.unwrap().path())).collect();
    files.sort();
    let (mut decoder, mut words) = (RegionDecoder::new(), Key::derive("regions", 4).words(0, 0));
    for path in files {
        let jpeg = std::fs::read(&path).unwrap();
        check(&path.display().to_string(), &jpeg, 2, &mut decoder, &mut words);
    }
}

#[test]
fn a_decoder_that_has_refused_decodes_the_next_as_a_new_one_does() {
    let good = jpeg(97, 193, Subsamp::Sub2x2, |_| {});
    let at = Region { row: 20, column: 30, height: 60, width: 70 };
    let expected = owned(&mut RegionDecoder::new(), &good, at, 1, Colour::Rgb);
    let mut decoder = RegionDecoder::new();
    let png = CASES.iter().find(|c| c.name == "rgb.png").unwrap().bytes;
    let refused = |decoder: &mut RegionDecoder, bytes: &[u8]| {
        decoder.decode(bytes, [97, 193], at, 1, Colour::Rgb).map(|_| ()).unwrap_err()
    };
    for bytes in [&b""[..], b"no image", png, &good[..good.len() / 3], &good[..200], &good[..20]] {
        refused(&mut decoder, bytes);
        assert_eq!(owned(&mut decoder, &good, at, 1, Colour::Rgb), expected);
    }
    assert!(refused(&mut decoder, png).to_string().contains("expected a JPEG"));
    let other = jpeg(96, 193, Subsamp::Sub2x2, |_| {});
    let expected_size = DecodeError::OtherSize { expected: [193, 97], found: [193, 96] };
    assert_eq!(refused(&mut decoder, &other), expected_size);
    // Every cut is an error, or the pixels of the region: nothing below it was needed.
    for cut_at in (0..good.len()).step_by(37) {
        if let Ok(found) = decoder.decode(&good[..cut_at], [97, 193], at, 1, Colour::Rgb) {
            let values = found.values.to_vec();
            let whole = Pixels { width: found.width, height: found.height, channels: 3, values };
            assert_eq!(cut(&whole, found.region), expected, "{cut_at}");
        }
    }
}
