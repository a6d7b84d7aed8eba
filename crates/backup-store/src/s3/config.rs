use super::Endpoint;
use crate::{Error, Prefix, Result, SetupProblem};
use secrecy::SecretString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where a bucket is, and how it is reached.
///
/// ```
/// use backup_store::s3::{Endpoint, S3Config};
///
/// let mut config = S3Config::from_url("s3://backups/si")?;
/// config.endpoint = Some(Endpoint::new("https://s3.example.org")?);
/// config.region = Some("eu-central-1".to_owned());
///
/// for refused in ["s3://", "s3://Bucket", "s3://bucket/a//b", "s3://key:secret@bucket", "https://bucket"] {
///     assert!(S3Config::from_url(refused).is_err(), "{refused}");
/// }
/// # Ok::<(), backup_store::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct S3Config {
    /// The bucket; it must exist.
    pub bucket: String,
    /// What every key of the store is below.
    pub prefix: Prefix,
    /// The server; AWS itself if none is named.
    pub endpoint: Option<Endpoint>,
    /// The region that requests are signed for. If none is named: what the AWS SDK finds when it may look for credentials,
    /// else `us-east-1`, which servers without regions take.
    pub region: Option<String>,
    /// Where the bucket is named.
    pub addressing: Addressing,
    /// Who asks.
    pub credentials: S3Credentials,
    /// The certificate authority of the endpoint, in PEM; only it is then believed, not the system's own ones.
    pub ca_pem: Option<Vec<u8>>,
    /// Where unencrypted http is taken.
    pub plain_http: PlainHttp,
    /// How the server encrypts what it stores.
    pub encryption: ServerSideEncryption,
    /// Sizes and time limits.
    pub limits: S3Limits,
}

impl S3Config {
    /// A bucket of AWS, with the credentials that its SDK finds.
    ///
    /// # Errors
    /// [`Error::Setup`] for a name that no bucket has.
    pub fn new(bucket: impl Into<String>, prefix: Prefix) -> Result<Self> {
        let bucket = bucket.into();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte);
        if !(3..=63).contains(&bucket.len()) || !bucket.bytes().all(allowed) {
            return Err(invalid(format!(
                "'{}' cannot be a bucket: 3 to 63 small letters, digits, '.' and '-'",
                bucket.escape_debug()
            )));
        }
        Ok(Self {
            bucket,
            prefix,
            endpoint: None,
            region: None,
            addressing: Addressing::Automatic,
            credentials: S3Credentials::SdkChain,
            ca_pem: None,
            plain_http: PlainHttp::OnLoopbackOnly,
            encryption: ServerSideEncryption::StoreDefault,
            limits: S3Limits::default(),
        })
    }

    /// The same, of `s3://bucket/prefix`.
    ///
    /// # Errors
    /// [`Error::Setup`], [`Error::InvalidKey`]. A URL that may hold credentials is refused without being told.
    pub fn from_url(url: &str) -> Result<Self> {
        let Some(rest) = url.strip_prefix("s3://") else {
            return Err(invalid("the URL of a store in S3 begins with 's3://'".to_owned()));
        };
        if rest.contains(['@', '?', '#', ':']) {
            return Err(invalid(
                "the URL of a store in S3 is 's3://bucket/prefix', and nothing more".to_owned(),
            ));
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        Self::new(bucket, if prefix.is_empty() { Prefix::all() } else { Prefix::new(prefix)? })
    }
}

pub(super) fn invalid(detail: String) -> Error {
    Error::Setup { problem: SetupProblem::Invalid, detail }
}

/// Where the bucket is named in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addressing {
    /// In the path where an endpoint is named, in the host's name at AWS.
    #[default]
    Automatic,
    /// In the path.
    Path,
    /// In the host's name.
    VirtualHost,
}

