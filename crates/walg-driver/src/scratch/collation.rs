//! Whether text is sorted here as it was where the backup was made.

use super::psql::Psql;
use crate::Result;
use serde::Deserialize;

/// The version of a collation that an index was sorted by, and the one that is here.
#[derive(Debug, Deserialize)]
struct Differs {
    what: String,
    made_with: String,
    here: String,
}

/// Databases record their own version since 15, and every cluster those of the collations that it was made with: a C library
/// or an ICU that is another one differs in these, whichever are used.
const QUERY: &str = "SELECT current_setting('server_version_num')::int >= 150000 AS databases_too \\gset
SELECT coalesce(json_agg(d), '[]') FROM (
\\if :databases_too
  SELECT 'the database ' || quote_ident(datname) AS what, datcollversion AS made_with,
         pg_database_collation_actual_version(oid) AS here
  FROM pg_database
  WHERE datallowconn AND datcollversion <> pg_database_collation_actual_version(oid)
  UNION ALL
\\endif
  (SELECT 'the collation ' || quote_ident(collname), collversion, pg_collation_actual_version(oid)
   FROM pg_collation WHERE collversion <> pg_collation_actual_version(oid) ORDER BY collname LIMIT 1)
) d;";

/// What sorts otherwise here, in words; none where nothing does. An index of text that is sound where it was made is out of
/// order here then, and that says nothing of the backup.
pub(super) fn differing(psql: &Psql<'_>, database: &str) -> Result<Option<String>> {
    let differing = match psql.json::<Vec<Differs>>(database, QUERY)? {
        Ok(differing) => differing,
        Err(why) => return Ok(Some(format!("the versions of its collations are not told: {why}"))),
    };
    let told: Vec<_> = differing
        .iter()
        .map(|it| format!("{} was sorted by version {}, and here is {}", it.what, it.made_with, it.here))
        .collect();
    Ok((!told.is_empty()).then(|| told.join("; ")))
}
