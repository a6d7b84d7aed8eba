//! One file over another, by compose's rules: a scalar is replaced, a mapping is merged, a list is added to, and of
//! entries of a list that mean the same thing the later one stays. A command is replaced whole.

use super::model::{Beyond, Mount, Network, Port, Project, Service, Volume};
use std::collections::BTreeMap;

impl Project {
    /// Puts `later` over this.
    pub(crate) fn merge(&mut self, later: Self) {
        let Self { services, networks, volumes, configs, beyond } = later;
        for beyond in &beyond {
            if let Beyond::Tagged { pointer } = beyond {
                self.forget(pointer);
            }
        }
        merge_maps(&mut self.services, services, Service::merge);
        merge_maps(&mut self.networks, networks, Network::merge);
        merge_maps(&mut self.volumes, volumes, Volume::merge);
        self.configs.extend(configs);
        self.beyond.extend(beyond);
    }

    /// Takes back what a tagged value of a later file changes in a way that is not followed: what stays is not accused
    /// of what may no longer be so.
    fn forget(&mut self, pointer: &str) {
        let mut parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
        let (section, name, field) = (parts.next(), parts.next(), parts.next());
        match (section.as_deref(), name, field) {
            (Some("services"), None, _) => self.services.clear(),
            (Some("services"), Some(name), None) => {
                self.services.remove(&name);
            }
            (Some("services"), Some(name), Some(field)) => {
                if let Some(service) = self.services.get_mut(&name) {
                    service.forget(&field);
                }
            }
            (Some("networks"), Some(name), _) => {
                self.networks.remove(&name);
            }
            (Some("volumes"), Some(name), _) => {
                self.volumes.remove(&name);
            }
            (Some("configs"), Some(name), _) => {
                self.configs.remove(&name);
            }
            _ => {}
        }
    }
}

fn merge_maps<T>(into: &mut BTreeMap<String, T>, later: BTreeMap<String, T>, merge: impl Fn(&mut T, T)) {
    for (name, value) in later {
        match into.get_mut(&name) {
            Some(earlier) => merge(earlier, value),
            None => {
                into.insert(name, value);
            }
        }
    }
}

fn replace<T>(earlier: &mut Option<T>, later: Option<T>) {
    if later.is_some() {
        *earlier = later;
    }
}

/// Adds the entries that mean something new, and puts the others in the place of what they replace.
fn unite<T, K: PartialEq>(earlier: &mut Vec<T>, later: Vec<T>, key: impl Fn(&T) -> K) {
    for entry in later {
        match earlier.iter_mut().find(|other| key(other) == key(&entry)) {
            Some(other) => *other = entry,
            None => earlier.push(entry),
        }
    }
}

impl Service {
    fn forget(&mut self, field: &str) {
        match field {
            "image" => self.image = None,
            "build" => (self.built, self.build_args) = (false, BTreeMap::new()),
            "container_name" => self.container_name = None,
            "hostname" => self.hostname = None,
            "command" => self.command = None,
            "entrypoint" => self.entrypoint = None,
            "environment" => self.environment.clear(),
            "env_file" => self.env_files.clear(),
            "labels" => self.labels.clear(),
            "deploy" => (self.labels, self.restart) = (BTreeMap::new(), None),
            "ports" => self.ports.clear(),
            "expose" => self.expose.clear(),
            "network_mode" => self.network_mode = None,
            "networks" => self.networks = None,
            "volumes" | "tmpfs" => self.mounts.clear(),
            "volumes_from" => self.volumes_from.clear(),
            "profiles" => self.profiles.clear(),
            "restart" => self.restart = None,
            "depends_on" => self.depends_on.clear(),
            "configs" => self.configs.clear(),
            "healthcheck" => self.healthcheck = None,
            _ => {}
        }
    }

    fn merge(&mut self, later: Self) {
        replace(&mut self.image, later.image);
        self.built |= later.built;
        replace(&mut self.container_name, later.container_name);
        replace(&mut self.hostname, later.hostname);
        replace(&mut self.command, later.command);
        replace(&mut self.entrypoint, later.entrypoint);
        self.environment.extend(later.environment);
        unite(&mut self.env_files, later.env_files, String::clone);
        self.labels.extend(later.labels);
        unite(&mut self.ports, later.ports, |port: &Port| port.entry.clone());
        self.expose.extend(later.expose);
        replace(&mut self.network_mode, later.network_mode);
        match (&mut self.networks, later.networks) {
            (Some(networks), Some(later)) => {
                for (name, aliases) in later {
                    unite(networks.entry(name).or_default(), aliases, String::clone);
                }
            }
            (earlier, later) => replace(earlier, later),
        }
        unite(&mut self.mounts, later.mounts, |mount: &Mount| mount.target.clone());
        self.volumes_from.extend(later.volumes_from);
        self.profiles.extend(later.profiles);
        replace(&mut self.restart, later.restart);
        self.depends_on.extend(later.depends_on);
        self.configs.extend(later.configs);
        self.build_args.extend(later.build_args);
        replace(&mut self.healthcheck, later.healthcheck);
    }
}

impl Network {
    fn merge(&mut self, later: Self) {
        replace(&mut self.name, later.name);
        self.external |= later.external;
        replace(&mut self.driver, later.driver);
        self.options.extend(later.options);
    }
}

impl Volume {
    fn merge(&mut self, later: Self) {
        replace(&mut self.name, later.name);
        self.external |= later.external;
        replace(&mut self.device, later.device);
    }
}
