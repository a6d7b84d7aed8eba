use super::config::invalid;
use crate::Result;
use std::fmt;
use std::net::IpAddr;

/// The address of an S3-compatible server: `http` or `https`, a host, perhaps a port and a path, and nothing else.
///
/// ```
/// use backup_store::s3::Endpoint;
///
/// assert!(Endpoint::new("https://s3.example.org:9000")?.is_encrypted());
/// assert!(Endpoint::new("http://127.0.0.1:9000")?.is_loopback());
/// for refused in ["s3.example.org", "ftp://x", "https://", "https://key:secret@x", "https://x?y", "https://x:port"] {
///     assert!(Endpoint::new(refused).is_err(), "{refused}");
/// }
/// # Ok::<(), backup_store::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
    is_encrypted: bool,
    is_loopback: bool,
}

impl Endpoint {
    /// Takes an address apart.
    ///
    /// # Errors
    /// [`Error::Setup`](crate::Error::Setup). An address that may hold credentials is refused without being told.
    pub fn new(url: &str) -> Result<Self> {
        if url.contains('@') {
            return Err(invalid("an endpoint holds no user and no password".to_owned()));
        }
        let not_one = |why: &str| invalid(format!("'{}' is no endpoint: {why}", url.escape_debug()));
        let (is_encrypted, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(not_one("it begins with 'https://' or 'http://'")),
        };
        if rest.contains(['?', '#', '\\']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(not_one("it is a host, perhaps with a port and a path"));
        }
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => {
                let (host, port) =
                    v6.split_once(']').ok_or_else(|| not_one("its host has no closing ']'"))?;
                (host, port.strip_prefix(':').or(port.is_empty().then_some("443")))
            }
            None => match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, Some("443")),
            },
        };
        if port.and_then(|port| port.parse::<u16>().ok()).is_none() {
            return Err(not_one("its port is no number up to 65535"));
        }
        let is_v6 = authority.starts_with('[');
        let is_name = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        let ip: Option<IpAddr> = host.parse().ok();
        if !(is_name || (is_v6 && ip.is_some())) {
            return Err(not_one("its host is none"));
        }
        let is_loopback = ip.map_or_else(|| host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback());
        Ok(Self { url: url.trim_end_matches('/').to_owned(), is_encrypted, is_loopback })
    }

    /// Whether it is https.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    /// Whether it is this machine.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// As it was written, without a closing `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_addresses() {
        for (url, is_loopback) in [
            ("http://localhost:9000", true),
            ("http://127.0.0.2", true),
            ("http://[::1]:9000/", true),
            ("http://127.0.0.1.example.org", false),
            ("http://localhost.example.org", false),
            ("http://10.0.0.1:9000", false),
            ("http://[2001:db8::1]", false),
        ] {
            assert_eq!(Endpoint::new(url).unwrap().is_loopback(), is_loopback, "{url}");
        }
    }

    #[test]
    fn what_may_be_a_password_is_not_told() {
        let secret = ["hunt", "er2"].concat();
        let error = Endpoint::new(&format!("https://user:{secret}@host")).unwrap_err();
        assert!(!error.to_string().contains(&secret));
    }
}
