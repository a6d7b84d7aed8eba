use crate::settings::SettingsError;
use backup_contract::{Finding, Severity};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use walg_driver::engine::NotPushed;

/// Why a command failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CliError {
    /// The words of the command line make no command.
    #[error("{message}")]
    Usage {
        /// What is wrong with them.
        message: String,
        /// What would be right.
        hint: Option<String>,
    },
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A noun of the command line or of a record is none.
    #[error(transparent)]
    Contract(#[from] backup_contract::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] backup_store::Error),
    /// The state could not be backed up, proved or opened.
    #[error(transparent)]
    State(#[from] paas_state::Error),
    /// A bucket of a database could not be read.
    #[error(transparent)]
    Walg(#[from] walg_driver::Error),
    /// An app's server is not as its backups need it.
    #[error("app '{app}' is not backed up: {}", told(findings))]
    ServerFindings {
        /// The app.
        app: String,
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// An app's env file is not as the contract asks.
    #[error(
        "app '{app}' is not backed up, for its env file is not as the contract asks: {}",
        placed(findings)
    )]
    ContractFindings {
        /// The app.
        app: String,
        /// What is wrong with it.
        findings: Vec<Finding>,
    },
    /// An engine ended, and left no backup that is the one that was ordered.
    #[error("the engine '{engine}' {ending}, and {why}: {said}")]
    NotPushed {
        /// The engine.
        engine: String,
        /// How it ended.
        ending: String,
        /// What the bucket tells.
        why: Box<NotPushed>,
        /// The last that it said.
        said: String,
    },
    /// It was not done within the time that it was given.
    #[error("it was not done within {}, and was stopped", humantime::format_duration(*.0))]
    TimedOut(Duration),
    /// Another host took the lease over while this one worked.
    #[error("the lease '{0}' was lost: another host took this one for dead")]
    LostLease(String),
    /// An app's env file cannot be used.
    #[error("the env file of app '{app}', {}, {}", fault.place, fault.detail)]
    AppEnvFile {
        /// The app.
        app: String,
        /// What is wrong with it.
        fault: Box<Finding>,
    },
    /// Evidence, trail, pins or origin.
    #[error(transparent)]
    Guard(#[from] restore_guard::Error),
    /// A retention policy, or the snapshots that it is held against.
    #[error(transparent)]
    Retention(#[from] retention::Error),
    /// A row of a file of snapshots that is none.
    #[error("{from}, line {line}, column {column}: {reason}")]
    BadRow {
        /// Which file.
        from: String,
        /// The line, counted from 1.
        line: usize,
        /// The column, counted from 1 in bytes.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// A name that no time zone has.
    #[error("there is no time zone '{name}'")]
    UnknownZone {
        /// The name.
        name: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// What would be deleted was shown, and nobody has agreed.
    #[error("nothing was deleted: this would delete {what}")]
    YesRequired {
        /// How many of what.
        what: String,
        /// The id of the plan that was shown.
        plan_id: String,
    },
    /// The plan that was agreed to is not the one that there is now.
    #[error("nothing was deleted: the plan is {now} now, not {asked}")]
    PlanChanged {
        /// The id that was given.
        asked: String,
        /// The id that the plan has.
        now: String,
    },
    /// Some deletions failed, the others were made.
    #[error("{0} could not be deleted")]
    DeletionsFailed(String),
    /// No snapshot of that name.
    #[error("there is no snapshot '{0}'")]
    NoSnapshot(String),
    /// There is no snapshot at all that could be meant.
    #[error("there is no restorable snapshot of {subject} in context '{context}'")]
    NothingThere {
        /// What was asked for.
        subject: String,
        /// In which context.
        context: String,
    },
    /// The beginning of more than one id.
    #[error("'{prefix}' is the beginning of {} ids", candidates.len())]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// What it could mean.
        candidates: Vec<String>,
    },
    /// Another process of this home works on the same thing.
    #[error("another run on this host holds {}", .0.display())]
    Busy(PathBuf),
    /// Another process restores a backup of the same app into the same place, to try it.
    #[error("another verification of app '{0}' is under way here")]
    Verifying(String),
    /// Another host has claimed a context of this name.
    #[error("the store holds backups of another context named '{context}', claimed by {by}")]
    ForeignOrigin {
        /// The context.
        context: String,
        /// Who claimed it.
        by: String,
    },
    /// Where this home has stored before there is nothing: as when a disk is not mounted, and its mount point is there.
    #[error("{store} holds nothing any more of what this host has stored there")]
    StoreEmptied {
        /// The store.
        store: String,
        /// By which file this home remembers it.
        memory: PathBuf,
    },
    /// The snapshot was stored, and could not be proved.
    #[error("{id} was not proved at level {level}: {why}")]
    NotProved {
        /// The snapshot.
        id: String,
        /// The level that was asked for.
        level: backup_contract::Level,
        /// What failed.
        why: String,
    },
    /// What would be stored could not be read back here.
    #[error(
        "the identity that the settings name opens nothing that would be sealed: its recipient is not among 'recipients'"
    )]
    ForeignIdentity(Vec<String>),
    /// Content can only be proved with the identity.
    #[error("this needs an identity that opens the bundles, and {}", where_it_is_not(.named.as_deref()))]
    NoIdentity {
        /// The file that the settings name.
        named: Option<PathBuf>,
        /// What would do without, where something would.
        otherwise: Option<&'static str>,
    },
    /// The gate lets a restore not through.
    #[error("{id} is not restored: {}", codes.join(", "))]
    RestoreRefused {
        /// What was to be restored.
        id: String,
        /// The code of each reason.
        codes: Vec<&'static str>,
        /// The command that would be let through.
        use_instead: Option<String>,
    },
    /// What would be replaced was shown, and nobody has agreed.
    #[error("nothing was changed: the command line does not say --force")]
    ForceRequired,
    /// A restore stands half-way: what is live is neither the old nor the new.
    #[error("a restore of {id} by {operator} is {phase}")]
    RestorePending {
        /// Of which snapshot.
        id: String,
        /// By whom.
        operator: String,
        /// How far it is, in a word.
        phase: &'static str,
    },
    /// The checks after a restore have not all passed.
    #[error("not every check passed: the mutation lock stays shut")]
    ChecksFailed,
    /// What a restore replaced is still needed: its checks have not passed.
    #[error("what was replaced is kept while the mutation lock is shut")]
    LockStillShut,
    /// This home has no key to sign evidence with.
    #[error("there is no signing key at {}", .0.display())]
    NoSigningKey(PathBuf),
    /// An add-on pack that cannot be rendered as asked for.
    #[error(transparent)]
    Pack(#[from] backup_contract::pack::PackError),
    /// An app's compose project, to which a fragment was to be fitted, could not be read.
    #[error("the fragment cannot be fitted to the app: {0}")]
    NoProject(String),
    /// What was looked for was found: what the command told is not as it should be.
    #[error("{message}")]
    Findings {
        /// Its code.
        code: &'static str,
        /// What it comes to.
        message: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A file of this software's own home.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The state root is where si itself would refuse it.
    #[error("the state root is inside a git work tree")]
    RepoState(#[source] backup_store::Error),
    /// Somebody asked to stop.
    #[error("stopped by {}", signal_name(*.0))]
    Interrupted(usize),
}

fn where_it_is_not(named: Option<&Path>) -> String {
    match named {
        Some(path) => format!("there is none at {}", path.display()),
        None => "the settings name none".to_owned(),
    }
}

fn told(findings: &[Finding]) -> String {
    let told: Vec<_> = findings.iter().map(|finding| format!("it {}", finding.detail)).collect();
    told.join("; ")
}

fn placed(findings: &[Finding]) -> String {
    let told: Vec<_> =
        findings.iter().map(|finding| format!("{} {}", finding.place, finding.detail)).collect();
    told.join("; ")
}

fn signal_name(signal: usize) -> &'static str {
    match signal {
        2 => "SIGINT",
        15 => "SIGTERM",
        _ => "a signal",
    }
}

impl CliError {
    /// A usage error.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: Some(hint.into()) }
    }

    /// A stable, kebab-case code for scripts.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Usage { .. } => "usage",
            Self::Settings(e) => e.code(),
            Self::Contract(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::State(e) => e.code(),
            Self::Walg(e) => e.code(),
            Self::AppEnvFile { fault, .. } => fault.code,
            Self::ServerFindings { .. } => "server-findings",
            Self::ContractFindings { .. } => "contract-findings",
            Self::NotPushed { why, .. } if **why == NotPushed::Nothing => "engine-failed",
            Self::NotPushed { .. } => "backup-not-as-ordered",
            Self::TimedOut(_) => "timed-out",
            Self::LostLease(_) => "lease-lost",
            Self::Guard(e) => e.code(),
            Self::Retention(e) => e.code(),
            Self::BadRow { .. } => "invalid-row",
            Self::UnknownZone { .. } => "unknown-time-zone",
            Self::YesRequired { .. } => "yes-required",
            Self::PlanChanged { .. } => "plan-changed",
            Self::DeletionsFailed(_) => "deletions-failed",
            Self::NoSnapshot(_) => "no-such-snapshot",
            Self::NothingThere { .. } => "no-restorable-snapshot",
            Self::Ambiguous { .. } => "ambiguous-id",
            Self::Busy(_) => "busy",
            Self::Verifying(_) => "verification-under-way",
            Self::ForeignOrigin { .. } => "foreign-origin",
            Self::StoreEmptied { .. } => "store-missing",
            Self::NotProved { .. } => "verification-failed",
            Self::ForeignIdentity(_) => "identity-not-a-recipient",
            Self::NoIdentity { .. } => "no-identity",
            Self::RestoreRefused { .. } => "restore-refused",
            Self::ForceRequired => "force-required",
            Self::RestorePending { .. } => "restore-pending",
            Self::ChecksFailed => "checks-failed",
            Self::LockStillShut => "lock-still-shut",
            Self::NoSigningKey(_) => "signing-key-missing",
            Self::Pack(e) => e.code(),
            Self::NoProject(_) => "compose-unreadable",
            Self::Findings { code, .. } => code,
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied => "permission-denied",
                std::io::ErrorKind::StorageFull => "disk-full",
                std::io::ErrorKind::NotFound => "not-found",
                _ => "io",
            },
            Self::RepoState(_) => "state-root-in-git",
            Self::Interrupted(_) => "interrupted",
        }
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> String {
        self.own_hint().unwrap_or_else(|| hint_of_code(self.code()).to_owned())
    }

    fn own_hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } => hint.clone(),
            Self::Settings(e) => e.hint(),
            Self::Contract(e) => Some(e.hint().to_owned()),
            Self::Store(e) => e.hint().map(str::to_owned),
            Self::State(e) => e.hint(),
            Self::Walg(e) => e.hint().map(str::to_owned),
            Self::AppEnvFile { fault, .. } => Some(fault.hint.clone()),
            Self::ServerFindings { findings, .. } | Self::ContractFindings { findings, .. } => {
                findings.first().map(|finding| finding.hint.clone())
            }
            Self::NotPushed { why, .. } if **why == NotPushed::Nothing => Some(
                "see that the server is up and the store can be written; what it printed last is above".into(),
            ),
            Self::NotPushed { .. } => Some(
                "nothing is claimed of it: see who else pushes there, and look at it with 'si-backup list' before it is used".into(),
            ),
            Self::TimedOut(_) => Some("give it more time with --timeout; nothing is claimed of what it left".into()),
            Self::LostLease(_) => Some("look at what the other host does, and run it again".into()),
            Self::Guard(e) => e.hint().map(str::to_owned),
            Self::Retention(e) => e.hint().map(str::to_owned),
            Self::BadRow { .. } => Some(
                "an array of objects, or one object after the other: {\"id\": \"a\", \"time\": \"2026-11-23T02:00:00Z\"}"
                    .into(),
            ),
            Self::UnknownZone { nearest: Some(nearest), .. } => Some(format!("did you mean '{nearest}'?")),
            Self::UnknownZone { nearest: None, .. } => Some("write it like UTC or Europe/Berlin".into()),
            Self::YesRequired { plan_id, .. } => {
                Some(format!("look at the plan; the same command with --plan-id {plan_id} --yes does exactly that"))
            }
            Self::PlanChanged { .. } => Some("look at it again with 'si-backup retention plan'".into()),
            Self::DeletionsFailed(_) => {
                Some("mend what each one names, and run it again: it goes on where this one ended".into())
            }
            Self::NoSnapshot(_) => Some("'si-backup list' prints the ids".into()),
            Self::NothingThere { .. } => Some("make one with 'si-backup run --state'".into()),
            Self::Ambiguous { candidates, .. } => Some(format!("it could be {}", candidates.join(", "))),
            Self::RestoreRefused { codes, .. } if codes.contains(&"restore-pending") => Some(
                "'si-backup restore confirm' ends the earlier one and drops what it has kept; where it was wrong, 'si-backup restore undo --force' before that; where it was killed half-way, 'si-backup restore resume'".into(),
            ),
            Self::RestoreRefused { codes, .. } if codes.contains(&"lock-shut") => Some(
                "'si-backup guard status' says why it is shut; 'si-backup guard recheck' opens it when the checks pass".into(),
            ),
            Self::RestoreRefused { use_instead: Some(command), .. } => {
                Some(format!("the last verified one is restored by '{command}', or by --or-last-verified"))
            }
            Self::RestoreRefused { .. } => Some(
                "mend what each reason names. On a rebuilt host give the checksum of the recovery sheet with --checksum, or put its keys into 'trusted_writers'; 'si-backup verify ID' proves that a snapshot is whole, not who made it".into(),
            ),
            Self::ForceRequired => Some("look at the plan; the same command with --force does it".into()),
            Self::RestorePending { .. } => Some(
                "'si-backup restore resume' finishes it, 'si-backup restore undo --force' puts everything back".into(),
            ),
            Self::ChecksFailed => Some(
                "mend what failed and run 'si-backup guard recheck'; or 'si-backup restore undo --force'; or 'si-backup guard release --reason TEXT'".into(),
            ),
            Self::LockStillShut => Some(
                "'si-backup guard recheck' opens it when the checks pass, 'si-backup guard release --reason TEXT' in any case".into(),
            ),
            Self::Busy(_) | Self::Verifying(_) => Some("wait for it with --lock-wait 5m".into()),
            Self::ForeignOrigin { context, .. } => Some(format!(
                "if this is that context after a loss, put the 'origin' of origin/{context}.json in the store into the \
                 file origin/{context} of this program's home; else choose another store or another name"
            )),
            Self::StoreEmptied { memory, .. } => Some(format!(
                "mount its disk; if it was emptied on purpose, remove {} and run again",
                memory.display()
            )),
            Self::NotProved { .. } => {
                Some("do not count on it: make a new backup with 'si-backup run'; 'si-backup show' has its evidence".into())
            }
            Self::ForeignIdentity(own) => {
                Some(format!("add {} to 'recipients', or take 'identity' out of the settings", own.join(" or ")))
            }
            Self::NoIdentity { otherwise, .. } => Some(format!(
                "bring one here from where it is kept (the recovery sheet says where), mode 0600, and let 'identity' in the \
                 settings name it{}",
                otherwise.map_or_else(String::new, |otherwise| format!("; or {otherwise}"))
            )),
            Self::RepoState(_) => Some(
                "move it out, so that no secret is ever committed; SI_PAAS_ALLOW_REPO_STATE=1 allows it, as in si".into(),
            ),
            Self::NoSigningKey(path) => Some(format!(
                "bring {} back; else set 'writer-id' and 'trail/' of that home aside too, and make a new key there with \
                 'openssl genpkey -algorithm ed25519' and mode 0600: a new key is a new writer; the old one's \
                 evidence then counts only if 'trusted_writers' names its public key",
                path.display()
            )),
            Self::Pack(e) => Some(e.hint().to_owned()),
            Self::NoProject(_) => Some("mend the app's 'runner' in the settings, or leave --app out".into()),
            Self::Findings { hint, .. } => Some((*hint).to_owned()),
            Self::Io { .. } | Self::Interrupted(_) => None,
        }
    }

    /// The exit code. Every error has one here, and nowhere else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. }
            | Self::Retention(_)
            | Self::BadRow { .. }
            | Self::UnknownZone { .. }
            | Self::YesRequired { .. }
            | Self::PlanChanged { .. }
            | Self::Settings(_)
            | Self::Contract(_)
            | Self::AppEnvFile { .. }
            | Self::Pack(_)
            | Self::NoProject(_)
            | Self::NoSnapshot(_)
            | Self::Ambiguous { .. }
            | Self::NoIdentity { .. }
            | Self::NoSigningKey(_)
            | Self::ForceRequired
            | Self::ForeignIdentity(_)
            | Self::RepoState(_)
            | Self::StoreEmptied { .. }
            | Self::ForeignOrigin { .. } => 2,
            Self::DeletionsFailed(_) => 3,
            Self::Findings { .. } | Self::ServerFindings { .. } | Self::ContractFindings { .. } => 10,
            Self::NotPushed { .. } | Self::TimedOut(_) => 14,
            Self::NothingThere { .. } | Self::NotProved { .. } | Self::ChecksFailed => 12,
            Self::RestoreRefused { codes, .. } if codes.iter().all(|code| LOCKED.contains(code)) => 11,
            Self::RestoreRefused { .. } | Self::LockStillShut => 13,
            Self::Busy(_) | Self::Verifying(_) | Self::LostLease(_) | Self::RestorePending { .. } => 11,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(1),
            Self::Io { .. } => 1,
            Self::Store(e) => of_code(e.code()),
            Self::State(e) => of_code(e.code()),
            Self::Walg(e) => of_code(e.code()),
            Self::Guard(e) => of_code(e.code()),
        }
    }

    /// The findings behind it, when it is about findings.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::State(paas_state::Error::Blocked(findings))
            | Self::Walg(walg_driver::Error::Settings(findings))
            | Self::ServerFindings { findings, .. }
            | Self::ContractFindings { findings, .. } => findings,
            _ => &[],
        }
    }
}

