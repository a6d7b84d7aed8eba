use super::ScratchFault;
use crate::{Error, Result};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// The user that the scratch server runs as: the server refuses to run as root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAs {
    /// The user.
    pub uid: u32,
    /// Its group; there are no others.
    pub gid: u32,
}

impl RunAs {
    /// The user of that name, in this machine's `/etc/passwd`; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read.
    pub fn named(name: &str) -> Result<Option<Self>> {
        let path = Path::new("/etc/passwd");
        let users = fs::read_to_string(path).map_err(Error::io("read", path))?;
        Ok(users.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next()? != name {
                return None;
            }
            Some(Self { uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
        }))
    }

    pub(super) fn apply(self, command: &mut Command) {
        // Without the groups of the caller: the standard library drops them together with the user.
        command.uid(self.uid).gid(self.gid);
    }

    pub(super) fn own(self, path: &Path) -> Result<()> {
        lchown(path, Some(self.uid), Some(self.gid)).map_err(Error::io("change the owner of", path))
    }

    /// Whether this user can come to `path`.
    pub(super) fn must_reach(self, path: &Path) -> Result<()> {
        for above in path.ancestors() {
            let meta = fs::metadata(above).map_err(Error::io("look at", above))?;
            let enters = match (meta.uid() == self.uid, meta.gid() == self.gid) {
                (true, _) => 0o100,
                (_, true) => 0o010,
                _ => 0o001,
            };
            if meta.mode() & enters == 0 {
                return Err(ScratchFault::Unreachable { path: above.to_owned(), uid: self.uid }.into());
            }
        }
        Ok(())
    }
}
