//! What is told of a data set that was packed, merged or materialised.

use std::path::Path;

use rfx_loader::{
    Dataset,
    dataset::{Index, Verify},
    pack::PackReport,
    source::ImageReport,
};
use serde::Serialize;

use crate::{exit::Outcome, report};

/// The JSON result.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    source: &'a str,
    generated: bool,
    splits: Vec<Split<'a>>,
    /// Kinds, sizes and skipped files, where there are image files.
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<&'a ImageReport>,
    #[serde(flatten)]
    report: &'a PackReport,
}

#[derive(Serialize)]
struct Split<'a> {
    name: &'a str,
    samples: usize,
}

/// Tells of the data set in `out`, as JSON or for people.
pub(super) fn tell(
    out: &Path,
    packed: &PackReport,
    images: Option<&ImageReport>,
    json: bool,
) -> anyhow::Result<Outcome> {
    Summary::warn(out, &packed.warnings, packed.already_complete, packed.resumed_shards);
    let dataset = Dataset::open(out, Verify::Once)?;
    let summary = Summary::of(dataset.index(), packed, images);
    report::print(&if json { report::document("rfx.pack/1", &summary)? } else { summary.text() })?;
    Ok(Outcome::Done)
}

impl<'a> Summary<'a> {
    fn of(index: &'a Index, report: &'a PackReport, images: Option<&'a ImageReport>) -> Self {
        Summary {
            source: &index.source.kind,
            generated: !index.source.generator.is_empty(),
            splits: index.splits.iter().map(|s| Split { name: &s.name, samples: s.samples }).collect(),
            images,
            report,
        }
    }

    /// What the user should know besides the result.
    pub fn warn(out: &Path, warnings: &[String], already_complete: bool, resumed_shards: usize) {
        for warning in warnings {
            report::tell(&format!("warning: {warning}\n"));
        }
        if already_complete {
            let there = out.display();
            report::tell(&format!(
                "{there} was packed with the same plan before: nothing was written; rfx-inspect verify checks its bytes\n"
            ));
        } else if resumed_shards > 0 {
            let shards = report::plural(resumed_shards as u64, "finished shard");
            report::tell(&format!("went on from {shards} of an earlier run\n"));
        }
    }

    fn text(&self) -> String {
        let splits: Vec<_> =
            self.splits.iter().map(|s| format!("{} {}", s.name, report::count(s.samples as u64))).collect();
        let source = if self.generated { " (generated data)" } else { "" };
        let records = self.images.and_then(|images| images.copied.zip(images.encoded));
        let records = records.map_or(String::new(), |(copied, encoded)| {
            format!("records  {} copied, {} encoded anew\n", report::count(copied), report::count(encoded))
        });
        format!(
            "source   {}{source}\nsamples  {} ({})\n{records}bytes    {} ({}) in {}\ncontent  {}\npack     {}\n",
            self.source,
            report::count(self.report.samples),
            splits.join(", "),
            report::count(self.report.bytes),
            report::bytes(self.report.bytes),
            report::plural(self.report.shards as u64, "shard"),
            self.report.content,
            self.report.pack,
        )
    }
}
