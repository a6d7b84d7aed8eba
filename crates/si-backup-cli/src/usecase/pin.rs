use crate::args::{PinArgs, UnpinArgs};
use crate::report::row;
use crate::shelf::reference;
use crate::view::{self, PinRow};
use crate::{CliError, Report, Session, Shelf};
use backup_contract::Snapshot;
use backup_store::Store;
use chrono::{DateTime, Utc};
use restore_guard::{ActOutcome, Action, PinAction, PinRecord, Pins};

/// Keeps a snapshot, whatever the retention says.
pub(super) fn pin(session: &Session<'_>, args: &PinArgs) -> Result<Report, CliError> {
    if args.reason.trim().is_empty() {
        return Err(CliError::usage(
            "a pin needs a reason",
            "say why with --reason, for whoever wonders later",
        ));
    }
    if args.until.is_some_and(|until| until <= session.now()) {
        return Err(CliError::usage("'--until' is in the past", "name a time to come, or leave it out"));
    }
    let store = session.open_store()?;
    let shelf = Shelf::read(session, &*store)?;
    let snapshot = shelf.resolve(&args.id)?;
    let row = write(session, &*store, snapshot, PinAction::Pin, &args.reason, args.until)?;
    let until = args
        .until
        .map_or_else(|| "until it is unpinned".into(), |until| format!("until {}", view::time(until)));
    Ok(Report::new("backup pin", vec![row], format!("pinned {} {until}\n", reference(snapshot))))
}

/// Takes a pin back.
pub(super) fn unpin(session: &Session<'_>, args: &UnpinArgs) -> Result<Report, CliError> {
    let store = session.open_store()?;
    let shelf = Shelf::read(session, &*store)?;
    let snapshot = shelf.resolve(&args.id)?;
    if !shelf.is_pinned(snapshot) {
        let text = format!("{} is not pinned\n", reference(snapshot));
        return Ok(Report::new("backup unpin", Vec::new(), text));
    }
    let row = write(session, &*store, snapshot, PinAction::Unpin, "", None)?;
    Ok(Report::new("backup unpin", vec![row], format!("unpinned {}\n", reference(snapshot))))
}

fn write(
    session: &Session<'_>,
    store: &dyn Store,
    snapshot: &Snapshot,
    action: PinAction,
    reason: &str,
    until: Option<DateTime<Utc>>,
) -> Result<serde_json::Value, CliError> {
    let (word, pinned) = match action {
        PinAction::Pin => (Action::Pin, true),
        PinAction::Unpin => (Action::Unpin, false),
    };
    // Before the act: whoever reads the trail must be able to trust that nothing was done in silence.
    let entry =
        session.event(word, ActOutcome::Announced).snapshot(reference(snapshot)).detail("reason", reason);
    session.record(&entry, Some(store))?;
    let record = PinRecord {
        action,
        reason: reason.to_owned(),
        until,
        operator: session.operator(),
        at: session.now(),
    };
    let key = Pins::new(store, &session.context).write(&reference(snapshot), &record)?;
    Ok(row(&PinRow {
        id: snapshot.id.clone(),
        subject: snapshot.subject.clone(),
        pinned,
        reason: reason.to_owned(),
        until,
        record: key.to_string(),
    }))
}
