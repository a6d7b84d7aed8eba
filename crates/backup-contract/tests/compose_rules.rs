//! The rules over projects in the shape of the real ones.

#![cfg(feature = "compose")]

mod projects;

use backup_contract::compose::{ComposeFile, Expected, Project, check};
use backup_contract::{Checked, ClauseId, Severity};
use projects::{codes, expected, files, project, with};
use std::collections::BTreeSet;

fn judged(texts: &[&str]) -> Checked {
    check(&project(texts), &expected())
}

#[test]
fn databasus_as_it_publishes_itself_is_refused() {
    let checked = judged(&[&files("supabase.yaml"), &files("databasus-as-published.yaml")]);
    let published =
        checked.findings.iter().find(|finding| finding.code == "compose-databasus-published").unwrap();
    assert_eq!(published.severity, Severity::Error);
    assert_eq!(published.clause, Some(ClauseId::DatabasusPrivate));
    assert_eq!(published.place.to_string(), "service databasus ports");
    assert!(published.detail.contains("'4005:4005'"), "{}", published.detail);
    // It is on the default network too, where the gateway is.
    assert!(codes(&checked).contains("compose-databasus-behind-proxy"));
    assert!(codes(&checked).contains("compose-image-not-pinned"));
    assert!(codes(&checked).contains("compose-databasus-data-not-covered"));
}

#[test]
fn the_faults_of_services_made_by_hand_are_all_found() {
    let checked = judged(&[&files("supabase.yaml"), &files("walg-by-hand.yaml")]);
    let found: BTreeSet<_> = codes(&checked);
    for code in [
        "compose-pghost-missing",
        "compose-backup-data-elsewhere",
        "compose-backups-deleted-elsewhere",
        "compose-image-not-pinned",
        "compose-one-shot-restarts",
        "compose-one-shot-starts-with-up",
        "compose-restore-mounts-live-data",
        "compose-restore-removes-data",
        "compose-storage-not-covered",
    ] {
        assert!(found.contains(code), "{code} is not among {found:?}");
    }
    // Nobody sees whether WAL is archived: that is not judged, and so not met.
    assert!(checked.unjudged.iter().any(|left| left.why.contains("archive_command")));
    let storage =
        checked.findings.iter().find(|finding| finding.code == "compose-storage-not-covered").unwrap();
    assert!(storage.detail.contains("volumes/storage"), "{}", storage.detail);
}

#[test]
fn the_bare_project_lacks_the_services_and_nothing_else_is_made_up() {
    let checked = judged(&[&files("supabase.yaml")]);
    assert_eq!(
        codes(&checked),
        BTreeSet::from([
            "compose-databasus-missing",
            "compose-walg-service-missing",
            "compose-storage-not-covered"
        ])
    );
}

