use crate::fail_point::step;
use crate::handle::{Handle, failed};
use crate::{Result, random};
use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

/// What the name of a temporary file begins with.
pub(crate) const PREFIX: &str = ".si-tmp-";

/// A file on its way to its name. Dropped, it is gone.
#[derive(Debug)]
pub(crate) struct Temp {
    dir: Handle,
    name: String,
    file: File,
    published: bool,
}

impl Temp {
    pub(crate) fn new(dir: Handle) -> Result<Self> {
        let name = format!("{PREFIX}{}", random::name()?);
        let file = dir.new_file(&name)?;
        Ok(Self { dir, name, file, published: false })
    }

    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join(&self.name)
    }

    /// Whether its name is still its own.
    pub(crate) fn is_there(&self) -> Result<bool> {
        self.file.metadata().map(|meta| meta.nlink() > 0).map_err(failed("look at", self.path()))
    }

    /// Writes the whole file and makes it durable.
    pub(crate) fn fill(&self, bytes: &[u8], mode: u32) -> Result<()> {
        step("write", || (&self.file).write_all(bytes)).map_err(failed("write", self.path()))?;
        step("chmod", || self.file.set_permissions(Permissions::from_mode(mode)))
            .map_err(failed("set the mode of", self.path()))?;
        step("fsync", || self.file.sync_all()).map_err(failed("sync", self.path()))
    }

    /// Gives it its name unless that is taken: then false, and the file is gone. The directory is not synced.
    pub(crate) fn publish_new(mut self, target: &Handle, name: &OsStr) -> Result<bool> {
        self.published = self.dir.publish_new(&self.name, target, name)?;
        Ok(self.published)
    }

    /// Gives it its name in place of whatever had it. The directory is not synced.
    pub(crate) fn publish_over(mut self, target: &Handle, name: &OsStr) -> Result<()> {
        self.dir.publish_over(&self.name, target, name)?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.published {
            // What cannot be removed now is a leftover, found and swept later.
            let _ = self.dir.remove(&self.name);
        }
    }
}
