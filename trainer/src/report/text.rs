//! Numbers and strings as they are printed.

use crate::checkpoint::Best;

/// `0.12345` as `12.35`: two digits are what the paper's tables give.
pub(crate) fn percent(share: f64) -> String {
    if share.is_finite() { format!("{:.2}", 100.0 * share) } else { "not a number".into() }
}

/// A share as people say it: `10 %`, `0.1 %`.
pub(crate) fn short_percent(share: f64) -> String {
    let tenths = (1000.0 * share).round() / 10.0;
    format!("{tenths} %")
}

/// The best accuracy and its epoch: `85.75 (30)`.
pub(crate) fn best(best: Best) -> String {
    format!("{} ({})", percent(best.test_accuracy), best.epoch)
}

/// A loss with four decimals.
pub(crate) fn loss(loss: f64) -> String {
    match loss {
        l if !l.is_finite() => "not a number".into(),
        l if l.abs() < 1e5 => format!("{l:.4}"),
        l => format!("{l:.1e}"), // a training that blew up without reaching infinity
    }
}

/// `1209866` as `1,209,866`.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 epoch`, `2 epochs`.
pub(crate) fn epochs(n: u32) -> String {
    format!("{n} epoch{}", if n == 1 { "" } else { "s" })
}

/// Whether it is an id or a digest in hexadecimal.
pub(crate) fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `a`, `a and b`, `a, b and c`.
pub(crate) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// The same with a capital at its beginning.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Text for the inside of an element or a quoted attribute, in HTML and XML alike.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() && c != '\n' => out.push('\u{fffd}'), // XML has no way to write them
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lists() {
        assert_eq!([0, 999, 1000, 1_209_866].map(thousands), ["0", "999", "1,000", "1,209,866"]);
        assert_eq!([0.1, 1.0 / 3.0].map(short_percent), ["10 %", "33.3 %"]);
        assert_eq!((percent(0.9996), percent(f64::NAN)), ("99.96".into(), "not a number".into()));
        assert_eq!([0.05, 1e9].map(loss), ["0.0500", "1.0e9"]);
        let items = |n: usize| ["a", "b", "c"][..n].iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!([0, 1, 2, 3].map(|n| list(&items(n))), ["", "a", "a and b", "a, b and c"]);
    }

    #[test]
    fn escaped_text_holds_no_markup() {
        assert_eq!(escape("<a b='c' d=\"&\">\u{8}"), "&lt;a b=&#39;c&#39; d=&quot;&amp;&quot;&gt;\u{fffd}");
    }
}
