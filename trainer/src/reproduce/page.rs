//! The page: one file with everything in it, which opens offline.

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use rfx_loader::Dataset;

use super::{
    grid::Scale,
    plan::{Kind, Plan},
    rules::Verdict,
    schedule::Summary,
    write::Section,
};
use crate::{
    error::Result,
    report::{
        html::{self, command::command, template},
        load,
        text::{self, escape},
    },
};

const PAGE: &str = include_str!("../../assets/reproduce.html");

/// What all of it was run with.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The command that makes it again.
    pub command: String,
    /// The scale, if the grids have any.
    pub scale: Option<Scale>,
    /// Processor and cores, in words.
    pub machine: String,
    /// Pictures of corrupted samples, PNG; none where the data set has no images to show.
    pub sheet: Option<Vec<u8>>,
}

/// The page.
///
/// # Errors
/// Those of reading the runs.
pub(super) fn page(
    plan: &Plan,
    setting: &Setting,
    summary: &Summary,
    sections: &[Section],
) -> Result<String> {
    let title = match sections {
        [one] => one.title.clone(),
        _ => "Understanding deep learning requires rethinking generalization: the experiments".to_owned(),
    };
    let body: String = sections.iter().map(section).collect();
    let parts = [
        ("title", escape(&title)),
        ("style", html::STYLE.to_owned()),
        ("state", state(setting, summary)),
        ("verdicts", verdicts(sections)),
        ("sheet", sheet(setting)),
        ("sections", body),
        ("provenance", provenance(plan, setting)?),
    ];
    Ok(template::fill(PAGE, &parts))
}

fn state(setting: &Setting, summary: &Summary) -> String {
    let mut out = format!(
        "<p class=\"lead\">{} run{} done{}{}.</p>",
        summary.done,
        if summary.done == 1 { "" } else { "s" },
        if summary.left > 0 { format!(", {} left to do", summary.left) } else { String::new() },
        setting.scale.map_or(String::new(), |scale| format!(", at scale <em>{}</em>", scale.name())),
    );
    if !summary.failed.is_empty() {
        out.push_str("<div class=\"note\"><p>These runs failed:</p><ul>");
        for (name, why) in &summary.failed {
            out.push_str(&format!("<li><code>{}</code>: {}</li>", escape(name), escape(why)));
        }
        out.push_str("</ul></div>");
    }
    out
}

fn badge(verdict: &Verdict) -> String {
    let class = match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::NotComparable(_) => "open",
    };
    format!("<span class=\"badge {class}\">{}</span>", verdict.name())
}

/// How many of each, on top.
fn verdicts(sections: &[Section]) -> String {
    let all = || sections.iter().flat_map(|section| &section.claims);
    if all().next().is_none() {
        return String::new();
    }
    let count = |name: &str| all().filter(|claim| claim.verdict.name() == name).count();
    let names = ["pass", "fail", "not comparable at this scale"];
    let counts: Vec<String> = names.iter().map(|name| format!("{} {name}", count(name))).collect();
    format!("<p>Verdicts: {}.</p>", counts.join(", "))
}

fn sheet(setting: &Setting) -> String {
    let Some(png) = &setting.sheet else { return String::new() };
    format!(
        "<section><h2>What the networks see</h2><figure><div class=\"card\"><img alt=\"eight training images under each \
         corruption\" style=\"width:100%;image-rendering:pixelated\" src=\"data:image/png;base64,{}\"></div>\
         <figcaption>The same eight training images, from above: true, shuffled pixels, random pixels, Gaussian.\
         </figcaption></figure></section>",
        STANDARD.encode(png)
    )
}

fn section(section: &Section) -> String {
    let [done, planned] = section.runs;
    let mut out = format!("<section id=\"{}\"><h2>{}</h2>", section.name, escape(&section.title));
    if !section.scaled_down.is_empty() {
        out.push_str(&format!("<p class=\"note\">Scaled down: {}.</p>", escape(&section.scaled_down)));
    }
    if done < planned {
        out.push_str(&format!("<p class=\"banner\">{done} of {planned} runs are done.</p>"));
    }
    if !section.claims.is_empty() {
        out.push_str("<ul class=\"claims\">");
        for claim in &section.claims {
            let why = match &claim.verdict {
                Verdict::NotComparable(why) => format!(" ({})", escape(why)),
                _ => String::new(),
            };
            let found =
                if claim.found.is_empty() { String::new() } else { format!(": {}", escape(&claim.found)) };
            out.push_str(&format!("<li>{}{why} {}{found}</li>", badge(&claim.verdict), escape(&claim.text)));
        }
        out.push_str("</ul>");
    }
    for figure in &section.figures {
        out.push_str(&format!(
            "<figure><div class=\"card\">{}</div><figcaption><strong>{}.</strong> {}</figcaption></figure>",
            figure.svg,
            escape(&figure.title),
            escape(&figure.caption)
        ));
    }
    out.push_str(&section.table.html());
    out.push_str("</section>");
    out
}

