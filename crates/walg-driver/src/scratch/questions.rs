//! What is asked of a scratch server that was promoted.

use super::collation::Otherwise;
use super::psql::Psql;
use super::run::Runner;
use super::{AppCheck, Programs, TableEstimate};
use crate::Result;
use crate::wal::{Lsn, Timeline};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::path::Path;

/// The database that every cluster has.
const MAINTENANCE: &str = "template1";
/// Of how many tables of a database the rows are told, the largest first.
const TABLES: usize = 500;

/// An answer: whether it was the expected one, and in words.
pub(super) type Said = (bool, String);

/// What a promoted server says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Identity {
    pub(super) version: String,
    /// The segment that is written now: its first eight digits are the new timeline.
    segment: String,
    newest_commit: Option<DateTime<Utc>>,
}

impl Identity {
    pub(super) fn ask(psql: &Psql<'_>) -> Result<std::result::Result<Self, String>> {
        psql.json(
            MAINTENANCE,
            "SELECT json_build_object('version', current_setting('server_version'),
                'segment', pg_walfile_name(pg_current_wal_insert_lsn()),
                'newest_commit', pg_last_xact_replay_timestamp());",
        )
    }

    pub(super) fn timeline(&self) -> Option<Timeline> {
        u32::from_str_radix(self.segment.get(..8)?, 16).ok().map(Timeline)
    }

    pub(super) const fn newest_commit(&self) -> Option<DateTime<Utc>> {
        self.newest_commit
    }
}

/// Where the recovery ended: where the new timeline left the old one.
pub(super) fn reached(data: &Path, timeline: Timeline) -> Option<Lsn> {
    let text = std::fs::read_to_string(data.join(format!("pg_wal/{timeline}.history"))).ok()?;
    let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
    last.split_whitespace().nth(1)?.parse().ok()
}

/// The databases that take connections.
pub(super) fn databases(psql: &Psql<'_>) -> Result<std::result::Result<Vec<String>, String>> {
    psql.json(
        MAINTENANCE,
        "SELECT coalesce(json_agg(datname ORDER BY datname), '[]') FROM pg_database WHERE datallowconn;",
    )
}

/// Connects to each database and reads its catalogue; and how many rows each table has, as its statistics say.
pub(super) fn connect_to_all(
    psql: &Psql<'_>,
    databases: &[String],
    tables: &mut Vec<TableEstimate>,
) -> Result<Said> {
    #[derive(Deserialize)]
    struct Row {
        name: String,
        rows: i64,
    }
    let mut faults = Vec::new();
    for database in databases {
        let query = format!(
            "SELECT coalesce(json_agg(t), '[]') FROM (
               SELECT n.nspname || '.' || c.relname AS name, c.reltuples::bigint AS rows
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
               ORDER BY c.relpages DESC, 1 LIMIT {TABLES}) t;"
        );
        match psql.json::<Vec<Row>>(database, &query)? {
            Ok(rows) => tables.extend(rows.into_iter().map(|row| TableEstimate {
                database: database.clone(),
                table: row.name,
                rows: u64::try_from(row.rows).ok(),
            })),
            Err(why) => faults.push(format!("{database:?}: {why}")),
        }
    }
    Ok(match faults.as_slice() {
        [] => (true, format!("{} databases take connections", databases.len())),
        _ => (false, faults.join("; ")),
    })
}

/// Asks what an app wants to be asked: the answer has to be one row, which is true.
pub(super) fn app(psql: &Psql<'_>, check: &AppCheck) -> Result<Said> {
    Ok(match psql.ask_foreign(&check.database, &check.sql)? {
        Ok(answer) => match answer.trim_end_matches('\n') {
            "t" | "true" => (true, "true".into()),
            "" => (false, "it returned no row".into()),
            other => {
                let rows = other.lines().count();
                // What the row holds may be anything of the app's data.
                (
                    false,
                    if rows == 1 {
                        "it returned one row that is not true".into()
                    } else {
                        format!("it returned {rows} rows")
                    },
                )
            }
        },
        Err(why) => (false, why),
    })
}

/// What a program says that lacks something on this host, or a right, and so has not looked.
const OF_THE_HOST: [&str; 3] = ["could not access file", "permission denied", "could not load library"];

/// Looks at every index and table with `amcheck`, and for every row of each table in its indexes: a block that is older than it
/// should be is sound by itself. Where text is sorted
/// otherwise than where the backup was made, its indexes are left out: their order is right there alone.
pub(super) fn amcheck(
    psql: &Psql<'_>,
    reader: &Runner<'_>,
    programs: &Programs,
    otherwise: &Otherwise,
) -> Result<Said> {
    let Some(program) = programs.optional("pg_amcheck") else {
        return Ok((true, "not-available: there is no pg_amcheck beside the server".into()));
    };
    let query = "SELECT json_build_array(count(*)) FROM pg_available_extensions WHERE name = 'amcheck';";
    if psql.json::<[u64; 1]>(MAINTENANCE, query)? == Ok([0]) {
        return Ok((true, "not-available: the extension amcheck is not installed here".into()));
    }
    // Whoever made the cluster: a role that is given backups alone can install nothing, and that says nothing of them.
    let owner = "SELECT json_build_array(rolname) FROM pg_roles WHERE oid = 10;";
    let owner = match psql.json::<[String; 1]>(MAINTENANCE, owner)? {
        Ok([owner]) => owner,
        Err(why) => return Ok((true, format!("not-available: who made the cluster is not told: {why}"))),
    };
    let host = psql.sockets.display().to_string();
    let mut args =
        vec!["--all", "--install-missing", "--heapallindexed", "-p", "5432", "-h", &host, "-U", &owner];
    let left_out = otherwise.arguments();
    args.extend(left_out.iter().map(String::as_str));
    let said = reader.run(&program, args, "")?;
    Ok(match (said, otherwise.told()) {
        (said, Some(told)) if said.is_ok => (
            true,
            format!(
                "every table and B-tree of every database is sound, but for what was not looked at: {told}"
            ),
        ),
        (said, None) if said.is_ok => (true, "every table and B-tree of every database is sound".into()),
        (said, _) if OF_THE_HOST.iter().any(|of_the_host| said.why.contains(of_the_host)) => {
            (true, format!("not-available: {}", said.why))
        }
        (said, _) => (false, said.why),
    })
}

/// Compares every block of the stopped copy with its checksum.
pub(super) fn checksums(reader: &Runner<'_>, programs: &Programs, data: &Path) -> Result<Said> {
    let Some(program) = programs.optional("pg_checksums") else {
        return Ok((true, "not-available: there is no pg_checksums beside the server".into()));
    };
    let said = reader.run(&program, ["--check".as_ref(), "-D".as_ref(), data.as_os_str()], "")?;
    Ok(if said.is_ok { (true, "every block has its checksum".into()) } else { (false, said.why) })
}
