//! Databasus published in any way is caught; Databasus in private is never accused.

#![cfg(feature = "compose")]
#![expect(clippy::unwrap_used, reason = "a generated project that cannot be read fails the test")]
#![expect(clippy::disallowed_methods, reason = "the length of a test run is set from outside")]

use backup_contract::compose::{ComposeFile, Expected, Project, check};
use backup_contract::{Checked, ClauseId, Severity};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A private project: Databasus on a network of its own, among services that are published elsewhere.
#[derive(Debug, Clone)]
struct Private {
    name: &'static str,
    image: &'static str,
    neighbours: Vec<&'static str>,
    profile: bool,
}

fn private() -> impl Strategy<Value = Private> {
    (
        select(vec!["databasus", "dumps", "backup-ui"]),
        select(vec![
            "databasus/databasus:v3.53.0",
            "registry.example:5000/mirror/databasus:v3@sha256:00",
            "databasus/databasus:${TAG}",
            "${REGISTRY}/databasus",
            "rostislavdugin/postgresus:v2",
        ]),
        subsequence(vec!["kong", "web", "traefik", "tunnel", "pooler", "files", "relay"], 0..=7),
        any::<bool>(),
    )
        .prop_map(|(name, image, neighbours, profile)| Private { name, image, neighbours, profile })
}

impl Private {
    fn project(&self) -> Value {
        let mut databasus = json!({
            "image": self.image,
            "expose": ["4005"],
            "networks": ["inner"],
            "volumes": ["dumps:/databasus-data", "/etc/localtime:/etc/localtime:ro"],
        });
        if self.profile {
            databasus["profiles"] = json!(["ops"]);
        }
        let mut project = json!({
            "services": { self.name: databasus, "db": {"image": "supabase/postgres:1", "volumes": ["./volumes/db/data:/var/lib/postgresql/data"]} },
            "networks": { "inner": {"internal": true}, "default": {} },
            "volumes": { "dumps": {}, "other": {} },
        });
        for neighbour in &self.neighbours {
            project["services"][*neighbour] = match *neighbour {
                "kong" => {
                    json!({"image": "kong:2.8.1", "ports": ["8000:8000"], "environment": {"KONG_DATABASE": "off"}})
                }
                "web" => json!({"build": ".", "ports": [{"target": 3000, "published": "80"}]}),
                "traefik" => {
                    json!({"image": "traefik:v3", "network_mode": "host", "volumes": ["/var/run/docker.sock:/var/run/docker.sock:ro"]})
                }
                "tunnel" => json!({"image": "cloudflare/cloudflared:2026", "command": "tunnel run"}),
                "pooler" => json!({"image": "supabase/supavisor:2", "ports": ["${POSTGRES_PORT}:5432"]}),
                "files" => {
                    json!({"image": "nginx:1", "ports": ["81:80"], "volumes": ["other:/srv", "/etc/localtime:/etc/localtime:ro", "./volumes/storage:/s"]})
                }
                _ => {
                    json!({"image": "alpine/socat:1", "networks": ["inner", "default"], "command": "tcp-listen:5432,fork tcp-connect:db:5432"})
                }
            };
        }
        project
    }
}

/// One way to reach Databasus from outside: what it changes in the project.
fn leak() -> impl Strategy<Value = (&'static str, Value)> {
    prop_oneof![3 => short_port(), 3 => long_port(), 2 => proxy(), 6 => other()]
}

fn short_port() -> impl Strategy<Value = (&'static str, Value)> {
    select(vec![
        json!("4005"),
        json!(4005),
        json!("4005:4005"),
        json!("80:4005"),
        json!("127.0.0.1:4005:4005"),
        json!("127.0.0.1::4005"),
        json!("[::1]:80:4005"),
        json!("4000-4010:4000-4010"),
        json!("4005:4005/udp"),
        json!("${PORT}:4005"),
        json!("${PORT:-4005}:4005"),
        json!("${BIND:-127.0.0.1}:${PORT:-80}:${INNER:-4005}"),
        json!("${PUBLISHED}"),
        json!("9999:9999"),
    ])
    .prop_map(|entry| ("short", json!({"D": {"ports": [entry]}})))
}

