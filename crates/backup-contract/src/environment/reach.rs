use super::check::{Environment, KeyFile};
use super::encryption::{self, Means};
use super::endpoint;
use super::libsodium;
use super::prefix::S3Prefix;
use super::value::EnvValue;
use crate::profile::StorageKind;
use crate::{Error, Result};

/// How an app's bucket is reached by a program other than its engine: what an engine would make of the same env file.
#[derive(Debug, Clone)]
pub enum BucketReach {
    /// A directory, from the root.
    Directory(String),
    /// A bucket.
    S3(Box<S3Reach>),
}

/// How a bucket in S3 is reached.
#[derive(Debug, Clone)]
pub struct S3Reach {
    /// The bucket, and the place in it.
    pub prefix: S3Prefix,
    /// The server, where it is not the provider's own.
    pub endpoint: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Whether the bucket is named in the path; none where the engine decides.
    pub path_style: Option<bool>,
    /// Who asks; none where the engine finds that elsewhere.
    pub credentials: Option<S3Keys>,
    /// The file with the authority of the server's certificate.
    pub ca_file: Option<String>,
}

/// A key of S3: it counts only whole.
#[derive(Debug, Clone)]
pub struct S3Keys {
    /// Its name.
    pub id: EnvValue,
    /// Its secret.
    pub secret: EnvValue,
    /// The token of a session.
    pub token: Option<EnvValue>,
}

/// With what the objects of a bucket are encrypted before they leave the engine.
#[derive(Debug, Clone)]
pub enum BucketKey {
    /// With nothing.
    None,
    /// By libsodium, with a key of 32 bytes.
    Sodium(SodiumBytes),
    /// In a way that only the engine undoes.
    EngineOnly,
}

/// The bytes of a libsodium key. They show themselves to nobody but who asks.
#[derive(Clone)]
pub struct SodiumBytes(pub(super) [u8; 32]);

impl SodiumBytes {
    /// The key itself.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key from 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        libsodium::from_hex(text).map(Self)
    }

    /// The key in hexadecimal digits, as [`SodiumBytes::from_hex`] takes it: to hand it on in a child's environment.
    #[must_use]
    pub fn to_hex(&self) -> EnvValue {
        EnvValue::new(self.0.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat())
    }
}

impl std::fmt::Debug for SodiumBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<redacted>")
    }
}

