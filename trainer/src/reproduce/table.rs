//! The tables: the paper's layout, with what it has, what was found here, and the difference.

use super::{
    experiment::Experiment,
    group::{Group, Mean},
    paper,
    rules::{random_crop, share},
};
use crate::report::text::escape;

/// A table of text.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// For a page.
    pub fn html(&self) -> String {
        let mut out = "<div class=\"scroll\"><table><thead><tr>".to_owned();
        self.head.iter().for_each(|cell| out.push_str(&format!("<th scope=\"col\">{}</th>", escape(cell))));
        out.push_str("</tr></thead><tbody>");
        for row in &self.rows {
            for (i, cell) in row.iter().enumerate() {
                out.push_str(&match i {
                    0 => format!("<tr><th scope=\"row\">{}</th>", escape(cell)),
                    _ => format!("<td>{}</td>", escape(cell)),
                });
            }
            out.push_str("</tr>");
        }
        out.push_str("</tbody></table></div>");
        out
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width =
            |column: usize| all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        let widths: Vec<usize> = (0..self.head.len()).map(|column| width(column).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let cells: Vec<String> = cells
                .map(
                    |(i, (cell, width))| {
                        if i == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                    },
                )
                .collect();
            format!("{}\n", cells.join("  ").trim_end())
        };
        all().map(line).collect()
    }
}

/// The table of an experiment.
pub(super) fn table(experiment: Option<Experiment>, groups: &[Group]) -> Table {
    match experiment {
        Some(Experiment::Table1) => table1(groups),
        Some(Experiment::Table2) => table2(groups),
        Some(Experiment::Table4) => table4(groups),
        Some(Experiment::Rademacher) => rademacher(groups),
        _ => general(groups),
    }
}

fn percent(mean: Option<Mean>) -> String {
    match mean {
        None => "–".into(),
        Some(Mean { mean, sd: Some(sd), n }) => format!("{:.2} ± {:.2} ({n})", 100.0 * mean, 100.0 * sd),
        Some(Mean { mean, n, .. }) => format!("{:.2} ({n})", 100.0 * mean),
    }
}

fn difference(ours: Option<Mean>, paper: Option<f64>) -> String {
    match (ours, paper) {
        (Some(ours), Some(paper)) => format!("{:+.2}", 100.0 * ours.mean - paper),
        _ => "–".into(),
    }
}

fn number(paper: Option<f64>) -> String {
    paper.map_or("–".into(), |value| format!("{value:.2}"))
}

fn labels(group: &Group) -> String {
    let spec = &group.config.corruption;
    match share(group) {
        Some(0.0) => "true labels".into(),
        Some(1.0) => "random labels".into(),
        Some(p) => format!("p = {p}"),
        None => spec.to_string(),
    }
}

