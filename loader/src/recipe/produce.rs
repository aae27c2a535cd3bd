//! Making rows of a batch: the only place where the stages are put together.
//!
//! Rows are made in blocks. First everything is decided for the whole block: which samples, their labels, what is to be
//! done to each. Positions and random words come many at a time there, and the look-ups of all rows wait for memory
//! together. Then each image is made, bytes -> geometry -> corruption -> normalise and cast -> slot, while the record of
//! one of the next is already on its way into the cache.

use std::ops::Range;

use super::Recipe;
use crate::{
    batch::{BatchInfo, Row},
    corrupt::{
        At, InputRule,
        input::{InputDecision, Memory},
    },
    dtype::Layout,
    error::Result,
    geometry::Placement,
    normalise::View,
    order::Feistel,
    shard::Decoder,
    simd,
};

/// Rows decided at once.
const BLOCK: usize = 64;

/// How far ahead of its use a record is asked for, in bytes: the time one line takes to come, at the speed of a copy.
const AHEAD: usize = 6 << 10;

/// Where rows are written.
pub(crate) trait RowsMut {
    /// Row `row` of the batch.
    fn row(&mut self, row: usize) -> Row<'_>;
}

/// The order of one epoch.
pub(crate) enum EpochOrder {
    Sequential,
    Shuffled(Feistel),
}

/// Memory one thread works in, all of it allocated before the first row: three images at most, what one is
/// corrupted with, what
/// records are decompressed with, and the decisions of a block.
pub(crate) struct Scratch {
    /// The image after geometry, planar.
    image: Vec<u8>,
    /// The same, interleaved, where that is asked for; else empty.
    interleaved: Vec<u8>,
    /// A whole stored image, planar, where it is corrupted before geometry; else empty.
    stored: Vec<u8>,
    corruption: Memory,
    decoder: Decoder,
    /// Index in the epoch's order, then rank of id, of each row of the block.
    ranks: Vec<u32>,
    ids: Vec<i64>,
    decisions: Vec<InputDecision>,
}

/// What the making of one image needs to know, beside what is the same for all.
#[derive(Clone, Copy)]
struct Planned {
    rank: usize,
    id: i64,
    decision: InputDecision,
    epoch: u32,
}

impl Recipe {
    pub(crate) fn scratch(&self) -> Scratch {
        let (values, whole) = (self.0.shape.values(), self.0.dataset.shape().values());
        let stored = if self.0.inputs.at() == At::Stored { whole } else { 0 };
        Scratch {
            image: vec![0; values],
            interleaved: vec![0; if self.0.spec.layout == Layout::Nhwc { values } else { 0 }],
            stored: vec![0; stored],
            corruption: self.0.inputs.memory(),
            decoder: Decoder::new(),
            ranks: Vec::with_capacity(BLOCK),
            ids: Vec::with_capacity(BLOCK),
            decisions: Vec::with_capacity(BLOCK),
        }
    }

    /// Makes rows `rows` of the batch that `info` tells of. Every byte of their inputs is written unless an error is
    /// returned.
    pub(crate) fn produce(
        &self,
        order: &EpochOrder,
        info: &BatchInfo,
        rows: Range<usize>,
        scratch: &mut Scratch,
        out: &mut impl RowsMut,
    ) -> Result<()> {
        for start in rows.clone().step_by(BLOCK) {
            let rows = start..rows.end.min(start + BLOCK);
            self.decide(order, info, rows.clone(), scratch, out);
            self.make(info, rows, scratch, out)?;
        }
        Ok(())
    }

    /// Which samples the rows are, what becomes of their labels, and what shall become of their images.
    fn decide(
        &self,
        order: &EpochOrder,
        info: &BatchInfo,
        rows: Range<usize>,
        scratch: &mut Scratch,
        out: &mut impl RowsMut,
    ) {
        let inner = &*self.0;
        let Scratch { ranks, ids, decisions, .. } = scratch;
        let first = info.step * inner.spec.batch as u64 + (info.offset + rows.start) as u64;
        ranks.clear();
        match order {
            EpochOrder::Sequential => ranks.extend((0..rows.len()).map(|i| (first + i as u64) as u32)),
            EpochOrder::Shuffled(order) => {
                ranks.resize(rows.len(), 0);
                order.fill(self.1, first, ranks);
            }
        }
        if let Some(subset) = &inner.subset {
            ranks.iter_mut().for_each(|index| *index = subset[*index as usize]);
        }
        ids.clear();
        ids.extend(ranks.iter().map(|&rank| inner.split.ids()[rank as usize]));
        decisions.clear();
        for ((&rank, &id), row) in ranks.iter().zip(&*ids).zip(rows) {
            let rank = rank as usize;
            #[cfg(test)]
            assert!(inner.panic_at != Some(id), "planted panic at id {id}");
            let clean = inner.clean[rank];
            let (label, rule) = inner.labels.at(rank, id, clean, info.epoch);
            let decision = inner.inputs.decide(id, clean, info.epoch);
            decisions.push(decision);
            let out = out.row(row);
            *out.id = id;
            *out.clean_label = clean;
            *out.label = label;
            *out.rule = rule as u8;
            *out.input_rule = decision.rule as u8;
        }
    }

