//! The weights of a row as vectors want them: which byte of a load goes where, and its weight beside it.
//!
//! A *lane* is half a register, which shuffles stay inside of: it makes 4 neighbouring outputs of one load of 16
//! neighbouring pixels. For each pair of taps a shuffle puts the two pixels of every output into the 16-bit halves of its
//! 32 bits, to be multiplied by two weights and added. The table is made once an image (in 0.8 us) and used for every row
//! of every channel.

use super::weights::Axis;

/// Pixels of a lane's load.
const LOAD: usize = 16;

/// Outputs of a lane.
const OUTPUTS: usize = 4;

/// Lanes of a register.
const LANES: usize = 2;

/// Registers whose results are packed into bytes together: a block. Packing keeps to lanes, so they take turns: the first
/// register has groups 0 and 4 of the 8.
const PACKED: usize = 4;

/// One register's shuffle and weights, for one pair of taps.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Step {
    /// Pixel of the lane's load for every even byte; odd ones are 0x80, which shuffles read as zero.
    pub shuffle: [u8; LANES * LOAD],
    pub weights: [i16; LANES * OUTPUTS * 2],
}

/// The table of one image's rows.
///
/// Invariant: 16 bytes from each of `bases` lie inside a row of `width` bytes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// Where the loads of each register's lanes begin.
    bases: Vec<[[u32; LANES]; PACKED]>,
    /// `pairs` steps of each block of registers.
    steps: Vec<[Step; PACKED]>,
    pairs: usize,
    width: usize,
}

/// Blocks of a row of `outputs` values.
fn blocks_of(outputs: usize) -> usize {
    outputs.div_ceil(PACKED * LANES * OUTPUTS)
}

impl Lanes {
    /// Makes room for rows of `outputs` values with `taps` taps.
    pub fn reserve(&mut self, outputs: usize, taps: usize) {
        self.bases.reserve(blocks_of(outputs));
        self.steps.reserve(blocks_of(outputs) * taps.min(LOAD).div_ceil(2));
    }

    /// The table for `axis` and rows of `width` bytes; `false` where an output's pixels lie further apart than a load
    /// reaches, which is so from scale 3 on.
    pub fn fill(&mut self, axis: &Axis, width: usize) -> bool {
        let outputs = axis.first.len();
        (self.pairs, self.width) = (axis.stride / 2, width);
        self.bases.clear();
        self.steps.clear();
        if width < LOAD || axis.taps > LOAD {
            return false;
        }
        let nothing = Step { shuffle: [0x80; LANES * LOAD], weights: [0; LANES * OUTPUTS * 2] };
        self.bases.resize(blocks_of(outputs), [[0; LANES]; PACKED]);
        self.steps.resize(blocks_of(outputs) * self.pairs, [nothing; PACKED]);
        (0..outputs.div_ceil(OUTPUTS)).all(|group| self.fill_lane(axis, group))
    }

    /// One lane, of the group of outputs with this number.
    fn fill_lane(&mut self, axis: &Axis, group: usize) -> bool {
        let (block, in_block) = (group / (PACKED * LANES), group % (PACKED * LANES));
        let (register, lane) = (in_block % PACKED, in_block / PACKED);
        let output = group * OUTPUTS;
        let outputs = output..axis.first.len().min(output + OUTPUTS);
        let firsts = &axis.first[outputs.clone()];
        let (mut low, mut high) = (firsts[0], firsts[0]);
        for &first in firsts {
            (low, high) = (low.min(first), high.max(first));
        }
        // `first + taps` is inside the row, and so is the load, moved left where it is not.
        let base = (low as usize).min(self.width - LOAD);
        if high as usize + axis.taps > base + LOAD {
            return false;
        }
        self.bases[block][register][lane] = base as u32;
        let steps = &mut self.steps[block * self.pairs..][..self.pairs];
        for (i, &first) in firsts.iter().enumerate() {
            let weights = &axis.weights[(output + i) * axis.stride..][..axis.stride];
            let at = lane * OUTPUTS + i;
            let mut from = (first as usize - base) as u8;
            for (steps, pair) in steps.iter_mut().zip(weights.as_chunks::<2>().0) {
                let step = &mut steps[register];
                // The tap that only makes a pair may be one past the load; it stays a zero.
                step.shuffle[4 * at] = from;
                if usize::from(from) + 1 < LOAD {
                    step.shuffle[4 * at + 2] = from + 1;
                }
                step.weights[2 * at..][..2].copy_from_slice(pair);
                from += 2;
            }
        }
        true
    }

    /// Bytes of the rows it was made for.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pairs of taps.
    pub fn pairs(&self) -> usize {
        self.pairs
    }

    /// Blocks and steps there is memory for.
    #[cfg(test)]
    pub fn memory(&self) -> usize {
        self.bases.capacity() + self.steps.capacity()
    }

    /// Blocks of registers: bases of their lanes, and their steps.
    pub fn blocks(&self) -> impl Iterator<Item = (&[[u32; LANES]; PACKED], &[[Step; PACKED]])> {
        self.bases.iter().zip(self.steps.chunks_exact(self.pairs))
    }
}
