//! Hostile files give an error or findings fast, in memory that their limit bounds.

#![expect(
    clippy::disallowed_methods,
    reason = "a test of speed needs a clock, and the crate itself reads none"
)]

use backup_contract::engine::EngineKind;
use backup_contract::environment::{EnvFile, Environment, KeyFile, parse_failed};
use backup_contract::profile::Profile;
use backup_contract::{Error, Finding, Stage};
use proptest::prelude::*;
use std::time::{Duration, Instant};

/// Everything that is found in a file, whatever it is.
fn found(bytes: &[u8]) -> Vec<Finding> {
    match EnvFile::parse(bytes) {
        Err(e) => vec![parse_failed("x.env", &e)],
        Ok(file) => {
            let env = Environment {
                path: "x.env",
                file: &file,
                profile: Profile::find("supabase-self-hosted").unwrap(),
                engine: EngineKind::Embedded,
                stage: Stage::Production,
                key_file: KeyFile::NotLookedAt,
            };
            env.check().findings
        }
    }
}

/// Whether the tests that take long are wanted too.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever runs the tests says so in the environment; the crate reads none"
)]
fn full() -> bool {
    std::env::var_os("SI_BACKUP_FULL").is_some_and(|value| value == "1")
}

#[test]
fn a_file_of_10_mb_is_not_read() {
    let started = Instant::now();
    let error = EnvFile::parse(&vec![b'a'; 10 << 20]).unwrap_err();
    assert!(matches!(error, Error::EnvTooLarge { bytes, .. } if bytes == 10 << 20));
    assert_eq!(found(&vec![b'a'; 10 << 20])[0].code, "env-file-malformed");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_megabyte_of_anything_is_read_in_one_pass() {
    let started = Instant::now();
    // An eighth of it is enough to notice a second pass; the whole takes half a minute without optimisation.
    let full = full();
    let most = if full { EnvFile::MAX_BYTES } else { EnvFile::MAX_BYTES / 8 };
    for pattern in [
        "A", "A=b", "A=\"", "A='", "\n", "A\n", "A=\n", "A=$\n", "#", "# \n", " #", "\\", "A=\"\\", "$", "=",
        "export ", "\"\"", "A=\"\" ", "\r", "\u{85}", "ä",
    ] {
        for start in ["", "WALG_S3_PREFIX=", "WALG_S3_PREFIX=\"", "WALG_LIBSODIUM_KEY='"] {
            let mut text = start.to_owned();
            text += &pattern.repeat((most - start.len()) / pattern.len());
            let findings = found(text.as_bytes());
            assert!(!findings.is_empty(), "{pattern:?} after {start:?}");
            let told: usize =
                findings.iter().map(|f| f.detail.len() + f.hint.len() + f.place.to_string().len()).sum();
            assert!(
                findings.len() < 150 && told < 50_000,
                "{pattern:?}: {} findings, {told} bytes",
                findings.len()
            );
        }
    }
    // A second pass over the rest after each line would take many times as long.
    assert!(started.elapsed() < Duration::from_secs(if full { 300 } else { 60 }), "{:?}", started.elapsed());
}

#[test]
fn lines_without_a_name_are_read_in_one_pass() {
    // There is no limit to their number but the file's length: a second look at the rest after each takes a minute.
    for pattern in ["#\n", "\n", " \n", "# A=b\n\n"] {
        let started = Instant::now();
        let text = pattern.repeat(EnvFile::MAX_BYTES / 4 / pattern.len());
        assert_eq!(EnvFile::parse(text.as_bytes()).unwrap().iter().count(), 0);
        assert!(started.elapsed() < Duration::from_secs(10), "{pattern:?}: {:?}", started.elapsed());
    }
}

#[test]
fn a_line_of_a_megabyte_is_a_line() {
    let text = format!("WALG_S3_PREFIX={}\nPGHOST=db\n", "a".repeat(EnvFile::MAX_BYTES - 40));
    let file = EnvFile::parse(text.as_bytes()).unwrap();
    assert_eq!(file.get("PGHOST").unwrap().line(), 2);
    assert!(found(text.as_bytes()).iter().any(|finding| finding.code == "env-prefix-malformed"));
}

#[test]
fn more_names_than_an_environment_holds_are_too_many() {
    let text = "A=b\n".repeat(30_000);
    assert!(matches!(EnvFile::parse(text.as_bytes()), Err(Error::EnvSyntax { line: 20_001, .. })));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = found(&bytes);
    }

    #[test]
    fn no_text_of_its_own_signs_makes_it_panic(text in r#"(export |WALG_S3_PREFIX|A|=|:|"|'|\\|\$|\{|\}|#| |\n|\r|0|ä|\x00){0,40}"#) {
        let _ = found(text.as_bytes());
    }
}
