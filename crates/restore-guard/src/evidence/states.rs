use super::{Envelope, EvidenceRecord, IN_TOTO, RecordName, WhyIgnored, statement};
use crate::{Error, KeyId, Result, TrustedWriters, WriterKey};
use backup_contract::{Outcome, SnapshotRef};
use backup_store::Key;

/// A record as it lies in the store: claims, and nothing known about who made them.
///
/// Its claims cannot be read; [`UnverifiedEvidence::verify`] makes [`Evidence`] of it, or says why not.
///
/// ```compile_fail
/// fn believe(_: &restore_guard::Evidence) {}
///
/// fn read(key: &backup_store::Key, envelope: restore_guard::Envelope) {
///     let found = restore_guard::UnverifiedEvidence::new(key.clone(), envelope);
///     believe(&found); // expected `&Evidence`, found `&UnverifiedEvidence`
/// }
/// ```
///
/// And there is no other way to make [`Evidence`]:
///
/// ```compile_fail
/// fn forge(key: backup_store::Key, record: restore_guard::EvidenceRecord, signer: restore_guard::KeyId) {
///     let _ = restore_guard::Evidence { key, record, signer }; // private fields
/// }
/// ```
#[derive(Debug, Clone)]
pub struct UnverifiedEvidence {
    key: Key,
    envelope: Envelope,
}

impl UnverifiedEvidence {
    /// What was found at `key`.
    #[must_use]
    pub const fn new(key: Key, envelope: Envelope) -> Self {
        Self { key, envelope }
    }

    /// Reads the bytes that were found at `key`.
    ///
    /// # Errors
    /// [`WhyIgnored::NotAnEnvelope`].
    pub fn from_json(key: &Key, json: &[u8]) -> Result<Self, WhyIgnored> {
        Ok(Self::new(key.clone(), Envelope::from_json(json)?))
    }

    /// Where it was found.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Believes the record when a trusted writer signed it, when its parts agree, and when it lies where it belongs: an
    /// envelope that was copied under another snapshot's key counts for nothing.
    ///
    /// # Errors
    /// The first reason that was found not to believe it.
    pub fn verify(&self, trusted: &TrustedWriters) -> Result<Evidence, WhyIgnored> {
        let name = RecordName::parse(&self.key).ok_or(WhyIgnored::NotARecord)?;
        let (signer, payload) = self.envelope.verify(trusted)?;
        if self.envelope.payload_type() != IN_TOTO {
            let reason = format!("its payload is '{}'", self.envelope.payload_type());
            return Err(WhyIgnored::NotEvidence { reason });
        }
        let record = statement::read(payload)?;
        agree("the context", &record.context, &name.context)?;
        agree("the snapshot", &record.snapshot(), &name.snapshot)?;
        agree("the level", &record.level, &name.level)?;
        agree("the outcome", &record.outcome, &name.outcome)?;
        let second = |at: chrono::DateTime<chrono::Utc>| crate::stamp::write(at);
        agree("the time", &second(record.finished_at), &second(name.finished_at))?;
        Ok(Evidence { key: self.key.clone(), signer, record })
    }
}

fn agree<T: PartialEq + ToString>(field: &'static str, found: &T, expected: &T) -> Result<(), WhyIgnored> {
    if found == expected {
        Ok(())
    } else {
        Err(WhyIgnored::Misplaced { field, found: found.to_string(), expected: expected.to_string() })
    }
}

/// A record that a trusted writer signed and that lies where it belongs. Made by [`UnverifiedEvidence::verify`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    key: Key,
    signer: KeyId,
    record: EvidenceRecord,
}

impl Evidence {
    /// Where it lies.
    #[must_use]
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// The trusted key that signed it.
    #[must_use]
    pub const fn signer(&self) -> &KeyId {
        &self.signer
    }

    /// What it says.
    #[must_use]
    pub const fn record(&self) -> &EvidenceRecord {
        &self.record
    }

    /// Whether the verification passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.record.outcome == Outcome::Passed
    }
}

impl EvidenceRecord {
    /// Signs the record and names its object.
    ///
    /// # Errors
    /// [`Error::Contradiction`], when it says passed and its checks do not; [`Error::OtherSubject`], when its id cannot
    /// be a snapshot of its subject.
    pub fn sign(&self, key: &WriterKey) -> Result<(Key, Envelope)> {
        let snapshot: SnapshotRef = self.snapshot();
        if !self.id.fits(&self.subject) {
            return Err(Error::OtherSubject { subject: self.subject.to_string(), id: self.id.to_string() });
        }
        if self.outcome == Outcome::Passed && Outcome::of(&self.checks) != Outcome::Passed {
            return Err(Error::Contradiction { snapshot: snapshot.to_string() });
        }
        let name = RecordName {
            context: self.context.clone(),
            snapshot,
            finished_at: self.finished_at,
            level: self.level,
            outcome: self.outcome,
        };
        Ok((name.to_key()?, Envelope::sign(IN_TOTO, statement::write(self)?, key)))
    }
}
