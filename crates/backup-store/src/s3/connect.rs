//! From settings to a client.

use super::config::invalid;
use super::{Addressing, Endpoint, PlainHttp, S3Config, S3Credentials};
use crate::{Error, Result, SetupProblem};
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_s3::config::{
    BehaviorVersion, Region, RequestChecksumCalculation, ResponseChecksumValidation, SharedHttpClient,
    StalledStreamProtectionConfig,
};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use rustls::pki_types::pem::PemObject as _;
use secrecy::ExposeSecret as _;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Far more than a file of credentials is long, in bytes.
const MAX_CREDENTIALS: u64 = 1 << 20;
/// What servers without regions take.
const NO_REGION: &str = "us-east-1";

/// Looks over what needs no network.
pub(super) fn check(config: &S3Config) -> Result<()> {
    if let Some(endpoint) = &config.endpoint
        && !endpoint.is_encrypted()
        && !endpoint.is_loopback()
        && config.plain_http == PlainHttp::OnLoopbackOnly
    {
        return Err(Error::Setup {
            problem: SetupProblem::PlainHttp,
            detail: format!("the endpoint {endpoint} is not encrypted, and not this machine"),
        });
    }
    if let Some(region) = &config.region
        && (region.is_empty() || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)))
    {
        return Err(invalid(format!("'{}' is no region", region.escape_debug())));
    }
    if config.limits.part_bytes < 5 << 20 {
        return Err(invalid("a part of an upload has at least 5 MiB".to_owned()));
    }
    config.ca_pem.as_deref().map_or(Ok(()), check_authority)
}

/// The client would panic over a certificate that it cannot read.
fn check_authority(pem: &[u8]) -> Result<()> {
    let wrong = |detail: String| Error::Setup { problem: SetupProblem::Certificate, detail };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| wrong(format!("the certificate authority is no PEM: {error}")))?;
        roots.add(certificate).map_err(|error| {
            wrong(format!("the certificate authority holds what is no certificate: {error}"))
        })?;
    }
    if roots.is_empty() {
        return Err(wrong("the certificate authority holds no certificate".to_owned()));
    }
    Ok(())
}