/// Reasons to refuse a restore that are over when somebody else is done: nothing is wrong with the snapshot.
const LOCKED: [&str; 4] = ["lock-shut", "run-active", "restore-pending", "target-in-use"];

/// The libraries' errors may grow; what is not named here is a plain failure.
fn of_code(code: &str) -> u8 {
    match code {
        "invalid-key"
        | "store-missing"
        | "store-settings-invalid"
        | "plain-http-refused"
        | "ca-invalid"
        | "credentials-invalid"
        | "credentials-exposed"
        | "store-credentials"
        | "bucket-missing"
        | "wrong-region"
        | "inside-git-work-tree"
        | "no-such-context"
        | "invalid-path"
        | "allow-list-invalid"
        | "invalid-recipient"
        | "no-recipient"
        | "identity-invalid"
        | "identity-exposed"
        | "target-not-empty"
        | "target-in-use"
        | "no-such-file"
        | "key-exposed"
        | "invalid-signing-key"
        | "invalid-public-key"
        | "file-exists"
        | "no-server"
        | "no-docker"
        | "no-image"
        | "scratch-unreachable"
        | "scratch-exposed"
        | "socket-path-too-long"
        | "no-such-role"
        | "no-such-user"
        | "no-restore" => 2,
        "state-findings" | "engine-settings" | "server-is-standby" | "other-data-directory" => 10,
        "program-stopped"
        | "not-connected"
        | "connection-lost"
        | "not-run"
        | "outcome-unknown"
        | "engine-version-unknown" => 14,
        "lease-held"
        | "lease-lost"
        | "mutation-locked"
        | "mutation-lock-unreadable"
        | "mutations-busy"
        | "restore-running" => 11,
        "live-changed" | "kept-missing" | "permit-expired" | "bytes-changed" | "target-changed" => 13,
        "object-corrupt"
        | "object-not-found"
        | "bundle-refused"
        | "wrong-identity"
        | "malformed"
        | "object-malformed"
        | "record-malformed"
        | "newer-format"
        | "object-too-large"
        | "nothing-would-stay"
        | "tablespaces"
        | "target-out-of-reach"
        | "no-server-version"
        | "server-too-old"
        | "not-restorable"
        | "target-not-reached"
        | "backup-unsound" => 12,
        _ => 1,
    }
}

/// What to do where an error itself does not know.
fn hint_of_code(code: &str) -> &'static str {
    match code {
        "interrupted" => "nothing half-made is visible; run it again",
        "permission-denied" => "run as the user who owns it, or give this one access",
        "disk-full" => "free space on that file system and run again; nothing half-written is visible",
        "not-found" | "file-not-found" => "look whether the path is right",
        "file-exists" => "name another one; nothing that exists is ever overwritten",
        "invalid-path" => "write it as 'si-backup show' lists it, such as webhooks/mappings.json",
        "allow-list-invalid" => "mend the file that 'allow_secrets' in the settings names",
        "object-not-found" => "'si-backup list' names the snapshots of which everything is there",
        "malformed" | "object-malformed" | "record-malformed" => {
            "do not count on it; 'si-backup doctor' says what else is wrong"
        }
        _ => "'si-backup doctor' looks for what may be wrong",
    }
}

/// Whether one of the findings is an error.
#[must_use]
pub(crate) fn blocks(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.severity == Severity::Error)
}
