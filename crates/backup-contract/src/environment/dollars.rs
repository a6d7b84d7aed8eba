/// A text without its escapes, and whether a `$` in it would be substituted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) text: String,
    pub(super) substituted: bool,
}

/// Takes each `$$` for a `$`; any other `$` is an unescaped one.
pub(super) fn resolve(text: &str) -> Resolved {
    let mut resolved = Resolved { text: String::with_capacity(text.len()), substituted: false };
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        resolved.text.push_str(&rest[..=at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('$') {
            Some(after) => rest = after,
            None => resolved.substituted = true,
        }
    }
    resolved.text.push_str(rest);
    resolved
}

/// Replaces the escapes that compose knows between double quotes. What `\$` stands for is written `$$`, for
/// [`resolve`] to read.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let Some(c) = rest.chars().next() else {
            out.push('\\');
            break;
        };
        let simple = match c {
            'a' => "\x07",
            'b' => "\x08",
            'f' => "\x0c",
            'n' => "\n",
            'r' => "\r",
            't' => "\t",
            'v' => "\x0b",
            '$' => "$$",
            '"' => "\"",
            '\\' => "\\",
            '0' => {
                let digits = rest[1..].bytes().take(3).take_while(u8::is_ascii_digit).count();
                octal(&rest[1..=digits], &mut out);
                rest = &rest[1 + digits..];
                continue;
            }
            _ => {
                out.push('\\');
                continue;
            }
        };
        out.push_str(simple);
        rest = &rest[1..];
    }
    out.push_str(rest);
    out
}

/// `\0` and three octal digits up to 377 are the character of that number; with other digits only the zero is dropped.
fn octal(digits: &str, out: &mut String) {
    let code = if digits.len() == 3 { u8::from_str_radix(digits, 8).ok() } else { None };
    if let Some(code) = code {
        out.push(char::from(code));
    } else {
        out.push('\\');
        out.push_str(digits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubled_dollar_is_one_and_a_single_one_is_substituted() {
        for (text, resolved, substituted) in [
            ("a", "a", false),
            ("a$$b", "a$b", false),
            ("$$", "$", false),
            ("$$$A", "$$A", true),
            ("a$", "a$", true),
            ("${A:-b}", "${A:-b}", true),
        ] {
            assert_eq!(resolve(text), Resolved { text: resolved.to_owned(), substituted }, "{text}");
        }
    }

    #[test]
    fn escapes_are_those_of_compose() {
        for (text, unescaped) in [
            (r"a\nb\tc", "a\nb\tc"),
            (r"\$A", "$$A"),
            (r"\\n", r"\n"),
            (r"\q\c", r"\q\c"),
            (r"\0101", "A"),
            (r"\01019", "A9"),
            (r"\0377", "\u{ff}"),
            (r"\0777", r"\777"),
            (r"\012", r"\12"),
            (r"\0", r"\"),
            (r"\", r"\"),
            (r"\ä", r"\ä"),
        ] {
            assert_eq!(unescape(text), unescaped, "{text}");
        }
    }
}
