//! Whether text is sorted here as it was where the backup was made.

use super::psql::Psql;
use crate::Result;
use serde::Deserialize;

/// Above how many indexes they are not named to `pg_amcheck` one by one.
const MOST_NAMED: usize = 1000;

/// The indexes of a database that were sorted otherwise than they would be here.
#[derive(Debug, Deserialize)]
struct Found {
    /// Quoted, and with the names of database and schema.
    indexes: Vec<String>,
    /// By what, and what is here instead.
    why: Option<String>,
}

/// Databases record the version of their own collation since 15. Before, what the C library's other collations record stands
/// in for it: they come from one library. A collation that no index uses says nothing.
const QUERY: &str = "SELECT current_setting('server_version_num')::int >= 150000 AS is_recorded \\gset
WITH changed AS (
  SELECT oid, quote_ident(collname) || ' ' || collversion || ', here ' || pg_collation_actual_version(oid) AS what
  FROM pg_collation WHERE collversion <> pg_collation_actual_version(oid)
  UNION ALL
\\if :is_recorded
  SELECT 100, 'the default ' || datcollversion || ', here ' || pg_database_collation_actual_version(oid)
  FROM pg_database WHERE datname = current_database() AND datcollversion <> pg_database_collation_actual_version(oid)
\\else
  SELECT 100, 'the default ' || min(c.collversion) || ', here ' || min(pg_collation_actual_version(c.oid))
  FROM pg_database d, pg_collation c
  WHERE datname = current_database() AND datcollate NOT IN ('C', 'POSIX') AND c.collprovider = 'c'
    AND c.collversion <> pg_collation_actual_version(c.oid)
  HAVING count(*) > 0
\\endif
), touched AS (
  SELECT i.indexrelid, min(changed.what) AS what
  FROM pg_index i, unnest(i.indcollation::oid[]) AS used JOIN changed ON changed.oid = used
  GROUP BY 1
)
SELECT json_build_object(
  'indexes', coalesce(json_agg(concat_ws('.', quote_ident(current_database()), quote_ident(n.nspname),
                                         quote_ident(c.relname)) ORDER BY n.nspname, c.relname), '[]'),
  'why', min(touched.what))
FROM touched JOIN pg_class c ON c.oid = touched.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace;";

/// What is sorted otherwise here. An index of it that is sound where it was made is out of order here, which says nothing of
/// the backup.
#[derive(Debug, Default)]
pub(super) struct Otherwise {
    /// The indexes.
    pub(super) indexes: Vec<String>,
    /// By what, in words.
    pub(super) why: String,
}

impl Otherwise {
    /// Asks each database.
    pub(super) fn ask(psql: &Psql<'_>, databases: &[String]) -> Result<Self> {
        let mut all = Self::default();
        for database in databases {
            // What cannot be told is not left out either: a failed check is looked into.
            if let Ok(Found { indexes, why: Some(why) }) = psql.json::<Found>(database, QUERY)? {
                all.indexes.extend(indexes);
                all.why = why;
            }
        }
        Ok(all)
    }

    /// What `pg_amcheck` has to be told so that it leaves them out.
    pub(super) fn arguments(&self) -> Vec<String> {
        if self.indexes.len() > MOST_NAMED {
            return vec!["--no-dependent-indexes".into()];
        }
        self.indexes.iter().map(|index| format!("--exclude-index={index}")).collect()
    }

    /// What was left out; none where nothing was.
    pub(super) fn told(&self) -> Option<String> {
        let few = match self.indexes.len() {
            0 => return None,
            1 => self.indexes.concat(),
            count => format!("{count} indexes"),
        };
        Some(format!("{few}: text is sorted otherwise here ({})", self.why))
    }
}
