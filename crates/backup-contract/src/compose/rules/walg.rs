use super::{Judge, place};
use crate::compose::model::Service;
use crate::compose::value::{Value, is_interpolated};
use crate::{ClauseId, Finding, Severity};
use std::collections::BTreeSet;

const CLAUSE: ClauseId = ClauseId::AppContract;

/// Whether a variable is there.
enum Env {
    Said,
    Missing,
    /// An env file that was not read could have it.
    Unread(String),
}

/// The services that back up, restore and receive WAL: there, complete, reaching the right server, doing no harm.
impl Judge<'_> {
    pub(super) fn walg(&mut self) {
        let (backup, restore) = (&self.expected.backup_service, &self.expected.restore_service);
        for (name, does) in [(backup, "backups are made"), (restore, "a restore is made")] {
            let Some(service) = self.project.services.get(name) else {
                self.add(
                    Finding::new(
                        "compose-walg-service-missing",
                        Severity::Error,
                        place(name, "image"),
                        format!("there is no service {name}, by which {does}"),
                        "add the fragment that 'contract --render supabase-walg' prints",
                    )
                    .about(CLAUSE),
                );
                continue;
            };
            self.environment(name, service);
            self.one_shot(name, service);
        }
        let mut clients: BTreeSet<&String> = self.roles.receivers.iter().collect();
        clients.extend([backup, restore]);
        for name in clients {
            if let Some(service) = self.project.services.get(name) {
                self.reaches_database(name, service);
            }
        }
        for name in &self.roles.receivers {
            let Some(service) = self.project.services.get(name) else { continue };
            self.environment(name, service);
        }
        self.deletions();
    }

    fn variable(&self, service: &Service, name: &str) -> Env {
        if service.environment.contains_key(name) {
            return Env::Said;
        }
        let mut unread = None;
        for file in &service.env_files {
            match self.expected.env_files.get(file) {
                Some(names) if names.contains(name) => return Env::Said,
                Some(_) => {}
                None => unread = Some(file.clone()),
            }
        }
        unread.map_or(Env::Missing, Env::Unread)
    }

    fn environment(&mut self, name: &str, service: &Service) {
        let (mut missing, mut unread) = (Vec::new(), BTreeSet::new());
        for wanted in &self.expected.required_env {
            match self.variable(service, wanted) {
                Env::Said => {}
                Env::Missing => missing.push(wanted.as_str()),
                Env::Unread(file) => {
                    unread.insert(file);
                }
            }
        }
        if !missing.is_empty() {
            self.add(
                Finding::new(
                    "compose-walg-env-missing",
                    Severity::Error,
                    place(name, "environment"),
                    format!("neither its environment nor its env files have {}", missing.join(", ")),
                    "name the app's env file under 'env_file'",
                )
                .about(CLAUSE),
            );
        }
        for file in unread {
            self.leave(CLAUSE, format!("service {name} takes variables from {file}, which was not read"));
        }
    }

    /// It works once when it is asked to, and then stays down.
    fn one_shot(&mut self, name: &str, service: &Service) {
        let restores = *name == self.expected.restore_service;
        if service.restart.as_deref().is_some_and(|restart| restart != "no" && restart != "none") {
            self.add(
                Finding::new(
                    "compose-one-shot-restarts",
                    Severity::Error,
                    place(name, "restart"),
                    "Docker would start it again as soon as it is done",
                    "remove 'restart'; it is run by 'docker compose run --rm'",
                )
                .about(CLAUSE),
            );
        }
        if service.profiles.is_empty() {
            self.add(
                Finding::new(
                    "compose-one-shot-starts-with-up",
                    if restores { Severity::Error } else { Severity::Warning },
                    place(name, "profiles"),
                    "'docker compose up' starts it with everything else",
                    "give it a profile; 'docker compose run' needs none to be named",
                )
                .about(CLAUSE),
            );
        }
        if restores && (service.run_texts().any(removes) || removes(&service.run_text())) {
            self.add(
                Finding::new(
                    "compose-restore-removes-data",
                    Severity::Error,
                    place(name, "command"),
                    "it removes files before it has fetched any: when the fetch fails there is nothing left",
                    "fetch into a new directory beside the live one, and let the restore put it in place",
                )
                .about(CLAUSE),
            );
        }
    }

    fn reaches_database(&mut self, name: &str, service: &Service) {
        let Some((database, server)) = self.database() else { return };
        let same_stack = self.project.namespace(name).members.contains(database);
        let shared: BTreeSet<String> = {
            let theirs = self.project.networks_of(database);
            let ours = self.project.networks_of(name).into_iter();
            ours.filter(|at| theirs.iter().any(|their| their.identity == at.identity))
                .map(|at| at.key)
                .collect()
        };
        let host = service.environment.get("PGHOST").map(Option::as_ref);
        let Some(host) = host else {
            match self.variable(service, "PGHOST") {
                Env::Said => {}
                Env::Missing => self.add(
                    Finding::new(
                        "compose-pghost-missing",
                        Severity::Error,
                        place(name, "environment"),
                        "without PGHOST it asks for a server in its own container, where there is none",
                        format!("set PGHOST to {database}"),
                    )
                    .about(CLAUSE),
                ),
                Env::Unread(file) => {
                    self.leave(
                        CLAUSE,
                        format!("whether service {name} has PGHOST depends on {file}, which was not read"),
                    );
                }
            }
            return;
        };
        let Some(host) = host.map(Value::reveal).filter(|host| !is_interpolated(host)) else {
            self.leave(CLAUSE, format!("the PGHOST of service {name} depends on a variable: write the database's service name out"));
            return;
        };
        let aliases = || {
            let networks = server.networks.iter().flatten();
            networks.filter(|(key, _)| shared.contains(*key)).flat_map(|(_, aliases)| aliases)
        };
        let is_server = host == database
            || server.container_name.as_deref() == Some(host)
            || server.hostname.as_deref() == Some(host)
            || aliases().any(|alias| alias == host);
        let loopback = matches!(host, "localhost" | "127.0.0.1" | "::1");
        let (wrong, unreachable) = match host {
            _ if loopback => (!same_stack, false),
            // A directory with the server's socket; whether it is the same one is seen at the mounts.
            _ if host.starts_with('/') => (!self.project.shares_directory(name, database, host), false),
            _ => (!is_server, is_server && !same_stack && shared.is_empty()),
        };
        if wrong {
            self.add(
                Finding::new(
                    "compose-pghost-not-database",
                    Severity::Error,
                    place(name, "environment"),
                    format!("its PGHOST is not the database's service {database}: it would back up another server, or none"),
                    format!("set PGHOST to {database}"),
                )
                .about(CLAUSE),
            );
        }
        if unreachable {
            self.add(
                Finding::new(
                    "compose-walg-cannot-reach-database",
                    Severity::Error,
                    place(name, "networks"),
                    format!("it is on no network with the database's service {database}"),
                    "put it on one of the database's networks",
                )
                .about(CLAUSE),
            );
        }
    }

    /// What of the backups is kept is decided in one place, with evidence and locks in view.
    fn deletions(&mut self) {
        for (name, service) in &self.project.services {
            let labels = service.labels.values().map(Value::reveal);
            if service.run_texts().chain(labels).any(deletes_backups) || deletes_backups(&service.run_text())
            {
                self.add(
                    Finding::new(
                        "compose-backups-deleted-elsewhere",
                        Severity::Error,
                        place(name, "command"),
                        "it deletes backups by a rule of its own, which knows neither evidence nor pins nor locks",
                        "leave deletions to 'si-backup retention apply'",
                    )
                    .about(ClauseId::Retention),
                );
            }
        }
    }
}

