//! The guard through which a consumer holds a batch of the ring.

use std::fmt;

use super::{BatchInfo, Rows, batch_access};
use crate::{pipeline::Ring, sync::Arc};

/// A finished batch. Its slot goes back to the ring when the guard is dropped, on whatever thread; keep it (or an
/// `Arc` of it) alive for as long as anything points into the batch. Guards may outlive the loader.
pub struct Batch {
    ring: Arc<Ring>,
    slot: usize,
    info: BatchInfo,
}

batch_access!(Batch);

impl Batch {
    /// The caller has taken `slot` out of the ring's finished batches, and so is its only holder.
    pub(crate) fn new(ring: Arc<Ring>, slot: usize, info: BatchInfo) -> Self {
        Batch { ring, slot, info }
    }

    /// Start of the input, for a library that keeps its own pointer; valid until the guard is dropped. That
    /// library may write through it only while nothing reads the batch.
    pub fn input_ptr(&self) -> *mut u8 {
        self.ring.slot(self.slot).input_ptr()
    }

    /// Start of the labels; as [`Batch::input_ptr`].
    pub fn labels_ptr(&self) -> *mut i64 {
        self.ring.slot(self.slot).labels_ptr()
    }

    fn rows(&self) -> Rows<'_> {
        // SAFETY: workers finished with this slot before it was published (the ring's Release/Acquire pair), and
        // get it again only after this guard's drop.
        unsafe { self.ring.slot(self.slot).rows(self.info.len) }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.ring.release(self.slot);
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("slot", &self.slot).field("info", &self.info).finish()
    }
}
