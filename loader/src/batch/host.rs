//! A batch that owns its memory, made by one thread: the reference every pipeline is compared with.

use super::{BatchInfo, Row, Rows, Slot, SlotShape, batch_access};
use crate::recipe::RowsMut;

/// A batch in memory of its own.
pub struct HostBatch {
    slot: Slot,
    info: BatchInfo,
}

batch_access!(HostBatch);

impl HostBatch {
    /// A zeroed batch, or `None` if its size overflows.
    pub(crate) fn new(info: BatchInfo) -> Option<Self> {
        let row_bytes = info.shape.values() * info.dtype.size_bytes();
        Some(HostBatch { slot: Slot::new(SlotShape { capacity: info.len, row_bytes })?, info })
    }

    /// Becomes the batch that `info` tells of, whose rows are to be written; they fit, as they are no more or larger.
    pub(crate) fn begin(&mut self, info: BatchInfo) {
        let row_bytes = info.shape.values() * info.dtype.size_bytes();
        assert!(info.len <= self.slot.shape().capacity && row_bytes == self.slot.shape().row_bytes);
        self.info = info;
    }

    fn rows(&self) -> Rows<'_> {
        // SAFETY: `&self` excludes writers, which take `&mut self`.
        unsafe { self.slot.rows(self.info.len) }
    }
}

impl RowsMut for HostBatch {
    fn row(&mut self, row: usize) -> Row<'_> {
        // SAFETY: `&mut self` excludes every other reference into the slot.
        unsafe { self.slot.row(row) }
    }
}
