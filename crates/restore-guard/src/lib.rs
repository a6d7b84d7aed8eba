//! What stands between a backup and live data: proof that it can be restored, and a record of everything that was done.
//!
//! | concept | type |
//! |---|---|
//! | who writes | [`WriterId`], whose signature is a [`WriterKey`]'s and is checked by its [`WriterPublicKey`] |
//! | whose word counts | [`TrustedWriters`]: the keys that the settings or the recovery sheet name; [`published_writers`] says whose they are |
//! | what one verification found | [`EvidenceRecord`], signed in an [`Envelope`] |
//! | a record that was found | [`UnverifiedEvidence`], which becomes [`Evidence`] only by way of trusted keys |
//! | all of them | [`Ledger`] in a store, read as [`Records`] |
//! | how far a snapshot is proved | [`Standing`], level by level; every record that does not count has its [`WhyIgnored`] |
//! | who did what, when | [`Trail`]: hash-chained lines on disk before the act, copied into the store, held against the copies |
//! | keeping a snapshot whatever the counts say | [`Pins`] |
//! | what a host itself remembers of its verifications | [`Remembered`], from its trail; evidence in its name is held against it |
//! | whether a snapshot may take the place of live data | [`decide`], of a [`RestoreRequest`] and [`Candidate`]s: a [`Refusal`], or in the end a [`Permit`] |
//! | what is asked before it is opened | [`Check`], [`ask`] |
//! | keeping others from changing what was restored until it is checked | [`MutationLock`], [`MutationPass`] |
//! | all of that in the words of the policy | [`rehearsals_of`], [`drills_of`], [`trail_facts`] |
//! | bringing proved data to its place, and back | [`Plan`], carried out by a [`Journal`] with a [`Permit`]: resumed, undone or confirmed |
//! | telling two contexts of one name apart | [`OriginId`], [`claim_origin`], [`Ledger::of_origin`] |
//!
//! Evidence is no flag: it is a signed statement over a checksum. A snapshot whose bytes are no longer those of the
//! statement is unproved, and so is one whose newest verification failed.
//!
//! ```
//! use backup_contract::{CheckResult, ContextName, Level, Outcome};
//! use restore_guard::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let store = backup_store::DirStore::create(directory.path().join("store"))?;
//! # let now = chrono::DateTime::from_timestamp(1_795_464_900, 0).unwrap();
//! let context = ContextName::new("default")?;
//! let key = WriterKey::generate()?;
//! let ledger = Ledger::new(&store, &context);
//!
//! // A verification has read every byte of a snapshot again. Write down what it found.
//! let record = EvidenceRecord {
//!     context: context.clone(),
//!     origin: OriginId::generate()?,
//!     subject: "state".parse()?,
//!     id: "state-20261123T201500Z-1a2b3c4d".parse()?,
//!     checksum: format!("sha256:{}", "5".repeat(64)).parse()?,
//!     level: Level::Checksum,
//!     outcome: Outcome::Passed,
//!     checks: vec![CheckResult {
//!         name: "bundle-checksum".into(),
//!         ok: true,
//!         detail: "41,232 bytes, as recorded".into(),
//!         duration_ms: 3,
//!     }],
//!     host: "host-1".into(),
//!     operator: "ada@host-1".into(),
//!     writer: WriterId::generate()?,
//!     tool: Tool { name: "si-backup".into(), version: "0.1.0".into() },
//!     started_at: now,
//!     finished_at: now,
//!     recovery_seconds: None,
//!     data_loss_seconds: None,
//!     details: serde_json::Map::new(),
//! };
//! ledger.write(&record, &key)?;
//!
//! // Later, perhaps elsewhere: how far is the snapshot proved, by those whose word counts?
//! let trusted = TrustedWriters::new([key.public()]);
//! let records = ledger.read(&Scope::Context, &trusted)?;
//! let snapshot = record.snapshot();
//! let question = Question { snapshot: &snapshot, checksum: record.checksum, origin: None, now };
//! let standing = records.standing(&question);
//! assert!(standing.proof_of(Level::Checksum).is_some());
//! assert!(standing.proof_of(Level::Content).is_none());
//!
//! // Nobody else's word counts.
//! let stranger = TrustedWriters::new([WriterKey::generate()?.public()]);
//! let records = ledger.read(&Scope::Context, &stranger)?;
//! assert!(records.is_empty());
//! assert_eq!(records.ignored()[0].why.code(), "unknown-writer");
//! # Ok(())
//! # }
//! ```

mod checks;
mod disk;
mod error;
mod evidence;
mod facts;
mod gate;
mod id;
mod keys;
mod lock;
mod objects;
mod origin;
mod pins;
mod promotion;
mod stamp;
mod trail;

pub use checks::{Check, CheckKind, ask, ask_by};
pub use error::Error;
pub use evidence::{
    Envelope, Evidence, EvidenceRecord, IN_TOTO, Ignored, Ledger, LevelStanding, Newest, PREDICATE_TYPE,
    Question, RecordName, Records, Remembered, STATEMENT_TYPE, Scope, Standing, Tool, UnverifiedEvidence,
    WhyIgnored, future_tolerance, pae,
};
pub use facts::{drills_of, rehearsals_of, trail_facts};
pub use gate::{
    AcceptedLevel, Allowed, Announced, Candidate, Decision, Grant, LastVerified, Latest, Materialise,
    Obstacle, PassedOver, Permit, Reason, Refusal, RestoreRequest, Wanted, decide,
};
pub use id::{OriginId, WriterId};
pub use keys::{
    KeyId, PublishedWriter, PublishedWriters, TrustedWriters, WriterKey, WriterPublicKey, WriterRecord,
    publish_writer, published_writers, sign_text, signed_text,
};
pub use lock::{LockStanding, MutationLock, MutationPass, PassedChecks, ShutRecord};
pub use origin::{Claim, OriginRecord, claim_origin, read_origin};
pub use pins::{PinAction, PinRecord, PinSet, PinStanding, Pins};
pub use promotion::{
    Act, Carries, EntryKind, Growth, Identity, Journal, Log, Pending, Phase, Plan, Promoted, Protected,
    Resumed, Step, Undone, Writes, require_space,
};
pub use trail::{
    ActOutcome, Action, Appended, ChainReport, Published, SetAside, Trail, TrailEntry, TrailEvent,
    TrailFinding, TrailLine, chain_of, merge, verify_context, writers_of,
};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
