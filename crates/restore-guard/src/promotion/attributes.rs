use super::dir::{Dir, change, set_mode, set_owner};
use super::identity::Seen;
use crate::{Error, Result, disk};
use rustix::fs as sys;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

/// The longest list of names, and the longest value, that the system gives.
const LONGEST: usize = 64 * 1024;

type Extended = BTreeMap<Vec<u8>, Vec<u8>>;

/// Gives `to` the owner, mode, access lists and extended attributes of `from`. `live` is what errors name.
///
/// # Errors
/// [`Error::AttributeLost`] for the first one that it cannot be given.
pub(super) fn copy(from: impl AsFd, to: impl AsFd, live: &Path) -> Result<()> {
    let (from, to) = (from.as_fd(), to.as_fd());
    let wanted: Seen = sys::fstat(from).map_err(disk_error(live))?.into();
    let has: Seen = sys::fstat(to).map_err(disk_error(live))?.into();
    let lost = |attribute: &str, error: Errno| Error::AttributeLost {
        path: live.to_owned(),
        attribute: attribute.to_owned(),
        source: error.into(),
    };
    if wanted.owner != has.owner {
        set_owner(to, wanted.owner).map_err(|e| lost("owner", e))?;
    }
    let (wanted_extended, has_extended) =
        (extended(from).map_err(disk_error(live))?, extended(to).map_err(disk_error(live))?);
    for name in has_extended.keys() {
        // Those of the system's own (labels, capabilities) it gives and takes by itself.
        if !wanted_extended.contains_key(name) && !name.starts_with(b"security.") {
            change("removexattr", || sys::fremovexattr(to, name.as_slice()))
                .map_err(|e| lost(&String::from_utf8_lossy(name), e))?;
        }
    }
    for (name, value) in &wanted_extended {
        if has_extended.get(name) != Some(value) {
            let set = || sys::fsetxattr(to, name.as_slice(), value, sys::XattrFlags::empty());
            change("setxattr", set).map_err(|e| lost(&String::from_utf8_lossy(name), e))?;
        }
    }
    // Last: a change of owner or access list changes it.
    set_mode(to, wanted.mode).map_err(|e| lost("mode", e))?;
    let now: Seen = sys::fstat(to).map_err(disk_error(live))?.into();
    if now.mode != wanted.mode {
        // The system drops bits that this user may not give, and says nothing.
        return Err(lost("mode", Errno::PERM));
    }
    Ok(())
}

/// Makes something new its owner's alone, `mode` 0600 or 0700; its owner is that of the directory that it comes into,
/// where the user may give things away.
pub(super) fn make_private(new: impl AsFd, into: &Dir, mode: u32) -> Result<()> {
    let new = new.as_fd();
    let owner = into.seen()?.owner;
    let has: Seen = sys::fstat(new).map_err(disk_error(into.path()))?.into();
    if has.owner != owner && rustix::process::geteuid().is_root() {
        set_owner(new, owner).map_err(disk_error(into.path()))?;
    }
    let inherited = extended(new).map_err(disk_error(into.path()))?;
    for name in inherited.keys().filter(|name| name.starts_with(b"system.posix_acl_access")) {
        change("removexattr", || sys::fremovexattr(new, name.as_slice())).map_err(disk_error(into.path()))?;
    }
    set_mode(new, mode).map_err(disk_error(into.path()))
}

fn disk_error(path: &Path) -> impl Fn(Errno) -> Error + use<'_> {
    move |error| disk::io("read or set the attributes of", path)(error.into())
}

fn extended(file: impl AsFd) -> rustix::io::Result<Extended> {
    let file = file.as_fd();
    let mut found = Extended::new();
    let mut names = Vec::new();
    match sys::flistxattr_query(file) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(found),
        Ok(_) => names.resize(LONGEST, 0),
        Err(error) => return Err(error),
    }
    let length = sys::flistxattr(file, names.as_mut_slice())?;
    names.truncate(length);
    let mut value = vec![0; LONGEST];
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        match sys::fgetxattr(file, name, value.as_mut_slice()) {
            Ok(length) => {
                found.insert(name.to_owned(), value.get(..length).unwrap_or_default().to_owned());
            }
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}
