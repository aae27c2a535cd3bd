//! Which part of an image is used: its kinds and their text form.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{dtype::UnknownName, rng::Threshold};

/// Which part of the stored image is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Crop {
    /// The whole image.
    #[default]
    None,
    /// The centre, `floor((h - s) / 2)` rows down: rows 2..=29 of 32 for s = 28 (Zhang et al. 2017, appendix A).
    Center(usize),
    /// Any of the `(h - s + 1)(w - s + 1)` positions, drawn per sample and epoch ("random crop" of their Table 1).
    Random(usize),
    /// A rectangle of random area and proportions, anywhere in the image, drawn per sample and epoch and resized to
    /// `size` x `size` (Szegedy et al. 2015; torchvision's `RandomResizedCrop` with `antialias=True`, bilinear).
    RandomResized {
        /// Side of the square it becomes. It may be larger than the image.
        size: usize,
        /// The share of the image that it covers.
        area: Area,
    },
    /// The square in the centre whose side is 7/8 of the image's shorter one, resized to this side: what torchvision's
    /// `Resize(256)` and `CenterCrop(224)` show of an image, for evaluation, of images of any size.
    CenterResized(usize),
}

impl Crop {
    /// The side of the square that every image is resized to, where it is; only such crops give images of any size one
    /// shape.
    pub(crate) const fn resized(self) -> Option<usize> {
        match self {
            Crop::RandomResized { size, .. } | Crop::CenterResized(size) => Some(size),
            Crop::None | Crop::Center(_) | Crop::Random(_) => None,
        }
    }
}

/// The shares of an image's area that a random resized crop may cover, each above 0 and at most 1. 0.08 to 1 is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Area {
    least: Threshold,
    most: Threshold,
}

impl Area {
    /// From `least` to `most`, or `None` unless `0 < least <= most <= 1`. Both are rounded to multiples of 2^-32.
    pub fn new(least: f64, most: f64) -> Option<Area> {
        let (least, most) = (Threshold::from_probability(least)?, Threshold::from_probability(most)?);
        (Threshold::NEVER < least && least <= most).then_some(Area { least, most })
    }

    /// Least and most, in units of 2^-32 of the image.
    pub(crate) const fn bounds(self) -> [u64; 2] {
        [self.least.raw(), self.most.raw()]
    }
}

impl Default for Area {
    fn default() -> Self {
        Area::new(0.08, 1.0).expect("shares in their order")
    }
}

/// The shortest decimal number that is rounded to this threshold.
fn shortest(threshold: Threshold) -> String {
    let decimals = (0..=10).map(|places| format!("{:.places$}", threshold.probability()));
    let names_it = |text: &String| text.parse().ok().and_then(Threshold::from_probability) == Some(threshold);
    decimals.into_iter().find(names_it).expect("10 decimals tell multiples of 2^-32 apart")
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", shortest(self.least), shortest(self.most))
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Crop::None => f.write_str("none"),
            Crop::Center(size) => write!(f, "center:{size}"),
            Crop::Random(size) => write!(f, "random:{size}"),
            Crop::RandomResized { size, area } if *area == Area::default() => {
                write!(f, "random-resized:{size}")
            }
            Crop::RandomResized { size, area } => write!(f, "random-resized:{size},area={area}"),
            Crop::CenterResized(size) => write!(f, "center-resized:{size}"),
        }
    }
}

