use super::{EngineKind, EngineVersion};
use crate::{ClauseId, Finding, Place, Severity};

/// Something that goes wrong in an engine: since when, until when, and what to do.
///
/// Read from the engines' sources and issues, and tried against PostgreSQL 15 with wal-g 3.0.9 and walrus 0.4.1. What
/// this program works around, or what only meets who runs the engine by hand, is [`Severity::Info`]; what would go wrong in
/// what this program does, and an operator has to change, is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    code: &'static str,
    engine: Engine,
    versions: Versions,
    severity: Severity,
    what: &'static str,
    remedy: &'static str,
    clause: Option<ClauseId>,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    WalG,
    Walrus,
    Both,
}

/// Which versions have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    /// All that were looked at.
    All,
    /// Those before the one that mended it.
    Before(EngineVersion),
    /// Those from the one that brought it to before the one that mended it.
    Between(EngineVersion, EngineVersion),
}

/// The newest versions that this list was made with.
const NEWEST_KNOWN: [(Engine, EngineVersion); 2] =
    [(Engine::WalG, EngineVersion::new(3, 0, 9)), (Engine::Walrus, EngineVersion::new(0, 4, 1))];

impl Fault {
    const fn new(code: &'static str, engine: Engine, versions: Versions, severity: Severity) -> Self {
        Self { code, engine, versions, severity, what: "", remedy: "", clause: None }
    }

    const fn does(mut self, what: &'static str) -> Self {
        self.what = what;
        self
    }

    const fn so(mut self, remedy: &'static str) -> Self {
        self.remedy = remedy;
        self
    }

    const fn about(mut self, clause: ClauseId) -> Self {
        self.clause = Some(clause);
        self
    }

    /// Its code, as a finding has it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Whether an engine of this kind and version has it.
    #[must_use]
    pub fn is_in(&self, kind: EngineKind, version: EngineVersion) -> bool {
        let of_kind = match self.engine {
            Engine::WalG => !kind.is_walrus(),
            Engine::Walrus => kind.is_walrus(),
            Engine::Both => true,
        };
        of_kind
            && match self.versions {
                Versions::All => true,
                Versions::Before(mended) => version < mended,
                Versions::Between(first, mended) => first <= version && version < mended,
            }
    }

    fn finding(&self, kind: EngineKind, version: EngineVersion) -> Finding {
        let detail = format!("{version} {}", self.what);
        let mut finding = Finding {
            code: self.code,
            severity: self.severity,
            place: Place::of(format!("engine {kind}")),
            detail,
            hint: self.remedy.to_owned(),
            clause: None,
        };
        finding.clause = self.clause;
        finding
    }
}

/// What is known to go wrong with an engine of this kind and version.
///
/// ```
/// use backup_contract::engine::{EngineKind, faults_of};
///
/// let old = faults_of(EngineKind::WalG, "2.0.1".parse()?);
/// assert!(old.iter().any(|finding| finding.code == "engine-streaming-push"));
/// # Ok::<(), backup_contract::Error>(())
/// ```
#[must_use]
pub fn faults_of(kind: EngineKind, version: EngineVersion) -> Vec<Finding> {
    let mut findings: Vec<_> = FAULTS
        .iter()
        .filter(|fault| fault.is_in(kind, version))
        .map(|fault| fault.finding(kind, version))
        .collect();
    let known = NEWEST_KNOWN.iter().find(|(engine, _)| (*engine == Engine::Walrus) == kind.is_walrus());
    if let Some((_, newest)) = known.filter(|(_, newest)| version > *newest) {
        findings.push(Finding::new(
            "engine-newer-than-known",
            Severity::Info,
            Place::of(format!("engine {kind}")),
            format!("{version} is newer than {newest}, the newest version whose faults are listed"),
            "rehearse a restore with it before it is trusted",
        ));
    }
    findings
}

const V3_0_0: EngineVersion = EngineVersion::new(3, 0, 0);
const V3_0_5: EngineVersion = EngineVersion::new(3, 0, 5);
const V3_0_8: EngineVersion = EngineVersion::new(3, 0, 8);
const V3_0_9: EngineVersion = EngineVersion::new(3, 0, 9);

