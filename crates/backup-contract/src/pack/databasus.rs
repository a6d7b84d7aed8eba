use super::parameter::{Key, PinnedImage};
use super::text::{Yaml, quoted};

/// The parameters of the pack `databasus`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Databasus {
    /// Its service.
    pub service: Key,
    /// Its image.
    pub image: PinnedImage,
    /// The volume with its own database, its keys and what it dumps.
    pub volume: Key,
    /// The network that nobody else is on.
    pub network: Key,
    /// How it reaches the database; nothing, where the database is put on its network in another way.
    pub relay: Option<Relay>,
}

/// A relay between the private network and the database's: it forwards connections to the database, and to nothing else.
///
/// A fragment overrides no service, so it cannot put the database on another network; and Databasus must not be on the
/// database's, where published proxies are too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// Its service, which Databasus is told as the database's host.
    pub service: Key,
    /// An image of socat.
    pub image: PinnedImage,
    /// The database's service.
    pub database_service: Key,
    /// The database's network; nothing, where it is the project's default.
    pub database_network: Option<Key>,
}

impl Default for Relay {
    fn default() -> Self {
        Self {
            service: Key::known("databasus-database"),
            image: PinnedImage::known("alpine/socat:1.8.0.3"),
            database_service: Key::known("db"),
            database_network: None,
        }
    }
}

impl Default for Databasus {
    fn default() -> Self {
        Self {
            service: Key::known("databasus"),
            image: PinnedImage::known("databasus/databasus:v3.53.0"),
            volume: Key::known("databasus-data"),
            network: Key::known("databasus-private"),
            relay: Some(Relay::default()),
        }
    }
}

impl Databasus {
    /// The fragment.
    #[must_use]
    pub fn render(&self) -> String {
        let mut yaml = Yaml::default();
        yaml.why(&[
            "Add-on pack databasus: dumps of the database beside its backups, reached by nobody from outside. It adds",
            "services, a volume and a network, and overrides none. A person reaches it through SSH, at the address of its",
            "container, which 'docker compose exec' or 'docker inspect' tells:",
            "  ssh -L 4005:ADDRESS:4005 HOST",
        ]);
        yaml.below("services", |yaml| {
            self.databasus(yaml);
            if let Some(relay) = &self.relay {
                yaml.blank();
                self.relay(yaml, relay);
            }
        });
        yaml.blank();
        yaml.below("volumes", |yaml| {
            yaml.why(&["What Databasus knows, with its keys. It is in no backup of the database."]);
            yaml.bare(self.volume.as_str(), "{}");
        });
        yaml.blank();
        yaml.below("networks", |yaml| {
            yaml.below(self.network.as_str(), |yaml| {
                yaml.why(&["No way in, and no way out either. Where Databasus is to store elsewhere, say false: then it reaches out,", "and still nobody reaches it."]);
                yaml.bare("internal", "true");
            });
        });
        yaml.finish()
    }

    fn databasus(&self, yaml: &mut Yaml) {
        yaml.below(self.service.as_str(), |yaml| {
            yaml.text("image", self.image.as_str()).bare("restart", "unless-stopped");
            yaml.why(&["Told to other containers of its network. No 'ports': not even on loopback."]);
            yaml.list("expose", &["4005"]);
            yaml.list("networks", &[self.network.as_str()]);
            yaml.below("volumes", |yaml| {
                yaml.item(&[
                    ("type", "volume"),
                    ("source", &quoted(self.volume.as_str())),
                    ("target", "\"/databasus-data\""),
                ]);
            });
            yaml.why(&["A proxy that finds its routes by itself leaves this one alone."]);
            yaml.below("labels", |yaml| {
                yaml.text("traefik.enable", "false");
            });
            yaml.below("healthcheck", |yaml| {
                yaml.list("test", &["CMD", "wget", "-qO-", "http://localhost:4005/api/v1/system/health"]);
                yaml.bare("interval", "10s")
                    .bare("timeout", "5s")
                    .bare("retries", "6")
                    .bare("start_period", "30s");
            });
        });
    }

    fn relay(&self, yaml: &mut Yaml, relay: &Relay) {
        yaml.why(&[&format!(
            "The database's host, as {} is to be told: it forwards to {}, and to nothing else.",
            self.service, relay.database_service
        )]);
        yaml.below(relay.service.as_str(), |yaml| {
            yaml.text("image", relay.image.as_str()).bare("restart", "unless-stopped");
            let theirs = relay.database_network.as_ref().map_or("default", Key::as_str);
            yaml.list("networks", &[self.network.as_str(), theirs]);
            yaml.list(
                "command",
                &["tcp-listen:5432,fork,reuseaddr", &format!("tcp-connect:{}:5432", relay.database_service)],
            );
            yaml.bare("read_only", "true")
                .list("cap_drop", &["ALL"])
                .list("security_opt", &["no-new-privileges:true"]);
            yaml.below("healthcheck", |yaml| {
                yaml.list("test", &["CMD", "nc", "-z", "127.0.0.1", "5432"]);
                yaml.bare("interval", "30s").bare("timeout", "5s").bare("retries", "3");
            });
        });
    }
}
