//! Values that only speak of a secret: references to one, masks of one, states of one.

/// Values of secret-like fields that say something about a secret instead of being one.
const STATES: &[&str] = &[
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "none",
    "null",
    "nil",
    "undefined",
    "unset",
    "set",
    "missing",
    "present",
    "required",
    "optional",
    "enabled",
    "disabled",
    "empty",
    "hidden",
    "masked",
    "redacted",
    "removed",
    "rotated",
    "changed",
    "unchanged",
    "updated",
    "created",
    "deleted",
    "revoked",
    "valid",
    "invalid",
    "expired",
    "incorrect",
    "wrong",
    "correct",
    "unknown",
    "failed",
    "ok",
    "env",
    "file",
    "vault",
    "bearer",
    "basic",
    "not-set",
    "not set",
    "(none)",
    "(hidden)",
    "(redacted)",
    "n/a",
    "default",
    "auto",
    "generated",
    "external",
    "unauthorized",
    "forbidden",
    "mismatch",
    "denied",
    "accepted",
    "rejected",
    "must",
    "should",
    "cannot",
    "is",
    "key",
    "value",
    "string",
    "object",
    "number",
    "md5",
    "scram-sha-256",
    "trust",
    "peer",
    "ident",
    "sealed",
];

/// What a reference to a secret begins with.
const REFERENCES: &[&[u8]] = &[
    b"vault:",
    b"vault/",
    b"vault+",
    b"ref+",
    b"secret:",
    b"secret/",
    b"secrets/",
    b"secretref:",
    b"env:",
    b"env.",
    b"file:",
    b"op://",
    b"ssm:",
    b"ssm/",
    b"arn:aws",
    b"projects/",
    b"sops:",
    b"ENC[",
    b"!",
    b"keyring:",
    b"pass:",
    b"sha256:",
    b"sha1:",
    b"sha512:",
    b"sha256-",
    b"sha512-",
    b"SHA256:",
    b"MD5:",
    b"md5:",
    b"blake3:",
    b"age1",
    b"ssh-",
    b"ecdsa-sha2-",
    b"sk-ssh-",
    b"urn:",
    b"@",
    b"{{",
    b"%(",
    b"process.env",
    b"os.environ",
    b"data.",
    b"var.",
];

/// Whether a value is empty, a mask, or only names where the secret is.
pub(super) fn is_reference(value: &[u8]) -> bool {
    let value = value.trim_ascii();
    let (Some(first), Some(last)) = (value.first(), value.last()) else { return true };
    if value.len() < 3 {
        return true;
    }
    match (first, last) {
        (b'<', b'>') | (b'[', b']') | (b'{', b'}') | (b'(', b')') | (b'%', b'%') => return true,
        (b'/' | b'~' | b'.', _) if is_path(value) => return true,
        (b'$', _) | (_, b'}' | b')') if only_interpolates(value) => return true,
        (b'A'..=b'Z' | b'$', _) if is_variable_name(value) => return true,
        _ => {}
    }
    if is_mask(value) || is_number(value) {
        return true;
    }
    if REFERENCES.iter().any(|reference| reference[0] == *first && value.starts_with(reference)) {
        return true;
    }
    if STATES.iter().any(|state| state.len() == value.len() && state.as_bytes().eq_ignore_ascii_case(value)) {
        return true;
    }
    is_plain_url(value) || is_time(value)
}

/// `***`, `xxxx`, `ghp_****`, `abc…xyz`, `--------`.
fn is_mask(value: &[u8]) -> bool {
    let has = |byte| memchr::memchr(byte, value).is_some();
    if has(b'*') && contains(value, b"***")
        || has(0xe2) && (contains(value, "…".as_bytes()) || contains(value, "•".as_bytes()))
    {
        return true;
    }
    if value.len() < 24 && has(b'.') && contains(value, b"...") {
        return true;
    }
    few_distinct(value, 1 + value.len() / 24)
}

/// Whether a token's body is made of so few different bytes that nobody drew it: `xxxx`, `0000`, `XXxx`.
pub(super) fn few_distinct(value: &[u8], most: usize) -> bool {
    let mut seen = [false; 256];
    let distinct =
        value.iter().filter(|byte| !std::mem::replace(&mut seen[usize::from(**byte)], true)).count();
    distinct <= most
}

fn contains(value: &[u8], part: &[u8]) -> bool {
    // Values are short: preparing a search would cost more than this one.
    value.windows(part.len()).any(|window| window == part)
}

/// Numbers, sizes and durations: `3600`, `0.5`, `24h`, `512MiB`.
fn is_number(value: &[u8]) -> bool {
    let digits =
        value.iter().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+')).count();
    // A long number is still a number, but one that somebody may have chosen as a password is quoted and short.
    digits == value.len() && value.len() < 32
        || (digits > 0
            && matches!(
                &value[digits..],
                b"s" | b"m" | b"h" | b"d" | b"w" | b"ms" | b"MB" | b"GB" | b"MiB" | b"GiB"
            ))
}

