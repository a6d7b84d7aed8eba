//! `wal-get NAME PATH`: what a scratch server has as its `restore_command`.
//!
//! `PostgreSQL` takes any exit code from 1 to 125 for the end of the archive, promotes, and loses what lies behind. So this
//! is no command like the others: nothing that goes wrong here, in its words, its settings or its own code, ends in one of
//! these but an absence that was proved.

use crate::World;
use crate::report::message_of;
use backup_contract::environment::{BucketKey, SodiumBytes};
use backup_store::DirStore;
use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use walg_driver::bucket::Root;
use walg_driver::process::Variables;
use walg_driver::wal::SegmentSize;
use walg_driver::{Cipher, Segments, SodiumKey, WalGet, WalSource, wal_get};

/// The word.
const WORD: &str = "wal-get";
/// Where the mirror is.
const PREFIX: &str = "SI_BACKUP_WAL_PREFIX";
/// The key of libsodium, in hexadecimal digits; absent where nothing is encrypted.
const KEY: &str = "SI_BACKUP_WAL_KEY";
/// How long a segment is, in bytes.
const SIZE: &str = "SI_BACKUP_WAL_SEGMENT_BYTES";
/// The system identifier of the cluster, where it is known.
const SYSTEM: &str = "SI_BACKUP_WAL_SYSTEM";

/// What aborts a recovery.
pub(crate) const FAILED: u8 = 126;

/// What the server's environment has to say so that this program finds its WAL.
pub(crate) fn environment(prefix: &Path, key: &BucketKey, segments: Segments) -> Variables {
    let variables = Variables::new().plain(PREFIX, prefix).plain(SIZE, segments.size.bytes().to_string());
    let variables = match segments.system_identifier {
        Some(system) => variables.plain(SYSTEM, system.to_string()),
        None => variables,
    };
    match key {
        BucketKey::Sodium(bytes) => variables.secret(KEY, bytes.to_hex().expose()),
        BucketKey::None | BucketKey::EngineOnly => variables,
    }
}

/// Whether a process with these words was started for that.
pub(crate) fn is_meant(args: &[OsString]) -> bool {
    args.get(1).is_some_and(|word| word == WORD)
}

/// Brings a file of the archive, when this process was started for that; with which code to end.
pub(crate) fn dispatch(world: &mut World) -> Option<u8> {
    if !is_meant(&world.args) {
        return None;
    }
    // A panic would end in 101.
    let brought = catch_unwind(AssertUnwindSafe(|| bring(world)));
    let said = match brought {
        Ok(Ok(WalGet::Failed(error))) => message_of(&error.into()),
        Ok(Ok(brought)) => return Some(brought.exit_code()),
        Ok(Err(why)) => why.to_owned(),
        Err(_) => "it failed inside".to_owned(),
    };
    let _ = writeln!(world.err, "wal-get: {said}");
    Some(FAILED)
}

fn bring(world: &World) -> Result<WalGet, &'static str> {
    let [_, _, name, path] = &world.args[..] else {
        return Err("it is 'si-backup wal-get NAME PATH', as the restore_command of a scratch server");
    };
    let name = name.to_str().ok_or("a name that is no text")?;
    let number = |name: &str| -> Result<Option<u64>, &'static str> {
        let Some(text) = world.var(name) else { return Ok(None) };
        let number = text.to_str().and_then(|text| text.parse().ok());
        number.map(Some).ok_or("a number of its environment is none")
    };
    let size = number(SIZE)?
        .and_then(|bytes| SegmentSize::new(u32::try_from(bytes).ok()?))
        .ok_or("its environment does not say how long a segment is")?;
    let segments = Segments { size, system_identifier: number(SYSTEM)? };
    let cipher = match world.var(KEY) {
        None => Cipher::None,
        Some(text) => {
            let key = SodiumBytes::from_hex(text.to_str().unwrap_or_default()).ok_or("its key is none")?;
            Cipher::Sodium(SodiumKey::new(*key.expose()))
        }
    };
    let prefix = world.var(PREFIX).ok_or("its environment does not say where the WAL is")?;
    let store = match DirStore::open(prefix) {
        Ok(store) => store,
        Err(error) => return Ok(WalGet::Failed(error.into())),
    };
    let root = Root::default();
    Ok(wal_get(&[WalSource { store: &store, root: &root, cipher: &cipher }], name, Path::new(path), segments))
}
