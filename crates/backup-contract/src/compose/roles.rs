use super::image::Image;
use super::model::{Project, Service};
use super::syntax::is_within;
use std::collections::BTreeSet;

/// Where Databasus keeps its own database, keys and local dumps, under its present and its former name.
pub(crate) const DATABASUS_DATA: [&str; 2] = ["/databasus-data", "/postgresus-data"];

/// The port on which Databasus serves its pages.
const DATABASUS_PORT: &str = "4005";

/// Images of which Databasus runs.
const DATABASUS_IMAGES: [&str; 2] = ["databasus", "postgresus"];

/// Images that forward requests of the web by names, paths or labels.
const WEB_PROXIES: [&str; 26] = [
    "traefik",
    "caddy",
    "caddy-docker-proxy",
    "nginx",
    "nginx-unprivileged",
    "nginx-proxy",
    "nginx-proxy-manager",
    "openresty",
    "tengine",
    "angie",
    "swag",
    "httpd",
    "haproxy",
    "kong",
    "kong-gateway",
    "envoy",
    "apisix",
    "tyk-gateway",
    "krakend",
    "varnish",
    "bunkerweb",
    "zoraxy",
    "pangolin",
    "gerbil",
    "pomerium",
    "oauth2-proxy",
];

/// Images that carry traffic in from outside over a connection that they open themselves: no port is published.
const TUNNELS: [&str; 12] = [
    "cloudflared",
    "ngrok",
    "tailscale",
    "frpc",
    "frp",
    "newt",
    "boringproxy",
    "rathole",
    "chisel",
    "sish",
    "inlets",
    "bore",
];

/// Images that forward a connection to wherever their command says.
const FORWARDERS: [&str; 4] = ["socat", "gost", "tcp-proxy", "simpleproxy"];

/// Images of a `PostgreSQL` server.
const DATABASES: [&str; 8] = [
    "postgres",
    "postgresql",
    "pgvector",
    "postgis",
    "timescaledb",
    "timescaledb-ha",
    "spilo",
    "postgres-pgvector",
];

/// What a service is, as far as its image, name and mounts tell.
///
/// The image decides where its name is known, because it says what runs. A service's own name decides only where the
/// image's is not: it is built here, or compose fills it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Databasus itself.
    Databasus,
    /// A web proxy, published or not.
    WebProxy,
    /// An agent of a tunnel: published without a port.
    Tunnel,
    /// A forwarder of connections.
    Forwarder,
    /// A `PostgreSQL` server.
    Database,
    /// Something with an image of a name that says none of these.
    Other,
    /// Nothing tells what runs there.
    Unknown,
}

/// The services of a project by what they are to the contract.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Roles {
    /// The app's database; `None` where there is none, or no telling which of several.
    pub database: Option<String>,
    /// Everything that is, or may well be, Databasus.
    pub databasus: BTreeSet<String>,
    /// What receives WAL by streaming.
    pub receivers: BTreeSet<String>,
}

impl Project {
    /// Finds the services that the contract speaks of.
    ///
    /// *Databasus* is what runs its image, whoever mirrors it; what mounts `/databasus-data`; and, where the image's name
    /// is not known, what is called so or has its port 4005. *The database* is what runs `supabase/postgres`, else any
    /// `PostgreSQL` image with its data mounted; of several the one called `db`. *A receiver* runs `wal-receive`.
    #[must_use]
    pub fn roles(&self) -> Roles {
        let of = |wanted: Role| {
            self.services
                .iter()
                .filter(move |(name, service)| service.role(name) == wanted)
                .map(|(name, _)| name.clone())
        };
        Roles {
            database: self.database(),
            databasus: of(Role::Databasus).collect(),
            receivers: self
                .services
                .iter()
                .filter(|(_, service)| service.run_texts().any(|text| text.contains("wal-receive")))
                .map(|(name, _)| name.clone())
                .collect(),
        }
    }

