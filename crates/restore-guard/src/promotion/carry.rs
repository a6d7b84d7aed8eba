use super::identity::{EntryKind, Identity};
use super::plan::digest;
use super::promote::sync_file;
use super::step::Log;
use super::swap::Spot;
use super::{attributes, dir::change};
use crate::{Result, disk};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;

/// What there was to carry over.
#[derive(Debug)]
pub(super) enum Carry {
    /// Nothing was added.
    Unchanged,
    /// The old log with the added lines: a new file.
    Grown(Identity),
    /// It was not only appended to.
    NoLog,
}

/// Makes the log that is put back: the old one, and the lines that were added to the one that came in, but for those that were
/// brought there from the old one. Both stay as they are, so that a kill on the way loses and doubles nothing.
pub(super) fn carry(
    live: Spot<'_>,
    seen: Identity,
    incoming: Option<Identity>,
    log: Log,
    old: Option<Spot<'_>>,
    new: Spot<'_>,
) -> Result<Carry> {
    let came_with = incoming.map_or(0, |it| it.size);
    let is_it = incoming.is_none_or(|it| it.has_grown_to(Some(&seen)));
    if seen.kind != EntryKind::File || !is_it {
        return Ok(Carry::NoLog);
    }
    let path = live.dir.path_of(live.name);
    let io = |operation| disk::io(operation, &path);
    let mut from = live.dir.open_file(live.name)?;
    if log.incoming.is_some_and(|it| digest(&from, came_with).is_ok_and(|now| now != it)) {
        return Ok(Carry::NoLog);
    }
    if seen.size == came_with && incoming.is_some() {
        return Ok(Carry::Unchanged);
    }
    // One of an earlier attempt, which was killed before it was written down.
    new.dir.remove(new.name)?;
    let to = new.dir.new_file(new.name)?;
    let old = match old {
        Some(spot) if spot.look()?.is_some() => Some((spot.dir.open_file(spot.name)?, spot)),
        _ => None,
    };
    let mut ends_line = true;
    if let Some((mut file, spot)) = old.as_ref().map(|(file, spot)| (file, spot)) {
        let length = copy(&mut file, &to).map_err(disk::io("copy", &spot.dir.path_of(spot.name)))?;
        ends_line = length == 0 || byte_at(file, length - 1).map_err(io("read"))? == Some(b'\n');
    }
    if !ends_line && byte_at(&from, came_with).map_err(io("read"))? != Some(b'\n') {
        write(&to, b"\n").map_err(io("copy"))?;
    }
    let brought_over = match &old {
        Some((old, _)) => only_in(old, &from, came_with).map_err(io("read"))?,
        None => HashMap::new(),
    };
    from.seek(SeekFrom::Start(came_with)).map_err(io("read"))?;
    let added = (&from).take(seen.size.saturating_sub(came_with));
    if brought_over.is_empty() {
        copy(&mut { added }, &to).map_err(io("copy"))?;
    } else {
        copy_without(added, brought_over, &to).map_err(io("copy"))?;
    }
    let model = old.as_ref().map_or(&from, |(file, _)| file);
    attributes::copy(model, &to, &path)?;
    sync_file(&to, &path)?;
    new.dir.sync()?;
    Ok(new.look()?.map_or(Carry::NoLog, Carry::Grown))
}

/// By what a line is recognised.
type Print = [u8; 16];

fn each_line(
    from: impl std::io::Read,
    mut each: impl FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let mut from = BufReader::with_capacity(1 << 16, from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        each(&line)?;
        line.clear();
    }
    Ok(())
}

/// Of a line without its newline: where a log ends it may have none.
fn print_of(line: &[u8]) -> Print {
    let mut print = [0; 16];
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    print.copy_from_slice(&Sha256::digest(line)[..16]);
    print
}

/// The lines that the old log has and the one that came in had not, each as often as it is so: what somebody wrote in the
/// moment in which the one took the place of the other. They may have been brought over since.
fn only_in(old: &File, new: &File, came_with: u64) -> std::io::Result<HashMap<Print, u64>> {
    let (mut old, mut new) = (old, new);
    let mut lines: HashMap<Print, u64> = HashMap::new();
    old.seek(SeekFrom::Start(0))?;
    each_line(old, |line| {
        *lines.entry(print_of(line)).or_default() += 1;
        Ok(())
    })?;
    new.seek(SeekFrom::Start(0))?;
    each_line(new.take(came_with), |line| {
        if let Some(count) = lines.get_mut(&print_of(line)) {
            *count = count.saturating_sub(1);
        }
        Ok(())
    })?;
    lines.retain(|_, count| *count > 0);
    Ok(lines)
}

/// Copies lines but for those that are there already.
fn copy_without(from: impl std::io::Read, mut there: HashMap<Print, u64>, to: &File) -> std::io::Result<()> {
    let mut lines = Vec::new();
    each_line(from, |line| {
        match there.get_mut(&print_of(line)) {
            Some(count) if *count > 0 => *count -= 1,
            _ => lines.extend_from_slice(line),
        }
        Ok(())
    })?;
    copy(&mut lines.as_slice(), to).map(drop)
}

fn copy(from: &mut impl std::io::Read, mut to: &File) -> std::io::Result<u64> {
    backup_store::fail_point::step("write", || std::io::copy(from, &mut to))
}

fn write(mut to: &File, bytes: &[u8]) -> std::io::Result<()> {
    change("write", || {
        to.write_all(bytes).map_err(|e| rustix::io::Errno::from_io_error(&e).unwrap_or(rustix::io::Errno::IO))
    })
    .map_err(Into::into)
}

fn byte_at(file: &File, at: u64) -> std::io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((file.read_at(&mut byte, at)? == 1).then_some(byte[0]))
}