fn long_port() -> impl Strategy<Value = (&'static str, Value)> {
    (
        prop::option::of(select(vec![
            json!("80"),
            json!(80),
            json!("8000-8010"),
            json!("${PORT}"),
            json!(""),
        ])),
        prop::option::of(select(vec!["127.0.0.1", "::1", "0.0.0.0", "${BIND}"])),
        prop::option::of(select(vec!["tcp", "udp"])),
        prop::option::of(select(vec!["host", "ingress"])),
    )
        .prop_map(|(published, host, protocol, mode)| {
            let mut port = json!({"target": 4005});
            for (key, value) in [
                ("published", published),
                ("host_ip", host.map(Into::into)),
                ("protocol", protocol.map(Into::into)),
                ("mode", mode.map(Into::into)),
            ] {
                if let Some(value) = value {
                    port[key] = value;
                }
            }
            ("long", json!({"D": {"ports": [port]}}))
        })
}

fn proxy() -> impl Strategy<Value = (&'static str, Value)> {
    (
        select(vec![
            "traefik:v3",
            "caddy:2",
            "nginx:1",
            "ghcr.io/x/nginx-proxy-manager:2",
            "kong:2.8.1",
            "haproxy:3",
            "envoyproxy/envoy:v1",
            "httpd:2.4",
            "traefik:${V}",
        ]),
        select(vec![json!({"ports": ["80:80"]}), json!({"network_mode": "host", "networks": null})]),
        select(vec!["inner", "same"]),
    )
        .prop_filter("a proxy in the host's network is on no other", |(_, how, _)| {
            how.get("network_mode").is_none()
        })
        .prop_map(|(image, how, network)| {
            let mut service = how;
            service["image"] = json!(image);
            service["networks"] = json!([network]);
            ("proxy", json!({"front": service}))
        })
}

fn other() -> impl Strategy<Value = (&'static str, Value)> {
    select(vec![
        ("host", json!({"D": {"network_mode": "host", "networks": null}})),
        ("host by name", json!({"D": {"networks": ["outer"]}})),
        (
            "joined",
            json!({"front": {"image": "acme/x:1", "network_mode": "service:D", "ports": ["80:4005"]}}),
        ),
        (
            "joins",
            json!({"front": {"image": "acme/x:1", "ports": ["80:4005"]}, "D": {"network_mode": "service:front", "networks": null}}),
        ),
        (
            "joins a container",
            json!({"front": {"image": "acme/x:1", "container_name": "c", "ports": ["1:1"]}, "D": {"network_mode": "container:c", "networks": null}}),
        ),
        (
            "joined twice over",
            json!({"mid": {"image": "a/b:1", "network_mode": "service:D"}, "front": {"image": "a/b:1", "network_mode": "service:mid", "ports": ["1:1"]}}),
        ),
        (
            "joins the host",
            json!({"front": {"image": "acme/x:1", "network_mode": "host"}, "D": {"network_mode": "service:front", "networks": null}}),
        ),
        ("tunnel", json!({"front": {"image": "cloudflare/cloudflared:1", "networks": ["inner"]}})),
        (
            "tunnel in its stack",
            json!({"front": {"image": "tailscale/tailscale:v1", "network_mode": "service:D"}}),
        ),
        ("traefik label", json!({"D": {"labels": ["traefik.http.routers.d.rule=Host(`x`)"]}})),
        ("traefik label of deploy", json!({"D": {"deploy": {"labels": {"traefik.enable": "true"}}}})),
        (
            "caddy label",
            json!({"D": {"labels": {"caddy": "x.example", "caddy.reverse_proxy": "{{upstreams 4005}}"}}}),
        ),
        ("nginx-proxy", json!({"D": {"environment": ["VIRTUAL_HOST=x.example"]}})),
        (
            "forwarder",
            json!({"front": {"image": "alpine/socat:1", "networks": ["inner"], "ports": ["80:80"], "command": ["tcp-listen:80,fork", "tcp-connect:D:4005"]}}),
        ),
        (
            "forwarding by environment",
            json!({"front": {"image": "acme/gate:1", "networks": {"inner": null}, "ports": ["80:80"], "environment": {"UPSTREAM": "http://D:4005"}}}),
        ),
        (
            "shared volume",
            json!({"front": {"image": "acme/files:1", "ports": ["80:80"], "volumes": ["dumps:/srv:ro"]}}),
        ),
        (
            "shared volume, long",
            json!({"front": {"image": "acme/files:1", "network_mode": "host", "volumes": [{"type": "volume", "source": "dumps", "target": "/srv"}]}}),
        ),
        (
            "shared volume by name",
            json!({"front": {"image": "acme/files:1", "ports": ["80:80"], "volumes": ["same:/srv"]}}),
        ),
        (
            "shared at its own place",
            json!({"front": {"image": "acme/files:1", "ports": ["80:80"], "volumes": ["dumps:/databasus-data"]}}),
        ),
        (
            "volumes from",
            json!({"front": {"image": "acme/files:1", "ports": ["80:80"], "volumes_from": ["D:ro"]}}),
        ),
        (
            "all volumes",
            json!({"front": {"image": "acme/files:1", "ports": ["80:80"], "volumes": ["/var/lib:/host:ro"]}}),
        ),
        ("lan", json!({"D": {"networks": ["lan"]}})),
        ("routed", json!({"D": {"networks": ["routed"]}})),
        (
            "its database",
            json!({"D": {"depends_on": ["own-db"]}, "own-db": {"image": "postgres:17", "ports": ["5433:5432"]}}),
        ),
    ])
}

