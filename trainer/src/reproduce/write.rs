//! Writes what is known so far: results, tables, figures, verdicts, and a page that holds all of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    experiment::Experiment,
    figure, group,
    page::{self, Setting},
    plan::Plan,
    rows,
    rules::{self, Claim},
    schedule::Summary,
    solve,
    table::{self, Table},
};
use crate::{
    atomic,
    error::{Result, TrainError},
    report::figure::{Figure, png},
};

/// What is shown of one experiment.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub name: String,
    pub title: String,
    pub scaled_down: String,
    /// Runs done, and planned.
    pub runs: [usize; 2],
    pub claims: Vec<Claim>,
    pub figures: Vec<Figure>,
    pub table: Table,
}

/// Writes `results.jsonl`, `points.csv`, `verdicts.json`, a CSV and figures of each experiment, and `index.html` into the
/// plan's folder, over those of the call before; returns the page's path and the tables and verdicts as text.
///
/// # Errors
/// Those of reading the runs; [`TrainError::Io`]; [`TrainError::Report`] if a figure cannot be drawn.
pub fn write(plan: &Plan, setting: &Setting, summary: &Summary) -> Result<(PathBuf, String)> {
    let mut sections = Vec::new();
    for part in &plan.parts {
        let groups = group::groups(plan, part)?;
        let names = part.tasks.iter().filter_map(|place| plan.tasks.get(*place));
        let done = names.filter(|task| task.is_done()).count();
        let name = part.experiment.map_or("sweep", Experiment::name);
        let subtitle = subtitle(&groups, setting);
        if let Some(found) = solve::section(plan, part)? {
            let runs = [done, part.tasks.len()];
            let (title, scaled_down) = (part.title.clone(), part.scaled_down.clone());
            let solve::Found { claims, table } = found;
            sections.push(Section {
                name: name.to_owned(),
                title,
                scaled_down,
                runs,
                claims,
                figures: Vec::new(),
                table,
            });
            continue;
        }
        sections.push(Section {
            name: name.to_owned(),
            title: part.title.clone(),
            scaled_down: part.scaled_down.clone(),
            runs: [done, part.tasks.len()],
            claims: rules::claims(part.experiment, &groups),
            figures: figure::figures(part.experiment, &groups, &subtitle),
            table: table::table(part.experiment, &groups),
        });
    }
    let page = page::page(plan, setting, summary, &sections)?;
    let put = |name: String, bytes: &[u8]| -> Result<PathBuf> {
        let path = plan.out.join(name);
        let io = |source| TrainError::Io { path: path.clone(), action: "write", source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        atomic::write(&path, bytes).map_err(io)?;
        Ok(path)
    };
    put("results.jsonl".into(), rows::results(plan, &summary.failed)?.as_bytes())?;
    put("points.csv".into(), rows::points(plan)?.as_bytes())?;
    put("verdicts.json".into(), rows::verdicts(&sections).as_bytes())?;
    for section in &sections {
        put(format!("{}.csv", section.name), csv(&section.table).as_bytes())?;
        for figure in &section.figures {
            put(format!("figures/{}.svg", figure.name), figure.svg.as_bytes())?;
            put(format!("figures/{}.png", figure.name), &png::render(&figure.svg)?)?;
        }
    }
    // Last: whoever sees the page finds all that it speaks of.
    let path = put("index.html".into(), page.as_bytes())?;
    Ok((path, text(&sections)))
}

fn subtitle(groups: &[group::Group], setting: &Setting) -> String {
    let runs: Vec<_> = groups.iter().flat_map(|group| &group.runs).collect();
    let Some(first) = runs.first() else { return String::new() };
    let samples = first.manifest.samples[0];
    let same = runs.iter().all(|run| run.manifest.samples[0] == samples);
    let n = if same { format!("n = {samples}") } else { "n as in the text".into() };
    let seeds = groups.iter().map(|group| group.runs.len()).max().unwrap_or(1);
    let seeds = if seeds == 1 { "1 seed".into() } else { format!("{seeds} seeds") };
    let scale = setting.scale.map_or(String::new(), |scale| format!(", scale {}", scale.name()));
    format!("{}, {n}, {seeds}{scale}", first.manifest.data.kind)
}

/// The table as CSV (RFC 4180).
fn csv(table: &Table) -> String {
    let quote = |cell: &String| match cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    let line = |row: &Vec<String>| format!("{}\n", row.iter().map(quote).collect::<Vec<_>>().join(","));
    std::iter::once(&table.head).chain(&table.rows).map(line).collect()
}

fn text(sections: &[Section]) -> String {
    let mut out = String::new();
    for section in sections {
        out.push_str(&format!("{}\n", section.title));
        if !section.scaled_down.is_empty() {
            out.push_str(&format!("scaled down: {}\n", section.scaled_down));
        }
        out.push_str(&section.table.text());
        for claim in &section.claims {
            let why = match &claim.verdict {
                rules::Verdict::NotComparable(why) => format!(" ({why})"),
                _ => String::new(),
            };
            let found = if claim.found.is_empty() { String::new() } else { format!(": {}", claim.found) };
            out.push_str(&format!("[{}{why}] {}{found}\n", claim.verdict.name(), claim.text));
        }
        out.push('\n');
    }
    out
}

/// Whether there is something in `out` that is not of these commands.
///
/// # Errors
/// [`TrainError::Taken`] if so.
pub fn check_folder(out: &Path) -> Result<()> {
    let foreign =
        fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_some()) && !out.join("plan").is_dir();
    if foreign { Err(TrainError::Taken { path: out.to_path_buf() }) } else { Ok(()) }
}
