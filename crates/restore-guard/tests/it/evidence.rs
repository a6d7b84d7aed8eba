//! A record is believed when it is signed, agrees with itself, and lies where it belongs.

use crate::support::{at, checksum, record, snapshot};
use backup_contract::{Level, Outcome, SnapshotId};
use backup_store::Key;
use restore_guard::{
    Envelope, Error, Evidence, IN_TOTO, PREDICATE_TYPE, RecordName, STATEMENT_TYPE, TrustedWriters,
    UnverifiedEvidence, WhyIgnored, WriterKey,
};
use serde_json::{Value, json};

/// The Statement in an envelope.
fn statement(envelope: &Envelope, key: &WriterKey) -> Value {
    let trusted = TrustedWriters::new([key.public()]);
    serde_json::from_slice(envelope.verify(&trusted).unwrap().1).unwrap()
}

/// Signs a Statement that was edited, and asks whether it is believed.
fn believe(key: &WriterKey, at: &Key, statement: &Value) -> Result<Evidence, WhyIgnored> {
    let envelope = Envelope::sign(IN_TOTO, statement.to_string().into_bytes(), key);
    UnverifiedEvidence::new(at.clone(), envelope).verify(&TrustedWriters::new([key.public()]))
}

#[test]
fn a_record_is_an_in_toto_statement() {
    let key = WriterKey::generate().unwrap();
    let (at, envelope) = record(Level::Restore, Outcome::Passed, 0).sign(&key).unwrap();
    assert_eq!(envelope.payload_type(), "application/vnd.in-toto+json");
    let statement = statement(&envelope, &key);
    assert_eq!(statement["_type"], "https://in-toto.io/Statement/v1");
    assert_eq!(statement["predicateType"], "urn:si-backup:evidence:v1");
    assert_eq!(statement["subject"][0]["name"], format!("default/state/{}", snapshot(1).id));
    assert_eq!(statement["subject"][0]["digest"], json!({"sha256": "01".repeat(32)}));
    let predicate = &statement["predicate"];
    assert_eq!(predicate["version"], 1);
    assert_eq!(predicate["level"], "restore");
    assert_eq!(predicate["finished_at"], "2026-11-23T20:15:00Z");
    assert_eq!(
        (STATEMENT_TYPE, PREDICATE_TYPE),
        ("https://in-toto.io/Statement/v1", "urn:si-backup:evidence:v1")
    );

    let name = RecordName::parse(&at).unwrap();
    assert_eq!((name.level, name.outcome), (Level::Restore, Outcome::Passed));
    let found = believe(&key, &at, &statement).unwrap();
    assert_eq!(found.record(), &record(Level::Restore, Outcome::Passed, 0));
    assert_eq!(found.signer(), &key.public().key_id());
    assert_eq!(found.key(), &at);
}

#[test]
fn unknown_fields_are_left_alone_and_newer_formats_refused() {
    let key = WriterKey::generate().unwrap();
    let original = record(Level::Content, Outcome::Passed, 0);
    let (at, envelope) = original.sign(&key).unwrap();
    let mut edited = statement(&envelope, &key);
    edited["note"] = json!(1);
    edited["subject"][0]["annotations"] = json!({"x": 1});
    edited["subject"][0]["digest"]["sha512"] = "00".into();
    edited["predicate"]["mood"] = json!({"good": true});
    edited["predicate"]["checks"][0]["retries"] = json!(2);
    assert_eq!(believe(&key, &at, &edited).unwrap().record(), &original);

    // A newer version is refused before anything else of it is looked at.
    edited["predicate"] = json!({"version": 2, "levels": {}});
    assert_eq!(believe(&key, &at, &edited).unwrap_err(), WhyIgnored::NewerFormat { found: 2, supported: 1 });
    edited["predicate"] = json!({"version": 0});
    assert_eq!(believe(&key, &at, &edited).unwrap_err().code(), "not-evidence");
}