    fn make(
        &self,
        info: &BatchInfo,
        rows: Range<usize>,
        scratch: &mut Scratch,
        out: &mut impl RowsMut,
    ) -> Result<()> {
        let inner = &*self.0;
        let ahead = AHEAD.div_ceil(inner.dataset.shape().values()).min(BLOCK);
        (0..ahead.min(rows.len())).for_each(|i| self.prefetch(scratch, i));
        for (i, row) in rows.enumerate() {
            self.prefetch(scratch, i + ahead);
            let (rank, id, decision) = (scratch.ranks[i] as usize, scratch.ids[i], scratch.decisions[i]);
            let planned = Planned { rank, id, decision, epoch: info.epoch };
            self.make_image(planned, info, scratch, out.row(row).input)?;
        }
        Ok(())
    }

    /// Asks for the record of the block's row number `i`, if there is such a row and it is read.
    #[inline]
    fn prefetch(&self, scratch: &Scratch, i: usize) {
        let inner = &*self.0;
        if let Some(&decision) = scratch.decisions.get(i)
            && inner.inputs.reads_record(decision)
        {
            simd::prefetch(inner.split.stored(scratch.ranks[i] as usize));
        }
    }

    /// Makes one image.
    fn make_image(
        &self,
        sample: Planned,
        info: &BatchInfo,
        scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Result<()> {
        let inner = &*self.0;
        let Planned { rank, id, decision, epoch } = sample;
        let (stored, layout) = (inner.dataset.shape(), inner.dataset.layout());
        let Scratch { image, interleaved, stored: whole, corruption, decoder, .. } = scratch;
        let place = || inner.spec.geometry().place(stored, inner.shape, &inner.augment_key, id, epoch);
        let untouched = decision.rule == InputRule::Untouched;
        if !untouched && inner.inputs.at() == At::Stored {
            if inner.inputs.reads_record(decision) {
                Placement::WHOLE.copy(inner.split.record(rank, decoder)?, layout, stored, stored, whole);
            }
            inner.inputs.apply(self.1, decision, id, whole, corruption);
            place().copy(whole, Layout::Nchw, stored, inner.shape, image);
        } else if !untouched && !inner.inputs.reads_record(decision) {
            inner.inputs.apply(self.1, decision, id, image, corruption);
        } else {
            let (record, place) = (inner.split.record(rank, decoder)?, place());
            if let (true, Some(at)) = (untouched && layout == info.layout, place.window()) {
                // Straight from the record into the slot.
                let view = View::window(record, stored, layout, at, inner.shape);
                inner.scaling.write(self.1, view, info.dtype, out);
                return Ok(());
            }
            place.copy(record, layout, stored, inner.shape, image);
            if !untouched {
                inner.inputs.apply(self.1, decision, id, image, corruption);
            }
        }
        let mut image = &*image;
        if info.layout == Layout::Nhwc && inner.shape.channels > 1 {
            interleave(image, inner.shape.positions(), &mut interleaved[..image.len()]);
            image = interleaved;
        }
        let view = View::whole(&image[..inner.shape.values()], inner.shape, info.layout);
        inner.scaling.write(self.1, view, info.dtype, out);
        Ok(())
    }
}

/// Planes of `positions` values to positions of as many values as there are planes.
fn interleave(planar: &[u8], positions: usize, out: &mut [u8]) {
    let channels = planar.len() / positions;
    if let (3, [red, green, blue]) = (channels, [0, 1, 2].map(|c| &planar[c.min(channels - 1) * positions..]))
    {
        let planes = red.iter().zip(green).zip(blue);
        for (out, ((&r, &g), &b)) in out.as_chunks_mut::<3>().0.iter_mut().zip(planes) {
            *out = [r, g, b];
        }
        return;
    }
    for (c, plane) in planar.chunks_exact(positions).enumerate() {
        out[c..].iter_mut().step_by(channels).zip(plane).for_each(|(out, &x)| *out = x);
    }
}