    fn database(&self) -> Option<String> {
        let candidates: Vec<(&String, &Service)> = self
            .services
            .iter()
            .filter(|(name, service)| service.role(name) == Role::Database && service.is_server())
            .filter(|(name, _)| !says_databasus(name))
            .collect();
        let supabase: Vec<_> = candidates
            .iter()
            .filter(|(_, service)| service.image_owner() == Some("supabase"))
            .copied()
            .collect();
        let candidates = if supabase.is_empty() { candidates } else { supabase };
        // What starts only on request is a tool that has the server's image.
        let always: Vec<_> =
            candidates.iter().filter(|(_, service)| service.profiles.is_empty()).copied().collect();
        let candidates = if always.is_empty() { candidates } else { always };
        let named = |wanted: &str| candidates.iter().find(|(name, _)| name.as_str() == wanted);
        match candidates.as_slice() {
            [(name, _)] => Some((*name).clone()),
            _ => ["db", "postgres", "database"]
                .iter()
                .find_map(|wanted| named(wanted))
                .map(|(name, _)| (*name).clone()),
        }
    }
}

impl Service {
    pub(crate) fn role(&self, name: &str) -> Role {
        let mounts_its_data = self.mounts.iter().any(|mount| {
            DATABASUS_DATA.iter().any(|data| is_within(data, &mount.target) && mount.target != "/")
        });
        let image = self.image_name();
        match image {
            Some(image) if DATABASUS_IMAGES.contains(&image) => Role::Databasus,
            // Who mounts the data where Databasus has it runs Databasus, or reads what it keeps.
            _ if mounts_its_data => Role::Databasus,
            Some(image) if WEB_PROXIES.contains(&image) => Role::WebProxy,
            Some(image) if TUNNELS.contains(&image) => Role::Tunnel,
            Some(image) if FORWARDERS.contains(&image) => Role::Forwarder,
            Some(image) if DATABASES.contains(&image) => Role::Database,
            Some(_) => Role::Other,
            None if self.is_called(name, says_databasus) || self.has_databasus_port() => Role::Databasus,
            // What compose puts in unless it is told otherwise.
            None if self.image.as_deref().is_some_and(says_databasus) => Role::Databasus,
            None if self.is_called(name, |name| WEB_PROXIES.contains(&name)) => Role::WebProxy,
            None if self.is_called(name, |name| TUNNELS.contains(&name)) => Role::Tunnel,
            None if self.is_called(name, |name| matches!(name, "db" | "postgres" | "database")) => {
                Role::Database
            }
            None => Role::Unknown,
        }
    }

    /// The last part of the image's repository, where what runs is what it names.
    pub(crate) fn image_name(&self) -> Option<&str> {
        if self.built {
            return None;
        }
        Image::of(self.image.as_deref()?).name()
    }

    fn image_owner(&self) -> Option<&str> {
        Image::of(self.image.as_deref()?).owner()
    }

    fn is_called(&self, name: &str, test: impl Fn(&str) -> bool) -> bool {
        [Some(name), self.container_name.as_deref(), self.hostname.as_deref()].into_iter().flatten().any(test)
    }

    fn has_databasus_port(&self) -> bool {
        self.ports.iter().any(|port| port.target.as_deref() == Some(DATABASUS_PORT))
            || self.expose.iter().any(|port| port.split('/').next() == Some(DATABASUS_PORT))
    }

    /// Whether it runs the image's server, rather than another program of the image.
    fn is_server(&self) -> bool {
        !self
            .run_texts()
            .any(|text| text.contains("wal-g") || text.contains("wal-receive") || text.contains("walrus"))
            || self.run_texts().any(|text| text.contains("archive_command"))
    }
}

/// Whether a name says Databasus.
pub(crate) fn says_databasus(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    DATABASUS_IMAGES.iter().any(|databasus| name.contains(databasus))
}

/// Whether an environment value, a label or a command speaks of Databasus: by a name that it has, or by its port.
pub(crate) fn speaks_of(text: &str, names: &BTreeSet<String>) -> bool {
    let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    names.iter().map(String::as_str).chain([DATABASUS_PORT]).any(|name| {
        text.match_indices(name).any(|(at, found)| {
            let before = text.as_bytes()[..at].last().copied();
            let after = text.as_bytes().get(at + found.len()).copied();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
    })
}
