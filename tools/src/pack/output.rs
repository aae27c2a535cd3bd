//! What all commands that pack a source share: where to, how, and what is told of it.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::Args;
use rfx_loader::{
    pack::{PackCodec, PackError, PackOptions, PackOrder, Part, PartReport, pack, pack_part},
    shard::Codec,
    source::{ImageReport, Source},
};

use super::summary::{self, Summary};
use crate::{
    exit::{CliError, Outcome},
    progress::{Progress, Unit},
    report,
};

/// Where and how to pack.
#[derive(Args, Debug)]
pub(super) struct Output {
    /// Folder to write: new, empty, or one that the same command has begun
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,
    /// How records are stored: raw (the images' bytes: fastest to read) or zstd (smaller), on which batches do not depend;
    /// or, for folder and imagenet, jpeg (the files themselves, in sizes of their own, of which loaders decode what a crop
    /// needs)
    #[arg(long, default_value_t = Codec::Raw)]
    codec: Codec,
    /// Level of compression, 1 (fast) to 22 (small) [default: 9]
    #[arg(long, value_name = "L", value_parser = clap::value_parser!(i32).range(1..=22))]
    zstd_level: Option<i32>,
    /// Train a dictionary of at most so many bytes on the train split, for small images; 16384 suits many sets
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(256..=1 << 20))]
    zstd_dictionary: Option<u32>,
    /// Order of the samples on disk: source, shuffled or shuffled:SEED; ids and batches do not depend on it [default:
    /// source, for folder and imagenet shuffled]
    #[arg(long, value_name = "ORDER")]
    pack_order: Option<PackOrder>,
    /// About how large a shard should be, before compression
    #[arg(long, value_name = "MIB", default_value_t = PackOptions::DEFAULT_SHARD_BYTES >> 20,
          value_parser = clap::value_parser!(u64).range(1..=65_536))]
    shard_size: u64,
    /// Pack only part K of N, numbered from 0, into a folder of its own; `rfx-pack merge` joins the parts
    #[arg(long, value_name = "K/N")]
    part: Option<Part>,
    /// Print the result as JSON (schema rfx.pack/1; of a part rfx.pack-part/1)
    #[arg(long)]
    pub json: bool,
    /// Show no progress
    #[arg(short, long)]
    pub quiet: bool,
}

impl Output {
    /// Packs the source that `open` gives, in its own order unless told otherwise.
    pub fn pack<S: Source>(
        &self,
        open: impl FnOnce() -> anyhow::Result<S>,
        cancel: &AtomicBool,
    ) -> anyhow::Result<Outcome> {
        if self.is_jpeg() {
            let what = "--codec jpeg is for image files, of which this source has none".into();
            return Err(CliError::Usage {
                what,
                help: "use it with folder or imagenet, or leave it out".into(),
            }
            .into());
        }
        self.pack_ordered(open, PackOrder::Source, |_| None, cancel)
    }

    /// Packs the source that `open` gives, in `order` unless told otherwise; `images` has more for the JSON.
    pub fn pack_ordered<S: Source>(
        &self,
        open: impl FnOnce() -> anyhow::Result<S>,
        order: PackOrder,
        images: impl FnOnce(&S) -> Option<&ImageReport>,
        cancel: &AtomicBool,
    ) -> anyhow::Result<Outcome> {
        let options = self.options(order)?;
        let source = open()?;
        if cancel.load(Ordering::Relaxed) {
            return Err(PackError::Interrupted { path: self.out.clone() }.into());
        }
        let progress = Progress::new("packing", Unit::Samples, self.quiet, cancel);
        if let Some(part) = self.part {
            let packed = pack_part(&source, part, &self.out, &options, &progress, cancel);
            progress.finish();
            return self.tell_part(&packed?);
        }
        let packed = pack(&source, &self.out, &options, &progress, cancel);
        progress.finish();
        summary::tell(&self.out, &packed?, images(&source), self.json)
    }

    /// Whether records shall be JPEG files.
    pub fn is_jpeg(&self) -> bool {
        self.codec == Codec::Jpeg
    }

    fn options(&self, order: PackOrder) -> Result<PackOptions, CliError> {
        let codec = match self.codec {
            Codec::Zstd => PackCodec::Zstd {
                level: self.zstd_level.unwrap_or(PackCodec::DEFAULT_LEVEL),
                dictionary_bytes: self.zstd_dictionary.map_or(0, u64::from),
            },
            Codec::Raw | Codec::Jpeg if self.zstd_level.is_some() || self.zstd_dictionary.is_some() => {
                let what = "--zstd-level and --zstd-dictionary are for compressed records".into();
                return Err(CliError::Usage { what, help: "give --codec zstd too".into() });
            }
            Codec::Raw | Codec::Jpeg => PackCodec::Raw,
        };
        let options = PackOptions::default();
        Ok(PackOptions {
            jobs: self.jobs.map_or(options.jobs, usize::from),
            shard_bytes: self.shard_size << 20,
            order: self.pack_order.unwrap_or(order),
            codec,
        })
    }

    fn tell_part(&self, packed: &PartReport) -> anyhow::Result<Outcome> {
        Summary::warn(&self.out, &packed.warnings, packed.already_complete, packed.resumed_shards);
        let text = if self.json {
            report::document("rfx.pack-part/1", packed)?
        } else {
            format!(
                "part     {}: {} of {}\nsamples  {}\nbytes    {} ({})\nplan     {}\n",
                packed.part,
                report::plural(packed.shards as u64, "shard"),
                report::count(packed.plan_shards as u64),
                report::count(packed.samples),
                report::count(packed.bytes),
                report::bytes(packed.bytes),
                packed.plan,
            )
        };
        report::print(&text)?;
        Ok(Outcome::Done)
    }
}
