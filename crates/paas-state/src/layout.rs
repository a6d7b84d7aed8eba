//! What a context of si holds, and what of it a backup takes: every rule about names is in this file.

use crate::StatePath;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The files that every backup of a context protects, in the order in which a bundle holds them.
///
/// Stores come first and logs last, so that what a log tells is never older than the stores beside it.
pub const PROTECTED: [&str; 10] = [
    "addons.json",
    "alerts/policy.json",
    "bluegreen.json",
    "config.json",
    "deployments.json",
    "targets.json",
    "webhooks/mappings.json",
    "events/alerts.jsonl",
    "events/audit.jsonl",
    "events/deployments.jsonl",
];

/// The longest store that is read, in bytes. si's are a thousandth of it.
pub(crate) const MAX_STORE: u64 = 64 * 1024 * 1024;

/// The log to which this software appends its own events.
pub const AUDIT_LOG: &str = "events/audit.jsonl";

/// Where this software keeps what it needs in a context: mutation lock and journals. Never in a bundle.
pub const OWN_DIRECTORY: &str = ".si-backup";

/// A tree of a context that is taken only when it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OptionalTree {
    /// `releases/`: compose files and manifests; never volumes, env files or dumps.
    Releases,
    /// `cache/`.
    Cache,
}

impl OptionalTree {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Releases, Self::Cache];

    /// The directory's name, which is its name in commands too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Releases => "releases",
            Self::Cache => "cache",
        }
    }
}

impl fmt::Display for OptionalTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OptionalTree {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|tree| tree.as_str() == name)
            .ok_or_else(|| format!("'{name}' is not an optional tree; there are 'releases' and 'cache'"))
    }
}

/// What is to become of an entry of a context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// One of the files that every backup takes.
    Protected,
    /// Part of an optional tree that was asked for.
    Optional,
    /// Part of an optional tree that was not asked for.
    NotAsked,
    /// This software's own.
    Own,
    /// Must never be in a backup.
    Excluded,
    /// Nothing that si is known to write.
    Unexpected,
}

impl Class {
    /// Whether a backup takes it.
    #[must_use]
    pub const fn is_taken(self) -> bool {
        matches!(self, Self::Protected | Self::Optional)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Protected => "protected",
            Self::Optional => "optional",
            Self::NotAsked => "not-asked",
            Self::Own => "own",
            Self::Excluded => "excluded",
            Self::Unexpected => "unexpected",
        })
    }
}

/// How the content of a file is read and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Shape {
    /// One JSON document that si rewrites in place.
    Json,
    /// One JSON object a line, appended to.
    Log,
    /// Anything else.
    Other,
}

/// What a name says about an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) class: Class,
    pub(crate) reason: &'static str,
}

const fn verdict(class: Class, reason: &'static str) -> Verdict {
    Verdict { class, reason }
}

/// How the file at `path` is read.
pub(crate) fn shape_of(path: &str) -> Shape {
    match path.rsplit_once('.') {
        Some((_, "jsonl")) => Shape::Log,
        Some((_, "json")) => Shape::Json,
        _ => Shape::Other,
    }
}

/// What becomes of the directory at `path`: `None` when what is in it decides.
pub(crate) fn judge_directory(path: &str, asked: &[OptionalTree]) -> Option<Verdict> {
    let (top, rest) = path.split_once('/').unwrap_or((path, ""));
    let name = path.rsplit('/').next().unwrap_or(path);
    match top {
        "vault" => return Some(verdict(Class::Excluded, "the vault holds secrets")),
        OWN_DIRECTORY => return Some(verdict(Class::Own, "locks and journals of si-backup")),
        "events" | "webhooks" | "alerts" if rest.is_empty() => return None,
        "addons" if rest.split('/').count() == 1 => return None,
        _ => {}
    }
    let Some(tree) = OptionalTree::ALL.into_iter().find(|tree| tree.as_str() == top) else {
        return Some(verdict(Class::Unexpected, "si writes no such directory"));
    };
    if !asked.contains(&tree) {
        return Some(verdict(Class::NotAsked, "taken only when asked for by '--with'"));
    }
    match name.to_ascii_lowercase().as_str() {
        "volumes" | "data" | "db" => Some(verdict(Class::Excluded, "volumes are backed up by other means")),
        "dumps" | "exports" | "backups" => {
            Some(verdict(Class::Excluded, "dumps and exports are never taken"))
        }
        "vault" | "secrets" => Some(verdict(Class::Excluded, "secret material is never taken")),
        ".git" => Some(verdict(Class::Excluded, "a repository is not metadata")),
        _ => None,
    }
}

