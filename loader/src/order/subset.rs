//! Part of a split, as part of a batch's identity.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, Visitor},
};

use super::Feistel;
use crate::{corrupt::SpecError, rng::Threshold};

/// Which samples of a split a loader visits. Positions of the order number the subset in id order.
///
/// | text | samples |
/// |---|---|
/// | `all` | the whole split |
/// | `1000` | 1,000 drawn by a keyed permutation; nested: any smaller number is part of them |
/// | `1000:balanced` | as many of each class (by clean label), drawn by the same permutation; nested |
/// | `fraction:0.2` | the share, rounded to whole samples, of the same permutation; nested |
/// | `range:0..1000` | by rank of id |
/// | `classes:0,3` | of these classes (by clean label) |
/// | `ids:5,17` | these ids |
///
/// The permutation's key is domain `subset` under seed 0, or `S` where `@S` follows (`1000:balanced@7`): not the
/// run's seed, so that runs with other seeds train on the same samples.
#[derive(Clone, Debug, PartialEq, Default, Serialize)]
#[serde(into = "String")]
pub enum Subset {
    /// The whole split.
    #[default]
    All,
    /// The first `count` samples of the keyed permutation.
    Count {
        /// Samples.
        count: usize,
        /// Seed of the permutation.
        seed: u64,
    },
    /// `count / K` of each of the K classes, the first `count % K` classes one more.
    Balanced {
        /// Samples in all.
        count: usize,
        /// Seed of the permutation.
        seed: u64,
    },
    /// `round(share * n)` samples of the keyed permutation.
    Fraction {
        /// Share of the split, `0..=1`.
        share: f64,
        /// Seed of the permutation.
        seed: u64,
    },
    /// Ranks of id, `start..end`.
    Range {
        /// First rank.
        start: usize,
        /// One past the last rank.
        end: usize,
    },
    /// Samples whose clean label is one of these, ascending.
    Classes(Vec<i64>),
    /// Samples with these ids, ascending.
    Ids(Vec<i64>),
}

impl Subset {
    /// The ranks (in id order) of the samples chosen, ascending, out of a split with these ids and clean labels.
    ///
    /// # Errors
    /// [`SpecError::Subset`] if the split lacks what is asked for, or nothing is left.
    pub fn resolve(&self, ids: &[i64], labels: &[i64], classes: usize) -> Result<Vec<u32>, SpecError> {
        let n = ids.len();
        let error = |found: String, expected: String| {
            Err(SpecError::Subset { text: self.to_string(), found, expected })
        };
        let first = |count: usize, seed: u64| {
            let order = Feistel::keyed("subset", seed, 0, n as u64);
            (0..count as u64).map(|p| order.at(p) as u32).collect::<Vec<_>>()
        };
        let mut chosen: Vec<u32> = match self {
            Subset::All => (0..n as u32).collect(),
            Subset::Count { count, .. } | Subset::Balanced { count, .. } if *count > n => {
                return error(format!("{count} samples"), format!("at most the split's {n}"));
            }
            Subset::Count { count, seed } => first(*count, *seed),
            Subset::Fraction { share, seed } => {
                let count = Threshold::from_probability(*share).map_or(0, |t| rounded_share(t, n));
                first(count, *seed)
            }
            Subset::Balanced { count, seed } => {
                let mut left: Vec<usize> =
                    (0..classes).map(|c| count / classes + usize::from(c < count % classes)).collect();
                let mut chosen = Vec::with_capacity(*count);
                let order = Feistel::keyed("subset", *seed, 0, n as u64);
                for rank in (0..n as u64).map(|p| order.at(p) as usize) {
                    let quota = &mut left[labels[rank] as usize];
                    if *quota > 0 {
                        *quota -= 1;
                        chosen.push(rank as u32);
                    }
                }
                if let Some(class) = left.iter().position(|&l| l > 0) {
                    let have = labels.iter().filter(|&&l| l == class as i64).count();
                    return error(
                        format!("class {class} with {have} samples"),
                        format!("{} more", left[class]),
                    );
                }
                chosen
            }
            Subset::Range { start, end } => {
                if *end > n {
                    return error(format!("end {end}"), format!("at most the split's {n} samples"));
                }
                (*start as u32..*end as u32).collect()
            }
            Subset::Classes(wanted) => {
                if let Some(bad) = wanted.iter().find(|&&c| c < 0 || c as usize >= classes) {
                    return error(format!("class {bad}"), format!("0..={}", classes - 1));
                }
                (0..n as u32).filter(|&r| wanted.contains(&labels[r as usize])).collect()
            }
            Subset::Ids(wanted) => {
                let mut ranks = Vec::with_capacity(wanted.len());
                for id in wanted {
                    match ids.binary_search(id) {
                        Ok(rank) => ranks.push(rank as u32),
                        Err(_) => return error(format!("id {id}"), "an id of the split".into()),
                    }
                }
                ranks
            }
        };
        chosen.sort_unstable();
        chosen.dedup();
        if chosen.is_empty() {
            return error("no sample".into(), format!("at least one of the split's {n}"));
        }
        Ok(chosen)
    }
}

