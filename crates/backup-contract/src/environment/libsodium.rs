use super::check::{Environment, KeyFile};
use crate::{Checked, ClauseId, Finding, Severity, Unjudged};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};

/// How long a key is, in bytes.
const KEY_BYTES: usize = 32;

/// The setting that says how.
const TRANSFORM: &str = "WALG_LIBSODIUM_KEY_TRANSFORM";

/// As the engines read it: padded, and without a look at the bits that the padding leaves over.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// How the text of a key becomes its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transform {
    Hex,
    Base64,
}

/// The key is one: decoded by a transform that neither pads nor cuts it, of the right length, and not of one byte alone.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    let Some(transform) = transform_of(env) else {
        let detail = match env.text(TRANSFORM) {
            None | Some("none") => {
                "is not set: the engine fills a short key with zeroes, and cuts a long one off"
            }
            Some(_) => "is nothing that the engines know",
        };
        let hint = "set it to hex or base64, with 32 random bytes written so: 'openssl rand -hex 32'";
        out.findings.push(
            Finding::new("env-libsodium-transform", Severity::Error, env.place(TRANSFORM), detail, hint)
                .about(ClauseId::EncryptedAtRest),
        );
        return;
    };
    let (name, text) = if env.is_set("WALG_LIBSODIUM_KEY") {
        ("WALG_LIBSODIUM_KEY", env.text("WALG_LIBSODIUM_KEY"))
    } else {
        let name = "WALG_LIBSODIUM_KEY_PATH";
        match env.key_file {
            KeyFile::Read { key, mode } => {
                if mode & 0o077 != 0 {
                    let detail =
                        format!("names a file that is open to other users (mode {:04o})", mode & 0o7777);
                    out.findings.push(key_file(env, name, detail, "chmod 600 on that file"));
                }
                (name, Some(key.expose().trim()))
            }
            KeyFile::NotLookedAt => {
                out.unjudged.push(Unjudged::new(
                    ClauseId::EncryptedAtRest,
                    "the key that WALG_LIBSODIUM_KEY_PATH names was not looked at: it may be on another host",
                ));
                return;
            }
            KeyFile::Unreadable => {
                let hint = "correct the path, or let this user read the file";
                out.findings.push(key_file(env, name, "names a file that cannot be read", hint));
                return;
            }
        }
    };
    // One with a '$' in it is another finding's.
    let Some(text) = text else { return };
    if !is_key(text, transform) {
        out.findings.push(
            Finding::new(
                "env-libsodium-key",
                Severity::Error,
                env.place(name),
                "does not decode to a key of 32 bytes that differ",
                "make one with 'openssl rand -hex 32' (transform hex); keep the old one for the backups made with it",
            )
            .about(ClauseId::EncryptedAtRest),
        );
    }
}

fn key_file(env: &Environment<'_>, name: &str, detail: impl Into<String>, hint: &str) -> Finding {
    Finding::new("env-libsodium-key-file", Severity::Error, env.place(name), detail, hint)
        .about(ClauseId::EncryptedAtRest)
}

fn is_key(text: &str, transform: Transform) -> bool {
    decoded(text, transform).is_some_and(|key| key.iter().any(|byte| *byte != key[0]))
}

fn decoded(text: &str, transform: Transform) -> Option<[u8; KEY_BYTES]> {
    match transform {
        Transform::Hex => from_hex(text),
        Transform::Base64 => BASE64.decode(text).ok()?.try_into().ok(),
    }
}

pub(super) fn from_hex(text: &str) -> Option<[u8; KEY_BYTES]> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let byte = |pair: &[u32]| u8::try_from(pair.first()? << 4 | pair.get(1)?).ok();
    digits?.chunks(2).map(byte).collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// The bytes of a key, by the transform that is set; none where that would pad it or cut it.
pub(super) fn key_of(env: &Environment<'_>, text: &str) -> Option<[u8; KEY_BYTES]> {
    decoded(text, transform_of(env)?)
}

fn transform_of(env: &Environment<'_>) -> Option<Transform> {
    match env.text(TRANSFORM) {
        Some("hex") => Some(Transform::Hex),
        Some("base64") => Some(Transform::Base64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_32_bytes_and_more_than_one_kind_of_them() {
        let bytes: Vec<u8> = (0..32).collect();
        let hex = "0123456789abcdef".repeat(4);
        let base64 = BASE64.encode(&bytes);
        assert!(is_key(&hex, Transform::Hex) && is_key(&hex.to_uppercase(), Transform::Hex));
        assert!(is_key(&base64, Transform::Base64));
        for (text, transform) in [
            (&hex[1..], Transform::Hex),
            (&hex[2..], Transform::Hex),
            (&format!("{hex}00"), Transform::Hex),
            (&base64, Transform::Hex),
            (&hex, Transform::Base64),
            (&base64[1..], Transform::Base64),
            (base64.trim_end_matches('='), Transform::Base64),
            (&"00".repeat(32), Transform::Hex),
            (&"aB".repeat(32), Transform::Hex),
            (&BASE64.encode([7; 32]), Transform::Base64),
            ("", Transform::Hex),
        ] {
            assert!(!is_key(text, transform), "{text}");
        }
    }
}
