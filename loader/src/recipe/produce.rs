//! Making rows of a batch: the only place where the stages are put together.
//!
//! Rows are made in blocks. First everything is decided for the whole block: which samples, their labels, what is to be
//! done to each. Positions and random words come many at a time there, and the look-ups of all rows wait for memory
//! together. Then each image is made, bytes -> geometry -> corruption -> normalise and cast -> slot, while the record of
//! one of the next is already on its way into the cache.

use std::ops::Range;

use super::{
    EpochOrder, OnBadRecord, Recipe,
    stages::{Stage, Unwatched, Watch},
};
use crate::{
    batch::{BatchInfo, Row},
    corrupt::{
        At, InputRule,
        input::{InputDecision, Memory},
    },
    decode::RegionDecoder,
    dtype::Layout,
    error::{Error, Result},
    geometry::{Placement, Resizer},
    normalise::View,
    shape::ImageShape,
    shard::{Decoder, FormatError},
    simd::Ahead,
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

/// Memory one thread works in, all of it allocated before the first row: three images at most, what one is
/// corrupted and resized with, what
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
    /// What encoded images are decoded with: their regions, as large as the largest so far.
    regions: RegionDecoder,
    resizer: Resizer,
    /// Whether batches are so large that no cache holds them until they are read.
    pub stream: bool,
    /// Index in the epoch's order, then rank of id, of each row of the block.
    ranks: Vec<u32>,
    ids: Vec<i64>,
    decisions: Vec<InputDecision>,
}

/// What the making of one image needs to know, beside what is the same for all.
#[derive(Clone, Copy)]
pub(super) struct Planned {
    pub rank: usize,
    pub id: i64,
    decision: InputDecision,
    pub epoch: u32,
    /// Whether the record could not be decoded, and zeros stand for it.
    blank: bool,
}

