use backup_contract::Finding;
use backup_contract::engine::{EngineKind, EngineVersion, faults_of};

/// What an engine of a kind and version can do, and what is known to go wrong in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    kind: EngineKind,
    version: EngineVersion,
    faults: Vec<Finding>,
}

/// Something that not every engine can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ability {
    /// A fetch can unpack the newest backup of a chain first, which is much faster on long ones.
    ReverseUnpack,
    /// A fetch can be told to put tablespaces elsewhere than where they were.
    MoveTablespaces,
    /// A push over a connection, without the data directory, makes backups of PostgreSQL 15 and newer that can be restored.
    StreamNewServers,
    /// What is encrypted with PGP can be opened and made.
    Pgp,
    /// `wal-fetch` tells a segment that is not there apart from everything else that may go wrong.
    TellAbsence,
}

impl Capabilities {
    pub(super) fn of(kind: EngineKind, version: EngineVersion) -> Self {
        Self { kind, version, faults: faults_of(kind, version) }
    }

    /// Whether it can do this.
    #[must_use]
    pub fn can(&self, ability: Ability) -> bool {
        match ability {
            Ability::ReverseUnpack | Ability::MoveTablespaces | Ability::Pgp => !self.kind.is_walrus(),
            Ability::TellAbsence => {
                !self.has_fault("engine-fetch-hides-errors") && !self.has_fault("engine-fetch-hides-absence")
            }
            Ability::StreamNewServers => !self.has_fault("engine-streaming-push"),
        }
    }

    /// The version.
    #[must_use]
    pub const fn version(&self) -> EngineVersion {
        self.version
    }

    /// What is known to go wrong in it.
    #[must_use]
    pub fn faults(&self) -> &[Finding] {
        &self.faults
    }

    /// Whether it has this fault.
    #[must_use]
    pub fn has_fault(&self, code: &str) -> bool {
        self.faults.iter().any(|fault| fault.code == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_differ() {
        let wal_g = Capabilities::of(EngineKind::WalG, EngineVersion::new(3, 0, 8));
        let walrus = Capabilities::of(EngineKind::Embedded, EngineVersion::new(0, 4, 1));
        for ability in [Ability::ReverseUnpack, Ability::MoveTablespaces, Ability::Pgp, Ability::TellAbsence]
        {
            assert!(wal_g.can(ability) && !walrus.can(ability), "{ability:?}");
        }
        assert!(!wal_g.can(Ability::StreamNewServers) && walrus.can(Ability::StreamNewServers));
        assert!(walrus.has_fault("engine-fetch-hides-errors"));
        let old = Capabilities::of(EngineKind::WalG, EngineVersion::new(2, 0, 1));
        assert!(!old.can(Ability::TellAbsence) && old.can(Ability::ReverseUnpack));
    }
}
