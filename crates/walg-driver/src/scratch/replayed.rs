//! The configuration of a copy that somebody will start: what was the source's and would lead elsewhere is taken out of it,
//! and what tells the server how far to recover is put in.

use super::ScratchFault;
use super::cluster::Cluster;
use super::inspect::put;
use super::programs::Programs;
use super::run::{Runner, failed};
use super::target::Goal;
use crate::process::User;
use crate::{Error, Result};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

/// The longest file of settings that is read, in bytes.
const LONGEST: u64 = 4 << 20;
/// What is written by the server itself, and wins over every other file.
const AUTO: &str = "postgresql.auto.conf";
const MAIN: &str = "postgresql.conf";
/// Who may come in where the source kept that file elsewhere, as Debian does: whoever runs the server.
const HBA: &str = "local all all peer\n";

/// A copy that is to recover when it is started.
pub(super) struct Recovering<'a> {
    pub(super) data: &'a Path,
    pub(super) user: Option<&'a User>,
    pub(super) goal: &'a Goal,
    pub(super) cluster: &'a Cluster,
    pub(super) programs: &'a Programs,
    pub(super) runner: Runner<'a>,
}

impl Recovering<'_> {
    /// Writes the configuration, and tells what was done to the source's.
    pub(super) fn configure(&self) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        // Where it was put aside: a scratch server reads none of it.
        let auto = self.text("postgresql.auto.conf.of-the-source")?.unwrap_or_default();
        let (kept, dropped) = without(&auto, |_| String::new());
        notes.extend(
            told(AUTO, &dropped)
                .map(|told| told + "; the whole is kept as postgresql.auto.conf.of-the-source"),
        );
        self.put(AUTO, &(kept + &self.own_settings()?))?;
        if let Some(main) = self.text(MAIN)? {
            let (kept, dropped) = without(&main, |line| format!("#{line}\n"));
            if !dropped.is_empty() {
                self.put(MAIN, &kept)?;
            }
            notes.extend(told(MAIN, &dropped));
        } else {
            self.put(MAIN, "# The source kept its own elsewhere.\n")?;
            notes.push(format!("the source kept its {MAIN} elsewhere: look through the one that was made"));
        }
        for (name, text) in [("pg_hba.conf", HBA), ("pg_ident.conf", "")] {
            if self.text(name)?.is_none() {
                self.put(name, text)?;
                notes.push(format!("the source kept its {name} elsewhere: one was made"));
            }
        }
        notes.extend(self.ask()?);
        Ok(notes)
    }

    /// What the server would take for its data: a file that is included may still say so.
    fn ask(&self) -> Result<Option<String>> {
        let program = self.programs.path("postgres");
        let args = ["-D".as_ref(), self.data.as_os_str(), "-C".as_ref(), "data_directory".as_ref()];
        let said = self.runner.run(&program, args, "")?;
        if !said.is_ok {
            return Ok(Some(format!("its configuration cannot be used as it is: {}", said.why)));
        }
        let place = Path::new(said.out.trim_end_matches('\n'));
        if place == self.data || place.canonicalize().ok() == self.data.canonicalize().ok() {
            return Ok(None);
        }
        Err(failed(&program, format!("its configuration has it run over {}", place.display())))
    }

    /// What a recovery needs, behind everything else: of two lines of one name the last one counts.
    fn own_settings(&self) -> Result<String> {
        let mut all = vec![
            ("archive_mode", "off".to_owned()),
            // Everything is in pg_wal already.
            ("restore_command", "false".to_owned()),
            ("recovery_end_command", String::new()),
            ("archive_cleanup_command", String::new()),
        ];
        all.extend(self.cluster.settings.iter().cloned());
        all.extend(self.goal.settings());
        settings_text(
            "# Written by si-backup: a recovery from what is in this directory, and no archiving.\n",
            &all,
        )
    }

    fn text(&self, name: &str) -> Result<Option<String>> {
        let path = self.data.join(name);
        let mut bytes = Vec::new();
        match File::open(&path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)) {
            Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read", &path)(e)),
        }
    }

    fn put(&self, name: &str, text: &str) -> Result<()> {
        put(&self.data.join(name), text.as_bytes(), self.user)
    }
}

/// Settings as lines of a configuration.
pub(super) fn settings_text(head: &str, settings: &[(&'static str, String)]) -> Result<String> {
    let mut text = head.to_owned();
    for (name, value) in settings {
        if value.chars().any(char::is_control) {
            return Err(ScratchFault::BadSetting { what: name, value: value.clone() }.into());
        }
        let value = value.replace('\\', r"\\").replace('\'', "''");
        let _ = writeln!(text, "{name} = '{value}'");
    }
    Ok(text)
}

fn told(file: &str, dropped: &[String]) -> Option<String> {
    let names = dropped.join(", ");
    (!dropped.is_empty()).then(|| format!("settings of the source were taken out of {file}: {names}"))
}

/// Whether a setting of the source would have a copy archive, follow another server, run over other files, or recover
/// otherwise than it is told to.
fn leads_elsewhere(name: &str) -> bool {
    const NAMES: [&str; 12] = [
        "data_directory",
        "hba_file",
        "ident_file",
        "config_file",
        "external_pid_file",
        "restore_command",
        "promote_trigger_file",
        "recovery_min_apply_delay",
        "recovery_end_command",
        "primary_conninfo",
        "primary_slot_name",
        "synchronous_standby_names",
    ];
    NAMES.contains(&name) || ["archive_", "recovery_target"].iter().any(|start| name.starts_with(start))
}

/// A configuration without what leads elsewhere, each such line by what `instead` makes of it; and their names.
fn without(text: &str, instead: impl Fn(&str) -> String) -> (String, Vec<String>) {
    let (mut kept, mut dropped) = (String::new(), Vec::new());
    for line in text.lines() {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let begun = line.trim_start();
        let end = begun.find(|c| !is_part(c)).unwrap_or(begun.len());
        // Names of settings have no case.
        let name = begun.get(..end).unwrap_or_default().to_ascii_lowercase();
        if leads_elsewhere(&name) {
            kept += &instead(line);
            if !dropped.contains(&name) {
                dropped.push(name);
            }
        } else {
            kept += line;
            kept.push('\n');
        }
    }
    (kept, dropped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_elsewhere_is_taken_out() {
        let text = "# archive_mode = on\n  Archive_Mode= 'on'\nmax_connections = 9\nARCHIVE_COMMAND 'cp %p /x'\n\
                    recovery_target_lsn='0/1'\nprimary_conninfo = 'password=hunter2'\ndata_directory='/live'\n\
                    archives = 1\narchive_mode = off";
        let (kept, dropped) = without(text, |line| format!("#{line}\n"));
        assert_eq!(
            dropped,
            ["archive_mode", "archive_command", "recovery_target_lsn", "primary_conninfo", "data_directory"]
        );
        let active: Vec<_> = kept.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(active, ["max_connections = 9", "archives = 1"]);
        assert_eq!(without(text, |_| String::new()).0.lines().count(), 3);
    }
}
