//! No value of an env file comes out of it by way of a finding, an error, `Debug` or `Display`.

use backup_contract::engine::EngineKind;
use backup_contract::environment::{EnvFile, EnvValue, Environment, KeyFile, PrefixUse, parse_failed};
use backup_contract::profile::Profile;
use backup_contract::{Finding, Place, Stage};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Every name that a check looks at.
const NAMES: [&str; 35] = [
    "WALG_S3_PREFIX",
    "WALE_S3_PREFIX",
    "WALG_FILE_PREFIX",
    "WALG_GS_PREFIX",
    "WALG_STORAGE_PREFIX",
    "AWS_ENDPOINT",
    "WALG_AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ACCESS_KEY_ID",
    "WALG_AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "WALG_AWS_SECRET_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "WALG_AWS_REGION",
    "WALG_LIBSODIUM_KEY",
    "WALG_LIBSODIUM_KEY_PATH",
    "WALG_LIBSODIUM_KEY_TRANSFORM",
    "WALG_PGP_KEY",
    "WALG_PGP_KEY_PATH",
    "WALG_CSE_KMS_ID",
    "WALG_S3_SSE",
    "S3_SSE_C",
    "S3_RETENTION_PERIOD",
    "WALG_DELTA_MAX_STEPS",
    "WALG_DELTA_ORIGIN",
    "WALG_PREVENT_WAL_OVERWRITE",
    "WALG_COMPRESSION_METHOD",
    "WALG_GPG_KEY_ID",
    "WALG_STOP_BACKUP_TIMEOUT",
    "AWS_ROLE_ARN",
    "PGPASSWORD",
    "PGHOST",
    "OTHER_NAME",
];

/// In no name, and in no sentence of ours.
const MARK: &str = "qzMarkqz";

/// A value with the mark in it, in a shape that some check looks into.
fn marked() -> impl Strategy<Value = String> {
    let shape = prop::sample::select(vec![
        "@",
        "s3://@/x",
        "s3://bucket/@",
        "S3://@",
        "https://@:9000",
        "http://@",
        "https://u:@@s3.test",
        "/@",
        "$@",
        "your-@",
        "<@>",
        "\"@\"",
        "'@'",
        "\"@",
        "'@",
        "# @",
        "@ # @",
        "\"@\" @",
        "@ @",
    ]);
    (shape, "[a-z0-9]{0,6}").prop_map(|(shape, more)| shape.replace('@', &format!("{MARK}{more}")))
}

/// A line of a file: an assignment, or a secret that was pasted on a line of its own.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        9 => (prop::sample::select(&NAMES[..]), marked()).prop_map(|(name, value)| format!("{name}={value}\n")),
        1 => marked().prop_map(|value| format!("{value}\n")),
        1 => "[a-zA-Z0-9+/]{0,20}".prop_map(|more| format!("{more}{MARK}==\n")),
    ]
}

fn everything_said(bytes: &[u8]) -> String {
    let key = EnvValue::new(MARK);
    let mut said = format!("{key:?}{key}");
    let file = match EnvFile::parse(bytes) {
        Ok(file) => file,
        Err(e) => {
            let finding = parse_failed("x.env", &e);
            return format!("{e}{e:?}{finding:?}{}", finding.place);
        }
    };
    let _ = write!(said, "{file:?}");
    for profile in Profile::all() {
        for engine in EngineKind::ALL {
            for stage in [Stage::Production, Stage::NonProduction] {
                for key_file in
                    [KeyFile::NotLookedAt, KeyFile::Unreadable, KeyFile::Read { key: &key, mode: 0o644 }]
                {
                    let env = Environment { path: "x.env", file: &file, profile, engine, stage, key_file };
                    let used = PrefixUse::of("shop", &env, BTreeSet::new());
                    let _ = write!(said, "{used:?}{key_file:?}");
                    let mut findings: Vec<Finding> = env.check().into_findings(&Place::of("app:shop"));
                    findings.extend(used.iter().flat_map(|this| this.check_apart(&used)));
                    for finding in findings {
                        let _ = write!(said, "{finding:?}{}", finding.place);
                    }
                }
            }
        }
    }
    said
}

proptest! {
    #[test]
    fn no_value_is_ever_said(lines in prop::collection::vec(line(), 1..8), cut in any::<prop::sample::Index>(), whole: bool) {
        let text: String = lines.concat();
        let end = if whole { text.len() } else { cut.index(text.len() + 1) };
        let said = everything_said(&text.as_bytes()[..end]);
        prop_assert!(!said.contains(MARK), "{}\n---\n{}", text, said);
    }
}
