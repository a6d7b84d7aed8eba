use crate::Known;

/// Something that must not be committed, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// What it is: `settings`, `control store`, `env file of shop`.
    pub what: String,
    /// Its path.
    pub path: String,
    /// Whether it lies inside a git work tree.
    pub whereabouts: Known<Whereabouts>,
}

/// Whether something lies inside a git work tree, once all links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// It does not.
    Outside,
    /// It lies in the work tree of this path.
    InGit(String),
}

/// Who can open the backups of the private state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Openers {
    /// How many recipients new backups are sealed to.
    pub recipients: usize,
    /// How many of those have no identity on this host.
    pub away: usize,
    /// How many identities are kept on this host, whoever they belong to.
    pub identities_here: usize,
}

/// A way from this host to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Where it leads: `control store file:///srv/backups`. Holds no credential.
    pub to: String,
    /// How it is travelled.
    pub transit: Known<Transit>,
}

/// How something travels to a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transit {
    /// Into a directory of this host. Where that is a network's, what is written there is sealed already.
    Directory,
    /// Over an encrypted connection.
    Encrypted,
    /// In the clear, to this host itself.
    PlainLoopback,
    /// In the clear.
    Plain,
}

impl Transit {
    /// How an S3 store is reached at `endpoint`; without one, at the provider's own, which is encrypted.
    ///
    /// ```
    /// use backup_contract::Transit;
    ///
    /// assert_eq!(Transit::to_endpoint(None), Some(Transit::Encrypted));
    /// assert_eq!(Transit::to_endpoint(Some("https://s3.example")), Some(Transit::Encrypted));
    /// assert_eq!(Transit::to_endpoint(Some("HTTP://127.0.0.1:7070/")), Some(Transit::PlainLoopback));
    /// assert_eq!(Transit::to_endpoint(Some("http://[::1]:7070")), Some(Transit::PlainLoopback));
    /// assert_eq!(Transit::to_endpoint(Some("http://127.0.0.1.example")), Some(Transit::Plain));
    /// assert_eq!(Transit::to_endpoint(Some("s3.example")), None);
    /// ```
    #[must_use]
    pub fn to_endpoint(endpoint: Option<&str>) -> Option<Self> {
        let Some(endpoint) = endpoint else { return Some(Self::Encrypted) };
        let (scheme, rest) = endpoint.split_once("://")?;
        if scheme.eq_ignore_ascii_case("https") {
            return Some(Self::Encrypted);
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => authority.split(':').next().unwrap_or(authority),
        };
        let is_loopback = host.eq_ignore_ascii_case("localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        Some(if is_loopback { Self::PlainLoopback } else { Self::Plain })
    }
}
