//! Reading every file once: its digest, what its header says, and, where bad files are to be left out or listed, whether
//! it decodes. Files are dealt out to threads; results come back in the files' order.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{
    ImageOptions, OpenProgress,
    place::{Entry, Places},
};
use crate::{
    decode::{DecodeError, Probe, Resizer, decode, probe},
    digest::Digest,
    source::SourceError,
};

/// What reading a file once has told.
#[derive(Clone, Debug)]
pub(super) struct Surveyed {
    pub bytes: u64,
    pub digest: Digest,
    /// The header, and the size `(width, height)` of the image made of it; or why there is none.
    pub image: Result<(Probe, (usize, usize)), DecodeError>,
}

/// Surveys all `entries`. `full`: decodes them, instead of reading headers alone.
pub(super) fn survey(
    places: &Places,
    entries: &[Entry],
    options: &ImageOptions,
    full: bool,
    progress: &dyn OpenProgress,
) -> Result<Vec<Surveyed>, SourceError> {
    // Archives are read from their beginning to their end, whatever the order of ids.
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&i| entries[i].place.position()); // stable: a tree stays in its order
    let surveyed = parallel(options.jobs, entries.len(), progress, |k, resizer: &mut Resizer| {
        let surveyed = match places.read(&entries[order[k]])? {
            Ok(bytes) => {
                let image = look(&bytes, options, full, resizer);
                Surveyed { bytes: bytes.len() as u64, digest: Digest::of(&bytes), image }
            }
            // Too long to be read whole: its digest is that of a stream.
            Err((length, digest, error)) => Surveyed { bytes: length, digest, image: Err(error) },
        };
        progress.read(surveyed.bytes);
        Ok(surveyed)
    })?;
    let mut surveyed: Vec<_> = order.into_iter().zip(surveyed).collect();
    surveyed.sort_unstable_by_key(|(i, _)| *i);
    Ok(surveyed.into_iter().map(|(_, s)| s).collect())
}

fn look(
    bytes: &[u8],
    options: &ImageOptions,
    full: bool,
    resizer: &mut Resizer,
) -> Result<(Probe, (usize, usize)), DecodeError> {
    let probe = probe(bytes)?;
    let size = options.fit.size(probe.size(&options.decode()))?;
    if full {
        let pixels = options.fit.apply(decode(bytes, &options.decode())?, resizer)?;
        debug_assert_eq!((pixels.width, pixels.height), size);
    }
    Ok((probe, size))
}

/// Calls `work` for 0..`n` on `jobs` threads, each with a `State` of its own, and gives the results in order. Of several
/// failures that of the smallest number is returned among those that were met.
fn parallel<State: Default, T: Send>(
    jobs: usize,
    n: usize,
    progress: &dyn OpenProgress,
    work: impl Fn(usize, &mut State) -> Result<T, SourceError> + Sync,
) -> Result<Vec<T>, SourceError> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let (mut done, mut state) = (Vec::new(), State::default());
        loop {
            // Relaxed: the counter only deals out numbers; results are published by joining the thread.
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n {
                return done;
            }
            let result =
                if progress.cancelled() { Err(SourceError::Interrupted) } else { work(i, &mut state) };
            let failed = result.is_err();
            done.push((i, result));
            if failed {
                next.store(n, Ordering::Relaxed); // the others stop when they ask next
                return done;
            }
        }
    };
    let mut results = std::thread::scope(|scope| {
        let spawn = |_| std::thread::Builder::new().spawn_scoped(scope, worker).ok();
        let handles: Vec<_> = (1..jobs.min(n)).map_while(spawn).collect();
        let mut results = worker();
        for handle in handles {
            results.extend(handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        results
    });
    results.sort_unstable_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}
