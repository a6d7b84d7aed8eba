use backup_contract::{Finding, SnapshotId};
use std::fmt;
use std::path::PathBuf;
use thiserror::Error as ThisError;

/// What kept a private state from being backed up, proved or opened.
#[derive(Debug, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// No such context under the state root.
    #[error("no context at {}", path.display())]
    NoContext {
        /// Where it was looked for.
        path: PathBuf,
        /// The contexts that are there.
        known: Vec<backup_contract::ContextName>,
    },
    /// A path that no file of a context can have.
    #[error("'{path}' cannot be a path within a context: {reason}", path = path.escape_debug())]
    Path {
        /// The rejected text.
        path: String,
        /// Which rule it breaks.
        reason: &'static str,
    },
    /// The system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Findings stand in the way: secrets, links, files that do not parse.
    #[error("{} in the private state {} in the way of a backup", count(.0.len(), "finding"), if .0.len() == 1 { "stands" } else { "stand" })]
    Blocked(Vec<Finding>),
    /// A file was being written during every try.
    #[error("{} kept changing while it was read ({tries} tries)", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
        /// How often it was tried.
        tries: u32,
    },
    /// A log shrank or was replaced while it was read.
    #[error("{} was {what} while it was read", path.display())]
    LogConflict {
        /// The log.
        path: PathBuf,
        /// `cut short`, `replaced` or `rewritten`.
        what: &'static str,
    },
    /// A list of exceptions of the secret scan that is not one.
    #[error("the list of allowed secrets is not valid: {0}")]
    AllowList(String),
    /// A text that is no age recipient.
    #[error("'{0}' is not an age recipient")]
    Recipient(String),
    /// Nothing is sealed to nobody.
    #[error("there is no recipient to seal to")]
    NoRecipient,
    /// A file that holds no age identity.
    #[error("{} holds no age identity", .0.display())]
    Identity(PathBuf),
    /// A key that others can read.
    #[error("the identity file {} can be read by others (mode {mode:04o})", path.display())]
    IdentityExposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// None of the identities opens it.
    #[error("{what} is not sealed to any of the given identities")]
    WrongIdentity {
        /// The sealed thing.
        what: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] backup_store::Error),
    /// What was opened is not a sound bundle.
    #[error("the bundle of {id} is refused: {reason}")]
    Bundle {
        /// The snapshot.
        id: SnapshotId,
        /// What is wrong with it.
        reason: BundleFault,
    },
    /// Something of this software's own that is not what it should be.
    #[error("the {what} is not valid: {reason}")]
    Malformed {
        /// `record of <id>`, `manifest`, `event log`.
        what: String,
        /// Why it is not.
        reason: String,
    },
    /// Written by a newer version of this software.
    #[error("the {what} has format version {version}, and this program knows versions up to {known}")]
    Newer {
        /// `record` or `manifest`.
        what: &'static str,
        /// The version that it has.
        version: u32,
        /// The newest that is understood.
        known: u32,
    },
    /// Extraction goes into a new or an empty directory.
    #[error("{} is not empty", .0.display())]
    TargetNotEmpty(PathBuf),
    /// Extraction puts a directory made anew in the place of an empty one, and this one has to stay the one that it is.
    #[error("{} is {why}, and cannot be replaced", path.display())]
    TargetInUse {
        /// The directory.
        path: PathBuf,
        /// `the working directory` or `a mount point`.
        why: &'static str,
    },
    /// A path was asked for that the snapshot does not hold.
    #[error("{id} holds no file '{path}'")]
    NoSuchFile {
        /// The snapshot.
        id: SnapshotId,
        /// The path that was asked for.
        path: String,
    },
    /// Nothing may be deleted, because the snapshot that has to stay would not.
    #[error("nothing more is deleted: {id}, which has to stay, {reason}")]
    Keeper {
        /// The snapshot that has to stay.
        id: SnapshotId,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The caller asked to stop.
    #[error("stopped on request")]
    Stopped,
    /// No random bytes could be had from the system.
    #[error("the system gave no random bytes")]
    Random,
}

/// Why a bundle is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BundleFault {
    /// Not an age file, or cut short, or altered: it does not decrypt.
    Undecryptable(String),
    /// What was decrypted is not the zstd frame that it should be.
    Uncompressable(String),
    /// What was decompressed is not the tar archive that it should be.
    Untarrable(String),
    /// An entry that is no plain file.
    EntryKind {
        /// Its name in the archive.
        name: String,
        /// What it is.
        kind: &'static str,
    },
    /// An entry whose name leads elsewhere or is not one that a bundle may hold.
    EntryName {
        /// Its name in the archive.
        name: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// Two entries of one name, or of names that differ in case only.
    Duplicate(String),
    /// It unpacks to far more than its size warrants.
    Bomb {
        /// Bytes unpacked so far.
        unpacked: u64,
        /// Bytes of the sealed bundle.
        sealed: u64,
    },
    /// No manifest, or something behind it.
    NoManifest,
    /// Bytes behind the end of the archive.
    TrailingData,
    /// The manifest and the files do not agree.
    Mismatch {
        /// The file.
        path: String,
        /// How they differ.
        detail: String,
    },
    /// A file that is not the JSON that it should be.
    NotWellFormed {
        /// The file.
        path: String,
        /// Why not.
        detail: String,
    },
    /// The manifest is of another snapshot.
    OtherSnapshot {
        /// What the manifest says that it is of.
        found: String,
    },
}

