//! Early stopping: the best test accuracy so far against the last.

use crate::report::{
    run::Run,
    text::{self, escape},
};

/// What stopping at the best epoch would have gained, or did: a row per run with a finished epoch.
pub(super) fn section(runs: &[Run]) -> String {
    let row = |run: &Run| {
        let (best, last) = (run.best()?, run.last()?);
        let points = text::percent(best.test_accuracy - last.test.accuracy);
        let ended = match (run.stopped_early(), run.finished()) {
            (true, _) => "stopped early",
            (false, true) => "went on",
            (false, false) => "not ended",
        };
        Some(format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{points}</td><td \
             class=\"text\">{ended}</td></tr>",
            escape(&run.label),
            text::percent(best.test_accuracy),
            best.epoch,
            text::percent(last.test.accuracy),
            last.epoch,
        ))
    };
    let rows: String = runs.iter().filter_map(row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head =
        ["variant", "best test acc. %", "after epoch", "last test acc. %", "after epoch", "best less last"];
    let head: String = head.map(|name| format!("<th scope=\"col\">{name}</th>")).concat();
    format!(
        "<section><h2>Early stopping</h2><p>The best test accuracy of any epoch against that of the last, as in the \
         paper’s Table 2 (in brackets) and Figure 2: what stopping at the best epoch gains. The epoch is chosen by the \
         test samples themselves, so the best is better than it would be on others, and where test accuracy only \
         wavers it is luck: with random labels any gain is.</p><div class=\"scroll\"><table><thead><tr>{head}<th \
         scope=\"col\" class=\"text\">run</th></tr></thead><tbody>{rows}</tbody></table></div></section>"
    )
}
