use super::check::Environment;
use super::storage::Location;
use crate::{ClauseId, Finding, Place, Severity};
use std::collections::BTreeSet;

/// What one app does with one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixUse {
    /// Whose it is: `shop`, or `staging/shop` for an app of another context.
    pub owner: String,
    /// Where that is written.
    pub place: Place,
    /// Where its backups go.
    pub location: Location,
    /// The system identifiers that are known there: of the server, and of each backup that was found.
    pub systems: BTreeSet<u64>,
}

impl PrefixUse {
    /// What an app with this environment does; none while that does not say where its backups go.
    #[must_use]
    pub fn of(owner: impl Into<String>, env: &Environment<'_>, systems: BTreeSet<u64>) -> Option<Self> {
        let place = env.place(env.profile.storage().prefix_setting());
        Some(Self { owner: owner.into(), place, location: Location::of(env)?, systems })
    }

    /// Holds an app against all the others: a place is one app's and one server's own, because the names of WAL carry
    /// neither.
    #[must_use]
    pub fn check_apart<'a>(&self, others: impl IntoIterator<Item = &'a Self>) -> Vec<Finding> {
        let mut findings: Vec<_> = others.into_iter().filter_map(|other| self.shares_with(other)).collect();
        if self.systems.len() > 1 {
            findings.push(Finding::new(
                "env-prefix-two-systems",
                Severity::Error,
                self.place.clone(),
                format!(
                    "holds backups of {} different servers: their WAL has the same names",
                    self.systems.len()
                ),
                "give the app a new prefix, and keep this one until nothing in it is needed any more",
            ));
        }
        findings.into_iter().map(|finding| finding.about(ClauseId::AppContract)).collect()
    }

    fn shares_with(&self, other: &Self) -> Option<Finding> {
        if self.location == other.location {
            return Some(Finding::new(
                "env-prefix-shared",
                Severity::Error,
                self.place.clone(),
                format!(
                    "is the place of the app '{}' too: the WAL of each replaces the other's",
                    other.owner
                ),
                "give each app a prefix of its own, and make a full backup there",
            ));
        }
        let nested = if self.location.contains(&other.location) {
            "has the place of the app '{}' within it"
        } else if other.location.contains(&self.location) {
            "lies within the place of the app '{}'"
        } else {
            return None;
        };
        Some(Finding::new(
            "env-prefix-nested",
            Severity::Warning,
            self.place.clone(),
            format!("{}: what empties the outer one empties both", nested.replace("{}", &other.owner)),
            "give each app a prefix beside the other's",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stage;
    use crate::engine::EngineKind;
    use crate::environment::{EnvFile, KeyFile};
    use crate::profile::Profile;

    fn uses(app: &str, text: &str, systems: &[u64]) -> PrefixUse {
        let file = EnvFile::parse(text.as_bytes()).unwrap();
        let profile = if text.contains("FILE") { "local-directory" } else { "supabase-self-hosted" };
        let env = Environment {
            path: app,
            file: &file,
            profile: Profile::find(profile).unwrap(),
            engine: EngineKind::WalG,
            stage: Stage::Production,
            key_file: KeyFile::NotLookedAt,
        };
        PrefixUse::of(app, &env, systems.iter().copied().collect()).unwrap()
    }

    fn codes(uses: &[PrefixUse]) -> Vec<&'static str> {
        let (last, others) = uses.split_last().unwrap();
        last.check_apart(others).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_place_belongs_to_one_app() {
        let at = |app: &str, prefix: &str| {
            uses(app, &format!("WALG_S3_PREFIX={prefix}\nWALG_AWS_ENDPOINT=https://s3.test"), &[])
        };
        let shop = at("shop", "s3://backups/shop");
        assert!(
            codes(&[shop.clone(), at("blog", "s3://backups/blog"), at("b", "s3://backups/shop2")]).is_empty()
        );
        assert_eq!(codes(&[shop.clone(), at("blog", "s3://backups/shop/")]), ["env-prefix-shared"]);
        assert_eq!(codes(&[shop.clone(), at("blog", "s3://backups/shop/old")]), ["env-prefix-nested"]);
        assert_eq!(codes(&[at("blog", "s3://backups/shop/old"), shop.clone()]), ["env-prefix-nested"]);
        let elsewhere =
            uses("blog", "WALG_S3_PREFIX=s3://backups/shop\nWALG_AWS_ENDPOINT=https://other.test", &[]);
        assert!(codes(&[shop.clone(), elsewhere]).is_empty());
        let same_host =
            uses("blog", "WALG_S3_PREFIX=s3://backups/shop\nAWS_ENDPOINT=https://S3.test:443/", &[]);
        assert_eq!(codes(&[shop, same_host]), ["env-prefix-shared"]);
    }

    #[test]
    fn a_prefix_in_two_settings_is_one_place() {
        let deep = uses("a", "WALG_S3_PREFIX=s3://backups/x\nWALG_STORAGE_PREFIX=y", &[]);
        let plain = uses("b", "WALG_S3_PREFIX=s3://backups/x/y", &[]);
        assert_eq!(codes(&[deep, plain]), ["env-prefix-shared"]);
    }

    #[test]
    fn directories_are_places_too() {
        let at = |app: &str, path: &str| uses(app, &format!("WALG_FILE_PREFIX={path}"), &[]);
        assert_eq!(codes(&[at("a", "/srv/b"), at("b", "/srv/b/")]), ["env-prefix-shared"]);
        assert_eq!(codes(&[at("a", "/srv/b"), at("b", "/srv/b/c")]), ["env-prefix-nested"]);
        assert!(codes(&[at("a", "/srv/b"), at("b", "/srv/bc")]).is_empty());
    }

    #[test]
    fn a_place_belongs_to_one_server() {
        let text = "WALG_S3_PREFIX=s3://backups/shop";
        assert!(codes(&[uses("shop", text, &[7])]).is_empty());
        assert_eq!(codes(&[uses("shop", text, &[7, 8])]), ["env-prefix-two-systems"]);
    }
}
