use super::{SegmentName, Timeline};
use crate::codec::Compression;

/// What an object below `wal_005/` is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WalObject {
    /// A whole WAL segment.
    Segment(SegmentName),
    /// The beginning of a segment, archived when its timeline was left: what follows in it is on the next one.
    Partial(SegmentName),
    /// How a timeline came to be.
    History(Timeline),
    /// The label that a finished base backup leaves in the archive.
    BackupLabel(SegmentName),
    /// Which blocks a stretch of WAL changed; an engine's own aid for the next delta.
    DeltaMap(SegmentName),
    /// Nothing that an engine is known to write.
    Unknown,
}

impl WalObject {
    /// Takes the name of an object apart, without `wal_005/`: what it is, and how it is compressed.
    ///
    /// `000000010000000000000002.zst`, `000000010000000000000002.partial.zst`, `00000002.history.zst`,
    /// `000000010000000000000002.00000028.backup.zst`, `000000010000000000000001_delta.zst`.
    #[must_use]
    pub fn of(name: &str) -> (Self, Compression) {
        let (stem, compression) = Compression::split(name);
        (Self::of_stem(stem).unwrap_or(Self::Unknown), compression)
    }

    fn of_stem(stem: &str) -> Option<Self> {
        if let Some(timeline) = stem.strip_suffix(".history") {
            let is_hex = timeline.len() == 8 && timeline.bytes().all(|b| b.is_ascii_hexdigit());
            return is_hex
                .then(|| u32::from_str_radix(timeline, 16).ok().map(|t| Self::History(Timeline(t))))?;
        }
        let segment = stem.get(..24)?.parse().ok()?;
        match stem.get(24..)? {
            "" => Some(Self::Segment(segment)),
            ".partial" => Some(Self::Partial(segment)),
            "_delta" => Some(Self::DeltaMap(segment)),
            rest => {
                let offset = rest.strip_prefix('.')?.strip_suffix(".backup")?;
                let is_hex = offset.len() == 8 && offset.bytes().all(|b| b.is_ascii_hexdigit());
                is_hex.then_some(Self::BackupLabel(segment))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_is_known_by_its_name() {
        let segment: SegmentName = "0000000200000000000000FF".parse().unwrap();
        for (name, object, compression) in [
            ("0000000200000000000000FF.zst", WalObject::Segment(segment), Compression::Zstd),
            ("0000000200000000000000FF.lz4", WalObject::Segment(segment), Compression::Lz4),
            ("0000000200000000000000FF", WalObject::Segment(segment), Compression::None),
            ("0000000200000000000000FF.partial.br", WalObject::Partial(segment), Compression::Brotli),
            ("0000000A.history.lzma", WalObject::History(Timeline(10)), Compression::Lzma),
            (
                "0000000200000000000000FF.00000028.backup.gz",
                WalObject::BackupLabel(segment),
                Compression::Gzip,
            ),
            ("0000000200000000000000FF_delta.zst", WalObject::DeltaMap(segment), Compression::Zstd),
        ] {
            assert_eq!(WalObject::of(name), (object, compression), "{name}");
        }
        for unknown in [
            "",
            "x",
            "0000000200000000000000FF.zst.zst",
            "0000000200000000000000FF.00000028.zst",
            "0000000200000000000000ff.zst",
            "A.history",
            "0000000200000000000000FF.tmp",
        ] {
            assert_eq!(WalObject::of(unknown).0, WalObject::Unknown, "{unknown}");
        }
    }

    proptest! {
        #[test]
        fn no_name_makes_it_panic(name in "[0-9A-F]{8,24}[._a-z0-9é]{0,12}|.*") {
            let _ = WalObject::of(&name);
        }
    }
}
