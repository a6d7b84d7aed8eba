use super::WhyIgnored;
use crate::{Error, KeyId, Result, TrustedWriters, WriterKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

/// The payload type of an in-toto Statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What DSSE signs in place of the payload: the pre-authentication encoding of its type and its bytes.
///
/// ```
/// assert_eq!(
///     restore_guard::pae("http://example.com/HelloWorld", b"hello world"),
///     b"DSSEv1 29 http://example.com/HelloWorld 11 hello world",
/// );
/// ```
///
/// Source: the DSSE protocol, version 1 (`secure-systems-lab/dsse`, protocol.md).
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

/// A signed payload, as DSSE writes it in JSON. That a value of this type exists says nothing about its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload_type: String,
    payload: Vec<u8>,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    key_id: String,
    bytes: Vec<u8>,
}

/// The envelope's JSON. Other fields are ignored, as the specification asks.
#[derive(Serialize, Deserialize)]
struct Json {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<JsonSignature>,
}

#[derive(Serialize, Deserialize)]
struct JsonSignature {
    #[serde(default)]
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Signs a payload of a type.
    pub fn sign(payload_type: impl Into<String>, payload: Vec<u8>, key: &WriterKey) -> Self {
        let payload_type = payload_type.into();
        let bytes = key.sign(&pae(&payload_type, &payload)).to_vec();
        let key_id = key.public().key_id().to_string();
        Self { payload_type, payload, signatures: vec![Signature { key_id, bytes }] }
    }

    /// Reads an envelope. Both base64 alphabets are read, as DSSE demands; a mixture of them is not.
    ///
    /// # Errors
    /// [`WhyIgnored::NotAnEnvelope`].
    pub fn from_json(json: &[u8]) -> Result<Self, WhyIgnored> {
        let not = |reason: String| WhyIgnored::NotAnEnvelope { reason };
        let json: Json = serde_json::from_slice(json).map_err(|error| not(error.to_string()))?;
        let decode = |what: &str, text: &str| {
            STANDARD
                .decode(text)
                .or_else(|_| URL_SAFE.decode(text))
                .map_err(|_| not(format!("its {what} is not base64")))
        };
        let signatures = json
            .signatures
            .into_iter()
            .map(|signature| {
                Ok(Signature { bytes: decode("signature", &signature.sig)?, key_id: signature.keyid })
            })
            .collect::<Result<_, WhyIgnored>>()?;
        let payload = decode("payload", &json.payload)?;
        Ok(Self { payload_type: json.payload_type, payload, signatures })
    }

    /// The envelope in JSON, on one line.
    ///
    /// # Errors
    /// [`Error::Encode`], should it have no JSON.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let json = Json {
            payload: STANDARD.encode(&self.payload),
            payload_type: self.payload_type.clone(),
            signatures: self
                .signatures
                .iter()
                .map(|signature| JsonSignature {
                    keyid: signature.key_id.clone(),
                    sig: STANDARD.encode(&signature.bytes),
                })
                .collect(),
        };
        serde_json::to_vec(&json).map_err(|source| Error::Encode { what: "an envelope", source })
    }

    /// What kind of payload it claims to carry.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// By which keys it claims to be signed. A hint, never a proof.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|signature| signature.key_id.as_str())
    }

    /// The payload, once a trusted key is found to have signed it.
    ///
    /// A signature is only tried with the trusted key that it names: one that names none is nobody's.
    ///
    /// # Errors
    /// [`WhyIgnored::UnknownWriter`], when it names no trusted key; [`WhyIgnored::BadSignature`], when it does and the
    /// signature is not of that key over these bytes.
    pub fn verify(&self, trusted: &TrustedWriters) -> Result<(KeyId, &[u8]), WhyIgnored> {
        let message = pae(&self.payload_type, &self.payload);
        let mut named = None;
        for signature in &self.signatures {
            if let Some((key_id, key)) = trusted.by_id(&signature.key_id) {
                if key.verifies(&message, &signature.bytes) {
                    return Ok((key_id.clone(), &self.payload));
                }
                named = Some(key_id.clone());
            }
        }
        Err(match named {
            Some(key_id) => WhyIgnored::BadSignature { key_id },
            None => WhyIgnored::UnknownWriter { key_ids: self.key_ids().map(str::to_owned).collect() },
        })
    }
}
