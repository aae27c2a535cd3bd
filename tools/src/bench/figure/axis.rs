//! A linear scale from 0, and round numbers on it.

/// 0 lies at `from`, `end` at `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub end: f64,
    pub from: f64,
    pub to: f64,
}

impl Scale {
    /// The place of `value`.
    pub fn at(&self, value: f64) -> f64 {
        self.from + (self.to - self.from) * value / self.end
    }

    /// Round values from 0 to `end`, which is one if it came from [`round_up`].
    pub fn ticks(&self) -> Vec<f64> {
        let step = step(self.end);
        (0..=(self.end / step + 1e-9) as u32).map(|i| f64::from(i) * step).collect()
    }
}

/// The distance of round values of which about five lie between 0 and `end`.
fn step(end: f64) -> f64 {
    let rough = end / 5.0;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough * 0.999);
    step.unwrap_or(end)
}

/// The first round value that is not below `end`.
pub(super) fn round_up(end: f64) -> f64 {
    let step = step(end);
    step * (end / step * 0.999_999).ceil()
}

/// A rate in few characters: `0`, `950`, `12 k`, `2.5 M`.
pub(super) fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 999.5e6 => (v / 1e9, " G"),
        v if v >= 999.5e3 => (v / 1e6, " M"),
        v if v >= 999.5 => (v / 1e3, " k"),
        v => (v, ""),
    };
    let decimals = if scaled >= 99.95 {
        0
    } else if scaled >= 9.995 {
        1
    } else {
        2
    };
    let text = format!("{scaled:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_reach_the_end() {
        let ticks = |end| Scale { end, from: 0.0, to: 1.0 }.ticks();
        assert_eq!(ticks(round_up(1.1e6)), [0.0, 2.5e5, 5e5, 7.5e5, 1e6, 1.25e6]);
        assert_eq!(ticks(2.0), [0.0, 0.5, 1.0, 1.5, 2.0]);
        for end in [1e-3, 0.7, 3.0, 12345.0, 1e12] {
            let (end, ticks) = (round_up(end), ticks(round_up(end)));
            assert!((4..=8).contains(&ticks.len()), "{end}: {ticks:?}");
            assert!(ticks.last().is_some_and(|last| (last / end - 1.0).abs() < 1e-9), "{end}: {ticks:?}");
        }
    }

    #[test]
    fn rates_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (7.0, "7"),
            (950.4, "950"),
            (2500.0, "2.5 k"),
            (999_700.0, "1 M"),
            (749_123.0, "749 k"),
            (1_214_000.0, "1.21 M"),
            (4e10, "40 G"),
        ] {
            assert_eq!(short(value), text);
        }
    }
}
