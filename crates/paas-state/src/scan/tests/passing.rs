use super::{clean_lines, document, event, log_hits};
use crate::scan::Scanner;
use si_backup_tests::StateSpec;
use std::fs;
use std::path::Path;

/// Lines without a secret: 100,000, or a million when everything is to be tested.
fn lines() -> usize {
    if std::env::var_os("SI_BACKUP_FULL").is_some_and(|value| value == "1") { 1_000_000 } else { 100_000 }
}

#[test]
fn a_realistic_log_gives_no_finding() {
    let scanner = Scanner::new();
    let mut log = scanner.log();
    for seed in 0..lines() / 10_000 {
        log.feed(&clean_lines(seed as u64, 10_000));
    }
    assert_eq!(log.finish(), []);
}

fn files(dir: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, each) } else { each(&path) }
    }
}

#[test]
fn a_realistic_context_gives_findings_only_where_there_are_secrets() {
    let scanner = Scanner::new();
    let dir = tempfile::tempdir().unwrap();
    let spec = StateSpec { apps: 8, targets: 4, releases: 12, ..StateSpec::default() };
    let state = spec.write(dir.path(), "default").unwrap();
    let (mut clean, mut secret) = (0, 0);
    files(&state.context_dir, &mut |path| {
        let bytes = fs::read(path).unwrap();
        let name = path.to_str().unwrap();
        let ending = path.extension().unwrap_or_default().to_str().unwrap();
        let hits = match ending {
            "json" => scanner.scan_json_document(&bytes),
            "jsonl" => log_hits(&scanner, &bytes),
            _ => scanner.scan_text(&bytes),
        };
        if path.ends_with(".env") || matches!(ending, "env" | "key" | "token") {
            secret += 1;
            assert!(!hits.is_empty(), "{name}");
        } else if !name.contains("/dumps/") {
            clean += 1;
            assert_eq!(hits, [], "{name}");
        }
    });
    assert!(clean > 300 && secret > 100);
}

#[test]
fn references_masks_and_digests_give_no_finding() {
    let scanner = Scanner::new();
    let hex = "da92b52b07b709232ab623ff2284a4422cff516a";
    for (name, value) in [
        ("password", "${SUPABASE_DB_PASSWORD}"),
        ("password", "$DB_PASSWORD"),
        ("password", "<redacted>"),
        ("password", "***"),
        ("password", "xxxxxxxx"),
        ("password", ""),
        ("password", "vault:shop/db"),
        ("password", "vault://shop/db#password"),
        ("secret_key", "SUPABASE_DB_PASSWORD"),
        ("token", "<redacted>"),
        ("token_type", "bearer"),
        ("token_count", "5"),
        ("next_page_token", "a8f5f167f44f4964e6c998dee827110c"),
        ("password_changed", "true"),
        ("password", "true"),
        ("password_file", "/run/secrets/db_password"),
        ("secret", "/run/secrets/db_password"),
        ("private_key", "~/.ssh/id_ed25519"),
        ("commit", hex),
        ("release", "20260105-000030-78f2463"),
        ("id", "3d0bffc9-1905-4bbc-8972-5f68963d6947"),
        ("digest", "sha256:667114417b695ba16a8c0781180e2c60eaf37afd7b9d657860e43edfb54fa607"),
        (
            "image",
            "registry.example.com/shop/web@sha256:667114417b695ba16a8c0781180e2c60eaf37afd7b9d657860e43edfb54fa607",
        ),
        ("key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ops@host"),
        ("fingerprint", "SHA256:gX3tu6gXW/nP6v6dbsQ3tALsutcEeC6/UNgmFtaUT5P"),
        ("recipient", "age1r3kmwh62m0rzd4c30qyq3q95lpydm3566d7j55wdsyacd8x4d35tg4jz2u"),
        ("url", "https://shop.example:8443/healthz?token=<redacted>&a=b"),
        ("url", "https://deploy@git.example.com/shop.git"),
        ("url", "postgres://postgres:${POSTGRES_PASSWORD}@db:5432/shop"),
        ("url", "postgres://postgres:***@db:5432/shop"),
        ("dsn", "https://9d1f0c7e6b5a4d3c2b1a0f9e8d7c6b5a@o0.ingest.sentry.example/1"),
        ("at", "2026-01-05T00:00:30.982759838Z"),
        ("repo", "git@github.com:example/shop.git"),
        ("authorization", "Bearer <redacted>"),
        ("authorization", "Bearer ${GITHUB_TOKEN}"),
        ("message", "Authorization: Bearer ***"),
        ("message", "password authentication failed for user \"postgres\""),
        ("message", "token: 3 uses left; password: unchanged; secret: rotated"),
        ("message", "the password: it must have 12 characters or more"),
        ("message", "token=expired password=incorrect"),
        ("message", "no -----BEGIN PRIVATE KEY----- in the file"),
        ("message", "tokens look like ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("message", "and like ghp_XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX or AKIAXXXXXXXXXXXXXXXX"),
        ("message", "or sk_live_000000000000000000000000 and glpat-1111111111-1111111111"),
        ("message", "set POSTGRES_PASSWORD=${POSTGRES_PASSWORD} and JWT_SECRET=$JWT_SECRET"),
        ("ref", "refs/heads/feature/rotate-api-tokens-and-secrets"),
        ("path", "/srv/apps/billing_service/current/addons/databasus.compose.yaml"),
    ] {
        let text = document(name, value).to_string();
        assert_eq!(scanner.scan_json_document(text.as_bytes()), [], "{name}: {value}");
        assert_eq!(log_hits(&scanner, event(name, value).as_bytes()), [], "{name}: {value}");
    }
}
