use super::ScheduleSettings;
use backup_contract::engine::EngineKind;
use backup_contract::profile::Profile;
use backup_contract::{AppSlug, ContextName, Level, Stage};
use retention::{Count, Counting};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A settings file: everything in it but the stores, the recipients, and an app's `env_file` and `runner` has a
/// default. It holds no secret, only names of files that do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The contexts that are backed up from this host.
    #[serde(default)]
    pub contexts: BTreeMap<ContextName, ContextSettings>,
}

/// The settings of one context.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextSettings {
    /// Whether the rules for production hold.
    #[serde(default)]
    pub production: bool,
    /// Who can open the bundles; age recipients.
    #[serde(default)]
    pub recipients: Vec<String>,
    /// The file with the identity that opens them, where this host has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<PathBuf>,
    /// The zone in which days, weeks and months are counted.
    #[serde(default = "utc")]
    pub timezone: String,
    /// How many snapshots are kept.
    #[serde(default)]
    pub retention: RetentionSettings,
    /// When what is due.
    #[serde(default)]
    pub schedule: ScheduleSettings,
    /// Whose evidence counts, besides this host's own: `ed25519:…`.
    #[serde(default)]
    pub trusted_writers: Vec<String>,
    /// What lets a restore through.
    #[serde(default)]
    pub gate: GateSettings,
    /// How long what a restore replaced is kept.
    #[serde(with = "humantime_text", default = "a_week")]
    pub undo_keep: Duration,
    /// The file with the reviewed exceptions of the secret scan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_secrets: Option<PathBuf>,
    /// The control store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreSettings>,
    /// The immutable store elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsite: Option<OffsiteSettings>,
    /// The apps whose databases are backed up.
    #[serde(default)]
    pub apps: BTreeMap<AppSlug, AppSettings>,
}

/// Where a store is, and how it is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// `file:///directory` or `s3://bucket/prefix`.
    pub url: String,
    /// The endpoint of an S3-compatible store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether the bucket is named in the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// A file with credentials, 0600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    /// A file with the certificate authority of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether unencrypted http to another machine is taken.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_plain_http: bool,
    /// How the server encrypts what it stores; as the bucket is set up if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionSettings>,
    /// With which key of the key management service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

impl StoreSettings {
    /// The store of a URL, with nothing else said of it.
    #[must_use]
    pub fn at(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            endpoint: None,
            region: None,
            path_style: None,
            credentials_file: None,
            ca_file: None,
            allow_plain_http: false,
            encryption: None,
            kms_key: None,
        }
    }

    /// A setting that is there and means nothing for a directory.
    pub(crate) fn only_for_buckets(&self) -> Option<&'static str> {
        [
            ("endpoint", self.endpoint.is_some()),
            ("region", self.region.is_some()),
            ("path_style", self.path_style.is_some()),
            ("credentials_file", self.credentials_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("allow_plain_http", self.allow_plain_http),
            ("encryption", self.encryption.is_some()),
            ("kms_key", self.kms_key.is_some()),
        ]
        .into_iter()
        .find_map(|(name, is_there)| is_there.then_some(name))
    }
}

/// How a server encrypts what it stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncryptionSettings {
    /// With keys that the store manages.
    #[serde(rename = "sse-s3")]
    SseS3,
    /// With a key of the key management service.
    #[serde(rename = "sse-kms")]
    SseKms,
}

/// The immutable store elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OffsiteSettings {
    /// `s3://bucket/prefix` or `file:///directory`.
    pub url: String,
    /// How its objects are locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<LockSettings>,
    /// The endpoint of an S3-compatible store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Its region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether the bucket is named in the path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// A file with credentials, 0600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_file: Option<PathBuf>,
    /// A file with the certificate authority of the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether unencrypted http to another machine is taken.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_plain_http: bool,
    /// How the server encrypts what it stores; as the bucket is set up if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<EncryptionSettings>,
    /// With which key of the key management service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
}

impl OffsiteSettings {
    /// Where it is, and how it is reached.
    #[must_use]
    pub fn store(&self) -> StoreSettings {
        StoreSettings {
            url: self.url.clone(),
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            path_style: self.path_style,
            credentials_file: self.credentials_file.clone(),
            ca_file: self.ca_file.clone(),
            allow_plain_http: self.allow_plain_http,
            encryption: self.encryption,
            kms_key: self.kms_key.clone(),
        }
    }
}

/// How the objects of a store are locked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockSettings {
    /// Who may lift a lock.
    pub mode: backup_store::LockMode,
    /// How much longer than the policy needs.
    #[serde(with = "humantime_text")]
    pub margin: Duration,
}

/// How many snapshots are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSettings {
    /// The newest ones.
    pub last: Count,
    /// One an hour.
    pub hourly: Count,
    /// One a day.
    pub daily: Count,
    /// One a week.
    pub weekly: Count,
    /// One a month.
    pub monthly: Count,
    /// One a year.
    pub yearly: Count,
    /// Whether one snapshot may fill several tiers.
    pub counting: Counting,
    /// How far back every moment can be reached.
    #[serde(with = "humantime_text")]
    pub recovery_window: Duration,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            last: Count::None,
            hourly: Count::None,
            daily: 7.into(),
            weekly: 4.into(),
            monthly: 3.into(),
            yearly: Count::None,
            counting: Counting::Exclusive,
            recovery_window: a_week(),
        }
    }
}

