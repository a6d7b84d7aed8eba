use backup_contract::{Finding, Place, Severity};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::{self, Write};

/// The code of the findings of the secret scan.
pub(crate) const CODE: &str = "plaintext-secret";
/// The kind of the last hit of a file with more secrets than anybody will review.
const TOO_MANY: &str = "too-many-secrets";
/// The most different values that are told of one file.
const MOST: usize = 1_000;

/// A value that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Value(pub(super) Vec<u8>);

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

/// How a value was recognised, and what of it may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret {
    pub(super) kind: &'static str,
    pub(super) value: Value,
    /// How many leading bytes of the value are the vendor's prefix.
    pub(super) public: usize,
    /// How often it was wrapped in base64.
    pub(super) wraps: u8,
}

impl Secret {
    /// `ghp_…(40 chars)`: the public prefix and the length.
    fn excerpt(&self) -> String {
        let value = &self.value.0;
        let public = self.public.min(value.len() / 3);
        let mut text: String =
            value[..public].iter().map(|byte| char::from(*byte)).filter(char::is_ascii_graphic).collect();
        let _ = write!(text, "…({} chars)", value.len());
        text
    }
}

/// A secret that was found: where, of what kind, and what may be known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hit {
    /// The stable identifier of its kind.
    pub(crate) kind: &'static str,
    /// The line, counted from 1, in a log or text.
    pub(crate) line: Option<u64>,
    /// The RFC 6901 pointer, in a document or in the line's.
    pub(crate) pointer: Option<String>,
    /// The value's public prefix and length.
    pub(crate) excerpt: String,
    /// The SHA-256 of the value, as `sha256:<hex>`.
    pub(crate) digest: String,
    /// Whether the value was wrapped in base64.
    pub(crate) encoded: bool,
    /// In how many further lines the same value stands.
    pub(crate) repeats: u64,
}

impl Hit {
    /// The hit as a finding that stands in the way of a backup.
    pub(crate) fn finding(&self, path: &str) -> Finding {
        let place = Place { subject: path.to_owned(), pointer: self.pointer.clone(), line: self.line };
        if self.kind == TOO_MANY {
            let detail = format!("holds more than {MOST} different secrets; the rest is not told");
            return Finding::new(
                CODE,
                Severity::Error,
                place,
                detail,
                "clean the file, or replace it by an empty one",
            );
        }
        let wrapped = if self.encoded { ", in base64" } else { "" };
        let repeats = match self.repeats {
            0 => String::new(),
            n => format!(", and again in {n} more place{}", if n == 1 { "" } else { "s" }),
        };
        let detail = format!("holds a secret of kind {}{wrapped}: {}{repeats}", self.kind, self.excerpt);
        let hint = format!(
            "put the value into the vault and a reference here, and replace the secret; \
             if it is none, allow it: [[allow]] file = {path:?}, kind = \"{}\", digest = \"{}\", reason = \"…\"",
            self.kind, self.digest
        );
        Finding::new(CODE, Severity::Error, place, detail, hint)
    }

    /// Whether a reviewed exception can cover it.
    pub(super) fn can_be_allowed(&self) -> bool {
        self.kind != TOO_MANY
    }
}

/// `sha256:<hex>` of a value.
pub(super) fn digest_of(value: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in Sha256::digest(value) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The hits of one file.
pub(super) struct Hits {
    found: Vec<Hit>,
    seen: HashMap<(&'static str, String), usize>,
    every_place: bool,
    overflow: bool,
}

impl Hits {
    /// Each value once, with the number of its repetitions: for logs.
    pub(super) fn each_value() -> Self {
        Self { found: Vec::new(), seen: HashMap::new(), every_place: false, overflow: false }
    }

    /// Each place: for documents.
    pub(super) fn every_place() -> Self {
        Self { every_place: true, ..Self::each_value() }
    }

    pub(super) fn add(&mut self, secret: &Secret, line: Option<u64>, pointer: Option<String>) {
        let digest = digest_of(&secret.value.0);
        let known = self.seen.get(&(secret.kind, digest.clone())).copied();
        if let Some(known) = known {
            let known = &mut self.found[known];
            if (known.line, &known.pointer) == (line, &pointer) {
                return;
            }
            if !self.every_place {
                known.repeats += 1;
                return;
            }
        }
        if self.found.len() >= MOST {
            self.overflow = true;
            return;
        }
        self.seen.insert((secret.kind, digest.clone()), self.found.len());
        self.found.push(Hit {
            kind: secret.kind,
            line,
            pointer,
            excerpt: secret.excerpt(),
            digest,
            encoded: secret.wraps > 0,
            repeats: 0,
        });
    }

    pub(super) fn finish(mut self) -> Vec<Hit> {
        if self.overflow {
            self.found.push(Hit {
                kind: TOO_MANY,
                line: None,
                pointer: None,
                excerpt: String::new(),
                digest: String::new(),
                encoded: false,
                repeats: 0,
            });
        }
        self.found
    }
}
