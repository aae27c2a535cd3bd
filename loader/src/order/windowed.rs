//! A shuffle for storage that hates random access: nearly the order in which rows are stored, piece by piece.
//!
//! ```text
//! stored rows    | block 0 | block 1 | block 2 | block 3 | block 4 | 5 |      blocks of B rows, the last may be shorter
//! one Feistel    | block 3 | 5 | block 0 | block 4 | block 1 | block 2 |      another order of blocks in every epoch
//! windows        | . . . . . . . . . . . | . . . . . . . . . . . . . . |      W / B blocks each
//! a Feistel each | rows of the window in random order                  |
//! ```
//!
//! While an epoch goes through a window it reads W rows, in pieces of B; so a reader that has room for a window reads each
//! block once, as a whole. Like [`Feistel`], it has no state: any position at any time, in constant memory and time. What
//! it costs is randomness: rows of one block come within one window. `rfx-inspect order` measures that.

use super::{Feistel, Windows, feistel::ROUNDS};
use crate::{rng::Key, simd::Simd};

/// Rows looked up side by side.
const LANES: usize = 64;

/// A windowed order of `0..len` in one epoch.
#[derive(Clone)]
pub struct Windowed {
    windows: Windows,
    len: u64,
    /// Which block is in which place.
    blocks: Feistel,
    /// What the windows' permutations are drawn with.
    key: Key,
    epoch: u32,
    /// Rows that the last block lacks, and its place.
    lacking: u64,
    short: u64,
}

impl Windowed {
    /// Of `len` rows, at most 2^32: blocks are permuted with the round keys `keys`, window w with those that `key` gives for
    /// stream w in `epoch`.
    ///
    /// # Panics
    /// If `len` exceeds 2^32.
    pub fn new(windows: Windows, len: u64, keys: [u32; ROUNDS], key: Key, epoch: u32) -> Self {
        let block = u64::from(windows.block());
        let blocks = Feistel::new(keys, len.div_ceil(block));
        let short = blocks.len().checked_sub(1).map_or(0, |last| blocks.inverse(last));
        Windowed { windows, len, lacking: blocks.len() * block - len, short, blocks, key, epoch }
    }

    /// The rows at the positions from `first` on.
    ///
    /// # Panics
    /// If `first + out.len()` exceeds the number of rows.
    pub fn fill(&self, simd: Simd, mut first: u64, mut out: &mut [u32]) {
        let end = first.checked_add(out.len() as u64);
        assert!(end.is_some_and(|end| end <= self.len), "positions from {first} of {}", self.len);
        while !out.is_empty() {
            let window = self.window(first);
            let (start, end) = (self.start(window), self.start(window + 1));
            let here = usize::try_from(end - first).unwrap_or(usize::MAX).min(out.len());
            let (now, rest) = out.split_at_mut(here);
            let inside = Feistel::new(self.key.first(window, self.epoch), end - start);
            inside.fill(simd, first - start, now);
            now.chunks_mut(LANES).for_each(|rows| self.locate(simd, window, rows));
            (first, out) = (first + here as u64, rest);
        }
    }

    /// Places of a window.
    fn places(&self) -> u64 {
        u64::from(self.windows.rows() / self.windows.block())
    }

    /// The window that `position` lies in: windows after the one with the short block begin earlier than their number says.
    fn window(&self, position: u64) -> u64 {
        let (rows, with_short) = (u64::from(self.windows.rows()), self.short / self.places());
        if position < self.start(with_short + 1) { position / rows } else { (position + self.lacking) / rows }
    }

    /// The position that window number `window` begins at, or where the order ends.
    fn start(&self, window: u64) -> u64 {
        let lacking = if window * self.places() > self.short { self.lacking } else { 0 };
        (window * u64::from(self.windows.rows()) - lacking).min(self.len)
    }

