use super::{Judge, place};
use crate::compose::PGDATA;
use crate::compose::model::Service;
use crate::compose::spot::{Seen, Spot};
use crate::compose::syntax::tidy;
use crate::compose::value::is_interpolated;
use crate::{ClauseId, Finding, Severity};

const CLAUSE: ClauseId = ClauseId::AppContract;

/// The key without which Supabase Vault cannot be read, even in a restored database.
const PGSODIUM_KEY: &str = "/etc/postgresql-custom/pgsodium_root.key";

/// The data directory is kept, the backup reads that one, and a restore has room beside it.
impl Judge<'_> {
    pub(super) fn data(&mut self) {
        self.stays_up();
        let Some((name, server)) = self.database() else {
            self.leave(
                CLAUSE,
                "no telling which service is the database: neither image nor name say so, or several do",
            );
            return;
        };
        self.pgsodium(name, server);
        let directory = server.variable("PGDATA").unwrap_or(PGDATA);
        if is_interpolated(directory) || server.environment.get("PGDATA").is_some_and(Option::is_none) {
            self.leave(CLAUSE, format!("the PGDATA of service {name} depends on a variable: write it out"));
            return;
        }
        let directory = tidy(directory);
        let Some(data) = self.project.spot(name, &directory) else {
            self.add(
                Finding::new(
                    "compose-database-data-not-kept",
                    Severity::Error,
                    place(name, "volumes"),
                    format!("nothing that outlives the container is mounted at {directory}"),
                    "mount a directory of the host there",
                )
                .about(CLAUSE),
            );
            return;
        };
        if self.project.services.contains_key(&self.expected.backup_service) {
            self.backup_reads(&data, &directory);
        }
        let Some(parent) = data.parent() else {
            self.add(
                Finding::new(
                    "compose-data-parent-unreachable",
                    Severity::Error,
                    place(name, "volumes"),
                    "the data directory is the root of a volume: a restore has no place beside it, and would have to empty it first",
                    "mount a directory of the host, or mount the volume one level higher and set PGDATA below it",
                )
                .about(CLAUSE),
            );
            return;
        };
        if self.project.services.contains_key(&self.expected.restore_service) {
            self.restore_writes(&data, &parent);
        }
    }

    /// Receivers and servers come back after a restart of the host.
    fn stays_up(&mut self) {
        let database = self.roles.database.iter();
        for name in database.chain(&self.roles.databasus).chain(&self.roles.receivers) {
            let Some(service) = self.project.services.get(name) else { continue };
            let restarts = match service.restart.as_deref() {
                None | Some("no" | "none" | "") => false,
                Some(restart) if is_interpolated(restart) => {
                    self.leave(CLAUSE, format!("the restart policy of service {name} depends on a variable"));
                    true
                }
                Some(_) => true,
            };
            if !restarts {
                self.add(
                    Finding::new(
                        "compose-restart-missing",
                        if self.roles.receivers.contains(name) { Severity::Error } else { Severity::Warning },
                        place(name, "restart"),
                        "it stays down after a restart of the host or a fault of its own",
                        "set 'restart: unless-stopped'",
                    )
                    .about(CLAUSE),
                );
            }
        }
    }

    fn pgsodium(&mut self, name: &str, server: &Service) {
        let is_supabase = server.image.as_deref().is_some_and(|image| image.contains("supabase/postgres"));
        if is_supabase && self.project.spot(name, PGSODIUM_KEY).is_none() {
            self.add(
                Finding::new(
                    "compose-pgsodium-key-not-kept",
                    Severity::Error,
                    place(name, "volumes"),
                    "nothing that outlives the container is mounted at /etc/postgresql-custom: the next container makes another key, and the vault cannot be read",
                    "mount a named volume there, and keep a copy of pgsodium_root.key where secrets are kept",
                )
                .about(CLAUSE),
            );
        }
    }

    fn backup_reads(&mut self, data: &Spot, directory: &str) {
        let name = &self.expected.backup_service;
        match self.project.seen(name, data) {
            Seen::At(at) if at.iter().any(|(path, _)| path == directory) => {}
            Seen::At(_) => self.add(
                Finding::new(
                    "compose-backup-data-elsewhere",
                    Severity::Error,
                    place(name, "volumes"),
                    format!("it has the data directory at another path than the server, which calls it {directory}: the engine refuses that"),
                    format!("mount it at {directory}"),
                )
                .about(CLAUSE),
            ),
            Seen::Nowhere => self.add(
                Finding::new(
                    "compose-backup-data-not-mounted",
                    Severity::Error,
                    place(name, "volumes"),
                    "it does not mount the database's data directory: there is nothing to back up",
                    format!("mount what the database mounts at {directory}, read-only"),
                )
                .about(CLAUSE),
            ),
            Seen::Unknown => {
                self.leave(CLAUSE, format!("whether service {name} mounts the database's data depends on variables"));
            }
        }
    }

    fn restore_writes(&mut self, data: &Spot, parent: &Spot) {
        let name = &self.expected.restore_service;
        let has_data = matches!(self.project.seen(name, data), Seen::At(_));
        match self.project.seen(name, parent) {
            Seen::At(at) if at.iter().any(|(_, writes)| *writes) => {}
            Seen::Unknown if !has_data => {
                self.leave(
                    CLAUSE,
                    format!("whether service {name} mounts the directory above the database's data depends on variables"),
                );
            }
            _ if has_data => self.add(
                Finding::new(
                    "compose-restore-mounts-live-data",
                    Severity::Error,
                    place(name, "volumes"),
                    "of the data's place it mounts the live directory alone: a restore could only go into it",
                    "mount the directory above it, to write a new one beside the live one",
                )
                .about(CLAUSE),
            ),
            _ => self.add(
                Finding::new(
                    "compose-restore-parent-not-mounted",
                    Severity::Error,
                    place(name, "volumes"),
                    "it does not mount the directory above the database's data, or not to write: a restore could not be put in place by a rename",
                    "mount it",
                )
                .about(CLAUSE),
            ),
        }
    }
}
