use crate::judge::Judge;
use crate::place::origin_meant;
use crate::{CliError, Session};
use backup_contract::{ContextName, Level, LockState, Snapshot, SnapshotRef, Subject};
use backup_store::{LockKeeper, Store};
use chrono::{DateTime, Utc};
use paas_state::{Catalogue, Record, UnverifiedBundle};
use restore_guard::{
    Action, Ledger, OriginId, PinSet, Pins, Question, Records, Remembered, Scope, Standing, TrailEntry,
    TrailLine,
};
use std::cell::OnceCell;

/// The state snapshots of a context with what is known about them: catalogue, evidence and pins, joined by id and
/// checksum.
#[derive(Debug)]
pub struct Shelf<'a> {
    /// What there is.
    pub catalogue: Catalogue,
    /// What was proved.
    pub evidence: Records,
    /// What is kept in any case.
    pub pins: PinSet,
    has_locks: OnceCell<bool>,
    store: &'a dyn Store,
    context: ContextName,
    origin: Option<OriginId>,
    now: DateTime<Utc>,
}

impl<'a> Shelf<'a> {
    /// Reads all three.
    ///
    /// # Errors
    /// [`CliError::Store`], [`CliError::State`], [`CliError::Guard`] when the store cannot be read.
    pub fn read(session: &Session<'_>, store: &'a dyn Store) -> Result<Self, CliError> {
        Self::read_at(session, store, session.now())
    }

    /// Reads all three, to be judged as of `now`.
    ///
    /// # Errors
    /// As for [`Shelf::read`].
    pub fn read_at(
        session: &Session<'_>,
        store: &'a dyn Store,
        now: DateTime<Utc>,
    ) -> Result<Self, CliError> {
        let context = session.context.clone();
        let origin = origin_meant(session, store)?;
        let ledger = session.as_dated(Ledger::new(store, &context));
        let ledger = origin.as_ref().map_or(ledger, |origin| ledger.of_origin(origin));
        // This home's own trail alone: the copies of others can be written by whoever can write to the store.
        let trail = session.home.known_trail(&context)?.map(|trail| trail.verify()).transpose()?;
        let mut evidence = ledger.read(&Scope::Subject(Subject::State), &session.trusted()?)?;
        if let (Some(trail), Some(key)) = (&trail, session.own_key()?)
            && let Some(remembered) = Remembered::of(trail, &key, &Subject::State)
        {
            evidence = evidence.held_against(&remembered);
        }
        let mut shelf = Self {
            catalogue: Catalogue::read(store, &context)?,
            evidence,
            pins: Pins::new(store, &context).read(Some(&Subject::State))?,
            has_locks: OnceCell::new(),
            store,
            context,
            origin,
            now,
        };
        if shelf.snapshots().iter().any(|snapshot| snapshot.suspect) {
            shelf.lift_suspicion(trail.as_ref().map_or(&[], |trail| &trail.lines));
        }
        Ok(shelf)
    }

    /// A snapshot that was taken while the mutation lock was shut is as good as any other once it was verified after the
    /// lock had opened.
    fn lift_suspicion(&mut self, trail: &[TrailLine]) {
        let suspects = self.snapshots().iter().filter(|snapshot| snapshot.suspect);
        let cleared: Vec<_> = suspects
            .filter(|suspect| self.is_cleared(suspect, trail).unwrap_or_default())
            .map(|snapshot| snapshot.id.clone())
            .collect();
        for snapshot in &mut self.catalogue.snapshots {
            if cleared.contains(&snapshot.id) {
                snapshot.suspect = false;
            }
        }
    }

    /// By the order of the trail, whatever the clock said. It tells nothing of what others have taken or proved: there the time
    /// has to do.
    fn is_cleared(&self, suspect: &Snapshot, trail: &[TrailLine]) -> Option<bool> {
        let entries = || trail.iter().map(|line| &line.entry).enumerate();
        let place = |is_it: &dyn Fn(&TrailEntry) -> bool| {
            entries().filter(|(_, entry)| is_it(entry)).map(|(place, _)| place).next_back()
        };
        let taken = place(&|entry| entry.action == Action::Run && entry.id.as_ref() == Some(&suspect.id));
        let taken_at = suspect.finished_at.or(suspect.started_at)?;
        let is_later =
            |(at, entry): &(usize, &TrailEntry)| taken.map_or(entry.at >= taken_at, |taken| *at > taken);
        let opens =
            |(_, entry): &(usize, &TrailEntry)| entry.lock_change().is_some_and(|to| to != LockState::Shut);
        let (opened, opening) = entries().filter(opens).find(is_later)?;
        let standing = self.standing(suspect)?;
        let (level, proof) = standing.proved()?;
        let key = proof.key().as_str();
        let proved = place(&|entry| {
            entry.detail.get("evidence").and_then(|it| it.as_str()) == Some(key)
                && matches!(entry.action, Action::Run | Action::Verify)
        });
        let is_after = proved.map_or(proof.record().started_at >= opening.at, |proved| proved > opened);
        Some(is_after && level.covers(Level::Checksum))
    }

    /// The snapshots, oldest first.
    #[must_use]
    pub fn snapshots(&self) -> &[Snapshot] {
        &self.catalogue.snapshots
    }