/// `round(p * n)` in integers, with p the threshold's exact value: half rounds up.
pub(crate) fn rounded_share(threshold: Threshold, n: usize) -> usize {
    ((u128::from(threshold.raw()) * n as u128 + (1 << 31)) >> 32) as usize
}

impl fmt::Display for Subset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[i64]| values.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
        let at = |seed: &u64| if *seed == 0 { String::new() } else { format!("@{seed}") };
        match self {
            Subset::All => f.write_str("all"),
            Subset::Count { count, seed } => write!(f, "{count}{}", at(seed)),
            Subset::Balanced { count, seed } => write!(f, "{count}:balanced{}", at(seed)),
            Subset::Fraction { share, seed } => write!(f, "fraction:{share}{}", at(seed)),
            Subset::Range { start, end } => write!(f, "range:{start}..{end}"),
            Subset::Classes(c) => write!(f, "classes:{}", list(c)),
            Subset::Ids(i) => write!(f, "ids:{}", list(i)),
        }
    }
}

impl FromStr for Subset {
    type Err = SpecError;
    fn from_str(text: &str) -> Result<Self, SpecError> {
        let error = |expected: &str| SpecError::Subset {
            text: text.into(),
            found: "this text".into(),
            expected: expected.into(),
        };
        let (body, seed) = match text.rsplit_once('@') {
            Some((body, seed)) => {
                (body, Some(seed.parse().map_err(|_| error("a seed, 0..2^64, after `@`"))?))
            }
            None => (text, None),
        };
        let list = |values: &str| -> Result<Vec<i64>, SpecError> {
            let mut list: Vec<i64> = values
                .split(',')
                .map(|v| v.trim().parse().map_err(|_| error("integers separated by commas")))
                .collect::<Result<_, _>>()?;
            list.sort_unstable();
            list.dedup();
            Ok(list)
        };
        let keyed = seed.unwrap_or(0);
        let subset = match body.split_once(':') {
            None if body == "all" => Subset::All,
            None => Subset::Count { count: body.parse().map_err(|_| error(FORMS))?, seed: keyed },
            Some((count, "balanced")) => Subset::Balanced {
                count: count.parse().map_err(|_| error("a number of samples before `:balanced`"))?,
                seed: keyed,
            },
            Some(("fraction", share)) => {
                let share: f64 = share.parse().map_err(|_| error("a share, 0 to 1"))?;
                Threshold::from_probability(share).ok_or_else(|| error("a share, 0 to 1"))?;
                Subset::Fraction { share, seed: keyed }
            }
            Some(("range", range)) => {
                let bounds =
                    range.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
                match bounds {
                    Some((start, end)) if start < end && end <= u32::MAX as usize => {
                        Subset::Range { start, end }
                    }
                    _ => return Err(error("A..B with A < B")),
                }
            }
            Some(("classes", classes)) => Subset::Classes(list(classes)?),
            Some(("ids", ids)) => Subset::Ids(list(ids)?),
            Some(_) => return Err(error(FORMS)),
        };
        let takes_seed =
            matches!(subset, Subset::Count { .. } | Subset::Balanced { .. } | Subset::Fraction { .. });
        if seed.is_some() && !takes_seed {
            return Err(error("no `@seed`: nothing is drawn"));
        }
        Ok(subset)
    }
}

