//! One preallocated batch: input, labels, clean labels, ids and rules in a single 64-byte-aligned allocation.

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    ptr::NonNull,
    slice,
};

/// Alignment of every array of a slot: a cache line, and AVX-512's vector.
const ALIGN: usize = 64;

/// Sizes of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SlotShape {
    /// Most samples it can hold.
    pub capacity: usize,
    /// Bytes of one sample's input.
    pub row_bytes: usize,
}

/// Memory for one batch. It does no locking: see the contracts of [`Slot::row`] and [`Slot::rows`].
pub(crate) struct Slot {
    memory: NonNull<u8>,
    layout: Layout,
    shape: SlotShape,
    offsets: Offsets,
}

/// Where each array starts, in bytes.
#[derive(Clone, Copy)]
struct Offsets {
    labels: usize,
    clean_labels: usize,
    ids: usize,
    rules: usize,
    input_rules: usize,
}

/// One sample's place in a slot, for the worker that makes it.
pub(crate) struct Row<'a> {
    pub input: &'a mut [u8],
    pub label: &'a mut i64,
    pub clean_label: &'a mut i64,
    pub id: &'a mut i64,
    pub rule: &'a mut u8,
    pub input_rule: &'a mut u8,
}

impl Row<'_> {
    /// The same row, for a shorter time.
    pub fn reborrow(&mut self) -> Row<'_> {
        Row {
            input: self.input,
            label: self.label,
            clean_label: self.clean_label,
            id: self.id,
            rule: self.rule,
            input_rule: self.input_rule,
        }
    }
}

/// The first samples of a slot, for reading.
pub(crate) struct Rows<'a> {
    pub input: &'a [u8],
    pub labels: &'a [i64],
    pub clean_labels: &'a [i64],
    pub ids: &'a [i64],
    pub rules: &'a [u8],
    pub input_rules: &'a [u8],
}

// SAFETY: a slot is plain memory that it owns; who may touch which row when is the contract of its methods.
unsafe impl Send for Slot {}
// SAFETY: as for `Send`; sharing a `&Slot` alone permits no access.
unsafe impl Sync for Slot {}

impl Slot {
    /// Allocates a zeroed slot, or returns `None` if its size overflows the address space. Zeroing also touches
    /// every page, so that the first epoch takes no page faults.
    pub fn new(shape: SlotShape) -> Option<Self> {
        let mut size = 0usize;
        let mut array = |element: usize| -> Option<usize> {
            let start = size;
            let bytes = shape.capacity.checked_mul(element)?.checked_next_multiple_of(ALIGN)?;
            size = size.checked_add(bytes)?;
            Some(start)
        };
        let input = array(shape.row_bytes)?;
        debug_assert_eq!(input, 0);
        let offsets = Offsets {
            labels: array(8)?,
            clean_labels: array(8)?,
            ids: array(8)?,
            rules: array(1)?,
            input_rules: array(1)?,
        };
        let layout = Layout::from_size_align(size.max(ALIGN), ALIGN).ok()?;
        // SAFETY: the layout's size is at least ALIGN, so not zero.
        let memory =
            NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        Some(Slot { memory, layout, shape, offsets })
    }

    /// Its sizes.
    pub fn shape(&self) -> SlotShape {
        self.shape
    }

    /// Start of the input, for handing to a library that keeps its own pointer.
    pub fn input_ptr(&self) -> *mut u8 {
        self.memory.as_ptr()
    }

    /// Start of the labels.
    pub fn labels_ptr(&self) -> *mut i64 {
        self.array(self.offsets.labels)
    }

    fn array<T>(&self, offset: usize) -> *mut T {
        // SAFETY: `offset` is one of this slot's own, inside the allocation, and a multiple of ALIGN.
        unsafe { self.memory.as_ptr().add(offset).cast() }
    }

    /// Row `row`, for writing.
    ///
    /// # Safety
    /// No other reference to this row exists, to the row itself or to [`Slot::rows`] that include it.
    ///
    /// # Panics
    /// If `row` is not below the capacity.
    #[allow(clippy::mut_from_ref)] // exclusive by the contract above
    pub unsafe fn row(&self, row: usize) -> Row<'_> {
        assert!(row < self.shape.capacity, "row {row} of a slot of {}", self.shape.capacity);
        let Offsets { labels, clean_labels, ids, rules, input_rules } = self.offsets;
        // SAFETY: the row is inside each array by the assertion, arrays are disjoint and aligned, the memory is
        // initialised (zeroed), and the caller promises that nobody else refers to this row.
        unsafe {
            Row {
                input: slice::from_raw_parts_mut(
                    self.memory.as_ptr().add(row * self.shape.row_bytes),
                    self.shape.row_bytes,
                ),
                label: &mut *self.array::<i64>(labels).add(row),
                clean_label: &mut *self.array::<i64>(clean_labels).add(row),
                id: &mut *self.array::<i64>(ids).add(row),
                rule: &mut *self.array::<u8>(rules).add(row),
                input_rule: &mut *self.array::<u8>(input_rules).add(row),
            }
        }
    }

    /// The first `len` rows, for reading.
    ///
    /// # Safety
    /// No [`Slot::row`] of these rows is alive, and none is made while the result is.
    ///
    /// # Panics
    /// If `len` exceeds the capacity.
    pub unsafe fn rows(&self, len: usize) -> Rows<'_> {
        assert!(len <= self.shape.capacity, "{len} rows of a slot of {}", self.shape.capacity);
        // SAFETY: `len` rows are inside each array, aligned and initialised; the caller promises no writer.
        unsafe {
            Rows {
                input: slice::from_raw_parts(self.memory.as_ptr(), len * self.shape.row_bytes),
                labels: slice::from_raw_parts(self.array(self.offsets.labels), len),
                clean_labels: slice::from_raw_parts(self.array(self.offsets.clean_labels), len),
                ids: slice::from_raw_parts(self.array(self.offsets.ids), len),
                rules: slice::from_raw_parts(self.array(self.offsets.rules), len),
                input_rules: slice::from_raw_parts(self.array(self.offsets.input_rules), len),
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`, freed once.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_disjoint_and_aligned() {
        let slot = Slot::new(SlotShape { capacity: 5, row_bytes: 13 }).unwrap();
        for i in 0..5u8 {
            // SAFETY: one row at a time, none shared.
            let row = unsafe { slot.row(i.into()) };
            row.input.fill(i + 1);
            (*row.label, *row.clean_label, *row.id) = (i.into(), 10 + i64::from(i), 20 + i64::from(i));
            (*row.rule, *row.input_rule) = (i, 100 + i);
        }
        // SAFETY: no row is alive.
        let rows = unsafe { slot.rows(5) };
        assert_eq!(rows.input, (1..=5).flat_map(|i| [i; 13]).collect::<Vec<_>>());
        assert_eq!((rows.labels, rows.clean_labels), (&[0, 1, 2, 3, 4][..], &[10, 11, 12, 13, 14][..]));
        assert_eq!((rows.ids, rows.rules), (&[20, 21, 22, 23, 24][..], &[0, 1, 2, 3, 4][..]));
        assert_eq!(rows.input_rules, [100, 101, 102, 103, 104]);
        assert_eq!(slot.input_ptr() as usize % ALIGN, 0);
        assert!(Slot::new(SlotShape { capacity: usize::MAX / 2, row_bytes: 3 }).is_none());
        let empty = Slot::new(SlotShape { capacity: 0, row_bytes: 13 }).unwrap();
        // SAFETY: no row is alive.
        assert!(unsafe { empty.rows(0) }.ids.is_empty());
    }
}
