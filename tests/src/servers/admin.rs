use super::{AccessKeys, REGION};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled,
    ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockRetentionMode, ObjectLockRule,
    VersioningConfiguration,
};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use std::fmt;
use std::time::Duration;
use tokio::runtime::Runtime;

/// What a bucket can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketKind {
    /// One object a key.
    Plain,
    /// What is deleted or replaced is still there as a version.
    Versioned,
    /// With versions, which can be locked.
    Locked,
}

/// One version of a key, or the marker that says that it was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// The whole key, with every prefix.
    pub key: String,
    /// The server's name for it.
    pub version: String,
    /// Whether it is a delete marker.
    pub is_marker: bool,
}

/// A server's own view, through the SDK alone. A test that cannot have it fails.
pub struct Admin {
    client: Client,
    runtime: Runtime,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admin")
    }
}

/// A result, or a panic that says what the server said.
macro_rules! ask {
    ($admin:expr, $request:expr) => {
        match $admin.runtime.block_on($request.send()) {
            Ok(answer) => answer,
            Err(error) => panic!("{}: {}", stringify!($request), DisplayErrorContext(&error)),
        }
    };
}

#[expect(clippy::missing_panics_doc, reason = "every question to a server that a test started may fail it")]
impl Admin {
    /// Of the server at an endpoint; with the authority behind its certificate, where that is not a public one.
    #[must_use]
    pub fn at(endpoint: &str, keys: &AccessKeys, ca_pem: Option<&[u8]>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap_or_else(|error| panic!("{error}"));
        let mut config = Builder::new()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .credentials_provider(Credentials::new(&keys.id, &keys.secret, None, None, "test"));
        if let Some(ca_pem) = ca_pem {
            let trust = TrustStore::empty().with_pem_certificate(ca_pem);
            let context = TlsContext::builder().with_trust_store(trust).build();
            let context = context.unwrap_or_else(|error| panic!("{error}"));
            let client = aws_smithy_http_client::Builder::new()
                .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
                .tls_context(context)
                .build_https();
            config = config.http_client(client);
        }
        Self { client: Client::from_conf(config.build()), runtime }
    }

    /// The same, but that it asks only once, and waits no longer than this for the answer.
    #[must_use]
    pub fn trying_once(self, limit: Duration) -> Self {
        let limits = TimeoutConfig::builder().operation_timeout(limit).build();
        let config =
            self.client.config().to_builder().retry_config(RetryConfig::disabled()).timeout_config(limits);
        Self { client: Client::from_conf(config.build()), runtime: self.runtime }
    }

    /// Makes a bucket.
    pub fn make_bucket(&self, name: &str, kind: BucketKind) {
        let locked = kind == BucketKind::Locked;
        let mut request = self.client.create_bucket().bucket(name);
        if locked {
            request = request.object_lock_enabled_for_bucket(true);
        }
        ask!(self, request);
        if kind == BucketKind::Versioned {
            let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            ask!(self, self.client.put_bucket_versioning().bucket(name).versioning_configuration(enabled));
        }
    }

    /// Locks everything that will be written into a bucket for so many days.
    pub fn lock_by_default(&self, bucket: &str, days: i32) {
        let retention =
            DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(days).build();
        let configuration = ObjectLockConfiguration::builder()
            .object_lock_enabled(ObjectLockEnabled::Enabled)
            .rule(ObjectLockRule::builder().default_retention(retention).build())
            .build();
        let request = self.client.put_object_lock_configuration().bucket(bucket);
        ask!(self, request.object_lock_configuration(configuration));
    }

    /// Puts a legal hold on an object, or takes it away.
    pub fn legal_hold(&self, bucket: &str, key: &str, on: bool) {
        let status = if on { ObjectLockLegalHoldStatus::On } else { ObjectLockLegalHoldStatus::Off };
        let hold = ObjectLockLegalHold::builder().status(status).build();
        ask!(self, self.client.put_object_legal_hold().bucket(bucket).key(key).legal_hold(hold));
    }

    /// Writes an object, whatever is there.
    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        let body = ByteStream::from(bytes.to_vec());
        ask!(self, self.client.put_object().bucket(bucket).key(key).body(body));
    }

    /// Deletes an object as a client does that knows nothing of versions.
    pub fn delete_unversioned(&self, bucket: &str, key: &str) {
        ask!(self, self.client.delete_object().bucket(bucket).key(key));
    }

    /// The bytes of an object, of its newest version.
    #[must_use]
    pub fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        let asked = self.client.get_object().bucket(bucket).key(key).send();
        let answer = match self.runtime.block_on(asked) {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("NoSuchKey") => return None,
            Err(error) => panic!("get {key}: {}", DisplayErrorContext(&error)),
        };
        let body = self.runtime.block_on(answer.body.collect());
        Some(body.unwrap_or_else(|error| panic!("get {key}: {error}")).to_vec())
    }

    /// The keys that begin with a text, in order.
    #[must_use]
    pub fn keys(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let mut pages = self.client.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = self.runtime.block_on(pages.next()) {
            let page = page.unwrap_or_else(|error| panic!("list: {}", DisplayErrorContext(&error)));
            keys.extend(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)));
        }
        keys
    }

    /// Every version and every delete marker of the keys that begin with a text.
    #[must_use]
    pub fn versions(&self, bucket: &str, prefix: &str) -> Vec<VersionRow> {
        let mut rows = Vec::new();
        let (mut key, mut version) = (None, None);
        loop {
            let request = self.client.list_object_versions().bucket(bucket).prefix(prefix);
            let page = ask!(self, request.set_key_marker(key).set_version_id_marker(version));
            let row = |key: Option<&str>, version: Option<&str>, is_marker| VersionRow {
                key: key.unwrap_or_default().to_owned(),
                version: version.unwrap_or_default().to_owned(),
                is_marker,
            };
            rows.extend(page.versions().iter().map(|found| row(found.key(), found.version_id(), false)));
            rows.extend(page.delete_markers().iter().map(|found| row(found.key(), found.version_id(), true)));
            if page.is_truncated() != Some(true) {
                return rows;
            }
            (key, version) = (page.next_key_marker, page.next_version_id_marker);
        }
    }

    /// Begins an upload in parts and uploads one, as a writer does that dies then.
    pub fn begin_upload(&self, bucket: &str, key: &str, part: &[u8]) {
        let begun = ask!(self, self.client.create_multipart_upload().bucket(bucket).key(key));
        let request = self.client.upload_part().bucket(bucket).key(key).part_number(1);
        let body = ByteStream::from(part.to_vec());
        ask!(self, request.set_upload_id(begun.upload_id).body(body));
    }

    /// The keys of the uploads in parts that are begun and not ended.
    #[must_use]
    pub fn uploads(&self, bucket: &str) -> Vec<String> {
        let page = ask!(self, self.client.list_multipart_uploads().bucket(bucket));
        page.uploads().iter().filter_map(|upload| upload.key().map(str::to_owned)).collect()
    }
}
