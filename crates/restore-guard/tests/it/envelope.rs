//! DSSE: what is signed, and that nothing else is believed.

use crate::support::{key, record};
use backup_contract::{Level, Outcome};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;
use restore_guard::{Envelope, TrustedWriters, UnverifiedEvidence, WhyIgnored, WriterKey, pae};
use serde_json::{Value, json};

/// The envelope of the test vector in the DSSE specification.
pub(crate) const SPEC_ENVELOPE: &str = r#"{"payload": "aGVsbG8gd29ybGQ=",
 "payloadType": "http://example.com/HelloWorld",
 "signatures": [{"sig": "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="}]}"#;

#[test]
fn the_specifications_vector_is_read_and_encoded() {
    let envelope = Envelope::from_json(SPEC_ENVELOPE.as_bytes()).unwrap();
    assert_eq!(envelope.payload_type(), "http://example.com/HelloWorld");
    assert_eq!(
        pae(envelope.payload_type(), b"hello world"),
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    );
    // It names no key, so it is nobody's.
    let trusted = TrustedWriters::new([WriterKey::generate().unwrap().public()]);
    assert!(matches!(envelope.verify(&trusted), Err(WhyIgnored::UnknownWriter { .. })));
}

/// Takes a pre-authentication encoding apart by its lengths, as the specification defines it.
fn decode_pae(encoded: &[u8]) -> Option<(String, Vec<u8>)> {
    fn field(rest: &[u8]) -> Option<(&[u8], &[u8])> {
        let space = rest.iter().position(|b| *b == b' ')?;
        let (length, rest) = (std::str::from_utf8(&rest[..space]).ok()?, &rest[space + 1..]);
        if length.len() > 1 && length.starts_with('0') {
            return None;
        }
        rest.split_at_checked(length.parse().ok()?)
    }
    let (kind, rest) = field(encoded.strip_prefix(b"DSSEv1 ")?)?;
    let (body, rest) = field(rest.strip_prefix(b" ")?)?;
    rest.is_empty().then(|| (String::from_utf8(kind.to_vec()).unwrap(), body.to_vec()))
}

proptest! {
    #[test]
    fn the_encoding_has_one_reading(kind in ".{0,40}", body: Vec<u8>) {
        prop_assert_eq!(decode_pae(&pae(&kind, &body)), Some((kind, body)));
    }

    #[test]
    fn an_envelope_survives_its_json(kind in ".{0,40}", body: Vec<u8>) {
        let key = WriterKey::generate().unwrap();
        let envelope = Envelope::sign(kind, body.clone(), &key);
        let again = Envelope::from_json(&envelope.to_json().unwrap()).unwrap();
        prop_assert_eq!(&again, &envelope);
        let (signer, payload) = again.verify(&TrustedWriters::new([key.public()])).unwrap();
        prop_assert_eq!((signer, payload), (key.public().key_id(), &body[..]));
    }

    #[test]
    fn no_bytes_make_it_panic(json: Vec<u8>) {
        let _ = Envelope::from_json(&json);
    }
}

/// A real record's key and envelope.
fn signed() -> (WriterKey, backup_store::Key, Vec<u8>) {
    let key = WriterKey::generate().unwrap();
    let (at, envelope) = record(Level::Content, Outcome::Passed, 0).sign(&key).unwrap();
    (key, at, envelope.to_json().unwrap())
}

#[test]
fn every_flipped_bit_is_rejected() {
    let (key, at, json) = signed();
    let trusted = TrustedWriters::new([key.public()]);
    let believed = |json: &[u8]| {
        UnverifiedEvidence::from_json(&at, json).and_then(|found| found.verify(&trusted)).is_ok()
    };
    assert!(believed(&json));
    for byte in 0..json.len() {
        for bit in 0..8 {
            let mut flipped = json.clone();
            flipped[byte] ^= 1 << bit;
            assert!(!believed(&flipped), "byte {byte}, bit {bit}: {}", String::from_utf8_lossy(&flipped));
        }
        assert!(!believed(&json[..byte]), "cut at {byte}");
    }
}

