use super::ArchiveCommand;
use crate::{Checked, ClauseId, Finding, Place, Severity, Unjudged};
use std::collections::BTreeSet;
use std::time::Duration;

/// The most that may be lost with a server that dies: what it had not archived yet.
const MOST_LOST: Duration = Duration::from_mins(5);

/// The oldest major version that a restore by this program can bring back: recovery.signal came with it.
const OLDEST_MAJOR: u32 = 12;

/// What a running PostgreSQL says of itself; `None` is what nobody could ask.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerFacts {
    /// How findings call it: `service db`, `postgresql@15-main`.
    pub name: String,
    /// `archive_mode`: `off`, `on` or `always`.
    pub archive_mode: Option<String>,
    /// `archive_command`, as it is set.
    pub archive_command: Option<String>,
    /// `archive_library`, as it is set.
    pub archive_library: Option<String>,
    /// `wal_level`.
    pub wal_level: Option<String>,
    /// `archive_timeout`; zero is none.
    pub archive_timeout: Option<Duration>,
    /// `max_slot_wal_keep_size` in MB; -1 is no limit.
    pub max_slot_wal_keep_size: Option<i64>,
    /// `data_checksums`.
    pub data_checksums: Option<bool>,
    /// `wal_segment_size`, in bytes.
    pub wal_segment_size: Option<u64>,
    /// What the app's env file has engines take for it, in bytes.
    pub engine_segment_size: Option<u64>,
    /// `server_version_num`: 150004.
    pub version_num: Option<u32>,
    /// The system identifier.
    pub system_identifier: Option<u64>,
    /// Whether a `wal-receive` takes the WAL over a replication slot.
    pub receiver: Option<Receiver>,
    /// The system identifiers of the backups that are at the app's prefix; none while nobody has listed them.
    pub backed_up_systems: Option<BTreeSet<u64>>,
}

/// Whether a `wal-receive` takes the WAL over a replication slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    /// There is none.
    Absent,
    /// Its slot is there, and nobody reads from it: the server keeps WAL until its disk is full.
    Idle,
    /// It reads.
    Active,
}

impl ServerFacts {
    /// Whether a backup of this server can be restored, and how much of it would be lost.
    #[must_use]
    pub fn check(&self) -> Checked {
        let mut look = Look { facts: self, out: Checked::default() };
        look.wal_level();
        look.archiving();
        look.segment_size();
        look.receiver();
        look.checksums();
        look.version();
        look.identity();
        look.out
    }
}

struct Look<'a> {
    facts: &'a ServerFacts,
    out: Checked,
}

