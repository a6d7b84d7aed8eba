//! The workspace is what its documentation says: who depends on whom, and under which licences.

#![expect(clippy::unwrap_used, reason = "a test that cannot read the workspace fails")]

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What is linked on Linux is in the registry's cache by the time that a test runs.
const ONLINE_NEVER: [&str; 3] = ["--offline", "--filter-platform", "x86_64-unknown-linux-gnu"];

fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(ONLINE_NEVER.map(String::from))
        .exec()
        .unwrap()
}

/// The crates of the workspace that a package depends on when it is built, tests apart.
fn workspace_dependencies(package: &Package, members: &BTreeSet<&str>) -> BTreeSet<String> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.clone())
        .filter(|name| members.contains(name.as_str()))
        .collect()
}

#[test]
fn crates_point_downwards_only() {
    let metadata = metadata();
    let packages = metadata.workspace_packages();
    let members: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
    // The graph of ARCHITECTURE.md: what each crate may depend on.
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("retention", &[][..]),
        ("backup-contract", &[]),
        ("backup-store", &[]),
        ("paas-state", &["backup-contract", "backup-store"]),
        ("walg-driver", &["backup-contract", "backup-store"]),
        ("restore-guard", &["backup-contract", "backup-store"]),
        (
            "si-backup-cli",
            &["backup-contract", "backup-store", "paas-state", "restore-guard", "retention", "walg-driver"],
        ),
        ("si-backup-tests", &[]),
        (
            "si-backup-examples",
            &["backup-contract", "backup-store", "paas-state", "restore-guard", "retention", "walg-driver"],
        ),
    ]);
    for package in packages {
        let may = allowed
            .get(package.name.as_str())
            .unwrap_or_else(|| panic!("{} is not in the graph", package.name));
        for dependency in workspace_dependencies(package, &members) {
            assert!(may.contains(&dependency.as_str()), "{} must not depend on {dependency}", package.name);
        }
    }
}

#[test]
fn the_graph_is_the_one_that_is_drawn() {
    let architecture =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ARCHITECTURE.md")).unwrap();
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        assert!(
            architecture.contains(&format!("`{}`", package.name)),
            "ARCHITECTURE.md does not tell of {}",
            package.name
        );
    }
}

#[test]
fn pure_crates_stay_light() {
    let metadata = metadata();
    for name in ["retention", "backup-contract"] {
        let package = metadata.packages.iter().find(|package| package.name.as_str() == name).unwrap();
        for dependency in
            package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal && !d.optional)
        {
            // base64 decodes a key to look at its length, secrecy keeps values from being shown; neither brings much along.
            let known = ["base64", "chrono", "chrono-tz", "secrecy", "serde", "thiserror"];
            assert!(known.contains(&dependency.name.as_str()), "{name} depends on {}", dependency.name);
            assert!(
                !dependency.features.iter().any(|f| f == "clock" || f == "now"),
                "{name} reads the clock"
            );
        }
    }
}

#[test]
fn every_licence_is_on_the_list() {
    let deny = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deny.toml")).unwrap();
    let list = deny.split("allow = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap();
    let allowed: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    assert!(allowed.contains("MIT"), "the list was read");
    for package in metadata().packages {
        let licence = package.license.clone().unwrap_or_default();
        // "A OR B": one of them is enough. "A AND B": all of them are needed.
        let expression = licence.replace('/', " OR ").replace(['(', ')'], "");
        let is_allowed = expression
            .split(" OR ")
            .any(|choice| choice.split(" AND ").all(|name| allowed.contains(name.trim())));
        assert!(is_allowed, "{} {} has the licence '{licence}'", package.name, package.version);
    }
}
