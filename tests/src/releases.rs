//! The trees beside the stores: releases, add-on fragments, cache, vault.

use crate::documents::Release;
use crate::{Random, seeded_secrets};
use serde_json::json;
use std::fmt::Write;

/// A compose file as a release has it: secrets are references.
pub(crate) fn compose(app: &str, release: &Release) -> String {
    let Release { name, commit, digest, .. } = release;
    format!(
        "# rendered by si for release {name}
services:
  web:
    image: registry.example.com/{app}/web@{digest}
    restart: unless-stopped
    environment:
      APP_RELEASE: {name}
      GIT_COMMIT: {commit}
      DATABASE_URL: postgres://postgres:${{POSTGRES_PASSWORD}}@db:5432/{app}?sslmode=disable
      JWT_SECRET: ${{JWT_SECRET}}
      SMTP_PASS: \"${{SMTP_PASSWORD:?set it in the vault}}\"
    secrets:
      - source: db_password
        target: /run/secrets/db_password
    healthcheck:
      test: [\"CMD\", \"curl\", \"-fsS\", \"http://127.0.0.1:8080/healthz\"]
    labels:
      - traefik.http.routers.{app}.rule=Host(`{app}.example.com`)
  db:
    image: supabase/postgres:15.8.1.060
    environment:
      - POSTGRES_PASSWORD=${{POSTGRES_PASSWORD}}
      - POSTGRES_PASSWORD_FILE=/run/secrets/db_password
    volumes:
      - ./volumes/db/data:/var/lib/postgresql/data
secrets:
  db_password:
    environment: POSTGRES_PASSWORD
"
    )
}

pub(crate) fn fragment(app: &str) -> String {
    format!(
        "services:
  walg:
    image: ghcr.io/wal-g/wal-g:v3.0.9
    environment:
      PGHOST: db
      PGPASSWORD: ${{SUPABASE_DB_PASSWORD}}
      WALG_S3_PREFIX: s3://backups/{app}
      AWS_SECRET_ACCESS_KEY: ${{WALG_S3_SECRET}}
volumes:
  walg-scratch: {{}}
"
    )
}

pub(crate) fn manifest(app: &str, release: &Release) -> String {
    let Release { name, commit, digest, at } = release;
    format!(
        "{:#}\n",
        json!({
            "app": app, "release": name, "commit": commit, "created_at": at,
            "images": { "web": format!("registry.example.com/{app}/web@{digest}") },
            "files": ["compose.yaml", "compose.addon.walg.yaml"],
        })
    )
}

/// An env file with every seeded secret in it: what must never be in a bundle.
pub(crate) fn env_file(seed: u64) -> String {
    let mut text = String::from("# written by si vault\n");
    for (kind, value) in seeded_secrets(seed) {
        let name = kind.to_ascii_uppercase().replace('-', "_");
        let _ = writeln!(text, "{name}='{}'", value.replace('\n', "\\n"));
    }
    text
}

/// A dump of a table, which must never be in a bundle either.
pub(crate) fn dump(random: &mut Random) -> String {
    let mut text = String::from("COPY public.users (id, email, encrypted_password) FROM stdin;\n");
    for id in 1..200 {
        let _ = writeln!(text, "{id}\tuser{id}@example.com\t{}", random.alnum(60));
    }
    text + "\\.\n"
}
