//! The page: one file with everything in it, for browsers, phones and paper.

pub(crate) mod command;
mod early;
mod provenance;
pub(crate) mod template;

use super::{
    figure::Figure,
    finding, paper,
    paper::Verdict,
    run::{Fit, Run, any_generated},
    settings,
    text::{self, escape},
};

const PAGE: &str = include_str!("../../../assets/report.html");
pub(crate) const STYLE: &str = include_str!("../../../assets/report.css");

/// The page about `runs` with `figures` in it.
pub(super) fn page(runs: &[Run], figures: &[Figure]) -> String {
    let generated = if any_generated(runs) { " (generated data)" } else { "" };
    let title = format!("Fitting corrupted data: {}{generated}", settings::headline(runs))
        .replace("n = ", "n\u{a0}=\u{a0}");
    let parts = [
        ("title", escape(&title)),
        ("style", STYLE.to_owned()),
        ("banner", banner(runs)),
        ("finding", escape(&finding::finding(runs).join(" ").replace(" %", "\u{a0}%"))),
        ("differences", differences(runs)),
        ("table", table(runs)),
        ("early", early::section(runs)),
        ("figures", figures.iter().enumerate().map(|(i, figure)| embed(i, figure)).collect()),
        ("mlp", mlp(runs)),
        ("rate", rate(runs)),
        ("paper", beside_the_paper(runs)),
        ("provenance", provenance::section(runs)),
    ];
    template::fill(PAGE, &parts)
}

fn banner(runs: &[Run]) -> String {
    if !any_generated(runs) {
        return String::new();
    }
    let labels: Vec<String> =
        runs.iter().filter(|run| run.manifest.data.generated).map(|run| run.label.clone()).collect();
    let which = match labels.len() == runs.len() {
        true => "All runs here are".to_owned(),
        false => format!("Some runs here ({}) are", labels.join("; ")),
    };
    format!(
        "<p class=\"banner\"><strong>Generated data.</strong> {} on images that a program drew, not on photographs: \
         nothing below says how a network does on real images.</p>",
        escape(&which)
    )
}

fn differences(runs: &[Run]) -> String {
    let differences = settings::differences(runs);
    if differences.is_empty() {
        return String::new();
    }
    let mut out = "<div class=\"note\"><p>The runs differ in more than the corruption:</p><ul>".to_owned();
    for difference in differences {
        let value = |(value, labels): &(String, String)| {
            format!("<span class=\"value\">{}</span> ({})", escape(value), escape(labels))
        };
        let values: Vec<String> = difference.values.iter().map(value).collect();
        out.push_str(&format!("<li>{}: {}</li>", difference.key, values.join(", ")));
    }
    out.push_str("</ul></div>");
    out
}

