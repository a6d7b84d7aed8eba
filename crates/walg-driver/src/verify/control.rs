//! What `global/pg_control` says: which cluster, which version, which timeline, and whether it is whole.

use crate::wal::{Lsn, Timeline};

/// Between which offsets the checksum of a control file lies, in bytes: each version puts it behind its last field.
const CHECKSUM: std::ops::Range<usize> = 200..512;
/// Which server versions write a control file of which version.
const VERSIONS: [(u32, std::ops::RangeInclusive<u64>); 6] =
    [(1002, 10..=10), (1100, 11..=11), (1201, 12..=12), (1300, 13..=16), (1700, 17..=17), (1800, 18..=18)];

/// What a control file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) system_identifier: u64,
    pub(crate) version: u32,
    pub(crate) timeline: Timeline,
    /// What its server was doing when it wrote it last.
    pub(crate) state: u32,
    /// Where its last checkpoint is.
    pub(crate) checkpoint: Lsn,
}

/// The state of a server that is up and follows nobody.
pub(crate) const IN_PRODUCTION: u32 = 6;

impl Control {
    /// Reads a control file; `None` when its checksum is not that of its bytes.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let number = |from: usize, length: usize| {
            let field = bytes.get(from..from + length)?;
            Some(field.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)))
        };
        let is_whole = CHECKSUM.step_by(4).any(|at| {
            let recorded = number(at, 4).filter(|recorded| *recorded != 0);
            recorded.is_some_and(|recorded| {
                bytes.get(..at).is_some_and(|covered| u64::from(crc32c::crc32c(covered)) == recorded)
            })
        });
        if !is_whole {
            return None;
        }
        Some(Self {
            system_identifier: number(0, 8)?,
            version: u32::try_from(number(8, 4)?).ok()?,
            timeline: Timeline(u32::try_from(number(48, 4)?).ok()?),
            state: u32::try_from(number(16, 4)?).ok()?,
            checkpoint: Lsn(number(32, 8)?),
        })
    }

    /// Whether a server of this version (`150018`) writes such a control file; `None` for a version not known here.
    pub(crate) fn fits(&self, pg_version: u64) -> Option<bool> {
        let known = VERSIONS.iter().find(|(version, _)| *version == self.version);
        known.map(|(_, majors)| majors.contains(&(pg_version / 10_000)))
    }
}
