use super::{AppEnvironment, file};
use crate::CliError;
use backup_contract::AppSlug;
use backup_contract::environment::{BucketKey, BucketReach, Environment, S3Reach};
use backup_store::s3::{Addressing, Endpoint, PlainHttp, S3Credentials};
use backup_store::{DirStore, S3Config, S3Store, Store};
use std::path::Path;
use walg_driver::bucket::{Backup, Bucket, Root};
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
    /// Opens the bucket of an app.
    ///
    /// # Errors
    /// [`CliError::Contract`] when the env file does not say where the bucket is, or with which key it is opened;
    /// [`CliError::Store`].
    pub fn open(environment: &AppEnvironment<'_>) -> Result<Self, CliError> {
        let (store, cipher) = reach(&environment.get())?;
        Ok(Self { app: environment.app.clone(), store, root: Root::default(), cipher })
    }

    /// Its catalogue.
    ///
    /// # Errors
    /// [`CliError::Walg`].
    pub fn read(&self) -> Result<Bucket, CliError> {
        Ok(Bucket::read(&*self.store, &self.root, &self.cipher)?)
    }

    /// Whether a segment of WAL is in the archive.
    ///
    /// # Errors
    /// [`CliError::Walg`].
    pub fn has_wal(&self, segment: &str) -> Result<bool, CliError> {
        Ok(self.root.has_wal(&*self.store, segment)?)
    }

    /// Whether the key of the env file opens a backup, as far as anybody but its engine can tell.
    ///
    /// # Errors
    /// [`CliError::Walg`].
    pub fn opens(&self, backup: &Backup) -> Result<bool, CliError> {
        match self.cipher {
            Cipher::Unknown => Ok(true),
            _ => Ok(walg_driver::verify::opens(&self.cipher, &*self.store, &self.root, backup)?),
        }
    }
}

/// The store that an env file tells of, and what opens its objects.
pub(crate) fn reach(environment: &Environment<'_>) -> Result<(Box<dyn Store>, Cipher), CliError> {
    let cipher = match environment.bucket_key()? {
        BucketKey::None => Cipher::None,
        BucketKey::Sodium(bytes) => Cipher::Sodium(SodiumKey::new(*bytes.expose())),
        BucketKey::EngineOnly => Cipher::Unknown,
    };
    let store: Box<dyn Store> = match environment.bucket()? {
        BucketReach::Directory(directory) => Box::new(DirStore::open(Path::new(&directory))?),
        BucketReach::S3(reach) => Box::new(S3Store::connect(s3_config(*reach)?)?),
    };
    Ok((store, cipher))
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