impl Look<'_> {
    fn place(&self) -> Place {
        Place::of(&self.facts.name)
    }

    fn find(&mut self, finding: Finding) {
        self.out.findings.push(finding.about(ClauseId::AppContract));
    }

    fn unknown(&mut self, what: &str) {
        let why = format!("{what} of {} was not asked for", self.facts.name);
        self.out.unjudged.push(Unjudged::new(ClauseId::AppContract, why));
    }

    fn has_receiver(&self) -> bool {
        matches!(self.facts.receiver, Some(Receiver::Idle | Receiver::Active))
    }

    fn wal_level(&mut self) {
        match self.facts.wal_level.as_deref() {
            None => self.unknown("wal_level"),
            Some("minimal") => self.find(Finding::new(
                "live-wal-level",
                Severity::Error,
                self.place(),
                "has wal_level = minimal: no base backup of it can be restored",
                "set wal_level = replica and start it again",
            )),
            Some(_) => {}
        }
    }

    fn archiving(&mut self) {
        match self.facts.archive_mode.as_deref() {
            None => return self.unknown("archive_mode"),
            Some("off") if self.has_receiver() => return,
            Some("off") => {
                if self.facts.receiver.is_none() {
                    self.unknown("the replication slot of a wal-receive");
                }
                return self.find(Finding::new(
                    "live-archiving-off",
                    Severity::Error,
                    self.place(),
                    "has archive_mode = off, and no wal-receive that is known: a base backup without its WAL cannot be restored",
                    "set archive_mode = on with archive_command = 'wal-g wal-push %p' and start it again, or add a wal-receive",
                ));
            }
            Some(_) => {}
        }
        if self.facts.archive_library.as_deref().is_some_and(|library| !library.is_empty()) {
            let why = "archive_library archives by its own rules, which were not looked at";
            self.out.unjudged.push(Unjudged::new(ClauseId::AppContract, why));
        } else {
            self.archive_command();
        }
        match self.facts.archive_timeout {
            None => self.unknown("archive_timeout"),
            Some(timeout) if (timeout.is_zero() || timeout > MOST_LOST) && !self.has_receiver() => {
                self.find(Finding::new(
                    "live-archive-timeout",
                    Severity::Warning,
                    self.place(),
                    if timeout.is_zero() {
                        "has no archive_timeout: a quiet hour is lost with the server, because its segment never fills".into()
                    } else {
                        format!("has archive_timeout = {} s: so much is lost with the server", timeout.as_secs())
                    },
                    "set archive_timeout = 300 or less, or add a wal-receive",
                ));
            }
            Some(_) => {}
        }
    }

    fn archive_command(&mut self) {
        let Some(text) = self.facts.archive_command.as_deref() else {
            return self.unknown("archive_command");
        };
        let finding = match ArchiveCommand::of(text) {
            ArchiveCommand::OnePush => return,
            ArchiveCommand::Empty if self.has_receiver() => return,
            ArchiveCommand::Empty => Finding::new(
                "live-archive-command-empty",
                Severity::Error,
                self.place(),
                "has no archive_command: WAL gathers in pg_wal until the disk is full, and no backup can be restored",
                "set archive_command = 'wal-g wal-push %p' and reload",
            ),
            ArchiveCommand::SeveralPushes => Finding::new(
                "live-several-wal-pushes",
                Severity::Error,
                self.place(),
                "has more than one wal-push in archive_command: each skips segments that the other has pushed, and WAL is lost",
                "keep one, make a full backup, and copy the whole bucket where a second place is wanted",
            ),
            ArchiveCommand::AlwaysSucceeds => Finding::new(
                "live-archive-command-always-succeeds",
                Severity::Error,
                self.place(),
                "has an archive_command that succeeds whatever happens: the server removes WAL that was never stored",
                "let it end with what wal-push answers: no '|| true', no '&', no pipe behind it",
            ),
            ArchiveCommand::Other => {
                let why = "archive_command calls a program other than wal-push, which was not looked at";
                self.out.unjudged.push(Unjudged::new(ClauseId::AppContract, why));
                return;
            }
        };
        self.find(finding);
    }

    /// Engines name WAL by the size that they are told.
    fn segment_size(&mut self) {
        const MIB: u64 = 1 << 20;
        let Some((server, engine)) = self.facts.wal_segment_size.zip(self.facts.engine_segment_size) else {
            return self.unknown("wal_segment_size");
        };
        if server != engine {
            self.find(Finding::new(
                "live-wal-segment-size",
                Severity::Error,
                self.place(),
                format!(
                    "has segments of WAL of {} MiB, and its engine takes them for {} MiB: backups get names that no WAL has",
                    server / MIB,
                    engine / MIB
                ),
                format!(
                    "set WALG_PG_WAL_SIZE={} in the env file, and wherever archive_command takes its settings from",
                    server / MIB
                ),
            ));
        }
    }

    fn receiver(&mut self) {
        if !self.has_receiver() {
            return;
        }
        if self.facts.receiver == Some(Receiver::Idle) {
            self.find(Finding::new(
                "live-receiver-idle",
                Severity::Error,
                self.place(),
                "has a replication slot that nobody reads from: WAL is not stored, and fills the disk",
                "start the wal-receive again, and make a full backup where WAL was missed",
            ));
        }
        match self.facts.max_slot_wal_keep_size {
            None => self.unknown("max_slot_wal_keep_size"),
            Some(size) if size < 0 => self.find(Finding::new(
                "live-slot-unbounded",
                Severity::Warning,
                self.place(),
                "has no max_slot_wal_keep_size: a wal-receive that is dead fills the disk, and stops the server",
                "set it to what the disk can spare, such as 10GB, and reload",
            )),
            Some(_) => {}
        }
    }

    fn checksums(&mut self) {
        match self.facts.data_checksums {
            None => self.unknown("data_checksums"),
            Some(true) => {}
            Some(false) => self.find(Finding::new(
                "live-no-data-checksums",
                Severity::Warning,
                self.place(),
                "has no data checksums: a page that the disk has spoilt is backed up as it is",
                "stop it, run 'pg_checksums --enable', and start it again",
            )),
        }
    }

    fn version(&mut self) {
        match self.facts.version_num {
            None => self.unknown("the version"),
            Some(version) if version / 10_000 < OLDEST_MAJOR => self.find(Finding::new(
                "live-server-too-old",
                Severity::Error,
                self.place(),
                format!(
                    "is PostgreSQL {}, which is restored in a way that this program does not know",
                    version / 10_000
                ),
                "upgrade it to a version that is still maintained",
            )),
            Some(_) => {}
        }
    }

    fn identity(&mut self) {
        let Some(server) = self.facts.system_identifier else { return self.unknown("the system identifier") };
        let Some(stored) = &self.facts.backed_up_systems else {
            return self.unknown("the backups");
        };
        if !stored.is_empty() && !stored.contains(&server) {
            self.find(Finding::new(
                "live-other-server",
                Severity::Error,
                self.place(),
                format!("has the system identifier {server}, and no backup at the app's prefix is of it"),
                "look whether PGHOST names the right server; a new server gets a new prefix",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> ServerFacts {
        ServerFacts {
            name: "service db".into(),
            archive_mode: Some("on".into()),
            archive_command: Some("wal-g wal-push %p".into()),
            archive_library: Some(String::new()),
            wal_level: Some("replica".into()),
            archive_timeout: Some(Duration::from_mins(1)),
            max_slot_wal_keep_size: Some(-1),
            data_checksums: Some(true),
            wal_segment_size: Some(16 << 20),
            engine_segment_size: Some(16 << 20),
            version_num: Some(150_008),
            system_identifier: Some(7),
            receiver: Some(Receiver::Absent),
            backed_up_systems: Some([7].into()),
        }
    }

    fn codes(change: impl FnOnce(&mut ServerFacts)) -> Vec<&'static str> {
        let mut facts = sound();
        change(&mut facts);
        facts.check().findings.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_sound_server_is_not_accused() {
        assert_eq!(sound().check(), Checked::default());
        assert!(codes(|f| f.backed_up_systems = Some(BTreeSet::new())).is_empty());
    }

    #[test]
    fn what_would_cost_data_is_found() {
        assert_eq!(codes(|f| f.archive_mode = Some("off".into())), ["live-archiving-off"]);
        assert_eq!(codes(|f| f.archive_command = Some(String::new())), ["live-archive-command-empty"]);
        let two = "wal-g wal-push %p && wal-g --config /etc/b.json wal-push %p";
        assert_eq!(codes(|f| f.archive_command = Some(two.into())), ["live-several-wal-pushes"]);
        let hiding = "wal-g wal-push %p || true";
        assert_eq!(
            codes(|f| f.archive_command = Some(hiding.into())),
            ["live-archive-command-always-succeeds"]
        );
        assert_eq!(codes(|f| f.wal_level = Some("minimal".into())), ["live-wal-level"]);
        assert_eq!(codes(|f| f.archive_timeout = Some(Duration::ZERO)), ["live-archive-timeout"]);
        assert_eq!(codes(|f| f.archive_timeout = Some(Duration::from_secs(301))), ["live-archive-timeout"]);
        assert!(codes(|f| f.archive_timeout = Some(Duration::from_mins(5))).is_empty());
        assert_eq!(codes(|f| f.data_checksums = Some(false)), ["live-no-data-checksums"]);
        assert_eq!(codes(|f| f.wal_segment_size = Some(64 << 20)), ["live-wal-segment-size"]);
        assert_eq!(codes(|f| f.engine_segment_size = Some(1 << 20)), ["live-wal-segment-size"]);
        assert_eq!(codes(|f| f.version_num = Some(110_022)), ["live-server-too-old"]);
        assert_eq!(codes(|f| f.system_identifier = Some(8)), ["live-other-server"]);
    }

    #[test]
    fn a_receiver_stands_in_for_archiving() {
        let with = |receiver, keep| {
            codes(move |f| {
                f.archive_mode = Some("off".into());
                f.archive_timeout = Some(Duration::ZERO);
                f.receiver = Some(receiver);
                f.max_slot_wal_keep_size = Some(keep);
            })
        };
        assert!(with(Receiver::Active, 10_240).is_empty());
        assert_eq!(with(Receiver::Active, -1), ["live-slot-unbounded"]);
        assert_eq!(with(Receiver::Idle, 10_240), ["live-receiver-idle"]);
        assert_eq!(with(Receiver::Absent, -1), ["live-archiving-off"]);
    }

    #[test]
    fn what_nobody_asked_for_is_unknown_and_never_met() {
        let nothing = ServerFacts { name: "service db".into(), ..ServerFacts::default() };
        let checked = nothing.check();
        assert!(checked.findings.is_empty());
        assert_eq!(checked.unjudged.len(), 6, "{checked:?}");
        let foreign = {
            let mut facts = sound();
            facts.archive_command = Some("/opt/archive.sh %p".into());
            facts.check()
        };
        assert!(foreign.findings.is_empty() && foreign.unjudged.len() == 1);
    }
}