/// Each line: what is put over a sound project, and what it must be told as; or nothing, where it is sound.
const CHANGES: &[(&str, Option<&str>)] = &[
    ("services: {db: {labels: {a: b}}}", None),
    ("services: {db: {image: 'supabase/postgres:latest'}}", Some("compose-image-not-pinned")),
    ("services: {db: {image: 'supabase/postgres'}}", Some("compose-image-not-pinned")),
    ("services: {studio: {image: 'supabase/studio@sha256:00'}}", None),
    ("services: {db: {command: postgres -c archive_mode=off}}", Some("compose-archive-off")),
    (
        "services: {db: {command: 'postgres -c archive_mode=on -c archive_command=/bin/true -c archive_timeout=60'}}",
        Some("compose-archive-not-walg"),
    ),
    (
        "services: {db: {command: [postgres, -c, archive_mode=on, -c, 'archive_command=wal-g wal-push %p && envdir /b wal-g wal-push %p', -c, archive_timeout=60]}}",
        Some("compose-two-archivers"),
    ),
    (
        "services: {db: {command: [postgres, -c, archive_mode=on, -c, 'archive_command=wal-g wal-push %p', -c, archive_timeout=1h]}}",
        Some("compose-archive-timeout"),
    ),
    (
        "services: {db: {command: [postgres, -c, archive_mode=on, -c, 'archive_command=wal-g wal-push %p', -c, archive_timeout=0]}}",
        Some("compose-archive-timeout"),
    ),
    (
        "services: {db: {command: [postgres, -c, wal_level=minimal, -c, archive_mode=on, -c, 'archive_command=wal-g wal-push %p', -c, archive_timeout=60]}}",
        Some("compose-wal-level-minimal"),
    ),
    (
        "services: {r: {image: 'supabase/postgres:1', restart: always, command: wal-g wal-receive, env_file: ./walg.env, environment: {PGHOST: db}}}",
        Some("compose-two-archivers"),
    ),
    ("services: {db: {restart: 'no'}}", Some("compose-restart-missing")),
    ("services: {db: {environment: {PGDATA: /elsewhere/data}}}", Some("compose-database-data-not-kept")),
    (
        "services: {db: {volumes: [{type: tmpfs, target: /etc/postgresql-custom}]}}",
        Some("compose-pgsodium-key-not-kept"),
    ),
    ("services: {db: {volumes: [/etc/postgresql-custom]}}", Some("compose-pgsodium-key-not-kept")),
    (
        "services: {db: {volumes: ['data:/var/lib/postgresql/data']}, supabase-walg-backup: {volumes: ['data:/var/lib/postgresql/data']}}\nvolumes: {data: {}}",
        Some("compose-data-parent-unreachable"),
    ),
    (
        "services: {db: {volumes: ['data:/var/lib/postgresql/data']}}\nvolumes: {data: {driver_opts: {type: none, o: bind, device: ./volumes/db/data}}}",
        None,
    ),
    (
        "services: {supabase-walg-backup: {environment: {PGHOST: localhost}}}",
        Some("compose-pghost-not-database"),
    ),
    (
        "services: {supabase-walg-backup: {environment: {PGHOST: elsewhere}}}",
        Some("compose-pghost-not-database"),
    ),
    ("services: {supabase-walg-backup: {environment: {PGHOST: supabase-db}}}", None),
    (
        "services: {supabase-walg-backup: {environment: {PGHOST: /var/run/postgresql}}}",
        Some("compose-pghost-not-database"),
    ),
    (
        "services: {supabase-walg-backup: {environment: {PGHOST: /run/pg}, volumes: ['sock:/run/pg']}, db: {volumes: ['sock:/run/pg']}}\nvolumes: {sock: {}}",
        None,
    ),
    (
        "services: {supabase-walg-backup: {networks: [other]}}\nnetworks: {other: {}}",
        Some("compose-walg-cannot-reach-database"),
    ),
    (
        "services: {supabase-walg-backup: {networks: [other]}}\nnetworks: {other: {name: shop_x}, default: {name: shop_x}}",
        None,
    ),
    ("services: {supabase-walg-backup: {restart: always}}", Some("compose-one-shot-restarts")),
    (
        "services: {supabase-walg-backup: {volumes: ['./elsewhere:/var/lib/postgresql/data']}}",
        Some("compose-backup-data-not-mounted"),
    ),
    (
        "services: {supabase-walg-restore: {volumes: ['./elsewhere:/restore']}}",
        Some("compose-restore-mounts-live-data"),
    ),
    (
        "services: {supabase-walg-restore: {volumes: ['./elsewhere:/restore', './elsewhere:/restore/data']}}",
        Some("compose-restore-parent-not-mounted"),
    ),
    (
        "services: {supabase-walg-restore: {volumes: ['./volumes/db:/restore:ro']}}",
        Some("compose-restore-mounts-live-data"),
    ),
    (
        "services: {supabase-walg-restore: {volumes: ['.:/restore', './volumes/db/data:/restore/volumes/db/data:ro']}}",
        None,
    ),
    (
        "services: {cron: {image: 'mcuadros/ofelia:0.3', labels: {ofelia.job.command: wal-g delete retain 7}}}",
        Some("compose-backups-deleted-elsewhere"),
    ),
    (
        "services: {storage: {environment: {STORAGE_BACKEND: s3, GLOBAL_S3_ENDPOINT: 'http://minio:9000'}}, minio: {image: 'minio/minio:1', volumes: ['./m:/data']}}",
        Some("compose-storage-not-covered"),
    ),
    ("services: {storage: {environment: {STORAGE_BACKEND: file}}}", Some("compose-storage-not-covered")),
    (
        "services: {storage: {environment: {STORAGE_BACKEND: file}, labels: [si-backup.covered-by=nightly rsync]}}",
        Some("compose-storage-declared-covered"),
    ),
    ("services: {storage: {environment: {STORAGE_BACKEND: '${S}'}}}", Some("compose-storage-unknown")),
];

