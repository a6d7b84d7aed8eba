use super::value::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A compose project: what its services publish, mount, join and run, as far as the contract asks.
///
/// It is read by [`Project::from_json`] or [`Project::from_files`], never built by hand, and shows no value of an
/// environment, not even in its `Debug` form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    pub(crate) services: BTreeMap<String, Service>,
    pub(crate) networks: BTreeMap<String, Network>,
    pub(crate) volumes: BTreeMap<String, Volume>,
    /// The contents of configs that are written into the files themselves.
    pub(crate) configs: BTreeMap<String, Value>,
    /// What the reader met and does not follow.
    pub(crate) beyond: BTreeSet<Beyond>,
}

/// A construct that only compose itself resolves. Whatever it touches is not judged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Beyond {
    /// `include`: other files may say anything.
    Include,
    /// `extends`: the service inherits what is written elsewhere.
    Extends { service: String },
    /// A value under `!reset`, `!override` or a tag unknown here.
    Tagged { pointer: String },
}

/// One service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Service {
    pub(crate) image: Option<String>,
    /// Whether its image is built here, so that the image's name says little.
    pub(crate) built: bool,
    pub(crate) container_name: Option<String>,
    pub(crate) hostname: Option<String>,
    /// `Some` of nothing: the image's own, said explicitly.
    pub(crate) command: Option<Vec<Value>>,
    pub(crate) entrypoint: Option<Vec<Value>>,
    /// `None`: passed through from whoever starts compose.
    pub(crate) environment: BTreeMap<String, Option<Value>>,
    pub(crate) env_files: Vec<String>,
    pub(crate) labels: BTreeMap<String, Value>,
    pub(crate) ports: Vec<Port>,
    pub(crate) expose: BTreeSet<String>,
    pub(crate) network_mode: Option<String>,
    /// The networks it names, with its aliases there; `None`: it names none and is on `default`.
    pub(crate) networks: Option<BTreeMap<String, Vec<String>>>,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) volumes_from: BTreeSet<String>,
    pub(crate) profiles: BTreeSet<String>,
    pub(crate) restart: Option<String>,
    pub(crate) depends_on: BTreeSet<String>,
    pub(crate) configs: BTreeSet<String>,
    pub(crate) build_args: BTreeMap<String, Option<Value>>,
    pub(crate) healthcheck: Option<Vec<Value>>,
}

/// One entry of `ports`. Whatever it says, the host listens: on a port that it names or on one that Docker picks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    /// The entry in the short syntax, for showing and for telling entries apart.
    pub(crate) entry: String,
    /// The port or range in the container, where it can be told.
    pub(crate) target: Option<String>,
}

/// What a mount brings into a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MountKind {
    /// A path of the host.
    Bind,
    /// A named volume, or an anonymous one where there is no source.
    Volume,
    /// Memory, or something else that keeps nothing.
    Other,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(crate) kind: MountKind,
    pub(crate) source: Option<String>,
    pub(crate) target: String,
    pub(crate) read_only: bool,
}

/// One network of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Network {
    pub(crate) name: Option<String>,
    pub(crate) external: bool,
    pub(crate) driver: Option<String>,
    pub(crate) options: BTreeMap<String, String>,
}

/// One named volume of the project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) name: Option<String>,
    pub(crate) external: bool,
    /// The host's path that the `local` driver binds, where it binds one.
    pub(crate) device: Option<String>,
}

impl Service {
    /// Everything that the service runs, as texts to look through.
    pub(crate) fn run_texts(&self) -> impl Iterator<Item = &str> {
        self.entrypoint.iter().chain(&self.command).flatten().map(Value::reveal)
    }

    /// Everything that the service runs, in one text.
    pub(crate) fn run_text(&self) -> String {
        self.run_texts().collect::<Vec<_>>().join(" ")
    }

    /// A variable's value where the files themselves say it.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name)?.as_ref().map(Value::reveal)
    }
}