/// What becomes of the file at `path`.
pub(crate) fn judge_file(path: &str, asked: &[OptionalTree]) -> Verdict {
    if PROTECTED.contains(&path) {
        return verdict(Class::Protected, "a protected file");
    }
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let (top, rest) = path.split_once('/').unwrap_or(("", path));
    if let Some(reason) = never_taken(&name) {
        return verdict(Class::Excluded, reason);
    }
    match top {
        "alerts" => {
            return verdict(Class::Excluded, "what lies beside the alert policy is a channel's token");
        }
        "addons" if rest.split('/').count() == 2 && is_compose(&name) => {
            return verdict(Class::Protected, "the fragment of an add-on");
        }
        _ => {}
    }
    match OptionalTree::ALL.into_iter().find(|tree| tree.as_str() == top) {
        Some(tree) if !asked.contains(&tree) => {
            verdict(Class::NotAsked, "taken only when asked for by '--with'")
        }
        Some(OptionalTree::Cache) => verdict(Class::Optional, "part of the cache"),
        Some(OptionalTree::Releases) if is_compose(&name) => {
            verdict(Class::Optional, "the compose file of a release")
        }
        Some(OptionalTree::Releases) if is_manifest(&name) => {
            verdict(Class::Optional, "the manifest of a release")
        }
        Some(OptionalTree::Releases) => {
            verdict(Class::Excluded, "of a release only compose files and manifests are taken")
        }
        None => verdict(Class::Unexpected, "si writes no such file"),
    }
}

/// Whether a file is one of those that si rewrites in place, and that are read whole.
pub(crate) fn is_store(path: &str) -> bool {
    shape_of(path) != Shape::Log && judge_file(path, &[]).class == Class::Protected
}

/// Whether a bundle may hold a file of this path at all, whatever was asked for when it was made.
pub(crate) fn may_be_in_a_bundle(path: &StatePath) -> bool {
    let mut dir = String::new();
    for part in path.split().0 {
        if !dir.is_empty() {
            dir.push('/');
        }
        dir.push_str(part);
        if judge_directory(&dir, &OptionalTree::ALL).is_some() {
            return false;
        }
    }
    judge_file(path.as_str(), &OptionalTree::ALL).class.is_taken()
}

/// Names of files whose content is secret or a copy of data, wherever they lie; given in lower case.
fn never_taken(name: &str) -> Option<&'static str> {
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if name == ".env" || name.starts_with(".env.") || ends(&[".env", ".envrc"]) {
        return Some("env files hold secrets");
    }
    if ends(&[".pem", ".key", ".p12", ".pfx", ".jks", ".kdbx", ".ppk", ".asc", ".gpg", ".age", ".token"])
        || ["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".pgpass", ".netrc", ".htpasswd", "credentials"]
            .contains(&name)
    {
        return Some("key files are secret material");
    }
    let plain =
        [".gz", ".zst", ".xz", ".bz2", ".lz4"].iter().find_map(|z| name.strip_suffix(z)).unwrap_or(name);
    if [
        ".sql", ".dump", ".pgdump", ".backup", ".bak", ".tar", ".tgz", ".zip", ".rdb", ".sqlite", ".sqlite3",
        ".db", ".csv",
    ]
    .iter()
    .any(|ending| plain.ends_with(ending))
    {
        return Some("dumps and exports are never taken");
    }
    None
}

fn is_compose(name: &str) -> bool {
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    stem.is_some_and(|stem| {
        stem.starts_with("compose") || stem.starts_with("docker-compose") || stem.ends_with(".compose")
    })
}

fn is_manifest(name: &str) -> bool {
    let stem = [".json", ".yaml", ".yml", ".toml"].iter().find_map(|ending| name.strip_suffix(ending));
    stem.is_some_and(|stem| {
        stem == "release" || stem == "metadata" || stem.starts_with("manifest") || stem.ends_with("manifest")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_class() {
        use Class::{Excluded, NotAsked, Optional, Protected, Unexpected};
        let both = OptionalTree::ALL;
        for (path, asked, expected) in [
            ("config.json", &both[..0], Protected),
            ("addons/shop/walg.compose.yaml", &both[..0], Protected),
            ("addons/shop/deep/walg.compose.yaml", &both[..0], Unexpected),
            ("alerts/telegram.token", &both[..0], Excluded),
            ("alerts/bot", &both[..0], Excluded),
            ("notes.txt", &both[..0], Unexpected),
            ("shop.env", &both[..0], Excluded),
            ("releases/r1/compose.yaml", &both[..0], NotAsked),
            ("releases/r1/compose.yaml", &both[..], Optional),
            ("releases/r1/manifest.json", &both[..], Optional),
            ("releases/r1/.env", &both[..], Excluded),
            ("releases/r1/.env.production", &both[..], Excluded),
            ("releases/r1/dump.sql.gz", &both[..], Excluded),
            ("releases/r1/server.KEY", &both[..], Excluded),
            ("releases/r1/app.js", &both[..], Excluded),
            ("cache/x/y.bin", &both[..], Optional),
            ("cache/id_ed25519", &both[..], Excluded),
        ] {
            assert_eq!(judge_file(path, asked).class, expected, "{path}");
        }
    }

    #[test]
    fn a_bundle_may_not_name_the_vault_or_our_own() {
        for (path, may) in [
            ("config.json", true),
            ("vault/secrets.env", false),
            (".si-backup/lock.json", false),
            ("releases/r1/volumes/compose.yaml", false),
            ("releases/r1/Volumes/compose.yaml", false),
            ("cache/Secrets/x", false),
            ("releases/r1/compose.yaml", true),
            ("notes.txt", false),
        ] {
            assert_eq!(may_be_in_a_bundle(&StatePath::new(path).unwrap()), may, "{path}");
        }
    }
}
