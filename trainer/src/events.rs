//! `events.out.tfevents.0.rfx`: the numbers of `metrics.jsonl` for TensorBoard.
//!
//! `tensorboard --logdir RUNS` shows the runs in a folder. The file's name is always this; TensorBoard looks for
//! `tfevents` in it. It holds TFRecords, each an `Event` of TensorFlow's `event.proto`: first the version, then one per
//! epoch with all its scalars, whose step is the number of optimiser steps done and whose time is the end of the epoch by
//! the clock. That clock makes this the one file of a run that two equal runs do not have alike.
//!
//! | tag | value |
//! |---|---|
//! | `loss/running`, `loss/train`, `loss/test`, `loss/test_given` | as in `metrics.jsonl`; also `_clean`, `_corrupted` |
//! | `accuracy/...` | the same |
//! | `lr` | learning rate of the epoch |
//! | `seconds/epoch`, `seconds/evaluation`, `seconds/loader_wait` | durations |
//!
//! A resumed run goes on in the same file. What was written after the checkpoint is cut off, as from `metrics.jsonl`,
//! so no step is there twice; what is missing or damaged is written again from there, with the time of the resume. A
//! TensorBoard that was watching while something was cut off is to be started again.
//!
//! A record is the length of its data (u64), a checksum of these 8 bytes (u32), the data, and their checksum, all
//! little-endian. A checksum is CRC-32C, turned right by 15 bits, plus a constant. Of protocol buffers four kinds of
//! fields are needed, which are written by hand.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::metrics::{EpochMetrics, Score};

/// Name of the file in a run's folder.
pub const NAME: &str = "events.out.tfevents.0.rfx";

/// What the first event of a file says.
const VERSION: &[u8] = b"brain.Event:2";

/// The file, open for the next epoch.
#[derive(Debug)]
pub(crate) struct EventFile(File);

impl EventFile {
    /// Opens or makes the file at `path` so that it holds the epochs of `metrics` and nothing else.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(path: &Path, metrics: &[EpochMetrics]) -> io::Result<EventFile> {
        let found = match fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            found => found?,
        };
        let (length, epochs) = usable(&found, metrics);
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        if length < found.len() {
            file.set_len(length as u64)?;
        }
        let mut file = EventFile(file);
        if length == 0 {
            file.write(&version(now()))?;
        }
        for missing in metrics.get(epochs..).unwrap_or_default() {
            file.append(missing)?;
        }
        Ok(file)
    }

    /// Appends an epoch that ends now.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn append(&mut self, epoch: &EpochMetrics) -> io::Result<()> {
        self.write(&summary(now(), epoch))
    }

    fn write(&mut self, event: &[u8]) -> io::Result<()> {
        self.0.write_all(&record(event))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}

/// How many bytes at the beginning of `file` are whole records of the version and of the first of `metrics`, and of how
/// many of those.
fn usable(file: &[u8], metrics: &[EpochMetrics]) -> (usize, usize) {
    let Some((first, mut rest)) = split_record(file) else { return (0, 0) };
    if first != version(time_of(first)) {
        return (0, 0);
    }
    let mut epochs = 0;
    for epoch in metrics {
        let Some((event, after)) = split_record(rest) else { break };
        if event != summary(time_of(event), epoch) {
            break; // of another run, or of another program
        }
        (rest, epochs) = (after, epochs + 1);
    }
    (file.len() - rest.len(), epochs)
}

/// The data of the record at the beginning of `bytes`, and what follows it; nothing if it is not whole.
fn split_record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<8>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u64::from_le_bytes(*head)).ok()?;
    if masked(head) != u32::from_le_bytes(*checksum) || length > rest.len() {
        return None;
    }
    let (data, rest) = rest.split_at(length);
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    (masked(data) == u32::from_le_bytes(*checksum)).then_some((data, rest))
}

fn record(data: &[u8]) -> Vec<u8> {
    let head = (data.len() as u64).to_le_bytes();
    [&head[..], &masked(&head).to_le_bytes(), data, &masked(data).to_le_bytes()].concat()
}

/// An event's time, the first field of those written here.
fn time_of(event: &[u8]) -> f64 {
    event.get(1..).and_then(|rest| rest.first_chunk()).map_or(0.0, |bytes| f64::from_le_bytes(*bytes))
}