/// The words of a text, whatever of a shell's punctuation is between them.
fn tokens(text: &str) -> Vec<&str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')' | '"' | '\'' | '`'))
        .filter(|token| !token.is_empty())
        .collect()
}

fn removes(text: &str) -> bool {
    let tokens = tokens(text);
    tokens.windows(2).any(|pair| {
        let recursive = |flags: &str| {
            flags == "--recursive"
                || (flags.starts_with('-') && !flags.starts_with("--") && flags.contains(['r', 'R']))
        };
        (pair[0] == "rm" || pair[0].ends_with("/rm")) && recursive(pair[1])
    }) || (tokens.contains(&"find") && tokens.contains(&"-delete"))
}

fn deletes_backups(text: &str) -> bool {
    let tokens = tokens(text);
    let is_engine =
        |token: &str| token.rsplit('/').next().is_some_and(|program| matches!(program, "wal-g" | "walrus"));
    // Between the engine and its verb there may be global options with a value.
    tokens
        .iter()
        .enumerate()
        .any(|(at, token)| is_engine(token) && tokens[at + 1..].iter().take(4).any(|word| *word == "delete"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harm_is_seen_however_it_is_written() {
        for text in [
            "rm -rf /x",
            "cd / && rm -fr \"$PGDATA\"/*",
            "/bin/rm --recursive x",
            "find /x -mindepth 1 -delete",
            "set -e;rm -R x",
        ] {
            assert!(removes(text), "{text}");
        }
        for text in ["rm -f /x/postmaster.pid", "perform -r", "echo farm -r"] {
            assert!(!removes(text), "{text}");
        }
        for text in [
            "wal-g delete retain FULL 14 --confirm",
            "/usr/bin/wal-g --config /x delete everything",
            "a && walrus delete before x",
        ] {
            assert!(deletes_backups(text), "{text}");
        }
        for text in ["wal-g backup-push /x", "echo delete"] {
            assert!(!deletes_backups(text), "{text}");
        }
    }
}
