//! What can reach what: shared network stacks, shared networks, ways in from outside.

use super::model::{Project, Service};
use super::roles::Role;
use super::value::is_interpolated;
use std::collections::{BTreeMap, BTreeSet};

/// Services that share one network stack, and what is known of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Namespace {
    pub(crate) members: BTreeSet<String>,
    /// Network modes among them that lead to something this project does not show.
    pub(crate) open: BTreeSet<String>,
}

/// How a service is reached from outside of the host's containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// A service of its namespace has entries in `ports`.
    Port { service: String, entry: String },
    /// A service of its namespace is in the host's network.
    Host { service: String },
    /// It is the agent of a tunnel.
    Tunnel,
}

/// A network that a service is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attached {
    /// The key in the project's `networks`.
    pub(crate) key: String,
    /// What two keys of one network share.
    pub(crate) identity: String,
    /// Whether others than this project's services may be on it.
    pub(crate) external: bool,
}

impl Project {
    pub(crate) fn namespace(&self, name: &str) -> Namespace {
        let mut namespace = Namespace { members: BTreeSet::from([name.to_owned()]), ..Namespace::default() };
        loop {
            let before = namespace.members.len();
            for (other, service) in &self.services {
                let Some(mode) = service.network_mode.as_deref() else { continue };
                let Some(host) = self.namespace_host(mode) else { continue };
                if namespace.members.contains(other) || namespace.members.contains(host) {
                    namespace.members.extend([other.clone(), host.to_owned()]);
                }
            }
            if namespace.members.len() == before {
                break;
            }
        }
        let modes =
            namespace.members.iter().filter_map(|member| self.services.get(member)?.network_mode.as_deref());
        namespace.open = modes
            .filter(|mode| {
                let known = matches!(*mode, "host" | "none" | "bridge" | "default" | "");
                !known && self.namespace_host(mode).is_none()
            })
            .map(str::to_owned)
            .collect();
        namespace
    }

    /// The service of this project whose namespace a network mode joins.
    fn namespace_host<'a>(&'a self, mode: &'a str) -> Option<&'a str> {
        if let Some(service) = mode.strip_prefix("service:") {
            return (!is_interpolated(service)).then_some(service);
        }
        let container = mode.strip_prefix("container:")?;
        let is_it = |service: &Service| service.container_name.as_deref() == Some(container);
        self.services.iter().find(|(_, service)| is_it(service)).map(|(name, _)| name.as_str())
    }

    /// Every way from outside to a service.
    pub(crate) fn ways_to(&self, name: &str) -> Vec<Way> {
        let mut ways = Vec::new();
        for member in &self.namespace(name).members {
            let Some(service) = self.services.get(member) else { continue };
            let port = |entry: String| Way::Port { service: member.clone(), entry };
            ways.extend(service.ports.iter().map(|entry| port(entry.entry.clone())));
            if service.network_mode.as_deref() == Some("host") || self.joins_host_network(service) {
                ways.push(Way::Host { service: member.clone() });
            }
            if service.role(member) == Role::Tunnel {
                ways.push(Way::Tunnel);
            }
        }
        ways
    }

    /// Whether one of a service's networks is the host's by another name.
    fn joins_host_network(&self, service: &Service) -> bool {
        service.networks.iter().flat_map(BTreeMap::keys).any(|key| {
            self.networks.get(key).is_some_and(|network| {
                network.name.as_deref() == Some("host") || network.driver.as_deref() == Some("host")
            })
        })
    }

    /// The networks that a service is on, by way of its namespace too.
    pub(crate) fn networks_of(&self, name: &str) -> Vec<Attached> {
        let mut keys: BTreeSet<Option<&str>> = BTreeSet::new();
        for member in &self.namespace(name).members {
            let Some(service) = self.services.get(member) else { continue };
            match service.network_mode.as_deref() {
                Some("bridge" | "default") => {
                    keys.insert(None);
                }
                Some(mode) if !mode.is_empty() => {}
                _ => match &service.networks {
                    Some(networks) if !networks.is_empty() => {
                        keys.extend(networks.keys().map(|key| Some(key.as_str())));
                    }
                    _ => {
                        keys.insert(Some("default"));
                    }
                },
            }
        }
        keys.into_iter().map(|key| self.attached(key)).collect()
    }

    fn attached(&self, key: Option<&str>) -> Attached {
        let Some(key) = key else {
            return Attached { key: "bridge".into(), identity: "bridge".into(), external: true };
        };
        let network = self.networks.get(key);
        Attached {
            key: key.to_owned(),
            identity: network.and_then(|network| network.name.clone()).unwrap_or_else(|| key.to_owned()),
            external: network.is_some_and(|network| network.external),
        }
    }
}