/// What lets a restore through.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateSettings {
    /// The least level for a state.
    pub state: Level,
    /// The least level for a database.
    pub app: Level,
    /// How old the evidence may be.
    #[serde(with = "humantime_text")]
    pub max_age: Duration,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self { state: Level::Content, app: Level::Restore, max_age: Duration::from_hours(35 * 24) }
    }
}

/// The settings of one app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppSettings {
    /// The profile of the contract that it is held to.
    #[serde(with = "profile_name", default = "first_profile")]
    pub profile: &'static Profile,
    /// Whether it is backed up; by default, when it has a current release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Which engine makes its backups; by default, what its runner has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineKind>,
    /// The engine's program, when it is not the default one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
    /// The file with its `WALG_*` and `PG*` settings, 0600.
    pub env_file: PathBuf,
    /// Where it runs.
    pub runner: RunnerSettings,
    /// How the live database is started.
    #[serde(default)]
    pub start: Vec<String>,
    /// How it is stopped.
    #[serde(default)]
    pub stop: Vec<String>,
    /// Where its backups are rehearsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rehearsal: Option<RehearsalSettings>,
    /// What a restored database is asked.
    #[serde(default)]
    pub checks: Vec<CheckSettings>,
    /// Instead of the context's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateSettings>,
    /// Instead of the context's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionSettings>,
    /// Instead of the context's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<ScheduleSettings>,
}

impl ContextSettings {
    /// Which rules hold.
    #[must_use]
    pub fn stage(&self) -> Stage {
        if self.production { Stage::Production } else { Stage::NonProduction }
    }
}

impl AppSettings {
    /// The engine that makes its backups: the embedded one on this host, `wal-g` in a container, whose image has it.
    #[must_use]
    pub fn engine_kind(&self) -> EngineKind {
        self.engine.unwrap_or(match self.runner {
            RunnerSettings::Local { .. } => EngineKind::Embedded,
            RunnerSettings::Compose { .. } | RunnerSettings::Ssh { .. } => EngineKind::WalG,
        })
    }
}

/// Where an app runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum RunnerSettings {
    /// On this host.
    Local {
        /// The data directory.
        pgdata: PathBuf,
        /// The user that the server runs as.
        #[serde(skip_serializing_if = "Option::is_none")]
        run_as: Option<String>,
    },
    /// In containers on this host.
    Compose {
        /// The directory of the release.
        dir: PathBuf,
        /// Its compose files.
        files: Vec<PathBuf>,
    },
    /// In containers on a host behind SSH.
    Ssh {
        /// The host, as in the SSH configuration.
        target: String,
        /// Where its releases lie.
        remote_dir: PathBuf,
        /// The release, when it is not the current one.
        #[serde(skip_serializing_if = "Option::is_none")]
        release: Option<String>,
    },
}

/// Where backups are rehearsed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RehearsalSettings {
    /// On which host.
    pub host: String,
    /// In what.
    pub kind: RehearsalKind,
    /// The directory for scratch servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Where the server's programs are: on the host, or in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bin_dir: Option<PathBuf>,
    /// The user that a scratch server runs as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as: Option<String>,
    /// The image of a scratch container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

/// In what a backup is rehearsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RehearsalKind {
    /// With the server programs of the host.
    Local,
    /// In a container of an image.
    Container,
}

/// When a restored database is asked something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckTime {
    /// When a backup is restored to be tried.
    Rehearsal,
    /// After a restore, before the app gets at it.
    Fenced,
    /// After a restore, once the app has got at it.
    Open,
    /// In a rehearsal, and after a restore.
    Both,
}

impl CheckTime {
    /// Whether it is asked in a rehearsal.
    #[must_use]
    pub const fn is_rehearsed(self) -> bool {
        matches!(self, Self::Rehearsal | Self::Both)
    }
}

/// What a restored database is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckSettings {
    /// Its name.
    pub name: String,
    /// When it is asked.
    pub when: CheckTime,
    /// A query that must answer true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// A URL that must answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// With this status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<u16>,
    /// And with this text in its body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// How often a URL, an address or a command is tried until it answers as it should.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// How long to wait between two attempts.
    #[serde(default, with = "optional_humantime", skip_serializing_if = "Option::is_none")]
    pub every: Option<Duration>,
    /// How long an attempt may take.
    #[serde(default, with = "optional_humantime", skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// An address that must accept connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// A command that must succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands in a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

fn utc() -> String {
    "UTC".into()
}

fn first_profile() -> &'static Profile {
    &Profile::all()[0]
}

fn a_week() -> Duration {
    Duration::from_hours(7 * 24)
}

/// A duration that may be missing, as people write it.
mod optional_humantime {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    #[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => to.collect_str(&humantime::format_duration(*duration)),
            None => to.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| humantime::parse_duration(&text).map_err(D::Error::custom)).transpose()
    }
}

/// A profile by its name.
mod profile_name {
    use backup_contract::profile::Profile;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        profile: &&'static Profile,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(profile.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<&'static Profile, D::Error> {
        let name = String::deserialize(deserializer)?;
        Profile::find(&name).map_err(|e| D::Error::custom(format!("{e}; {}", e.hint())))
    }
}

/// Durations as people write them: `7d`, `90s`.
mod humantime_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "none" => Ok(Duration::ZERO),
            text => humantime::parse_duration(text).map_err(|e| {
                D::Error::custom(format!("'{text}' is not a duration ({e}); write it like '7d'"))
            }),
        }
    }
}