/// What keeps a run from overfitting, in words.
pub(super) fn regulariser(group: &Group) -> String {
    let config = &group.config;
    let mut words = Vec::new();
    match (random_crop(group), config.flip) {
        (true, true) => words.push("augmentation".to_owned()),
        (true, false) => words.push("random cropping".to_owned()),
        (false, true) => words.push("augmentation".to_owned()),
        _ => {}
    }
    if config.dropout > 0.0 {
        words.push("dropout".to_owned());
    }
    if config.weight_decay > 0.0 {
        words.push("weight decay".to_owned());
    }
    if words.is_empty() { "no regulariser".into() } else { words.join(", ") }
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn head(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn table1(groups: &[Group]) -> Table {
    let rows = groups.iter().map(|group| {
        let config = &group.config;
        let random = share(group) == Some(1.0);
        let paper = paper::TABLE_1.iter().find(|row| {
            row.model == config.model
                && row.random_labels == random
                && row.crop == random_crop(group)
                && row.decay == (config.weight_decay > 0.0)
        });
        let [train, test] = [0, 1].map(|i| paper.map(|row| row.accuracy[i]));
        let name = format!("{}{}", config.model.title(), if random { ", random labels" } else { "" });
        vec![
            name,
            yes(random_crop(group)),
            yes(config.weight_decay > 0.0),
            number(train),
            percent(group.train()),
            difference(group.train(), train),
            number(test),
            percent(group.test()),
            difference(group.test(), test),
            group.fit_cell(),
        ]
    });
    Table {
        head: head(&[
            "network",
            "random crop",
            "weight decay",
            "train: paper",
            "train: ours (seeds)",
            "difference",
            "test: paper",
            "test: ours (seeds)",
            "difference",
            "epochs to fit",
        ]),
        rows: rows.collect(),
    }
}

fn table2(groups: &[Group]) -> Table {
    let rows = groups.iter().map(|group| {
        let config = &group.config;
        let random = share(group) == Some(1.0);
        let key = [random, random_crop(group), config.dropout > 0.0, config.weight_decay > 0.0];
        let paper = paper::TABLE_2.iter().find(|(row, ..)| *row == key);
        let pair = |[top1, top5]: [f64; 2]| format!("{top1:.2}, {top5:.2}");
        let both = |top1, top5: Option<Mean>| match top5 {
            Some(_) => format!("{}, {}", percent(top1), percent(top5)),
            None => percent(top1),
        };
        let best: Vec<f64> =
            group.runs.iter().filter_map(crate::report::Run::best).map(|best| best.test_accuracy).collect();
        vec![
            config.model.to_string(),
            labels(group),
            yes(key[1]),
            yes(key[2]),
            yes(key[3]),
            paper.map_or("–".into(), |row| pair(row.1)),
            both(group.train(), group.last(|m| m.train.top5)),
            paper.map_or("–".into(), |row| match row.3 {
                Some(best) => format!("{} ({})", pair(row.2), pair(best)),
                None => pair(row.2),
            }),
            both(group.test(), group.last(|m| m.test.top5)),
            percent(Mean::of(&best)),
        ]
    });
    Table {
        head: head(&[
            "network",
            "labels",
            "augmentation",
            "dropout",
            "weight decay",
            "train top-1, top-5: paper, ImageNet",
            "train: ours (seeds)",
            "test top-1, top-5 (best): paper, ImageNet",
            "test: ours (seeds)",
            "best top-1 test (seeds)",
        ]),
        rows: rows.collect(),
    }
}

fn table4(groups: &[Group]) -> Table {
    let rows = groups.iter().map(|group| {
        let what = regulariser(group);
        let paper =
            paper::TABLE_4.iter().find(|(model, name, _)| *model == group.config.model && *name == what);
        let value = paper.and_then(|(_, _, accuracy)| *accuracy);
        vec![
            group.config.model.title(),
            what,
            match paper {
                Some((_, _, None)) => "failed to converge".into(),
                _ => number(value),
            },
            percent(group.train()),
            percent(group.last(|m| Some(m.running.accuracy))),
            difference(group.train(), value),
            group.fit_cell(),
        ]
    });
    Table {
        head: head(&[
            "network",
            "regulariser",
            "train: paper",
            "train: ours (seeds)",
            "while training (seeds)",
            "difference",
            "epochs to fit",
        ]),
        rows: rows.collect(),
    }
}

fn rademacher(groups: &[Group]) -> Table {
    let rows = groups.iter().map(|group| {
        let value = group.train().map(|mean| Mean {
            mean: 2.0 * mean.mean - 1.0,
            sd: mean.sd.map(|sd| 2.0 * sd),
            ..mean
        });
        let cell = match value {
            Some(Mean { mean, sd: Some(sd), n }) => format!("{mean:.4} ± {sd:.4} ({n})"),
            Some(Mean { mean, n, .. }) => format!("{mean:.4} ({n})"),
            None => "–".into(),
        };
        vec![group.config.model.title(), cell, percent(group.train()), group.fit_cell()]
    });
    Table {
        head: head(&["network", "complexity (draws of signs)", "train accuracy (draws)", "epochs to fit"]),
        rows: rows.collect(),
    }
}

fn general(groups: &[Group]) -> Table {
    let given =
        groups.iter().any(|g| g.runs.iter().any(|run| run.last().is_some_and(|m| m.test_given.is_some())));
    let rows = groups.iter().map(|group| {
        let mut row = vec![
            labels(group),
            group.config.model.title(),
            group.fit_cell(),
            percent(group.train()),
            percent(group.test()),
        ];
        if given {
            row.push(percent(group.test_given()));
        }
        row
    });
    let mut head = head(&["data", "network", "epochs to fit", "train (seeds)", "test (seeds)"]);
    if given {
        head.push("test, same-p labels (seeds)".into());
    }
    Table { head, rows: rows.collect() }
}
