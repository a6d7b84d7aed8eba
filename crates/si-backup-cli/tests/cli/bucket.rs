//! The state commands over `s3://…`: exactly as over a directory, and killed at every write of a run.

use crate::crashes::all_is_sound;
use crate::harness::{Host, NOON, Ran, full, small, tree, wait_for};
use serde_json::Value;
use si_backup_tests::StateSpec;
use si_backup_tests::servers::{Admin, BucketKind, Fault, Proxy, REGION, VersityGw};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// A host whose store is in a bucket, reached through a proxy.
pub(crate) struct Remote {
    pub(crate) host: Host,
    pub(crate) admin: Admin,
    proxy: Proxy,
    server: Arc<VersityGw>,
    pub(crate) bucket: String,
}

impl Remote {
    /// With a state, and nothing else.
    pub(crate) fn bare(kind: BucketKind, spec: &StateSpec) -> Option<Self> {
        let server = VersityGw::shared()?;
        let host = Host::with_state(spec);
        let admin = server.admin();
        let bucket = host.root().file_name().unwrap().to_str().unwrap().to_lowercase().replace('_', "-");
        admin.make_bucket(&bucket, kind);
        let proxy = Proxy::before(server.address());
        let remote = Self { host, admin, proxy, server, bucket };
        let keys = remote.server.keys();
        let text =
            format!("[default]\naws_access_key_id = {}\naws_secret_access_key = {}\n", keys.id, keys.secret);
        fs::write(remote.credentials(), text).unwrap();
        fs::set_permissions(remote.credentials(), Permissions::from_mode(0o600)).unwrap();
        Some(remote)
    }

    /// With settings and keys too.
    fn ready(kind: BucketKind, spec: &StateSpec) -> Option<Self> {
        let remote = Self::bare(kind, spec)?;
        remote.host.inside(NOON, remote.init()).expect(0);
        Some(remote)
    }

    fn credentials(&self) -> std::path::PathBuf {
        self.host.path("credentials")
    }

    fn url(&self) -> String {
        format!("s3://{}/si", self.bucket)
    }

    pub(crate) fn init(&self) -> Vec<String> {
        let credentials = self.credentials().to_str().unwrap().to_owned();
        let endpoint = self.proxy.endpoint();
        [
            "init",
            "--store",
            &self.url(),
            "--endpoint",
            &endpoint,
            "--region",
            REGION,
            "--credentials-file",
            &credentials,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The keys of the store, as the server has them.
    pub(crate) fn keys(&self) -> Vec<String> {
        let keys = self.admin.keys(&self.bucket, "si/");
        let own =
            keys.iter().filter_map(|key| key.strip_prefix("si/")).filter(|key| !key.starts_with(".si-store"));
        own.map(str::to_owned).collect()
    }

    /// Nothing that any command printed may hold the secret key.
    fn shows_no_secret(&self, ran: &Ran) {
        let secret = &self.server.keys().secret;
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret));
    }
}

/// Without what is random in names.
fn without_names(host: &Host, text: &str) -> String {
    let random = regex::Regex::new("-[0-9a-f]{8}\\.json").unwrap();
    // Made of the random ids of the snapshots.
    let plan = regex::Regex::new("--plan-id [0-9a-f]{16}").unwrap();
    let text = &*plan.replace_all(text, "--plan-id xxxxxxxxxxxxxxxx");
    random.replace_all(&host.redact(text), "-x.json").into_owned()
}

/// What an envelope says, without what differs from run to run and from store to store.
fn shape(host: &Host, url: &str, mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                let is_measure = ["bytes", "duration_ms", "freed_bytes"].contains(&name.as_str());
                // Of what names its own place, or a random name.
                let is_digest =
                    ["sha256", "mtime", "digest", "plan_id", "writer", "origin"].contains(&name.as_str());
                *field = if is_digest || (is_measure && field.is_number()) {
                    "n".into()
                } else {
                    shape(host, url, field.take())
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = shape(host, url, item.take())),
        Value::String(text) => *text = without_names(host, &text.replace(url, "[store]")),
        _ => {}
    }
    value
}

