//! How many GPUs a host feeds.

use std::str::FromStr;

use serde::Serialize;

/// Share of the cores that loaders should take at most while training: the rest is for the programs that drive the
/// GPUs, and for what else runs.
pub(super) const SHARE: f64 = 0.4;

/// Images a second that one GPU trains on, and what that GPU and network are called.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GpuRate {
    pub name: Option<String>,
    pub images_per_s: f64,
}

impl FromStr for GpuRate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, rate) = text.rsplit_once('=').map_or((None, text), |(name, rate)| (Some(name), rate));
        let name = name.map(str::trim).map(str::to_owned);
        let images_per_s = rate.trim().parse().ok().filter(|r: &f64| r.is_finite() && *r > 0.0);
        match images_per_s.filter(|_| name.as_deref() != Some("")) {
            Some(images_per_s) => Ok(GpuRate { name, images_per_s }),
            None => Err("expected images a second above 0, or NAME=R, as in resnet50-h100=3400".into()),
        }
    }
}

/// How many GPUs of one rate this host feeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Fed {
    /// What they are called, if they are.
    pub name: Option<String>,
    /// Images a second that one of them trains on.
    pub images_per_s: f64,
    /// With all cores.
    pub all_cores: Supply,
    /// With [`SHARE`] of them.
    pub share_of_cores: Supply,
}

/// What some cores give.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Supply {
    /// Cores.
    pub cores: f64,
    /// Images a second that so many loader threads make.
    pub images_per_s: f64,
    /// GPUs that this feeds, with a fraction.
    pub gpus: f64,
    /// Of those, whole ones.
    pub whole_gpus: u64,
}

/// How many GPUs of `rate` a host of `cores` feeds, whose loader makes `measured` (threads, images a second).
pub(super) fn fed(rate: &GpuRate, cores: usize, measured: &[(usize, f64)]) -> Fed {
    let supply = |cores: f64| {
        let images_per_s = rate_at(cores, measured);
        let gpus = images_per_s / rate.images_per_s;
        Supply { cores, images_per_s, gpus, whole_gpus: gpus as u64 }
    };
    Fed {
        name: rate.name.clone(),
        images_per_s: rate.images_per_s,
        all_cores: supply(cores as f64),
        share_of_cores: supply(SHARE * cores as f64),
    }
}

/// The rate of `cores` loader threads, which may be no whole number: on straight lines between what was measured, and
/// nothing. Threads that lower the rate need not be started, so more cores never give less; beyond the last row the rate
/// stays as it is, as nobody knows. The row of a consumer that makes batches itself counts, as one core, where it is alone.
fn rate_at(cores: f64, measured: &[(usize, f64)]) -> f64 {
    let alone = measured.iter().all(|&(threads, _)| threads == 0);
    let mut below = (0.0, 0.0);
    for &(threads, rate) in measured.iter().filter(|(threads, _)| alone || *threads > 0) {
        let (here, rate) = (threads.max(1) as f64, rate.max(below.1));
        if here >= cores {
            return below.1 + (rate - below.1) * (cores - below.0) / (here - below.0);
        }
        below = (here, rate);
    }
    below.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_names_or_none() {
        let rate = |text: &str| text.parse::<GpuRate>();
        assert_eq!(rate("3400"), Ok(GpuRate { name: None, images_per_s: 3400.0 }));
        assert_eq!(rate("vit=2e3"), Ok(GpuRate { name: Some("vit".into()), images_per_s: 2000.0 }));
        for text in ["", "0", "-3", "nan", "inf", "fast", "h100", "h100=", "=3400", "h100=0", "h100=x"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_between_measurements_lie_on_lines() {
        let measured = [(1, 100.0), (2, 180.0), (8, 300.0)];
        for (cores, rate) in
            [(0.4, 40.0), (1.0, 100.0), (1.5, 140.0), (5.0, 240.0), (8.0, 300.0), (96.0, 300.0)]
        {
            assert!((rate_at(cores, &measured) - rate).abs() < 1e-9, "{cores}");
        }
        assert_eq!(rate_at(0.5, &[(4, 80.0)]), 10.0);
        assert_eq!(rate_at(1.0, &[(0, 70.0)]), 70.0);
        assert_eq!(rate_at(0.5, &[(0, 70.0), (1, 60.0), (2, 100.0)]), 30.0);
        assert_eq!(rate_at(4.0, &[(2, 100.0), (4, 80.0)]), 100.0);
        assert_eq!(rate_at(1.0, &[]), 0.0);
    }

    #[test]
    fn only_whole_gpus_are_fed() {
        let fed = fed(&"h100=300".parse().unwrap(), 10, &[(10, 1000.0)]);
        assert_eq!((fed.all_cores.whole_gpus, fed.share_of_cores.whole_gpus), (3, 1));
        assert_eq!((fed.share_of_cores.cores, fed.share_of_cores.images_per_s), (4.0, 400.0));
    }
}
