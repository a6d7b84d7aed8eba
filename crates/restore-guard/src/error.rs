use backup_store::Key;
use std::path::PathBuf;
use thiserror::Error as ThisError;

/// What kept evidence, trail, pins or keys from being written or read.
///
/// A record that merely does not count is not an error: it is returned with its
/// [`WhyIgnored`](crate::WhyIgnored).
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The store beneath refused.
    #[error(transparent)]
    Store(#[from] backup_store::Error),
    /// The system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried: `read`, `lock`, `append to`, …
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A text that is not the id it was given as.
    #[error("'{}' is not a {noun}", value.escape_debug())]
    InvalidId {
        /// What it was to be: `writer id`, `origin id`, `key id`.
        noun: &'static str,
        /// The rejected text.
        value: String,
    },
    /// A text that is no public key of a writer.
    #[error("'{}' is not a writer's public key: {reason}", value.escape_debug())]
    InvalidPublicKey {
        /// The rejected text.
        value: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// A file that holds no signing key. What it holds is not repeated.
    #[error("{} holds no ed25519 private key in PKCS#8 PEM", .0.display())]
    InvalidSigningKey(PathBuf),
    /// A signing key that others than its owner may read.
    #[error("the signing key {} is open to others (mode {mode:04o})", path.display())]
    KeyExposed {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// An object that should be this software's own record is something else.
    #[error("'{key}' is not a {what}: {reason}")]
    Malformed {
        /// The object.
        key: Key,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// Written by a newer version of this software.
    #[error("{place} has format version {found}, and this program knows {supported}")]
    NewerFormat {
        /// The object or file.
        place: String,
        /// The version that it has.
        found: u64,
        /// The newest version that is understood.
        supported: u64,
    },
    /// Evidence that says passed although a check of it failed, or although nothing was checked.
    #[error("evidence of {snapshot} says passed, but its checks do not")]
    Contradiction {
        /// The snapshot, with its subject.
        snapshot: String,
    },
    /// An id that no snapshot of the subject can have.
    #[error("'{id}' cannot be a snapshot of {subject}")]
    OtherSubject {
        /// The subject.
        subject: String,
        /// The id.
        id: String,
    },
    /// A record of another context than the one that is worked on.
    #[error("a record of context '{found}' was to be written for context '{expected}'")]
    OtherContext {
        /// The context that is worked on.
        expected: String,
        /// The record's context.
        found: String,
    },
    /// A record too long to be read again by everything that must read it.
    #[error("the {what} is {bytes} bytes long, more than the {limit} that are read")]
    TooLong {
        /// What was to be written.
        what: &'static str,
        /// Its length in bytes.
        bytes: u64,
        /// The most that may be written, in bytes.
        limit: u64,
    },
    /// A value that has no JSON.
    #[error("cannot write {what} as JSON")]
    Encode {
        /// What was to be written.
        what: &'static str,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A trail file that another writer, or another context, has begun.
    #[error("the trail {} belongs to writer {writer} of context '{context}'", path.display())]
    ForeignTrail {
        /// The file.
        path: PathBuf,
        /// Whose entries it holds.
        writer: String,
        /// Of which context.
        context: String,
    },
    /// The store's copy of an entry is not the entry.
    #[error("the store's copy '{key}' differs from entry {sequence} of the trail")]
    TrailDiverged {
        /// The copy.
        key: Key,
        /// The entry's sequence number.
        sequence: u64,
    },
    /// The store holds later entries than the trail: the file was cut or removed.
    #[error("the trail ends at entry {local}, but the store holds copies up to {stored}")]
    TrailBehind {
        /// The last entry of the file; 0 when it is empty or gone.
        local: u64,
        /// The last copy in the store.
        stored: u64,
    },
    /// The permission to replace live data has run out: what was proved then may not be what is there now.
    #[error("the permission to restore ran out at {}", valid_until.to_rfc3339())]
    PermitExpired {
        /// Since when it is void.
        valid_until: chrono::DateTime<chrono::Utc>,
    },
    /// No random bytes could be had from the system.
    #[error("the system gave no random bytes: {0}")]
    Random(String),
}

impl Error {
    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        use std::io::ErrorKind;
        match self {
            Self::Store(source) => source.code(),
            Self::Io { source, .. } => match source.kind() {
                ErrorKind::NotFound => "file-not-found",
                ErrorKind::PermissionDenied => "permission-denied",
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => "disk-full",
                ErrorKind::ReadOnlyFilesystem => "read-only",
                _ => "io",
            },
            Self::InvalidId { .. } => "invalid-id",
            Self::InvalidPublicKey { .. } => "invalid-public-key",
            Self::InvalidSigningKey(_) => "invalid-signing-key",
            Self::KeyExposed { .. } => "key-exposed",
            Self::Malformed { .. } => "record-malformed",
            Self::NewerFormat { .. } => "newer-format",
            Self::Contradiction { .. } => "evidence-contradiction",
            Self::OtherSubject { .. } => "other-subject",
            Self::OtherContext { .. } => "other-context",
            Self::TooLong { .. } => "record-too-long",
            Self::Encode { .. } => "not-encodable",
            Self::ForeignTrail { .. } => "trail-foreign",
            Self::TrailDiverged { .. } => "trail-diverged",
            Self::TrailBehind { .. } => "trail-behind",
            Self::PermitExpired { .. } => "permit-expired",
            Self::Random(_) => "no-randomness",
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Store(source) => source.hint(),
            Self::InvalidPublicKey { .. } => {
                Some("write 'ed25519:' and the base64 of the 32 bytes of the key")
            }
            Self::InvalidSigningKey(_) => {
                Some("'openssl genpkey -algorithm ed25519' makes one, and so does 'si-backup init'")
            }
            Self::KeyExposed { .. } => Some(
                "run 'chmod 600' on it; if others may have read it, make a new key and take the old one out of trusted_writers",
            ),
            Self::NewerFormat { .. } => Some("use the newer version of this program that wrote it"),
            Self::ForeignTrail { .. } => {
                Some("each context of each home has a trail of its own; check the path")
            }
            Self::TrailDiverged { .. } | Self::TrailBehind { .. } => {
                Some("somebody changed the trail or its copies; 'si-backup audit verify' says where")
            }
            Self::PermitExpired { .. } => Some("ask again: the snapshot is looked at anew"),
            _ => match self.code() {
                "permission-denied" => Some("give the user that runs this access to the path"),
                "disk-full" => Some("free space on that file system and run again"),
                "read-only" => {
                    Some("the file system is mounted read-only; remount it or choose another place")
                }
                _ => None,
            },
        }
    }
}
