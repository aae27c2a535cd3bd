//! How records are stored: as they are, each as one zstd frame, or each as the JPEG file it came in.
//!
//! A record is decompressed on its own, into memory that a thread keeps, so reading stays random-access and allocates
//! nothing after the first record. What a frame claims is bounded before it is believed: it must declare exactly the
//! bytes of a record and end where the record ends, and the output can hold no more than that.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use zstd_safe::{DCtx, DDict};

use crate::{decode::MAX_FILE_BYTES, dtype::UnknownName};

/// How records are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// The image's bytes: reading costs no copy.
    #[default]
    Raw,
    /// One zstd frame per record (RFC 8878).
    Zstd,
    /// One JPEG per record, of sides of its own.
    Jpeg,
}

impl Codec {
    /// The name used in files and flags.
    pub const fn name(self) -> &'static str {
        match self {
            Codec::Raw => "raw",
            Codec::Zstd => "zstd",
            Codec::Jpeg => "jpeg",
        }
    }

    /// Value of `format` in the metadata of shards with this codec.
    pub const fn shard_format(self) -> &'static str {
        match self {
            Codec::Raw => "rfx-shard/1",
            Codec::Zstd => "rfx-shard/2",
            Codec::Jpeg => "rfx-shard/3",
        }
    }

    /// Whether records are of any length, so that offsets say where each begins.
    pub(crate) const fn has_offsets(self) -> bool {
        !matches!(self, Codec::Raw)
    }

    /// Most bytes of a stored record whose image is `record` bytes long: `raw` takes those, a zstd frame of what does not
    /// compress a little more (`ZSTD_COMPRESSBOUND`, rounded up to a rule that is easy to state). A JPEG has the limit of
    /// an image file, whatever its image.
    pub(crate) const fn max_stored_bytes(self, record: u64) -> u64 {
        match self {
            Codec::Raw => record,
            Codec::Zstd => record + record / 256 + 128,
            Codec::Jpeg => MAX_FILE_BYTES,
        }
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Codec {
    type Err = UnknownName;
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Codec::Raw, Codec::Zstd, Codec::Jpeg]
            .into_iter()
            .find(|c| c.name() == text)
            .ok_or_else(|| UnknownName { field: "codec", found: text.into(), expected: "raw, zstd, jpeg" })
    }
}

/// What one thread decompresses records with. Empty until it meets the first compressed record; from then on one zstd
/// context (about 160 KB) and the bytes of one record.
#[derive(Default)]
pub struct Decoder {
    context: Option<DCtx<'static>>,
    record: Vec<u8>,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("record_bytes", &self.record.len()).finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder for any data set.
    pub fn new() -> Self {
        Decoder::default()
    }

    /// The `record_bytes` bytes that `frame` stands for; else what was expected and found.
    pub(crate) fn zstd(
        &mut self,
        frame: &[u8],
        record_bytes: usize,
        dictionary: Option<&Dictionary>,
    ) -> Result<&[u8], String> {
        match zstd_safe::get_frame_content_size(frame) {
            Ok(Some(declared)) if declared == record_bytes as u64 => {}
            Ok(declared) => {
                let declared = declared.map_or("no size".into(), |n| format!("{n}"));
                return Err(format!("a frame that declares {record_bytes} bytes, found {declared}"));
            }
            Err(_) => return Err("a zstd frame, found other bytes".into()),
        }
        let name = |code| zstd_safe::get_error_name(code).to_lowercase();
        match zstd_safe::find_frame_compressed_size(frame) {
            Ok(length) if length == frame.len() => {}
            Ok(length) => return Err(format!("one frame of {} bytes, found one of {length}", frame.len())),
            Err(code) => return Err(format!("a whole zstd frame, found: {}", name(code))),
        }
        self.record.resize(record_bytes, 0);
        let context = self.context.get_or_insert_with(DCtx::create);
        let written = match dictionary {
            None => context.decompress(&mut self.record[..], frame),
            Some(dictionary) => context.decompress_using_ddict(&mut self.record[..], frame, &dictionary.0),
        };
        match written {
            Ok(written) if written == record_bytes => Ok(&self.record),
            Ok(written) => Err(format!("{record_bytes} bytes, found {written}")),
            Err(code) => Err(format!("a sound zstd frame, found: {}", name(code))),
        }
    }
}

