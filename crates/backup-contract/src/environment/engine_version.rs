use super::check::Environment;
use crate::engine::{EngineVersion, faults_of};
use crate::profile::StorageKind;
use crate::{Finding, Severity};

impl Environment<'_> {
    /// What an engine of this version makes of the env file otherwise than it says there, or than it can be counted on: of its
    /// faults those that these settings run into. An error says that nothing should be pushed with it.
    #[must_use]
    pub fn check_version(&self, version: EngineVersion) -> Vec<Finding> {
        let runs_into = |finding: &Finding| match finding.code {
            "engine-ignores-key-path" => {
                self.is_set("WALG_LIBSODIUM_KEY_PATH") && !self.is_set("WALG_LIBSODIUM_KEY")
            }
            "engine-directory-not-whole" => self.profile.storage() == StorageKind::Directory,
            "engine-newer-than-known" => true,
            _ => false,
        };
        let mut findings: Vec<_> =
            faults_of(self.engine, version).into_iter().filter(|finding| runs_into(finding)).collect();
        findings.sort_by_key(|finding| finding.severity != Severity::Error);
        findings
    }
}

#[cfg(test)]
mod tests {
    use crate::Stage;
    use crate::engine::EngineKind::{self, Embedded, WalG};
    use crate::environment::{EnvFile, Environment, KeyFile};
    use crate::profile::Profile;

    fn codes(text: &str, profile: &str, engine: EngineKind, version: &str) -> Vec<&'static str> {
        let file = EnvFile::parse(text.as_bytes()).unwrap();
        let (stage, key_file) = (Stage::Production, KeyFile::NotLookedAt);
        let profile = Profile::find(profile).unwrap();
        let env = Environment { path: "x", file: &file, profile, engine, stage, key_file };
        env.check_version(version.parse().unwrap()).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn what_the_settings_do_not_run_into_is_not_told() {
        let (path, key) = ("WALG_LIBSODIUM_KEY_PATH=/k\n", "WALG_LIBSODIUM_KEY=k\n");
        let s3 = "supabase-self-hosted";
        assert_eq!(codes(path, s3, WalG, "3.0.3"), ["engine-ignores-key-path"]);
        assert!(codes(path, s3, WalG, "3.0.9").is_empty());
        assert!(codes(&format!("{path}{key}"), s3, WalG, "3.0.3").is_empty());
        assert!(codes(key, s3, WalG, "3.0.3").is_empty());
        assert!(codes(path, s3, Embedded, "0.4.1").is_empty());
        let both = ["engine-ignores-key-path", "engine-directory-not-whole"];
        assert_eq!(codes(path, "local-directory", WalG, "3.0.3"), both);
        assert_eq!(codes(key, "local-directory", WalG, "3.0.10"), ["engine-newer-than-known"]);
    }
}
