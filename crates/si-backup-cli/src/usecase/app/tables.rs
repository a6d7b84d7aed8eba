//! How many rows the tables of a restored copy have, as its statistics say, beside those of the rehearsal before.

use crate::{AppShelf, view};
use backup_contract::Level;
use restore_guard::Evidence;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use walg_driver::scratch::TableEstimate;

/// How many tables are named; the rest are counted.
const NAMED: usize = 5;
/// What a table had at least before its shrinking is told: statistics of small tables say little.
const TOLD_FROM: u64 = 100;

/// Under which names evidence tells of them.
const RESTORE: &str = "restore";
const TABLES: &str = "tables";

/// Tables by database and name, with their rows where statistics were kept.
type Tables = BTreeMap<(String, String), Option<u64>>;

/// As evidence tells of them.
pub(super) fn told(tables: &[TableEstimate]) -> Value {
    let one = |table: &TableEstimate| json!({ "database": table.database, "table": table.table, "rows": table.rows });
    tables.iter().map(one).collect()
}

/// What became of the tables since the newest rehearsal that passed, in a line; nothing where all are there, and none has lost
/// more than half of its rows. An application may have meant that, and so it is no failure.
pub(super) fn since_last(shelf: &AppShelf, now: &[TableEstimate]) -> Option<String> {
    let is_rehearsal = |evidence: &&Evidence| evidence.passed() && evidence.record().level == Level::Restore;
    let previous = shelf
        .evidence
        .iter()
        .filter(is_rehearsal)
        .max_by_key(|evidence| evidence.record().finished_at)?
        .record();
    let now = now.iter().map(|table| ((table.database.clone(), table.table.clone()), table.rows)).collect();
    let lost = lost(&before(&previous.details)?, &now);
    if lost.is_empty() {
        return None;
    }
    let named = lost.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = lost.len().saturating_sub(NAMED);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!("since the rehearsal of {}: {named}{more}", view::time(previous.finished_at)))
}

fn before(details: &Map<String, Value>) -> Option<Tables> {
    let tables = details.get(RESTORE)?.get(TABLES)?.as_array()?;
    let one = |table: &Value| {
        let text = |name: &str| Some(table.get(name)?.as_str()?.to_owned());
        Some(((text("database")?, text("table")?), table.get("rows").and_then(Value::as_u64)))
    };
    Some(tables.iter().filter_map(one).collect())
}

/// The tables that are gone, and those that lost more than half of their rows, in words.
fn lost(before: &Tables, now: &Tables) -> Vec<String> {
    let of = |((database, table), rows): (&(String, String), &Option<u64>)| {
        let had = rows.filter(|rows| *rows >= TOLD_FROM);
        match (now.get(&(database.clone(), table.clone())), had) {
            (None, _) => Some(format!("{database}.{table} is gone")),
            (Some(Some(has)), Some(had)) if *has < had / 2 => {
                Some(format!("{database}.{table} has about {has} rows and had {had}"))
            }
            _ => None,
        }
    };
    before.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(rows: &[(&str, Option<u64>)]) -> Tables {
        rows.iter().map(|(name, rows)| (("shop".to_owned(), (*name).to_owned()), *rows)).collect()
    }

    #[test]
    fn what_is_gone_or_half_empty_is_told_and_nothing_else() {
        let before = tables(&[
            ("public.a", Some(1_000)),
            ("public.b", Some(1_000)),
            ("public.c", Some(1_000)),
            ("public.d", Some(99)),
            ("public.e", None),
            ("public.f", Some(1_000)),
            ("public.g", None),
        ]);
        let now = tables(&[
            ("public.a", Some(500)),
            ("public.b", Some(499)),
            ("public.d", Some(0)),
            ("public.e", Some(3)),
            ("public.f", None),
            ("public.new", Some(1)),
        ]);
        assert_eq!(
            lost(&before, &now),
            [
                "shop.public.b has about 499 rows and had 1000",
                "shop.public.c is gone",
                "shop.public.g is gone"
            ]
        );
        assert!(lost(&before, &before).is_empty());
    }
}
