//! A file that is written from a list reads back as that list, however it is written.

use crate::read;
use proptest::prelude::*;

/// How an assignment is written.
#[derive(Debug, Clone, Copy)]
enum Style {
    Bare,
    Single,
    Double,
    DoubleOverLines,
    Inherited,
}

#[derive(Debug, Clone)]
struct Assignment {
    export: &'static str,
    name: String,
    separator: &'static str,
    style: Style,
    value: String,
    after: &'static str,
    end: &'static str,
}

impl Assignment {
    fn written(&self) -> String {
        let Self { export, name, separator, style, value, after, end } = self;
        let double = |value: &str| value.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$");
        let value = match style {
            Style::Inherited => return format!("{export}{name}\n"),
            Style::Bare => value.replace('$', "$$"),
            Style::Single => format!("'{}'", value.replace('\'', r"\'")),
            Style::Double => format!("\"{}\"", double(value).replace('\n', r"\n")),
            Style::DoubleOverLines => format!("\"{}\"", double(value)),
        };
        format!("{export}{name}{separator}{value}{after}{end}")
    }

    fn read(&self) -> (String, Option<String>) {
        let value = (!matches!(self.style, Style::Inherited)).then(|| self.value.clone());
        (self.name.clone(), value)
    }
}

/// Values that can be written in that style.
fn value(style: Style) -> BoxedStrategy<String> {
    let any = r#"([ -~\n\täß€$#'"\\]|[A-Za-z0-9/+=]){0,40}"#;
    match style {
        Style::Inherited => Just(String::new()).boxed(),
        // Nothing that ends it, and no quote or comment to begin with.
        Style::Bare => "([A-Za-z0-9/+=$:.,@!äß-][ -~äß€]{0,30})?"
            .prop_map(|text| text.replace(" #", "#").trim_end().to_owned())
            .boxed(),
        // A backslash before a quote cannot be written there.
        Style::Single => any
            .prop_map(|text: String| {
                let text = text.replace("\\'", "'");
                text.trim_end_matches('\\').to_owned()
            })
            .prop_filter("a backslash before a quote", |text| !text.contains("\\'"))
            .boxed(),
        Style::Double | Style::DoubleOverLines => any.prop_map(|text: String| text).boxed(),
    }
}

fn assignment() -> impl Strategy<Value = Assignment> {
    use Style::{Bare, Double, DoubleOverLines, Inherited, Single};
    prop::sample::select(vec![Bare, Bare, Single, Double, DoubleOverLines, Inherited]).prop_flat_map(
        |style| {
            (
                prop::sample::select(vec!["", "export ", "  export\t", " "]),
                "(WALG_|AWS_|PG)?[A-Z][A-Z0-9_.-]{0,12}",
                prop::sample::select(vec!["=", " = ", "=\t", ": "]),
                value(style),
                prop::sample::select(vec!["", " # a comment with 'quotes\" and $dollars", "  \t"]),
                prop::sample::select(vec!["\n", "\r\n", "\n\n# NAME=value\n", "\n   \n"]),
            )
                .prop_map(move |(export, name, separator, value, after, end)| {
                    // A blank before a comment that follows nothing makes it the value.
                    let after = if value.is_empty() && matches!(style, Bare) { "" } else { after };
                    Assignment { export, name, separator, style, value, after, end }
                })
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read(list in prop::collection::vec(assignment(), 0..12)) {
        let text: String = list.iter().map(Assignment::written).collect();
        let expected: Vec<_> = list.iter().map(Assignment::read).collect();
        prop_assert_eq!(read(&text), expected, "{}", text);
    }
}