#[test]
fn every_command_does_over_a_bucket_what_it_does_over_a_directory() {
    for kind in [BucketKind::Plain, BucketKind::Locked] {
        let Some(remote) = Remote::bare(kind, &small()) else { return };
        let local = Host::with_state(&small());
        let (local_url, url) = (local.store_url(), remote.url());
        let init: Vec<String> = ["init", "--store", &local_url].map(str::to_owned).to_vec();
        assert_eq!(
            local.inside(NOON, init).expect(0).stderr.len(),
            remote.host.inside(NOON, remote.init()).expect(0).stderr.len()
        );
        // One after the other, a day each: what comes out is the same in both.
        let script: [(&str, &[&str], i32); 31] = [
            ("24T12", &["list"], 0),
            ("24T12", &["verify"], 2),
            ("24T12", &["run", "--dry-run"], 0),
            ("24T12", &["run"], 0),
            ("25T12", &["run"], 0),
            ("26T12", &["run", "--state"], 0),
            ("26T13", &["list"], 0),
            ("26T13", &["show", "LATEST"], 0),
            ("26T13", &["status"], 0),
            ("26T13", &["verify"], 0),
            ("26T13", &["verify", "--all", "--level", "checksum"], 0),
            ("26T13", &["diff", "LATEST", "LATEST"], 0),
            ("26T13", &["diff", "LATEST"], 0),
            ("26T13", &["pin", "LATEST", "--reason", "the move"], 0),
            ("26T14", &["retention", "plan", "--keep-last", "1", "--recovery-window", "none"], 0),
            ("26T14", &["retention", "apply", "--keep-last", "1", "--recovery-window", "none"], 0),
            ("26T14", &["retention", "apply", "--yes", "--keep-last", "1", "--recovery-window", "none"], 0),
            ("26T15", &["list"], 0),
            ("26T15", &["unpin", "LATEST"], 0),
            ("26T15", &["audit", "list"], 0),
            ("26T15", &["audit", "verify"], 0),
            ("26T15", &["extract", "LATEST", "--into", "back"], 0),
            ("26T15", &["extract", "LATEST", "--into", "back"], 2),
            ("26T15", &["events", "list"], 0),
            ("26T16", &["restore", "--from", "LATEST", "--dry-run"], 0),
            ("26T16", &["restore", "--from", "LATEST", "--force"], 0),
            ("26T16", &["guard", "status"], 0),
            ("26T16", &["guard", "recheck"], 0),
            ("26T16", &["restore", "undo", "--force"], 0),
            ("26T16", &["restore", "confirm"], 0),
            ("26T17", &["restore", "--from", "LATEST", "--force"], 0),
        ];
        for (time, args, _) in script {
            let now = format!("2026-11-{time}:00:00Z");
            let mut said = [(&local, &local_url), (&remote.host, &url)].map(|(host, url)| {
                let into = host.path("back");
                let place = |arg: &&str| {
                    if *arg == "back" { into.to_str().unwrap().to_owned() } else { (*arg).to_owned() }
                };
                let ran = host.inside(&now, args.iter().map(place).chain(["--json".to_owned()]));
                remote.shows_no_secret(&ran);
                (ran.code, shape(host, url, ran.envelope()))
            });
            assert_eq!(said[1].0, said[0].0, "{args:?}: {:#}", said[1].1);
            assert_eq!(said[1].1.take(), said[0].1.take(), "{kind:?}: {args:?}");
        }
        let back = |host: &Host| {
            let mut files = tree(&host.path("back"));
            assert_eq!(files["config.json"], fs::read(host.context().join("config.json")).unwrap());
            // These name their own place.
            for name in ["config.json", "events/audit.jsonl"] {
                assert!(files.insert(name.to_owned(), Vec::new()).is_some());
            }
            files
        };
        assert_eq!(back(&remote.host), back(&local));
        // The same objects in both, but for their random names.
        let keys = |host: &Host, keys: Vec<String>| {
            keys.iter().map(|key| without_names(host, key)).collect::<Vec<_>>()
        };
        let mut there: Vec<_> =
            tree(&local.store()).into_keys().filter(|key| !key.starts_with(".si-store")).collect();
        there.sort();
        assert_eq!(keys(&remote.host, remote.keys()), keys(&local, there));
        assert!(
            remote.admin.versions(&remote.bucket, "").iter().all(|row| !row.is_marker),
            "deleted for good"
        );
    }
}

