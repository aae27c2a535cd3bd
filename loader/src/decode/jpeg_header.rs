//! The marker segments of a JPEG before its first scan: size, coding and EXIF block. libjpeg-turbo does the decoding;
//! this says what it is about to decode, before it allocates anything, and refuses what it should not be asked.

use super::{DecodeError, Kind};

/// What the segments say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JpegHeader<'a> {
    pub width: usize,
    pub height: usize,
    /// 1 grey, 3 colour, 4 CMYK or YCCK.
    pub components: usize,
    /// The largest horizontal sampling factor of a component, 1 to 4 in a sound file.
    pub sampling: usize,
    pub progressive: bool,
    /// The TIFF structure of the first EXIF segment.
    pub exif: Option<&'a [u8]>,
}

const APP1: u8 = 0xe1;
const EXIF: &[u8] = b"Exif\0\0";
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

/// Reads the segments of `bytes`, which start as a JPEG's do, up to the first scan.
pub(super) fn read(bytes: &[u8]) -> Result<JpegHeader<'_>, DecodeError> {
    let wrong = |field, offset, expected: &str, found: String| {
        let (kind, expected) = (Kind::Jpeg, expected.into());
        Err(DecodeError::Field { kind, field, offset, expected, found })
    };
    let cut = |offset| wrong("segment", offset, "a segment", "the end of the file".into());
    let mut frame: Option<JpegHeader<'_>> = None;
    let mut exif = None;
    let mut at = 2; // after the start marker
    loop {
        // As libjpeg does: whatever is not a marker is skipped, and a marker may have any number of fill bytes.
        let Some(next) = bytes.get(at..).and_then(|rest| rest.windows(2).position(is_marker)) else {
            return cut(bytes.len());
        };
        let marker_at = at + next;
        let marker = bytes[marker_at + 1];
        at = marker_at + 2;
        if matches!(marker, 0x01 | 0xd0..=0xd7) {
            continue; // markers without a segment
        }
        if matches!(marker, 0xd8 | END_OF_IMAGE) {
            return wrong("marker", marker_at, "a scan", format!("marker ff {marker:02x}"));
        }
        let Some(length) = bytes.get(at..).and_then(|b| b.first_chunk::<2>()) else {
            return cut(bytes.len());
        };
        let length = usize::from(u16::from_be_bytes(*length));
        let Some(segment) = bytes.get(at..at + length).and_then(|s| s.get(2..)) else {
            return wrong("segment length", at, "2 to what is left of the file", length.to_string());
        };
        match marker {
            START_OF_SCAN => break,
            // Start of frame; c4, c8 and cc are tables and an extension.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                if !matches!(marker, 0xc0..=0xc2 | 0xc9 | 0xca) {
                    let found = format!("ff {marker:02x} (lossless or hierarchical)");
                    return wrong("coding", marker_at, "a baseline, extended or progressive image", found);
                }
                let [precision, h1, h0, w1, w0, components, ref each @ ..] = *segment else {
                    return wrong("frame length", at, "at least 8 bytes", length.to_string());
                };
                if precision != 8 {
                    return wrong("precision", at + 2, "8 bits", format!("{precision} bits"));
                }
                if !matches!(components, 1 | 3 | 4) {
                    return wrong("channels", at + 7, "1, 3 or 4", components.to_string());
                }
                if frame.is_some() {
                    return wrong("frames", marker_at, "one", "a second one".into());
                }
                let side = |high, low| usize::from(u16::from_be_bytes([high, low]));
                // Of each component: its name, its factors in half a byte each, its table.
                let factors = each.chunks_exact(3).take(components.into()).map(|c| usize::from(c[1] >> 4));
                frame = Some(JpegHeader {
                    width: side(w1, w0),
                    height: side(h1, h0),
                    components: components.into(),
                    sampling: factors.max().unwrap_or(1),
                    progressive: matches!(marker, 0xc2 | 0xca),
                    exif: None, // it may come later
                });
            }
            APP1 if exif.is_none() => exif = segment.strip_prefix(EXIF),
            _ => {}
        }
        at += length;
    }
    match frame {
        Some(frame) => Ok(JpegHeader { exif, ..frame }),
        None => wrong("marker", at, "a frame before the first scan", "a scan".into()),
    }
}

/// Whether two bytes are a marker: ff, then neither a stuffed zero nor another fill byte.
fn is_marker(pair: &[u8]) -> bool {
    pair[0] == 0xff && !matches!(pair[1], 0 | 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        [&[0xff, marker][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat()
    }

    fn frame(marker: u8, precision: u8, components: u8) -> Vec<u8> {
        segment(marker, &[precision, 0, 30, 0, 40, components, 1, 0x11, 0])
    }

    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        [&[0xff, 0xd8][..], &parts.concat(), &segment(START_OF_SCAN, &[1, 1, 0, 0, 63, 0]), &[1, 2, 3]]
            .concat()
    }

    #[test]
    fn size_channels_and_exif_are_found_among_other_segments() {
        let exif = segment(APP1, b"Exif\0\0MM\0*rest");
        let xmp = segment(APP1, b"http://ns.adobe.com/xap/1.0/\0<x/>");
        let table = segment(0xc4, &[0; 19]);
        let parts = [segment(0xe0, b"JFIF\0"), xmp, exif.clone(), exif, table, frame(0xc2, 8, 3)];
        let bytes = file(&parts);
        let header = read(&bytes).unwrap();
        assert_eq!((header.width, header.height, header.components), (40, 30, 3));
        assert_eq!(header.exif, Some(&b"MM\0*rest"[..]));
        // Fill bytes and rubbish between segments are skipped, as libjpeg skips them.
        let bytes = file(&[vec![0xff, 0xff, 0xff], frame(0xc0, 8, 1)[1..].to_vec(), vec![7, 0xff, 0, 7]]);
        assert_eq!(read(&bytes).unwrap().components, 1);
    }

    #[test]
    fn what_is_not_decoded_is_named() {
        for (parts, text) in [
            (vec![frame(0xc1, 12, 3)], "precision at byte 6: expected 8 bits, found 12 bits"),
            (vec![frame(0xc3, 8, 3)], "lossless"),
            (vec![frame(0xc0, 8, 2)], "channels at byte 11: expected 1, 3 or 4, found 2"),
            (vec![frame(0xc0, 8, 3), frame(0xc0, 8, 3)], "frames"),
            (vec![], "expected a frame before the first scan"),
            (vec![segment(0xc0, &[8, 0])], "frame length"),
            (vec![vec![0xff, 0xd9]], "expected a scan, found marker ff d9"),
            (vec![vec![0xff, 0xe0, 0, 1]], "segment length at byte 4"),
            (vec![vec![0xff, 0xe0, 0xff, 0xff]], "segment length"),
        ] {
            let error = read(&file(&parts)).unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn every_cut_is_an_error() {
        let bytes = file(&[segment(APP1, b"Exif\0\0MM"), frame(0xc0, 8, 3)]);
        let head = bytes.len() - 3; // what follows is the scan's
        for length in 2..head {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        assert!(read(&bytes[..head]).is_ok());
    }
}