fn table(runs: &[Run]) -> String {
    // Errors against corrupted test labels are another number, and have a column of their own where there are any.
    let given = runs.iter().any(|run| run.last().is_some_and(|m| m.test_given.is_some()));
    let mut head = vec!["variant", "epochs to fit", "train loss", "train acc. %", "test acc. %"];
    if given {
        head.push("test acc. %, corrupted labels");
    }
    head.extend(["best test acc. % (epoch)", "gap", "labels changed %", "s per epoch"]);
    let mut out = "<table><thead><tr>".to_owned();
    for name in &head {
        out.push_str(&format!("<th scope=\"col\">{name}</th>"));
    }
    out.push_str("</tr></thead><tbody>");
    for run in runs {
        let last = run.last();
        let number = |value: Option<String>| value.unwrap_or_else(|| "–".into());
        let mut cells = vec![
            run.fit().cell(run.finished()),
            number(last.map(|m| text::loss(m.train.loss))),
            number(last.map(|m| text::percent(m.train.accuracy))),
            number(last.map(|m| text::percent(m.test.accuracy))),
        ];
        if given {
            let score = last.and_then(|m| m.test_given.as_ref());
            cells.push(number(score.map(|score| text::percent(score.accuracy))));
        }
        cells.push(number(run.best().map(text::best)));
        cells.push(number(run.gap().map(text::percent)));
        cells.push(text::percent(run.manifest.labels.realised_changed));
        cells.push(number(run.seconds_per_epoch().map(|s| format!("{s:.2}"))));
        let fitted = if matches!(run.fit(), Fit::After(_)) { "" } else { " class=\"open\"" };
        out.push_str(&format!("<tr{fitted}><th scope=\"row\">{}</th>", escape(&run.label)));
        cells.iter().for_each(|cell| out.push_str(&format!("<td>{}</td>", escape(cell))));
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table>");
    out
}

fn embed(place: usize, figure: &Figure) -> String {
    format!(
        "<figure id=\"{}\"><div class=\"card\">{}</div><figcaption><strong>Figure {}. {}.</strong> {}</figcaption>\
         </figure>",
        figure.name,
        figure.svg,
        place + 1,
        escape(&figure.title),
        escape(&figure.caption)
    )
}

fn mlp(runs: &[Run]) -> String {
    if !finding::has_mlp(runs) {
        return String::new();
    }
    let here = finding::noise(runs).join(" ");
    format!(
        "<section><h2>What an MLP cannot show</h2><p>Two images of independent noise, each scaled to mean 0 and \
         deviation 1, are nearly orthogonal to each other. A network with one large layer on all pixels can then move \
         its answer for one image almost without touching the others, so an MLP fits random pixels and Gaussian images \
         sooner than real ones, whose pixels are alike from image to image. {}</p><p>In the paper's Figure 1a the \
         order is another: true labels, shuffled pixels, Gaussian, random pixels, random labels. That is the order of a \
         convolutional network (its small Inception), which shares its weights among places and finds nothing local \
         in noise. An MLP can show that random labels are fitted and take longer than true ones; it cannot show \
         that order.</p></section>",
        escape(&here)
    )
}

fn rate(runs: &[Run]) -> String {
    let other: Vec<&Run> = runs.iter().filter(|run| paper::has_other_rate(run)).collect();
    let rates = |run: &&Run| {
        let config = &run.manifest.config;
        format!(
            "{} x {} per epoch ({}; the paper: {} x 0.95)",
            config.lr,
            config.lr_decay,
            config.model.title(),
            config.model.default_lr()
        )
    };
    let mut used: Vec<String> = other.iter().map(rates).collect();
    used.sort();
    used.dedup();
    if used.is_empty() {
        return String::new();
    }
    let who = if other.len() == runs.len() { "These runs use" } else { "Some of these runs use" };
    let demo = other.iter().any(|run| run.manifest.config.lr == 0.02 && finding::is_mlp(run));
    let why = if demo {
        " 0.02 is the choice of rfx-train demo, not the paper's: measured in PyTorch on 10,000 images of CIFAR-10 with \
         an MLP 1x512, random labels reach a train loss of 0.05 after 22 epochs at 0.02, and not within 60 at 0.01."
    } else {
        ""
    };
    format!(
        "<section><h2>Learning rate</h2><p>{who} a learning rate other than the paper's (its appendix A): {}.{why}</p>\
         </section>",
        escape(&used.join("; "))
    )
}

fn beside_the_paper(runs: &[Run]) -> String {
    let mut rows = String::new();
    let mut reasons: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for run in runs {
        match (paper::compare(run), run.last()) {
            (Verdict::Comparable { paper: [train, test], remarks }, Some(last)) => rows.push_str(&format!(
                "<tr><th scope=\"row\">{}</th><td>{train:.2}</td><td>{}</td><td>{test:.2}</td><td>{}</td><td \
                 class=\"text\">{}</td></tr>",
                escape(&run.label),
                text::percent(last.train.accuracy),
                text::percent(last.test.accuracy),
                escape(&remarks.join("; "))
            )),
            (Verdict::Comparable { remarks, .. }, None) => reasons.push((remarks, vec![run.label.clone()])),
            (Verdict::Not(why), _) => match reasons.iter_mut().find(|(known, _)| *known == why) {
                Some((_, labels)) => labels.push(run.label.clone()),
                None => reasons.push((why, vec![run.label.clone()])),
            },
        }
    }
    let mut out = String::new();
    if !rows.is_empty() {
        out.push_str(&format!(
            "<p>Accuracy in percent, from Table 1 of the paper (rows without random crop and weight decay) and here. One \
             run each, there and here: neither says how far another seed would be.</p><div class=\"scroll\"><table>\
             <thead><tr><th scope=\"col\">variant</th><th scope=\"col\">train, paper</th><th scope=\"col\">train, \
             here</th><th scope=\"col\">test, paper</th><th scope=\"col\">test, here</th><th \
             scope=\"col\" class=\"text\">note</th></tr></thead><tbody>{rows}</tbody></table></div>"
        ));
    }
    for (why, labels) in reasons {
        let who = if labels.len() == runs.len() { "all runs".to_owned() } else { labels.join("; ") };
        out.push_str(&format!(
            "<p>Not comparable: {}. Reasons: {}.</p>",
            escape(&who),
            escape(&why.join("; "))
        ));
    }
    out
}
