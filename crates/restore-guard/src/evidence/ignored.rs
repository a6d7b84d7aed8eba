use crate::KeyId;
use backup_contract::{Checksum, Level};
use backup_store::Key;
use chrono::{DateTime, Utc};
use thiserror::Error as ThisError;

/// A record that counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Where it lies.
    pub key: Key,
    /// Why it does not count.
    pub why: WhyIgnored,
}

/// Why a record counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum WhyIgnored {
    /// Its key is not one that this software gives to evidence.
    #[error("its key is not that of evidence")]
    NotARecord,
    /// It is longer than any record.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// It is no DSSE envelope.
    #[error("it is not a signed envelope: {reason}")]
    NotAnEnvelope {
        /// What is wrong with it.
        reason: String,
    },
    /// Nobody whose evidence counts has signed it.
    #[error("it is signed by no trusted writer ({})", if key_ids.is_empty() { "by nobody".to_owned() } else { key_ids.join(", ") })]
    UnknownWriter {
        /// The keys that it names.
        key_ids: Vec<String>,
    },
    /// It names a trusted key, which did not sign it.
    #[error("its signature is not that of {key_id} over it")]
    BadSignature {
        /// The key that it names.
        key_id: KeyId,
    },
    /// It is signed, and is not evidence but something else.
    #[error("it is signed, but it is not evidence: {reason}")]
    NotEvidence {
        /// What is wrong with it.
        reason: String,
    },
    /// A newer version of this software wrote it.
    #[error("it has format version {found}, and this program knows {supported}")]
    NewerFormat {
        /// The version that it has.
        found: u64,
        /// The newest version that is understood.
        supported: u64,
    },
    /// Its parts do not agree on what was checked.
    #[error("its subject names {named} '{subject}', its predicate '{predicate}'")]
    SelfContradiction {
        /// What they disagree on.
        named: &'static str,
        /// What the Statement's subject says.
        subject: String,
        /// What the predicate says.
        predicate: String,
    },
    /// It says passed, and its checks do not.
    #[error("it says passed, but its checks do not")]
    Unproved,
    /// It lies under the key of something else: it was copied there.
    #[error("it is about {field} '{found}', but lies where '{expected}' belongs")]
    Misplaced {
        /// On what the record and its key disagree.
        field: &'static str,
        /// What the record is about.
        found: String,
        /// What its key says.
        expected: String,
    },
    /// It is about other bytes than the snapshot now has.
    #[error("it is about the checksum {found}")]
    OtherChecksum {
        /// The checksum that was proved.
        found: Checksum,
    },
    /// It is about another context of the same name.
    #[error("it is about a context of the same name and of another origin ({found})")]
    OtherOrigin {
        /// The origin that it is about.
        found: crate::OriginId,
    },
    /// It is about another snapshot of the same name, which is not there any more.
    #[error("it is about another snapshot of that name: {reason}")]
    OtherSnapshot {
        /// By what they differ.
        reason: String,
    },
    /// It is in this host's own name, and this host's trail, which tells of everything that it did, does not know of it.
    #[error("it is signed with this host's own key, and this host's trail does not know of it")]
    NotInTrail,
    /// This host's trail tells of a failure of which the evidence is gone: it speaks against what was proved before.
    #[error(
        "this host's trail tells that a verification at level '{level}' failed at {}, and the evidence of that is gone",
        at.to_rfc3339()
    )]
    FailureGone {
        /// The level that failed.
        level: Level,
        /// When.
        at: DateTime<Utc>,
        /// Of which bytes.
        checksum: Checksum,
    },
    /// It says passed at a time that has not come yet.
    #[error("it is dated {}, which is in the future", finished_at.to_rfc3339())]
    FromTheFuture {
        /// When it says that the verification was finished.
        finished_at: DateTime<Utc>,
    },
    /// It says passed at a time later than that at which its store wrote it.
    #[error(
        "it is dated {}, and was stored at {}: a clock was wrong",
        finished_at.to_rfc3339(),
        stored_at.to_rfc3339()
    )]
    AheadOfItsStore {
        /// When it says that the verification was finished.
        finished_at: DateTime<Utc>,
        /// When the store wrote it.
        stored_at: DateTime<Utc>,
    },
}

impl WhyIgnored {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotARecord => "not-a-record",
            Self::TooLong { .. } => "too-long",
            Self::NotAnEnvelope { .. } => "not-an-envelope",
            Self::UnknownWriter { .. } => "unknown-writer",
            Self::BadSignature { .. } => "bad-signature",
            Self::NotEvidence { .. } => "not-evidence",
            Self::NewerFormat { .. } => "newer-format",
            Self::SelfContradiction { .. } => "self-contradiction",
            Self::Unproved => "unproved",
            Self::Misplaced { .. } => "misplaced",
            Self::OtherChecksum { .. } => "other-checksum",
            Self::OtherOrigin { .. } => "other-origin",
            Self::OtherSnapshot { .. } => "other-snapshot",
            Self::NotInTrail => "not-in-trail",
            Self::FailureGone { .. } => "failure-gone",
            Self::FromTheFuture { .. } => "from-the-future",
            Self::AheadOfItsStore { .. } => "ahead-of-its-store",
        }
    }
}
