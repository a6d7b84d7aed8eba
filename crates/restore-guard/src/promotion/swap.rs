//! The one move that everything here is made of: what we hold in a place of our own and what has a live name change
//! places, either of which may be nothing. The same move again takes it back.
//!
//! A move is recognised by the place of our own, which nobody else writes to: while the entry lies there that lay there
//! before, it has not happened; else it has. That needs no order in which moves become durable.
//!
//! Where the file system can exchange two names, or move one to a name that is free, a move is one atomic call. Where it
//! cannot, it is several, and [`settle`] ends what a kill has left between them.

use super::dir::{Dir, is_unknown};
use super::identity::{EntryKind, Identity};
use crate::{Error, Result};
use rustix::io::Errno;

/// A name in a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spot<'a> {
    pub(super) dir: &'a Dir,
    pub(super) name: &'a str,
}

impl Spot<'_> {
    pub(super) fn look(&self) -> Result<Option<Identity>> {
        Ok(self.dir.look(self.name)?.map(|seen| seen.identity))
    }

    fn inode(&self) -> Result<Option<u64>> {
        Ok(self.look()?.map(|seen| seen.inode))
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(Errno) -> Error + use<> {
        self.dir.failed(operation, self.name.to_owned())
    }
}

/// How often a move is tried again because somebody else changes the live name at the same time.
const TRIES: u32 = 20;

/// Whether the move has happened: `before` is the inode that lay in the place of our own.
pub(super) fn is_done(ours: Spot<'_>, before: Option<u64>) -> Result<bool> {
    Ok(ours.inode()? != before)
}

/// Lets both change places, unless that has happened. Returns what lies in the place of our own now.
pub(super) fn swap(ours: Spot<'_>, live: Spot<'_>, before: Option<u64>) -> Result<Option<Identity>> {
    settle(ours, live, before)?;
    for _ in 0..TRIES {
        if is_done(ours, before)? {
            return ours.look();
        }
        let moved = match (before, live.look()?) {
            (None, None) => return Ok(None),
            (Some(_), Some(there)) => exchange(ours, live, there)?,
            (Some(_), None) => move_new(ours, live)?,
            (None, Some(_)) => move_new(live, ours)?,
        };
        if moved {
            return ours.look();
        }
    }
    Err(Error::TargetChanged { path: live.dir.path_of(live.name), now: "being changed all the time" })
}

/// Exchanges two names; false when one of them was gone meanwhile.
fn exchange(ours: Spot<'_>, live: Spot<'_>, there: Identity) -> Result<bool> {
    match native(|| ours.dir.exchange(ours.name, live.dir, live.name)) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) if is_unknown(error) => exchange_in_steps(ours, live, there),
        Err(error) => Err(live.failed("replace")(error)),
    }
}

/// Moves a name to one that is free; false when either is not so any more.
fn move_new(from: Spot<'_>, to: Spot<'_>) -> Result<bool> {
    match native(|| from.dir.rename_new(from.name, to.dir, to.name)) {
        Ok(()) => Ok(true),
        Err(Errno::NOENT | Errno::EXIST) => Ok(false),
        Err(error) if is_unknown(error) => move_in_steps(from, to),
        Err(error) => Err(to.failed("move to")(error)),
    }
}

/// Where an entry waits while an exchange takes several calls.
fn aside_of(before: Option<u64>) -> String {
    format!("{ASIDE}{:x}", before.unwrap_or_default())
}

const ASIDE: &str = ".si-aside-";
const REPLACED: &str = ".si-replaced-";

/// What the names begin with that a move in several calls may leave beside the place of our own.
pub(super) const LEFT_BY_MOVES: [&str; 2] = [ASIDE, REPLACED];