impl FromStr for Crop {
    type Err = UnknownName;
    /// `none`, `center:S`, `random:S`, `random-resized:S`, `random-resized:S,area=A..B`, `center-resized:S`, or `S` alone for
    /// `center:S`.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let size = |s: &str| s.parse::<usize>().ok().filter(|&s| s > 0);
        let mut expected = "none, S, center:S, random:S, random-resized:S, random-resized:S,area=A..B, center-resized:S with S at least 1";
        match text.split_once(':') {
            None if text == "none" => Some(Crop::None),
            None => size(text).map(Crop::Center),
            Some(("center" | "centre", s)) => size(s).map(Crop::Center),
            Some(("random", s)) => size(s).map(Crop::Random),
            Some(("center-resized" | "centre-resized", s)) => size(s).map(Crop::CenterResized),
            Some(("random-resized", options)) => {
                expected =
                    "random-resized:S, random-resized:S,area=A..B with S at least 1 and 0 < A <= B <= 1";
                let (s, area) = match options.split_once(',') {
                    None => (options, Some(Area::default())),
                    Some((s, option)) => (s, option.strip_prefix("area=").and_then(area)),
                };
                size(s).zip(area).map(|(size, area)| Crop::RandomResized { size, area })
            }
            Some(_) => None,
        }
        .ok_or_else(|| UnknownName { field: "crop", found: text.into(), expected })
    }
}

/// `A..B`.
fn area(text: &str) -> Option<Area> {
    let (least, most) = text.split_once("..")?;
    Area::new(least.parse().ok()?, most.parse().ok()?)
}

impl TryFrom<String> for Crop {
    type Error = UnknownName;
    fn try_from(text: String) -> Result<Self, UnknownName> {
        text.parse()
    }
}

impl From<Crop> for String {
    fn from(crop: Crop) -> String {
        crop.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crops_round_trip_as_text() {
        let resized = |size, least, most| Crop::RandomResized { size, area: Area::new(least, most).unwrap() };
        for (text, crop) in [
            ("none", Crop::None),
            ("center:28", Crop::Center(28)),
            ("random:7", Crop::Random(7)),
            ("random-resized:224", resized(224, 0.08, 1.0)),
            ("random-resized:224,area=0.35..1", resized(224, 0.35, 1.0)),
            ("random-resized:1,area=0.0000000002..0.3333333333", resized(1, 2e-10, 1.0 / 3.0)),
            ("random-resized:9,area=1..1", resized(9, 1.0, 1.0)),
            ("center-resized:224", Crop::CenterResized(224)),
        ] {
            assert_eq!(text.parse(), Ok(crop));
            assert_eq!(crop.to_string(), text);
        }
        assert_eq!("28".parse(), Ok(Crop::Center(28)));
        assert_eq!("random-resized:8,area=8e-2..1.0".parse(), Ok(resized(8, 0.08, 1.0)));
        // Any threshold, the least and the largest included, has a text of its own.
        for raw in [1, 2, 3, (1 << 32) - 1, 1 << 32, 343_597_383, 343_597_384] {
            let threshold = Threshold::from_probability(raw as f64 / 4_294_967_296.0).unwrap();
            let again = shortest(threshold).parse().ok().and_then(Threshold::from_probability);
            assert_eq!(again.map(Threshold::raw), Some(raw));
        }
    }

    #[test]
    fn bad_crops_are_refused_and_the_error_says_what_to_write() {
        for bad in [
            "",
            "center:0",
            "middle:3",
            "random:-1",
            "random-resized",
            "random-resized:",
            "center-resized:0",
            "center-resized:9,area=1..1",
            "random-resized:0",
            "random-resized:224,",
            "random-resized:224,area",
            "random-resized:224,area=0.5",
            "random-resized:224,area=0..1",
            "random-resized:224,area=1e-11..1",
            "random-resized:224,area=-0.1..1",
            "random-resized:224,area=0.5..1.01",
            "random-resized:224,area=0.9..0.1",
            "random-resized:224,area=nan..1",
            "random-resized:224,area=0.1..0.2..0.3",
            "random-resized:224,area=0.1..0.2,area=0.1..0.2",
            "random-resized:99999999999999999999",
        ] {
            assert!(bad.parse::<Crop>().is_err(), "{bad}");
        }
        let error = "random-resized:224,area=0.9..0.1".parse::<Crop>().unwrap_err().to_string();
        assert!(error.contains("`random-resized:224,area=0.9..0.1`"), "{error}");
        assert!(error.contains("0 < A <= B <= 1"), "{error}");
    }
}