impl Environment<'_> {
    /// How the app's bucket is reached.
    ///
    /// # Errors
    /// [`Error::EnvUnusable`], with the name of what is missing or cannot be used.
    pub fn bucket(&self) -> Result<BucketReach> {
        let name = self.profile.storage().prefix_setting();
        let text = self.usable(name)?.ok_or_else(|| unusable(name, "is not set"))?;
        match self.profile.storage() {
            StorageKind::Directory if text.starts_with('/') => Ok(BucketReach::Directory(text.to_owned())),
            StorageKind::Directory => Err(unusable(name, "is no directory given from the root")),
            StorageKind::S3 => {
                let prefix =
                    S3Prefix::parse(text).map_err(|_| unusable(name, "names no place in a bucket"))?;
                let deeper = if self.engine.is_walrus() { None } else { self.usable("WALG_STORAGE_PREFIX")? };
                Ok(BucketReach::S3(Box::new(S3Reach {
                    prefix: prefix.below(deeper.unwrap_or_default()),
                    endpoint: self.first(&endpoint::NAMES)?,
                    region: self.named("AWS_REGION", &["WALG_S3_REGION"])?,
                    path_style: match self.named("AWS_S3_FORCE_PATH_STYLE", &[])?.as_deref() {
                        None => None,
                        Some("true" | "1" | "t" | "T" | "TRUE" | "True") => Some(true),
                        Some("false" | "0" | "f" | "F" | "FALSE" | "False") => Some(false),
                        Some(_) => {
                            return Err(unusable("AWS_S3_FORCE_PATH_STYLE", "is neither true nor false"));
                        }
                    },
                    credentials: self.keys()?,
                    ca_file: self.first(&["WALG_S3_CA_CERT_FILE", "S3_CA_CERT_FILE"])?,
                })))
            }
        }
    }

    /// With what the objects of the app's bucket are encrypted.
    ///
    /// # Errors
    /// [`Error::EnvUnusable`] when there is a key that is none, or that nobody could look at.
    pub fn bucket_key(&self) -> Result<BucketKey> {
        match encryption::means(self) {
            Means::None => Ok(BucketKey::None),
            Means::EngineOnly => Ok(BucketKey::EngineOnly),
            Means::Libsodium => {
                let (name, text) = match self.usable("WALG_LIBSODIUM_KEY")? {
                    Some(text) => ("WALG_LIBSODIUM_KEY", text),
                    None => (
                        "WALG_LIBSODIUM_KEY_PATH",
                        match self.key_file {
                            KeyFile::Read { key, .. } => key.expose().trim(),
                            KeyFile::NotLookedAt | KeyFile::Unreadable => {
                                return Err(unusable(
                                    "WALG_LIBSODIUM_KEY_PATH",
                                    "names a file that cannot be read here",
                                ));
                            }
                        },
                    ),
                };
                let key = libsodium::key_of(self, text);
                key.map(|key| BucketKey::Sodium(SodiumBytes(key))).ok_or_else(|| {
                    unusable(name, "does not decode to a key of 32 bytes by WALG_LIBSODIUM_KEY_TRANSFORM")
                })
            }
        }
    }

    fn keys(&self) -> Result<Option<S3Keys>> {
        let id = self.named("AWS_ACCESS_KEY_ID", &[])?;
        let secret = self.named("AWS_SECRET_ACCESS_KEY", &[])?;
        let (Some(id), Some(secret)) = (id, secret) else { return Ok(None) };
        let token = self.named("AWS_SESSION_TOKEN", &[])?;
        Ok(Some(S3Keys {
            id: EnvValue::new(id),
            secret: EnvValue::new(secret),
            token: token.map(EnvValue::new),
        }))
    }

    /// A setting as the engines look for it: bare, then with `WALG_`, then with `WALE_` before it.
    fn named(&self, bare: &'static str, more: &[&'static str]) -> Result<Option<String>> {
        for name in [bare.to_owned(), format!("WALG_{bare}"), format!("WALE_{bare}")] {
            if self.is_set(&name) {
                let text = self.text(&name).ok_or_else(|| unusable(bare, CHANGED))?;
                return Ok(Some(text.to_owned()));
            }
        }
        self.first(more)
    }

    fn first(&self, names: &[&'static str]) -> Result<Option<String>> {
        for name in names {
            if let Some(text) = self.usable(name)? {
                return Ok(Some(text.to_owned()));
            }
        }
        Ok(None)
    }

    /// The value of a name; an error where only its reader would know it.
    fn usable(&self, name: &'static str) -> Result<Option<&str>> {
        match self.text(name) {
            Some(text) => Ok(Some(text)),
            None if self.is_set(name) => Err(unusable(name, CHANGED)),
            None => Ok(None),
        }
    }
}

const CHANGED: &str = "has no value of its own: it is taken from elsewhere, or has a '$' in it";

fn unusable(name: &'static str, reason: &'static str) -> Error {
    Error::EnvUnusable { name, reason }
}

#[cfg(test)]
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method's path is not general in the lifetime"
)]
mod tests {
    use super::*;
    use crate::Stage;
    use crate::engine::EngineKind;
    use crate::environment::EnvFile;
    use crate::profile::Profile;

