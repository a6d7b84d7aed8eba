use std::fmt;

/// A text of a compose file that may be, or hold, a secret: shown by nothing, compared with care.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Value(String);

impl Value {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for looking at and never for showing.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Whether compose would put something in the place of a part of `text`: a `$` that is not doubled.
pub(crate) fn is_interpolated(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let after = &rest[at + 1..];
        match after.strip_prefix('$') {
            Some(escaped) => rest = escaped,
            None => return true,
        }
    }
    false
}

/// Splits a command line into words the way a POSIX shell does, as far as quotes and backslashes go.
///
/// A text whose quotes do not close is taken as it stands: it is looked through, never run.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quote, mut started) = (None, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (None | Some('"'), '\\') => word.extend(letters.next()),
            (None, '\'' | '"') => (quote, started) = (Some(letter), true),
            (None, letter) if letter.is_whitespace() => {
                if started || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                started = false;
            }
            (_, letter) => word.push(letter),
        }
    }
    if started || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_doubled_dollar_is_a_dollar() {
        for (text, interpolated) in [
            ("", false),
            ("$", true),
            ("$$", false),
            ("$$$", true),
            ("a$$b", false),
            ("${A}", true),
            ("$A", true),
            ("$$${A}", true),
        ] {
            assert_eq!(is_interpolated(text), interpolated, "{text:?}");
        }
    }

    #[test]
    fn words_are_split_as_a_shell_would() {
        assert_eq!(words(r#"a "b c" 'd "e' f\ g"#), ["a", "b c", "d \"e", "f g"]);
        assert_eq!(
            words("postgres -c archive_command='wal-g wal-push %p'").last().unwrap(),
            "archive_command=wal-g wal-push %p"
        );
        assert!(words("  ").is_empty());
        assert_eq!(words("''"), [""]);
    }

    #[test]
    fn a_value_is_not_shown() {
        assert_eq!(format!("{:?}", Value::new("hidden")), "<redacted>");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = words(&text);
            let _ = is_interpolated(&text);
        }
    }
}
