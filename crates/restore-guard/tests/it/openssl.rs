//! Keys and signatures are those of other programs too. Skipped where there is no `openssl`.

use crate::envelope::SPEC_ENVELOPE;
use crate::support::record;
use backup_contract::{Level, Outcome};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use restore_guard::{Envelope, IN_TOTO, TrustedWriters, WriterKey, WriterPublicKey, pae};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A directory to work in, or `None` with a line that says so.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn workshop() -> Option<TempDir> {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("skipped: no openssl here");
        return None;
    }
    Some(tempfile::tempdir().unwrap())
}

fn openssl(arguments: &[&str]) -> (bool, Vec<u8>) {
    let output = Command::new("openssl").args(arguments).output().unwrap();
    (output.status.success(), output.stdout)
}

fn file(home: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = home.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Whether openssl finds that the owner of a public key signed a message with ed25519.
fn verifies(home: &Path, public: &WriterPublicKey, message: &[u8], signature: &[u8]) -> bool {
    let public = file(home, "public.pem", public.to_pem().unwrap().as_bytes());
    let message = file(home, "message", message);
    let signature = file(home, "signature", signature);
    let [public, message, signature] = [&public, &message, &signature].map(|path| path.to_str().unwrap());
    openssl(&[
        "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", message, "-sigfile", signature,
    ])
    .0
}

#[test]
fn openssl_reads_the_key_and_computes_its_id() {
    let Some(home) = workshop() else { return };
    let path = home.path().join("key.pem");
    let key = WriterKey::create(&path).unwrap();
    let path = path.to_str().unwrap();
    let (ok, text) = openssl(&["pkey", "-in", path, "-noout", "-text"]);
    assert!(ok && String::from_utf8(text).unwrap().starts_with("ED25519 Private-Key"));
    let (_, pem) = openssl(&["pkey", "-in", path, "-pubout"]);
    assert_eq!(String::from_utf8(pem).unwrap(), key.public().to_pem().unwrap());
    let (_, der) = openssl(&["pkey", "-in", path, "-pubout", "-outform", "DER"]);
    assert_eq!(key.public().key_id().as_str(), format!("sha256:{:x}", Sha256::digest(&der)));
    assert_eq!(key.public().to_string(), format!("ed25519:{}", STANDARD.encode(&der[der.len() - 32..])));
}

#[test]
fn openssl_verifies_evidence_and_signs_it() {
    let Some(home) = workshop() else { return };
    let (home, path) = (home.path(), home.path().join("key.pem"));
    // A key that openssl made.
    assert!(openssl(&["genpkey", "-algorithm", "ed25519", "-out", path.to_str().unwrap()]).0);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let key = WriterKey::open(&path).unwrap();
    let (_, envelope) = record(Level::Content, Outcome::Passed, 0).sign(&key).unwrap();
    let mut json: Value = serde_json::from_slice(&envelope.to_json().unwrap()).unwrap();
    let decode = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let message = pae(IN_TOTO, &decode(&json["payload"]));
    let signature = decode(&json["signatures"][0]["sig"]);
    assert!(verifies(home, &key.public(), &message, &signature));
    assert!(!verifies(home, &key.public(), &message[1..], &signature));
    let other = WriterKey::generate().unwrap();
    assert!(!verifies(home, &other.public(), &message, &signature));

    // And the other way round: what openssl signed is believed.
    let payload = b"signed elsewhere";
    let message = file(home, "payload", &pae(IN_TOTO, payload));
    let [path, message] = [&path, &message].map(|path| path.to_str().unwrap());
    let (ok, signature) = openssl(&["pkeyutl", "-sign", "-inkey", path, "-rawin", "-in", message]);
    assert!(ok);
    json["payload"] = STANDARD.encode(payload).into();
    json["signatures"][0]["sig"] = STANDARD.encode(signature).into();
    let envelope = Envelope::from_json(json.to_string().as_bytes()).unwrap();
    assert_eq!(envelope.verify(&TrustedWriters::new([key.public()])).unwrap().1, payload);
}

/// The specification's vector is signed with ECDSA, which this software does not speak; openssl says whether what we
/// would have verified is what the specification's author signed.
#[test]
fn openssl_finds_the_specifications_signature_over_our_encoding() {
    let Some(home) = workshop() else { return };
    let home = home.path();
    let spki = concat!(
        "3059301306072a8648ce3d020106082a8648ce3d03010703420004",
        "67cd390f77aa359cb08c2235f652270493a9ed832b0abcc01f70954c0390d238",
        "0c782bd54e269125a44f4433aff1432ce94e12bca73aa67ac80cea12608ddf74"
    );
    let spki = hex(spki);
    let public = file(home, "public.der", &spki);
    let envelope: Value = json!(serde_json::from_str::<Value>(SPEC_ENVELOPE).unwrap());
    let raw = STANDARD.decode(envelope["signatures"][0]["sig"].as_str().unwrap()).unwrap();
    let signature = file(home, "signature", &ecdsa_der(&raw));
    let [public, signature] = [&public, &signature].map(|path| path.to_str().unwrap().to_owned());
    let verifies = |message: &[u8]| {
        let message = file(home, "message", message);
        let message = message.to_str().unwrap();
        openssl(&[
            "dgst",
            "-sha256",
            "-verify",
            &public,
            "-keyform",
            "DER",
            "-signature",
            &signature,
            message,
        ])
        .0
    };
    assert!(verifies(&pae("http://example.com/HelloWorld", b"hello world")));
    assert!(!verifies(&pae("http://example.com/HelloWorld", b"hello World")));
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A signature of r and s, one after the other, in the DER that openssl wants.
fn ecdsa_der(raw: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let bytes = &bytes[bytes.iter().take_while(|b| **b == 0).count()..];
        let sign: &[u8] = if bytes[0] >= 0x80 { &[0] } else { &[] };
        let length = u8::try_from(bytes.len() + sign.len()).unwrap();
        [&[0x02, length], sign, bytes].concat()
    };
    let (r, s) = raw.split_at(raw.len() / 2);
    let both = [integer(r), integer(s)].concat();
    [vec![0x30, u8::try_from(both.len()).unwrap()], both].concat()
}