impl Recipe {
    pub(crate) fn scratch(&self) -> Scratch {
        let values = self.inner.shape.values();
        let whole = self.inner.stored.filter(|_| self.inner.inputs.at() == At::Stored);
        let stored = whole.map_or(0, ImageShape::values);
        Scratch {
            image: vec![0; values],
            interleaved: vec![0; if self.inner.spec.layout == Layout::Nhwc { values } else { 0 }],
            stored: vec![0; stored],
            corruption: self.inner.inputs.memory(),
            decoder: Decoder::new(),
            regions: RegionDecoder::new(),
            resizer: Resizer::new(self.simd),
            stream: false,
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
        self.produce_watched(order, info, rows, scratch, out, &mut Unwatched)
    }

    /// As [`Recipe::produce`], telling `watch` of every stage.
    pub(super) fn produce_watched(
        &self,
        order: &EpochOrder,
        info: &BatchInfo,
        rows: Range<usize>,
        scratch: &mut Scratch,
        out: &mut impl RowsMut,
        watch: &mut impl Watch,
    ) -> Result<()> {
        for start in rows.clone().step_by(BLOCK) {
            let rows = start..rows.end.min(start + BLOCK);
            self.decide(order, info, rows.clone(), scratch, out);
            watch.ended(Stage::Decide);
            self.make(info, rows, scratch, out, watch)?;
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
        let inner = &*self.inner;
        let Scratch { ranks, ids, decisions, .. } = scratch;
        let first = info.step * inner.spec.batch as u64 + (info.offset + rows.start) as u64;
        ranks.clear();
        ranks.resize(rows.len(), 0);
        order.fill(self.simd, first, ranks);
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
        watch: &mut impl Watch,
    ) -> Result<()> {
        let inner = &*self.inner;
        let ahead = AHEAD.div_ceil(inner.record_bytes).min(BLOCK);
        (0..ahead.min(rows.len())).for_each(|i| self.upcoming(scratch, i).rest());
        for (i, row) in rows.enumerate() {
            let mut upcoming = self.upcoming(scratch, i + ahead);
            let (rank, id, decision) = (scratch.ranks[i] as usize, scratch.ids[i], scratch.decisions[i]);
            let planned = Planned { rank, id, decision, epoch: info.epoch, blank: false };
            let made = self.make_image(planned, info, scratch, out.row(row).input, &mut upcoming, watch);
            match made {
                Err(Error::Format(error @ FormatError::RecordImage { .. }))
                    if inner.spec.on_bad != OnBadRecord::Fail =>
                {
                    self.replace(planned, error, info, scratch, out.row(row), watch)?;
                }
                made => made?,
            }
        }
        Ok(())
    }

    /// Makes a row whose record could not be decoded, as the spec's policy says.
    #[cold]
    fn replace(
        &self,
        bad: Planned,
        error: FormatError,
        info: &BatchInfo,
        scratch: &mut Scratch,
        row: Row<'_>,
        watch: &mut impl Watch,
    ) -> Result<()> {
        let inner = &*self.inner;
        let nothing = &mut Ahead::of(&[]);
        inner.bad.note(bad.id, &error);
        if inner.spec.on_bad == OnBadRecord::Blank {
            let blank = Planned { blank: true, ..bad };
            return self.make_image(blank, info, scratch, row.input, nothing, watch);
        }
        let samples = self.samples();
        let rank = bad.rank;
        // The subset is in id order, and the sample is one of it.
        let index = |ranks: &Vec<u32>| ranks.partition_point(|&r| (r as usize) < rank);
        let index = inner.subset.as_ref().map_or(rank, index);
        for step in 1..samples {
            let rank = self.rank((index + step) % samples);
            let (id, clean) = (inner.split.ids()[rank], inner.clean[rank]);
            let decision = inner.inputs.decide(id, clean, info.epoch);
            let planned = Planned { rank, id, decision, epoch: info.epoch, blank: false };
            match self.make_image(planned, info, scratch, &mut *row.input, nothing, watch) {
                Ok(()) => {
                    let (label, rule) = inner.labels.at(rank, id, clean, info.epoch);
                    (*row.id, *row.clean_label, *row.label) = (id, clean, label);
                    (*row.rule, *row.input_rule) = (rule as u8, decision.rule as u8);
                    return Ok(());
                }
                Err(Error::Format(error @ FormatError::RecordImage { .. })) => inner.bad.note(id, &error),
                Err(error) => return Err(error),
            }
        }
        Err(error.into())
    }

    /// What the block's row number `i` will be made from, if there is such a row.
    #[inline]
    fn upcoming(&self, scratch: &Scratch, i: usize) -> Ahead<'_> {
        let Some((&rank, &decision)) = scratch.ranks.get(i).zip(scratch.decisions.get(i)) else {
            return Ahead::of(&[]);
        };
        let rank = rank as usize;
        Ahead::of(match self.views.as_ref().and_then(|views| views.get(rank)) {
            Some(image) => image,
            None if self.inner.inputs.reads_record(decision) => self.inner.split.stored(rank),
            None => &[],
        })
    }

    /// Makes one image.
    fn make_image(
        &self,
        sample: Planned,
        info: &BatchInfo,
        scratch: &mut Scratch,
        out: &mut [u8],
        upcoming: &mut Ahead<'_>,
        watch: &mut impl Watch,
    ) -> Result<()> {
        let inner = &*self.inner;
        let (views, stream) = (self.views.as_deref(), scratch.stream);
        if let Some(image) = views.and_then(|views| views.get(sample.rank)) {
            watch.record(image);
            let view = View::whole(image, inner.shape, info.layout);
            inner.scaling.write(self.simd, view, info.dtype, out, stream, upcoming);
            watch.ended(Stage::Write);
            return Ok(());
        }
        let layout = inner.dataset.layout();
        let Scratch { image, interleaved, stored: whole, corruption, decoder, regions, resizer, .. } =
            scratch;
        let Planned { rank, id, decision, epoch, blank } = sample;
        let untouched = decision.rule == InputRule::Untouched;
        let mut corrupt = |image: &mut [u8]| inner.inputs.apply(self.simd, decision, id, image, corruption);
        let reads = inner.inputs.reads_record(decision) && !blank;
        let record = if reads { inner.split.record(rank, decoder)? } else { &[] };
        watch.record(record);
        let Some(stored) = inner.stored else {
            if reads {
                self.render_encoded(sample, record, regions, resizer, image)?;
            } else if blank {
                image.fill(0);
            }
            watch.ended(Stage::Geometry);
            if !untouched {
                corrupt(image);
                watch.ended(Stage::Corrupt);
            }
            self.finish(rank, info, image, interleaved, out, stream, upcoming);
            watch.ended(Stage::Write);
            return Ok(());
        };
        let place = || inner.spec.geometry().place(stored, inner.shape, &inner.augment_key, id, epoch);
        if !untouched && inner.inputs.at() == At::Stored {
            if reads {
                Placement::WHOLE.copy(record, layout, stored, stored, whole);
            }
            watch.ended(Stage::Geometry);
            corrupt(whole);
            watch.ended(Stage::Corrupt);
            place().render(resizer, whole, Layout::Nchw, stored, inner.shape, image);
            watch.ended(Stage::Geometry);
        } else {
            if reads {
                let place = place();
                if let (None, true, Some(at)) = (views, untouched && layout == info.layout, place.window()) {
                    // Straight from the record into the slot.
                    let view = View::window(record, stored, layout, at, inner.shape);
                    inner.scaling.write(self.simd, view, info.dtype, out, stream, upcoming);
                    watch.ended(Stage::Write);
                    return Ok(());
                }
                place.render(resizer, record, layout, stored, inner.shape, image);
                watch.ended(Stage::Geometry);
            }
            if !untouched {
                corrupt(image);
                watch.ended(Stage::Corrupt);
            }
        }
        self.finish(rank, info, image, interleaved, out, stream, upcoming);
        watch.ended(Stage::Write);
        Ok(())
    }

    /// From the planar image before scaling to the row.
    #[inline]
    #[allow(clippy::too_many_arguments)] // parts of a scratch that is lent out in parts
    fn finish(
        &self,
        rank: usize,
        info: &BatchInfo,
        image: &[u8],
        interleaved: &mut [u8],
        out: &mut [u8],
        stream: bool,
        upcoming: &mut Ahead<'_>,
    ) {
        let inner = &*self.inner;
        let mut image = image;
        if info.layout == Layout::Nhwc {
            interleave(image, inner.shape.positions(), interleaved);
            image = interleaved;
        }
        if let Some(views) = &self.views {
            views.put(rank, image);
        }
        let view = View::whole(image, inner.shape, info.layout);
        inner.scaling.write(self.simd, view, info.dtype, out, stream, upcoming);
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
