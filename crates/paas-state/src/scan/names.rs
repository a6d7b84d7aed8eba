//! Names of fields, variables and options that promise a secret.

/// What a name promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Promise {
    /// A password: any literal will do.
    Password,
    /// Something called a secret: a literal that is no name of one.
    Secret,
    /// A token or key: a literal that looks drawn.
    Token,
    /// Docker's `auth`: base64 of `user:password`.
    Auth,
}

/// The longest name that is looked at, in bytes.
pub(super) const LONGEST: usize = 96;
const MOST_WORDS: usize = 16;

/// Words after the one that counts, as in `token_value` and `password_2`.
const TRAILING: &[&[u8]] = &[
    b"value",
    b"plain",
    b"plaintext",
    b"cleartext",
    b"raw",
    b"b64",
    b"base64",
    b"string",
    b"old",
    b"new",
    b"current",
];

/// Tokens that are no credentials: places in a list, locks, marks against doing a thing twice.
const HARMLESS_TOKENS: &[&[u8]] = &[
    b"page",
    b"next",
    b"previous",
    b"prev",
    b"cursor",
    b"continuation",
    b"continue",
    b"sync",
    b"lock",
    b"lease",
    b"fence",
    b"fencing",
    b"idempotency",
    b"max",
    b"total",
    b"prompt",
    b"completion",
    b"input",
    b"output",
];

/// What is before `key` when it opens something.
const SECRET_KEYS: &[&[u8]] = &[
    b"api",
    b"secret",
    b"private",
    b"access",
    b"encryption",
    b"encrypt",
    b"signing",
    b"sign",
    b"signature",
    b"auth",
    b"service",
    b"role",
    b"master",
    b"account",
    b"shared",
    b"jwt",
    b"hmac",
    b"session",
    b"license",
    b"storage",
    b"cookie",
    b"webhook",
    b"aes",
    b"crypto",
    b"cipher",
    b"root",
    b"admin",
    b"anon",
    b"write",
    b"app",
    b"deploy",
    b"enc",
    b"client",
    b"server",
];

/// What a name promises, if anything: its last word decides, so `token_count` and `secret_name` promise nothing.
pub(super) fn promise(name: &[u8]) -> Option<Promise> {
    let mut lower = [0; LONGEST];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let (words, count) = words(name)?;
    let word = |back: usize| count.checked_sub(back).map_or(&[][..], |at| &lower[words[at].0..words[at].1]);
    let mut back = 1;
    while back < count
        && (TRAILING.contains(&word(back))
            || word(back).iter().all(u8::is_ascii_digit)
            || is_version(word(back)))
    {
        back += 1;
    }
    let (last, before) = (word(back), word(back + 1));
    let ends = |endings: &[&[u8]]| endings.iter().any(|ending| last.ends_with(ending));
    if ends(&[b"password", b"passwords", b"passwd", b"passphrase", b"passcode"])
        || [&b"pwd"[..], b"pass", b"pw", b"psw"].contains(&last)
    {
        return Some(Promise::Password);
    }
    if ends(&[b"secret", b"secrets", b"credential", b"credentials", b"creds"]) {
        return Some(Promise::Secret);
    }
    if ends(&[b"token", b"tokens"]) {
        return (!HARMLESS_TOKENS.contains(&before)).then_some(Promise::Token);
    }
    if ends(&[
        b"apikey",
        b"secretkey",
        b"privatekey",
        b"accesskey",
        b"authkey",
        b"encryptionkey",
        b"signingkey",
    ]) || (matches!(last, b"key" | b"keys") && SECRET_KEYS.contains(&before))
        || (last == b"base" && before == b"key")
    {
        return Some(Promise::Token);
    }
    (last == b"auth" && count == 1).then_some(Promise::Auth)
}

fn is_version(word: &[u8]) -> bool {
    matches!(word, [b'v', rest @ ..] if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
}

/// Where the words of a name are: parted by `_`, `-`, `.` and blanks, and by capitals as in `dbPassword`, `APIKey`.
fn words(name: &[u8]) -> Option<([(usize, usize); MOST_WORDS], usize)> {
    let mut words = [(0, 0); MOST_WORDS];
    let mut count = 0;
    let mut start = 0;
    let parts = |byte: u8| matches!(byte, b'_' | b'-' | b'.' | b' ' | b'/');
    for at in 0..=name.len() {
        let here = name.get(at).copied();
        let ends = match here {
            None => true,
            Some(byte) if parts(byte) => true,
            Some(byte) if byte.is_ascii_uppercase() && at > start => {
                !name[at - 1].is_ascii_uppercase() || name.get(at + 1).is_some_and(u8::is_ascii_lowercase)
            }
            Some(_) => false,
        };
        if ends {
            if at > start {
                *words.get_mut(count)? = (start, at);
                count += 1;
            }
            start = if here.is_some_and(parts) { at + 1 } else { at };
        }
    }
    (count > 0).then_some((words, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_of_a_name_decides() {
        use Promise::{Auth, Password, Secret, Token};
        for (name, expected) in [
            ("password", Some(Password)),
            ("POSTGRES_PASSWORD", Some(Password)),
            ("dbPassword", Some(Password)),
            ("PGPASSWORD", Some(Password)),
            ("smtp-pass", Some(Password)),
            ("Pwd", Some(Password)),
            ("password_2", Some(Password)),
            ("client_secret", Some(Secret)),
            ("clientSecret", Some(Secret)),
            ("JWT_SECRET", Some(Secret)),
            ("bot_token", Some(Token)),
            ("accessTokenValue", Some(Token)),
            ("api_key", Some(Token)),
            ("apiKey", Some(Token)),
            ("APIKey", Some(Token)),
            ("X-Api-Key", Some(Token)),
            ("SECRET_KEY_BASE", Some(Token)),
            ("SERVICE_ROLE_KEY", Some(Token)),
            ("auth", Some(Auth)),
            ("token_count", None),
            ("secret_name", None),
            ("secretName", None),
            ("password_file", None),
            ("POSTGRES_PASSWORD_FILE", None),
            ("next_page_token", None),
            ("auth_method", None),
            ("public_key", None),
            ("host_public_key", None),
            ("value_digest", None),
            ("key", None),
            ("vault_key", None),
            ("compass", None),
            ("monkey", None),
        ] {
            assert_eq!(promise(name.as_bytes()), expected, "{name}");
        }
    }
}
