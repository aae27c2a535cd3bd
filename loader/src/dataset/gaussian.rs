//! Gaussian pixel tables: 255 thresholds per channel whose noise has the train split's mean and deviation *after*
//! rounding to levels and clipping to 0..=255.
//!
//! A value is the number of thresholds that are <= a 16-bit word, with `t_j = round(65536 * Phi((j - 0.5 - mu) /
//! sigma))`. Clipping pulls the moments towards the middle, so mu and sigma are not the data's. They are found by two
//! bisections, as the mean rises with mu, and, along the mu that keep the mean, the deviation with sigma. (Newton's
//! iteration on both was dropped: it failed for small deviations, where rounding makes steps, and overshot where most
//! is clipped.) Costs some 20 ms a channel, once, when a set is packed; readers use the stored integers, so no
//! machine's libm matters. The arithmetic is the pinned `libm` crate's and + - * /.

use serde::{Deserialize, Serialize};

use super::moments::Moments;
use crate::normal::upper;

/// Thresholds of one channel.
pub type Thresholds = [u32; 255];

/// The noise of one channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianTable {
    /// Mean of the normal distribution before rounding and clipping, in levels.
    pub mu: f64,
    /// Its deviation, in levels.
    pub sigma: f64,
    /// Share of its values outside -0.5..255.5, which clipping moves to 0 or 255.
    pub clipped: f64,
    /// 255 thresholds, not decreasing, each at most 65,536.
    pub thresholds: Vec<u32>,
}

/// The tables of a data set, or why there are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum Gaussian {
    /// One table per channel.
    Channels(Vec<GaussianTable>),
    /// No table has the data's moments.
    Unreachable(String),
}

/// Share of clipped values above which a pack warns.
pub const CLIPPED_WARNING: f64 = 0.10;

/// How far the moments of the stored thresholds may be from the data's, in levels.
const TOLERANCE: f64 = 0.01;

/// How far the moments of the distribution before the thresholds are rounded may be from the data's, in levels.
const EXACT: f64 = 1e-6;

impl Gaussian {
    /// Tables with the given moments.
    pub(crate) fn solve(moments: &Moments) -> Gaussian {
        if !moments.are_taken() {
            return Gaussian::Unreachable("no moments were taken; pack with --stats to take them".into());
        }
        let mut tables = Vec::new();
        for channel in 0..moments.sum.len() {
            let (mean, sd) = (moments.mean(channel), moments.deviation(channel));
            match solve_channel(mean, sd) {
                Some(table) => tables.push(table),
                None => {
                    return Gaussian::Unreachable(format!(
                        "channel {channel} has mean {mean:.6} and deviation {sd:.6}, which no rounded and clipped \
                         normal distribution has"
                    ));
                }
            }
        }
        Gaussian::Channels(tables)
    }

    /// Whether these tables are right for `moments`, whoever solved them. That there are none is never wrong.
    pub(crate) fn fits(&self, moments: &Moments) -> bool {
        match self {
            Gaussian::Unreachable(_) => true,
            Gaussian::Channels(tables) => tables.iter().enumerate().all(|(channel, table)| {
                table.is_consistent() && table.has(moments.mean(channel), moments.deviation(channel))
            }),
        }
    }

    /// Warnings a pack shows.
    pub(crate) fn warnings(&self) -> Vec<String> {
        match self {
            Gaussian::Unreachable(reason) => vec![format!("no Gaussian noise tables: {reason}")],
            Gaussian::Channels(tables) => {
                let many = tables.iter().enumerate().filter(|(_, t)| t.clipped > CLIPPED_WARNING);
                many.map(|(channel, t)| {
                    format!(
                        "Gaussian noise of channel {channel}: {:.1} % of the values are clipped, so it looks little \
                         like a normal distribution (its mean and deviation still match the data's)",
                        100.0 * t.clipped
                    )
                })
                .collect()
            }
        }
    }
}

/// Mean and deviation of round-then-clip of N(mu, sigma).
fn clipped_moments(mu: f64, sigma: f64) -> (f64, f64) {
    mean_and_deviation((1..=255).map(|j| upper((f64::from(j) - 0.5 - mu) / sigma)))
}

/// From P(X >= 1) to P(X >= 255): E[X] is the sum of P(X >= j), E[X^2] that of (2j - 1) P(X >= j).
fn mean_and_deviation(tails: impl Iterator<Item = f64>) -> (f64, f64) {
    let (mut mean, mut second) = (0.0, 0.0);
    for (tail, j) in tails.zip(1..) {
        mean += tail;
        second += (2.0 * f64::from(j) - 1.0) * tail;
    }
    (mean, (second - mean * mean).max(0.0).sqrt())
}

/// Where `below` stops being true between `low` and `high`, to the last bit.
fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = low + 0.5 * (high - low);
        if middle <= low || middle >= high {
            return middle;
        }
        if below(middle) { low = middle } else { high = middle }
    }
}

