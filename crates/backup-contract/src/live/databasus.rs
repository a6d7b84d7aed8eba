use crate::{Checked, ClauseId, Finding, Place, Severity, Unjudged};
use std::net::IpAddr;

/// What is known of the running container of Databasus.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatabasusFacts {
    /// Its name.
    pub container: String,
    /// The ports that the host passes on to it; none while nobody has looked.
    pub published: Option<Vec<PublishedPort>>,
    /// Whether it uses the host's network; none while nobody has looked.
    pub host_network: Option<bool>,
}

/// A port of the host that leads into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublishedPort {
    /// The address on the host.
    pub address: IpAddr,
    /// The port on the host.
    pub port: u16,
    /// The port in the container.
    pub container_port: u16,
}

impl DatabasusFacts {
    /// No port of the host leads to it, whatever address it is bound to: the policy says no host web port.
    #[must_use]
    pub fn check(&self) -> Checked {
        let mut out = Checked::default();
        let place = || Place::of(format!("container {}", self.container));
        match &self.published {
            None => out.unjudged.push(unknown("its published ports were not asked for")),
            Some(ports) => out.findings.extend(ports.iter().map(|port| {
                Finding::new(
                    "live-databasus-published",
                    Severity::Error,
                    place(),
                    format!(
                        "is reached from the host: {}:{} leads to its port {}",
                        port.address, port.port, port.container_port
                    ),
                    "remove 'ports' from the service and start it again; 'expose' is enough within its network",
                )
                .about(ClauseId::DatabasusPrivate)
            })),
        }
        match self.host_network {
            None => out.unjudged.push(unknown("its network mode was not asked for")),
            Some(false) => {}
            Some(true) => out.findings.push(
                Finding::new(
                    "live-databasus-host-network",
                    Severity::Error,
                    place(),
                    "uses the host's network: every port that it opens is one of the host",
                    "remove 'network_mode: host' from the service and start it again",
                )
                .about(ClauseId::DatabasusPrivate),
            ),
        }
        out
    }
}

fn unknown(why: &str) -> Unjudged {
    Unjudged::new(ClauseId::DatabasusPrivate, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_published_port_is_one_too_many() {
        let with = |published, host_network| {
            let facts = DatabasusFacts { container: "databasus".into(), published, host_network };
            facts.check()
        };
        assert_eq!(with(Some(vec![]), Some(false)), Checked::default());
        for address in ["0.0.0.0", "127.0.0.1", "::", "::1"] {
            let port = PublishedPort { address: address.parse().unwrap(), port: 4005, container_port: 4005 };
            let found = with(Some(vec![port]), Some(false));
            assert_eq!(found.findings[0].code, "live-databasus-published", "{address}");
        }
        assert_eq!(with(Some(vec![]), Some(true)).findings[0].code, "live-databasus-host-network");
        let unknown = with(None, None);
        assert!(unknown.findings.is_empty() && unknown.unjudged.len() == 2);
    }
}
