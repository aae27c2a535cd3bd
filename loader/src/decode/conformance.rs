//! A decoder is named by what it decodes: small files of every kind, and the digests of their pixels.
//!
//! The digests were computed with Pillow from the same files (`loader/tests/python/decode_images.py`), so they say "as
//! Pillow" and not only "as before". [`check`] decodes all of them, in about a millisecond; a source of image files calls
//! it, so that no data set is ever packed by a build that decodes otherwise.

use std::sync::OnceLock;

use super::{DecodeError, DecodeOptions, Kind, Pixels, Resize, Resizer, decode};
use crate::digest::Digest;

/// A file of the set: name, bytes, and BLAKE3 of its RGB pixels (`[height, width, 3]`, orientation applied).
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// The file.
    pub bytes: &'static [u8],
    /// BLAKE3 of the pixels, in hexadecimal.
    pub pixels: &'static str,
}

macro_rules! cases {
    ($($name:literal $pixels:literal)*) => {
        &[$(Case { name: $name, bytes: include_bytes!(concat!("conformance/", $name)), pixels: $pixels }),*]
    };
}

/// The set.
pub const CASES: &[Case] = cases! {
    "arithmetic.jpg" "d306877131d07f782869725f5eee25cb4cee1304736010e460cc9febb33b8c45"
    "cmyk.jpg" "a584f6ca894bd99d1a82ec4dfa1fbbff0712a6a44cb2071001d62a0018750cab"
    "grey-alpha.png" "67c848fa9c489002a2593ead2a6e8d09ead89b58924b10d1be9c9425d9a9453d"
    "grey.jpg" "7720397f8063d8073eceeb5e22d1490da2aae132a9d31cd70b1594674bae351a"
    "grey16.png" "e6730c771a23f7814a62676c0a2d98a2cfd13611b4a65fcff97d59cced7c360b"
    "lossless.webp" "9059cc5abfe099b679232a2d3d2e5644cf8220c204c26aba74d2aa3fd4af35fc"
    "lossy.webp" "26d2dcc7d63b2950afebc5a9f21d1485e118809d8638afd1496bd99d6815f6b8"
    "palette.png" "fa6f12d159cbefeb0957dacc172c459cd40f923bb5a341599281d3284676aa71"
    "progressive.jpg" "d306877131d07f782869725f5eee25cb4cee1304736010e460cc9febb33b8c45"
    "rgb.bmp" "9059cc5abfe099b679232a2d3d2e5644cf8220c204c26aba74d2aa3fd4af35fc"
    "rgb.png" "9059cc5abfe099b679232a2d3d2e5644cf8220c204c26aba74d2aa3fd4af35fc"
    "rgb16.png" "9059cc5abfe099b679232a2d3d2e5644cf8220c204c26aba74d2aa3fd4af35fc"
    "rgb420.jpg" "cf27ed62f83779a9fdccd2f4ba8fa5772fad483562bd2be4263a0b1e89b64b5a"
    "rgb422.jpg" "a301e8000b804d941eb3a7fb4e39645ae5975ba86aea5627992d05474e52df60"
    "rgba.png" "9059cc5abfe099b679232a2d3d2e5644cf8220c204c26aba74d2aa3fd4af35fc"
    "two-frames.gif" "be241eb709fd7f6177cc94bef11007a83e1311bac340b5409f9047c397188c5c"
    "ycck.jpg" "6d2969a3033d6ee40a91c93d38b1a07533683839aeb863e0c2372f883a3ef20f"
};

/// The case that is also resized, to 24 rows and 32 columns, and the digest of what comes out. This one is the resizer's
/// own: it names the resizer, whose tests compare it with the definition and with Pillow (to a level).
const RESIZED: (&str, &str) = ("rgb.png", "a8a27f95439efe1da2eeb95cbe4568ab65c1a0c3877af34a8329d49d453a4293");

/// Digest of the digests: the identity of decoder and resizer together.
pub fn identity() -> Digest {
    let mut hasher = crate::digest::Hasher::new("rfx v1 image-conformance");
    CASES.iter().for_each(|case| {
        hasher.text(case.name).text(case.pixels);
    });
    hasher.text(RESIZED.0).text(RESIZED.1).finish()
}

/// Decodes the set once per process and compares. JPEG files are left out where no JPEG can be decoded.
///
/// # Errors
/// [`DecodeError`] of the first file that is decoded otherwise, or not at all.
pub fn check() -> Result<(), DecodeError> {
    static RESULT: OnceLock<Result<(), DecodeError>> = OnceLock::new();
    RESULT.get_or_init(|| CASES.iter().try_for_each(check_case)).clone()
}

fn check_case(case: &Case) -> Result<(), DecodeError> {
    if !cfg!(feature = "jpeg") && Kind::of(case.bytes)? == Kind::Jpeg {
        return Ok(());
    }
    let pixels = decode(case.bytes, &DecodeOptions::default())?;
    same(case.name, case.pixels, &pixels)?;
    if case.name == RESIZED.0 {
        let fit = super::Fit { resize: Some(Resize::Exact { height: 24, width: 32 }), crop: None };
        same("a resized image", RESIZED.1, &fit.apply(pixels, &mut Resizer::new())?)?;
    }
    Ok(())
}

fn same(name: &'static str, expected: &str, pixels: &Pixels) -> Result<(), DecodeError> {
    let found = Digest::of(&pixels.values).to_string();
    if found == expected {
        return Ok(());
    }
    Err(DecodeError::Conformance { name, expected: expected.into(), found })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_build_decodes_and_resizes_as_it_should() {
        assert_eq!(check(), Ok(()));
        assert!(CASES.iter().any(|c| c.name == RESIZED.0));
        for kind in Kind::ALL {
            assert!(CASES.iter().any(|c| Kind::of(c.bytes) == Ok(kind)), "{kind}");
        }
    }

    #[test]
    fn other_pixels_are_noticed() {
        let case = CASES.iter().find(|c| c.name == RESIZED.0).expect("a PNG");
        let mut pixels = decode(case.bytes, &DecodeOptions::default()).expect("a sound file");
        assert_eq!(same("x", case.pixels, &pixels), Ok(()));
        pixels.values[5] ^= 1;
        assert!(matches!(same("x", case.pixels, &pixels), Err(DecodeError::Conformance { .. })));
    }
}
