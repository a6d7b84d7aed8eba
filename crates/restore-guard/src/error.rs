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
    /// A restore has shut the mutation lock, and its checks have not passed yet.
    #[error("the mutation lock of {} is shut since {} by {} ({})", .0.subject, .0.since.to_rfc3339(), .0.by, .0.why)]
    MutationLocked(Box<crate::ShutRecord>),
    /// Something lies where a mutation lock is recorded, and cannot be read. It counts as shut.
    #[error("what lies at {} is no mutation lock that can be read: {why}", path.display())]
    MutationLockUnreadable {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody changes something, or shuts a lock, for longer than was waited.
    #[error("somebody is changing the context: {} is locked", .0.display())]
    MutationsBusy(PathBuf),
    /// What was fetched is not what was proved.
    #[error("the bytes of {id} that were fetched have the checksum {found}, and {proved} was proved")]
    BytesChanged {
        /// The snapshot.
        id: String,
        /// What was proved.
        proved: backup_contract::Checksum,
        /// What was fetched.
        found: backup_contract::Checksum,
    },
    /// The permission to replace live data has run out: what was proved then may not be what is there now.
    #[error("the permission to restore ran out at {}", valid_until.to_rfc3339())]
    PermitExpired {
        /// Since when it is void.
        valid_until: chrono::DateTime<chrono::Utc>,
    },
    /// Something that may not be moved, or moved to: by its name, its kind, its place or its owner.
    #[error("{} cannot be restored to or from: {reason}", path.display())]
    NotPromotable {
        /// What.
        path: PathBuf,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// Live data, or what was to take its place, is not what the plan was made for.
    #[error("{} is not what it was when the restore was planned: {now}", path.display())]
    TargetChanged {
        /// What has changed.
        path: PathBuf,
        /// What it is now.
        now: &'static str,
    },
    /// What is to be moved cannot be moved within one file system.
    #[error("{} and {} are not on one file system", live.display(), other.display())]
    OtherFileSystem {
        /// The live data.
        live: PathBuf,
        /// What is elsewhere.
        other: PathBuf,
    },
    /// A file system has not the room for what is about to be written.
    #[error("{} has room for {available} bytes, and {needed} are needed", path.display())]
    NoSpace {
        /// A directory on it.
        path: PathBuf,
        /// How many bytes are needed.
        needed: u64,
        /// How many there are.
        available: u64,
    },
    /// An owner, mode, access list or extended attribute that the incoming file cannot be given: it would be lost.
    #[error("{} cannot be given the {attribute} of what it replaces", path.display())]
    AttributeLost {
        /// The live file.
        path: PathBuf,
        /// `owner`, `mode`, or the name of the extended attribute.
        attribute: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An earlier restore has been begun, and neither confirmed nor undone.
    #[error("a restore by {operator}, begun at {}, is {phase} (journal in {})", begun_at.to_rfc3339(), journal.display())]
    RestorePending {
        /// Its journal.
        journal: PathBuf,
        /// Who asked for it.
        operator: String,
        /// When its first step was written down.
        begun_at: chrono::DateTime<chrono::Utc>,
        /// How far it is.
        phase: &'static str,
    },
    /// Another process works on the same journal now.
    #[error("another process is restoring (journal in {})", .0.display())]
    RestoreRunning(PathBuf),
    /// There is nothing to resume, undo or confirm.
    #[error("no restore is under way (journal in {})", .0.display())]
    NoRestore(PathBuf),
    /// The restore is not at the point where this can be done to it.
    #[error("a restore that is {phase} cannot be {asked}")]
    RestorePhase {
        /// How far it is.
        phase: &'static str,
        /// `undone`, `confirmed`, `resumed`.
        asked: &'static str,
    },
    /// Live data was written again after the restore; putting the old back would lose that.
    #[error("written since the restore: {}{}", files.join(", "), and_more(*more))]
    LiveChanged {
        /// The first of the files.
        files: Vec<String>,
        /// How many there are besides.
        more: usize,
    },
    /// What was replaced is not where it was kept.
    #[error("what {} replaced is no longer where it was kept", path.display())]
    KeptMissing {
        /// The live file.
        path: PathBuf,
    },
    /// A journal of a restore that is not whole. It is never guessed from.
    #[error("the restore journal {} cannot be read: {reason}", path.display())]
    JournalMalformed {
        /// Its file.
        path: PathBuf,
        /// Why not.
        reason: String,
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
            Self::MutationLocked(_) => "mutation-locked",
            Self::MutationLockUnreadable { .. } => "mutation-lock-unreadable",
            Self::MutationsBusy(_) => "mutations-busy",
            Self::BytesChanged { .. } => "bytes-changed",
            Self::PermitExpired { .. } => "permit-expired",
            Self::NotPromotable { .. } => "not-promotable",
            Self::TargetChanged { .. } => "target-changed",
            Self::OtherFileSystem { .. } => "other-file-system",
            Self::NoSpace { .. } => "no-space",
            Self::AttributeLost { .. } => "attribute-lost",
            Self::RestorePending { .. } => "restore-pending",
            Self::RestoreRunning(_) => "restore-running",
            Self::NoRestore(_) => "no-restore",
            Self::RestorePhase { .. } => "restore-phase",
            Self::LiveChanged { .. } => "live-changed",
            Self::KeptMissing { .. } => "kept-missing",
            Self::JournalMalformed { .. } => "journal-malformed",
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
            Self::MutationLocked(_) => Some(
                "'si-backup guard status' says why; 'si-backup guard recheck' opens it when the checks pass",
            ),
            Self::MutationLockUnreadable { .. } => Some(
                "it counts as shut; look at it, and open it with 'si-backup guard release --reason TEXT'",
            ),
            Self::MutationsBusy(_) => Some("wait until the deploy or the change is done, and run it again"),
            Self::BytesChanged { .. } => {
                Some("somebody changed it since it was verified: verify it again, or restore an older one")
            }
            Self::PermitExpired { .. } => Some("ask again: the snapshot is looked at anew"),
            Self::TargetChanged { .. } => Some("plan again, while nobody else writes there"),
            Self::OtherFileSystem { .. } => {
                Some("stage on the file system of the live data; a mount point itself cannot be replaced")
            }
            Self::NoSpace { .. } => Some("free space on that file system and run again"),
            Self::AttributeLost { .. } => {
                Some("restore as a user who may set it, or take it from the live file first")
            }
            Self::RestorePending { .. } => Some("resume it, undo it or confirm it first"),
            Self::RestoreRunning(_) => Some("wait until it is done"),
            Self::LiveChanged { .. } => Some(
                "keep the restored data, or undo and give up what was written since with --discard-writes",
            ),
            Self::KeptMissing { .. } => Some("find out who removed it; the live data is left as it is"),
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

fn and_more(more: usize) -> String {
    if more == 0 { String::new() } else { format!(" and {more} more") }
}
