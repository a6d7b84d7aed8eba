//! A file of the archive, for `restore_command`.
//!
//! `PostgreSQL` takes an exit code of 1 to 125 for the end of the archive: it promotes, and whatever lies behind is lost
//! without a word. A code of 126 or more aborts the recovery. So an absence is told only when it was proved, and nothing
//! else is ever taken for one: not a failed look, not a store in which nothing is, not a key that does not fit. (Engines
//! answer 1 to all of these, which is why theirs is never the `restore_command`.)
//!
//! The sources are asked in order. The first is usually the [mirror](crate::mirror), in which the WAL up to the target
//! lies already, fetched several at a time, which is read-ahead enough. What is not in it comes from the store itself; who
//! has the store alone lets [`wal_get_ahead`] bring what comes next too. Nothing runs in the background that a killed
//! recovery would leave behind. A scratch server asks only for what does not wait decoded beside the copy.

mod ahead;
mod content;

pub use ahead::{Ahead, wal_get_ahead};

use crate::bucket::Root;
use crate::codec::{Cipher, Compression};
use crate::wal::{SegmentSize, WalObject};
use crate::{Error, Result};
use backup_store::Store;
pub(crate) use content::Copied;
use content::Wanted;
use std::path::Path;

/// A place in which a file of the archive may be.
#[derive(Debug, Clone, Copy)]
pub struct WalSource<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// Where in that the bucket lies.
    pub root: &'a Root,
    /// What opens its objects.
    pub cipher: &'a Cipher,
}

/// What is known of the segments that are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Segments {
    /// How large they are.
    pub size: SegmentSize,
    /// Of which cluster they are, where that is known: names do not say it.
    pub system_identifier: Option<u64>,
}

/// What came of asking for a file of the archive.
#[derive(Debug)]
pub enum WalGet {
    /// It is at the path that was named, whole and decoded.
    Found,
    /// It is in none of the sources: each was listed, and the last of them is an archive with something in it.
    Absent,
    /// Whether it is there is not known, or it cannot be used.
    Failed(Error),
}

impl WalGet {
    /// What `restore_command` has to exit with: 0, 1 only for a proven absence, 126 for everything else.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Found => 0,
            Self::Absent => 1,
            Self::Failed(_) => 126,
        }
    }
}

/// Brings the file `name` of the archive (`%f`) to `path` (`%p`).
///
/// It is decoded into another file in the same directory, a segment's pages are held against its name on the way, and
/// only then is it renamed. It is not synced: a server that crashes in recovery asks again.
#[must_use]
pub fn wal_get(sources: &[WalSource<'_>], name: &str, path: &Path, segments: Segments) -> WalGet {
    match get(sources, name, path, segments) {
        Ok(true) => WalGet::Found,
        Ok(false) => WalGet::Absent,
        Err(error) => WalGet::Failed(error),
    }
}

fn get(sources: &[WalSource<'_>], name: &str, path: &Path, segments: Segments) -> Result<bool> {
    let (object, compression) = WalObject::of(name);
    let is_asked_for = !matches!(object, WalObject::DeltaMap(_) | WalObject::Unknown);
    if !is_asked_for || compression != Compression::None {
        return Err(Error::NotWal(name.to_owned()));
    }
    let mut fault = None;
    for source in sources {
        for meta in source.root.wal_objects(source.store, name)? {
            let wanted = Wanted { name, object, segments, sources };
            match wanted.bring(source, &meta.key, path) {
                Ok(()) => return Ok(true),
                // The same file may be there in another compression, or whole in the next source.
                Err(error @ Error::BadWal { .. }) => fault = fault.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
    }
    match (fault, sources.last()) {
        (Some(error), _) => Err(error),
        (None, Some(last)) => {
            // A wrong prefix, or a disk that is not mounted, lists no WAL either.
            for meta in last.store.list(&last.root.archive()?, None)? {
                let key = meta?.key;
                let name = key.as_str().rsplit('/').next().unwrap_or_default();
                if WalObject::of(name).0 != WalObject::Unknown {
                    return Ok(false);
                }
            }
            Err(Error::EmptyArchive(last.store.location()))
        }
        (None, None) => Err(Error::EmptyArchive("no source".into())),
    }
}
