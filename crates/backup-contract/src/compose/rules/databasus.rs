use super::{Judge, place};
use crate::compose::image::Image;
use crate::compose::model::{Mount, Service};
use crate::compose::reach::Way;
use crate::compose::roles::{DATABASUS_DATA, Role, says_databasus};
use crate::compose::spot::Overlap;
use crate::compose::syntax::is_within;
use crate::{ClauseId, Finding, Severity};

const CLAUSE: ClauseId = ClauseId::DatabasusPrivate;

/// Nobody reaches Databasus from outside: not by a port, not by the host's network, not by a proxy, not by its data.
impl Judge<'_> {
    pub(super) fn databasus(&mut self) {
        if self.roles.databasus.is_empty() {
            self.add(
                Finding::new(
                    "compose-databasus-missing",
                    Severity::Warning,
                    place("databasus", "image"),
                    "no service runs Databasus, which the profile has as an add-on",
                    "add the fragment that 'contract --render databasus' prints",
                )
                .about(ClauseId::AppContract),
            );
        }
        self.perhaps_databasus();
        for name in &self.roles.databasus {
            let Some(service) = self.project.services.get(name) else { continue };
            self.published(name);
            self.routed(name, service);
            self.data_published(name, service);
            self.companions(name, service);
        }
    }

    /// A service of which nothing tells what it runs, and that is reached from outside.
    fn perhaps_databasus(&mut self) {
        for (name, service) in &self.project.services {
            let unnamed = service.image.as_deref().is_none_or(|image| Image::of(image).name().is_none());
            // What is built here is the operator's own; it is told by its name, port and mounts.
            if service.role(name) == Role::Unknown
                && unnamed
                && !service.built
                && !self.project.ways_to(name).is_empty()
            {
                self.leave(
                    CLAUSE,
                    format!("service {name} is published, and its image is not named in the files: write the image's name out"),
                );
            }
        }
    }

    fn published(&mut self, name: &str) {
        for way in self.project.ways_to(name) {
            self.add(match way {
                Way::Port { service, entry } => {
                    let whose = if service == name { String::new() } else { format!(", whose network {name} shares") };
                    Finding::new(
                        "compose-databasus-published",
                        Severity::Error,
                        place(&service, "ports"),
                        format!("'{entry}' opens a port of the host to the network stack of {service}{whose}; loopback is no exception"),
                        "remove it; 'expose' is enough for other containers, and an SSH tunnel to the container's address for a person",
                    )
                }
                Way::Host { service } => Finding::new(
                    "compose-databasus-host-network",
                    Severity::Error,
                    place(&service, "network_mode"),
                    format!("{name} is in the host's network: everything that it listens on is the host's"),
                    "give it a network of its own",
                ),
                Way::Tunnel => Finding::new(
                    "compose-databasus-tunnelled",
                    Severity::Error,
                    place(name, "network_mode"),
                    "it shares the network stack of a tunnel's agent, which carries traffic in from outside",
                    "give it a network of its own, without the tunnel",
                ),
            }
            .about(CLAUSE));
        }
        for mode in self.project.namespace(name).open {
            self.leave(
                CLAUSE,
                format!(
                    "service {name} shares a network stack that the files do not show (network_mode {mode})"
                ),
            );
        }
    }

    /// Whoever publishes something and has Databasus' data could serve it.
    fn data_published(&mut self, name: &str, service: &Service) {
        let keeps = |mount: &&Mount| DATABASUS_DATA.iter().any(|data| is_within(data, &mount.target));
        let mut data: Vec<&Mount> = service.mounts.iter().filter(keeps).collect();
        if data.is_empty() {
            data = service.mounts.iter().filter(|mount| !mount.read_only).collect();
        }
        for other in self.project.services.keys().filter(|other| !self.roles.databasus.contains(*other)) {
            if self.project.ways_to(other).is_empty() {
                continue;
            }
            let theirs = self.project.mounts_of(other);
            let overlaps: Vec<Overlap> = data
                .iter()
                .flat_map(|mount| theirs.iter().map(|their| self.project.overlap(mount, their)))
                .collect();
            let takes_over = self.project.services.get(other).is_some_and(|other| {
                other.volumes_from.iter().any(|from| from.split(':').next() == Some(name))
            });
            if takes_over || overlaps.contains(&Overlap::Yes) {
                self.add(
                    Finding::new(
                        "compose-databasus-data-published",
                        Severity::Error,
                        place(other, "volumes"),
                        format!(
                            "it is published, and it has the data of {name}: its database, keys and dumps"
                        ),
                        "let no service that is reached from outside mount them",
                    )
                    .about(CLAUSE),
                );
            } else if overlaps.contains(&Overlap::Unknown) {
                self.leave(
                    CLAUSE,
                    format!("service {other} is published, and whether it mounts the data of {name} depends on variables: write the paths out"),
                );
            }
        }
    }

    /// What belongs to Databasus without being it: a database of its own, a relay.
    fn companions(&mut self, name: &str, service: &Service) {
        for (other, companion) in &self.project.services {
            if self.roles.databasus.contains(other) || self.roles.database.as_deref() == Some(other) {
                continue;
            }
            let its_database = service.depends_on.contains(other) && companion.role(other) == Role::Database;
            if !its_database && !says_databasus(other) {
                continue;
            }
            for way in self.project.ways_to(other) {
                let how = match way {
                    Way::Port { entry, .. } => format!("'{entry}' opens a port of the host"),
                    Way::Host { .. } => "it is in the host's network".to_owned(),
                    Way::Tunnel => "a tunnel leads to it".to_owned(),
                };
                self.add(
                    Finding::new(
                        "compose-databasus-companion-published",
                        Severity::Error,
                        place(other, "ports"),
                        format!("{how}, and it belongs to {name}"),
                        "what Databasus needs is reached by Databasus alone: publish nothing of it",
                    )
                    .about(CLAUSE),
                );
            }
        }
    }
}
