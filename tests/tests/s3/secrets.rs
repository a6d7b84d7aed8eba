//! What shows access keys to nobody: errors, debug prints, logs.

use crate::child::{Job, command};
use crate::support::{Bucket, config, get, key, put};
use backup_store::s3::S3Limits;
use backup_store::{Prefix, S3Config, S3Store, Store};
use si_backup_tests::servers::{AccessKeys, BucketKind, Fault};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Everything that the store says when its credentials are wrong in every way.
#[test]
fn errors_and_debug_prints_show_no_keys() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let proxy = bucket.proxy();
    let real = bucket.server.keys().clone();
    let other = AccessKeys::random();
    let mixed = AccessKeys { id: real.id.clone(), secret: other.secret.clone() };
    let mut said = String::new();
    let mut codes = Vec::new();
    for who in [&real, &other, &mixed] {
        let mut settings = config(&proxy.endpoint(), who, &bucket.name, "");
        settings.limits =
            S3Limits { attempts: 2, call: Duration::from_millis(200), ..crate::support::hasty() };
        let _ = write!(said, "{settings:?}{:?}", settings.credentials);
        let store = S3Store::connect(settings).unwrap();
        let _ = write!(said, "{store:?} {}", store.location());
        let mut note = |error: backup_store::Error| {
            codes.push(error.code());
            let _ = writeln!(said, "{error} {error:?} {:?}", error.hint());
            let as_io = error.into_io();
            let _ = writeln!(said, "{as_io} {as_io:?}");
        };
        for fault in [
            Fault::None,
            Fault::Reset,
            Fault::Stall,
            Fault::Answer { status: 500, code: "InternalError", retry_after: None },
        ] {
            proxy.plan(move |_| fault);
            put(&store, "a", b"x").err().into_iter().for_each(&mut note);
            get(&store, "b").err().into_iter().for_each(&mut note);
            store.head(&key("b"), None).err().into_iter().for_each(&mut note);
            store.delete(&key("b"), None, crate::support::FAR).err().into_iter().for_each(&mut note);
            store.capabilities().err().into_iter().for_each(&mut note);
            match store.list(&Prefix::all(), None) {
                Ok(listing) => listing.filter_map(Result::err).for_each(&mut note),
                Err(error) => note(error),
            }
            store.leftovers().err().into_iter().for_each(&mut note);
        }
    }
    for expected in ["store-credentials", "store-unreachable", "store-timeout", "store-failed"] {
        assert!(codes.contains(&expected), "no {expected} among {codes:?}");
    }
    for secret in [&real.id, &real.secret, &other.id, &other.secret] {
        assert!(!said.contains(secret.as_str()), "{}", said.replace(secret.as_str(), "<<<HERE>>>"));
    }
}

/// The same with everything logged that any library under it would log.
#[test]
fn logs_show_no_secret_keys() {
    let Some(bucket) = Bucket::new(BucketKind::Plain) else { return };
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("log");
    let output = command(&bucket, Job::Log, "x", &log).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let logged = std::fs::read_to_string(&log).unwrap();
    assert!(logged.len() > 10_000, "everything was logged: {} bytes", logged.len());
    assert!(!logged.contains(&bucket.server.keys().secret));
    assert!(!String::from_utf8_lossy(&output.stdout).contains(&bucket.server.keys().secret));
}

/// In the child: a little of everything, with a subscriber that wants it all.
pub(crate) fn log_everything(settings: S3Config) {
    let log = Arc::new(Mutex::new(String::new()));
    tracing::subscriber::set_global_default(Everything(Arc::clone(&log))).unwrap();
    let store = S3Store::connect(settings).unwrap();
    put(&store, "a/b", b"x").unwrap();
    put(&store, "a/b", b"x").unwrap_err();
    get(&store, "a/b").unwrap();
    get(&store, "a/c").unwrap_err();
    store.list(&Prefix::all(), None).unwrap().for_each(drop);
    store.delete(&key("a/b"), None, crate::support::FAR).unwrap();
    drop(store);
    std::fs::write(std::env::var_os("S3_TEST_HOME").unwrap(), &*log.lock().unwrap()).unwrap();
}

struct Everything(Arc<Mutex<String>>);

impl Everything {
    fn note(&self, metadata: &tracing::Metadata<'_>, record: impl FnOnce(&mut Fields<'_>)) {
        let mut log = self.0.lock().unwrap();
        let _ = write!(log, "\n{} {}", metadata.target(), metadata.name());
        record(&mut Fields(&mut log));
    }
}

struct Fields<'a>(&'a mut String);

impl tracing::field::Visit for Fields<'_> {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, " {field}={value:?}");
    }
}

impl tracing::Subscriber for Everything {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        self.note(span.metadata(), |fields| span.record(fields));
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, values: &tracing::span::Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        self.note(event.metadata(), |fields| event.record(fields));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
