//! Images kept in memory as they are before scaling, each from the first time it is made.

use std::sync::atomic::{AtomicU8, Ordering};

use memmap2::{Advice, MmapMut, MmapRaw};

use super::RecipeError;

/// One image per sample of a split, in the batch's layout. Workers of different epochs may meet at one sample: the first
/// writes it, the others make it again for themselves until it is there.
pub(super) struct ViewCache {
    memory: MmapRaw,
    states: Box<[AtomicU8]>,
    image_bytes: usize,
}

const EMPTY: u8 = 0;
const FILLING: u8 = 1;
const READY: u8 = 2;

impl ViewCache {
    /// Room for `samples` images of `image_bytes` each, of which `needed` bytes will be filled. Memory is taken as it is
    /// filled, in large pages where the system has them.
    ///
    /// # Errors
    /// [`RecipeError::ViewMemory`].
    pub fn new(samples: usize, image_bytes: usize, needed: u64) -> Result<Self, RecipeError> {
        let available = available_memory();
        let refused = RecipeError::ViewMemory { needed, available };
        if needed > available {
            return Err(refused);
        }
        let Some(bytes) = samples.checked_mul(image_bytes) else { return Err(refused) };
        let memory = MmapMut::map_anon(bytes.max(1)).map_err(|_| refused)?;
        #[cfg(target_os = "linux")]
        let _ = memory.advise(Advice::HugePage); // only a hint
        let states = (0..samples).map(|_| AtomicU8::new(EMPTY)).collect();
        Ok(ViewCache { memory: MmapRaw::from(memory), states, image_bytes })
    }

    /// The image of the sample of this rank, if it is there.
    #[inline]
    pub fn get(&self, rank: usize) -> Option<&[u8]> {
        // Acquire: pairs with the Release in `put`.
        if self.states[rank].load(Ordering::Acquire) != READY {
            return None;
        }
        // SAFETY: `states` has as many entries as there is room for images, so the image lies in the mapping; it is ready,
        // so nobody writes it any more, and its bytes were written before.
        Some(unsafe {
            std::slice::from_raw_parts(self.memory.as_ptr().add(rank * self.image_bytes), self.image_bytes)
        })
    }

    /// Keeps `image`, unless somebody has or is about to.
    pub fn put(&self, rank: usize, image: &[u8]) {
        assert_eq!(image.len(), self.image_bytes);
        // Relaxed: whoever gains EMPTY -> FILLING is alone; nothing has to be seen before that.
        let state = &self.states[rank];
        if state.compare_exchange(EMPTY, FILLING, Ordering::Relaxed, Ordering::Relaxed).is_err() {
            return;
        }
        // SAFETY: the image lies in the mapping, as in `get`; only one thread ever gains FILLING, and nobody reads before
        // READY.
        unsafe {
            let to = self.memory.as_mut_ptr().add(rank * self.image_bytes);
            std::ptr::copy_nonoverlapping(image.as_ptr(), to, image.len());
        }
        state.store(READY, Ordering::Release); // pairs with the Acquire in `get`
    }
}

/// Bytes that can be had without swapping; no limit where the system does not tell.
fn available_memory() -> u64 {
    let told = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map_or(u64::MAX, |kib| kib.saturating_mul(1024))
}

#[cfg(all(test, not(rfx_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_first_image_put_is_the_one_that_stays() {
        let views = ViewCache::new(3, 4, 12).unwrap();
        assert_eq!(views.get(1), None);
        views.put(1, &[1, 2, 3, 4]);
        views.put(1, &[9, 9, 9, 9]);
        views.put(2, &[5, 6, 7, 8]);
        assert_eq!(
            [views.get(0), views.get(1), views.get(2)],
            [None, Some(&[1, 2, 3, 4][..]), Some(&[5, 6, 7, 8][..])]
        );
    }

    #[test]
    fn threads_that_meet_see_nothing_or_all() {
        let views = ViewCache::new(200, 4096, 0).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for rank in (0..200).cycle().take(2000) {
                        match views.get(rank) {
                            Some(image) => assert!(image.iter().all(|&x| x == rank as u8)),
                            None => views.put(rank, &[rank as u8; 4096]),
                        }
                    }
                });
            }
        });
        assert!((0..200).all(|rank| views.get(rank).is_some()));
    }

    #[test]
    fn more_than_there_is_is_refused_with_both_numbers() {
        let error = ViewCache::new(1, 1, u64::MAX).err();
        match error {
            Some(RecipeError::ViewMemory { needed: u64::MAX, .. }) => {}
            None if available_memory() == u64::MAX => {} // the system does not tell
            other => panic!("{other:?}"),
        }
    }
}
