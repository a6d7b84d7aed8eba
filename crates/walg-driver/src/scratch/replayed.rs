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
use std::path::{Component, Path};

/// The longest file of settings that is read, in bytes.
const LONGEST: u64 = 4 << 20;
/// What is written by the server itself, and wins over every other file.
const AUTO: &str = "postgresql.auto.conf";
const MAIN: &str = "postgresql.conf";
/// Who may come in where the source kept that file elsewhere, as Debian does: whoever runs the server.
const HBA: &str = "local all all peer\n";

/// The targets that a recovery can have, one at most.
const TARGETS: [&str; 5] = [
    "recovery_target",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_time",
    "recovery_target_xid",
];
const ACTION: &str = "recovery_target_action";
/// Where a server writes beside its data, the usual place of each, and the version that has it no longer: two servers must not
/// share them.
const OWN_PLACES: [(&str, &str, Option<u32>); 2] =
    [("log_directory", "log", None), ("stats_temp_directory", "pg_stat_tmp", Some(15))];

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
        notes.extend(self.look_through()?);
        Ok(notes)
    }

    /// What the server would make of all of it: a file that is included has its say too.
    fn look_through(&self) -> Result<Vec<String>> {
        let place = match self.ask("data_directory")? {
            Ok(place) => place,
            Err(why) => return Ok(vec![format!("its configuration cannot be used as it is: {why}")]),
        };
        let is_here =
            |place: &Path| place == self.data || place.canonicalize().ok() == self.data.canonicalize().ok();
        if !is_here(Path::new(&place)) {
            return Err(self.refused(format!("its configuration has it run over {place}")));
        }
        let mut notes = Vec::new();
        let mut more = String::new();
        for (name, usual, until) in OWN_PLACES {
            if until.is_some_and(|until| self.programs.major >= until) {
                continue;
            }
            let place = self.ask(name)?.unwrap_or_default();
            if self.leads_out(&place) {
                let _ = writeln!(more, "{name} = '{usual}'");
                notes.push(format!("{name} of the source led out of the copy, and is '{usual}' in it"));
            }
        }
        let libraries = self.ask("shared_preload_libraries")?.unwrap_or_default();
        if !libraries.is_empty() {
            notes.push(format!(
                "it loads {libraries} when it is started, and what those do in the background they do in the copy too"
            ));
        }
        if libraries.split(',').any(|name| name.trim().trim_matches('"') == "pg_cron") {
            more += "cron.launch_active_jobs = 'off'\n";
            notes.push(
                "the jobs of pg_cron are not run in it, by cron.launch_active_jobs = off; pg_cron before 1.5 does not know that \
                 setting"
                    .into(),
            );
        }
        notes.push(
            "its subscriptions stand still, by max_logical_replication_workers = '0' in postgresql.auto.conf: remove what keeps \
             it quiet from there once the copy takes over, and not before the other one is gone"
                .into(),
        );
        if !more.is_empty() {
            let auto = self.text(AUTO)?.unwrap_or_default();
            self.put(AUTO, &(auto + &more))?;
        }
        for (name, value) in self.must_be() {
            let found = self.ask(name)?.map_err(|why| self.refused(why))?;
            if found != value {
                return Err(
                    self.refused(format!("its configuration has {name} as '{found}', not as '{value}'"))
                );
            }
        }
        Ok(notes)
    }

    /// The value of a setting, as a server over the copy would have it; or why it would have none.
    fn ask(&self, name: &str) -> Result<std::result::Result<String, String>> {
        let args = ["-D".as_ref(), self.data.as_os_str(), "-C".as_ref(), name.as_ref()];
        let said = self.runner.run(&self.programs.path("postgres"), args, "")?;
        Ok(if said.is_ok { Ok(said.out.trim_end_matches('\n').to_owned()) } else { Err(said.why) })
    }

    fn refused(&self, why: String) -> Error {
        failed(&self.programs.path("postgres"), why)
    }

    /// Whether a place of files that a server writes is not in the copy.
    fn leads_out(&self, place: &str) -> bool {
        let is_inside = Path::new(place)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        !is_inside && !Path::new(place).starts_with(self.data)
    }

    /// What a recovery needs, behind everything else: of two lines of one name the last one counts.
    fn own_settings(&self) -> Result<String> {
        let mut all = self.must_be();
        all.extend([
            // Everything is in pg_wal already.
            ("restore_command", "false".to_owned()),
            ("recovery_end_command", String::new()),
            ("archive_cleanup_command", String::new()),
            ("external_pid_file", String::new()),
            ("synchronous_standby_names", String::new()),
        ]);
        all.extend(self.cluster.settings.iter().cloned());
        settings_text(
            "# Written by si-backup: a recovery from what is in this directory, and no archiving.\n",
            &all,
        )
    }

    /// What decides how far it recovers, and what keeps it from taking the place of the live one.
    fn must_be(&self) -> Vec<(&'static str, String)> {
        let wanted = self.goal.settings();
        let is_wanted = |name: &str| wanted.iter().any(|(wanted, _)| *wanted == name);
        let unused = TARGETS.iter().filter(|name| !is_wanted(name)).map(|name| (*name, String::new()));
        let mut all = vec![
            ("archive_mode", "off".to_owned()),
            ("archive_command", String::new()),
            ("primary_conninfo", String::new()),
            ("primary_slot_name", String::new()),
            ("recovery_min_apply_delay", "0".to_owned()),
            ("max_logical_replication_workers", "0".to_owned()),
            ("recovery_target_inclusive", "on".to_owned()),
        ];
        if self.programs.major >= 17 {
            all.push(("sync_replication_slots", "off".to_owned()));
        }
        // The server takes an empty target for none at all, whatever came before: the one that counts comes last.
        all.extend(unused);
        if !is_wanted(ACTION) {
            all.push((ACTION, "promote".to_owned()));
        }
        all.extend(wanted);
        all
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
