//! The orientation in an EXIF block, and nothing else of it.
//!
//! A block is a TIFF file of its own: byte order, 42, place of the first directory; a directory is a count and entries
//! of 12 bytes. One directory is read, each entry once, so the cost is bounded by the block. Whatever cannot be
//! followed is as if it were not there: photographs with a damaged block are common, and their pixels are sound.

use super::Orientation;

const ORIENTATION_TAG: u16 = 0x0112;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const ENTRY_BYTES: usize = 12;

impl Orientation {
    /// The orientation that the EXIF block `block` tells (a TIFF structure, without the `Exif\0\0` that a JPEG has in front
    /// of it); upright where it tells none that can be followed.
    pub fn of_exif_block(block: &[u8]) -> Orientation {
        find(block).and_then(Orientation::from_exif).unwrap_or_default()
    }
}

fn find(block: &[u8]) -> Option<u32> {
    let big = match block.get(..2)? {
        b"MM" => true,
        b"II" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = *block.get(at..)?.first_chunk::<2>()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = *block.get(at..)?.first_chunk::<4>()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    if short(2)? != 42 {
        return None;
    }
    let directory = usize::try_from(long(4)?).ok()?;
    let entries = directory.checked_add(2)?;
    for i in 0..usize::from(short(directory)?) {
        let entry = entries.checked_add(i * ENTRY_BYTES)?;
        if short(entry)? != ORIENTATION_TAG {
            continue;
        }
        return match (short(entry + 2)?, long(entry + 4)?) {
            (SHORT, 1) => short(entry + 8).map(u32::from),
            (LONG, 1) => long(entry + 8),
            _ => None,
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block with one foreign entry and then the orientation `value` as a short.
    fn block(big: bool, value: u16) -> Vec<u8> {
        let (s, l) = if big {
            (u16::to_be_bytes as fn(u16) -> [u8; 2], u32::to_be_bytes as fn(u32) -> [u8; 4])
        } else {
            (u16::to_le_bytes as fn(u16) -> [u8; 2], u32::to_le_bytes as fn(u32) -> [u8; 4])
        };
        let mut out: Vec<u8> = if big { b"MM".to_vec() } else { b"II".to_vec() };
        out.extend([&s(42)[..], &l(8), &s(2)].concat());
        out.extend([&s(0x010f)[..], &s(2), &l(4), b"rfx\0"].concat());
        out.extend([&s(ORIENTATION_TAG)[..], &s(SHORT), &l(1), &s(value), &s(0)].concat());
        out.extend(l(0));
        out
    }

    #[test]
    fn the_tag_is_read_in_both_byte_orders() {
        for big in [false, true] {
            for value in 1..=8 {
                assert_eq!(find(&block(big, value)), Some(u32::from(value)));
                assert_eq!(
                    Some(Orientation::of_exif_block(&block(big, value))),
                    Orientation::from_exif(value.into())
                );
            }
            for value in [0, 9, 256, u16::MAX] {
                assert_eq!(Orientation::of_exif_block(&block(big, value)), Orientation::default());
            }
        }
    }

    #[test]
    fn a_block_that_cannot_be_followed_is_no_orientation() {
        let sound = block(false, 6);
        let until = 10 + 2 * ENTRY_BYTES - 2; // the value's last byte
        for length in 0..sound.len() {
            let expected = if length >= until { Some(6) } else { None };
            assert_eq!(find(&sound[..length]), expected, "{length}");
        }
        let with = |at: usize, bytes: &[u8]| {
            let mut block = sound.clone();
            block[at..at + bytes.len()].copy_from_slice(bytes);
            find(&block)
        };
        assert_eq!(with(4, &u32::MAX.to_le_bytes()), None); // a directory at the end of the world
        assert_eq!(with(4, &4u32.to_le_bytes()), None); // one inside the header
        assert_eq!(with(8, &0u16.to_le_bytes()), None); // an empty one
        assert_eq!(with(8, &u16::MAX.to_le_bytes()), Some(6)); // more entries than there are, after ours
        assert_eq!(with(26, &u32::MAX.to_le_bytes()), None); // four thousand million values
        assert_eq!(with(24, &7u16.to_le_bytes()), None); // a type that holds no number
    }
}
