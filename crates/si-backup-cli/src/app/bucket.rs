use super::{env_file, file};
use crate::{CliError, Session};
use backup_contract::environment::{BucketKey, BucketReach, Environment, KeyFile, S3Reach};
use backup_contract::{AppSlug, Severity};
use backup_store::s3::{Addressing, Endpoint, PlainHttp, S3Credentials};
use backup_store::{DirStore, S3Config, S3Store, Store};
use std::io::ErrorKind;
use std::path::Path;
use walg_driver::bucket::{Bucket, Root};
use walg_driver::{Cipher, SodiumKey};

/// The WAL-G bucket of an app, opened from its env file: nothing is asked of an engine, and nothing is written.
pub struct AppBucket {
    /// Of which app.
    pub app: AppSlug,
    /// Where it is.
    pub store: Box<dyn Store>,
    /// Where in that.
    pub root: Root,
    /// What opens its objects.
    pub cipher: Cipher,
}

impl std::fmt::Debug for AppBucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppBucket")
            .field("app", &self.app)
            .field("at", &self.store.location())
            .finish_non_exhaustive()
    }
}

impl AppBucket {
    /// Opens the bucket of an app of the context.
    ///
    /// # Errors
    /// [`CliError::Settings`] when there is no such app; [`CliError::AppEnvFile`] when its env file is not there or cannot
    /// be read, or others can read it; [`CliError::Contract`] when that does not say where the bucket is, or with which key
    /// it is opened; [`CliError::Store`].
    pub fn open(session: &Session<'_>, app: &AppSlug) -> Result<Self, CliError> {
        let settings = session.app_settings(app)?;
        let found = env_file::find(session, settings)?;
        // Whoever could read it could write it, or knows the keys by now: an operator should hear of it first.
        let faults = found.facts.check().findings;
        if let Some(fault) = faults.into_iter().find(|fault| fault.severity == Severity::Error) {
            return Err(CliError::AppEnvFile { app: app.to_string(), fault: Box::new(fault) });
        }
        let Some(file) = found.parsed.transpose()? else {
            return Err(CliError::Io {
                operation: "read",
                path: found.facts.path.into(),
                source: ErrorKind::NotFound.into(),
            });
        };
        let key = env_file::key_file(settings, &file);
        let environment = Environment {
            path: &found.facts.path,
            file: &file,
            profile: settings.profile,
            engine: settings.engine_kind(),
            stage: session.context_settings()?.stage(),
            key_file: match &key {
                Some(Ok((key, mode))) => KeyFile::Read { key, mode: *mode },
                Some(Err(_)) => KeyFile::Unreadable,
                None => KeyFile::NotLookedAt,
            },
        };
        let cipher = match environment.bucket_key()? {
            BucketKey::None => Cipher::None,
            BucketKey::Sodium(bytes) => Cipher::Sodium(SodiumKey::new(*bytes.expose())),
            BucketKey::EngineOnly => Cipher::Unknown,
        };
        let store: Box<dyn Store> = match environment.bucket()? {
            BucketReach::Directory(directory) => Box::new(DirStore::open(Path::new(&directory))?),
            BucketReach::S3(reach) => Box::new(S3Store::connect(s3_config(*reach)?)?),
        };
        Ok(Self { app: app.clone(), store, root: Root::default(), cipher })
    }

    /// Its catalogue.
    ///
    /// # Errors
    /// [`CliError::Walg`].
    pub fn read(&self) -> Result<Bucket, CliError> {
        Ok(Bucket::read(&*self.store, &self.root, &self.cipher)?)
    }
}

/// The longest file of certificates that is read, in bytes.
const MOST_OF_A_CA: u64 = 1 << 20;

fn s3_config(reach: S3Reach) -> Result<S3Config, CliError> {
    let url = format!("s3://{}/{}", reach.prefix.bucket(), reach.prefix.prefix());
    let mut config = S3Config::from_url(&url)?;
    config.endpoint = reach.endpoint.as_deref().map(Endpoint::new).transpose()?;
    // It is the engine's own setting, and the contract tells of it: to refuse it here would hide the backups.
    config.plain_http = PlainHttp::Allowed;
    config.region = reach.region;
    config.addressing = match reach.path_style {
        None => Addressing::Automatic,
        Some(true) => Addressing::Path,
        Some(false) => Addressing::VirtualHost,
    };
    if let Some(keys) = reach.credentials {
        config.credentials = S3Credentials::Static {
            access_key_id: keys.id.expose().to_owned(),
            secret_access_key: keys.secret.expose().to_owned().into(),
            session_token: keys.token.map(|token| token.expose().to_owned().into()),
        };
    }
    if let Some(path) = reach.ca_file {
        let pem = file::read(Path::new(&path), MOST_OF_A_CA).map_err(|source| CliError::Io {
            operation: "read, as the env file asks for,",
            path: path.into(),
            source,
        })?;
        config.ca_pem = Some(pem.0);
    }
    Ok(config)
}
