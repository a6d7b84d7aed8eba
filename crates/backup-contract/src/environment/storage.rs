use super::check::Environment;
use super::endpoint::{self, Endpoint};
use super::prefix::S3Prefix;
use crate::profile::StorageKind;
use crate::{Checked, ClauseId, Finding, Severity};
use std::fmt;

/// The settings that choose a storage, with the names that wal-g reads for each.
pub(super) const STORAGES: [[&str; 2]; 7] = [
    ["WALG_OSS_PREFIX", "WALE_OSS_PREFIX"],
    ["WALG_S3_PREFIX", "WALE_S3_PREFIX"],
    ["WALG_FILE_PREFIX", "WALE_FILE_PREFIX"],
    ["WALG_GS_PREFIX", "WALE_GS_PREFIX"],
    ["WALG_AZ_PREFIX", "WALE_AZ_PREFIX"],
    ["WALG_SWIFT_PREFIX", "WALE_SWIFT_PREFIX"],
    ["WALG_SSH_PREFIX", "WALE_SSH_PREFIX"],
];

/// One storage is chosen: of several, each engine takes the first in an order of its own.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    let own = env.profile.storage().prefix_setting();
    let others = STORAGES.iter().filter(|names| names[0] != own).flat_map(|names| env.set_among(names));
    let others: Vec<_> = others.collect();
    if !others.is_empty() && env.is_set(own) {
        out.findings.push(
            Finding::new(
                "env-several-storages",
                Severity::Error,
                env.place(others[0]),
                format!(
                    "chooses another storage than {own} does: which one counts differs from engine to engine"
                ),
                format!("keep {own} alone"),
            )
            .about(ClauseId::AppContract),
        );
    }
}

/// Where an app's backups go, so far as two apps can be told apart by it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    /// A place in a bucket of the store at an endpoint; none is the provider's own.
    S3 {
        /// Host and port of the store.
        endpoint: Option<(String, u16)>,
        /// Bucket and prefix.
        prefix: S3Prefix,
    },
    /// A directory, from the root and without a slash at its end.
    Directory(String),
}

impl Location {
    /// Where the backups of an app with this environment go; none while the environment does not say.
    #[must_use]
    pub fn of(env: &Environment<'_>) -> Option<Self> {
        let text = env.text(env.profile.storage().prefix_setting())?;
        match env.profile.storage() {
            StorageKind::S3 => {
                let deeper = if env.engine.is_walrus() { None } else { env.text("WALG_STORAGE_PREFIX") };
                let endpoint = endpoint::NAMES.iter().find_map(|name| env.text(name));
                let endpoint = endpoint.and_then(|text| Endpoint::parse(text).ok());
                Some(Self::S3 {
                    endpoint: endpoint.map(|endpoint| {
                        let (host, port) = endpoint.authority();
                        (host.to_owned(), port)
                    }),
                    prefix: S3Prefix::parse(text).ok()?.below(deeper.unwrap_or("")),
                })
            }
            StorageKind::Directory => {
                text.starts_with('/').then(|| Self::Directory(text.trim_end_matches('/').to_owned()))
            }
        }
    }

    /// Whether `other` lies below this place.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        let below =
            |outer: &str, inner: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
        match (self, other) {
            (Self::S3 { endpoint, prefix }, Self::S3 { endpoint: other_endpoint, prefix: other }) => {
                endpoint == other_endpoint
                    && prefix.bucket() == other.bucket()
                    && below(prefix.prefix(), other.prefix())
            }
            (Self::Directory(outer), Self::Directory(inner)) => below(outer, inner),
            _ => false,
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is a value of an env file, and those are never shown.
        f.write_str("Location(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineKind::WalG;
    use crate::environment::check::tests::codes;

    #[test]
    fn a_second_storage_is_told() {
        assert!(codes("WALG_S3_PREFIX=s3://backups/shop", WalG, check).is_empty());
        for other in ["WALG_FILE_PREFIX=/srv", "WALE_GS_PREFIX=gs://x/y", "WALG_OSS_PREFIX=oss://x/y"] {
            let text = format!("WALG_S3_PREFIX=s3://backups/shop\n{other}");
            assert_eq!(codes(&text, WalG, check), ["env-several-storages"], "{other}");
        }
    }
}
