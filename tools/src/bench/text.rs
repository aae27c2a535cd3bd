//! What was measured, as a table for people.

use std::fmt::{Result, Write};

use rfx_loader::{decode::Profile, recipe::StageTimes};

use super::{
    gpus::{Fed, SHARE},
    report::Report,
    row::{Bottleneck, Row},
    stages,
};
use crate::report::{bytes, count, plural};

/// The report as text; rows below each other, numbers under each other.
pub(super) fn table(report: &Report) -> std::result::Result<String, std::fmt::Error> {
    let mut out = String::new();
    what(report, &mut out)?;
    rows(&report.rows, &mut out)?;
    decoding(&report.rows, &mut out)?;
    others(report, &mut out)?;
    if report.rows.iter().any(|row| row.headspace.is_some()) {
        headspace(&report.rows, &mut out)?;
    }
    if let Some(stages) = &report.stages {
        stage_times(stages, &mut out)?;
    }
    if !report.gpus.is_empty() {
        gpus(&report.gpus, &mut out)?;
    }
    Ok(out)
}

fn what(report: &Report, out: &mut String) -> Result {
    let generated = if report.generated { " (generated data)" } else { "" };
    let (spec, samples) = (&report.spec, count(report.samples));
    writeln!(out, "data set     {}{generated}, {}: {samples} samples", report.source, spec.split)?;
    writeln!(out, "batches      {}, {}", batches(report), bytes(report.batch_bytes))?;
    writeln!(out, "corruption   {}", spec.corruption)?;
    let processor = report.processor.as_deref().unwrap_or("unknown processor");
    writeln!(out, "machine      {processor}, {}; {}", plural(report.cores as u64, "core"), report.simd)?;
    if let Some(kept) = report.cached_view_bytes {
        writeln!(out, "kept         all images in memory, {}", bytes(kept))?;
    }
    let first = &report.first_batch;
    writeln!(
        out,
        "first batch  {:.1} ms: open {:.1}, resolve {:.1}, start {:.1}, batch {:.1}; {}",
        first.total_ms,
        first.open_ms,
        first.resolve_ms,
        first.start_ms,
        first.batch_ms,
        plural(first.threads as u64, "thread")
    )?;
    let cache = &report.page_cache;
    writeln!(
        out,
        "page cache   {} of {} before, {} after",
        bytes(cache.before),
        bytes(cache.bytes),
        bytes(cache.after)
    )
}

/// One batch in words: `128 x 3x28x28 f32 nchw, whiten, shuffled`.
pub(super) fn batches(report: &Report) -> String {
    let (spec, [a, b, c]) = (&report.spec, report.image);
    let mut text = format!("{} x {a}x{b}x{c} {} {}", spec.batch, spec.dtype, spec.layout);
    let crop = spec.crop.to_string();
    let crop = (crop != "none").then(|| format!("crop {crop}"));
    let flip = spec.flip.then(|| "flip".to_owned());
    let rotate = (spec.rotate > 0).then(|| format!("rotate {}", spec.rotate));
    let decode = (spec.decode != Profile::Exact).then(|| format!("decode {}", spec.decode));
    let normalise = Some(spec.normalise.name().to_owned()).filter(|name| name != "none");
    for word in [crop, flip, rotate, decode, normalise].into_iter().flatten() {
        text = text + ", " + &word;
    }
    format!("{text}, {}", spec.order)
}

fn rows(rows: &[Row], out: &mut String) -> Result {
    writeln!(
        out,
        "\n{:>7} {:>13} {:>13} {:>8} {:>11} {:>11} {:>10} {:>10}",
        "", "", "images per", "of", "copy rate,", "wait p50,", "p99,", "max,"
    )?;
    writeln!(
        out,
        "{:>7} {:>13} {:>13} {:>8} {:>11} {:>11} {:>10} {:>10}",
        "threads", "images/s", "CPU-second", "copy", "GB/s", "us", "us", "us"
    )?;
    for row in rows {
        writeln!(
            out,
            "{:>7} {:>13} {:>13} {:>8} {:>11.2} {:>11} {:>10} {:>10}",
            row.threads,
            count(row.images_per_s.round() as u64),
            count(row.images_per_cpu_second.round() as u64),
            significant(row.of_copy),
            row.copy_bytes_per_s / 1e9,
            significant(row.wait.p50_us),
            significant(row.wait.p99_us),
            significant(row.wait.max_us)
        )?;
    }
    Ok(())
}

