//! What a set of image files is made of, for people and programs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{place::Entry, survey::Surveyed};
use crate::decode::{DecodeError, Kind, Orientation, Probe};

/// Most sizes that are counted by themselves.
const MAX_SIZES: usize = 1 << 16;

/// Kinds, sizes and failures of a set of image files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ImageReport {
    /// Files, good and bad.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of images by kind and channels: `jpeg rgb`, `jpeg grey`, `jpeg cmyk`, `png rgba`, ...
    pub kinds: BTreeMap<String, u64>,
    /// Number of images that EXIF says are to be turned.
    pub turned: u64,
    /// Number of images by size as decoded, before resizing: `500x375` (width x height).
    pub sizes: BTreeMap<String, u64>,
    /// Files that become records as they are, where records are JPEG files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub copied: Option<u64>,
    /// Files that are decoded and encoded anew, where records are JPEG files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoded: Option<u64>,
    /// Files that are no image, are damaged or too small, in the order of the source.
    pub bad: Vec<BadFile>,
}

/// A file that makes no image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BadFile {
    /// Split, class and name: `train/tench/n01440764_1.JPEG`.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Why, as a value.
    #[serde(skip)]
    pub error: DecodeError,
}

impl ImageReport {
    /// Counts all of `surveyed`.
    pub(super) fn new(
        splits: &[String],
        classes: &[String],
        surveyed: &[(Entry, Surveyed)],
        size: impl Fn(&Probe) -> (usize, usize),
    ) -> ImageReport {
        let mut report = ImageReport::default();
        for (entry, found) in surveyed {
            report.files += 1;
            report.bytes += found.bytes;
            match &found.image {
                Ok((probe, _)) => {
                    *report.kinds.entry(kind(probe)).or_default() += 1;
                    report.turned += u64::from(probe.orientation != Orientation::Upright);
                    let (width, height) = size(probe);
                    let mut key = format!("{width}x{height}");
                    if report.sizes.len() >= MAX_SIZES && !report.sizes.contains_key(&key) {
                        key = "other".into();
                    }
                    *report.sizes.entry(key).or_default() += 1;
                }
                Err(error) => {
                    let name = format!("{}/{}/{}", splits[entry.split], classes[entry.class], entry.name);
                    report.bad.push(BadFile { name, reason: error.to_string(), error: error.clone() });
                }
            }
        }
        report
    }
}

fn kind(probe: &Probe) -> String {
    let channels = match (probe.kind, probe.channels) {
        (_, 1) => "grey",
        (_, 2) => "grey with alpha",
        (_, 3) => "rgb",
        (Kind::Jpeg, _) => "cmyk",
        _ => "rgba",
    };
    format!("{} {channels}", probe.kind)
}
