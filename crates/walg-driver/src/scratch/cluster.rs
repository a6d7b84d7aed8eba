//! What the control file of a cluster says, as `pg_controldata` of its own version prints it: the layout of the file changes
//! from version to version, the words hardly do.

use super::programs::Programs;
use super::run::{Runner, failed};
use crate::wal::SegmentSize;
use crate::{Result, Segments};
use std::collections::BTreeMap;
use std::path::Path;

/// What a recovery has to know of the cluster that it recovers.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) segments: Segments,
    pub(super) has_checksums: bool,
    /// Settings that a recovering server must not have lower than the one that wrote the WAL, by their names.
    pub(super) settings: Vec<(&'static str, String)>,
}

/// The settings that the control file holds: their names there, and in a configuration.
const SETTINGS: [(&str, &str); 7] = [
    ("wal_level setting", "wal_level"),
    ("max_connections setting", "max_connections"),
    ("max_worker_processes setting", "max_worker_processes"),
    ("max_wal_senders setting", "max_wal_senders"),
    ("max_prepared_xacts setting", "max_prepared_transactions"),
    ("max_locks_per_xact setting", "max_locks_per_transaction"),
    ("track_commit_timestamp setting", "track_commit_timestamp"),
];

impl Cluster {
    pub(super) fn read(programs: &Programs, data: &Path, runner: &Runner<'_>) -> Result<Self> {
        let program = programs.path("pg_controldata");
        let said = runner.run(&program, ["-D".as_ref(), data.as_os_str()], "")?;
        if !said.is_ok {
            return Err(failed(&program, said.why));
        }
        Self::parse(&said.out).ok_or_else(|| failed(&program, "it left out what it always says".into()))
    }

    fn parse(text: &str) -> Option<Self> {
        let fields: BTreeMap<&str, &str> =
            text.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k.trim(), v.trim())).collect();
        let number = |name: &str| fields.get(name).and_then(|value| value.parse::<u64>().ok());
        Some(Self {
            segments: Segments {
                size: SegmentSize::new(u32::try_from(number("Bytes per WAL segment")?).ok()?)?,
                system_identifier: Some(number("Database system identifier")?),
            },
            has_checksums: number("Data page checksum version")? > 0,
            settings: SETTINGS
                .iter()
                .filter_map(|(theirs, ours)| Some((*ours, (*fields.get(theirs)?).to_owned())))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_recovery_needs_is_read() {
        let cluster = Cluster::parse(
            "pg_control version number:            1300\n\
             Database system identifier:           7711480237486108024\n\
             Database cluster state:               in production\n\
             wal_level setting:                    logical\n\
             max_connections setting:              250\n\
             max_prepared_xacts setting:           7\n\
             track_commit_timestamp setting:       on\n\
             Bytes per WAL segment:                16777216\n\
             Data page checksum version:           0\n",
        )
        .unwrap();
        assert_eq!(cluster.segments.system_identifier, Some(7_711_480_237_486_108_024));
        assert!(!cluster.has_checksums && cluster.segments.size == SegmentSize::DEFAULT);
        let said = |name: &str| cluster.settings.iter().find(|(n, _)| *n == name).map(|(_, v)| v.as_str());
        assert_eq!(said("wal_level"), Some("logical"));
        assert_eq!(said("max_connections"), Some("250"));
        assert_eq!(said("max_prepared_transactions"), Some("7"));
        assert_eq!(said("track_commit_timestamp"), Some("on"));
        assert!(Cluster::parse("Datenbank-System-Identifikator: 1").is_none());
    }
}
