use super::init;
use crate::args::{PinArgs, UnpinArgs};
use crate::report::row;
use crate::shelf::reference;
use crate::view::{self, PinRow};
use crate::{CliError, Judge, Report, Session, Shelf};
use backup_contract::{Snapshot, Subject};
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
    let store = open_own_store(session)?;
    let shelf = Shelf::read(session, &*store)?;
    let snapshot = shelf.resolve(&args.id)?;
    let (row, is_pinned) = write(session, &*store, snapshot, PinAction::Pin, &args.reason, args.until)?;
    let until = args
        .until
        .map_or_else(|| "until it is unpinned".into(), |until| format!("until {}", view::time(until)));
    let told = if is_pinned { format!("pinned {} {until}\n", reference(snapshot)) } else { String::new() };
    Ok(Report::new("backup pin", vec![row], told))
}

/// Takes a pin back.
pub(super) fn unpin(session: &Session<'_>, args: &UnpinArgs) -> Result<Report, CliError> {
    let store = open_own_store(session)?;
    let shelf = Shelf::read(session, &*store)?;
    let snapshot = shelf.resolve(&args.id)?;
    if !shelf.is_pinned(snapshot) {
        let text = format!("{} is not pinned\n", reference(snapshot));
        return Ok(Report::new("backup unpin", Vec::new(), text));
    }
    let (row, is_pinned) = write(session, &*store, snapshot, PinAction::Unpin, "", None)?;
    let told = if is_pinned { String::new() } else { format!("unpinned {}\n", reference(snapshot)) };
    Ok(Report::new("backup unpin", vec![row], told))
}

/// The store, in which this context's place is this home's: pins of another context are not to be changed.
fn open_own_store(session: &Session<'_>) -> Result<Box<dyn Store>, CliError> {
    let store = session.open_store()?;
    init::claim(session, &*store, &session.home.open_signing_key()?)?;
    Ok(store)
}

fn write(
    session: &Session<'_>,
    store: &dyn Store,
    snapshot: &Snapshot,
    action: PinAction,
    reason: &str,
    until: Option<DateTime<Utc>>,
) -> Result<(serde_json::Value, bool), CliError> {
    let (word, wanted) = match action {
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
    let pins = Pins::new(store, &session.context);
    let key = pins.write(&reference(snapshot), &record)?;
    // The newest record decides, and this one is not the newest when the clock went back.
    let pinned = pins.read(Some(&Subject::State))?.is_pinned(&reference(snapshot), session.now());
    if pinned != wanted {
        let is = if pinned { "still" } else { "not" };
        session.warn(format!(
            "{} is {is} pinned: a record of a later time outranks this one; set this host's clock and run it again",
            reference(snapshot),
        ));
    }
    let row = row(&PinRow {
        id: snapshot.id.clone(),
        subject: snapshot.subject.clone(),
        pinned,
        reason: reason.to_owned(),
        until,
        record: key.to_string(),
    });
    Ok((row, pinned))
}
