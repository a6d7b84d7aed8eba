use super::{Judge, place};
use crate::compose::model::Service;
use crate::compose::server::milliseconds;
use crate::compose::value::is_interpolated;
use crate::{ClauseId, Finding, Severity};

const CLAUSE: ClauseId = ClauseId::AppContract;

/// The longest that committed data may stay on the host alone, in milliseconds: 5 minutes.
const LONGEST_GAP: u64 = 300_000;

/// WAL leaves the host: pushed by the server, once, or received by a service. A base backup without it restores nothing.
impl Judge<'_> {
    pub(super) fn archive(&mut self) {
        let Some((name, server)) = self.database() else { return };
        if let Some(level) = server.server_setting("wal_level").filter(|level| level == "minimal") {
            self.add(archive(Finding::new(
                "compose-wal-level-minimal",
                Severity::Error,
                place(name, "command"),
                format!("wal_level={level} leaves out what a restore needs"),
                "set wal_level to replica or logical",
            )));
        }
        let receivers = self.roles.receivers.len();
        let pushes = self.pushes(name, server);
        if pushes.unwrap_or(0) + receivers > 1 {
            // Two pushes of one server share a note of what is done, and each skips what the other has pushed.
            let lose = pushes.unwrap_or(0) > 1;
            self.add(archive(Finding::new(
                "compose-two-archivers",
                if lose { Severity::Error } else { Severity::Warning },
                place(name, "command"),
                "WAL is taken away in more than one way: two pushes lose segments, a push and a receiver do the work twice",
                "keep one of them",
            )));
        }
        if receivers > 0 {
            self.slot_limit(name, server);
        }
        if receivers > 0 || pushes.is_some() {
            self.timely(name, server);
        }
    }

    /// How many times the server pushes each segment, where its command line tells.
    fn pushes(&mut self, name: &str, server: &Service) -> Option<usize> {
        let received = !self.roles.receivers.is_empty();
        let mode = server.server_setting("archive_mode");
        let off = mode.as_deref() == Some("off");
        if off && !received {
            self.add(archive(Finding::new(
                "compose-archive-off",
                Severity::Error,
                place(name, "command"),
                "archive_mode=off, and no service receives WAL: a base backup alone cannot be restored",
                "set archive_mode=on and an archive_command, or add a receiver",
            )));
        }
        if off {
            return None;
        }
        let unseen = |what: &str| {
            format!(
                "{what} of service {name} is not on its command line: the settings of the running server decide"
            )
        };
        let Some(command) =
            server.server_setting("archive_command").filter(|command| !is_interpolated(command))
        else {
            if !received {
                self.leave(CLAUSE, unseen("archive_command"));
            }
            return None;
        };
        if mode.is_none() && !received {
            self.leave(CLAUSE, unseen("archive_mode"));
        }
        let pushes = command.matches("wal-push").count();
        if pushes == 0 && !received {
            self.add(archive(Finding::new(
                "compose-archive-not-walg",
                Severity::Error,
                place(name, "command"),
                "archive_command does not push to the backup's bucket: WAL that is not there cannot be restored",
                "set it to 'wal-g wal-push %p'",
            )));
            return None;
        }
        Some(pushes)
    }

    /// A quiet server does not fill a segment until it is told to; before that it pushes none, and a receiver uploads none.
    fn timely(&mut self, name: &str, server: &Service) {
        let Some(timeout) = server.server_setting("archive_timeout") else {
            self.leave(
                CLAUSE,
                format!("archive_timeout of service {name} is not on its command line: the settings of the running server decide"),
            );
            return;
        };
        match milliseconds(&timeout, 1000) {
            Some(1..=LONGEST_GAP) => {}
            None if is_interpolated(&timeout) => {
                self.leave(CLAUSE, format!("archive_timeout of service {name} depends on a variable"));
            }
            _ => self.add(archive(Finding::new(
                "compose-archive-timeout",
                Severity::Error,
                place(name, "command"),
                "archive_timeout is not between 1 second and 5 minutes: on a quiet server more than that is lost with the host",
                "set archive_timeout=60",
            ))),
        }
    }

    /// A slot whose receiver is dead keeps WAL until the disk is full, unless it is told when to stop.
    fn slot_limit(&mut self, name: &str, server: &Service) {
        let limit = server.server_setting("max_slot_wal_keep_size");
        let unbounded = limit.as_deref().is_some_and(|limit| limit.trim_matches('\'').starts_with('-'));
        if unbounded {
            self.add(archive(Finding::new(
                "compose-slot-unbounded",
                Severity::Error,
                place(name, "command"),
                "max_slot_wal_keep_size is unlimited: a dead receiver fills the disk, and the database stops",
                "set it to what the disk can spare, such as 10GB",
            )));
        }
        // A receiver that asks the server for the limit and does not start without one is as good.
        let asks = self.project.services.iter().any(|(name, service)| {
            self.roles.receivers.contains(name)
                && service.run_texts().any(|text| text.contains("max_slot_wal_keep_size"))
        });
        if limit.is_none_or(|limit| is_interpolated(&limit)) && !asks {
            self.leave(
                CLAUSE,
                format!("max_slot_wal_keep_size of service {name} is not on its command line: the settings of the running server decide"),
            );
        }
    }
}

fn archive(finding: Finding) -> Finding {
    finding.about(CLAUSE)
}
