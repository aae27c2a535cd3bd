//! `rfx-pack folder`, `imagenet` and `check`: image files.

use std::{path::PathBuf, sync::atomic::AtomicBool};

use clap::Args;
use rfx_loader::{
    decode::{Colour, Fit, Resize},
    pack::PackOrder,
    source::{EncodeOptions, ImageOptions, ImageReport, Images, OnBad, SourceError},
};

use super::output::Output;
use crate::{
    exit::{CliError, Outcome},
    progress::{Progress, Unit},
    report,
};

/// Sizes that the text of a check lists; the JSON has all.
const SIZES_SHOWN: usize = 10;

pub(super) const FOLDER_EXAMPLES: &str = "\
Examples:
  rfx-pack folder pets/ --resize 256 --crop 224 --out packed/pets
  rfx-pack folder digits/ --grey --resize 28x28 --out packed/digits
  rfx-pack folder scraped/ --resize 64 --crop 64 --on-bad skip --out packed/scraped --json
  rfx-pack folder photos/ --codec jpeg --stats --out packed/photos

SRC is SRC/CLASS/FILES, or SRC/train/CLASS/FILES with val and test beside it. Classes are numbered in bytewise order of \
their names. What a file is, its content says, not its name. Samples are stored shuffled (--pack-order).
With --codec jpeg, files that are upright JPEGs and need no resize are copied byte for byte; all others (PNG, ..., turned by \
their EXIF orientation, resized) are encoded anew at --quality, and counted.";

pub(super) const IMAGENET_EXAMPLES: &str = "\
Examples:
  rfx-pack imagenet archives/ --resize 256 --crop 224 --out packed/imagenet
  rfx-pack imagenet imagenet/ --resize 160 --crop 160 --on-bad skip --out packed/imagenet-160
  rfx-pack imagenet imagenet-100/ --partial --resize 160 --crop 160 --out packed/imagenet-100
  rfx-pack imagenet archives/ --codec jpeg --resize shorter:400 --out packed/imagenet-400

SRC holds ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar and ILSVRC2012_devkit_t12.tar.gz, which are never unpacked, or \
train/ and val/ unpacked (a flat val/ needs the devkit). The class index is the rank of the WordNet id, as in PyTorch.";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  rfx-pack check pets/
  rfx-pack check archives/ --imagenet --json

Decodes every file and writes nothing. Exit codes: 0 all are images, 1 some are not (they are listed), 2 wrong usage.";

/// How image files are read.
#[derive(Args, Debug)]
pub(super) struct ImageArgs {
    /// Resize first: S for the shorter side (the other keeps the proportion, rounded down), shorter:S or longer:S for at most
    /// S of that side (smaller images stay as they are), or HxW
    #[arg(long, value_name = "S")]
    resize: Option<Resize>,
    /// Then cut a square of side S out of the centre
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u16).range(1..))]
    crop: Option<u16>,
    /// One channel instead of three (ITU-R 601 luma)
    #[arg(long)]
    grey: bool,
    /// Whether images are turned as their EXIF orientation says; torchvision's ImageFolder ignores it
    #[arg(long, value_name = "RULE", default_value = "apply", value_parser = ["apply", "ignore"])]
    exif: String,
    /// Follow links that lead out of SRC
    #[arg(long)]
    follow_links: bool,
}

impl ImageArgs {
    fn options(
        &self,
        encode: Option<EncodeOptions>,
        on_bad: OnBad,
        verify_archive: bool,
        jobs: Option<u16>,
    ) -> ImageOptions {
        let base = ImageOptions::default();
        ImageOptions {
            fit: Fit { resize: self.resize, crop: self.crop.map(usize::from) },
            encode,
            colour: if self.grey { Colour::Grey } else { Colour::Rgb },
            exif: self.exif == "apply",
            on_bad,
            follow_links: self.follow_links,
            verify_archive,
            jobs: jobs.map_or(base.jobs, usize::from),
        }
    }
}

/// How records become JPEG files.
#[derive(Args, Debug)]
struct EncodeArgs {
    /// With --codec jpeg: quality of what has to be encoded anew (resized, turned, or no JPEG) [default: 90]
    #[arg(long, value_name = "Q", value_parser = clap::value_parser!(u8).range(1..=100))]
    quality: Option<u8>,
    /// With --codec jpeg: decode the train split and take its moments, which --normalise channel and Gaussian noise need
    #[arg(long)]
    stats: bool,
}

impl EncodeArgs {
    fn options(&self, output: &Output) -> Result<Option<EncodeOptions>, CliError> {
        if output.is_jpeg() {
            let quality = self.quality.unwrap_or(EncodeOptions::default().quality);
            return Ok(Some(EncodeOptions { quality, moments: self.stats }));
        }
        if self.quality.is_some() || self.stats {
            let what =
                "--quality and --stats are for JPEG records; of others moments are always taken".into();
            return Err(CliError::Usage { what, help: "give --codec jpeg too, or leave them out".into() });
        }
        Ok(None)
    }
}

#[derive(Args, Debug)]
pub(super) struct FolderArgs {
    /// The tree
    #[arg(value_name = "SRC")]
    source: PathBuf,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    encode: EncodeArgs,
    #[command(flatten)]
    bad: BadArgs,
    #[command(flatten)]
    output: Output,
}

