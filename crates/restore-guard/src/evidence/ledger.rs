use super::standing::{ahead_of_its_store, of_another_origin};
use super::{Evidence, EvidenceRecord, Ignored, RecordName, Records, UnverifiedEvidence, WhyIgnored};
use crate::{Error, OriginId, Result, TrustedWriters, WriterKey, objects};
use backup_contract::{ContextName, SnapshotRef, Subject};
use backup_store::{Key, ObjectMeta, Prefix, Store};
use chrono::{DateTime, Utc};

/// The evidence of one context in a store, at
/// `evidence/<context>/<subject>/<id>/<utc>-<level>-<outcome>-<random>.json`. It only grows.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    store: &'a dyn Store,
    context: &'a ContextName,
    origin: Option<&'a OriginId>,
    is_held_to_store: bool,
}

/// How much of a ledger is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything of the context.
    Context,
    /// Everything about one subject.
    Subject(Subject),
    /// Everything about one snapshot.
    Snapshot(SnapshotRef),
}

impl<'a> Ledger<'a> {
    /// The ledger of `context` in `store`.
    pub const fn new(store: &'a dyn Store, context: &'a ContextName) -> Self {
        Self { store, context, origin: None, is_held_to_store: false }
    }

    /// The same ledger, in which nothing counts that is about another context of that name: such evidence was copied
    /// here from its store, with the bundle that it is about.
    #[must_use]
    pub const fn of_origin(self, origin: &'a OriginId) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// The same ledger, in which no pass counts that says it was finished after its store wrote it: the writer's clock
    /// was ahead, and when that date has come the pass would outrank every failure of meanwhile. A copy without times is
    /// younger than what it says, which is no reason against it.
    ///
    /// Only for writers whose time can be compared with that of the store: not where `now` is made up.
    #[must_use]
    pub const fn held_to_its_store(self) -> Self {
        Self { is_held_to_store: true, ..self }
    }

    /// Signs a record and writes it, durable when this returns. Returns where it lies.
    ///
    /// # Errors
    /// As for [`EvidenceRecord::sign`]; [`Error::OtherContext`], for a record of another context; [`Error::Store`].
    pub fn write(&self, record: &EvidenceRecord, key: &WriterKey) -> Result<Key> {
        if record.context != *self.context {
            return Err(Error::OtherContext {
                expected: self.context.to_string(),
                found: record.context.to_string(),
            });
        }
        let (at, envelope) = record.sign(key)?;
        objects::put(self.store, &at, &envelope.to_json()?)?;
        Ok(at)
    }

    /// The names of the records, without reading them: one listing. Keys of anything else are left out.
    ///
    /// # Errors
    /// [`Error::Store`], when the store cannot be listed.
    pub fn names(&self, scope: &Scope) -> Result<Vec<(Key, RecordName)>> {
        let mut names = Vec::new();
        for meta in self.store.list(&self.prefix(scope)?, None)? {
            let key = meta?.key;
            if let Some(name) = RecordName::parse(&key) {
                names.push((key, name));
            }
        }
        Ok(names)
    }

    /// Reads the records and believes those of trusted writers about this context; the others are kept with the reason
    /// against them.
    ///
    /// # Errors
    /// [`Error::Store`], when the store cannot be listed or a record cannot be read: it could be the one that says
    /// failed. A record that was deleted between listing and reading is gone, as its snapshot is or will be.
    pub fn read(&self, scope: &Scope, trusted: &TrustedWriters) -> Result<Records> {
        let mut evidence = Vec::new();
        let mut ignored = Vec::new();
        for meta in self.store.list(&self.prefix(scope)?, None)? {
            let ObjectMeta { key, modified, .. } = meta?;
            match self.read_one(&key)? {
                None => {}
                Some(found) => match found
                    .and_then(|found| found.verify(trusted))
                    .and_then(|evidence| self.counts(evidence, modified))
                {
                    Ok(found) => evidence.push(found),
                    Err(why) => ignored.push(Ignored { key, why }),
                },
            }
        }
        Ok(Records::new(evidence, ignored))
    }

    fn counts(&self, evidence: Evidence, stored_at: DateTime<Utc>) -> Result<Evidence, WhyIgnored> {
        let ahead = || self.is_held_to_store.then(|| ahead_of_its_store(&evidence, stored_at)).flatten();
        match of_another_origin(&evidence, self.origin).or_else(ahead) {
            Some(why) => Err(why),
            None => Ok(evidence),
        }
    }

    fn read_one(&self, key: &Key) -> Result<Option<Result<UnverifiedEvidence, WhyIgnored>>> {
        use backup_store::Error as StoreError;
        match objects::get(self.store, key) {
            Ok(json) => Ok(Some(UnverifiedEvidence::from_json(key, &json))),
            Err(Error::Store(StoreError::NotFound { .. })) => Ok(None),
            Err(Error::Store(StoreError::TooLarge { limit, .. })) => {
                Ok(Some(Err(WhyIgnored::TooLong { limit })))
            }
            Err(error) => Err(error),
        }
    }

    fn prefix(&self, scope: &Scope) -> Result<Prefix> {
        let context = self.context;
        Ok(match scope {
            Scope::Context => Prefix::new(&format!("evidence/{context}")),
            Scope::Subject(subject) => Prefix::new(&format!("evidence/{context}/{subject}")),
            Scope::Snapshot(SnapshotRef { subject, id }) => {
                Prefix::new(&format!("evidence/{context}/{subject}/{id}"))
            }
        }?)
    }
}
