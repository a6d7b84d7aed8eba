//! What a kind of app must have, as data.

mod registry;

use crate::{ClauseId, Error, Finding, Place, Result, Severity, Stage};

/// What an app of one kind must have so that its database can be backed up and brought back.
///
/// Profiles are data: the registry holds all that there are, and nobody can make another.
///
/// ```
/// use backup_contract::profile::Profile;
///
/// let profile = Profile::find("supabase-self-hosted")?;
/// assert_eq!(profile.default_run_service(), Some("supabase-walg-backup"));
/// assert!(Profile::find("supabase").is_err());
/// # Ok::<(), backup_contract::Error>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Profile {
    name: &'static str,
    description: &'static str,
    recommended_addon_packs: &'static [&'static str],
    default_run_service: Option<&'static str>,
    default_restore_service: Option<&'static str>,
    required_env: &'static [&'static str],
    storage: StorageKind,
    production: ProductionUse,
}

/// Where an app's backups go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageKind {
    /// A bucket of an S3-compatible store: `WALG_S3_PREFIX`.
    S3,
    /// A directory of the same host: `WALG_FILE_PREFIX`.
    Directory,
}

impl StorageKind {
    /// The setting that says where.
    #[must_use]
    pub const fn prefix_setting(self) -> &'static str {
        match self {
            Self::S3 => "WALG_S3_PREFIX",
            Self::Directory => "WALG_FILE_PREFIX",
        }
    }
}

/// Whether a profile may be used where the rules for production hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProductionUse {
    Allowed,
    Refused,
}

impl Profile {
    /// Every profile that there is.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        &registry::PROFILES
    }

    /// The profile of that name.
    ///
    /// # Errors
    /// [`Error::Profile`] when there is none.
    pub fn find(name: &str) -> Result<&'static Self> {
        Self::all().iter().find(|profile| profile.name == name).ok_or_else(|| Error::Profile(name.to_owned()))
    }

    /// Its name in settings.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it is for, in one sentence.
    #[must_use]
    pub const fn description(&self) -> &'static str {
        self.description
    }

    /// The add-on packs of si that make an app fit it.
    #[must_use]
    pub const fn recommended_addon_packs(&self) -> &'static [&'static str] {
        self.recommended_addon_packs
    }

    /// The service that makes a backup; none where no container does.
    #[must_use]
    pub const fn default_run_service(&self) -> Option<&'static str> {
        self.default_run_service
    }

    /// The service that restores one; none where no container does.
    #[must_use]
    pub const fn default_restore_service(&self) -> Option<&'static str> {
        self.default_restore_service
    }

    /// The names that an app's env file must give a value to.
    #[must_use]
    pub const fn required_env(&self) -> &'static [&'static str] {
        self.required_env
    }

    /// Where the backups go.
    #[must_use]
    pub const fn storage(&self) -> StorageKind {
        self.storage
    }

    /// Whether the profile may be used at this stage; `place` is where it was chosen.
    #[must_use]
    pub fn check_stage(&self, stage: Stage, place: Place) -> Option<Finding> {
        (stage == Stage::Production && self.production == ProductionUse::Refused).then(|| {
            Finding::new(
                "profile-not-for-production",
                Severity::Error,
                place,
                format!("is '{}', which keeps the backups on the host that they are to survive", self.name),
                "use the profile 'supabase-self-hosted' with a bucket elsewhere, or set 'production = false'",
            )
            .about(ClauseId::AppContract)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_of_self_hosted_supabase_is_the_one_that_was_agreed() {
        let profile = Profile::find("supabase-self-hosted").unwrap();
        assert_eq!(profile.recommended_addon_packs(), ["supabase-walg", "databasus"]);
        assert_eq!(profile.default_run_service(), Some("supabase-walg-backup"));
        assert_eq!(profile.default_restore_service(), Some("supabase-walg-restore"));
        assert_eq!(
            profile.required_env(),
            ["WALG_S3_PREFIX", "WALG_AWS_ACCESS_KEY_ID", "WALG_AWS_SECRET_ACCESS_KEY", "WALG_AWS_ENDPOINT"]
        );
        assert!(profile.check_stage(Stage::Production, Place::default()).is_none());
    }

    #[test]
    fn a_local_directory_is_no_place_for_production() {
        let profile = Profile::find("local-directory").unwrap();
        assert_eq!(profile.required_env(), ["WALG_FILE_PREFIX"]);
        let finding = profile.check_stage(Stage::Production, Place::of("apps.shop.profile")).unwrap();
        assert_eq!((finding.code, finding.severity), ("profile-not-for-production", Severity::Error));
        assert!(profile.check_stage(Stage::NonProduction, Place::default()).is_none());
    }

    #[test]
    fn every_profile_is_found_by_its_own_name_and_asks_for_its_prefix() {
        for profile in Profile::all() {
            assert_eq!(Profile::find(profile.name()).unwrap(), profile);
            assert!(profile.required_env().contains(&profile.storage().prefix_setting()));
        }
        assert_eq!(Profile::find("nothing").unwrap_err().code(), "invalid-profile");
    }
}
