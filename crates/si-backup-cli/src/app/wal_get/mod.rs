//! `wal-get NAME PATH`: what a recovering server has as its `restore_command`.
//!
//! `PostgreSQL` takes any exit code from 1 to 125 for the end of the archive, promotes, and loses what lies behind. So this
//! is no command like the others: nothing that goes wrong here, in its words, its settings or its own code, ends in one of
//! these but an absence that was proved.

mod told;

use crate::World;
use crate::report::message_of;
use backup_contract::environment::BucketKey;
use rustix::process::{Signal, set_parent_process_death_signal};
use std::ffi::OsString;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use told::Told;
use walg_driver::process::Variables;
use walg_driver::{Segments, WalGet};

/// The word.
const WORD: &str = "wal-get";

const USAGE: &str =
    "it is 'si-backup wal-get NAME PATH' without options, as the restore_command of a recovering server";

/// What aborts a recovery.
pub(crate) const FAILED: u8 = 126;

/// What the server's environment has to say so that this program finds its WAL in a mirror.
pub(crate) fn environment(prefix: &Path, key: &BucketKey, segments: Segments) -> Variables {
    let variables =
        Variables::new().plain(told::PREFIX, prefix).plain(told::SIZE, segments.size.bytes().to_string());
    let variables = match segments.system_identifier {
        Some(system) => variables.plain(told::SYSTEM, system.to_string()),
        None => variables,
    };
    match key {
        BucketKey::Sodium(bytes) => variables.secret(told::KEY, bytes.to_hex().expose()),
        BucketKey::None | BucketKey::EngineOnly => variables,
    }
}

/// Whether a process with these words was started for that: also where options stand before the word, which it takes none
/// of, for a usage error would end in a code that promotes.
pub(crate) fn is_meant(args: &[OsString]) -> bool {
    let is_option = |word: &OsString| word.as_encoded_bytes().starts_with(b"-");
    match args.get(1) {
        Some(first) if is_option(first) => args.iter().any(|word| word == WORD),
        first => first.is_some_and(|word| word == WORD),
    }
}

/// Brings a file of the archive, when this process was started for that; with which code to end.
pub(crate) fn dispatch(world: &mut World) -> Option<u8> {
    if !is_meant(&world.args) {
        return None;
    }
    // What it brings after its server has gone would take another file's place. A system that cannot do it does without.
    let _ = set_parent_process_death_signal(Some(Signal::KILL));
    // A panic would end in 101.
    let brought = catch_unwind(AssertUnwindSafe(|| bring(world)));
    let said = match brought {
        Ok(Ok(WalGet::Failed(error))) => message_of(&error.into()),
        Ok(Ok(brought)) => return Some(brought.exit_code()),
        Ok(Err(why)) => why,
        Err(_) => "it failed inside".to_owned(),
    };
    let _ = writeln!(world.err, "wal-get: {said}");
    Some(FAILED)
}

fn bring(world: &World) -> Result<WalGet, String> {
    let [_, first, name, path] = &world.args[..] else { return Err(USAGE.into()) };
    if first != WORD {
        return Err(USAGE.into());
    }
    let name = name.to_str().ok_or("a name that is no text")?;
    Ok(Told::by(world)?.bring(name, Path::new(path)))
}
