//! Where data lies: which path of the host, or which volume, a path in a container is.

use super::model::{Mount, MountKind, Project, Service};
use super::syntax::is_within;
use super::value::is_interpolated;
use std::collections::BTreeSet;

/// Docker's own directory: whoever mounts it has every named volume.
const DOCKER_DIR: &str = "/var/lib/docker";

/// A place that outlives containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Spot {
    /// A path of the host.
    Path(String),
    /// A path within a volume; empty for the volume itself.
    InVolume { volume: String, path: String },
}

/// Where a service has a spot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// At these paths of its own, each with whether it may write there.
    At(Vec<(String, bool)>),
    Nowhere,
    /// Compose fills in a part of a path that would tell.
    Unknown,
}

/// Whether two mounts bring in the same data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overlap {
    Yes,
    No,
    /// Their texts differ, and compose fills in a part of one.
    Unknown,
}

impl Spot {
    fn is_open(&self) -> bool {
        let (Self::Path(text) | Self::InVolume { volume: text, .. }) = self;
        is_interpolated(text)
    }

    /// The directory that holds it; `None` at the root of a volume, beside which nothing can be.
    pub(crate) fn parent(&self) -> Option<Self> {
        match self {
            Self::Path(path) => {
                let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
                let parent = if parent.is_empty() && path.starts_with('/') { "/" } else { parent };
                (!name.is_empty()).then(|| Self::Path(parent.to_owned()))
            }
            Self::InVolume { path, .. } if path.is_empty() => None,
            Self::InVolume { volume, path } => {
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                Some(Self::InVolume { volume: volume.clone(), path: parent.to_owned() })
            }
        }
    }
}

/// `base` and what follows it.
fn join(base: &str, rest: &str) -> String {
    match (base, rest) {
        (_, "") => base.to_owned(),
        ("", _) => rest.to_owned(),
        _ => format!("{}/{rest}", base.trim_end_matches('/')),
    }
}

/// What of `path` comes after `dir`, which it is within.
fn rest<'a>(path: &'a str, dir: &str) -> &'a str {
    path[dir.len().min(path.len())..].trim_start_matches('/')
}

impl Project {
    /// The mounts of a service with those that it takes over from others.
    pub(crate) fn mounts_of(&self, name: &str) -> Vec<&Mount> {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![name.to_owned()]);
        let mut mounts = Vec::new();
        while let Some(name) = todo.pop() {
            let Some(service) = self.services.get(&name) else { continue };
            if !seen.insert(name) {
                continue;
            }
            mounts.extend(&service.mounts);
            for from in &service.volumes_from {
                match from.strip_prefix("container:") {
                    Some(container) => {
                        let container = container.split(':').next();
                        let is_it =
                            |(_, other): &(&String, &Service)| other.container_name.as_deref() == container;
                        todo.extend(self.services.iter().find(is_it).map(|(name, _)| name.clone()));
                    }
                    None => todo.extend(from.split(':').next().map(str::to_owned)),
                }
            }
        }
        mounts
    }

    /// What a mount brings in; `None` where nothing else can have it.
    fn origin(&self, mount: &Mount) -> Option<Spot> {
        let source = mount.source.clone()?;
        match mount.kind {
            MountKind::Other => None,
            MountKind::Bind => Some(Spot::Path(source)),
            MountKind::Volume => {
                let volume = self.volumes.get(&source);
                if let Some(device) = volume.and_then(|volume| volume.device.clone()) {
                    return Some(Spot::Path(device));
                }
                let name = volume.and_then(|volume| volume.name.clone()).unwrap_or(source);
                Some(Spot::InVolume { volume: name, path: String::new() })
            }
        }
    }

    pub(crate) fn overlap(&self, one: &Mount, other: &Mount) -> Overlap {
        let (Some(one), Some(other)) = (self.origin(one), self.origin(other)) else { return Overlap::No };
        if one == other {
            return Overlap::Yes;
        }
        let shared = match (&one, &other) {
            (Spot::Path(one), Spot::Path(other)) => is_within(one, other) || is_within(other, one),
            (Spot::Path(path), Spot::InVolume { .. }) | (Spot::InVolume { .. }, Spot::Path(path)) => {
                is_within(DOCKER_DIR, path) || is_within(path, DOCKER_DIR)
            }
            (Spot::InVolume { .. }, Spot::InVolume { .. }) => false,
        };
        match shared {
            true => Overlap::Yes,
            false if one.is_open() || other.is_open() => Overlap::Unknown,
            false => Overlap::No,
        }
    }

    /// What a path of a service is; `None` where it does not outlive the container.
    pub(crate) fn spot(&self, service: &str, path: &str) -> Option<Spot> {
        let mounts = self.mounts_of(service);
        let covering = mounts.iter().filter(|mount| is_within(path, &mount.target));
        let nearest = covering.max_by_key(|mount| mount.target.len())?;
        let rest = rest(path, &nearest.target);
        Some(match self.origin(nearest)? {
            Spot::Path(source) => Spot::Path(join(&source, rest)),
            Spot::InVolume { volume, path } => Spot::InVolume { volume, path: join(&path, rest) },
        })
    }

    /// Where a service has a spot.
    pub(crate) fn seen(&self, service: &str, spot: &Spot) -> Seen {
        let (mut at, mut open) = (Vec::new(), spot.is_open());
        for mount in self.mounts_of(service) {
            let Some(origin) = self.origin(mount) else { continue };
            open |= origin.is_open();
            let rest = match (spot, &origin) {
                (Spot::Path(path), Spot::Path(source)) if is_within(path, source) => rest(path, source),
                (Spot::InVolume { volume, path }, Spot::InVolume { volume: other, .. })
                    if volume == other =>
                {
                    path
                }
                _ => continue,
            };
            at.push((join(&mount.target, rest), !mount.read_only));
        }
        match at.is_empty() {
            false => Seen::At(at),
            true if open => Seen::Unknown,
            true => Seen::Nowhere,
        }
    }

    /// Whether two services have the same directory of the host at one path.
    pub(crate) fn shares_directory(&self, one: &str, other: &str, path: &str) -> bool {
        let Some(spot) = self.spot(other, path) else { return false };
        matches!(self.seen(one, &spot), Seen::At(at) if at.iter().any(|(seen, _)| seen == path))
    }
}
