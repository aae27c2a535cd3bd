//! The rows between the two passes: those that the next output row needs, and a few more.

/// Rows beyond those that one output needs: how many are made before the band moves on.
const ROOM: usize = 32;

/// A window that slides down over the rows of an image of which only the first pass was made. They lie one after
/// another in memory, which is copied to its beginning when it is full.
#[derive(Debug, Default)]
pub(super) struct Band {
    values: Vec<u8>,
    /// Values from row to row.
    stride: usize,
    capacity: usize,
    /// Rows held, by their number in the image.
    start: usize,
    end: usize,
}

impl Band {
    /// Makes room for `taps` rows, of `stride` values, at a time; empties it.
    pub fn reset(&mut self, stride: usize, taps: usize) {
        (self.stride, self.capacity) = (stride, taps + ROOM);
        self.values.resize((self.capacity + 1) * stride, 0); // and one that a last odd tap is paired with
        self.clear();
    }

    /// Forgets all rows: those of the next channel follow.
    pub fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// The number of the next row to be made, if those before `end` are needed and it is one of them, and where to. Rows
    /// before `first` are needed no more.
    pub fn next_below(&mut self, first: usize, end: usize) -> Option<(usize, &mut [u8])> {
        if self.end >= end {
            return None;
        }
        if self.end == self.start + self.capacity {
            let from = (first.min(self.end) - self.start) * self.stride;
            self.values.copy_within(from..self.capacity * self.stride, 0);
            self.start = first.min(self.end);
        }
        let row = self.end;
        self.end += 1;
        Some((row, &mut self.values[(row - self.start) * self.stride..][..self.stride]))
    }

    /// Values from row to row.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Values there is memory for.
    #[cfg(test)]
    pub fn memory(&self) -> usize {
        self.values.capacity()
    }

    /// The rows from `first` on, and at least one that is none.
    pub fn from(&self, first: usize) -> &[u8] {
        &self.values[(first - self.start) * self.stride..]
    }
}
