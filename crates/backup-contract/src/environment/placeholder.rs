/// Whether a text stands for a value that somebody was to put in its place, or is one that everybody knows.
pub(super) fn is_placeholder(text: &str) -> bool {
    // Long enough that no random key has one of them in it.
    const WORDS: [&str; 12] = [
        "changeme",
        "change-me",
        "change_me",
        "change this",
        "replaceme",
        "replace-me",
        "replace_me",
        "placeholder",
        "your-",
        "your_",
        "insert-",
        "minioadmin",
    ];
    const WHOLE: [&str; 11] = [
        "password",
        "secret",
        "none",
        "null",
        "undefined",
        "example",
        "test",
        "key",
        "todo",
        "fixme",
        "dummy",
    ];
    let text = text.trim().to_ascii_lowercase();
    let mut chars = text.chars();
    let first = chars.next();
    let one_char = text.len() > 2 && chars.all(|c| Some(c) == first);
    let in_brackets =
        ["<>", "[]", "{}"].iter().any(|pair| text.starts_with(&pair[..1]) && text.ends_with(&pair[1..]));
    one_char
        || in_brackets
        || WHOLE.contains(&&*text)
        || WORDS.iter().any(|word| text.contains(word))
        || text.ends_with("example")
        || text.ends_with("examplekey")
        || is_reserved_host(&text)
}

/// Hosts of these domains are reserved for documentation (RFC 2606): there is nothing behind them.
fn is_reserved_host(text: &str) -> bool {
    let host = text.split_once("://").map_or(text, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or("");
    ["example.com", "example.org", "example.net", "example", "invalid"].iter().any(|domain| {
        host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_holds_is_known() {
        for text in [
            "changeme",
            "CHANGE_ME_PLEASE",
            "<access key>",
            "{{ key }}",
            "xxxxxxxx",
            "...",
            "s3://your-bucket/prefix",
            "https://s3.example.com",
            "https://s3.example.com:9000/",
            "minioadmin",
            "Password",
            "AKIAIOSFODNN7EXAMPLE",
        ] {
            assert!(is_placeholder(text), "{text}");
        }
    }

    #[test]
    fn what_is_in_use_is_not_accused() {
        for text in [
            "s3://backups/shop",
            "https://s3.eu-central-1.amazonaws.com",
            "https://s3.examples-inc.com",
            "http://127.0.0.1:9000",
            "00112233445566778899",
            "keyring",
            "aa",
            "",
        ] {
            assert!(!is_placeholder(text), "{text}");
        }
    }
}
