//! What was probably meant by a key that does not exist.

/// How alike two names must be for one to be suggested for the other, from 0 to 1.
const ALIKE: f64 = 0.6;

/// What is in the name of a setting that would hold a secret.
const SECRETS: [&str; 5] = ["secret", "password", "token", "access_key", "passphrase"];

/// How alike a name that sounds like a secret must be to a known one to be taken for a misspelling of it.
const VERY_ALIKE: f64 = 0.9;

/// serde says "unknown field `x`, expected one of `a`, `b`": the names are between backquotes.
fn quoted(message: &str) -> Vec<&str> {
    message.split('`').skip(1).step_by(2).collect()
}

fn is_unknown(message: &str) -> bool {
    message.starts_with("unknown field") || message.starts_with("unknown variant")
}

/// Good for names with the same beginning, and for short ones with two letters exchanged.
fn alike(a: &str, b: &str) -> f64 {
    strsim::jaro_winkler(a, b).max(strsim::normalized_damerau_levenshtein(a, b))
}

/// The hint for an error message of serde's.
pub(super) fn hint_for(message: &str) -> Option<String> {
    if !is_unknown(message) {
        return None;
    }
    let names = quoted(message);
    let (unknown, known) = names.split_first()?;
    let (nearest, likeness) =
        known.iter().map(|name| (name, alike(unknown, name))).max_by(|a, b| a.1.total_cmp(&b.1))?;
    let may_be_secret = SECRETS.iter().any(|word| unknown.to_ascii_lowercase().contains(word));
    if may_be_secret && likeness < VERY_ALIKE {
        return Some(
            "no secret belongs into the settings; name a file that holds it, as with 'credentials_file'"
                .into(),
        );
    }
    Some(if likeness >= ALIKE {
        format!("did you mean '{nearest}'?")
    } else {
        format!("known here: {}", known.join(", "))
    })
}

/// The message without its list of everything that would have been right, which the hint makes short.
pub(super) fn without_list(message: &str) -> String {
    match message.find(", expected ") {
        Some(end) if is_unknown(message) => message[..end].to_owned(),
        _ => message.to_owned(),
    }
}
