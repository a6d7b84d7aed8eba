use super::{Command, Limits, Variables, Watch, run};
use crate::{Error, Result};
use backup_store::Clock;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: PathBuf,
}

impl User {
    /// Looks a user up: in `/etc/passwd`, then with `getent`, which knows directory services too.
    pub fn find(name: &str, clock: &dyn Clock) -> Result<Self> {
        let of = |text: &str| text.lines().filter_map(Self::parse).find(|user| user.name == name);
        let local = fs::read_to_string("/etc/passwd").ok();
        if let Some(user) = local.as_deref().and_then(of) {
            return Ok(user);
        }
        let getent = Command::new("getent")
            .args(["passwd", "--", name])
            .environment(Variables::new().plain("PATH", "/usr/bin:/bin"));
        run(&getent, &Limits::default().total(Duration::from_secs(10)), &Watch::none(), clock)
            .ok()
            .and_then(|ended| of(&ended.stdout.text()))
            .ok_or_else(|| Error::NoSuchUser(name.to_owned()))
    }

    /// Reads a line of the user database.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = PathBuf::from(fields.nth(1)?);
        Some(Self { name, uid, gid, home })
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id.
    #[must_use]
    pub const fn uid(&self) -> u32 {
        self.uid
    }

    /// The id of the group.
    #[must_use]
    pub const fn gid(&self) -> u32 {
        self.gid
    }

    /// The home directory.
    #[must_use]
    pub fn home(&self) -> &Path {
        &self.home
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_database_is_read() {
        let user =
            User::parse("postgres:x:112:120:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash");
        let home = PathBuf::from("/var/lib/postgresql");
        assert_eq!(user, Some(User { name: "postgres".to_owned(), uid: 112, gid: 120, home }));
        for bad in ["", "+::::::", "a:x:b:1::/:", "a:x:1"] {
            assert_eq!(User::parse(bad), None, "{bad}");
        }
    }
}
