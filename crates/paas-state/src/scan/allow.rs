use super::hit::Hit;
use crate::manifest::AllowedSecret;
use crate::{Error, Result};
use backup_contract::{Finding, Place, Severity};
use serde::Deserialize;

/// Reviewed exceptions of the secret scan.
///
/// Each is bound to one file, one kind of secret and the digest of one value, and says why: when the value changes, the
/// exception no longer holds.
///
/// ```
/// let list = paas_state::AllowList::parse(
///     r#"
///     [[allow]]
///     file = "events/audit.jsonl"
///     kind = "named-secret"
///     digest = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
///     reason = "the password of a test database that no longer exists"
///     reviewed_by = "maria"
///     "#,
/// )?;
/// # let _ = list;
/// # Ok::<(), paas_state::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct AllowList {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    #[serde(default)]
    allow: Vec<Entry>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    kind: String,
    digest: String,
    reason: String,
    /// Where the reviewer saw it; for people only, since a place moves while the value stays the same.
    #[serde(default)]
    pointer: Option<String>,
    #[serde(default)]
    reviewed_by: Option<String>,
}

impl AllowList {
    /// Reads the text of a list.
    ///
    /// # Errors
    /// [`Error::AllowList`] with the place: no TOML, an unknown key, no reason, a digest that is none.
    pub fn parse(text: &str) -> Result<Self> {
        let shape: Shape = toml::from_str(text).map_err(|e| {
            let before = &text[..e.span().map_or(0, |span| span.start.min(text.len()))];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
            Error::AllowList(format!("line {line}, column {column}: {}", e.message()))
        })?;
        for (index, entry) in shape.allow.iter().enumerate() {
            entry.check().map_err(|what| Error::AllowList(format!("entry {}: {what}", index + 1)))?;
        }
        Ok(Self { entries: shape.allow })
    }

    /// Begins one use of the list, which remembers what was needed of it.
    pub(crate) fn begin(&self) -> Allowances<'_> {
        Allowances { entries: &self.entries, used: vec![false; self.entries.len()] }
    }
}

impl Entry {
    fn check(&self) -> std::result::Result<(), &'static str> {
        let hex = self.digest.strip_prefix("sha256:").unwrap_or_default();
        if hex.len() != 64 || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err("'digest' is not 'sha256:' and 64 lower-case hexadecimal digits");
        }
        if self.reason.trim().is_empty() {
            return Err("'reason' is empty; say why the value may be in a backup");
        }
        if self.file.is_empty() || self.kind.is_empty() {
            return Err("'file' or 'kind' is empty");
        }
        Ok(())
    }

    fn covers(&self, path: &str, hit: &Hit) -> bool {
        hit.can_be_allowed() && self.file == path && self.kind == hit.kind && self.digest == hit.digest
    }
}

/// One use of an [`AllowList`].
#[derive(Debug)]
pub(crate) struct Allowances<'a> {
    entries: &'a [Entry],
    used: Vec<bool>,
}

impl Allowances<'_> {
    /// Whether a reviewed exception covers the hit.
    pub(crate) fn allow(&mut self, path: &str, hit: &Hit) -> bool {
        let mut covered = false;
        for (entry, used) in self.entries.iter().zip(&mut self.used) {
            if entry.covers(path, hit) {
                *used = true;
                covered = true;
            }
        }
        covered
    }

    /// The exceptions that covered nothing.
    pub(crate) fn unused(&self) -> Vec<Finding> {
        let unused = self.entries.iter().zip(&self.used).filter(|(_, used)| !**used);
        unused
            .map(|(entry, _)| {
                let place = Place { subject: entry.file.clone(), pointer: entry.pointer.clone(), line: None };
                Finding::new(
                    "unused-exception",
                    Severity::Info,
                    place,
                    format!("an allowed secret of kind {} is not there: {}", entry.kind, entry.digest),
                    "remove the entry from the list of allowed secrets, or renew its review",
                )
            })
            .collect()
    }

    /// The exceptions that were needed, for the manifest.
    pub(crate) fn into_used(self) -> Vec<AllowedSecret> {
        let used = self.entries.iter().zip(self.used).filter(|(_, used)| *used);
        used.map(|(entry, _)| AllowedSecret {
            path: entry.file.clone(),
            kind: entry.kind.clone(),
            digest: entry.digest.clone(),
            reason: match &entry.reviewed_by {
                Some(who) => format!("{} (reviewed by {who})", entry.reason),
                None => entry.reason.clone(),
            },
        })
        .collect()
    }
}
