//! A store in S3, or in whatever speaks like it.

mod background;
mod call;
mod config;
mod connect;
mod delete;
mod endpoint;
mod failure;
mod leftovers;
mod list;
mod locks;
mod look;
mod names;
mod parts;
mod probe;
mod publish;
mod read;
mod sums;
mod upload;
mod wording;

pub use config::{Addressing, PlainHttp, S3Config, S3Credentials, S3Limits, ServerSideEncryption};
pub use endpoint::Endpoint;

use crate::{
    Capabilities, Deletion, Error, Key, Leftover, Lock, ObjectMeta, ObjectRef, Prefix, PutOptions, Result,
    Store, Transport, Upload, Version,
};
use background::Background;
use call::Throttle;
use chrono::{DateTime, Utc};
use probe::{Locking, Versioning, Writing};
use std::fmt;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::OnceCell;

/// A store in a bucket: the object `a/b` is the object `<prefix>/a/b`, as any other program can read it.
///
/// ```text
/// <prefix>/state/default/…                  objects, written once
/// <prefix>/.si-store/conditional-put        what conditional writes are tried with; no key begins with `.si-store`
/// ```
///
/// - *Write-once.* By `If-None-Match: *`, which the store keeps against everybody at the same time. Where it does not know
///   that (tried once, when something is first written), this software looks first, and says so in its [`Capabilities`].
/// - *Answers that do not arrive.* Each upload has a random token in its object's metadata (`si-upload`). After an answer
///   that was lost, or one that says that the key exists, it is looked at: the own token means that it was stored.
/// - *Durable and checked.* The store compares the SHA-256 of what arrives (where it does not know that header, the MD5),
///   and after the last answer the object is looked at once more.
/// - *For good.* A deletion names the version, so that never only a delete marker hides what stays. A key whose newest
///   version is a marker that others made counts as absent; writing it is [`Error::Hidden`] where the store refuses it, and
///   works where the store lets it through (AWS does).
/// - *Versions* are the bucket's own; without versioning there are none.
/// - *Locks* are Object Lock's, kept by the server. They are never shortened, and no governance lock is ever bypassed.
/// - *Clocks.* Signatures carry the system's time, and time limits run on tokio's timer; nothing else here asks for it.
///
/// The network runs in threads of the store's own, so that it works inside of a program that has a runtime of its own.
pub struct S3Store {
    shared: Arc<Shared>,
    background: Background,
}

/// What every request needs.
#[derive(Debug)]
struct Shared {
    client: aws_sdk_s3::Client,
    bucket: String,
    /// What names begin with: nothing, or whole parts with a closing `/`.
    prefix: String,
    location: String,
    encryption: ServerSideEncryption,
    limits: S3Limits,
    transport: Transport,
    throttle: Throttle,
    versioning: OnceCell<Versioning>,
    locking: OnceCell<Locking>,
    writing: OnceCell<Writing>,
    completing: OnceCell<Writing>,
    /// Whether the store has refused checksums newer than MD5.
    only_md5: AtomicBool,
}

impl S3Store {
    /// Looks over the settings and makes ready. The bucket is first asked for something when something is wanted of it.
    ///
    /// # Errors
    /// [`Error::Setup`].
    pub fn connect(config: S3Config) -> Result<Self> {
        connect::check(&config)?;
        let background = Background::start(config.limits.threads)?;
        let transport = match &config.endpoint {
            Some(endpoint) if endpoint.is_loopback() => Transport::Local,
            Some(endpoint) if !endpoint.is_encrypted() => Transport::Plain,
            _ => Transport::Tls,
        };
        let (client, config) = background.run(async move {
            let client = connect::client(&config).await?;
            Ok((client, config))
        })?;
        let prefix = config.prefix.to_string();
        let shared = Shared {
            client,
            location: format!("s3://{}/{}", config.bucket, prefix.trim_end_matches('/')),
            bucket: config.bucket,
            prefix,
            encryption: config.encryption,
            limits: config.limits,
            transport,
            throttle: Throttle::default(),
            versioning: OnceCell::new(),
            locking: OnceCell::new(),
            writing: OnceCell::new(),
            completing: OnceCell::new(),
            only_md5: AtomicBool::new(false),
        };
        Ok(Self { shared: Arc::new(shared), background })
    }