    fn with<T>(text: &str, profile: &str, engine: EngineKind, ask: impl FnOnce(&Environment<'_>) -> T) -> T {
        let file = EnvFile::parse(text.as_bytes()).unwrap();
        let profile = Profile::find(profile).unwrap();
        let key_file = KeyFile::NotLookedAt;
        ask(&Environment { path: "x", file: &file, profile, engine, stage: Stage::Production, key_file })
    }

    fn s3(text: &str) -> Result<S3Reach> {
        with(text, "supabase-self-hosted", EngineKind::WalG, |env| match env.bucket()? {
            BucketReach::S3(reach) => Ok(*reach),
            BucketReach::Directory(_) => panic!("a directory"),
        })
    }

    #[test]
    fn a_bucket_is_reached_as_the_engine_would() {
        let found = s3(
            "WALG_S3_PREFIX=s3://backups/shop\nWALG_STORAGE_PREFIX=deep\nWALG_AWS_ENDPOINT=https://a.test\n\
             AWS_ENDPOINT=https://b.test\nWALG_AWS_REGION=eu\nAWS_S3_FORCE_PATH_STYLE=true\n\
             WALG_AWS_ACCESS_KEY_ID=one\nAWS_ACCESS_KEY_ID=two\nWALE_AWS_SECRET_ACCESS_KEY=three\n",
        )
        .unwrap();
        assert_eq!((found.prefix.bucket(), found.prefix.prefix()), ("backups", "shop/deep"));
        assert_eq!(found.endpoint.as_deref(), Some("https://b.test"));
        assert_eq!((found.region.as_deref(), found.path_style), (Some("eu"), Some(true)));
        let keys = found.credentials.unwrap();
        assert_eq!((keys.id.expose(), keys.secret.expose()), ("two", "three"), "the bare name wins");
        assert!(!format!("{keys:?}").contains("two"));
        // Half a key is none.
        let half = s3("WALG_S3_PREFIX=s3://backups/shop\nAWS_ACCESS_KEY_ID=two\n").unwrap();
        assert!(half.credentials.is_none());
    }

    #[test]
    fn what_nobody_can_know_is_said_and_not_guessed() {
        for (text, expected) in [
            ("", "WALG_S3_PREFIX"),
            ("WALG_S3_PREFIX", "WALG_S3_PREFIX"),
            ("WALG_S3_PREFIX=s3://backups/$APP", "WALG_S3_PREFIX"),
            ("WALG_S3_PREFIX=s3://backups", "WALG_S3_PREFIX"),
            ("WALG_S3_PREFIX=s3://b-1/a\nAWS_SECRET_ACCESS_KEY=\"a$B\"", "AWS_SECRET_ACCESS_KEY"),
            ("WALG_S3_PREFIX=s3://b-1/a\nAWS_S3_FORCE_PATH_STYLE=maybe", "AWS_S3_FORCE_PATH_STYLE"),
        ] {
            let Err(Error::EnvUnusable { name, .. }) = s3(text) else { panic!("{text}") };
            assert_eq!(name, expected, "{text}");
        }
        let at = |text| with(text, "local-directory", EngineKind::Embedded, |env| env.bucket());
        assert!(matches!(at("WALG_FILE_PREFIX=/srv/b"), Ok(BucketReach::Directory(dir)) if dir == "/srv/b"));
        assert!(at("WALG_FILE_PREFIX=srv/b").is_err());
    }

    #[test]
    fn the_key_is_the_one_that_the_engine_uses() {
        let key = |text: &str, engine| with(text, "supabase-self-hosted", engine, |env| env.bucket_key());
        let hex = "00112233445566778899aabbccddeeff".repeat(2);
        let sodium = format!("WALG_LIBSODIUM_KEY={hex}\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n");
        let Ok(BucketKey::Sodium(bytes)) = key(&sodium, EngineKind::WalG) else { panic!() };
        assert_eq!(bytes.expose()[..3], [0, 0x11, 0x22]);
        assert_eq!(format!("{bytes:?}"), "<redacted>");
        let both = format!("{sodium}WALG_PGP_KEY_PATH=/k\n");
        assert!(matches!(key(&both, EngineKind::WalG), Ok(BucketKey::EngineOnly)), "PGP wins");
        assert!(matches!(key(&both, EngineKind::Embedded), Ok(BucketKey::Sodium(_))), "which walrus ignores");
        assert!(matches!(key("", EngineKind::WalG), Ok(BucketKey::None)));
        assert!(key(&format!("WALG_LIBSODIUM_KEY={hex}\n"), EngineKind::WalG).is_err(), "no transform");
        assert!(
            key("WALG_LIBSODIUM_KEY_PATH=/k\nWALG_LIBSODIUM_KEY_TRANSFORM=hex\n", EngineKind::WalG).is_err()
        );
    }
}