fn http_client(is_encrypted: bool, authority: Option<&[u8]>) -> Result<SharedHttpClient> {
    let builder = aws_smithy_http_client::Builder::new();
    if !is_encrypted {
        return Ok(builder.build_http());
    }
    let trusted = match authority {
        Some(pem) => TrustStore::empty().with_pem_certificate(pem),
        None => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(trusted).build().map_err(|error| Error::Setup {
        problem: SetupProblem::Certificate,
        detail: format!("the certificate authorities cannot be used: {error}"),
    })?;
    Ok(builder.tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https())
}

/// Makes the client. Asks the network for nothing yet.
pub(super) async fn client(config: &S3Config) -> Result<aws_sdk_s3::Client> {
    let is_encrypted = config.endpoint.as_ref().is_none_or(Endpoint::is_encrypted);
    let http = http_client(is_encrypted, config.ca_pem.as_deref())?;
    let path_style = match config.addressing {
        Addressing::Automatic => config.endpoint.is_some(),
        Addressing::Path => true,
        Addressing::VirtualHost => false,
    };
    let region = region(config).await;
    let credentials = credentials(config, &region).await?;
    let timeouts = TimeoutConfig::builder().connect_timeout(config.limits.connect).build();
    let stalled = StalledStreamProtectionConfig::enabled()
        .upload_enabled(true)
        .download_enabled(false)
        .grace_period(config.limits.stall)
        .build();
    let mut builder = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .credentials_provider(credentials)
        .force_path_style(path_style)
        .disable_s3_express_session_auth(true)
        // Retries and checksums are this library's own work.
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .stalled_stream_protection(stalled)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(endpoint) = &config.endpoint {
        builder = builder.endpoint_url(endpoint.as_str());
    }
    Ok(aws_sdk_s3::Client::from_conf(builder.build()))
}

async fn region(config: &S3Config) -> Region {
    use aws_config::meta::region::ProvideRegion as _;
    if let Some(region) = &config.region {
        return Region::new(region.clone());
    }
    let found = match config.credentials {
        S3Credentials::SdkChain => {
            let environment = aws_config::environment::EnvironmentVariableRegionProvider::new();
            match environment.region().await {
                Some(region) => Some(region),
                None => aws_config::profile::ProfileFileRegionProvider::new().region().await,
            }
        }
        S3Credentials::Static { .. } | S3Credentials::File { .. } => None,
    };
    found.unwrap_or_else(|| Region::from_static(NO_REGION))
}

async fn credentials(config: &S3Config, region: &Region) -> Result<SharedCredentialsProvider> {
    Ok(match &config.credentials {
        S3Credentials::SdkChain => {
            // Who gives out credentials is not behind the store's own certificate authority.
            let provider = ProviderConfig::without_region()
                .with_region(Some(region.clone()))
                .with_http_client(http_client(true, None)?);
            let chain = aws_config::default_provider::credentials::DefaultCredentialsChain::builder()
                .configure(provider)
                .region(region.clone());
            SharedCredentialsProvider::new(chain.build().await)
        }
        S3Credentials::Static { access_key_id, secret_access_key, session_token } => {
            SharedCredentialsProvider::new(Credentials::new(
                access_key_id.clone(),
                secret_access_key.expose_secret(),
                session_token.as_ref().map(|token| token.expose_secret().to_owned()),
                None,
                "si-backup",
            ))
        }
        S3Credentials::File { path, profile } => {
            let text = read_private(path)?;
            SharedCredentialsProvider::new(from_profile(
                path,
                &text,
                profile.as_deref().unwrap_or("default"),
            )?)
        }
    })
}

fn unusable(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::Setup {
        problem: SetupProblem::Credentials,
        detail: format!("the file of credentials {} cannot be used: {why}", path.display()),
    }
}

/// Reads a file that nobody but its owner may read.
fn read_private(path: &Path) -> Result<String> {
    let file = std::fs::File::open(path).map_err(|error| unusable(path, error))?;
    let meta = file.metadata().map_err(|error| unusable(path, error))?;
    if !meta.is_file() {
        return Err(unusable(path, "it is no file"));
    }
    if meta.mode() & 0o077 != 0 {
        return Err(Error::Setup {
            problem: SetupProblem::Exposed,
            detail: format!(
                "the file of credentials {} can be read by others (mode {:04o})",
                path.display(),
                meta.mode() & 0o7777
            ),
        });
    }
    let mut text = String::new();
    file.take(MAX_CREDENTIALS).read_to_string(&mut text).map_err(|error| unusable(path, error))?;
    Ok(text)
}

/// The static credentials of one profile. Nothing of the file is told but the names of profiles and settings.
fn from_profile(path: &Path, text: &str, profile: &str) -> Result<Credentials> {
    let (mut section, mut found) = (String::new(), false);
    let (mut id, mut secret, mut token) = (None, None, None);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let name = name.trim();
            section = name.strip_prefix("profile ").unwrap_or(name).trim().to_string();
            found |= section == profile;
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err(unusable(
                path,
                format!("line {} is neither '[profile]' nor 'name = value'", number + 1),
            ));
        };
        if section == profile {
            let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
            match name.trim() {
                "aws_access_key_id" => id = value,
                "aws_secret_access_key" => secret = value,
                "aws_session_token" => token = value,
                _ => {}
            }
        }
    }
    match (id, secret) {
        (Some(id), Some(secret)) => Ok(Credentials::new(id, secret, token, None, "si-backup")),
        _ if !found => Err(unusable(path, format!("it has no profile [{profile}]"))),
        (None, _) => Err(unusable(path, format!("[{profile}] has no aws_access_key_id"))),
        (_, None) => Err(unusable(path, format!("[{profile}] has no aws_secret_access_key"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn key(text: &str) -> String {
        ["K", "EY", text].concat()
    }

    #[test]
    fn a_profile_of_the_aws_form_is_read() {
        let text = format!(
            "# mine\n[other]\naws_access_key_id = x\n\n[default]\naws_access_key_id={}\n aws_secret_access_key = {}=\nregion = y\n",
            key("1"),
            key("2")
        );
        let found = from_profile(Path::new("f"), &text, "default").unwrap();
        assert_eq!(
            (found.access_key_id(), found.secret_access_key()),
            (&*key("1"), &*format!("{}=", key("2")))
        );
        for (profile, expected) in [("other", "no aws_secret_access_key"), ("third", "no profile [third]")] {
            let error = from_profile(Path::new("f"), &text, profile).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let error = from_profile(Path::new("f"), &format!("[default]\n{}", key("3")), "default").unwrap_err();
        assert!(error.to_string().contains("line 2") && !error.to_string().contains(&key("3")), "{error}");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("credentials");
        std::fs::write(&path, "[default]\n").unwrap();
        for (mode, code) in [(0o600, None), (0o400, None), (0o640, Some("credentials-exposed"))] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_private(&path).err().map(|error| error.code()), code, "{mode:o}");
        }
        let missing = read_private(&home.path().join("none")).unwrap_err();
        assert_eq!(missing.code(), "credentials-invalid");
    }

    #[test]
    fn plain_http_leaves_this_machine_only_where_that_was_said() {
        let mut config = S3Config::from_url("s3://bucket").unwrap();
        for (url, code) in [
            ("http://127.0.0.1:9000", None),
            ("https://s3.example.org", None),
            ("http://s3.example.org", Some("plain-http-refused")),
        ] {
            config.endpoint = Some(Endpoint::new(url).unwrap());
            assert_eq!(check(&config).err().map(|error| error.code()), code, "{url}");
        }
        config.plain_http = PlainHttp::Allowed;
        check(&config).unwrap();
    }

    #[test]
    fn an_authority_that_is_none_is_an_error_and_no_panic() {
        for pem in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert_eq!(check_authority(pem.as_bytes()).unwrap_err().code(), "ca-invalid", "{pem:?}");
        }
    }
}