    /// Does what `work` makes of the shared half, and waits for it.
    fn run<T, F>(&self, work: impl FnOnce(Arc<Shared>) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.background.run(work(Arc::clone(&self.shared)))
    }
}

impl fmt::Debug for S3Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Store").field("location", &self.shared.location).finish_non_exhaustive()
    }
}

impl Shared {
    fn not_found(&self, key: &Key) -> Error {
        Error::NotFound { key: key.clone(), store: self.location.clone() }
    }

    fn exists(&self, key: &Key) -> Error {
        Error::AlreadyExists { key: key.clone(), store: self.location.clone() }
    }

    fn unsupported(&self, ability: &'static str) -> Error {
        Error::Unsupported { store: self.location.clone(), ability }
    }
}

impl Store for S3Store {
    fn location(&self) -> String {
        self.shared.location.clone()
    }

    fn capabilities(&self) -> Result<Capabilities> {
        self.run(|shared| async move { probe::capabilities(&shared).await })
    }

    fn create(&self, key: &Key, options: &PutOptions) -> Result<Box<dyn Upload + '_>> {
        Ok(Box::new(upload::S3Upload::begin(self, key, options)?))
    }

    fn open(&self, key: &Key, version: Option<&Version>, offset: u64) -> Result<Box<dyn Read + Send + '_>> {
        Ok(Box::new(read::S3Reader::open(self, key, version, offset)?))
    }

    fn head(&self, key: &Key, version: Option<&Version>) -> Result<ObjectMeta> {
        let (key, version) = (key.clone(), version.cloned());
        self.run(|shared| async move { look::head(&shared, &key, version.as_ref()).await })
    }

    fn list(
        &self,
        prefix: &Prefix,
        after: Option<&Key>,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
        Ok(Box::new(list::Listing::begin(self, prefix, after, list::Which::Current)?))
    }

    fn list_versions(
        &self,
        prefix: &Prefix,
    ) -> Result<Box<dyn Iterator<Item = Result<ObjectMeta>> + Send + '_>> {
        Ok(Box::new(list::Listing::begin(self, prefix, None, list::Which::All)?))
    }

    fn delete(&self, key: &Key, version: Option<&Version>, now: DateTime<Utc>) -> Result<Deletion> {
        let object = ObjectRef { key: key.clone(), version: version.cloned() };
        self.run(|shared| async move { delete::one(&shared, &object, now).await })
    }

    fn delete_many(&self, objects: &[ObjectRef], now: DateTime<Utc>) -> Result<Vec<Result<Deletion>>> {
        let objects = objects.to_vec();
        self.run(|shared| async move { delete::many(&shared, &objects, now).await })
    }

    fn lock(&self, key: &Key, version: Option<&Version>, lock: Lock) -> Result<()> {
        let (key, version) = (key.clone(), version.cloned());
        self.run(|shared| async move { locks::extend(&shared, &key, version.as_ref(), lock).await })
    }

    fn lock_of(&self, key: &Key, version: Option<&Version>) -> Result<Option<Lock>> {
        let (key, version) = (key.clone(), version.cloned());
        self.run(|shared| async move { locks::of(&shared, &key, version.as_ref()).await })
    }

    fn is_held(&self, key: &Key, version: Option<&Version>) -> Result<bool> {
        let (key, version) = (key.clone(), version.cloned());
        self.run(|shared| async move { locks::is_held(&shared, &key, version.as_ref()).await })
    }

    fn leftovers(&self) -> Result<Vec<Leftover>> {
        self.run(|shared| async move { leftovers::find(&shared).await })
    }

    fn sweep(&self, before: DateTime<Utc>) -> Result<Vec<Leftover>> {
        self.run(|shared| async move { leftovers::sweep(&shared, before).await })
    }
}
