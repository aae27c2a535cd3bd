//! An audit for people, and its pairs as CSV.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use super::{Audit, AuditArgs, Duplicates};
use crate::report;

/// Classes, pairs and damaged records shown at most; JSON and CSV have all.
const SHOWN: usize = 20;

pub fn text(audit: &Audit, args: &AuditArgs) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let generated = if audit.generated { " (generated data)" } else { "" };
    let samples = audit.splits.iter().map(|s| s.samples).sum();
    writeln!(out, "source      {}{generated}, data set {}", audit.source, audit.content.short())?;
    classes(&mut out, audit)?;
    match audit.unreadable.as_slice() {
        [] => writeln!(out, "readable    all {} samples", report::count(samples))?,
        some => {
            writeln!(out, "UNREADABLE  {}", report::plural(some.len() as u64, "sample"))?;
            for record in some.iter().take(SHOWN) {
                writeln!(out, "            {}, id {}: {}", record.split, record.id, record.message)?;
            }
        }
    }
    if !audit.flat.is_empty() {
        let ids: Vec<_> = audit.flat.iter().take(SHOWN).map(ToString::to_string).collect();
        let images = report::plural(audit.flat.len() as u64, "image");
        writeln!(out, "flat        {images} of one value: ids {}", ids.join(", "))?;
    }
    duplicates(&mut out, "identical", &audit.identical, "equal in every byte")?;
    let rule = format!("correlated by {} or more", args.near);
    match &audit.near {
        Some(near) => duplicates(&mut out, "near", near, &rule)?,
        None => writeln!(out, "near        more than a million pairs {rule}: raise --near")?,
    }
    let labels = &audit.labels;
    write!(out, "labels      {}: ", labels.corruption)?;
    if labels.lost == 0 {
        writeln!(out, "no identical images of {} contradict each other", labels.split)
    } else {
        writeln!(
            out,
            "{} of identical images of {} have several labels: no function of the image is right on more than {:.3} %",
            report::plural(labels.groups, "group"),
            labels.split,
            floor(100.0 * labels.accuracy),
        )
    }
    .map(|()| out)
}

/// Three decimals, never rounded up: a ceiling of 100 % would be none.
fn floor(percent: f64) -> f64 {
    (percent * 1000.0).floor() / 1000.0
}

fn classes(out: &mut String, audit: &Audit) -> std::fmt::Result {
    let width = audit.classes.iter().take(SHOWN).map(|c| c.name.chars().count()).max().unwrap_or(0).max(9);
    write!(out, "classes     {:width$}", "")?;
    audit.splits.iter().try_for_each(|split| write!(out, " {:>10}", split.name))?;
    writeln!(out)?;
    for class in audit.classes.iter().take(SHOWN) {
        write!(out, "            {:width$}", class.name)?;
        class.samples.iter().try_for_each(|&n| write!(out, " {:>10}", report::count(n)))?;
        writeln!(out)?;
    }
    if audit.classes.len() > SHOWN {
        writeln!(out, "            ... {} more", audit.classes.len() - SHOWN)?;
    }
    write!(out, "            {:width$}", "imbalance")?;
    for split in &audit.splits {
        match split.imbalance {
            Some(ratio) => write!(out, " {ratio:>10.2}")?,
            None => write!(out, " {:>10}", "empty one")?,
        }
    }
    writeln!(out)
}

fn duplicates(out: &mut String, name: &str, found: &Duplicates, rule: &str) -> std::fmt::Result {
    if found.pairs.is_empty() {
        return writeln!(out, "{name:<11} none {rule}");
    }
    writeln!(
        out,
        "{name:<11} {} in {} {rule}; of other splits {} in train; {} of different labels",
        report::plural(found.samples, "sample"),
        report::plural(found.pairs.len() as u64, "pair"),
        report::count(found.leaked),
        report::plural(found.contradictions, "pair"),
    )?;
    for pair in found.pairs.iter().take(SHOWN) {
        let side = |i: usize| format!("{} {} {}", pair.splits[i], pair.ids[i], pair.labels[i]);
        let mirrored = if pair.mirrored { ", mirrored" } else { "" };
        write!(out, "            {} = {}", side(0), side(1))?;
        if pair.correlation < 1.0 {
            write!(out, " ({:.3}{mirrored})", pair.correlation)?;
        }
        writeln!(out)?;
    }
    if found.pairs.len() > SHOWN {
        writeln!(out, "            ... {} more (--pairs FILE has all)", found.pairs.len() - SHOWN)?;
    }
    Ok(())
}

/// Columns: kind, then split, id and label of both, correlation, mirrored.
pub fn csv(audit: &Audit, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "kind,split_a,id_a,label_a,split_b,id_b,label_b,correlation,mirrored")?;
    let kinds = [("identical", Some(&audit.identical)), ("near", audit.near.as_ref())];
    for (kind, found) in kinds {
        for pair in found.into_iter().flat_map(|found| &found.pairs) {
            let side = |i: usize| format!("{},{},{}", pair.splits[i], pair.ids[i], quoted(&pair.labels[i]));
            writeln!(out, "{kind},{},{},{:.4},{}", side(0), side(1), pair.correlation, pair.mirrored)?;
        }
    }
    Ok(())
}

/// A class name as a CSV field.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ceiling_is_never_rounded_up_and_names_are_quoted() {
        assert_eq!(format!("{:.3}", floor(99.999_9)), "99.999");
        assert_eq!(quoted("cat"), "cat");
        assert_eq!(quoted("tench, \"Tinca\""), "\"tench, \"\"Tinca\"\"\"");
    }
}