fn provenance(plan: &Plan, setting: &Setting) -> Result<String> {
    let mut out = format!("<pre>{}</pre><dl>", escape(&setting.command));
    let mut row = |key: &str, value: &str| {
        let class = if text::is_digest(value) { " class=\"digest\"" } else { "" };
        out.push_str(&format!("<div><dt>{key}</dt><dd{class}>{}</dd></div>", escape(value)));
    };
    row("machine", &setting.machine);
    row("rfx", env!("CARGO_PKG_VERSION"));
    row("code", option_env!("RFX_COMMIT").unwrap_or("unknown commit"));
    let begun = plan.tasks.iter().filter(|task| matches!(task.kind, Kind::Train(_)) && task.is_begun());
    let folders: Vec<_> = begun.map(|task| task.folder.clone()).collect();
    if folders.is_empty() {
        out.push_str("</dl>");
        return Ok(out);
    }
    let runs = load(&folders)?;
    let mut data: Vec<String> = runs.iter().map(|run| run.manifest.data.content.to_string()).collect();
    data.sort();
    data.dedup();
    data.iter().for_each(|id| row("data set id", id));
    if let Some(run) = runs.first() {
        row("libtorch", &run.manifest.libtorch);
    }
    let seconds: f64 = runs.iter().flat_map(|run| &run.metrics).map(|m| m.seconds).sum();
    row("time of all epochs", &format!("{:.0} s, several runs at once counted each", seconds));
    out.push_str(
        "</dl><details><summary>Every run: its labels, and the command that makes it again</summary>",
    );
    for run in &runs {
        let pieces: Vec<String> =
            command(run).iter().map(|piece| format!("<span>{}</span>", escape(piece))).collect();
        out.push_str(&format!(
            "<h3>{}</h3><dl><div><dt>label digest</dt><dd class=\"digest\">{}</dd></div><div><dt>labels changed</dt>\
             <dd>{} %</dd></div></dl><pre>{}</pre>",
            escape(&run.folder),
            run.manifest.labels.digest,
            text::percent(run.manifest.labels.realised_changed),
            pieces.join(" ")
        ));
    }
    out.push_str("</details>");
    Ok(out)
}

/// The processor by name, and the number of cores.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}, {cores} cores", name.map_or("unknown processor", |(_, name)| name.trim()))
}

/// Eight training images under the paper's input corruptions, a row each, as PNG; none if the data set has images of
/// another kind than one or three channels.
///
/// # Errors
/// The loader's own.
pub fn sample_sheet(dataset: &Dataset) -> Result<Option<Vec<u8>>> {
    use rfx_loader::{Layout, LoaderSpec, Partition, Recipe};
    let Ok(shape) = dataset.shape() else { return Ok(None) };
    if ![1, 3].contains(&shape.channels) || shape.height * shape.width > 1 << 16 {
        return Ok(None);
    }
    const ACROSS: usize = 8;
    let names = ["true-labels", "shuffled-pixels", "random-pixels", "gaussian"];
    let (cell_h, cell_w) = (shape.height + 2, shape.width + 2);
    let size = (ACROSS * cell_w, names.len() * cell_h);
    let mut pixels = image::RgbImage::from_pixel(size.0 as u32, size.1 as u32, image::Rgb([255; 3]));
    for (row, name) in names.iter().enumerate() {
        let corruption = name.parse().map_err(|e| crate::TrainError::Report(format!("{name}: {e}")))?;
        let spec = LoaderSpec::new("train")
            .corruption(corruption)
            .batch(ACROSS)
            .layout(Layout::Nhwc)
            .order(rfx_loader::OrderKind::Sequential);
        // Noise with the moments of very dark images cannot be drawn: its row stays white.
        let Ok(recipe) = Recipe::new(dataset, &spec, 1) else { continue };
        let batch = recipe.batch(0, 0, Partition::WHOLE)?;
        let bytes = batch.input_bytes();
        for (i, image) in bytes.chunks_exact(shape.values()).enumerate() {
            for (place, value) in image.chunks_exact(shape.channels).enumerate() {
                let at = (i * cell_w + place % shape.width + 1, row * cell_h + place / shape.width + 1);
                let colour = match value {
                    [r, g, b] => [*r, *g, *b],
                    other => [other.first().copied().unwrap_or(0); 3],
                };
                pixels.put_pixel(at.0 as u32, at.1 as u32, image::Rgb(colour));
            }
        }
    }
    let mut png = std::io::Cursor::new(Vec::new());
    pixels
        .write_to(&mut png, image::ImageFormat::Png)
        .map_err(|e| crate::TrainError::Report(format!("sheet: {e}")))?;
    Ok(Some(png.into_inner()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_page_has_a_part() {
        let names: Vec<&str> =
            PAGE.split("{{").skip(1).filter_map(|after| after.split("}}").next()).collect();
        assert_eq!(
            names,
            ["title", "style", "title", "state", "verdicts", "sheet", "sections", "provenance"]
        );
    }
}