/// The mu whose mean after rounding and clipping is `mean`, for 0 < `mean` < 255.
fn mu_of(mean: f64, sigma: f64) -> f64 {
    let far = 40.0 * sigma; // beyond which every value is clipped
    bisect(-far, 255.0 + far, |mu| clipped_moments(mu, sigma).0 < mean)
}

fn solve_channel(mean: f64, sd: f64) -> Option<GaussianTable> {
    // A constant channel has no noise; NaN means that there are no values.
    if sd.is_nan() || sd <= 0.0 {
        return None;
    }
    let deviation = |log_sigma: f64| {
        let sigma = libm::exp(log_sigma);
        clipped_moments(mu_of(mean, sigma), sigma).1
    };
    // From where every value is the same or one of two neighbours to where all but every value is clipped.
    let sigma = libm::exp(bisect(libm::log(1e-3), libm::log(1e6), |log_sigma| deviation(log_sigma) < sd));
    let mu = mu_of(mean, sigma);
    let thresholds = (1..=255).map(|j| threshold(j, mu, sigma)).collect();
    let table = GaussianTable { mu, sigma, clipped: clipped(mu, sigma), thresholds };
    table.has(mean, sd).then_some(table)
}

/// `t_j` of N(mu, sigma).
fn threshold(j: u32, mu: f64, sigma: f64) -> u32 {
    libm::round(65_536.0 * upper((mu + 0.5 - f64::from(j)) / sigma)) as u32
}

/// Mass of N(mu, sigma) outside -0.5..255.5.
fn clipped(mu: f64, sigma: f64) -> f64 {
    upper((mu + 0.5) / sigma) + upper((255.5 - mu) / sigma)
}

impl GaussianTable {
    /// Whether the table is right in itself: its thresholds and clipped share are those of mu and sigma, thresholds
    /// within one count, as a rounding may fall on an edge in another implementation.
    fn is_consistent(&self) -> bool {
        let thresholds = self.thresholds.iter().zip(1..);
        self.sigma > 0.0
            && (self.clipped - clipped(self.mu, self.sigma)).abs() <= 1e-6
            && thresholds.into_iter().all(|(t, j)| t.abs_diff(threshold(j, self.mu, self.sigma)) <= 1)
    }

    /// Whether the table's values have this mean and deviation, before and after the thresholds were rounded.
    fn has(&self, mean: f64, sd: f64) -> bool {
        let near = |(m, s): (f64, f64), by: f64| (m - mean).abs() <= by && (s - sd).abs() <= by;
        let tails = self.thresholds.iter().map(|&t| f64::from(65_536 - t) / 65_536.0);
        near(clipped_moments(self.mu, self.sigma), EXACT) && near(mean_and_deviation(tails), TOLERANCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_the_moments_asked_for_over_the_reachable_range() {
        let chosen = [
            (125.3, 62.99),
            (33.32, 78.57),
            (128.0, 10.0),
            (3.0, 5.0),
            (250.0, 12.0),
            (127.5, 110.0),
            (236.008, 0.147),
        ];
        // And those of any normal distribution, from hardly any noise to hardly anything that is not clipped.
        let mus = [-400.0, -20.3, 0.0, 0.49, 100.0, 128.5, 236.03, 255.4, 300.0];
        let sigmas = [0.12, 0.216, 0.5, 1.0, 7.7, 50.0, 150.0, 900.0];
        let any = mus.iter().flat_map(|&mu| sigmas.map(|sigma| clipped_moments(mu, sigma)));
        let reachable = any.filter(|(_, sd)| *sd > 1e-3);
        for (mean, sd) in chosen.into_iter().chain(reachable) {
            let table = solve_channel(mean, sd).unwrap_or_else(|| panic!("{mean} {sd}"));
            assert!(table.is_consistent() && table.has(mean, sd), "{mean} {sd}: {table:?}");
            assert!(table.thresholds.is_sorted() && table.thresholds[254] <= 65_536);
        }
    }

    #[test]
    fn unreachable_moments_are_refused() {
        for (mean, sd) in
            [(10.0, 0.0), (f64::NAN, f64::NAN), (128.0, 200.0), (1.0, 60.0), (100.5, 0.4), (0.0, 3.0)]
        {
            assert_eq!(solve_channel(mean, sd), None, "{mean} {sd}");
        }
    }

    #[test]
    fn a_table_of_another_solver_is_right_where_it_has_the_moments() {
        let mut table = solve_channel(33.0, 78.0).unwrap();
        table.mu += 1e-9;
        table.thresholds[100] += 1;
        assert!(table.is_consistent() && table.has(33.0, 78.0));
        assert!(!table.has(33.1, 78.0) && !table.has(33.0, 77.9));
        let mut moved = table.clone();
        moved.thresholds[100] += 2;
        let shifted = GaussianTable { mu: table.mu + 1.0, ..table.clone() };
        let less = GaussianTable { clipped: 0.0, ..table.clone() };
        let none = GaussianTable { sigma: f64::NAN, ..table };
        for wrong in [moved, shifted, less, none] {
            assert!(!wrong.is_consistent(), "{wrong:?}");
        }
    }
}