#[derive(Args, Debug)]
pub(super) struct ImagenetArgs {
    /// The folder that holds archives or trees
    #[arg(value_name = "SRC")]
    source: PathBuf,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    encode: EncodeArgs,
    #[command(flatten)]
    bad: BadArgs,
    /// Do not compare archives with their official MD5
    #[arg(long)]
    no_verify_archive: bool,
    /// Take a part of the set: any number of classes and images
    #[arg(long)]
    partial: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Args, Debug)]
struct BadArgs {
    /// Files that are no image or are damaged: fail at the first, or skip and list them
    #[arg(long, value_name = "RULE", default_value = "fail", value_parser = ["fail", "skip"])]
    on_bad: String,
}

impl BadArgs {
    fn rule(&self) -> OnBad {
        if self.on_bad == "skip" { OnBad::Skip } else { OnBad::Fail }
    }
}

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// The tree, or with --imagenet the folder that holds archives or trees
    #[arg(value_name = "SRC")]
    source: PathBuf,
    /// SRC is ILSVRC-2012
    #[arg(long)]
    imagenet: bool,
    #[command(flatten)]
    images: ImageArgs,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// Print the result as JSON (schema rfx.images/1)
    #[arg(long)]
    json: bool,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

/// Packs a tree.
pub(super) fn folder(args: &FolderArgs, cancel: &AtomicBool) -> anyhow::Result<Outcome> {
    let encode = args.encode.options(&args.output)?;
    let options = args.images.options(encode, args.bad.rule(), true, args.output.jobs);
    pack_images(&args.output, cancel, |progress| Images::folder(&args.source, &options, progress))
}

/// Packs ILSVRC-2012.
pub(super) fn imagenet(args: &ImagenetArgs, cancel: &AtomicBool) -> anyhow::Result<Outcome> {
    let encode = args.encode.options(&args.output)?;
    let options = args.images.options(encode, args.bad.rule(), !args.no_verify_archive, args.output.jobs);
    pack_images(&args.output, cancel, |progress| match args.partial {
        true => Images::imagenet_any_count(&args.source, &options, progress),
        false => Images::imagenet(&args.source, &options, progress),
    })
}

fn pack_images(
    output: &Output,
    cancel: &AtomicBool,
    open: impl FnOnce(&Progress<'_>) -> Result<Images, SourceError>,
) -> anyhow::Result<Outcome> {
    let open = || {
        let progress = Progress::new("reading", Unit::Bytes, output.quiet, cancel);
        let opened = open(&progress);
        progress.finish();
        let source = opened?;
        for bad in &source.report().bad {
            report::tell(&format!("skipped {}: {}\n", bad.name, bad.reason));
        }
        Ok(source)
    };
    output.pack_ordered(open, PackOrder::Shuffled { seed: 0 }, |source| Some(source.report()), cancel)
}

/// Says what a tree is made of.
pub(super) fn check(args: &CheckArgs, cancel: &AtomicBool) -> anyhow::Result<Outcome> {
    let options = args.images.options(None, OnBad::Fail, false, args.jobs);
    let progress = Progress::new("reading", Unit::Bytes, args.quiet, cancel);
    let inspected = if args.imagenet {
        Images::inspect_imagenet(&args.source, &options, &progress)
    } else {
        Images::inspect_folder(&args.source, &options, &progress)
    };
    progress.finish();
    let found = inspected?;
    report::print(&if args.json { report::document("rfx.images/1", &found)? } else { text(&found) })?;
    Ok(if found.bad.is_empty() { Outcome::Done } else { Outcome::Mismatch })
}

fn text(found: &ImageReport) -> String {
    let mut out = format!("files    {} ({})\n", report::count(found.files), report::bytes(found.bytes));
    let mut line = |head: &str, n: u64, what: &str| {
        out.push_str(&format!("{head:8} {:>9}  {what}\n", report::count(n)));
    };
    for (kind, n) in &found.kinds {
        line("kind", *n, kind);
    }
    line("turned", found.turned, "by their EXIF orientation");
    let mut sizes: Vec<_> = found.sizes.iter().collect();
    sizes.sort_by_key(|(_, n)| std::cmp::Reverse(**n)); // stable: equal counts stay in the order of their texts
    for (size, n) in sizes.iter().take(SIZES_SHOWN) {
        line("size", **n, size);
    }
    if let Some(rest) = sizes.get(SIZES_SHOWN..).filter(|rest| !rest.is_empty()) {
        let images = rest.iter().map(|(_, n)| **n).sum();
        line("size", images, &format!("of {}", report::plural(rest.len() as u64, "other size")));
    }
    line("bad", found.bad.len() as u64, if found.bad.is_empty() { "files" } else { "files:" });
    for bad in &found.bad {
        out.push_str(&format!("{}: {}\n", bad.name, bad.reason));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_lists_the_commonest_sizes_and_counts_the_rest() {
        let mut found = ImageReport { files: 1300, bytes: 5000, turned: 3, ..ImageReport::default() };
        found.kinds.insert("jpeg rgb".into(), 1300);
        for i in 0..12 {
            found.sizes.insert(format!("{}x375", 500 + i), 100 + i);
        }
        let text = text(&found);
        assert!(text.starts_with("files    1,300 (4.9 KiB)\nkind         1,300  jpeg rgb\n"), "{text}");
        assert!(text.contains("size           111  511x375\n"), "{text}");
        assert!(text.contains("size           201  of 2 other sizes\n"), "{text}");
        assert!(text.ends_with("bad              0  files\n"), "{text}");
    }
}
