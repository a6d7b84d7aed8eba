use crate::app::server::within;
use crate::report::message_of;
use crate::{AppEnvironment, AppServer, CliError, Session, view};
use chrono::{DateTime, Utc};
use std::time::Duration;
use walg_driver::process::Limits;

/// How long a server may take to answer whoever only wants to know how things are.
const PATIENCE: Duration = Duration::from_secs(20);

/// One row, its fields apart by `|`: since when a segment waits to be archived, as seconds of 1970.
const QUESTION: &str = "select pg_is_in_recovery(), current_setting('server_version'), count(*), \
    coalesce(floor(extract(epoch from min(modification)))::bigint, 0) \
    from pg_ls_archive_statusdir() where name like '%.ready';\n";

/// What an app's server says of itself and its archive now.
pub(super) enum Service {
    /// It answers.
    Running {
        /// Its version, as it writes that.
        version: String,
        is_standby: bool,
        waiting: u64,
        /// When the oldest of the segments that wait was ended.
        oldest: Option<DateTime<Utc>>,
    },
    /// It does not.
    Silent(String),
}

impl Service {
    /// Asks the server. One that does not answer is an answer too.
    pub(super) fn ask(session: &Session<'_>, app: &AppEnvironment<'_>) -> Self {
        let said = within(session, Limits::default().total(PATIENCE), |control| {
            let server = AppServer::of(session, app, None, control)?;
            // A look starts nothing: least of all a container of an image that is not there yet.
            if let Some(containers) = server.runner.containers(control)?
                && !containers.iter().any(|container| container.state == "running")
            {
                return Err(CliError::usage("no container of its project runs", "start it"));
            }
            Ok(server.runner.sql(QUESTION, control)?)
        });
        said.and_then(|row| {
            let odd = || walg_driver::Error::Sql("its answer is not what every server says".into());
            Self::of(row.trim()).ok_or_else(|| odd().into())
        })
        .unwrap_or_else(|error: CliError| Self::Silent(message_of(&error)))
    }

    fn of(row: &str) -> Option<Self> {
        let fields: Vec<&str> = row.split('|').collect();
        let [standby, version, waiting, oldest] = fields[..] else { return None };
        let (waiting, oldest) = (waiting.parse().ok()?, oldest.parse().ok()?);
        Some(Self::Running {
            version: version.to_owned(),
            is_standby: standby == "t",
            waiting,
            oldest: DateTime::from_timestamp(oldest, 0).filter(|_| waiting > 0),
        })
    }

    /// Since when what the server holds is nowhere else.
    pub(super) fn holds_alone_since(&self) -> Option<DateTime<Utc>> {
        match self {
            Self::Running { oldest, .. } => *oldest,
            Self::Silent(_) => None,
        }
    }

    /// Whether it was asked, so that nothing waits unseen to be archived.
    pub(super) const fn answers(&self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// In a line of a report.
    pub(super) fn line(&self, now: DateTime<Utc>) -> String {
        match self {
            Self::Running { version, is_standby, waiting, oldest } => {
                let standby = if *is_standby { ", a standby" } else { "" };
                let waiting = match (usize::try_from(*waiting), oldest) {
                    (Ok(waiting @ 1..), Some(oldest)) => format!(
                        "; {} to be archived, the oldest for {}",
                        view::count(waiting, "WAL segment waits", "WAL segments wait"),
                        view::span(now - *oldest)
                    ),
                    _ => String::new(),
                };
                format!("PostgreSQL {version}{standby} answers{waiting}")
            }
            Self::Silent(why) => format!("not asked: {why}"),
        }
    }
}
