use crate::args::DiffArgs;
use crate::report::row;
use crate::shelf::reference;
use crate::view::{DiffKeyRow, DiffRow};
use crate::{CliError, Report, Session, Shelf, metered};
use backup_contract::Snapshot;
use paas_state::{Difference, Identities, Inventory, Manifest, OptionalTree, Patience, Side, is_store};
use std::fmt::Write;

/// Compares a snapshot with another, or with the live state: files, keys and releases, never values.
pub(super) fn diff(session: &Session<'_>, args: &DiffArgs) -> Result<Report, CliError> {
    let store = session.open_store()?;
    let identities = session.identities()?.ok_or_else(|| session.no_identity(None))?;
    let shelf = Shelf::read(session, &*store)?;
    let first = shelf.resolve(&args.id)?;
    let (manifest, was) = side_of(session, &shelf, first, &identities)?;
    let (name, is) = if args.other == "live" {
        ("the live state".to_owned(), live(session, &manifest.with)?)
    } else {
        let other = shelf.resolve(&args.other)?;
        (reference(other).to_string(), side_of(session, &shelf, other, &identities)?.1)
    };
    let rows: Vec<_> = was.compare(&is).iter().map(diff_row).collect();
    let mut text = format!("from {} to {name}:\n", reference(first));
    if rows.is_empty() {
        text = format!("{} and {name} hold the same\n", reference(first));
    }
    for row in &rows {
        let _ = writeln!(text, "{:<8} {}", row.change, row.path);
        for key in &row.keys {
            let release = match (&key.release_was, &key.release_is) {
                (Some(was), Some(is)) => format!(": release {was} -> {is}"),
                _ => String::new(),
            };
            let _ = writeln!(text, "         {:<8} {}{release}", key.change, key.pointer);
        }
    }
    Ok(Report::new("backup diff", rows.iter().map(row).collect(), text))
}

fn side_of(
    session: &Session<'_>,
    shelf: &Shelf<'_>,
    snapshot: &Snapshot,
    identities: &Identities,
) -> Result<(Manifest, Side), CliError> {
    let bundle = shelf.bundle(snapshot)?;
    let (mode, interrupts) = (session.progress(), &session.world.interrupts);
    let (verified, stores) = metered(mode, "reading", 0, interrupts, None, |meter| {
        bundle.read_files(identities, &is_store, meter)
    })?;
    let side = Side::of_snapshot(verified.manifest(), &stores);
    Ok((verified.into_manifest(), side))
}

fn live(session: &Session<'_>, with: &[OptionalTree]) -> Result<Side, CliError> {
    let context = session.open_context()?;
    let total = Inventory::take(&context, with)?.bytes_taken();
    let (mode, interrupts) = (session.progress(), &session.world.interrupts);
    Ok(metered(mode, "reading", total, interrupts, None, |meter| {
        Side::of_live(&context, with, &*session.world.clock, &Patience::default(), meter)
    })?)
}

fn diff_row(difference: &Difference) -> DiffRow {
    DiffRow {
        path: difference.path.to_string(),
        change: difference.change.into(),
        keys: difference
            .keys
            .iter()
            .map(|key| DiffKeyRow {
                pointer: key.pointer.clone(),
                change: key.change.into(),
                release_was: key.release.as_ref().map(|(was, _)| was.clone()),
                release_is: key.release.as_ref().map(|(_, is)| is.clone()),
            })
            .collect(),
    }
}