#[test]
fn killed_at_every_write_nothing_half_made_is_ever_seen() {
    let kinds = if full() { &[BucketKind::Plain, BucketKind::Locked][..] } else { &[BucketKind::Locked] };
    for &kind in kinds {
        let Some(remote) = Remote::ready(kind, &small()) else { return };
        let host = &remote.host;
        let mut made = vec![host.back_up()];
        for fault in [Fault::Stall, Fault::StallAfter, Fault::LostAnswer] {
            for write in 0.. {
                remote.proxy.asked();
                let mut left = write;
                remote.proxy.plan(move |asked| {
                    let writes = ["PUT", "POST", "DELETE"].contains(&asked.method.as_str());
                    if !writes {
                        return Fault::None;
                    }
                    left -= 1;
                    if left == -1 { fault } else { Fault::None }
                });
                let mut run = host.start(["run", "--json"]);
                wait_for("a write that is not answered", || {
                    remote.proxy.has_asked(|asked| asked.fault != Fault::None) || !run.is_running()
                });
                let is_over = !remote.proxy.has_asked(|asked| asked.fault != Fault::None);
                if is_over {
                    made.push(run.wait().expect(0).row()["id"].as_str().unwrap().to_owned());
                } else {
                    run.kill();
                }
                remote.proxy.clear();
                all_is_sound(host, &made);
                if is_over {
                    assert!(write > 4, "a run writes more than {write} times");
                    break;
                }
            }
            made.push(host.back_up());
        }
        all_is_sound(host, &made);
        host.json(["verify", "--all", "--level", "checksum"]).expect(0);
        host.json(["doctor"]).expect(10);
        assert!(remote.admin.versions(&remote.bucket, "").iter().all(|row| !row.is_marker));
        let keys = remote.admin.versions(&remote.bucket, "si/");
        let distinct: BTreeSet<_> = keys.iter().map(|row| &row.key).collect();
        assert_eq!(distinct.len(), keys.len(), "no key was written twice");
    }
}

#[test]
fn doctor_tells_what_the_bucket_can_do() {
    for (kind, expected) in [
        (BucketKind::Plain, ["\"versioning\":false", "\"locks\":\"nobody\""]),
        (BucketKind::Locked, ["\"versioning\":true", "\"locks\":\"server\""]),
    ] {
        let Some(remote) = Remote::ready(kind, &small()) else { return };
        remote.host.back_up();
        let ran = remote.host.json(["doctor"]);
        let rows = ran.data();
        let store = rows
            .iter()
            .find(|row| row.to_string().contains("write_once"))
            .unwrap_or_else(|| panic!("{rows:#?}"));
        assert_eq!(store["ok"], true, "{store:#}");
        for part in expected {
            assert!(store.to_string().contains(part), "{store:#}");
        }
        if kind == BucketKind::Locked {
            remote.admin.lock_by_default(&remote.bucket, 1);
            let rows = remote.host.json(["doctor"]).expect(10).data();
            assert!(rows.iter().any(|row| row["code"] == "bucket-default-retention"), "{rows:#?}");
        }
    }
}

#[test]
fn a_bucket_that_cannot_be_used_is_named_before_a_key_is_made() {
    let Some(remote) = Remote::bare(BucketKind::Plain, &small()) else { return };
    let host = &remote.host;
    let with = |from: &str, to: &str| -> Vec<String> {
        remote.init().into_iter().map(|arg| arg.replace(from, to)).chain(["--json".to_owned()]).collect()
    };
    let refused = [
        (with(&format!("s3://{}", remote.bucket), "s3://there-is-no-such-bucket"), "bucket-missing"),
        (with("s3://", "s4://"), ""),
        (with(&remote.proxy.endpoint(), "http://s3.example.org"), "plain-http-refused"),
        (with("/credentials", "/no-credentials"), "credentials-invalid"),
    ];
    for (args, code) in refused {
        let ran = host.inside(NOON, &args);
        remote.shows_no_secret(&ran);
        assert_ne!(ran.code, Some(0), "{args:?}");
        assert!(code.is_empty() || ran.error(code).len() > 10, "{args:?}");
        assert!(!host.home().join("identity.txt").exists(), "{args:?}");
    }
    fs::set_permissions(remote.credentials(), Permissions::from_mode(0o644)).unwrap();
    host.inside(NOON, with("\n", "\n")).error("credentials-exposed");
    fs::set_permissions(remote.credentials(), Permissions::from_mode(0o600)).unwrap();
    host.inside(NOON, remote.init()).expect(0);
}
