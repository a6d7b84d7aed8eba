//! Whether the secrets that a state refers to are still those of the vault. The vault itself is never taken, and nothing is
//! ever written into it.

use crate::{ContextDir, Manifest, Result, StatePath, stable};
use backup_contract::{Finding, Place, Severity};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;

/// Where si keeps the secrets of a context.
const VAULT: &str = "vault/secrets.env";

/// How many bytes of a fingerprint are kept. Enough to see that a value was changed; of a value that could be guessed at
/// all, too few to be sure of the guess.
const KEPT: usize = 3;

/// How much of a vault is looked at, in bytes. si's are a thousandth of it.
const LIMIT: u64 = 1 << 20;

/// The names of a vault's keys, each with a fingerprint of its value.
///
/// A fingerprint is the beginning of an HMAC-SHA-256 keyed with the context's origin, over the name and the value. It is the
/// same in every backup of a context, so that many of them tell no more than one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct VaultPrints(BTreeMap<String, String>);

impl VaultPrints {
    /// Looks at a context's vault. `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where it cannot be read.
    pub fn read(context: &ContextDir, origin: &str) -> Result<Option<Self>> {
        let path = StatePath::new(VAULT)?;
        let Some((file, _)) = stable::open(context, &path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(LIMIT).read_to_end(&mut bytes).map_err(|e| context.io("read", VAULT, e))?;
        let text = String::from_utf8_lossy(&bytes);
        let mut prints = BTreeMap::new();
        let mut open: Option<(&str, String)> = None;
        let mut close = |open: Option<(&str, String)>| {
            if let Some((name, value)) = open {
                prints.insert(name.to_owned(), print_of(origin, name, &value));
            }
        };
        for line in text.lines() {
            match (assignment(line), &mut open) {
                (Some((name, value)), _) => close(open.replace((name, value.trim_end().to_owned()))),
                // A key or a certificate has several lines.
                (None, Some((_, value))) => {
                    value.push('\n');
                    value.push_str(line.trim_end());
                }
                (None, None) => {}
            }
        }
        close(open);
        Ok(Some(Self(prints)))
    }
}

/// Name and value of a line that gives one. What cannot be the name of a key may be a piece of a secret that was broken over
/// lines, and is none.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    let is_name = name.len() <= 64 && name.contains('_') && name.bytes().all(upper);
    let is_word = (3..=24).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_uppercase());
    (is_name || is_word).then_some((name, value))
}

fn print_of(origin: &str, name: &str, value: &str) -> String {
    // A key of any length is one: the error cannot come.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(origin.as_bytes()) else { return String::new() };
    // The length keeps a piece of the name from being taken for a piece of the value.
    for part in
        [b"si-backup vault".as_slice(), &(name.len() as u64).to_le_bytes(), name.as_bytes(), value.as_bytes()]
    {
        mac.update(part);
    }
    mac.finalize().into_bytes().iter().take(KEPT).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Holds the vault against what a restored state refers to: its keys as they were when the backup was made, as far as the
/// files of the state name them. Each that is not there, or has another value, is a finding.
///
/// `text` gives the files of the restored state that si rewrites in place; logs tell of the past and are not asked.
/// Backups of older versions know nothing of the vault: then references alone (`vault:NAME`) are held against its names.
#[must_use]
pub fn compare_vault<'t>(
    manifest: &Manifest,
    files: impl IntoIterator<Item = (&'t StatePath, &'t [u8])>,
    live: Option<&VaultPrints>,
) -> Vec<Finding> {
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    for (path, text) in files {
        for word in words(text) {
            // What the vault did not have when the backup was made, it need not have now.
            let is_wanted =
                manifest.vault.as_ref().map_or(word.is_reference, |prints| prints.0.contains_key(word.name));
            if is_wanted {
                wanted.entry(word.name.to_owned()).or_insert_with(|| path.to_string());
            }
        }
    }
    let mut findings = Vec::new();
    for (name, place) in wanted {
        let now = live.and_then(|live| live.0.get(&name));
        let then = manifest.vault.as_ref().and_then(|prints| prints.0.get(&name));
        let what = match (then, now) {
            (_, None) => format!("refers to '{name}', which the vault of this context does not have"),
            (Some(then), Some(now)) if then != now => {
                format!(
                    "refers to '{name}', whose value in the vault is another one than when the backup was made"
                )
            }
            _ => continue,
        };
        findings.push(Finding::new(
            "vault-mismatch",
            Severity::Error,
            Place::of(place),
            what,
            "reconcile by vault workflow: bring the right value back with si, then 'si-backup guard recheck'; nothing is written into the vault from here",
        ));
    }
    findings
}