/// An exchange where the file system knows none: what is live gets a second name, and is renamed over. The live name is
/// never absent. A directory can have no second name, so for a moment the live name is.
fn exchange_in_steps(ours: Spot<'_>, live: Spot<'_>, there: Identity) -> Result<bool> {
    let Some(before) = ours.look()? else { return Ok(false) };
    let name = aside_of(Some(before.inode));
    let aside = Spot { dir: ours.dir, name: &name };
    let is_directory = [before.kind, there.kind].contains(&EntryKind::Directory);
    if is_directory {
        if !move_new(live, aside)? {
            return Ok(false);
        }
    } else {
        match live.dir.link(live.name, aside.dir, aside.name) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(error) => return Err(live.failed("link")(error)),
        }
    }
    // What is replaced must not lose its last name to a power cut.
    aside.dir.sync()?;
    if is_directory {
        if !move_new(ours, live)? {
            settle(ours, live, Some(before.inode))?;
            return Ok(false);
        }
    } else {
        if live.inode()? != aside.inode()? {
            // Somebody else's file has taken the name meanwhile; renaming over it would lose it.
            aside.dir.remove(aside.name)?;
            return Ok(false);
        }
        ours.dir.rename_over(ours.name, live.dir, live.name).map_err(live.failed("replace"))?;
        live.dir.sync()?;
    }
    put_aside_back(aside, ours)?;
    Ok(true)
}

/// A move to a free name where the file system knows none: a second name, and then the first one goes.
fn move_in_steps(from: Spot<'_>, to: Spot<'_>) -> Result<bool> {
    let Some(entry) = from.look()? else { return Ok(false) };
    if entry.kind == EntryKind::Directory {
        if to.look()?.is_some() {
            return Ok(false);
        }
        // A directory that appeared in this moment is only replaced if it is empty.
        return match from.dir.rename_over(from.name, to.dir, to.name) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT | Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => Ok(false),
            Err(error) => Err(to.failed("move to")(error)),
        };
    }
    match from.dir.link(from.name, to.dir, to.name) {
        Ok(()) => {}
        Err(Errno::NOENT | Errno::EXIST) => return Ok(false),
        Err(error) => return Err(to.failed("link")(error)),
    }
    to.dir.sync()?;
    drop_first_name(from, to)?;
    Ok(true)
}

/// Removes the name from which an entry was moved, if it still is that entry's.
fn drop_first_name(from: Spot<'_>, to: Spot<'_>) -> Result<()> {
    if from.inode()? == to.inode()? {
        from.dir.remove(from.name)?;
    }
    Ok(())
}

fn put_aside_back(aside: Spot<'_>, to: Spot<'_>) -> Result<()> {
    if move_new(aside, to)? {
        return Ok(());
    }
    Err(Error::TargetChanged { path: to.dir.path_of(to.name), now: "taken by somebody else" })
}

/// Ends, or takes back, what a kill has left in the middle of a move in several calls.
pub(super) fn settle(ours: Spot<'_>, live: Spot<'_>, before: Option<u64>) -> Result<()> {
    let name = aside_of(before);
    let aside = Spot { dir: ours.dir, name: &name };
    let mut here = ours.look()?;
    if before.is_some()
        && let Some(waiting) = aside.look()?
    {
        let is_moved = here.map(|here| here.inode) != before;
        if is_moved {
            if here.map(|here| here.inode) == Some(waiting.inode) {
                // It was moved by a second name, and both are there.
                aside.dir.remove(aside.name)?;
            } else {
                put_aside_back(aside, ours)?;
            }
            here = ours.look()?;
        } else if live.inode()? == Some(waiting.inode) {
            aside.dir.remove(aside.name)?;
        } else if !move_new(aside, live)? {
            // Somebody else has taken the live name meanwhile. What waits here may have no other name: it is kept.
            let kept = format!("{REPLACED}{:x}", waiting.inode);
            put_aside_back(aside, Spot { dir: ours.dir, name: &kept })?;
        }
    }
    // A move by a second name: both are the same entry, and the first one is to go.
    if let Some(here) = here
        && live.inode()? == Some(here.inode)
    {
        let from = if before == Some(here.inode) { ours } else { live };
        from.dir.remove(from.name)?;
    }
    Ok(())
}

/// Asks the file system for a move in one call; a test can take that ability away.
fn native(call: impl FnOnce() -> rustix::io::Result<()>) -> rustix::io::Result<()> {
    #[cfg(test)]
    if super::tests::fault::is_plain() {
        return Err(Errno::INVAL);
    }
    call()
}