impl fmt::Display for BundleFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undecryptable(why) => write!(f, "it does not decrypt ({why})"),
            Self::Uncompressable(why) => write!(f, "what it holds is not one zstd frame ({why})"),
            Self::Untarrable(why) => write!(f, "what it holds is not a tar archive ({why})"),
            Self::EntryKind { name, kind } => write!(f, "'{}' is {kind}, not a file", name.escape_debug()),
            Self::EntryName { name, reason } => write!(f, "it names '{}': {reason}", name.escape_debug()),
            Self::Duplicate(name) => write!(f, "it holds '{}' twice", name.escape_debug()),
            Self::Bomb { unpacked, sealed } => {
                write!(f, "its {sealed} bytes unpack to more than {unpacked} bytes")
            }
            Self::NoManifest => f.write_str("it has no manifest at its end"),
            Self::TrailingData => f.write_str("there are bytes behind its end"),
            Self::Mismatch { path, detail } => write!(f, "'{path}' is not what the manifest says: {detail}"),
            Self::NotWellFormed { path, detail } => write!(f, "'{path}' is not well-formed: {detail}"),
            Self::OtherSnapshot { found } => write!(f, "its manifest is of {found}"),
        }
    }
}

/// The most characters of a reason that is not in our own words.
const MAX_REASON: usize = 300;

fn shown(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = escaped.is_none().then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

impl Error {
    /// Something that does not parse. What a parser says may quote what it read, which anyone may have written: it is
    /// kept from steering a terminal, and short.
    pub(crate) fn malformed(what: &str, why: &dyn fmt::Display) -> Self {
        let why = why.to_string();
        let mut reason: String = why.chars().take(MAX_REASON).flat_map(shown).collect();
        if why.chars().nth(MAX_REASON).is_some() {
            reason.push('…');
        }
        Self::Malformed { what: what.to_owned(), reason }
    }

    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoContext { .. } => "no-such-context",
            Self::Path { .. } => "invalid-path",
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => "permission-denied",
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => "disk-full",
                _ => "io",
            },
            Self::Blocked(_) => "state-findings",
            Self::Busy { .. } => "state-busy",
            Self::LogConflict { .. } => "log-conflict",
            Self::AllowList(_) => "allow-list-invalid",
            Self::Recipient(_) => "invalid-recipient",
            Self::NoRecipient => "no-recipient",
            Self::Identity(_) => "identity-invalid",
            Self::IdentityExposed { .. } => "identity-exposed",
            Self::WrongIdentity { .. } => "wrong-identity",
            Self::Store(e) => e.code(),
            Self::Bundle { .. } => "bundle-refused",
            Self::Malformed { .. } => "malformed",
            Self::Newer { .. } => "newer-format",
            Self::TargetNotEmpty(_) => "target-not-empty",
            Self::TargetInUse { .. } => "target-in-use",
            Self::NoSuchFile { .. } => "no-such-file",
            Self::Keeper { .. } => "nothing-would-stay",
            Self::Stopped => "interrupted",
            Self::Random => "no-randomness",
        }
    }

    /// What to do next, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoContext { known, .. } if known.is_empty() => {
                "there is no context here at all; name the right directory with --state-root".to_owned()
            }
            Self::NoContext { known, .. } => {
                let names: Vec<_> = known.iter().map(ToString::to_string).collect();
                format!("choose one of these with --context: {}", names.join(", "))
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                "run as the user who owns it, or give that user access".to_owned()
            }
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "free space on that file system and run again".to_owned()
            }
            Self::Blocked(_) => {
                "mend each finding; a reviewed exception goes into the file named by 'allow_secrets' in the settings".to_owned()
            }
            Self::Busy { .. } => "run again when si is not writing; if nothing should write there, find out what does".to_owned(),
            Self::LogConflict { .. } => "event logs are append-only; run again, and find out what rewrites this one".to_owned(),
            Self::Recipient(_) => "a recipient begins with 'age1'; 'age-keygen -y identity.txt' prints it".to_owned(),
            Self::NoRecipient => "add one to 'recipients' in the settings".to_owned(),
            Self::Identity(_) => "an identity file has a line that begins with 'AGE-SECRET-KEY-1'; 'age-keygen' makes one".to_owned(),
            Self::IdentityExposed { path, .. } => format!("chmod 600 {}", path.display()),
            Self::WrongIdentity { .. } => "use the identity whose recipient was in the settings when it was made".to_owned(),
            Self::Store(e) => return e.hint().map(str::to_owned),
            Self::Bundle { .. } => "do not use this snapshot; 'si-backup list' names the newest one that was proved".to_owned(),
            Self::Newer { .. } => "use the newer version of si-backup that wrote it".to_owned(),
            Self::TargetNotEmpty(_) => "name a new or an empty directory; nothing that exists is ever overwritten".to_owned(),
            Self::TargetInUse { path, .. } => {
                format!("name a new directory in it, such as {}", path.join("restored").display())
            }
            Self::Keeper { .. } => "find out what changed the store, make a backup with 'si-backup run --state', and plan again".to_owned(),
            Self::NoSuchFile { id, .. } => format!("'si-backup show {id}' lists its files"),
            _ => return None,
        })
    }
}