/// Every fault that is known.
const FAULTS: [Fault; 26] = [
    Fault::new("engine-streaming-push", Engine::WalG, Versions::Before(V3_0_9), Severity::Info)
        .does("makes broken backups of PostgreSQL 15 and newer when it pushes over a connection instead of from the data directory")
        .so("use 3.0.9 or newer, or push from the data directory")
        .about(ClauseId::AppContract),
    Fault::new("engine-ignores-key-path", Engine::WalG, Versions::Between(V3_0_0, V3_0_5), Severity::Error)
        .does("does not look at WALG_LIBSODIUM_KEY_PATH: without WALG_LIBSODIUM_KEY it stores everything in the clear")
        .so("use 3.0.5 or newer, or set WALG_LIBSODIUM_KEY to the key itself")
        .about(ClauseId::EncryptedAtRest),
    Fault::new("engine-directory-not-whole", Engine::WalG, Versions::Before(V3_0_9), Severity::Warning)
        .does("writes into a directory in place and does not wait for the disk: what a kill or a crash cuts has the name of a whole object")
        .so("use 3.0.9 or newer, or a bucket")
        .about(ClauseId::AppContract),
    Fault::new("engine-copy-loses-parents", Engine::WalG, Versions::Before(V3_0_9), Severity::Info)
        .does("leaves the parents out when its 'copy' copies a delta: the copy cannot be restored")
        .so("use 3.0.9 or newer, or copy whole lineages object by object")
        .about(ClauseId::ImmutableOffsite),
    Fault::new("engine-empty-list", Engine::WalG, Versions::Before(V3_0_8), Severity::Info)
        .does("prints nothing instead of an empty list for an empty store")
        .so("nothing need be done: the catalogue is read from the bucket"),
    Fault::new("engine-deletes-permanent", Engine::WalG, Versions::All, Severity::Info)
        .does("deletes a permanent backup with 'delete target'")
        .so("delete with 'si-backup retention apply' alone")
        .about(ClauseId::Retention),
    Fault::new("engine-silent-deletions", Engine::WalG, Versions::All, Severity::Info)
        .does("tells of success when the store refused to delete an object")
        .so("nothing need be done: what is there is listed again after each deletion")
        .about(ClauseId::Retention),
    Fault::new("engine-keeps-wal-between", Engine::WalG, Versions::All, Severity::Info)
        .does("cannot drop WAL between two kept backups, and keeps no daily, weekly and monthly copies")
        .so("leave retention to 'si-backup retention apply'")
        .about(ClauseId::Retention),
    Fault::new("engine-garbage-blind", Engine::WalG, Versions::All, Severity::Info)
        .does("finds what a crashed upload left only where it is older than the oldest backup that is not permanent")
        .so("nothing need be done: leftovers are found in the bucket"),
    Fault::new("engine-retain-after-upgrade", Engine::WalG, Versions::All, Severity::Info)
        .does("deletes the new backups first when 'delete retain' runs after a pg_upgrade without '--use-sentinel-time', because the timeline began anew")
        .so("give the upgraded server a prefix of its own, and never run 'delete retain'")
        .about(ClauseId::Retention),
    Fault::new("engine-permanent-chain", Engine::WalG, Versions::All, Severity::Info)
        .does("marks a delta's ancestors permanent with it, and makes the next delta a full one")
        .so("keep a backup with 'si-backup pin' instead")
        .about(ClauseId::HourlyIncremental),
    Fault::new("engine-verify-exits-0", Engine::WalG, Versions::All, Severity::Info)
        .does("ends 'wal-verify' with exit code 0 when it failed, and looks at names alone")
        .so("prove backups with 'si-backup verify'"),
    Fault::new("engine-corrupt-pages-pass", Engine::WalG, Versions::All, Severity::Info)
        .does("only warns of corrupt pages when it pushes with '--verify', and ends with exit code 0")
        .so("nothing need be done: level 'content' reads its record of corrupt blocks, and rehearsals run pg_checksums"),
    Fault::new("engine-fetch-hides-absence", Engine::WalG, Versions::Before(V3_0_0), Severity::Info)
        .does("ends 'wal-fetch' with 1 where a segment is absent, as where anything else went wrong: PostgreSQL then ends recovery early")
        .so("use 'si-backup wal-get' as restore_command, never the engine's own")
        .about(ClauseId::RestoreGate),
    Fault::new("engine-reads-home", Engine::WalG, Versions::All, Severity::Info)
        .does("reads '.walg.json' in the home of whoever runs it, which may name another storage and another key than the environment")
        .so("nothing need be done here, where it is told to read none; let archive_command say '--config /dev/null' too")
        .about(ClauseId::AppContract),
    Fault::new("engine-fetch-goes-on", Engine::WalG, Versions::All, Severity::Info)
        .does("tries for more than an hour to unpack what cannot be unpacked, as with a wrong key, and does not end when it is told to")
        .so("nothing need be done here; by hand, set WALG_DOWNLOAD_FILE_RETRIES=0 and end it with SIGKILL"),
    Fault::new("engine-localhost-fallback", Engine::WalG, Versions::All, Severity::Info)
        .does("backs up the server on localhost when PGHOST does not answer: perhaps the wrong one")
        .so("name the right host in PGHOST; the system identifier is compared before a backup counts")
        .about(ClauseId::AppContract),
    Fault::new("engine-plaintext-default", Engine::Both, Versions::All, Severity::Info)
        .does("uploads in the clear without a word when no key is set")
        .so("nothing need be done: the contract asks for a key")
        .about(ClauseId::EncryptedAtRest),
    Fault::new("engine-clone-archives", Engine::Both, Versions::All, Severity::Info)
        .does("lets a restored clone archive into production's prefix")
        .so("start clones with archive_mode=off, as a rehearsal does")
        .about(ClauseId::AppContract),
    Fault::new("engine-two-destinations", Engine::Both, Versions::All, Severity::Info)
        .does("skips WAL for one destination that it has pushed to another, where one server archives to two")
        .so("have one 'wal-push' in archive_command, and copy the bucket where a second place is wanted")
        .about(ClauseId::AppContract),
    Fault::new("engine-missing-parts-pass", Engine::Both, Versions::All, Severity::Info)
        .does("hardly notices at a restore that parts of a backup are missing; walrus ends with exit code 0")
        .so("restore with this program, which holds each part against the record"),
    Fault::new("engine-follows-tablespaces", Engine::Both, Versions::All, Severity::Info)
        .does("links tablespaces of a fetched backup to where they were: beside a running server it writes over live data")
        .so("never fetch by hand where the server runs; this program refuses tablespaces that are not mapped elsewhere")
        .about(ClauseId::RestoreGate),
    Fault::new("engine-skip-redundant-tars", Engine::WalG, Versions::All, Severity::Info)
        .does("restores nothing and ends with exit code 0 when '--skip-redundant-tars' meets a chain with a backup by walrus")
        .so("leave the option out for such chains; unset WALG_SKIP_REDUNDANT_TARS"),
    Fault::new("engine-fetch-hides-errors", Engine::Walrus, Versions::All, Severity::Info)
        .does("ends 'wal-fetch' with 1 whether a segment is absent, the network is down or the key is wrong: PostgreSQL then ends recovery early")
        .so("use 'si-backup wal-get' as restore_command, never the engine's own")
        .about(ClauseId::RestoreGate),
    Fault::new("engine-delta-sizes", Engine::Walrus, Versions::All, Severity::Info)
        .does("records the size of the whole file set as the size of a delta")
        .so("nothing need be done: sizes are read from the objects"),
    Fault::new("engine-trusts-block-map", Engine::Walrus, Versions::All, Severity::Info)
        .does("believes the block map made from WAL without looking at each page's LSN, which pg_checksums cannot notice")
        .so("leave WALG_USE_WAL_DELTA unset, or have rehearsals run pg_amcheck on deltas"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn codes(kind: EngineKind, version: &str) -> BTreeSet<&'static str> {
        faults_of(kind, version.parse().unwrap()).iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_mended_fault_is_gone_with_the_version_that_mended_it() {
        for code in ["engine-streaming-push", "engine-copy-loses-parents"] {
            assert!(codes(EngineKind::WalG, "3.0.8").contains(code));
            assert!(!codes(EngineKind::WalG, "3.0.9").contains(code));
            assert!(!codes(EngineKind::Walrus, "0.4.1").contains(code));
        }
        assert!(codes(EngineKind::WalG, "3.0.7").contains("engine-empty-list"));
        assert!(!codes(EngineKind::WalG, "3.0.8").contains("engine-empty-list"));
    }

    #[test]
    fn a_fault_begins_with_the_version_that_brought_it() {
        let has = |version| codes(EngineKind::WalG, version).contains("engine-ignores-key-path");
        assert_eq!(["2.0.1", "3.0.0", "3.0.4", "3.0.5"].map(has), [false, true, true, false]);
        let has = |version| codes(EngineKind::WalG, version).contains("engine-fetch-hides-absence");
        assert_eq!(["2.0.1", "3.0.0"].map(has), [true, false]);
        assert!(codes(EngineKind::WalG, "3.0.8").contains("engine-directory-not-whole"));
        assert!(!codes(EngineKind::WalG, "3.0.9").contains("engine-directory-not-whole"));
    }

    #[test]
    fn the_embedded_engine_has_the_faults_of_its_code() {
        assert_eq!(codes(EngineKind::Embedded, "0.4.1"), codes(EngineKind::Walrus, "0.4.1"));
        assert!(codes(EngineKind::Embedded, "0.4.1").contains("engine-fetch-hides-errors"));
        assert!(!codes(EngineKind::WalG, "3.0.9").contains("engine-fetch-hides-errors"));
    }

    #[test]
    fn a_version_that_nobody_has_looked_at_is_told() {
        for (kind, known, newer) in
            [(EngineKind::WalG, "3.0.9", "3.0.10"), (EngineKind::Embedded, "0.4.1", "0.5.0")]
        {
            assert!(!codes(kind, known).contains("engine-newer-than-known"));
            assert!(codes(kind, newer).contains("engine-newer-than-known"));
        }
    }

    #[test]
    fn every_fault_says_what_happens_and_what_to_do() {
        let codes: BTreeSet<_> = FAULTS.iter().map(Fault::code).collect();
        assert_eq!(codes.len(), FAULTS.len());
        assert!(FAULTS.iter().all(|fault| fault.what.len() > 20 && fault.remedy.len() > 10));
    }
}
