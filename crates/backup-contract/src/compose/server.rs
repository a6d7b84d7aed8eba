//! Settings of the server that its command line makes.

use super::model::Service;
use super::value::{Value, words};

impl Service {
    /// The last value that the command line gives to a setting: `-c name=value`, `-cname=value` or `--name=value`, also
    /// within a line that is handed to a shell.
    pub(crate) fn server_setting(&self, name: &str) -> Option<String> {
        let mut found = None;
        for text in self.entrypoint.iter().chain(&self.command).flatten().map(Value::reveal) {
            found = setting_in(text, name).or(found);
        }
        found
    }
}

fn setting_in(text: &str, name: &str) -> Option<String> {
    let bare = text.strip_prefix("--").or_else(|| text.strip_prefix("-c")).unwrap_or(text).trim_start();
    if let Some((key, value)) = bare.split_once('=')
        && !key.contains(char::is_whitespace)
    {
        let is_it = key.to_ascii_lowercase().replace('-', "_") == name;
        return is_it.then(|| value.to_owned());
    }
    if !text.contains(char::is_whitespace) {
        return None;
    }
    words(text)
        .iter()
        .filter(|word| word.as_str() != text)
        .filter_map(|word| setting_in(word, name))
        .next_back()
}

/// A time as `PostgreSQL` writes it, in milliseconds; a number alone is in `unit` milliseconds.
pub(crate) fn milliseconds(text: &str, unit: u64) -> Option<u64> {
    let text = text.trim().trim_matches('\'');
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    let factor = match text[digits..].trim() {
        "" => unit,
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(words: &[&str]) -> Service {
        Service { command: Some(words.iter().map(|word| Value::new(*word)).collect()), ..Service::default() }
    }

    #[test]
    fn settings_are_found_in_every_spelling() {
        for command in [
            &["postgres", "-c", "archive_mode=on"][..],
            &["postgres", "-carchive_mode=on"],
            &["postgres", "--archive-mode=on"],
            &["postgres", "-c", "archive_mode=off", "-c", "archive_mode=on"],
            &["sh", "-c", "mkdir x && exec postgres -c archive_mode=on -c archive_command='cp %p /x'"],
        ] {
            assert_eq!(service(command).server_setting("archive_mode").as_deref(), Some("on"), "{command:?}");
        }
        let shell = service(&["sh", "-c", "exec postgres -c archive_command='wal-g wal-push %p' -c log=x"]);
        assert_eq!(shell.server_setting("archive_command").as_deref(), Some("wal-g wal-push %p"));
        let listed = service(&["-c", "archive_command=envdir /x wal-g wal-push \"%p\" --a=b"]);
        assert_eq!(
            listed.server_setting("archive_command").as_deref(),
            Some("envdir /x wal-g wal-push \"%p\" --a=b")
        );
        assert_eq!(service(&["postgres", "-c", "config_file=/x"]).server_setting("archive_mode"), None);
    }

    #[test]
    fn times_are_read_as_the_server_does() {
        for (text, read) in [
            ("60", Some(60_000)),
            ("5min", Some(300_000)),
            ("300 s", Some(300_000)),
            ("0", Some(0)),
            ("1h", Some(3_600_000)),
            ("x", None),
            ("1y", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text, 1000), read, "{text}");
        }
    }
}
