//! Projects that the tests of compose rules share.

#![allow(dead_code, reason = "each test takes what it needs")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests read files, start compose, and say what they skip"
)]

pub(crate) mod docker;

use backup_contract::Checked;
use backup_contract::compose::{ComposeFile, Expected, Project};
use backup_contract::pack::{Databasus, SupabaseWalg};
use std::collections::{BTreeMap, BTreeSet};

/// One of the files under `tests/data/compose`.
#[must_use]
pub(crate) fn files(name: &str) -> String {
    let path = format!("{}/tests/data/compose/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The project that texts make, each put over those before it.
#[must_use]
pub(crate) fn project(texts: &[&str]) -> Project {
    let files: Vec<ComposeFile> =
        texts.iter().map(|text| ComposeFile { name: "compose.yaml", bytes: text.as_bytes() }).collect();
    Project::from_files("/srv/shop", &files).unwrap_or_else(|error| panic!("{error}\n{texts:#?}"))
}

/// What the profile asks, with the app's env file read.
#[must_use]
pub(crate) fn expected() -> Expected {
    let mut expected = Expected::default();
    let names: BTreeSet<String> = expected.required_env.iter().cloned().collect();
    expected.env_files = BTreeMap::from([("/srv/shop/walg.env".to_owned(), names)]);
    expected
}

/// A sound project: Supabase's layout with archiving, both packs and uploads elsewhere, and `more` over it.
#[must_use]
pub(crate) fn with(more: &[&str]) -> Vec<String> {
    let mut walg = SupabaseWalg::default();
    walg.receiver = None;
    let elsewhere =
        "services: {storage: {environment: {STORAGE_BACKEND: s3, GLOBAL_S3_ENDPOINT: 'https://s3.example'}}}";
    let mut texts = vec![
        files("supabase.yaml"),
        files("archiving.yaml"),
        walg.render(),
        Databasus::default().render(),
        elsewhere.to_owned(),
    ];
    texts.extend(more.iter().map(|&text| text.to_owned()));
    texts
}

/// The codes of what was found.
#[must_use]
pub(crate) fn codes(checked: &Checked) -> BTreeSet<&'static str> {
    checked.findings.iter().map(|finding| finding.code).collect()
}