/// Who asks.
#[derive(Clone, Default)]
pub enum S3Credentials {
    /// As any AWS SDK finds them: the environment, `~/.aws`, a web identity, the container's or the machine's role. The only
    /// choice with which this library looks at the environment.
    #[default]
    SdkChain,
    /// These.
    Static {
        /// The access key id.
        access_key_id: String,
        /// Its secret.
        secret_access_key: SecretString,
        /// The token of a session.
        session_token: Option<SecretString>,
    },
    /// A file of the AWS tools' form, readable by its owner alone; its profile `default`, or the one that is named.
    File {
        /// Where it is.
        path: PathBuf,
        /// Which profile.
        profile: Option<String>,
    },
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SdkChain => f.write_str("SdkChain"),
            Self::Static { .. } => f.write_str("Static(<redacted>)"),
            Self::File { path, profile } => {
                f.debug_struct("File").field("path", path).field("profile", profile).finish()
            }
        }
    }
}

/// Where unencrypted http is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlainHttp {
    /// Only to this machine.
    #[default]
    OnLoopbackOnly,
    /// Everywhere: whoever is on the way reads and changes what passes.
    Allowed,
}

/// How the server encrypts what it stores.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ServerSideEncryption {
    /// As the bucket is set up.
    #[default]
    StoreDefault,
    /// With keys that the store manages.
    SseS3,
    /// With a key of the key management service.
    SseKms {
        /// Which; the account's own if none is named.
        key: Option<String>,
    },
}

/// Sizes and time limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Limits {
    /// For a connection to come about.
    pub connect: Duration,
    /// For the answer to one request, on top of the time that its bytes need at [`least_rate`](Self::least_rate).
    pub call: Duration,
    /// Without a byte, up or down.
    pub stall: Duration,
    /// For one operation with all its retries, after which the last failure is the answer. Each that got on (a part stored,
    /// bytes read) begins anew.
    pub retry_budget: Duration,
    /// How often one request is made at most.
    pub attempts: u32,
    /// How long the first pause before a repetition is at most; each further one may be twice as long.
    pub first_pause: Duration,
    /// The same, when the store asked to slow down.
    pub first_pause_slow: Duration,
    /// How long a pause is at most.
    pub longest_pause: Duration,
    /// How fast the bytes of a request must pass at least, in bytes a second.
    pub least_rate: u64,
    /// The size of the first parts of an upload, in bytes; from 5 MiB on. Big objects get bigger ones.
    pub part_bytes: usize,
    /// The size of the pieces in which an object is read, in bytes.
    pub read_bytes: usize,
    /// How many parts or pieces are on their way at once.
    pub parallel: usize,
    /// How many bytes of parts on their way are held at most, where more than one part is.
    pub memory: usize,
    /// How many threads move them.
    pub threads: usize,
}

impl Default for S3Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_mins(1),
            stall: Duration::from_secs(30),
            retry_budget: Duration::from_mins(3),
            attempts: 10,
            first_pause: Duration::from_millis(100),
            first_pause_slow: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
            least_rate: 64 * 1024,
            part_bytes: 8 << 20,
            read_bytes: 8 << 20,
            parallel: 4,
            memory: 64 << 20,
            threads: 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_shows_credentials() {
        let secret = ["not", "a", "real", "one"].join("-");
        let mut config = S3Config::from_url("s3://bucket/a/b/").unwrap();
        config.credentials = S3Credentials::Static {
            access_key_id: secret.clone(),
            secret_access_key: secret.clone().into(),
            session_token: Some(secret.clone().into()),
        };
        assert!(!format!("{config:?}").contains(&secret));
        let url = format!("s3://key:{secret}@bucket/x");
        let error = S3Config::from_url(&url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(&secret));
    }

    #[test]
    fn a_url_is_a_bucket_and_a_prefix() {
        let config = S3Config::from_url("s3://my.bucket-1/a/b/").unwrap();
        assert_eq!((config.bucket.as_str(), config.prefix.to_string().as_str()), ("my.bucket-1", "a/b/"));
        for url in ["s3://bucket", "s3://bucket/"] {
            assert_eq!(S3Config::from_url(url).unwrap().prefix, Prefix::all());
        }
    }
}
