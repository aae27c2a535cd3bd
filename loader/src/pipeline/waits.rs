//! How long a consumer waited for each batch, as counts on a scale that grows with the wait.
//!
//! Below 16 ns every nanosecond has a counter of its own. Above, each doubling has 16 counters of equal width, so that
//! a counter is at most a sixteenth of its waits wide, and its middle, which stands for all of them, is off by at most
//! a thirty-second ([`Waits::ERROR`]). Counting touches one counter and allocates nothing; all of them take 8 KiB,
//! whatever comes. The same scale as in Gil Tene's HdrHistogram.

use std::time::Duration;

use serde::Serialize;

/// Binary digits of a wait that are told apart below its first.
const DIGITS: u32 = 4;
/// Counters of one doubling.
const STEPS: u64 = 1 << DIGITS;
/// Counters of all 64-bit numbers of nanoseconds.
const COUNTERS: usize = ((64 - DIGITS as usize) + 1) << DIGITS;

/// Waits, counted. Shows as [`WaitQuantiles`] where it is serialised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "WaitQuantiles")]
pub struct Waits {
    counts: Box<[u64; COUNTERS]>,
    len: u64,
    /// Nanoseconds.
    max: u64,
}

/// The quantiles that are asked for most, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct WaitQuantiles {
    /// Half of the waits were at most this long.
    pub p50_s: f64,
    /// 99 of 100 were.
    pub p99_s: f64,
    /// All were.
    pub max_s: f64,
}

impl Default for Waits {
    fn default() -> Self {
        Waits { counts: Box::new([0; COUNTERS]), len: 0, max: 0 }
    }
}

impl Waits {
    /// Most that [`Waits::quantile`] is off by, as a share of the true quantile.
    pub const ERROR: f64 = 1.0 / (2 * STEPS) as f64;

    /// Counts one wait; one of more than 584 years counts as that.
    pub(super) fn record(&mut self, wait: Duration) {
        let ns = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
        self.counts[counter(ns)] += 1;
        self.len += 1;
        self.max = self.max.max(ns);
    }

    /// Forgets all waits.
    pub(super) fn clear(&mut self) {
        self.counts.fill(0);
        (self.len, self.max) = (0, 0);
    }

    /// Number of waits counted.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether none was counted.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The longest wait, exactly; zero where there was none.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max)
    }

    /// The shortest wait that at least a share `q` (0 to 1; what is outside counts as the nearer) of all waits do not
    /// exceed, off by at most [`Waits::ERROR`] of itself; zero where there was none. Costs a pass over the counters.
    pub fn quantile(&self, q: f64) -> Duration {
        // As a cast saturates, no q leads outside 1 to len; beyond 2^53 waits a rank may be off by a few.
        let rank = ((q * self.len as f64).ceil() as u64).clamp(1, self.len.max(1));
        let mut below = 0;
        let found = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        Duration::from_nanos(found.map_or(0, |counter| middle(counter).min(self.max)))
    }

    /// Median, 99th percentile and longest wait.
    pub fn quantiles(&self) -> WaitQuantiles {
        WaitQuantiles {
            p50_s: self.quantile(0.5).as_secs_f64(),
            p99_s: self.quantile(0.99).as_secs_f64(),
            max_s: self.max().as_secs_f64(),
        }
    }
}

impl From<Waits> for WaitQuantiles {
    fn from(waits: Waits) -> Self {
        waits.quantiles()
    }
}

/// The counter of a wait.
fn counter(ns: u64) -> usize {
    if ns < STEPS {
        return ns as usize;
    }
    let doubling = ns.ilog2() - DIGITS; // the counters of this one are 2^doubling wide
    let step = (ns >> doubling) - STEPS;
    ((u64::from(doubling) + 1) * STEPS + step) as usize
}

/// The middle of a counter, rounded down.
fn middle(counter: usize) -> u64 {
    let (row, step) = (counter as u64 / STEPS, counter as u64 % STEPS);
    if row == 0 {
        return step;
    }
    let doubling = row - 1;
    ((STEPS + step) << doubling) + (1 << doubling) / 2
}

#[cfg(all(test, not(rfx_loom)))]
mod tests {
    use proptest::{prelude::*, test_runner::RngSeed};

    use super::*;

    fn counted(ns: &[u64]) -> Waits {
        let mut waits = Waits::default();
        ns.iter().for_each(|&ns| waits.record(Duration::from_nanos(ns)));
        waits
    }

    #[test]
    fn every_wait_has_a_counter_whose_middle_is_near() {
        let edges = (0..64).flat_map(|e| [(1u64 << e) - 1, 1 << e, (1 << e) + 1, 3 << e >> 1]);
        for ns in edges.chain(0..5000).chain([u64::MAX]) {
            let at = counter(ns);
            assert!(at < COUNTERS, "{ns}");
            assert!(middle(at).abs_diff(ns) as f64 <= ns as f64 * Waits::ERROR, "{ns}: {}", middle(at));
            assert!(ns == 0 || counter(ns - 1) <= at && at <= counter(ns - 1) + 1, "{ns}: none is left out");
        }
        assert_eq!(counter(u64::MAX), COUNTERS - 1);
    }

    #[test]
    fn no_waits_and_absurd_ones_have_quantiles() {
        let none = Waits::default();
        assert!(none.is_empty() && none.quantile(0.5).is_zero() && none.max().is_zero());
        let mut waits = counted(&[7]);
        for q in [f64::NAN, -1.0, 0.0, 0.5, 1.0, 2.0, f64::INFINITY] {
            assert_eq!(waits.quantile(q), Duration::from_nanos(7), "{q}");
        }
        waits.record(Duration::MAX);
        assert_eq!(waits.max(), Duration::from_nanos(u64::MAX));
        waits.clear();
        assert_eq!(waits, none);
    }

    #[test]
    fn serialised_they_are_quantiles_in_seconds() {
        let json = serde_json::to_value(counted(&[1 << 30; 3])).unwrap();
        assert_eq!(json["max_s"], 1.073741824);
        assert_eq!(json.as_object().unwrap().len(), 3);
    }

    proptest! {
        // A fixed seed: nothing random about a failure.
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(256) })]

        /// The twin: the sorted list. The bound is the promise, so a right implementation never fails.
        #[test]
        fn quantiles_are_those_of_the_sorted_list_within_the_error(
            waits in prop::collection::vec((0u32..64, any::<u64>()).prop_map(|(shift, ns)| ns >> shift), 1..200),
            q in 0.0..=1.0f64,
        ) {
            let histogram = counted(&waits);
            let mut sorted = waits;
            sorted.sort_unstable();
            let rank = ((q * sorted.len() as f64).ceil() as usize).max(1);
            let (exact, found) = (sorted[rank - 1], histogram.quantile(q).as_nanos() as u64);
            prop_assert!(found.abs_diff(exact) as f64 <= exact as f64 * Waits::ERROR, "{found} for {exact}");
            prop_assert_eq!(histogram.len(), sorted.len() as u64);
            prop_assert_eq!(histogram.max().as_nanos() as u64, sorted[sorted.len() - 1]);
        }
    }
}