/// A word that may be the name of a key.
struct Word<'t> {
    name: &'t str,
    /// Whether what stands before it says that it is one of the vault's.
    is_reference: bool,
}

/// Each run of letters, digits and underscores that can be a name.
fn words(text: &[u8]) -> impl Iterator<Item = Word<'_>> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = at + text.get(at..)?.iter().position(is_part)?;
            let length = text.get(start..)?.iter().take_while(|byte| is_part(byte)).count();
            at = start + length;
            let name = std::str::from_utf8(text.get(start..at)?).ok()?;
            if name.starts_with(|first: char| first.is_ascii_digit()) {
                continue;
            }
            let before = text.get(..start)?;
            return Some(Word { name, is_reference: before.ends_with(b"vault:") });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use backup_contract::ContextName;
    use std::fs;

    const ORIGIN: &str = "0123456789abcdef0123456789abcdef";

    fn vault(text: &str) -> VaultPrints {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("contexts/default/vault")).unwrap();
        fs::write(home.path().join("contexts/default").join(VAULT), text).unwrap();
        let context = ContextDir::open(home.path(), ContextName::new("default").unwrap()).unwrap();
        VaultPrints::read(&context, ORIGIN).unwrap().unwrap()
    }

    fn mismatches(then: Option<&str>, file: &str, now: Option<&str>) -> Vec<String> {
        let manifest = Manifest { vault: then.map(vault), ..Manifest::example() };
        let path = StatePath::new("addons.json").unwrap();
        let now = now.map(vault);
        let found = compare_vault(&manifest, [(&path, file.as_bytes())], now.as_ref());
        found.into_iter().map(|finding| finding.detail).collect()
    }

    #[test]
    fn a_key_that_the_state_names_must_be_there_with_the_value_that_it_had() {
        let then = "DB_PASSWORD=one\nUNUSED=x\n";
        let file = r#"{"vars": {"password": "${DB_PASSWORD}"}}"#;
        assert_eq!(mismatches(Some(then), file, Some("DB_PASSWORD=one\n")), [""; 0]);
        assert!(mismatches(Some(then), file, Some("DB_PASSWORD=two\n"))[0].contains("another one"));
        assert!(mismatches(Some(then), file, Some("UNUSED=x\n"))[0].contains("does not have"));
        assert!(mismatches(Some(then), file, None)[0].contains("does not have"));
        // What no file names may be anything.
        assert_eq!(mismatches(Some(then), "{}", Some("DB_PASSWORD=two\n")), [""; 0]);
    }

    #[test]
    fn a_backup_that_knows_nothing_of_the_vault_has_its_references_held_against_the_names() {
        let file = r#"{"token": "vault:ALERT_TOKEN"}"#;
        assert_eq!(mismatches(None, file, Some("ALERT_TOKEN=x\n")), [""; 0]);
        assert_eq!(mismatches(None, file, Some("OTHER=x\n")).len(), 1);
        // One that knows it was not there then wants no more.
        assert_eq!(mismatches(Some("OTHER=x\n"), file, Some("OTHER=x\n")), [""; 0]);
    }

    #[test]
    fn a_fingerprint_is_short_the_same_every_time_and_that_of_name_and_value() {
        let VaultPrints(prints) = vault("A_A=one\nB_B=one\nTOKEN=two\n");
        assert!(prints.values().all(|print| print.len() == 2 * KEPT), "{prints:?}");
        assert_eq!(vault("A_A=one\n").0["A_A"], prints["A_A"]);
        assert_ne!(prints["A_A"], prints["B_B"], "the same value of another key looks otherwise");
        assert_ne!(print_of("other", "A_A", "one"), prints["A_A"]);
        assert_ne!(print_of(ORIGIN, "A", "=one"), print_of(ORIGIN, "A=", "one"));
    }

    #[test]
    fn a_value_of_several_lines_is_one_and_its_pieces_are_no_names() {
        let key = "TLS_KEY=-----BEGIN\nQUJD\nAb+c/d==\n-----END\nNEXT_ONE=x\n";
        let VaultPrints(prints) = vault(key);
        assert_eq!(prints.keys().collect::<Vec<_>>(), ["NEXT_ONE", "TLS_KEY"]);
        assert_ne!(vault(&key.replace("QUJD", "QUJE")).0["TLS_KEY"], prints["TLS_KEY"]);
        assert_eq!(vault(&key.replace('\n', "\r\n")).0["TLS_KEY"], prints["TLS_KEY"]);
    }
}