    /// The snapshot that is meant by an id, by the unique beginning of one, or by `LATEST`.
    ///
    /// # Errors
    /// [`CliError::NoSnapshot`], [`CliError::Ambiguous`], [`CliError::NothingThere`].
    pub fn resolve(&self, text: &str) -> Result<&Snapshot, CliError> {
        if text == "LATEST" {
            let sound = |snapshot: &&Snapshot| {
                let failed = self.failed(snapshot).is_some_and(|(level, _)| level <= Level::Checksum);
                snapshot.restorable() && !snapshot.suspect && !failed && !self.is_foreign(snapshot)
            };
            // Where every one of them failed, the newest is still the one that is meant.
            let newest = self.snapshots().iter().rev().find(sound).or(self.catalogue.newest_restorable());
            return newest.ok_or_else(|| CliError::NothingThere {
                subject: Subject::State.to_string(),
                context: self.context.to_string(),
            });
        }
        find(self.snapshots(), &Subject::State, text)
    }

    /// The bundle of a snapshot whose record could be read.
    ///
    /// # Errors
    /// [`CliError::State`] with what is wrong with the record.
    pub fn bundle(&self, snapshot: &Snapshot) -> Result<UnverifiedBundle<'a>, CliError> {
        Ok(UnverifiedBundle::new(self.store, self.record(snapshot)?)?)
    }

    /// The record of a snapshot.
    ///
    /// # Errors
    /// As for [`Shelf::bundle`].
    pub fn record(&self, snapshot: &Snapshot) -> Result<Record, CliError> {
        match self.catalogue.records.get(&snapshot.id) {
            Some(record) => Ok(record.clone()),
            None => Ok(paas_state::read_record(self.store, &self.context, &snapshot.id)?),
        }
    }

    /// Whether a snapshot says that it is of another context of this name: somebody copied it here.
    #[must_use]
    pub fn is_foreign(&self, snapshot: &Snapshot) -> bool {
        let made_under = self.catalogue.records.get(&snapshot.id).and_then(|record| record.origin.as_deref());
        let ours = self.origin.as_ref().map(OriginId::as_str);
        made_under.is_some_and(|made_under| ours.is_some_and(|ours| ours != made_under))
    }
}

impl Judge for Shelf<'_> {
    /// How far a snapshot is proved; `None` for one without a checksum, or with an origin that is none, of which nothing
    /// can be.
    fn standing(&self, snapshot: &Snapshot) -> Option<Standing<'_>> {
        let record = self.catalogue.records.get(&snapshot.id)?;
        let made_under: Option<OriginId> = record.origin.as_deref().map(str::parse).transpose().ok()?;
        let question = Question {
            snapshot: &reference(snapshot),
            checksum: record.checksum,
            origin: made_under.as_ref(),
            now: self.now,
        };
        Some(self.evidence.standing(&question))
    }

    /// Until when an object lock holds a snapshot; none when it has run out.
    ///
    /// # Errors
    /// [`CliError::Store`], [`CliError::State`] when the store cannot be asked.
    fn locked_until(&self, snapshot: &Snapshot) -> Result<Option<DateTime<Utc>>, CliError> {
        let has_locks = if let Some(has_locks) = self.has_locks.get() {
            *has_locks
        } else {
            let can = self.store.capabilities()?;
            *self.has_locks.get_or_init(|| can.locks != LockKeeper::Nobody)
        };
        if !has_locks {
            return Ok(None);
        }
        let until = paas_state::lock_of(self.store, &self.context, &snapshot.id)?;
        Ok(until.filter(|until| *until > self.now))
    }

    /// Whether it is kept in any case.
    fn is_pinned(&self, snapshot: &Snapshot) -> bool {
        self.pins.is_pinned(&reference(snapshot), self.now)
    }
}

/// A snapshot with its subject.
#[must_use]
pub(crate) fn reference(snapshot: &Snapshot) -> SnapshotRef {
    SnapshotRef { subject: snapshot.subject.clone(), id: snapshot.id.clone() }
}

/// The snapshot that an id or the unique beginning of one names, with or without its subject before it.
///
/// # Errors
/// [`CliError::NoSnapshot`], [`CliError::Ambiguous`].
pub(crate) fn find<'s>(
    snapshots: &'s [Snapshot],
    subject: &Subject,
    text: &str,
) -> Result<&'s Snapshot, CliError> {
    let prefix = text.strip_prefix(&format!("{subject}/")).unwrap_or(text);
    if prefix.is_empty() {
        return Err(CliError::NoSnapshot(text.to_owned()));
    }
    let mut found = snapshots.iter().filter(|snapshot| snapshot.id.as_str().starts_with(prefix));
    let Some(first) = found.next() else { return Err(CliError::NoSnapshot(text.to_owned())) };
    let others: Vec<_> = found.collect();
    if others.is_empty() || first.id.as_str() == prefix {
        return Ok(first);
    }
    if let Some(exact) = others.iter().find(|other| other.id.as_str() == prefix) {
        return Ok(exact);
    }
    let candidates = std::iter::once(first).chain(others).map(|snapshot| snapshot.id.to_string()).collect();
    Err(CliError::Ambiguous { prefix: prefix.to_owned(), candidates })
}
