//! Stores over the servers of the tests.

use backup_store::s3::{Endpoint, S3Credentials, S3Limits};
use backup_store::{Clock, Key, Prefix, PutOptions, S3Config, S3Store, Store, Stored, put_bytes, read_bytes};
use chrono::{DateTime, Utc};
use si_backup_tests::servers::{AccessKeys, Admin, BucketKind, Proxy, REGION, VersityGw};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Long before and long after every time in these tests.
pub(crate) const LONG_AGO: DateTime<Utc> = DateTime::UNIX_EPOCH;
pub(crate) const FAR: DateTime<Utc> = DateTime::from_timestamp(4_000_000_000, 0).unwrap();

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn put(store: &dyn Store, at: &str, bytes: &[u8]) -> backup_store::Result<Stored> {
    put_bytes(store, &key(at), bytes, &PutOptions::default())
}

pub(crate) fn get(store: &dyn Store, at: &str) -> backup_store::Result<Vec<u8>> {
    read_bytes(store, &key(at), None, 64 << 20)
}

pub(crate) fn keys(store: &dyn Store) -> Vec<String> {
    store.list(&Prefix::all(), None).unwrap().map(|meta| meta.unwrap().key.to_string()).collect()
}

/// The code of the error that there must be.
#[track_caller]
pub(crate) fn code<T>(result: backup_store::Result<T>) -> &'static str {
    result.err().map_or("no error", |error| error.code())
}

/// A name that no other bucket or prefix of this process has.
pub(crate) fn fresh_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Bytes that compress to nothing less and are nowhere equal.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<u8> {
    si_backup_tests::Random::new(seed).bytes(len)
}

pub(crate) fn config(endpoint: &str, who: &AccessKeys, bucket: &str, prefix: &str) -> S3Config {
    let mut config = S3Config::from_url(&format!("s3://{bucket}/{prefix}")).unwrap();
    config.endpoint = Some(Endpoint::new(endpoint).unwrap());
    config.region = Some(REGION.to_owned());
    config.credentials = S3Credentials::Static {
        access_key_id: who.id.clone(),
        secret_access_key: who.secret.clone().into(),
        session_token: None,
    };
    config
}

/// For tests that fail on purpose: the same rules, in a fraction of the time.
pub(crate) fn hasty() -> S3Limits {
    S3Limits {
        connect: Duration::from_millis(500),
        call: Duration::from_millis(400),
        stall: Duration::from_millis(200),
        retry_budget: Duration::from_secs(3),
        attempts: 5,
        first_pause: Duration::from_millis(10),
        first_pause_slow: Duration::from_millis(20),
        least_rate: 64 << 20,
        part_bytes: 5 << 20,
        ..S3Limits::default()
    }
}

/// Does something from a thread of its own: the proxy's may not be blocked by a runtime of another one's.
pub(crate) fn elsewhere(work: impl FnOnce() + Send) {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap());
}

/// A bucket of its own on a server that the tests of this process share.
pub(crate) struct Bucket {
    pub(crate) server: Arc<VersityGw>,
    pub(crate) admin: Admin,
    pub(crate) name: String,
}

impl Bucket {
    pub(crate) fn new(kind: BucketKind) -> Option<Self> {
        let server = VersityGw::shared()?;
        let (admin, name) = (server.admin(), fresh_name());
        admin.make_bucket(&name, kind);
        Some(Self { server, admin, name })
    }

    pub(crate) fn config(&self) -> S3Config {
        config(&self.server.endpoint(), self.server.keys(), &self.name, "")
    }

    pub(crate) fn store(&self) -> S3Store {
        S3Store::connect(self.config()).unwrap()
    }

    /// The same bucket, behind a proxy.
    pub(crate) fn behind(&self, proxy: &Proxy, limits: S3Limits) -> S3Store {
        let mut config = config(&proxy.endpoint(), self.server.keys(), &self.name, "");
        config.limits = limits;
        S3Store::connect(config).unwrap()
    }

    pub(crate) fn proxy(&self) -> Proxy {
        Proxy::before(self.server.address())
    }

    /// What is there of objects, as the server sees it: keys, without what the store tries conditional writes with.
    pub(crate) fn versions(&self) -> Vec<String> {
        let rows = self.admin.versions(&self.name, "");
        let shown = |row: si_backup_tests::servers::VersionRow| {
            if row.is_marker { format!("marker of {}", row.key) } else { row.key }
        };
        rows.into_iter().map(shown).filter(|name| !name.contains(".si-store/")).collect()
    }
}

/// The time as it passes.
#[derive(Debug)]
pub(crate) struct RealClock(Instant);

impl RealClock {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
