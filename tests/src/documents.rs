//! The JSON stores of a context, in the shapes that si writes.

use crate::Random;
use crate::time::Moment;
use serde_json::{Map, Value, json};

const DAY: u64 = 86_400_000_000_000;

/// A release: its name, and what it was made of.
pub(crate) struct Release {
    pub(crate) name: String,
    pub(crate) commit: String,
    pub(crate) digest: String,
    pub(crate) at: String,
}

/// The releases of one app, oldest first.
pub(crate) fn releases(random: &Random, app: &str, count: usize) -> Vec<Release> {
    let mut r = random.fork(app);
    let mut now = Moment::START;
    let mut make = || {
        now = now.plus(DAY / 2 + r.below(DAY));
        let commit = r.hex(40);
        let name = format!("{}-{}", now.compact(), &commit[..7]);
        Release { name, digest: format!("sha256:{}", r.hex(64)), commit, at: now.text() }
    };
    (0..count).map(|_| make()).collect()
}

pub(crate) fn config(context: &str, state_root: &str) -> Value {
    json!({
        "name": context, "type": "self-hosted", "state_root": state_root,
        "vault_file": format!("{state_root}/contexts/{context}/vault/secrets.env"),
        "created_at": Moment::START.text(), "updated_at": Moment::START.plus(DAY).text(),
    })
}

pub(crate) fn targets(random: &Random, names: &[String]) -> Value {
    let mut r = random.fork("targets");
    let mut target = |name: &String| {
        json!({
            "name": name, "host": format!("203.0.113.{}", 1 + r.below(250)), "port": 22, "user": "deploy",
            "auth_method": r.pick(&["key", "agent", "password"]), "labels": ["eu-central", "production"],
            "ingress_provider": "traefik", "ingress_domain": format!("{name}.example.com"),
            "ingress_lb_mode": "dns", "ingress_acme_email": "ops@example.com",
            "created_at": Moment::START.text(), "updated_at": Moment::START.plus(DAY).text(),
        })
    };
    let list: Vec<Value> = names.iter().map(&mut target).collect();
    json!({ "current_target": names.first(), "targets": list })
}

pub(crate) fn deployments(random: &Random, apps: &[String], count: usize) -> Value {
    let app = |app: &String| {
        let made = releases(random, app, count);
        let history: Vec<Value> = made
            .iter()
            .map(|release| {
                json!({
                    "release": release.name, "commit": release.commit, "at": release.at, "status": "ok",
                    "image": format!("registry.example.com/{app}/web@{}", release.digest),
                })
            })
            .collect();
        let current = made.last();
        let value = json!({
            "current_release": current.map(|release| &release.name), "current_remote_dir": format!("/srv/{app}"),
            "history": history, "updated_at": current.map_or(Moment::START.text(), |release| release.at.clone()),
        });
        (app.clone(), value)
    };
    json!({ "apps": apps.iter().map(app).collect::<Map<_, _>>() })
}

pub(crate) fn addons(apps: &[String]) -> Value {
    let app = |app: &String| {
        let addon = json!({
            "app": app, "name": "walg", "pack": "supabase-walg", "class": "backup", "service": "walg",
            "version": "1.2.0", "merge_strategy": "additive_no_override",
            "fragment_path": format!("addons/{app}/walg.compose.yaml"),
            "vars": {
                "WALG_S3_PREFIX": format!("s3://backups/{app}"), "PGPASSWORD": "${SUPABASE_DB_PASSWORD}",
                "AWS_SECRET_ACCESS_KEY": "vault:WALG_S3_SECRET", "WALG_COMPRESSION_METHOD": "zstd",
            },
            "updated_at": Moment::START.plus(DAY).text(),
        });
        (app.clone(), json!([addon]))
    };
    json!({ "apps": apps.iter().map(app).collect::<Map<_, _>>() })
}

pub(crate) fn bluegreen(random: &Random, apps: &[String], targets: &[String], count: usize) -> Value {
    let mut r = random.fork("bluegreen");
    let mut app = |app: &String| {
        let made = releases(random, app, count);
        let newest: Vec<_> = made.iter().rev().map(|release| release.name.clone()).take(2).collect();
        let mut slots = |target: &String| {
            let value = json!({
                "active_slot": r.pick(&["blue", "green"]),
                "slots": {
                    "blue": { "release": newest.first(), "port": 8081 },
                    "green": { "release": newest.get(1), "port": 8082 },
                },
                "updated_at": Moment::START.plus(DAY).text(),
            });
            (target.clone(), value)
        };
        (app.clone(), json!({ "targets": targets.iter().map(&mut slots).collect::<Map<_, _>>() }))
    };
    json!({ "apps": apps.iter().map(&mut app).collect::<Map<_, _>>() })
}

pub(crate) fn mappings(apps: &[String], targets: &[String]) -> Value {
    let mapping = |app: &String| {
        json!({
            "provider": "github", "repo": format!("example/{app}"), "branch": "main", "app": app,
            "compose_file": "compose.yaml", "targets": targets, "strategy": "rolling", "max_parallel": 1,
            "secret_key": format!("{}_WEBHOOK_SECRET", app.to_ascii_uppercase().replace('-', "_")),
            "clone_url": format!("git@github.com:example/{app}.git"),
        })
    };
    json!({ "mappings": apps.iter().map(mapping).collect::<Vec<_>>() })
}

pub(crate) fn policy() -> Value {
    json!({
        "default_channel": "telegram",
        "severity": { "info": "none", "warning": "telegram", "error": "telegram" },
        "updated_at": Moment::START.text(),
    })
}