const FORMS: &str =
    "all, N, N:balanced, fraction:F, range:A..B, classes:C,.. or ids:I,.. (N and F may end in @SEED)";

/// From its text, or from a bare number of samples: in TOML and JSON `500` need not be quoted.
impl<'de> Deserialize<'de> for Subset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl Visitor<'_> for Form {
            type Value = Subset;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a subset: {FORMS}")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Subset, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Subset, E> {
                self.visit_str(&count.to_string())
            }
            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Subset, E> {
                self.visit_str(&count.to_string())
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl From<Subset> for String {
    fn from(subset: Subset) -> String {
        subset.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split() -> (Vec<i64>, Vec<i64>) {
        ((0..1000).map(|i| 500 + 2 * i).collect(), (0..1000).map(|i| (i * i + 3) % 10).collect())
    }

    #[test]
    fn text_round_trips() {
        for text in
            ["all", "17", "17@3", "20:balanced", "fraction:0.25@9", "range:3..8", "classes:1,4", "ids:7"]
        {
            assert_eq!(text.parse::<Subset>().unwrap().to_string(), text);
        }
        for bad in ["", "x", "17:balance", "fraction:1.5", "range:8..3", "classes:", "ids:a", "all@3", "5@x"]
        {
            assert!(bad.parse::<Subset>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_number_need_not_be_quoted() {
        let read = |json: &str| serde_json::from_str::<Subset>(json);
        for json in ["500", "\"500\""] {
            assert_eq!(read(json).unwrap(), Subset::Count { count: 500, seed: 0 });
        }
        assert_eq!(serde_json::to_string(&read("500").unwrap()).unwrap(), "\"500\"");
        for bad in ["-5", "0.5", "true", "[1]", "\"5:\""] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains("N:balanced"), "{bad}: {error}");
        }
    }

    #[test]
    fn subsets_are_nested_balanced_and_refused_when_impossible() {
        let (ids, _) = split();
        let even: Vec<i64> = (0..1000).map(|i| i % 10).collect();
        let resolve = |t: &str| t.parse::<Subset>().unwrap().resolve(&ids, &even, 10);
        for (small, large) in
            [("10", "200"), ("30:balanced", "205:balanced"), ("fraction:0.1", "fraction:0.7")]
        {
            let (small, large) = (resolve(small).unwrap(), resolve(large).unwrap());
            assert!(small.iter().all(|r| large.contains(r)));
        }
        let balanced = resolve("205:balanced").unwrap();
        for class in 0..10 {
            let have = balanced.iter().filter(|&&r| even[r as usize] == class).count();
            assert_eq!(have, if class < 5 { 21 } else { 20 });
        }
        assert_eq!(resolve("fraction:0.5").unwrap().len(), 500);
        assert_eq!(resolve("ids:500,502").unwrap(), [0, 1]);
        assert_ne!(resolve("100").unwrap(), resolve("100@1").unwrap());
        for bad in ["1001", "0", "ids:501", "classes:10", "range:0..1001", "1001:balanced"] {
            assert!(resolve(bad).is_err(), "{bad}");
        }
        let (ids, uneven) = split();
        assert!("900:balanced".parse::<Subset>().unwrap().resolve(&ids, &uneven, 10).is_err());
    }
}
