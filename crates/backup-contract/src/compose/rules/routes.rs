use super::{Judge, place};
use crate::compose::model::{Project, Service};
use crate::compose::reach::Attached;
use crate::compose::roles::{Role, speaks_of};
use crate::compose::value::{Value, is_interpolated};
use crate::{ClauseId, Finding, Severity};
use std::collections::BTreeSet;

const CLAUSE: ClauseId = ClauseId::DatabasusPrivate;

/// The label by which an operator declares that a route to Databasus is private, with the reason as its value.
const DECLARED: &str = "si-backup.private-route";

/// Labels by which proxies find what they route to. The prefix is followed by more, or the label is just this.
const ROUTE_LABELS: [&str; 6] = ["traefik.", "caddy", "tsdproxy.", "pangolin.", "swag", "nginx-proxy."];

/// Variables by which proxies find what they route to.
const ROUTE_VARIABLES: [&str; 4] =
    ["VIRTUAL_HOST", "VIRTUAL_HOST_MULTIPORTS", "LETSENCRYPT_HOST", "CERT_NAME"];

/// Databasus is on no network from which something leads outside.
impl Judge<'_> {
    pub(super) fn routed(&mut self, name: &str, service: &Service) {
        if let Some(reason) =
            service.labels.get(DECLARED).map(Value::reveal).filter(|reason| !reason.is_empty())
        {
            let routes = self.project.networks_of(name).len();
            self.add(
                Finding::new(
                    "compose-databasus-route-declared",
                    Severity::Info,
                    place(name, "labels"),
                    format!("the label {DECLARED} declares its routes private, over {routes} networks, so they are not judged; reason: {reason}"),
                    "keep the label only as long as the reason holds",
                )
                .about(CLAUSE),
            );
            return;
        }
        self.route_labels(name, service);
        let names = self.names_of(name, service);
        for network in self.project.networks_of(name) {
            self.network(name, &network);
            self.neighbours(name, &names, &network);
        }
    }

    fn route_labels(&mut self, name: &str, service: &Service) {
        let off = service.labels.get("traefik.enable").is_some_and(|value| value.reveal() == "false");
        let is_route = |label: &str| {
            ROUTE_LABELS.iter().any(|route| label.starts_with(route))
                && !(off && label.starts_with("traefik."))
        };
        let labels =
            service.labels.keys().filter(|label| is_route(label)).map(|label| ("labels", label.as_str()));
        let variables = ROUTE_VARIABLES
            .iter()
            .filter(|name| service.environment.contains_key(**name))
            .map(|name| ("environment", *name));
        for (key, what) in labels.chain(variables) {
            self.add(
                Finding::new(
                    "compose-databasus-routed",
                    Severity::Error,
                    place(name, key),
                    format!("{what} asks a reverse proxy for a route to it"),
                    format!("remove it; if the route is private, say so and why by the label {DECLARED}"),
                )
                .about(CLAUSE),
            );
        }
    }

    /// By which names others reach the service.
    fn names_of(&self, name: &str, service: &Service) -> BTreeSet<String> {
        let aliases = service.networks.iter().flat_map(|networks| networks.values()).flatten();
        [Some(&name.to_owned()), service.container_name.as_ref(), service.hostname.as_ref()]
            .into_iter()
            .flatten()
            .chain(aliases)
            .cloned()
            .chain(self.project.namespace(name).members)
            .collect()
    }

    fn network(&mut self, name: &str, attached: &Attached) {
        let network = self.project.networks.get(&attached.key);
        let driver = network.and_then(|network| network.driver.as_deref()).unwrap_or("bridge");
        let unprotected = network.is_some_and(|network| {
            network.options.iter().any(|(option, value)| {
                option.contains("gateway_mode") && matches!(value.as_str(), "routed" | "nat-unprotected")
            })
        });
        if matches!(driver, "macvlan" | "ipvlan") || unprotected {
            self.add(
                Finding::new(
                    "compose-databasus-on-lan",
                    Severity::Error,
                    place(name, "networks"),
                    format!("the network {} gives it an address that other hosts reach, without any published port", attached.key),
                    "put it on a bridge network of its own",
                )
                .about(CLAUSE),
            );
        }
        if is_interpolated(driver) {
            self.leave(CLAUSE, format!("the driver of network {} depends on a variable", attached.key));
        }
        if attached.external {
            self.leave(
                CLAUSE,
                format!(
                    "service {name} is on network {}, which is not this project's: what else is on it the files do not show",
                    attached.key
                ),
            );
        }
    }

    fn neighbours(&mut self, name: &str, names: &BTreeSet<String>, network: &Attached) {
        let same_stack = self.project.namespace(name).members;
        for (other, service) in &self.project.services {
            let on_it = self.project.networks_of(other).iter().any(|at| at.identity == network.identity);
            if !on_it || same_stack.contains(other) || self.roles.databasus.contains(other) {
                continue;
            }
            let published = !self.project.ways_to(other).is_empty();
            let speaks = speaks(self.project, service, names);
            let key = &network.key;
            match service.role(other) {
                Role::Tunnel => self.add(behind(name, other, key, "the agent of a tunnel, which carries traffic in from outside")),
                Role::WebProxy if published => self.add(behind(name, other, key, "a published reverse proxy")),
                Role::WebProxy if self.leads_on(other, network) => self.leave(
                    CLAUSE,
                    format!("{other} is a reverse proxy on network {key} with {name}; it publishes nothing itself, but others do that reach it"),
                ),
                Role::WebProxy | Role::Database => {}
                _ if published && speaks => self.add(
                    Finding::new(
                        "compose-databasus-forwarded",
                        Severity::Error,
                        place(other, "command"),
                        format!("it is published, and its command, environment, labels or configs speak of {name}"),
                        format!("let nothing that is published forward to {name}"),
                    )
                    .about(CLAUSE),
                ),
                Role::Unknown if published => self.leave(
                    CLAUSE,
                    format!("{other} is published and on network {key} with {name}, and whether it is a proxy the files do not show"),
                ),
                _ if published => self.add(
                    Finding::new(
                        "compose-databasus-network-shared",
                        Severity::Warning,
                        place(name, "networks"),
                        format!("{other} is published and on network {key} too: one line of its settings would lead in"),
                        "give Databasus a network of its own, and a relay to the database alone",
                    )
                    .about(CLAUSE),
                ),
                _ if speaks && self.leads_on(other, network) => self.leave(
                    CLAUSE,
                    format!("{other} speaks of {name}, and others that are published reach it over another network"),
                ),
                _ => {}
            }
        }
    }

    /// Whether a service is on another network with a published proxy or tunnel, or with who knows what.
    fn leads_on(&self, name: &str, but: &Attached) -> bool {
        self.project.networks_of(name).iter().filter(|network| network.identity != but.identity).any(
            |network| {
                network.external
                    || self.project.services.iter().any(|(other, service)| {
                        other != name
                            && matches!(service.role(other), Role::WebProxy | Role::Tunnel | Role::Unknown)
                            && !self.project.ways_to(other).is_empty()
                            && self
                                .project
                                .networks_of(other)
                                .iter()
                                .any(|at| at.identity == network.identity)
                    })
            },
        )
    }
}

fn behind(name: &str, other: &str, network: &str, what: &str) -> Finding {
    Finding::new(
        "compose-databasus-behind-proxy",
        Severity::Error,
        place(name, "networks"),
        format!("on network {network} there is {other}, {what}"),
        format!("give {name} a network without it; if its route is private, say so and why by the label {DECLARED}"),
    )
    .about(CLAUSE)
}

/// Whether anything that a service is told names Databasus.
fn speaks(project: &Project, service: &Service, names: &BTreeSet<String>) -> bool {
    let configs = service.configs.iter().filter_map(|config| project.configs.get(config));
    let told = service.environment.values().flatten().chain(service.labels.values()).chain(configs);
    service.run_texts().chain(told.map(Value::reveal)).any(|text| speaks_of(text, names))
}