/// The second file: the leak, for a Databasus of that name.
fn second(change: &Value, name: &str) -> Value {
    let text =
        change.to_string().replace("\"D\"", &format!("\"{name}\"")).replace(":D:", &format!(":{name}:"));
    let text = text
        .replace("service:D", &format!("service:{name}"))
        .replace("//D:", &format!("//{name}:"))
        .replace("D:ro", &format!("{name}:ro"));
    json!({
        "services": serde_json::from_str::<Value>(&text).unwrap(),
        "networks": {
            "inner": {"name": "n"},
            "same": {"name": "n"},
            "outer": {"name": "host", "external": true},
            "lan": {"driver": "macvlan"},
            "routed": {"driver_opts": {"com.docker.network.bridge.gateway_mode_ipv4": "routed"}},
        },
        "volumes": {"dumps": {"name": "d"}, "same": {"name": "d"}},
    })
}

fn read(texts: &[String]) -> Project {
    let files: Vec<ComposeFile> =
        texts.iter().map(|text| ComposeFile { name: "c", bytes: text.as_bytes() }).collect();
    Project::from_files("/srv/shop", &files).unwrap_or_else(|error| panic!("{error}\n{texts:#?}"))
}

fn judged(project: &Project) -> Checked {
    check(project, &Expected::default())
}

fn accusations(checked: &Checked) -> Vec<&'static str> {
    let ours = checked.findings.iter().filter(|finding| finding.clause == Some(ClauseId::DatabasusPrivate));
    ours.filter(|finding| finding.severity == Severity::Error).map(|finding| finding.code).collect()
}

/// How the leak comes into the project: as a second file, as a second document, or through an anchor.
fn texts(first: &Value, second: &Value, how: usize) -> Vec<String> {
    match how {
        0 => vec![first.to_string(), second.to_string()],
        1 => vec![format!("{first}\n---\n{second}\n")],
        2 => vec![second.to_string(), first.to_string()],
        _ => {
            // Every service of the second file is merged in from an anchor.
            let mut text = String::from("x-hidden:\n");
            for (name, service) in second["services"].as_object().unwrap() {
                let _ = writeln!(text, "  {name}: &{name}\n    {service}");
            }
            text += "services:\n";
            for name in second["services"].as_object().unwrap().keys() {
                let _ = writeln!(text, "  {name}:\n    <<: *{name}");
            }
            let _ = writeln!(text, "networks: {}\nvolumes: {}", second["networks"], second["volumes"]);
            vec![first.to_string(), text]
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if std::env::var_os("SI_BACKUP_FULL").is_some() { 5000 } else { 500 }, ..ProptestConfig::default() })]

    #[test]
    fn every_way_to_publish_it_is_caught(private in private(), (kind, change) in leak(), how in 0_usize..4) {
        let texts = texts(&private.project(), &second(&change, private.name), how);
        let project = read(&texts);
        let found = accusations(&judged(&project));
        prop_assert!(!found.is_empty(), "{kind} was not caught: {texts:#?}\n{project:#?}");
    }

    #[test]
    fn in_private_it_is_never_accused(private in private()) {
        let checked = judged(&read(&[private.project().to_string()]));
        prop_assert_eq!(accusations(&checked), Vec::<&str>::new());
        let ours = |clause: Option<ClauseId>| clause == Some(ClauseId::DatabasusPrivate);
        prop_assert!(!checked.findings.iter().any(|finding| ours(finding.clause)), "{:#?}", checked.findings);
        prop_assert!(!checked.unjudged.iter().any(|left| ours(Some(left.clause))), "{:#?}", checked.unjudged);
    }

    #[test]
    fn both_readers_read_the_same(private in private()) {
        let text = private.project().to_string();
        let resolved = Project::from_json(text.as_bytes()).unwrap();
        let file = ComposeFile { name: "c", bytes: text.as_bytes() };
        prop_assert_eq!(resolved, Project::from_files("", &[file]).unwrap());
    }
}