#[test]
fn every_exchanged_byte_is_rejected_or_spells_the_same_bytes() {
    let (key, at, json) = signed();
    let trusted = TrustedWriters::new([key.public()]);
    let original = UnverifiedEvidence::from_json(&at, &json).unwrap().verify(&trusted).unwrap();
    proptest!(ProptestConfig::with_cases(2_000), |(byte in 0..json.len(), other: u8)| {
        let mut changed = json.clone();
        changed[byte] = other;
        if let Ok(found) = UnverifiedEvidence::from_json(&at, &changed).and_then(|found| found.verify(&trusted)) {
            // `+` and `-`, `/` and `_` are the same digit of the two base64 alphabets.
            let same = matches!((json[byte], other), (b'+', b'-') | (b'/', b'_')) || json[byte] == other;
            prop_assert!(same, "byte {} became {}", byte, other);
            prop_assert_eq!(found, original.clone());
        }
    });
}

#[test]
fn both_alphabets_are_read_and_no_mixture() {
    let key = WriterKey::generate().unwrap();
    let body = [0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff];
    let envelope = Envelope::sign("application/x", body.to_vec(), &key);
    let mut json: Value = serde_json::from_slice(&envelope.to_json().unwrap()).unwrap();
    assert_eq!(json["payload"], "++++////");
    for (payload, ok) in
        [("++++////", true), ("----____", true), ("++++____", false), ("++++///", false), ("+++ ////", false)]
    {
        json["payload"] = payload.into();
        assert_eq!(Envelope::from_json(json.to_string().as_bytes()).is_ok(), ok, "{payload}");
    }
    assert_eq!((STANDARD.encode(body), URL_SAFE.encode(body)), ("++++////".into(), "----____".into()));
}

#[test]
fn a_signature_counts_only_with_the_trusted_key_that_it_names() {
    let (key, other) = (WriterKey::generate().unwrap(), WriterKey::generate().unwrap());
    let envelope = |key| Envelope::sign("application/x", b"body".to_vec(), key);
    let as_json =
        |envelope: &Envelope| -> Value { serde_json::from_slice(&envelope.to_json().unwrap()).unwrap() };
    let read = |json: &Value| Envelope::from_json(json.to_string().as_bytes()).unwrap();
    let trusted = TrustedWriters::new([key.public()]);

    // Signed by a stranger.
    let strange = as_json(&envelope(&other));
    assert!(matches!(read(&strange).verify(&trusted), Err(WhyIgnored::UnknownWriter { .. })));
    // Signed by a stranger under the trusted key's name.
    let mut forged = strange.clone();
    forged["signatures"][0]["keyid"] = key.public().key_id().as_str().into();
    assert_eq!(
        read(&forged).verify(&trusted).unwrap_err(),
        WhyIgnored::BadSignature { key_id: key.public().key_id() }
    );
    // Signed by both, the trusted one last, with fields that nobody knows.
    let mut both = strange;
    both["signatures"].as_array_mut().unwrap().push(as_json(&envelope(&key))["signatures"][0].clone());
    both["signatures"][1]["cert"] = "…".into();
    both["note"] = json!({"any": 1});
    assert_eq!(read(&both).verify(&trusted).unwrap().0, key.public().key_id());
    // By nobody at all, or with nobody trusted.
    both["signatures"] = json!([]);
    assert!(read(&both).verify(&trusted).is_err());
    assert!(envelope(&key).verify(&TrustedWriters::default()).is_err());
}

#[test]
fn what_is_no_envelope_is_rejected_with_a_reason() {
    for bad in [
        "",
        "{}",
        "[]",
        "null",
        r#"{"payload":"","payloadType":"x"}"#,
        r#"{"payload":"*","payloadType":"x","signatures":[]}"#,
    ] {
        let why = UnverifiedEvidence::from_json(&key("evidence/x"), bad.as_bytes()).unwrap_err();
        assert_eq!(why.code(), "not-an-envelope", "{bad}");
    }
}
