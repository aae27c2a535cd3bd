//! Whether a computation fits into memory, asked before any of it is taken.
//!
//! An allocation that is too large does not fail: Linux grants it and kills the process later, maybe after an hour.

use std::process::Command;

use super::TheoryError;
use crate::device::DeviceName;

/// Bytes that can be had on `device` without swapping: `MemAvailable` of `/proc/meminfo`, or the card's free memory as
/// `nvidia-smi` tells it. `None` where the system does not tell.
pub fn available(device: DeviceName) -> Option<u64> {
    match device {
        DeviceName::Cpu => available_in(&std::fs::read_to_string("/proc/meminfo").ok()?),
        DeviceName::Cuda(index) => {
            // libtorch numbers the cards that this variable lists, nvidia-smi all of them.
            let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
            let card = match visible.as_deref() {
                Some(list) => list.split(',').nth(index)?.trim().to_owned(),
                None => index.to_string(),
            };
            let query = ["--query-gpu=memory.free", "--format=csv,noheader,nounits", "-i", &card];
            let output = Command::new("nvidia-smi").args(query).output().ok()?;
            let mib: u64 = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
            Some(mib << 20)
        }
    }
}

fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Refuses `samples` samples if the bytes they need are more than there are. `needed` grows with the number of samples.
///
/// # Errors
/// [`TheoryError::Memory`], with the most samples that fit.
pub(super) fn check(
    samples: usize,
    needed: impl Fn(usize) -> u64,
    available: Option<u64>,
    device: DeviceName,
) -> Result<u64, TheoryError> {
    let bytes = needed(samples);
    let Some(available) = available.filter(|&available| bytes > available) else { return Ok(bytes) };
    let (mut fits, mut fails) = (0, samples);
    while fits + 1 < fails {
        let middle = fits + (fails - fits) / 2;
        if needed(middle) <= available { fits = middle } else { fails = middle }
    }
    Err(TheoryError::Memory { samples, needed: bytes, available, device: device.to_string(), largest: fits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_passes_and_the_largest_number_that_would_is_named() {
        let square = |n: usize| 8 * (n as u64) * (n as u64);
        let check = |n, available| check(n, square, available, DeviceName::Cpu);
        assert_eq!(check(100, Some(80_000)).unwrap(), 80_000);
        assert_eq!(check(1 << 20, None).unwrap(), 1 << 43);
        for (available, expected) in [(79_999, 99), (8, 1), (7, 0), (0, 0)] {
            match check(100, Some(available)).unwrap_err() {
                TheoryError::Memory { samples: 100, needed: 80_000, largest, .. } => {
                    assert_eq!(largest, expected)
                }
                other => panic!("{other}"),
            }
        }
        let text = check(60_000, Some(8_000_000)).unwrap_err().to_string();
        for part in ["60000", "28800000000 bytes", "8000000 are", "--samples 1000 or fewer", "cpu"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn available_memory_is_read_from_the_line_that_tells_it() {
        assert_eq!(available_in("MemTotal: 9 kB\nMemAvailable:   12 kB\nCached: 3 kB\n"), Some(12 << 10));
        for bad in ["", "MemAvailable: lots", "MemAvailable: 99999999999999999999 kB"] {
            assert_eq!(available_in(bad), None, "{bad}");
        }
        assert!(available(DeviceName::Cpu).is_some_and(|bytes| bytes > 1 << 20));
    }
}