/// Fields of a protocol buffer, by number.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn double(mut self, field: u8, value: f64) -> Message {
        self.0.push(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn float(mut self, field: u8, value: f32) -> Message {
        self.0.push(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn integer(mut self, field: u8, value: u64) -> Message {
        self.0.push(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u8, value: &[u8]) -> Message {
        self.0.push(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// `Event { wall_time, file_version }`.
fn version(time: f64) -> Vec<u8> {
    Message::default().double(1, time).bytes(3, VERSION).0
}

/// `Event { wall_time, step, summary: Summary { value: [Value { tag, simple_value }, ...] } }`.
fn summary(time: f64, epoch: &EpochMetrics) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, value) in scalars(epoch) {
        // One NaN for all: the sign of a NaN does not survive metrics.jsonl, with which this is compared.
        let value = if value.is_nan() { f32::NAN } else { value as f32 };
        let value = Message::default().bytes(1, tag.as_bytes()).float(2, value);
        summary = summary.bytes(1, &value.0);
    }
    Message::default().double(1, time).integer(2, epoch.step).bytes(5, &summary.0).0
}

fn scalars(m: &EpochMetrics) -> Vec<(String, f64)> {
    let mut scalars = Vec::new();
    let mut scores = vec![("running", &m.running), ("train", &m.train), ("test", &m.test)];
    scores.extend(m.test_given.as_ref().map(|given| ("test_given", given)));
    for (name, score) in scores {
        let Score { loss, accuracy, .. } = *score;
        let parts = [
            ("", Some(loss), Some(accuracy)),
            ("_clean", score.clean_loss, score.clean_accuracy),
            ("_corrupted", score.corrupted_loss, score.corrupted_accuracy),
        ];
        for (part, loss, accuracy) in parts {
            scalars.extend(loss.map(|loss| (format!("loss/{name}{part}"), loss)));
            scalars.extend(accuracy.map(|accuracy| (format!("accuracy/{name}{part}"), accuracy)));
        }
    }
    scalars.push(("lr".into(), m.lr));
    scalars.push(("seconds/epoch".into(), m.seconds));
    scalars.push(("seconds/evaluation".into(), m.evaluation_seconds));
    scalars.push(("seconds/loader_wait".into(), m.loader_wait_seconds));
    scalars
}

/// CRC-32C as TFRecords have it: data that hold their own checksum would otherwise have a checksum of their own kind.
fn masked(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Castagnoli's polynomial, lowest bit first.
fn crc32c(data: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let (mut value, mut bit) = (byte as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0x82f6_3b78 } else { value >> 1 };
                bit += 1;
            }
            table[byte] = value;
            byte += 1;
        }
        table
    };
    !data.iter().fold(!0, |crc, byte| crc >> 8 ^ TABLE[usize::from(crc as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(n: u32) -> Vec<EpochMetrics> {
        let score = |loss| Score {
            samples: 10,
            loss,
            accuracy: 0.5,
            top5: None,
            clean_loss: None,
            clean_accuracy: None,
            corrupted_loss: Some(loss),
            corrupted_accuracy: Some(0.25),
        };
        let epoch = |epoch| EpochMetrics {
            epoch,
            step: 391 * u64::from(epoch),
            lr: 0.1,
            running: score(f64::from(epoch)),
            train: score(-f64::NAN),
            test: score(0.5),
            test_given: None,
            seconds: 1.5,
            evaluation_seconds: 0.5,
            loader_wait_seconds: 0.0,
        };
        (1..=n).map(epoch).collect()
    }

    /// The steps of all records of a file, which must be whole from its beginning to its end.
    fn steps(path: &Path) -> Vec<u64> {
        let bytes = fs::read(path).unwrap();
        let (mut rest, mut steps) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let (event, after) = split_record(rest).unwrap();
            steps.push(event[9..].strip_prefix(&[2 << 3]).map_or(0, |step| {
                let length = step.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
                step[..length].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f))
            }));
            rest = after;
        }
        steps
    }

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(masked(b""), 0xa282_ead8);
    }

    #[test]
    fn a_resumed_file_has_each_step_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let all = epochs(4);
        let mut file = EventFile::open(&path, &[]).unwrap();
        all.iter().for_each(|epoch| file.append(epoch).unwrap());
        let whole = fs::read(&path).unwrap();
        assert_eq!(steps(&path), [0, 391, 782, 1173, 1564]);
        for known in 0..=4 {
            fs::write(&path, &whole).unwrap();
            drop(EventFile::open(&path, &all[..known]).unwrap());
            assert_eq!(steps(&path), [0, 391, 782, 1173, 1564][..=known]);
            assert_eq!(fs::read(&path).unwrap(), whole[..fs::metadata(&path).unwrap().len() as usize]);
        }
    }

    #[test]
    fn what_is_torn_damaged_or_of_another_run_is_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(NAME);
        let all = epochs(3);
        drop(EventFile::open(&path, &all).unwrap());
        let whole = fs::read(&path).unwrap();
        let expected = steps(&path);
        let again = |bytes: &[u8], what: &str| {
            fs::write(&path, bytes).unwrap();
            drop(EventFile::open(&path, &all).unwrap());
            assert_eq!(steps(&path), expected, "{what}");
            let (length, epochs) = usable(&fs::read(&path).unwrap(), &all);
            assert_eq!((length, epochs), (whole.len(), 3), "{what}");
        };
        for length in 0..whole.len() {
            again(&whole[..length], &format!("cut to {length} bytes"));
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            again(&bytes, &format!("bit {} of byte {at} flipped", at % 8));
        }
        let mut long = whole.clone();
        long[..8].fill(0xff); // a length beyond any file
        again(&long, "length");
        let checksum = masked(&[0xff; 8]).to_le_bytes();
        long[8..12].copy_from_slice(&checksum);
        again(&long, "length with its checksum");
        let mut other = all.clone();
        other[1].lr = 0.2;
        fs::remove_file(&path).unwrap();
        drop(EventFile::open(&path, &other).unwrap());
        again(&fs::read(&path).unwrap(), "another run's second epoch");
    }
}
