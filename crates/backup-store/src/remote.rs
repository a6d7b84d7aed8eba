use std::fmt;

/// Why a store behind a network did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteProblem {
    /// No connection came about, or it broke again and again.
    Unreachable,
    /// The server's certificate is not to be trusted.
    Tls,
    /// No answer within the time limit, again and again.
    TimedOut,
    /// The store asked to slow down for longer than there was time.
    Throttled,
    /// The store failed, again and again.
    Failed,
    /// These credentials may not do that.
    Denied,
    /// There are no credentials, or the store does not take them.
    Credentials,
    /// The clocks of this host and of the store are too far apart.
    ClockSkew,
    /// There is no such bucket.
    NoBucket,
    /// The bucket is in another region than the one that was asked.
    WrongRegion,
    /// The store took the request for wrong.
    Refused,
    /// The store's answer cannot be right.
    Answer,
}

impl RemoteProblem {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable => "store-unreachable",
            Self::Tls => "store-tls",
            Self::TimedOut => "store-timeout",
            Self::Throttled => "store-throttled",
            Self::Failed => "store-failed",
            Self::Denied => "store-denied",
            Self::Credentials => "store-credentials",
            Self::ClockSkew => "clock-skew",
            Self::NoBucket => "bucket-missing",
            Self::WrongRegion => "wrong-region",
            Self::Refused => "store-refused",
            Self::Answer => "store-answer",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreachable => {
                "look at 'endpoint' in the settings, the network and the server, and run again"
            }
            Self::Tls => "if the store has a certificate authority of its own, name it with 'ca_file'",
            Self::TimedOut => "look at the network and the server, and run again",
            Self::Throttled => "run again later, or let fewer runs use the store at once",
            Self::Failed => "look at the store's own logs, and run again",
            Self::Denied => {
                "give these credentials the permission, or use others; docs/formats.md lists what is needed"
            }
            Self::Credentials => {
                "name a file of credentials with 'credentials_file' (mode 0600), or set them up as for any AWS SDK"
            }
            Self::ClockSkew => "set this host's clock (NTP), then run again",
            Self::NoBucket => "create the bucket, or correct 'url'; it is never created unasked",
            Self::WrongRegion => "set 'region' in the settings to the bucket's own",
            Self::Refused => {
                "look at what the store says; it may lack what is asked of it ('si-backup doctor')"
            }
            Self::Answer => {
                "look whether 'endpoint' is that of an S3-compatible store, and what lies between"
            }
        }
    }
}

impl fmt::Display for RemoteProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "the store cannot be reached",
            Self::Tls => "the server's certificate is not trusted",
            Self::TimedOut => "no answer in time",
            Self::Throttled => "the store asks to slow down",
            Self::Failed => "the store failed",
            Self::Denied => "these credentials may not do that",
            Self::Credentials => "the store takes no credentials that are here",
            Self::ClockSkew => "this host's clock and the store's are too far apart",
            Self::NoBucket => "there is no such bucket",
            Self::WrongRegion => "the bucket is in another region",
            Self::Refused => "the store refused",
            Self::Answer => "the answer makes no sense",
        })
    }
}

/// Why the settings of a store behind a network cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetupProblem {
    /// A bucket, prefix, endpoint or region that cannot be one.
    Invalid,
    /// Unencrypted http to somewhere else than this host.
    PlainHttp,
    /// The certificate authority is none.
    Certificate,
    /// The file of credentials is not there or holds none.
    Credentials,
    /// The file of credentials can be read by others.
    Exposed,
    /// The machinery could not be started.
    Runtime,
}

impl SetupProblem {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid => "store-settings-invalid",
            Self::PlainHttp => "plain-http-refused",
            Self::Certificate => "ca-invalid",
            Self::Credentials => "credentials-invalid",
            Self::Exposed => "credentials-exposed",
            Self::Runtime => "store-start-failed",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Invalid => "correct the store's settings",
            Self::PlainHttp => {
                "use https, or say 'allow_plain_http = true': then whoever is on the way can read and change everything \
                 but what the bundles themselves seal"
            }
            Self::Certificate => "'ca_file' is one or more certificates in PEM",
            Self::Credentials => {
                "write it as for the AWS tools: [default], then aws_access_key_id and aws_secret_access_key, a line each"
            }
            Self::Exposed => "chmod 600 it, and think of the secret key as known to others",
            Self::Runtime => "look at the limits of this process (threads, memory), and run again",
        }
    }
}