#[test]
fn one_change_makes_one_finding() {
    let mut wrong = Vec::new();
    for (change, code) in CHANGES {
        let checked = judged(&with(&[change]).iter().map(String::as_str).collect::<Vec<_>>());
        let wanted: BTreeSet<&str> = code.iter().copied().collect();
        let mut found = codes(&checked);
        found.remove("compose-databasus-data-not-covered");
        if found != wanted {
            wrong.push(format!("{change}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What compose fills in, or only compose follows, is neither met nor violated.
#[test]
fn what_the_files_do_not_tell_is_left_unjudged() {
    let cases = [
        ("services: {db: {image: 'supabase/postgres:${TAG}'}}", ClauseId::AppContract),
        (
            "services: {supabase-walg-backup: {environment: {PGHOST: '${POSTGRES_HOST}'}}}",
            ClauseId::AppContract,
        ),
        ("services: {supabase-walg-backup: {environment: [PGHOST]}}", ClauseId::AppContract),
        ("services: {db: {environment: {PGDATA: '${PGDATA}'}}}", ClauseId::AppContract),
        ("services: {db: {volumes: ['${DATA}:/var/lib/postgresql/data']}}", ClauseId::AppContract),
        ("services: {db: {command: postgres}}", ClauseId::AppContract),
        (
            "services: {postgres: {image: 'supabase/postgres:1'}, db: {profiles: [x]}, x: {image: 'supabase/postgres:1'}}",
            ClauseId::AppContract,
        ),
        ("include: [other.yaml]", ClauseId::DatabasusPrivate),
        ("include: [other.yaml]", ClauseId::AppContract),
        ("services: {studio: {extends: {file: x.yaml, service: y}}}", ClauseId::DatabasusPrivate),
        ("services: {kong: {ports: !reset []}}", ClauseId::DatabasusPrivate),
        ("services: {kong: !override {image: x}}", ClauseId::DatabasusPrivate),
        ("services: {databasus: {ports: !override ['1:1']}}", ClauseId::DatabasusPrivate),
        ("services: {databasus: {networks: !reset null}}", ClauseId::DatabasusPrivate),
        ("services: {databasus: {labels: {a: !reset null}}}", ClauseId::DatabasusPrivate),
        ("services: {x: {image: '${IMAGE}', ports: ['80:80']}}", ClauseId::DatabasusPrivate),
        ("services: {databasus: {network_mode: 'container:elsewhere'}}", ClauseId::DatabasusPrivate),
        ("services: {databasus: {network_mode: '${MODE}'}}", ClauseId::DatabasusPrivate),
        ("networks: {databasus-private: {external: true}}", ClauseId::DatabasusPrivate),
        ("networks: {databasus-private: {driver: '${DRIVER}'}}", ClauseId::DatabasusPrivate),
    ];
    let sound = judged(&with(&[]).iter().map(String::as_str).collect::<Vec<_>>());
    assert!(sound.unjudged.is_empty(), "{:#?}", sound.unjudged);
    for (change, clause) in cases {
        let checked = judged(&with(&[change]).iter().map(String::as_str).collect::<Vec<_>>());
        assert!(checked.unjudged.iter().any(|left| left.clause == clause), "{change}\n{checked:#?}");
    }
}

#[test]
fn a_value_that_was_reset_is_not_held_against_anybody() {
    let reset = "services: {databasus: {ports: !reset []}}";
    let published = "services: {databasus: {ports: ['4005:4005']}}";
    let checked = judged(&with(&[published, reset]).iter().map(String::as_str).collect::<Vec<_>>());
    assert!(!codes(&checked).contains("compose-databasus-published"));
    assert!(checked.unjudged.iter().any(|left| left.clause == ClauseId::DatabasusPrivate));
    // What comes after the reset counts again.
    let checked = judged(&with(&[reset, published]).iter().map(String::as_str).collect::<Vec<_>>());
    assert!(codes(&checked).contains("compose-databasus-published"));
}

#[test]
fn secrets_are_found_and_never_repeated() {
    let secret = ["s3cr3t", "-", "w0rd"].concat();
    let key = ["-----BEGIN ", "PRIVATE KEY-----"].concat();
    let cases = [
        format!("services: {{db: {{environment: {{POSTGRES_PASSWORD: {secret}}}}}}}"),
        format!("services: {{db: {{environment: ['JWT_SECRET={secret}']}}}}"),
        format!("services: {{db: {{environment: {{POSTGRES_PASSWORD: '${{P:-{secret}}}'}}}}}}"),
        format!("services: {{studio: {{environment: {{URL: 'postgres://u:{secret}@db/x'}}}}}}"),
        format!("services: {{studio: {{command: run --db postgres://u:{secret}@db/x}}}}"),
        format!("services: {{studio: {{build: {{context: ., args: {{NPM_TOKEN: {secret}}}}}}}}}"),
        format!("services: {{studio: {{environment: {{CERT: '{key} {secret}'}}}}}}"),
        format!("configs: {{c: {{content: '{key} {secret}'}}}}"),
    ];
    for case in cases {
        let project = project(&with(&[&case]).iter().map(String::as_str).collect::<Vec<_>>());
        let checked = check(&project, &expected());
        assert!(
            codes(&checked).contains("compose-literal-secret"),
            "not found, in a case of {} bytes",
            case.len()
        );
        for shown in [format!("{checked:?}"), format!("{project:?}")] {
            assert!(!shown.contains(&secret), "a secret is shown, in a case of {} bytes", case.len());
        }
    }
}

#[test]
fn env_files_that_were_read_are_believed_by_their_names() {
    let texts = with(&[]);
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let project = project(&texts);
    let mut unread = expected();
    unread.env_files.clear();
    let checked = check(&project, &unread);
    assert!(!codes(&checked).contains("compose-walg-env-missing"));
    assert!(checked.unjudged.iter().any(|left| left.why.contains("walg.env")), "{:#?}", checked.unjudged);
    let mut empty = expected();
    empty.env_files.values_mut().for_each(BTreeSet::clear);
    assert!(codes(&check(&project, &empty)).contains("compose-walg-env-missing"));
}

#[test]
fn the_database_can_be_named() {
    let text = "services: {data: {build: ., volumes: ['./d:/var/lib/postgresql/data']}}";
    let project = project(&[text]);
    let left = check(&project, &expected()).unjudged;
    assert!(left.iter().any(|left| left.why.contains("which service is the database")));
    let named = Expected { database: Some("data".to_owned()), ..expected() };
    assert!(
        !check(&project, &named)
            .unjudged
            .iter()
            .any(|left| left.why.contains("which service is the database"))
    );
}

#[test]
fn a_project_tells_its_services_and_their_env_files() {
    let file = ComposeFile {
        name: "a.yaml",
        bytes: b"services: {a: {env_file: [x.env, {path: y.env, required: false}]}, b: {}}",
    };
    let project = Project::from_files("", &[file]).unwrap();
    assert_eq!(project.services().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(project.env_files("a").collect::<Vec<_>>(), ["x.env", "y.env"]);
    assert_eq!(project.env_files("c").count(), 0);
}