/// Each leak alone, so that a rule that is lost is noticed whatever chance picks.
#[test]
fn no_rule_hides_behind_another() {
    let private = Private {
        name: "dumps",
        image: "databasus/databasus:v3.53.0",
        neighbours: vec!["kong"],
        profile: false,
    };
    for (change, codes) in [
        (json!({"D": {"ports": ["127.0.0.1:4005:4005"]}}), &["compose-databasus-published"][..]),
        (json!({"D": {"network_mode": "host", "networks": null}}), &["compose-databasus-host-network"]),
        (
            json!({"front": {"image": "x/tailscale:v1", "network_mode": "service:D"}}),
            &["compose-databasus-tunnelled"],
        ),
        (
            json!({"front": {"image": "caddy:2", "networks": ["inner"], "ports": ["80:80"]}}),
            &["compose-databasus-behind-proxy"],
        ),
        (json!({"D": {"labels": {"caddy": "x"}}}), &["compose-databasus-routed"]),
        (
            json!({"front": {"image": "a/b:1", "networks": ["same"], "ports": ["80:80"], "command": "fwd D:4005"}}),
            &["compose-databasus-forwarded"],
        ),
        (
            json!({"front": {"image": "a/b:1", "ports": ["80:80"], "volumes": ["same:/x"]}}),
            &["compose-databasus-data-published"],
        ),
        (json!({"D": {"networks": ["lan"]}}), &["compose-databasus-on-lan"]),
        (
            json!({"D": {"depends_on": ["q"]}, "q": {"image": "postgres:17", "ports": ["1:5432"]}}),
            &["compose-databasus-companion-published"],
        ),
        // What is weak and no breach.
        (json!({"front": {"image": "a/b:1", "networks": ["inner"], "ports": ["80:80"]}}), &[]),
        (json!({"D": {"labels": {"traefik.enable": "false", "traefik.http.routers.x.rule": "y"}}}), &[]),
        // Declared, with the reason.
        (
            json!({"front": {"image": "caddy:2", "networks": ["inner"], "ports": ["80:80"]}, "D": {"labels": {"si-backup.private-route": "VPN only"}}}),
            &[],
        ),
        // A declaration is about routes, not about ports.
        (
            json!({"D": {"ports": ["1:1"], "labels": {"si-backup.private-route": "VPN only"}}}),
            &["compose-databasus-published"],
        ),
    ] {
        let project = read(&[private.project().to_string(), second(&change, "dumps").to_string()]);
        assert_eq!(accusations(&judged(&project)), codes, "{change}");
    }
}

/// What the image itself declares as a volume is taken over too.
#[test]
fn volumes_that_no_file_names_are_shared_by_volumes_from() {
    let text = "services: {databasus: {image: 'databasus/databasus:v3', networks: [n]}, front: {image: 'a/b:1', ports: ['80:80'], volumes_from: [databasus]}}\nnetworks: {n: {}}";
    assert_eq!(accusations(&judged(&read(&[text.to_owned()]))), ["compose-databasus-data-published"]);
}
