//! Gaussian pixel tables: 255 thresholds per channel whose noise has the train split's mean and deviation *after*
//! rounding to levels and clipping to 0..=255.
//!
//! A value is the number of thresholds that are <= a 16-bit word, with `t_j = round(65536 * Phi((j - 0.5 - mu) /
//! sigma))`. Clipping pulls the moments towards the middle, so mu and sigma are not the data's: they are solved by a
//! damped Newton iteration on both moments. Solved once, when a set is packed; readers use the stored integers, so
//! no machine's libm matters. The arithmetic is the pinned `libm` crate's and + - * /.

use serde::{Deserialize, Serialize};

use super::moments::Moments;

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

/// Levels: the residual at which the iteration stops, far below the 2^-16 steps of the thresholds.
const SOLVED: f64 = 1e-10;

impl Gaussian {
    /// Tables with the given moments.
    pub(crate) fn solve(moments: &Moments) -> Gaussian {
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

/// Upper tail of the standard normal distribution.
fn upper(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// Mean and second moment of round-then-clip of N(mu, sigma), and their derivatives by mu and by sigma.
fn clipped_moments(mu: f64, sigma: f64) -> ([f64; 2], [f64; 2], [f64; 2]) {
    const INV_SQRT_2PI: f64 = 0.398_942_280_401_432_7;
    let (mut value, mut by_mu, mut by_sigma) = ([0.0; 2], [0.0; 2], [0.0; 2]);
    for j in 1..=255 {
        // E[X] = sum over j of P(X >= j); E[X^2] = sum of (2j - 1) P(X >= j).
        let z = (f64::from(j) - 0.5 - mu) / sigma;
        let tail = upper(z);
        let slope = INV_SQRT_2PI * libm::exp(-0.5 * z * z) / sigma;
        for (m, weight) in [1.0, 2.0 * f64::from(j) - 1.0].into_iter().enumerate() {
            value[m] += weight * tail;
            by_mu[m] += weight * slope;
            by_sigma[m] += weight * slope * z;
        }
    }
    (value, by_mu, by_sigma)
}

/// Mean and deviation of the values a table makes, exactly as its integers say.
fn table_moments(thresholds: &Thresholds) -> (f64, f64) {
    let (mut mean, mut second) = (0.0, 0.0);
    for (&t, j) in thresholds.iter().zip(1..) {
        let tail = f64::from(65_536 - t) / 65_536.0;
        mean += tail;
        second += (2.0 * f64::from(j) - 1.0) * tail;
    }
    (mean, (second - mean * mean).max(0.0).sqrt())
}

fn solve_channel(mean: f64, sd: f64) -> Option<GaussianTable> {
    // A constant channel has no noise; NaN means that there are no values.
    if sd.is_nan() || sd <= 0.0 {
        return None;
    }
    let residual = |mu: f64, log_sigma: f64| {
        let sigma = libm::exp(log_sigma);
        let (value, by_mu, by_sigma) = clipped_moments(mu, sigma);
        let deviation = (value[1] - value[0] * value[0]).max(1e-300).sqrt();
        // sd = sqrt(E[X^2] - E[X]^2), differentiated; d/d(log sigma) = sigma d/dsigma.
        let chain = |d: [f64; 2]| [d[0], (d[1] - 2.0 * value[0] * d[0]) / (2.0 * deviation)];
        let by_log_sigma = chain(by_sigma).map(|d| d * sigma);
        ([value[0] - mean, deviation - sd], chain(by_mu), by_log_sigma)
    };
    let norm = |f: [f64; 2]| f[0].abs().max(f[1].abs());

    let (mut mu, mut log_sigma) = (mean, libm::log(sd));
    let mut now = residual(mu, log_sigma);
    for _ in 0..200 {
        if norm(now.0) < SOLVED {
            break;
        }
        let (f, a, b) = now;
        let det = a[0] * b[1] - a[1] * b[0];
        let step = [(f[0] * b[1] - f[1] * b[0]) / det, (a[0] * f[1] - a[1] * f[0]) / det];
        // Damping: the full step where it helps, half of it until it does. Newton alone overshoots where most of
        // the mass is clipped (MNIST).
        let mut scale = (1.0 / step[1].abs().max(1.0)).min(200.0 / step[0].abs().max(200.0));
        let better = loop {
            let next = residual(mu - scale * step[0], log_sigma - scale * step[1]);
            if norm(next.0) < norm(now.0) {
                break Some(next);
            }
            scale *= 0.5;
            // NaN: the two moments no longer move independently, far out where everything is clipped.
            if scale.is_nan() || scale <= 1e-12 {
                break None;
            }
        };
        let Some(next) = better else { break };
        (mu, log_sigma, now) = (mu - scale * step[0], log_sigma - scale * step[1], next);
    }
    let sigma = libm::exp(log_sigma);
    let thresholds: Thresholds = std::array::from_fn(|i| {
        let z = (i as f64 + 0.5 - mu) / sigma;
        libm::round(65_536.0 * upper(-z)) as u32
    });
    let (found_mean, found_sd) = table_moments(&thresholds);
    let matches = (found_mean - mean).abs() <= TOLERANCE && (found_sd - sd).abs() <= TOLERANCE;
    let clipped = upper((mu + 0.5) / sigma) + upper((255.5 - mu) / sigma);
    (norm(now.0) < 1e-6 && matches).then(|| GaussianTable {
        mu,
        sigma,
        clipped,
        thresholds: thresholds.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_the_moments_asked_for_over_the_reachable_range() {
        for (mean, sd) in
            [(125.3, 62.99), (33.32, 78.57), (128.0, 10.0), (3.0, 5.0), (250.0, 12.0), (127.5, 110.0)]
        {
            let table = solve_channel(mean, sd).unwrap_or_else(|| panic!("{mean} {sd}"));
            let thresholds: Thresholds = table.thresholds.try_into().unwrap();
            let (m, s) = table_moments(&thresholds);
            assert!((m - mean).abs() < 0.01 && (s - sd).abs() < 0.01, "{mean} {sd}: {m} {s}");
            assert!(thresholds.is_sorted() && thresholds[254] <= 65_536);
        }
    }

    #[test]
    fn unreachable_moments_are_refused() {
        for (mean, sd) in [(10.0, 0.0), (f64::NAN, f64::NAN), (128.0, 200.0), (1.0, 60.0)] {
            assert_eq!(solve_channel(mean, sd), None, "{mean} {sd}");
        }
    }
}
