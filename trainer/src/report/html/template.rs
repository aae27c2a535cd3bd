//! Puts texts into a page.

/// `template` with every `{{name}}` replaced by its part. Parts are not searched again, so that what a run calls itself
/// cannot ask for another part. A name without a part stays as it is.
pub(crate) fn fill(template: &str, parts: &[(&str, String)]) -> String {
    let mut out =
        String::with_capacity(template.len() + parts.iter().map(|(_, part)| part.len()).sum::<usize>());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let part = after.split_once("}}").and_then(|(name, after)| {
            parts.iter().find(|(known, _)| *known == name).map(|(_, part)| (part, after))
        });
        match part {
            Some((part, after)) => {
                out.push_str(part);
                rest = after;
            }
            None => {
                out.push_str("{{");
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_not_searched_again() {
        let parts = [("a", "{{b}}".to_owned()), ("b", "x".to_owned())];
        assert_eq!(fill("{{a}}-{{b}}-{{c}}-{{", &parts), "{{b}}-x-{{c}}-{{");
    }

    #[test]
    fn the_page_has_no_name_without_a_part() {
        let page = fill(super::super::PAGE, &[]);
        let names: Vec<&str> =
            page.split("{{").skip(1).filter_map(|after| after.split("}}").next()).collect();
        let known = [
            "title",
            "style",
            "title",
            "banner",
            "finding",
            "differences",
            "table",
            "figures",
            "early",
            "mlp",
            "rate",
            "paper",
            "provenance",
        ];
        assert_eq!(names, known);
    }
}
