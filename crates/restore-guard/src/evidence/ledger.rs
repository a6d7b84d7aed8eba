use super::standing::of_another_origin;
use super::{Evidence, EvidenceRecord, Ignored, RecordName, Records, UnverifiedEvidence, WhyIgnored};
use crate::{Error, OriginId, Result, TrustedWriters, WriterKey, objects};
use backup_contract::{ContextName, SnapshotRef, Subject};
use backup_store::{Key, Prefix, Store};

/// The evidence of one context in a store, at
/// `evidence/<context>/<subject>/<id>/<utc>-<level>-<outcome>-<random>.json`. It only grows.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    store: &'a dyn Store,
    context: &'a ContextName,
    origin: Option<&'a OriginId>,
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
        Self { store, context, origin: None }
    }

    /// The same ledger, in which nothing counts that is about another context of that name: such evidence was copied
    /// here from its store, with the bundle that it is about.
    #[must_use]
    pub const fn of_origin(self, origin: &'a OriginId) -> Self {
        Self { origin: Some(origin), ..self }
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
            let key = meta?.key;
            match self.read_one(&key)? {
                None => {}
                Some(found) => match found.and_then(|found| found.verify(trusted)).and_then(|e| self.ours(e))
                {
                    Ok(found) => evidence.push(found),
                    Err(why) => ignored.push(Ignored { key, why }),
                },
            }
        }
        Ok(Records::new(evidence, ignored))
    }

    fn ours(&self, evidence: Evidence) -> Result<Evidence, WhyIgnored> {
        match of_another_origin(&evidence, self.origin) {
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
