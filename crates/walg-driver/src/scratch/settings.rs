//! The configuration of a scratch server: nothing of the source's own is read.

use super::ScratchFault;
use super::cluster::Cluster;
use super::replayed::settings_text;
use super::target::Goal;
use crate::process::Variables;
use crate::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// A program that brings a file of the archive: it is given the name (`%f`) and the path (`%p`) behind its own arguments,
/// and exits as [`WalGet::exit_code`](crate::WalGet::exit_code) says.
#[derive(Debug, Clone)]
pub struct RestoreCommand {
    /// The program, by its whole path.
    pub program: PathBuf,
    /// Its arguments before those two.
    pub args: Vec<OsString>,
    /// Its environment, on top of next to nothing. The server has it too.
    pub environment: Variables,
}

impl RestoreCommand {
    /// The line that `PostgreSQL` hands to a shell, each word quoted: what it holds is never a placeholder or an operator. What
    /// lies ready in a directory is taken from there first; that it was not is no answer yet.
    fn line(&self, ready: Option<&Path>) -> Result<String> {
        let mut line = match ready {
            Some(dir) => {
                format!("mv -f -- {}/\"%f\" \"%p\" 2>/dev/null || exec ", self.quoted(dir.as_os_str())?)
            }
            None => String::new(),
        };
        let words =
            std::iter::once(self.program.as_os_str()).chain(self.args.iter().map(OsString::as_os_str));
        for word in words {
            let _ = write!(line, "{} ", self.quoted(word)?);
        }
        Ok(line + "\"%f\" \"%p\"")
    }

    fn quoted(&self, word: &OsStr) -> Result<String> {
        let word = word.to_str().filter(|word| !word.chars().any(char::is_control));
        let word = word.ok_or_else(|| ScratchFault::BadSetting {
            what: "the restore command",
            value: format!("{self:?}"),
        })?;
        Ok(format!("'{}'", word.replace('\'', r"'\''").replace('%', "%%")))
    }
}

/// The files of a configuration, outside of the copy.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) config: PathBuf,
    pub(super) hba: PathBuf,
    pub(super) ident: PathBuf,
}

/// What a configuration is made of.
pub(super) struct Settings<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) major: u32,
    pub(super) goal: &'a Goal,
    pub(super) restore_command: &'a RestoreCommand,
    /// Where WAL lies decoded that the server may take.
    pub(super) ready: Option<&'a Path>,
    pub(super) sockets: &'a Path,
    /// Libraries that are loaded at the start, each known to be installed.
    pub(super) preload: &'a [String],
}

impl Settings<'_> {
    /// Every setting, in the order in which it is written.
    fn list(&self) -> Result<Vec<(&'static str, String)>> {
        let text = |settings: &[(&'static str, &str)]| {
            settings.iter().map(|(name, value)| (*name, (*value).to_owned())).collect::<Vec<_>>()
        };
        let mut all = text(&[
            // Nobody from outside comes in, and nothing goes out.
            ("listen_addresses", ""),
            ("port", "5432"),
            ("unix_socket_permissions", "0700"),
            ("ssl", "off"),
            ("primary_conninfo", ""),
            ("primary_slot_name", ""),
            ("max_logical_replication_workers", "0"),
            ("archive_mode", "off"),
            ("archive_command", ""),
            ("archive_cleanup_command", ""),
            ("recovery_end_command", ""),
            // A copy that is thrown away need not survive a crash.
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("restart_after_crash", "off"),
            // Nothing happens in it but what is asked; it answers once it was promoted, and never stands still before.
            ("hot_standby", "off"),
            ("autovacuum", "off"),
            ("jit", "off"),
            ("session_preload_libraries", ""),
            ("local_preload_libraries", ""),
            // What is read from its log is in one language and one time zone, and holds no statement.
            ("logging_collector", "off"),
            ("log_destination", "stderr"),
            ("log_line_prefix", "%m [%p] "),
            ("log_min_messages", "info"),
            ("log_min_error_statement", "panic"),
            ("log_statement", "none"),
            ("log_timezone", "UTC"),
            ("timezone", "UTC"),
            ("lc_messages", "C"),
        ]);
        all.push(("unix_socket_directories", self.sockets.display().to_string()));
        all.push(("shared_preload_libraries", self.preload.join(",")));
        if self.major >= 15 {
            all.push(("recovery_prefetch", "try".into()));
        }
        if self.major >= 17 {
            all.push(("event_triggers", "off".into()));
        }
        all.extend(self.cluster.settings.iter().cloned());
        all.extend(self.goal.settings());
        all.push(("restore_command", self.restore_command.line(self.ready)?));
        Ok(all)
    }

    /// Writes the files.
    pub(super) fn write(&self, dir: &Path) -> Result<Configuration> {
        let text = settings_text("", &self.list()?)?;
        let files = Configuration {
            config: dir.join("postgresql.conf"),
            hba: dir.join("pg_hba.conf"),
            ident: dir.join("pg_ident.conf"),
        };
        // Whoever can enter the directory of the socket is the user of the server, or root.
        for (path, text) in
            [(&files.config, text.as_str()), (&files.hba, "local all all trust\n"), (&files.ident, "")]
        {
            fs::write(path, text).map_err(Error::io("write", path))?;
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_command_is_quoted_for_the_shell_and_for_the_server() {
        let command = RestoreCommand {
            program: "/opt/it's here/si-backup".into(),
            args: ["wal-get", "$(reboot)", "100%f"].map(OsString::from).to_vec(),
            environment: Variables::new(),
        };
        assert_eq!(
            command.line(None).unwrap(),
            r#"'/opt/it'\''s here/si-backup' 'wal-get' '$(reboot)' '100%%f' "%f" "%p""#
        );
        assert_eq!(
            RestoreCommand { args: Vec::new(), ..command.clone() }
                .line(Some(Path::new("/r's/100%p")))
                .unwrap(),
            r#"mv -f -- '/r'\''s/100%%p'/"%f" "%p" 2>/dev/null || exec '/opt/it'\''s here/si-backup' "%f" "%p""#
        );
        let bad = RestoreCommand { args: vec!["a\nb".into()], ..command };
        assert_eq!(bad.line(None).unwrap_err().code(), "bad-setting");
    }
}
