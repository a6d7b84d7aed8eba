//! From the settings of a store to the store.

use crate::settings::{EncryptionSettings, SettingsError, StoreSettings};
use crate::{CliError, Session};
use backup_store::s3::{Addressing, Endpoint, PlainHttp, S3Credentials, ServerSideEncryption};
use backup_store::{DirStore, S3Config, S3Store, Store};
use std::path::{Path, PathBuf};

/// Opens the store that settings name.
///
/// # Errors
/// [`CliError::Settings`] for a URL that names no store; [`CliError::Store`].
pub fn open_store(settings: &StoreSettings, session: &Session<'_>) -> Result<Box<dyn Store>, CliError> {
    if settings.url.starts_with("s3://") {
        return Ok(Box::new(S3Store::connect(s3_config(settings, session)?)?));
    }
    let directory = store_directory(&settings.url, session)?;
    if let Some(name) = settings.only_for_buckets() {
        return Err(invalid(&settings.url, &format!("'{name}' is a setting of stores in S3")).into());
    }
    Ok(Box::new(DirStore::open(directory)?))
}

fn s3_config(settings: &StoreSettings, session: &Session<'_>) -> Result<S3Config, CliError> {
    let mut config = S3Config::from_url(&settings.url)?;
    config.endpoint = settings.endpoint.as_deref().map(Endpoint::new).transpose()?;
    config.region.clone_from(&settings.region);
    config.addressing = match settings.path_style {
        None => Addressing::Automatic,
        Some(true) => Addressing::Path,
        Some(false) => Addressing::VirtualHost,
    };
    if settings.allow_plain_http {
        config.plain_http = PlainHttp::Allowed;
    }
    config.encryption = match (settings.encryption, &settings.kms_key) {
        (Some(EncryptionSettings::SseKms), key) => ServerSideEncryption::SseKms { key: key.clone() },
        (_, Some(_)) => {
            return Err(invalid(&settings.url, "'kms_key' goes with encryption = \"sse-kms\"").into());
        }
        (Some(EncryptionSettings::SseS3), None) => ServerSideEncryption::SseS3,
        (None, None) => ServerSideEncryption::StoreDefault,
    };
    if let Some(path) = &settings.credentials_file {
        config.credentials = S3Credentials::File { path: session.expand(path)?, profile: None };
    }
    if let Some(path) = &settings.ca_file {
        let path = session.expand(path)?;
        let pem = std::fs::read(&path);
        config.ca_pem = Some(pem.map_err(|source| CliError::Io { operation: "read", path, source })?);
    }
    Ok(config)
}

/// The directory that a store URL names.
///
/// # Errors
/// [`CliError::Settings`].
pub fn store_directory(url: &str, session: &Session<'_>) -> Result<PathBuf, CliError> {
    let path = match url.split_once("://") {
        Some(("file", path)) => PathBuf::from(path),
        Some((scheme, _)) => {
            let reason = format!(
                "stores are directories (file://) or buckets (s3://), not '{}'",
                scheme.escape_debug()
            );
            return Err(invalid(url, &reason).into());
        }
        None => session.expand(Path::new(url))?,
    };
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(invalid(url, "the directory must be given from the root").into())
    }
}

fn invalid(url: &str, reason: &str) -> SettingsError {
    SettingsError::StoreUrl { url: redacted(url), reason: reason.to_owned() }
}

/// A URL without what may be a password.
fn redacted(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://<redacted>@{host}"),
        _ => url.to_owned(),
    }
}