#[test]
fn a_statement_that_disagrees_with_itself_counts_for_nothing() {
    let key = WriterKey::generate().unwrap();
    let (at, envelope) = record(Level::Content, Outcome::Passed, 0).sign(&key).unwrap();
    let original = statement(&envelope, &key);
    let other = "state-20261123T201500Z-00000002";
    let edits: [(&str, Value, &str); 14] = [
        ("/subject/0/name", json!(format!("default/state/{other}")), "self-contradiction"),
        ("/subject/0/digest/sha256", json!("02".repeat(32)), "self-contradiction"),
        ("/predicate/checksum", json!(checksum(2)), "self-contradiction"),
        ("/predicate/id", json!(other), "self-contradiction"),
        ("/predicate/context", json!("other"), "self-contradiction"),
        ("/predicate/subject", json!("app:shop"), "self-contradiction"),
        ("/predicate/checks", json!([]), "unproved"),
        ("/predicate/checks/0/ok", json!(false), "unproved"),
        ("/_type", json!("https://in-toto.io/Statement/v0.1"), "not-evidence"),
        ("/predicateType", json!("https://slsa.dev/provenance/v1"), "not-evidence"),
        ("/predicate/level", json!("certain"), "not-evidence"),
        ("/predicate/context", json!("../x"), "not-evidence"),
        ("/subject", json!([]), "not-evidence"),
        ("/subject/0/digest", json!({"sha512": "00"}), "not-evidence"),
    ];
    for (pointer, value, code) in edits {
        let mut edited = original.clone();
        *edited.pointer_mut(pointer).unwrap() = value;
        let why = believe(&key, &at, &edited).unwrap_err();
        assert_eq!(why.code(), code, "{pointer}: {why}");
    }
    // Something else that the same key signed is no evidence either.
    let envelope = Envelope::sign("application/x", original.to_string().into_bytes(), &key);
    let found = UnverifiedEvidence::new(at, envelope).verify(&TrustedWriters::new([key.public()]));
    assert_eq!(found.unwrap_err().code(), "not-evidence");
}

#[test]
fn a_record_counts_only_where_it_belongs() {
    let key = WriterKey::generate().unwrap();
    let (at, envelope) = record(Level::Content, Outcome::Failed, 0).sign(&key).unwrap();
    let trusted = TrustedWriters::new([key.public()]);
    let verify = |at: &str| {
        UnverifiedEvidence::new(Key::new(at).unwrap(), envelope.clone())
            .verify(&trusted)
            .map_err(|why| why.code())
    };
    assert!(verify(at.as_str()).is_ok());
    let id = snapshot(1).id;
    let name = "20261123T201500Z-content-failed-00000000.json";
    assert!(verify(&format!("evidence/default/state/{id}/{name}")).is_ok(), "the random part is free");
    for (moved, why) in [
        (format!("evidence/default/state/{}/{name}", snapshot(2).id), "misplaced"),
        (format!("evidence/default/app:shop/base_000000010000000000000002/{name}"), "misplaced"),
        (format!("evidence/other/state/{id}/{name}"), "misplaced"),
        (format!("evidence/default/state/{id}/20261123T201500Z-content-passed-00000000.json"), "misplaced"),
        (format!("evidence/default/state/{id}/20261123T201500Z-restore-failed-00000000.json"), "misplaced"),
        (format!("evidence/default/state/{id}/20261123T201501Z-content-failed-00000000.json"), "misplaced"),
        (format!("evidence/default/state/{id}/x/{name}"), "not-a-record"),
        (
            format!("evidence/default/state/{id}/20261123T201500Z-content-failed-0000000G.json"),
            "not-a-record",
        ),
        (format!("evidence/default/state/{id}/{name}.bak"), "not-a-record"),
        (format!("pins/default/state/{id}/{name}"), "not-a-record"),
    ] {
        assert_eq!(verify(&moved).unwrap_err(), why, "{moved}");
    }
}

#[test]
fn a_contradiction_is_not_even_signed() {
    let key = WriterKey::generate().unwrap();
    let mut record = record(Level::Content, Outcome::Passed, 0);
    record.checks[0].ok = false;
    assert!(matches!(record.sign(&key), Err(Error::Contradiction { .. })));
    record.checks.clear();
    assert!(matches!(record.sign(&key), Err(Error::Contradiction { .. })));
    record.outcome = Outcome::Failed;
    assert!(record.sign(&key).is_ok());
    record.id = "base_000000010000000000000002".parse::<SnapshotId>().unwrap();
    assert!(matches!(record.sign(&key), Err(Error::OtherSubject { .. })));
    // A clock that was set back during a verification does not cost the record.
    let mut record = crate::support::record(Level::Content, Outcome::Failed, 0);
    record.started_at = at(60);
    assert!(record.sign(&key).is_ok());
}
