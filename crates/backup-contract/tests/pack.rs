//! Rendered fragments: they pass the contract's own checks, whatever the parameters, and add without overriding.

#![cfg(feature = "compose")]
#![expect(clippy::unwrap_used, reason = "a parameter that cannot be made fails the test")]
#![expect(clippy::disallowed_methods, reason = "the length of a test run is set from outside")]

mod projects;

use backup_contract::Severity;
use backup_contract::compose::{ComposeFile, Expected, Project, check};
use backup_contract::pack::{Data, Databasus, Pack, Receiver, Relay, SupabaseWalg};
use projects::docker;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_fragments_read_as_they_are_meant_to() {
    insta::assert_snapshot!("supabase-walg", SupabaseWalg::default().render());
    let mut volume = SupabaseWalg::default();
    volume.receiver = None;
    volume.network = Some("inner".parse().unwrap());
    volume.prefix = Some("s3://backups/shop".parse().unwrap());
    volume.data = Data::Volume {
        volume: "db-data".parse().unwrap(),
        pgdata: "/var/lib/postgresql/data".parse().unwrap(),
    };
    insta::assert_snapshot!("supabase-walg-volume", volume.render());
    insta::assert_snapshot!("databasus", Databasus::default().render());
}

#[test]
fn defaults_are_what_their_types_promise() {
    let walg = SupabaseWalg::default();
    let receiver = walg.receiver.clone().unwrap();
    for key in [&walg.backup_service, &walg.restore_service, &walg.database_service, &receiver.service] {
        assert_eq!(&key.as_str().parse::<backup_contract::pack::Key>().unwrap(), key);
    }
    assert_eq!(walg.image.as_str().parse(), Ok(walg.image));
    assert_eq!(walg.env_file.as_str().parse(), Ok(walg.env_file));
    assert_eq!(walg.user.as_str().parse(), Ok(walg.user));
    assert_eq!(receiver.slot.as_str().parse(), Ok(receiver.slot));
    let Data::Directory { path, pgdata } = walg.data else { panic!("the default is a directory") };
    assert_eq!(path.as_str().parse(), Ok(path));
    assert_eq!(pgdata.as_str().parse(), Ok(pgdata));
    let databasus = Databasus::default();
    let relay = databasus.relay.unwrap();
    for key in [databasus.service, databasus.volume, databasus.network, relay.service, relay.database_service]
    {
        assert_eq!(key.as_str().parse(), Ok(key));
    }
    for image in [databasus.image, relay.image] {
        assert_eq!(image.as_str().parse(), Ok(image));
    }
    for pack in Pack::ALL {
        assert_eq!(pack.to_string().parse(), Ok(pack));
    }
    assert_eq!("walg".parse::<Pack>().unwrap_err().code(), "invalid-pack");
}

/// Parameters, and a project in Supabase's shape that they fit.
#[derive(Debug, Clone)]
struct Case {
    walg: SupabaseWalg,
    databasus: Databasus,
    base: Value,
}

/// Whether a text holds a word, with no letter, digit or `_` on either side.
fn is_word_of(text: &str, word: &str) -> bool {
    let is_open = |side: Option<char>| side.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_');
    text.match_indices(word).any(|(at, _)| {
        is_open(text[..at].chars().next_back()) && is_open(text[at + word.len()..].chars().next())
    })
}

fn case() -> impl Strategy<Value = Case> {
    let name = "[a-z][a-z0-9_.-]{0,11}";
    let names = prop::collection::btree_set(name, 10)
        .prop_filter("a name that is a word of another is spoken of by whoever speaks of that", |names| {
            names.iter().all(|name| !names.iter().any(|other| other != name && is_word_of(other, name)))
        })
        .prop_map(|names| names.into_iter().collect::<Vec<_>>())
        .prop_shuffle();
    let host_path = prop_oneof![
        "(\\./|\\.\\./)[a-z '\"#:%äß]{1,6}[a-z](/[a-z][a-z0-9. _-]{0,6}[a-z]){0,2}",
        "/[a-z]{1,6}(/[a-z][a-z0-9._-]{0,6}[a-z]){1,3}"
    ];
    let pgdata = "/[a-z]{1,6}(/[a-z][a-z0-9._-]{0,6}[a-z]){1,3}";
    let env_file = "(\\./|/etc/)[a-z]{1,8}\\.env";
    let prefix = prop::option::of("s3://[a-z]{3,9}/[a-z]{1,9}");
    (names, host_path, pgdata, env_file, prefix, any::<[bool; 5]>()).prop_map(
        |(names, path, pgdata, env_file, prefix, flags)| {
            let [directory, receiver, network, relay, published] = flags;
            let key = |at: usize| names[at].parse().unwrap();
            let mut walg = SupabaseWalg::default();
            walg.backup_service = key(0);
            walg.restore_service = key(1);
            walg.receiver = receiver.then(|| Receiver { service: key(2), ..Receiver::default() });
            walg.database_service = key(3);
            walg.env_file = env_file.parse().unwrap();
            walg.prefix = prefix.map(|prefix| prefix.parse().unwrap());
            walg.network = network.then(|| key(4));
            walg.data = if directory {
                Data::Directory { path: path.parse().unwrap(), pgdata: pgdata.parse().unwrap() }
            } else {
                Data::Volume { volume: key(5), pgdata: pgdata.parse().unwrap() }
            };
            let mut databasus = Databasus::default();
            databasus.service = key(6);
            databasus.volume = key(7);
            databasus.network = key(8);
            databasus.relay = relay.then(|| Relay {
                service: key(9),
                database_service: key(3),
                database_network: network.then(|| key(4)),
                ..Relay::default()
            });
            let base = base(&walg, &pgdata, published);
            Case { walg, databasus, base }
        },
    )
}