/// Of JPEG records, what decoding them whole reaches in the same run; nothing of others.
fn decoding(rows: &[Row], out: &mut String) -> Result {
    for row in rows {
        if let Some((decoded, of_decoding)) = row.decoded_images_per_s.zip(row.of_decoding) {
            let (threads, rate) = (plural(row.copy_threads as u64, "thread"), count(decoded.round() as u64));
            let share = significant(of_decoding);
            writeln!(
                out,
                "libjpeg-turbo decodes {rate} whole images/s on {threads}; the loader makes {share} of that"
            )?;
        }
    }
    Ok(())
}

/// Cores that other programs may take before a row is not believed: a tenth of one.
const QUIET: f64 = 0.1;

fn others(report: &Report, out: &mut String) -> Result {
    let long_enough = report.rows.iter().filter(|row| row.seconds >= 0.5); // the system counts in hundredths
    let most = long_enough.filter_map(|row| row.others_cores).fold(0.0, f64::max);
    if most < QUIET {
        return Ok(());
    }
    let cores = if most < 0.95 { "of a core" } else { "cores" };
    writeln!(
        out,
        "\nOther programs were on up to {most:.1} {cores} meanwhile: an idle machine may do better."
    )
}

fn headspace(rows: &[Row], out: &mut String) -> Result {
    writeln!(out)?;
    for row in rows {
        let Some(headspace) = &row.headspace else { continue };
        let bottleneck = match headspace.bottleneck {
            Bottleneck::MakingBatches => "making batches",
            Bottleneck::HandingOut => "handing them out",
        };
        writeln!(
            out,
            "{:>7}: the bottleneck is {bottleneck}; handing out alone: {} images/s, {} times the row's",
            plural(row.threads as u64, "thread"),
            count(headspace.images_per_s.round() as u64),
            significant(headspace.ratio)
        )?;
    }
    Ok(())
}

fn stage_times(times: &StageTimes, out: &mut String) -> Result {
    let total: f64 = stages::named(times).iter().map(|(_, seconds)| seconds).sum();
    writeln!(out, "\nOne thread, {} us for an image:", significant(1e6 * total / times.samples as f64))?;
    for (name, seconds) in stages::named(times) {
        let us = 1e6 * seconds / times.samples as f64;
        writeln!(out, "{name:>10} {:>9} us {:>5.0} %", significant(us), 100.0 * seconds / total)?;
    }
    Ok(())
}

fn gpus(gpus: &[Fed], out: &mut String) -> Result {
    writeln!(out)?;
    for fed in gpus {
        let name = fed.name.as_deref().map(|name| format!("{name}, ")).unwrap_or_default();
        let share = &fed.share_of_cores;
        writeln!(
            out,
            "GPUs of {name}{} images/s: {} with all cores ({:.1}), {} with {:.0} % of them ({:.1})",
            significant(fed.images_per_s),
            fed.all_cores.whole_gpus,
            fed.all_cores.gpus,
            share.whole_gpus,
            100.0 * SHARE,
            share.gpus
        )?;
    }
    writeln!(out, "While training, loaders should take at most {:.0} % of the cores.", 100.0 * SHARE)
}

/// At least two digits that mean something: `0.0123`, `0.45`, `3.1`, `17`, `1,234`.
pub(super) fn significant(value: f64) -> String {
    match value {
        v if v >= 9.95 => count(v.round() as u64),
        v if v >= 0.995 => format!("{v:.1}"),
        v if v >= 0.0995 => format!("{v:.2}"),
        v if v >= 0.00995 => format!("{v:.3}"),
        v => format!("{v:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_two_digits_that_mean_something() {
        for (value, text) in [
            (0.0, "0.0000"),
            (0.0123, "0.012"),
            (0.449, "0.45"),
            (3.06, "3.1"),
            (9.96, "10"),
            (1234.4, "1,234"),
        ] {
            assert_eq!(significant(value), text);
        }
    }
}