fn is_path(value: &[u8]) -> bool {
    let slashes = memchr::memchr_iter(b'/', value).count();
    let rooted = value.starts_with(b"/")
        || value.starts_with(b"./")
        || value.starts_with(b"../")
        || value.starts_with(b"~/");
    // Base64 may begin with a slash too; a path has short parts.
    rooted
        && slashes > 0
        && value.split(|byte| *byte == b'/').all(|part| part.len() < 32)
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || b"/._-~".contains(byte))
        && (slashes > 1 || value.len() < 24)
}

/// `${VAR}`, `$VAR`, `$(command)`, and texts that hold little besides. `${VAR:-literal}` is looked into.
fn only_interpolates(value: &[u8]) -> bool {
    let mut literal = 0;
    let mut rest = value;
    let mut seen = false;
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'$' {
            literal += 1;
            rest = tail;
            continue;
        }
        let tail = if tail.first() == Some(&b'$') { &tail[1..] } else { tail };
        let close = match tail.first() {
            Some(b'{') => b'}',
            Some(b'(') => b')',
            Some(byte) if byte.is_ascii_alphabetic() || *byte == b'_' => {
                let name =
                    tail.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
                // `$6$…` is a hash; `$VAR` is all upper or all lower case with at most a few digits.
                if name < tail.len() && tail[name] == b'$' {
                    return false;
                }
                seen = true;
                rest = &tail[name..];
                continue;
            }
            _ => {
                literal += 1;
                rest = tail;
                continue;
            }
        };
        let Some(end) = memchr::memchr(close, tail) else { return false };
        let inner = &tail[1..end];
        if let Some(at) = memchr::memmem::find(inner, b":-").map(|at| at + 2)
            && !is_reference(&inner[at..])
        {
            return false;
        }
        seen = true;
        rest = &tail[end + 1..];
    }
    seen && literal < 6
}

/// `SUPABASE_DB_PASSWORD`: the name of a variable or of a key of the vault.
fn is_variable_name(value: &[u8]) -> bool {
    let name = value.strip_prefix(b"$").unwrap_or(value);
    let upper = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    if !name.iter().all(upper) || !name[0].is_ascii_uppercase() {
        return false;
    }
    let letters_only = |part: &[u8]| part.iter().all(u8::is_ascii_uppercase) || (part.len() <= 4);
    (name.contains(&b'_')
        && name.split(|byte| *byte == b'_').all(|part| letters_only(part) && part.len() < 20))
        || ["PASSWORD", "SECRET", "TOKEN", "PASS", "REDACTED", "CHANGEME", "KEY", "PGPASSWORD"]
            .iter()
            .any(|w| w.as_bytes() == name)
}

/// A URL has its password, if it has one, looked for elsewhere.
fn is_plain_url(value: &[u8]) -> bool {
    memchr::memmem::find(value, b"://")
        .is_some_and(|at| at > 0 && at < 16 && value[..at].iter().all(u8::is_ascii_lowercase))
}

fn is_time(value: &[u8]) -> bool {
    value.len() >= 10
        && value.len() <= 40
        && value[..4].iter().all(u8::is_ascii_digit)
        && value[4] == b'-'
        && value[7] == b'-'
        && value.iter().all(|byte| byte.is_ascii_digit() || b"-:.TZ+ ".contains(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_masks_are_no_secrets() {
        for value in [
            "",
            " ",
            "${VAR}",
            "$VAR",
            "$$VAR",
            "${VAR:?set it}",
            "${A}-${B}",
            "${VAR:-}",
            "$(cat /run/x)",
            "<redacted>",
            "<your token>",
            "***",
            "ghp_********",
            "xxxx",
            "XXXXXXXX",
            "vault:shop/db",
            "vault://shop#X",
            "{{ vault.x }}",
            "SUPABASE_DB_PASSWORD",
            "JWT_SECRET",
            "PASSWORD",
            "true",
            "None",
            "3600",
            "24h",
            "/run/secrets/db_password",
            "./secrets/db",
            "sha256:00aa",
            "https://sso.example.com/token",
            "2026-01-05T00:00:00Z",
            "%s",
            "ssh-ed25519 AAAA",
            "age1qqqq",
            "arn:aws:secretsmanager:eu-central-1:1:secret:x",
            "ENC[AES256_GCM,data:abc]",
            "…",
            "op://vault/x/y",
            "[hidden]",
            "abcd...wxyz",
            "!secret db",
        ] {
            assert!(is_reference(value.as_bytes()), "{value}");
        }
        for value in [
            "hunter2",
            "swordfish",
            "${VAR:-hunter2}",
            "$6$salt$hash",
            "correct horse",
            "S3cr3t!",
            "AB3DEFGH2JKL",
        ] {
            assert!(!is_reference(value.as_bytes()), "{value}");
        }
    }
}