/// Supabase's shape, fitted to the parameters: the database, and a gateway that is published.
fn base(walg: &SupabaseWalg, pgdata: &str, gateway: bool) -> Value {
    let mounted = match &walg.data {
        Data::Directory { path, .. } => json!({"type": "bind", "source": path.as_str(), "target": pgdata}),
        Data::Volume { volume, .. } => {
            json!({"type": "volume", "source": volume.as_str(), "target": pgdata.rsplit_once('/').unwrap().0})
        }
    };
    let mut database = json!({
        "image": "supabase/postgres:15.8.1.085",
        "restart": "unless-stopped",
        "environment": {"PGDATA": pgdata},
        "volumes": [mounted, "db-config:/etc/postgresql-custom"],
        "command": ["postgres", "-c", "archive_timeout=60"],
    });
    if walg.receiver.is_none() {
        database["command"] = json!([
            "postgres",
            "-c",
            "archive_mode=on",
            "-c",
            "archive_command=wal-g wal-push %p",
            "-c",
            "archive_timeout=60"
        ]);
    }
    let mut project = json!({
        "name": "shop",
        "services": {walg.database_service.as_str(): database},
        "volumes": {"db-config": null},
        "networks": {"default": null},
    });
    if gateway {
        project["services"]["Kong"] =
            json!({"image": "kong:2.8.1", "restart": "unless-stopped", "ports": ["8000:8000"]});
    }
    if let Data::Volume { volume, .. } = &walg.data {
        project["volumes"][volume.as_str()] = Value::Null;
    }
    if let Some(network) = &walg.network {
        project["networks"][network.as_str()] = Value::Null;
        project["services"][walg.database_service.as_str()]["networks"] = json!([network.as_str()]);
    }
    project
}

impl Case {
    fn texts(&self) -> [String; 3] {
        [self.base.to_string(), self.walg.render(), self.databasus.render()]
    }

    fn expected(&self, project: &Project) -> Expected {
        let names: BTreeSet<String> = Expected::default().required_env.into_iter().collect();
        let files = project.services().flat_map(|service| project.env_files(service)).map(str::to_owned);
        Expected {
            backup_service: self.walg.backup_service.to_string(),
            restore_service: self.walg.restore_service.to_string(),
            database: Some(self.walg.database_service.to_string()),
            env_files: files.map(|file| (file, names.clone())).collect::<BTreeMap<_, _>>(),
            ..Expected::default()
        }
    }
}

fn read(texts: &[String]) -> Project {
    let files: Vec<ComposeFile> =
        texts.iter().map(|text| ComposeFile { name: "c", bytes: text.as_bytes() }).collect();
    Project::from_files("/srv/shop", &files).unwrap_or_else(|error| panic!("{error}\n{texts:#?}"))
}

/// What stands against a case: findings that are more than worth knowing, and what was left unjudged.
fn objections(case: &Case, project: &Project) -> Vec<String> {
    let checked = check(project, &case.expected(project));
    let findings = checked.findings.into_iter().filter(|finding| finding.severity > Severity::Info);
    let findings = findings.map(|finding| format!("{} {}: {}", finding.code, finding.place, finding.detail));
    findings.chain(checked.unjudged.into_iter().map(|left| left.why)).collect()
}

proptest! {
    #[test]
    fn a_fragment_passes_the_checks_whatever_the_parameters(case in case()) {
        let texts = case.texts();
        let objections = objections(&case, &read(&texts));
        prop_assert!(objections.is_empty(), "{objections:#?}\n{}\n{}\n{}", texts[0], texts[1], texts[2]);
    }

    /// What is read off a project makes a fragment that fits it, without a parameter being set.
    #[test]
    fn a_fitted_fragment_passes_too(case in case()) {
        let base = case.base.to_string();
        let project = read(std::slice::from_ref(&base));
        prop_assume!(project.roles().database.as_deref() == Some(case.walg.database_service.as_str()));
        let fitted = Case {
            walg: SupabaseWalg::fitted(&project),
            databasus: Databasus::fitted(&project),
            base: case.base.clone(),
        };
        prop_assert_eq!(&fitted.walg.network, &case.walg.network);
        prop_assert_eq!(fitted.walg.receiver.is_some(), case.walg.receiver.is_some());
        let texts = fitted.texts();
        let objections = objections(&fitted, &read(&texts));
        prop_assert!(objections.is_empty(), "{objections:#?}\n{}\n{}\n{}", texts[0], texts[1], texts[2]);
    }

    #[test]
    fn a_fragment_adds_and_overrides_nothing(case in case()) {
        let [base, walg, databasus] = case.texts();
        let names = |text: &String| -> BTreeSet<String> {
            read(std::slice::from_ref(text)).services().map(str::to_owned).collect()
        };
        let all = [names(&base), names(&walg), names(&databasus)];
        let count: usize = all.iter().map(BTreeSet::len).sum();
        prop_assert_eq!(all.iter().flatten().collect::<BTreeSet<_>>().len(), count);
        prop_assert_eq!(case.walg.render(), walg);
    }
}

/// Compose itself takes a few of them, and resolves them to the same answer.
#[test]
fn compose_itself_takes_the_fragments() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let Some(compose) = docker::compose() else { return };
    let cases = if std::env::var_os("SI_BACKUP_FULL").is_some() { 100 } else { 8 };
    let mut runner =
        TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    for _ in 0..cases {
        let case = case().new_tree(&mut runner).unwrap().current();
        let resolved = compose.resolve(&case.texts());
        let project = Project::from_json(resolved.as_bytes()).unwrap();
        let objections = objections(&case, &project);
        assert!(objections.is_empty(), "{objections:#?}\n{:#?}", case.texts());
    }
}