/// A zstd dictionary, prepared once and shared by all threads.
pub(crate) struct Dictionary(DDict<'static>);

/// The first bytes of a zstd dictionary; anything else would be taken for text to refer to.
const DICTIONARY_MAGIC: [u8; 4] = [0x37, 0xa4, 0x30, 0xec];

impl Dictionary {
    /// Prepares the dictionary in `bytes`, or `None` if that is none.
    pub fn new(bytes: &[u8]) -> Option<Dictionary> {
        if !bytes.starts_with(&DICTIONARY_MAGIC) {
            return None;
        }
        DDict::try_create(bytes).map(Dictionary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &[u8] = &[7; 300];

    fn frame(bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0; zstd_safe::compress_bound(bytes.len())];
        let written = zstd_safe::CCtx::create().compress(&mut out[..], bytes, 3).unwrap();
        out.truncate(written);
        out
    }

    #[test]
    fn a_frame_must_declare_the_record_and_end_with_it() {
        let mut decoder = Decoder::new();
        let good = frame(RECORD);
        assert_eq!(decoder.zstd(&good, 300, None).unwrap(), RECORD);
        let refused = |decoder: &mut Decoder, bytes: &[u8]| decoder.zstd(bytes, 300, None).unwrap_err();
        assert!(refused(&mut decoder, &frame(&[7; 299])).contains("declares 300 bytes, found 299"));
        assert!(refused(&mut decoder, &frame(&[7; 1 << 20])).contains("found 1048576"));
        assert!(refused(&mut decoder, b"").contains("frame"));
        assert!(refused(&mut decoder, &[0x28; 40]).contains("found other bytes"));
        // A second frame, a skippable one, or bytes of any kind behind it.
        for more in [&frame(b"")[..], &[0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0], b"x"] {
            let text = refused(&mut decoder, &[&good[..], more].concat());
            assert!(text.contains("one frame of"), "{text}");
        }
        for cut in 0..good.len() {
            refused(&mut decoder, &good[..cut]);
        }
        // After every failure it decodes as before.
        assert_eq!(decoder.zstd(&good, 300, None).unwrap(), RECORD);
    }

    #[test]
    fn every_flipped_bit_is_an_error_or_other_bytes_of_the_same_length() {
        let mut decoder = Decoder::new();
        let noise: Vec<u8> = (0..300u32).map(|i| (i * i % 251) as u8 / 3).collect();
        let good = frame(&noise);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(
                    decoder.zstd(&bad, 300, None).is_err_and(|e| !e.is_empty())
                        || decoder.record.len() == 300
                );
            }
        }
        assert_eq!(decoder.zstd(&good, 300, None).unwrap(), noise);
    }

    #[test]
    fn no_frame_is_longer_than_the_bound() {
        let mut words = crate::rng::Key::derive("codec", 1).words(0, 0);
        for n in [1, 2, 60, 784, 3072, 70_000, 131_072, 200_000] {
            let record: Vec<u8> = (0..n).map(|_| words.next_u32() as u8).collect();
            let bound = Codec::Zstd.max_stored_bytes(n as u64);
            assert!(
                frame(&record).len() as u64 <= bound && zstd_safe::compress_bound(n) as u64 <= bound,
                "{n}"
            );
        }
    }

    #[test]
    fn what_is_no_dictionary_is_refused() {
        assert!(Dictionary::new(b"").is_none() && Dictionary::new(b"just text").is_none());
        assert!(Dictionary::new(&[&DICTIONARY_MAGIC[..], &[0; 20]].concat()).is_none());
    }
}
