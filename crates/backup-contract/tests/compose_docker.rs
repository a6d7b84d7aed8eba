//! The reader of compose files against compose itself.

#![cfg(feature = "compose")]
#![expect(clippy::unwrap_used, reason = "a project that cannot be read fails the test")]

mod projects;

use backup_contract::compose::{ComposeFile, Expected, Project, check};
use projects::{docker, files, with};
use std::collections::BTreeSet;

fn read(texts: &[String]) -> Project {
    let files: Vec<ComposeFile> =
        texts.iter().map(|text| ComposeFile { name: "c", bytes: text.as_bytes() }).collect();
    Project::from_files("", &files).unwrap()
}

/// Everything that is said about a project, but for the paths by which env files are named. As a set: compose writes a
/// range of ports out, port by port.
fn said(project: &Project) -> BTreeSet<String> {
    let checked = check(project, &Expected::default());
    let findings = checked
        .findings
        .iter()
        .map(|finding| format!("{} {} {}", finding.code, finding.place, finding.severity));
    let left = checked.unjudged.iter().filter(|left| !left.why.contains("was not read"));
    findings.chain(left.map(|left| format!("{} {}", left.clause, left.why))).collect()
}

/// A project that the reader reads itself is judged like the same project resolved by compose.
#[test]
fn both_ways_come_to_the_same_answer() {
    let Some(compose) = docker::compose() else { return };
    let service =
        |text: &str| vec![format!("services:\n  databasus:\n    image: databasus/databasus:v3\n{text}")];
    let projects = [
        vec![files("supabase.yaml")],
        vec![files("supabase.yaml"), files("databasus-as-published.yaml")],
        vec![files("supabase.yaml"), files("walg-by-hand.yaml")],
        vec![files("supabase.yaml"), files("archiving.yaml")],
        vec![files("supabase.yaml"), files("slot-limit.yaml")],
        with(&[]),
        with(&["services: {databasus: {ports: [{target: 4005, published: '80', host_ip: 127.0.0.1}]}}"]),
        with(&["services: {databasus: {profiles: [x], ports: ['${P}:4005']}}"]),
        with(&[
            "services: {front: {image: 'caddy:2', ports: ['80:80'], networks: [n]}, databasus: {networks: {n: {aliases: [q]}}}}\nnetworks: {n: {}}",
        ]),
        with(&["services: {front: {image: 'a/b:1', network_mode: 'service:databasus', ports: ['1:1']}}"]),
        with(&["services: {front: {image: 'a/b:1', volumes: ['databasus-data:/x'], ports: ['1:1']}}"]),
        with(&["services: {front: {image: 'a/b:1', volumes_from: ['databasus:ro'], ports: ['1:1']}}"]),
        service("    ports: [80-82:80-82]\n---\nservices: {databasus: {ports: ['9:9']}}\n"),
        service("    network_mode: host\n    environment: [API_TOKEN=a$$b, X]\n"),
        service(
            "    deploy: {labels: {traefik.enable: 'true'}, restart_policy: {condition: any}}\n    tmpfs: /x\n",
        ),
        service("    networks: [x]\nnetworks: {x: {external: true, name: host}}\n"),
        service(
            "    volumes: [{type: volume, source: d, target: /databasus-data}]\nvolumes: {d: {driver_opts: {type: none, o: bind, device: /srv/d}}}\n",
        ),
    ];
    for texts in projects {
        let resolved = compose.resolve(&texts);
        let resolved = Project::from_json(resolved.as_bytes()).unwrap();
        let read = read(&texts);
        assert_eq!(said(&read), said(&resolved), "{texts:#?}");
        assert_eq!(read.roles(), resolved.roles());
    }
}

/// What the reader refuses, compose refuses too: a refusal never stands in the way of something that works.
#[test]
fn nothing_is_refused_that_compose_takes() {
    let Some(compose) = docker::compose() else { return };
    for text in [
        "services: [a]",
        "services: {a: b}",
        "services: {a: {image: x, ports: '80:80'}}",
        "services: {a: {image: x, ports: [[80]]}}",
        "services: {a: {image: x, ports: [{published: 80}]}}",
        "services: {a: {image: [x]}}",
        "services: {a: {image: x, env_file: [{}]}}",
        "services: {a: {image: x, environment: {A: [b]}}}",
        "services: {a: {image: x}, a: {image: y}}",
        "services: *a",
        "services: {a: {image: x, labels: 3}}",
        "services: {a: {image: x, networks: 3}}",
    ] {
        let file = ComposeFile { name: "c", bytes: text.as_bytes() };
        assert!(Project::from_files("", &[file]).is_err(), "the reader takes {text}");
        assert!(!compose.takes(&[text.to_owned()]), "compose takes {text}");
    }
}