    /// Turns rows of the window, counted from its start, into stored rows.
    fn locate(&self, simd: Simd, window: u64, rows: &mut [u32]) {
        let block = u64::from(self.windows.block());
        let first_place = window * self.places();
        // Behind the short block rows are counted as if it were whole. Of earlier windows and later ones, this is the end.
        let short = self.short.checked_sub(first_place).filter(|&place| place < self.places());
        let behind = short.map_or(u64::MAX, |place| (place + 1) * block - self.lacking);
        let mut places = [0; LANES];
        let places = &mut places[..rows.len()];
        for (row, place) in rows.iter_mut().zip(&mut *places) {
            let counted = u64::from(*row) + if u64::from(*row) >= behind { self.lacking } else { 0 };
            // Below the number of blocks, and below that of rows: both at most 2^32.
            (*place, *row) = ((first_place + counted / block) as u32, (counted % block) as u32);
        }
        self.blocks.map(simd, places);
        for (row, &mut place) in rows.iter_mut().zip(places) {
            *row = (u64::from(place) * block + u64::from(*row)) as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(windows: Windows, len: u64, epoch: u32) -> Windowed {
        let keys = Key::derive("order", 5).first(0, epoch);
        Windowed::new(windows, len, keys, Key::derive("order/window", 5), epoch)
    }

    fn all(order: &Windowed) -> Vec<u32> {
        let mut rows = vec![0; order.len as usize];
        order.fill(Simd::best(), 0, &mut rows);
        rows
    }

    /// The twin, with lists: the blocks in their places, cut into windows, each shuffled.
    fn twin(windows: Windows, len: u64, epoch: u32) -> Vec<u32> {
        let (block, places) = (windows.block() as usize, (windows.rows() / windows.block()) as usize);
        let rows: Vec<u32> = (0..len as u32).collect();
        let blocks: Vec<&[u32]> = rows.chunks(block).collect();
        let order = Feistel::keyed("order", 5, epoch, blocks.len() as u64);
        let placed: Vec<&[u32]> = (0..order.len()).map(|place| blocks[order.at(place) as usize]).collect();
        let windows = placed.chunks(places).zip(0..).flat_map(|(blocks, window)| {
            let rows = blocks.concat();
            let keys = Key::derive("order/window", 5).first(window, epoch);
            let inside = Feistel::new(keys, rows.len() as u64);
            (0..rows.len() as u64).map(move |position| rows[inside.at(position) as usize]).collect::<Vec<_>>()
        });
        windows.collect()
    }

    #[test]
    fn it_is_the_twin_and_every_row_comes_once() {
        for len in [0, 1, 2, 63, 64, 65, 127, 300, 1000, 4099] {
            for (rows, block) in [(1, 1), (4, 2), (64, 16), (65, 13), (128, 128), (4096, 64), (10_000, 2000)]
            {
                let windows = Windows::new(rows, block).unwrap();
                let order = order(windows, len, 3);
                let found = all(&order);
                assert_eq!(found, twin(windows, len, 3), "{len} {windows:?}");
                let mut sorted = found.clone();
                sorted.sort_unstable();
                assert!(sorted.iter().copied().eq(0..len as u32), "{len} {windows:?}");
                // From anywhere, with any instructions.
                for first in [0, 1, len / 3, len / 2, len.saturating_sub(70), len] {
                    let first = first.min(len);
                    let expected = &found[first as usize..found.len().min(first as usize + 200)];
                    for simd in Simd::available() {
                        let mut out = vec![0; expected.len()];
                        order.fill(simd, first, &mut out);
                        assert_eq!(out, expected, "{len} {windows:?} {first} {simd}");
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_as_large_as_they_get() {
        let max = u32::MAX;
        for (rows, block) in [(max, 1), (max, max), (3, 3), (3 << 30, 3 << 30), (1 << 31, 1 << 30)] {
            for len in [1 << 32, (1 << 32) - 1, (1 << 31) + 1] {
                let order = order(Windows::new(rows, block).unwrap(), len, u32::MAX);
                let mut out = [0; 130];
                for first in [0, len / 2, len - 130] {
                    order.fill(Simd::best(), first, &mut out);
                    assert!(out.iter().all(|&row| u64::from(row) < len));
                    let mut sorted = out;
                    sorted.sort_unstable();
                    assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]));
                }
            }
        }
    }

    #[test]
    fn epochs_and_windows_are_shuffled_differently() {
        let windows = Windows::new(256, 32).unwrap();
        let (one, other) = (all(&order(windows, 4096, 0)), all(&order(windows, 4096, 1)));
        assert_ne!(one, other);
        // Two windows of the same blocks would still differ: their keys do.
        let first: Vec<[u32; ROUNDS]> = (0..4).map(|w| Key::derive("order/window", 5).first(w, 0)).collect();
        assert!(first.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
