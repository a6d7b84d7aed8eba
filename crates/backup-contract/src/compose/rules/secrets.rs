use super::{Judge, place};
use crate::compose::model::Service;
use crate::compose::value::is_interpolated;
use crate::{ClauseId, Finding, Place, Severity};

/// Last words of the names of variables that hold secrets.
const SECRET_WORDS: [&str; 15] = [
    "PASSWORD",
    "PGPASSWORD",
    "PASSWD",
    "PASS",
    "PASSPHRASE",
    "PWD",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "KEY",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "PRIVATEKEY",
    "SALT",
];

/// Words that make a name one of something public, whatever its last word is.
const PUBLIC_WORDS: [&str; 4] = ["PUBLIC", "ANON", "PUBLISHABLE", "ID"];

/// Secrets come from env files and Docker secrets, not from the text of a compose file.
impl Judge<'_> {
    pub(super) fn secrets(&mut self) {
        for (name, service) in &self.project.services {
            for (key, variable) in literals(service) {
                self.add(
                    Finding::new(
                        "compose-literal-secret",
                        if self.is_ours(name) { Severity::Error } else { Severity::Warning },
                        place(name, key)
                            .pointer(format!("/{}", variable.replace('~', "~0").replace('/', "~1"))),
                        "a secret is written into the compose file: whoever reads the release reads it",
                        "move it to an env file outside of git, or to a Docker secret, and leave its name",
                    )
                    .about(ClauseId::AppContract),
                );
            }
            let parts = [
                ("command", &service.command),
                ("entrypoint", &service.entrypoint),
                ("healthcheck", &service.healthcheck),
            ];
            for (key, words) in parts {
                if words.iter().flatten().any(|word| holds_secret(word.reveal())) {
                    self.add(in_text(self.is_ours(name), place(name, key)));
                }
            }
        }
        for (name, content) in &self.project.configs {
            if holds_secret(content.reveal()) {
                self.add(in_text(false, Place::of(format!("config {name} content"))));
            }
        }
    }
}

fn in_text(ours: bool, place: Place) -> Finding {
    Finding::new(
        "compose-literal-secret",
        if ours { Severity::Error } else { Severity::Warning },
        place,
        "it holds a private key, or a URL with a password, as plain text",
        "move it to an env file outside of git, or to a Docker secret, and leave its name",
    )
    .about(ClauseId::AppContract)
}

/// The variables, build arguments and labels of a service that hold secrets as they stand.
fn literals(service: &Service) -> Vec<(&'static str, &str)> {
    let pairs = [("environment", &service.environment), ("build", &service.build_args)];
    let mut found: Vec<(&str, &str)> = Vec::new();
    for (key, pairs) in pairs {
        for (name, value) in pairs {
            if value.as_ref().is_some_and(|value| is_literal_secret(name, value.reveal())) {
                found.push((key, name));
            }
        }
    }
    for (name, value) in &service.labels {
        if holds_secret(value.reveal()) {
            found.push(("labels", name));
        }
    }
    found
}

/// Whether a variable of this name and value is a secret that anybody can read off.
fn is_literal_secret(name: &str, value: &str) -> bool {
    if holds_secret(value) {
        return true;
    }
    if !names_secret(name) {
        return false;
    }
    // What compose puts in is no literal; what it puts in where nothing is set is one.
    let literal = if is_interpolated(value) { defaults(value) } else { vec![value] };
    literal.iter().any(|value| {
        let harmless = value.is_empty()
            || value.starts_with('/')
            || matches!(*value, "true" | "false" | "null" | "none" | "off" | "on" | "''" | "\"\"");
        !harmless
    })
}

fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words: Vec<&str> = name.split(['_', '-', '.']).filter(|word| !word.is_empty()).collect();
    if words.iter().any(|word| PUBLIC_WORDS.contains(word)) {
        return false;
    }
    let trimmed = |word: &&str| word.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    match words.as_slice() {
        [.., key, "BASE"] => *key == "KEY" || *key == "SECRET",
        [.., last] => SECRET_WORDS.contains(&trimmed(last).as_str()),
        [] => false,
    }
}

/// Whether a text holds a private key, or a URL with a password, that nothing is put in for.
fn holds_secret(text: &str) -> bool {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        return true;
    }
    text.match_indices("://").any(|(at, _)| {
        let authority = text[at + 3..].split(['/', '?', '#', ' ', '"', '\'']).next().unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { return false };
        let Some((_, password)) = user.split_once(':') else { return false };
        !password.is_empty() && !is_interpolated(user)
    })
}

/// The literal texts that `${NAME:-text}` and its like put in where `NAME` is not set.
fn defaults(text: &str) -> Vec<&str> {
    text.match_indices("${")
        .filter_map(|(at, _)| {
            let inner = &text[at + 2..];
            let end = inner.find('}')?;
            let (_, default) = inner[..end].split_once('-')?;
            (!default.contains('$')).then_some(default)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_by_their_last_word() {
        for name in [
            "PGPASSWORD",
            "POSTGRES_PASSWORD",
            "JWT_SECRET",
            "SECRET_KEY_BASE",
            "API_TOKEN2",
            "smtp_pass",
            "SERVICE_KEY",
        ] {
            assert!(names_secret(name), "{name}");
        }
        for name in [
            "ANON_KEY",
            "AWS_ACCESS_KEY_ID",
            "KEYS",
            "PASSWORD_ENCRYPTION",
            "POSTGRES_PASSWORD_FILE",
            "MONKEY",
            "",
        ] {
            assert!(!names_secret(name), "{name}");
        }
    }

    #[test]
    fn only_what_is_written_out_is_a_literal() {
        let word = ["hun", "ter2"].concat();
        for (value, literal) in [
            (word.clone(), true),
            (format!("a{word}$$"), true),
            (format!("${{P:-{word}}}"), true),
            (format!("${{P-{word}}}"), true),
            ("${P}".to_owned(), false),
            ("${P:?say it}".to_owned(), false),
            ("${P:-}".to_owned(), false),
            ("${P:-${Q}}".to_owned(), false),
            ("/run/secrets/p".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_literal_secret("DB_PASSWORD", &value), literal, "{}", value.len());
        }
        assert!(is_literal_secret("DB", &format!("postgres://a:{word}@db/x")));
        assert!(!is_literal_secret("DB", "postgres://a:${P}@db/x"));
        assert!(!is_literal_secret("DB", "http://db:80/@x"));
    }
}
