//! What is sent with bytes so that the store can compare what arrives.

use super::Shared;
use aws_runtime::auth::PayloadSigningOverride;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_types::base64;
use bytes::Bytes;
use md5::{Digest as _, Md5};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;

/// The digests of one body.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    sha256: [u8; 32],
    /// Where a lock's headers demand it, or where the store knows nothing newer.
    md5: Option<String>,
    with_sha256: bool,
}

impl Sums {
    /// Hashes `bytes` on a thread that may be busy for long.
    pub(super) async fn of(shared: &Shared, bytes: &Bytes, is_locked: bool) -> Self {
        let only_md5 = shared.only_md5.load(Ordering::Relaxed);
        let data = bytes.clone();
        let hash = move || Self::hash(&data, is_locked || only_md5, !only_md5);
        match tokio::task::spawn_blocking(hash).await {
            Ok(sums) => sums,
            // The thread could not be had: do it here.
            Err(_) => Self::hash(bytes, is_locked || only_md5, !only_md5),
        }
    }

    fn hash(bytes: &[u8], with_md5: bool, with_sha256: bool) -> Self {
        Self {
            sha256: Sha256::digest(bytes).into(),
            md5: with_md5.then(|| base64::encode(Md5::digest(bytes))),
            with_sha256,
        }
    }

    /// For the header `x-amz-checksum-sha256`.
    pub(super) fn sha256(&self) -> Option<String> {
        self.with_sha256.then(|| base64::encode(self.sha256))
    }

    pub(super) fn sha256_hex(&self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.sha256 {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }

    /// For the header `Content-MD5`.
    pub(super) fn md5(&self) -> Option<String> {
        self.md5.clone()
    }

    /// For the signature, which covers the digest of the body: so it is hashed once, not twice.
    pub(super) fn signed(&self) -> SignedDigest {
        SignedDigest(self.sha256_hex())
    }
}

/// Hands a digest that is known already to the signature.
#[derive(Debug)]
pub(super) struct SignedDigest(String);

impl Intercept for SignedDigest {
    fn name(&self) -> &'static str {
        "SignedDigest"
    }

    fn modify_before_signing(
        &self,
        _context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config.interceptor_state().store_put(PayloadSigningOverride::Precomputed(self.0.clone()));
        Ok(())
    }
}

/// Sends `Content-MD5` with a request whose body the SDK makes, as older stores demand; to one that knows nothing newer, only
/// that.
#[derive(Debug)]
pub(super) struct WithMd5 {
    only: bool,
}

impl WithMd5 {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { only: shared.only_md5.load(Ordering::Relaxed) }
    }
}

impl Intercept for WithMd5 {
    fn name(&self) -> &'static str {
        "WithMd5"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let Some(sum) = request.body().bytes().map(|bytes| base64::encode(Md5::digest(bytes))) else {
            return Ok(());
        };
        request.headers_mut().insert("content-md5", sum);
        if self.only {
            let newer: Vec<String> = request
                .headers()
                .iter()
                .map(|(name, _)| name.to_owned())
                .filter(|name| name.starts_with("x-amz-checksum-") || name == "x-amz-sdk-checksum-algorithm")
                .collect();
            for name in newer {
                request.headers_mut().remove(name);
            }
        }
        Ok(())
    }
}
