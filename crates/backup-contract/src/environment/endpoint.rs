use super::check::Environment;
use crate::{Checked, ClauseId, Finding, Severity, Stage};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The address of a store: `https://s3.test:9000`, without a path, a query or a password in it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    transport: Transport,
    host: String,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Transport {
    Tls,
    Plain,
}

impl Endpoint {
    /// Takes `https://host`, `http://host:port`, or the same with an address.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (transport, default_port, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (Transport::Tls, 443, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (Transport::Plain, 80, rest)
        } else {
            return Err("it begins with neither 'https://' nor 'http://'");
        };
        if rest.contains('@') {
            return Err("it holds a user or a password, which other programs would print");
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = if let Some(bracketed) = rest.strip_prefix('[') {
            let (address, after) = bracketed.split_once(']').ok_or("a bracket is not closed")?;
            address.parse::<Ipv6Addr>().map_err(|_| "what is between its brackets is no address")?;
            (
                address,
                after
                    .strip_prefix(':')
                    .or((after.is_empty()).then_some(""))
                    .ok_or("it holds more than a host and a port")?,
            )
        } else {
            match rest.split_once(':') {
                Some((_, "")) => return Err("its port is missing"),
                Some((host, port)) => (host, port),
                None => (rest, ""),
            }
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if host.is_empty() || !rest.starts_with('[') && !host.bytes().all(is_name) {
            return Err("it holds more than a host and a port");
        }
        let port = match port {
            "" => default_port,
            port => {
                port.parse().ok().filter(|port| *port > 0).ok_or("its port is no number from 1 to 65535")?
            }
        };
        Ok(Self { transport, host: host.to_ascii_lowercase(), port })
    }

    /// Whether what travels to it can be read on the way.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.transport == Transport::Plain
    }

    /// Whether it is this host itself.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => self.host == "localhost" || self.host.ends_with(".localhost"),
        }
    }

    /// Host and port.
    #[must_use]
    pub fn authority(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It is a value of an env file, and those are never shown.
        f.write_str("Endpoint(<redacted>)")
    }
}

/// The names under which an engine looks for the endpoint of a bucket, the one that counts first.
pub(super) const NAMES: [&str; 5] =
    ["AWS_ENDPOINT_URL", "AWS_ENDPOINT", "WALG_AWS_ENDPOINT", "WALE_AWS_ENDPOINT", "WALG_S3_ENDPOINT"];

/// What is sent to the store is encrypted on its way, whichever name the engine reads.
pub(super) fn check(env: &Environment<'_>, out: &mut Checked) {
    for name in NAMES {
        let Some(text) = env.text(name) else { continue };
        match Endpoint::parse(text) {
            Err(reason) => out.findings.push(
                Finding::new(
                    "env-endpoint-malformed",
                    Severity::Error,
                    env.place(name),
                    format!("is no address of a store: {reason}"),
                    "write it like https://s3.eu-central-1.amazonaws.com",
                )
                .about(ClauseId::AppContract),
            ),
            Ok(endpoint)
                if endpoint.is_plain() && !(endpoint.is_loopback() && env.stage == Stage::NonProduction) =>
            {
                out.findings.push(
                    Finding::new(
                        "env-endpoint-plaintext",
                        Severity::Error,
                        env.place(name),
                        "is not https: keys and names travel in the clear, and backups can be changed on their way",
                        "use https; http is for a store on the same host, where 'production = false'",
                    )
                    .about(ClauseId::EncryptedInTransit),
                );
            }
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineKind::WalG;
    use crate::environment::check::tests::{codes, found};
    use proptest::prelude::*;

    #[test]
    fn hosts_and_addresses_are_read() {
        for (text, host, port, loopback) in [
            ("https://s3.test", "s3.test", 443, false),
            ("https://S3.Test:9000/", "s3.test", 9000, false),
            ("http://localhost", "localhost", 80, true),
            ("http://minio.localhost:9000", "minio.localhost", 9000, true),
            ("http://127.8.0.1:9000", "127.8.0.1", 9000, true),
            ("http://[::1]:9000", "::1", 9000, true),
            ("https://[2001:db8::1]", "2001:db8::1", 443, false),
            ("http://localhost.evil.test", "localhost.evil.test", 80, false),
            ("http://127.0.0.1.evil.test", "127.0.0.1.evil.test", 80, false),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.authority(), endpoint.is_loopback()), ((host, port), loopback), "{text}");
        }
        for bad in [
            "",
            "s3.test",
            "ftp://s3.test",
            "https://",
            "https://:9000",
            "https://a b",
            "https://s3.test:",
            "https://s3.test:0",
            "https://s3.test:70000",
            "https://s3.test/bucket",
            "https://s3.test?x",
            "https://u:p@s3.test",
            "https://[::1",
            "https://[x]",
            "https://[::1]x",
            "http://127.0.0.1@evil.test",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn http_is_for_loopback_away_from_production_only() {
        let at =
            |text: &str, stage| found(text, WalG, stage, check).iter().map(|f| f.code).collect::<Vec<_>>();
        for text in ["WALG_AWS_ENDPOINT=http://127.0.0.1:9000", "AWS_ENDPOINT=http://[::1]:9000"] {
            assert!(at(text, Stage::NonProduction).is_empty());
            assert_eq!(at(text, Stage::Production), ["env-endpoint-plaintext"]);
        }
        assert_eq!(
            at("WALG_AWS_ENDPOINT=http://minio:9000", Stage::NonProduction),
            ["env-endpoint-plaintext"]
        );
        assert_eq!(codes("WALG_AWS_ENDPOINT=minio:9000", WalG, check), ["env-endpoint-malformed"]);
        assert!(codes("WALG_AWS_ENDPOINT=https://s3.test", WalG, check).is_empty());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(https?://)?.*") {
            let _ = Endpoint::parse(&text);
        }
    }
}
